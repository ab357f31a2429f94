"""Who comes on call is told what is open in their areas: once, in their language, after restarts and outages too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

import registry
from alerts import actions, models
from alerts.handover import who_comes
from alerts.handover_texts import Notice, OpenIncident, notice_text
from alerts.lifecycle import State
from alerts.texts import fits
from detectors.detection import pack_detection
from registry import Directory
from registry.entries import AreaEntry, ResponderEntry
from registry.rosters import Rosters
from tests.alerts.story import DISTRICT, SETTINGS, START_MS, Story
from tests.alerts.test_roster_timelines import settle_on
from tests.servers.sink import SECRET, Answer, Received

#: Ann until 14:00:20, then Bob.
SOON = "2026-02-24T14:00:20"


def notices(received: list[Received]) -> list[Received]:
    """The messages about hand-overs."""
    return [request for request in received if request.body["type"] == "handover.notify"]


def told(story: Story) -> list[tuple[str, int, int]]:
    """Who was told of a hand-over since this was asked last: who, how many are open, how many nobody has taken."""
    return [(one.path.lstrip("/"), one.data["open_count"], one.data["waiting_count"]) for one in notices(story.news())]


def audit(story: Story, *whats: str) -> list[tuple[str, dict[str, Any]]]:
    """Audit rows that belong to no incident."""
    table = models.audit
    query = select(table.c.what, table.c.data).where(table.c.incident.is_(None), table.c.what.in_(whats))
    with story.engine.connect() as connection:
        return [(what, data) for what, data in connection.execute(query.order_by(table.c.id))]


def test_who_comes_on_call_is_told_once_what_is_open_and_who_has_it(any_story: Story, tmp_path: Path) -> None:
    """Two are open at the station: Ann is on the way to one, nobody has taken the other. The street's is not Bob's."""
    story = any_story
    settle_on(story, tmp_path / "r", start=SOON)
    story.happens("fall")
    actions.en_route(story.engine, story.incident().id, "ann", story.now_ms)
    story.happens("sos", device="spare-2", person=None)  # the district desk's
    story.happens("sos", device="w-zhao", person="zhao")  # another station's
    story.news()
    story.forward(15)
    assert told(story) == []
    story.forward(10)
    (notice,) = notices(story.news())
    assert notice.genuine
    assert notice.path == "/bob"
    assert notice.headers["webhook-id"] == notice.data["notification"]
    assert notice.data["areas"] == [
        {"area": "d.street.station", "area_name": "Station", "until_ms": START_MS + 20_000 + 7 * 86_400_000}
    ]
    assert (notice.data["at_ms"], notice.data["repeat"]) == (START_MS + 20_000, False)
    assert notice.data["sentence"] == (
        "You are now on call: Station, until 2026-03-10 14:00. Open: 1, not taken by anybody: 0."
        " Fall: Wang Xiuying, 12 Fengqing Road, at 13:59; Ann is on the way."
    )
    (listed,) = notice.data["open"]
    assert (listed["kind"], listed["state"], listed["taken_by"]) == ("fall", "en_route", "ann")
    story.forward(3600)
    assert told(story) == []
    rows = audit(story, "handed_over", "sent")
    assert [data["areas"] for what, data in rows if what == "handed_over"] == [["d.street.station"]]
    assert [data["reason"] for what, data in rows if what == "sent"] == ["shown", "delivered"]  # a row of the board too


def test_a_hand_over_during_a_restart_is_told_once(any_story: Story, tmp_path: Path) -> None:
    """Before, during and after: the process is another one, the message is the same."""
    story = any_story
    settle_on(story, tmp_path / "r", start=SOON)
    story.settle()
    story.restart()
    story.now_ms += 60_000
    story.settle()
    assert told(story) == [("bob", 0, 0)]
    for _ in range(3):
        story.restart()
        story.forward(60)
    assert told(story) == []


def test_a_notice_whose_answer_was_lost_is_sent_again_under_the_same_id(any_story: Story, tmp_path: Path) -> None:
    """The service ends while the message is on its way; the receiver can tell that it has it already."""
    story = any_story
    settle_on(story, tmp_path / "r", start=SOON)
    story.settle()
    story.sink.answers["bob"].append(Answer(delay_s=5.0))
    story.now_ms += 20_000
    assert story.service.step(story.now_ms)
    story.sink.wait_for(1)
    story.restart()
    story.settle()
    first, again = notices(story.news())
    assert first.id == again.id
    assert (first.data["repeat"], again.data["repeat"]) == (False, True)
    story.forward(120)
    assert told(story) == []


def test_a_channel_that_does_not_answer_is_tried_again_and_holds_up_no_call(any_story: Story, tmp_path: Path) -> None:
    """While the notice to Bob waits for its answer a fall is told to him all the same."""
    story = any_story
    settle_on(story, tmp_path / "r", start=SOON)
    story.settle()
    story.sink.answers["bob"].extend([Answer(delay_s=1.0, drop=True), Answer(), Answer(status=503)])
    story.now_ms += 20_000
    assert story.service.step(story.now_ms)
    story.sink.wait_for(1)
    story._detections.append([pack_detection(story.detection("fall"))])
    story._detections.commit()
    assert story.service.step(story.now_ms)
    story.sink.wait_for(2)
    assert [one.body["type"] for one in story.sink.received] == ["handover.notify", "incident.notify"]
    story.settle()
    story.news()
    for _ in range(5):
        story.now_ms += 10_000
        story.settle()
    assert [(one.data["attempt"], one.data["open_count"]) for one in notices(story.news())] == [(2, 1), (3, 1)]


def test_after_an_outage_only_who_is_still_on_call_is_told(any_story: Story, tmp_path: Path) -> None:
    """Five hours late Bob is told, who came at 15:00 and is on until tomorrow; Ann, who came on 23 hours ago, knows."""
    story = any_story
    import_rosters(story, tmp_path / "r", DAYS)
    story.settle()
    story.now_ms += 5 * HOUR_MS
    story.settle()
    assert told(story) == [("bob", 0, 0)]
    story.now_ms += 43 * HOUR_MS
    story.settle()
    assert told(story) == []
    story.forward(2 * 3600)
    assert told(story) == [("bob", 0, 0)]


def test_who_came_and_went_during_an_outage_is_not_told(any_story: Story, tmp_path: Path) -> None:
    """The shift from 15:00 to 18:00 is over when the service is back at 19:00."""
    story = any_story
    settle_on(story, tmp_path / "r", turns="bob", start="2026-03-03T15:00", hours='"15:00-18:00"')
    story.settle()
    story.now_ms += 5 * HOUR_MS
    story.settle()
    assert told(story) == []
    assert audit(story, "handed_over") == []


def test_who_passes_from_one_roster_of_an_area_to_another_has_not_come(any_story: Story, tmp_path: Path) -> None:
    """Ann has the day and the evening after it; Chen, who has the evening with her, comes."""
    story = any_story
    import_rosters(
        story,
        tmp_path / "r",
        """\
  - {id: day, area: d.street.station, zone: Asia/Shanghai, start: "2026-03-03T08:00", turns: [ann],
     hours: ["08:00-15:00"]}
  - {id: evening, area: d.street.station, zone: Asia/Shanghai, start: "2026-03-03T08:00", turns: [ann + chen],
     hours: ["15:00-22:00"]}
""",
    )
    story.settle()
    story.forward(2 * 3600)
    assert told(story) == [("chen", 0, 0)]


def test_who_comes_on_call_in_several_areas_gets_one_message_in_their_language(
    any_story: Story, tmp_path: Path
) -> None:
    """Chen has the station and the district at the same minute, and hears of what is open below both."""
    story = any_story
    import_rosters(
        story,
        tmp_path / "r",
        """\
  - {id: a, area: d.street.station, zone: Asia/Shanghai, start: "2026-03-03T14:05", turns: [chen]}
  - {id: b, area: d, zone: Asia/Shanghai, start: "2026-03-03T14:05", turns: [chen], hours: ["14:05-20:00"]}
""",
    )
    story.happens("sos", device="w-zhao", person="zhao")
    actions.acknowledge(story.engine, story.incident().id, "desk", story.now_ms)
    story.happens("fall")
    story.news()
    story.forward(600)
    (notice,) = notices(story.news())
    assert notice.path == "/chen"
    assert [one["area_name"] for one in notice.data["areas"]] == ["District", "Station"]
    assert notice.data["sentence"] == (
        "您现在开始值班：District、Station，至 20:00。现有未结警情 2 起，其中 1 起无人接警。"
        " 跌倒：Wang Xiuying，12 Fengqing Road，13:59，无人接警。"
        " 紧急呼叫：赵敏，8 Lake Road，13:59，Desk已接警。"
    )


def test_an_import_before_the_hour_counts_and_a_first_start_tells_nobody(any_story: Story, tmp_path: Path) -> None:
    """Somebody stands in for Bob: they are told, he is not. When all begins, who is on call already is."""
    story = any_story
    settle_on(story, tmp_path / "r", start=SOON)
    story.settle()
    assert told(story) == []
    more = (
        'roster_overrides:\n  - {id: o, roster: station, begin: "2026-03-03T08:00", end: "2026-03-04T08:00",'
        " instead_of: bob, responders: [chen]}\n"
    )
    settle_on(story, tmp_path / "s", start=SOON, more=more)
    story.forward(60)
    assert told(story) == [("chen", 0, 0)]


def test_an_import_makes_a_hand_over_that_nobody_expected(any_story: Story, tmp_path: Path) -> None:
    """Ann has the week; from 14:05 on somebody stands in for her, which is imported at 14:00."""
    story = any_story
    settle_on(story, tmp_path / "r")
    story.settle()
    more = (
        'roster_overrides:\n  - {id: o, roster: station, begin: "2026-03-03T14:05", end: "2026-03-04T08:00",'
        " instead_of: ann, responders: [chen]}\n"
    )
    settle_on(story, tmp_path / "s", more=more)
    story.settle()
    story.forward(301)
    assert told(story) == [("chen", 0, 0)]


def test_who_has_no_channel_is_not_told_with_a_reason(any_story: Story, tmp_path: Path) -> None:
    """That is written down."""
    story = any_story
    settle_on(story, tmp_path / "r", start=SOON, turns="ann, mute")
    story.settle()
    story.forward(60)
    assert told(story) == []
    (row,) = audit(story, "not_sent")
    assert (row[1]["responder"], row[1]["reason"]) == ("mute", "no_channel")


def test_a_siren_stays_silent_and_a_test_channel_is_not_told(any_story: Story, tmp_path: Path) -> None:
    """Bob's siren is for calls; the desk's role is to receive tests."""
    story = any_story
    text = district_with(ROSTER_SOON.replace("turns: [ann, bob]", "turns: [ann, bob + desk]"), story)
    text = text.replace("{type: console}]", "{type: siren, url: b-wang}]")
    text = text.replace("{id: desk,", "{id: desk, roles: [test],")
    import_text(story, tmp_path / "r", text)
    story.settle()
    story.commands()
    story.forward(60)
    assert told(story) == [("bob", 0, 0)]
    assert story.commands() == []
    assert [data["responder"] for _, data in audit(story, "handed_over", "sent", "not_sent")] == ["bob", "bob"]


def test_test_calls_are_not_handed_over(any_story: Story, tmp_path: Path) -> None:
    """They are nobody's work."""
    story = any_story
    settle_on(story, tmp_path / "r", start=SOON)
    story.happens("fall")
    with registry.writing(story.engine) as connection:
        connection.execute(models.incident.update().values(kind="test"))
    story.now_ms += 21_000
    story.settle()
    assert told(story) == [("bob", 0, 0)]


def test_a_second_channel_takes_over_when_the_first_is_given_up(any_story: Story, tmp_path: Path) -> None:
    """As with calls: the address is gone, the next of the responder's channels has it."""
    story = any_story
    text = district_with(ROSTER_SOON, story)
    first = f'channels: [{{type: webhook, url: "{story.sink.url("")}bob", secret: {SECRET}}}, {{type: console}}]'
    assert first in text
    more = f', {{type: webhook, url: "{story.sink.url("")}bob2", secret: {SECRET}}}'
    import_text(story, tmp_path / "r", text.replace(first, first.replace(", {type: console}", more)))
    story.settle()
    story.sink.default["bob"] = Answer(status=410)
    story.forward(60)
    assert [one.path for one in notices(story.news())] == ["/bob", "/bob2"]
    assert [data["reason"] for _, data in audit(story, "sent", "not_sent")] == ["gone", "delivered"]


@given(
    names=st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=8),
    language=st.sampled_from(["en", "zh"]),
    count=st.integers(0, 5000),
    until_ms=st.none() | st.integers(START_MS, START_MS + 40 * 86_400_000),
)
def test_the_short_text_fits_one_message_in_english(
    names: list[str], language: str, count: int, until_ms: int | None
) -> None:
    """Where the names are of the alphabet of text messages; a Chinese one may take two."""
    areas = {f"a{at}": AreaEntry(path=f"a{at}", name=name) for at, name in enumerate(names)}
    known = Directory(areas=areas)
    who = ResponderEntry(id="r", name="R", area="a0", languages=(language,))
    one = OpenIncident(
        id="i", kind="fall", severity="urgent", state=State.OPEN, person=None, device="d", area="a0",
        onset_ms=START_MS, opened_ms=START_MS, taken_by=None,
    )  # fmt: skip
    notice = Notice("h", who, START_MS, dict.fromkeys(areas, until_ms), [one] * count, 1)
    text = notice_text(notice, known, SETTINGS, START_MS, short=True).body
    # of the printable ASCII characters only the grave accent is not in the alphabet of text messages
    if language == "en" and all(name.isascii() and name.isprintable() and "`" not in name for name in names):
        assert fits(text)
    assert len(text) <= 140
    whole = notice_text(notice, known, SETTINGS, START_MS)
    assert len(whole.body.splitlines()) <= 12 + sum(len(name.splitlines()) for name in names) * 11


def test_nobody_comes_where_there_are_no_rosters() -> None:
    """A plain order has no hand-overs."""
    assert who_comes(Directory(rosters=Rosters(standing={"d": ("ann",)})), START_MS, START_MS + 86_400_000) == []


HOUR_MS = 3_600_000
DAYS = """\
  - {id: station, area: d.street.station, zone: Asia/Shanghai, turn_days: 1, start: "2026-03-02T15:00",
     turns: [ann, bob]}
"""
ROSTER_SOON = f"""\
  - {{id: station, area: d.street.station, zone: Asia/Shanghai, start: "{SOON}", turns: [ann, bob]}}
"""


def district_with(rosters: str, story: Story) -> str:
    """The example district, with rosters in the place of the station's plain order."""
    text = DISTRICT.format(url=story.sink.url(""), secret=SECRET).replace("  d.street.station: [ann, bob]\n", "")
    return f"{text}rosters:\n{rosters}"


def import_rosters(story: Story, folder: Path, rosters: str) -> None:
    """Bring them to the registry."""
    import_text(story, folder, district_with(rosters, story))


def import_text(story: Story, folder: Path, text: str) -> None:
    """Bring a district to the registry."""
    folder.mkdir()
    (folder / "district.yaml").write_text(text, encoding="utf-8")
    assert not registry.import_folder(story.engine, folder, remove=True).problems


def test_notices_leave_half_of_a_limit_to_calls(any_story: Story, tmp_path: Path) -> None:
    """Ann and Bob share an address that takes two messages a minute: one notice, and a call beside it, at once."""
    story = any_story
    settle_on(story, tmp_path / "r", turns="desk, ann + bob", start=SOON)
    shared = f'channels: [{{type: webhook, url: "{story.sink.url("")}robot", secret: {SECRET}, per_minute: 2}}'
    text = (tmp_path / "r" / "district.yaml").read_text()
    for name in ("ann", "bob"):
        own = f'channels: [{{type: webhook, url: "{story.sink.url("")}{name}", secret: {SECRET}}}'
        assert own in text
        text = text.replace(own, shared)
    import_text(story, tmp_path / "s", text)
    story.settle()
    story.now_ms += 20_000
    story.settle()
    assert len(notices(story.news())) == 1
    story.happens("fall")
    assert [one.body["type"] for one in story.news()] == ["incident.notify"]
    for _ in range(14):
        story.now_ms += 10_000
        story.settle()
    assert len(notices(story.news())) == 1
