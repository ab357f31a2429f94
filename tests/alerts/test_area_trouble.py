"""Stories of a whole area that falls silent: one incident, told to who coordinates, over when the area is back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import registry
from alerts import actions
from alerts.area_trouble import ONE_CAN_ASK, Said, behind, still_silent
from alerts.device_findings import standing_device_findings
from alerts.lifecycle import Outcome
from alerts.sentences import AREA_TROUBLE
from detectors.detection import Detection, Severity, Stage
from detectors.device import sentences as of_devices
from detectors.device.area import AREA_OFFLINE
from detectors.device.link import AREA_DEVICE
from registry import Directory
from registry.entries import DeviceEntry, PersonEntry
from tests.alerts.story import DISTRICT, Story
from tests.alerts.test_policies import hold
from tests.servers.sink import SECRET

FEATURES = {"silent_devices": 9.0, "known_devices": 10.0, "silent_s": 300.0}


def silence(story: Story, area: str = "d.street", **values: Any) -> Detection:
    """What the device bank says of an area."""
    notes = {"area": area} | values.pop("notes", {})
    told = of_devices.told(AREA_OFFLINE, notes, FEATURES, over=False)
    about: dict[str, Any] = {
        "device": AREA_DEVICE, "person": None, "detector": "device.link", "onset_ms": story.now_ms - 300_000,
        "severity": Severity.URGENT, "features": FEATURES, "notes": notes | told,
    }  # fmt: skip
    return story.detection(AREA_OFFLINE, **about | values)


def end_of(story: Story, begun: Detection, **notes: str) -> Detection:
    """The area is back."""
    said = begun.notes | notes | {"state": "over"}
    told = of_devices.told(AREA_OFFLINE, said, {"silent_s": 600.0}, over=True)
    return msgspec.structs.replace(
        begun, stage=Stage.FOLLOW_UP, severity=Severity.INFO, decided_ms=story.now_ms, notes=said | told,
        features={"silent_s": 600.0},
    )  # fmt: skip


def with_coordinator(story: Story, folder: Path, people: str = "") -> None:
    """Chen coordinates the street; Wang lives alone, and so do ``people`` more."""
    text = DISTRICT.format(url=story.sink.url(""), secret=SECRET)
    text = text.replace("{id: chen, name: 陈,", "{id: chen, name: 陈, roles: [coordinator],")
    text = text.replace("{key: wang,", "{key: wang, risks: [lives_alone],").replace("devices:\n", f"{people}devices:\n")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "district.yaml").write_text(text, encoding="utf-8")
    diff = registry.import_folder(story.engine, folder)
    assert not diff.problems, diff.problems


def test_an_area_that_falls_silent_is_one_incident_for_its_coordinator_and_then_the_desk(
    any_story: Story, tmp_path: Path
) -> None:
    """Ten minutes each, nobody of the station; after half an hour from the top. The words are the detector's, with who
    is behind it, in the reader's language."""
    story = any_story
    with_coordinator(story, tmp_path / "c")
    story.deliver(silence(story))
    incident = story.incident()
    assert (incident.kind, incident.person_key, incident.area) == ("area_offline", None, "d.street")
    assert incident.severity == "warning"
    (chen,) = story.news()
    assert chen.path == "/chen"
    assert chen.data["sentence"] == (
        "区域断联：Street，13:55。d.street的10台设备中有9台在5分钟前同时失去联系：该区域停电或网络中断。"
        "涉及2户2人，其中独居1人。"
    )
    assert (chen.data["person"], chen.data["area_name"], chen.data["lat"]) == ("", "Street", None)
    story.forward(599)
    assert story.told() == []
    story.forward(1)
    (desk,) = story.news()
    assert desk.path == "/desk"
    assert desk.data["sentence"] == (
        "Area without connection: Street, at 13:55. 9 of 10 devices of d.street fell silent together 5 min ago: "
        "power or network of the area. 2 people in 2 homes cannot call for help; 1 of them lives alone."
    )
    story.forward(1799)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["chen"]
    opened = story.detail().timeline[0]
    assert {name: opened.data[name] for name in ("people", "homes", "live_alone", "policy")} == {
        "people": 2, "homes": 2, "live_alone": 1, "policy": "area",
    }  # fmt: skip


def test_without_a_coordinator_the_desk_is_told_at_once(story: Story) -> None:
    """Whoever is on call at the station is there for people, not for power cuts."""
    story.deliver(silence(story, "d.street.station"))
    assert story.told() == ["desk"]


def test_when_the_area_is_back_and_nobody_has_taken_it_it_is_closed_as_a_device_fault(any_story: Story) -> None:
    """By the system; the calls end, and the time line says that it is over."""
    story = any_story
    begun = silence(story)
    story.deliver(begun)
    assert len(standing_device_findings(story.engine)) == 1
    story.forward(60)
    story.deliver(end_of(story, begun))
    assert story.timeline()[-4:] == ["followed_up", "resolved", "stand_down", "sent"]
    incident = story.incident()
    assert (incident.state, incident.outcome) == ("resolved", Outcome.DEVICE_FAULT)
    assert story.detail().timeline[-1].who == "system"
    assert standing_device_findings(story.engine) == []
    story.told()
    story.forward(7200)
    assert story.told() == []


def test_what_somebody_has_taken_stays_theirs_when_the_area_is_back(any_story: Story) -> None:
    """It is written, and they close it: they may have sent somebody."""
    story = any_story
    begun = silence(story)
    story.deliver(begun)
    actions.acknowledge(story.engine, story.incident().id, "desk", story.now_ms)
    story.deliver(end_of(story, begun))
    assert story.incident().state == "acknowledged"
    entry = story.detail().timeline[-1]
    assert (entry.what, entry.data["follow_up"]) == ("followed_up", "over")
    actions.resolve(story.engine, story.incident().id, "desk", story.now_ms, outcome=Outcome.DEVICE_FAULT)
    story.deliver(silence(story))
    assert len(story.incidents()) == 2  # what is closed is closed


def test_more_findings_of_the_area_and_of_what_lies_in_it_join_however_late(story: Story) -> None:
    """An hour later, as after a loss of the detector's memory; another street has its own."""
    first = silence(story)
    story.deliver(first)
    story.told()
    story.now_ms += 3_600_000
    again, inside = silence(story), silence(story, "d.street.empty")
    story.deliver(again, inside)
    assert len(story.incident().evidence) == 3
    assert story.timeline().count("evidence") == 2
    story.deliver(end_of(story, again))
    assert story.incident().state == "notifying"  # the station is silent yet
    story.deliver(end_of(story, inside))
    assert story.incident().state == "resolved"  # the end of the first never comes


def test_a_wider_silence_closes_the_smaller_and_is_an_incident_of_its_own(story: Story) -> None:
    """As the bank tells it: the end of the street, which names the district, and the district."""
    street = silence(story)
    story.deliver(street)
    story.deliver(end_of(story, street, wider_area="d"), silence(story, "d"))
    by_area = {one.area: one.state for one in story.incidents()}
    assert by_area == {"d.street": "resolved", "d": "notifying"}


def test_calls_for_help_from_a_silent_area_are_incidents_of_their_own(any_story: Story) -> None:
    """And single devices that are silent there stay findings; so does a home."""
    story = any_story
    story.deliver(silence(story))
    home = silence(story, "d.street.station", person="wang", notes={"home": "wang"})
    lone = story.detection("offline", detector="device.link", severity=Severity.WARNING)
    story.deliver(home, lone)
    assert len(story.incidents()) == 1
    assert story.service.counts["device_finding"] == 2
    story.told()
    story.happens("sos")
    story.happens("fall", device="w-zhao", person="zhao")
    story.happens("sos", device="spare", person=None)
    assert sorted(one.kind for one in story.incidents()) == ["area_offline", "fall", "sos", "sos"]
    assert sorted(story.told()) == ["ann", "chen", "desk"]


def test_many_who_live_alone_make_it_urgent(story: Story, tmp_path: Path) -> None:
    """One more than one can telephone in a step. Who has no device does not miss it."""
    more = [f"  - {{key: p{i}, name: P, area: d.street, risks: [lives_alone]}}\n" for i in range(ONE_CAN_ASK + 1)]
    with_coordinator(story, tmp_path / "c", "".join(more))  # Wang is one of those who live alone
    devices = [{"id": f"w-p{i}", "person": f"p{i}"} for i in range(ONE_CAN_ASK)]
    for many, severity in ((ONE_CAN_ASK - 1, "warning"), (ONE_CAN_ASK, "urgent")):
        hold(story, tmp_path / "d", devices=devices[:many])
        story.deliver(silence(story))
        (open_,) = [one for one in story.incidents() if one.state != "resolved"]
        assert (many, open_.severity) == (many, severity)
        actions.resolve(story.engine, open_.id, "desk", story.now_ms, outcome=Outcome.DEVICE_FAULT)


@pytest.mark.parametrize("kinds", [[], ["area_offline"]])
def test_a_silence_of_the_area_holds_it_back(story: Story, tmp_path: Path, kinds: list[str]) -> None:
    """A power cut that was announced."""
    span = {"begin": "2026-03-03T14:00", "end": "2026-03-03T16:00", "reason": "works on the mains"}
    hold(story, tmp_path / "p", silences=[{"id": "s", "area": "d.street", "kinds": kinds, **span}])
    begun = silence(story)
    story.deliver(begun)
    story.deliver(end_of(story, begun))
    assert (story.incidents(), story.told()) == ([], [])
    assert story.service.counts["silenced"] == 1


def test_a_policy_that_names_the_kind_decides_and_one_for_all_kinds_does_not(story: Story, tmp_path: Path) -> None:
    """The second is about people: it would call the neighbours for a power cut."""
    steps = [{"responders": ["ann"]}]
    hold(story, tmp_path / "p", policies=[{"id": "everything", "area": "d.street", "steps": steps}])
    story.deliver(silence(story))
    assert story.told() == ["desk"]
    hold(story, tmp_path / "q", policies=[{"id": "power", "area": "d", "kinds": ["area_offline"], "steps": steps}])
    story.deliver(silence(story, "d.street.station"), silence(story, "d"))
    assert story.told() == ["ann"]


def test_an_area_that_the_registry_does_not_have_is_the_desks(story: Story) -> None:
    """It was renamed since the detector read it."""
    story.deliver(silence(story, "d.gone"))
    assert story.told() == ["desk"]
    assert story.incident().area == "d"


def test_the_end_of_a_silence_that_nobody_was_told_of_changes_nothing(story: Story) -> None:
    """It began before there were such incidents."""
    story.deliver(end_of(story, silence(story)))
    assert story.incidents() == []


def test_a_silence_is_over_when_the_newest_of_each_area_is() -> None:
    """However many of the older ones stand."""
    old, new = Said("a", "d.s", 1, over=False), Said("b", "d.s", 2, over=True)
    assert not still_silent([new, old])
    assert still_silent([old, new, Said("c", "d.t", 0, over=False)])
    assert still_silent([Said("a", "d.s", 1, over=True), Said("b", "d.s", 2, over=False)])


def test_two_at_one_address_are_one_home() -> None:
    """Those of other areas, and who has no device, are not behind it; an area whose name begins alike is another."""
    known = Directory(
        people={
            key: PersonEntry(key=key, name=key, area=area, address=address, risks=("lives_alone",) if alone else ())
            for key, area, address, alone in (
                ("a", "d.s.x", "1 Lake Road", False), ("b", "d.s.x", "1 Lake Road", False), ("c", "d.s", "", True),
                ("d", "d.s", "", False), ("e", "d.sun", "2 Lake Road", True), ("f", "d.s", "", True),
            )
        },
        devices={f"w-{key}": DeviceEntry(id=f"w-{key}", person=key) for key in "abcde"},
    )  # fmt: skip
    found = behind(known, "d.s")
    assert (found.people, found.homes, found.alone) == (4, 3, ("c",))


def test_the_kind_is_what_the_bank_calls_it() -> None:
    """The rooms do not import each other; this test does."""
    assert AREA_TROUBLE == AREA_OFFLINE
