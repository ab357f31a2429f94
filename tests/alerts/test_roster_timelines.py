"""Stories of rosters and reach: the clock runs over hand-overs, and exactly these people are called."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import registry
from alerts import actions
from registry.presence import report_presence
from registry.reach import Osrm, Presence
from registry.rosters.hours import parse_local
from registry.routes import ask_ways
from tests.alerts.story import DISTRICT, START_MS, Story
from tests.servers.routes import serve_routes
from tests.servers.sink import SECRET

#: Wang's door is at 34.26, 108.92; 0.009 degrees of latitude are a kilometre.
ROSTER = """\
  - {{id: station, area: d.street.station, zone: {zone}, start: "{start}", turns: [{turns}], hours: [{hours}]}}
"""


def settle_on(
    story: Story,
    folder: Path,
    *,
    turns: str = "ann, bob",
    start: str = "2026-03-02T14:00",
    hours: str = '"00:00-24:00"',
    zone: str = "Asia/Shanghai",
    more: str = "",
    responders: dict[str, str] | None = None,
) -> None:
    """The district with a roster in the place of the station's plain order, and with what is said of its responders."""
    text = DISTRICT.format(url=story.sink.url(""), secret=SECRET).replace("  d.street.station: [ann, bob]\n", "")
    for name, said in (responders or {}).items():
        text = text.replace(f"{{id: {name}, ", f"{{id: {name}, {said}, ")
    text += "rosters:\n" + ROSTER.format(zone=zone, start=start, turns=turns, hours=hours) + more
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "district.yaml").write_text(text, encoding="utf-8")
    diff = registry.import_folder(story.engine, folder, remove=True)
    assert not diff.problems, diff.problems


def calls(story: Story) -> list[dict[str, Any]]:
    """What the time line says of each call."""
    return [entry.data for entry in story.detail().timeline if entry.what == "called"]


def test_a_hand_over_between_two_calls_calls_who_has_come(any_story: Story, tmp_path: Path) -> None:
    """Ann is on until 14:00:20; she is called at 14:00, and at 14:00:30 Bob, who is on by then, before the street."""
    settle_on(any_story, tmp_path / "r", turns="ann, bob", start="2026-02-24T14:00:20")
    any_story.happens("fall")
    assert any_story.told() == ["ann"]
    any_story.forward(30)
    assert any_story.told() == ["bob"]
    any_story.forward(30)
    assert any_story.told() == ["chen"]
    assert [call.get("roster") for call in calls(any_story)] == ["station", "station", None]


def test_outside_the_hours_the_next_tier_is_called_at_once(story: Story, tmp_path: Path) -> None:
    """The station is open until noon; at 14:00 the street has it, without a wait."""
    settle_on(story, tmp_path / "r", hours='"08:00-12:00"', start="2026-03-02T08:00")
    story.happens("fall")
    assert story.told() == ["chen"]
    assert story.incident().area == "d.street.station"


def test_at_three_in_the_morning_when_the_clocks_change_the_one_of_the_new_turn_is_called(
    any_story: Story, tmp_path: Path
) -> None:
    """Berlin, 29 March: 02:00 becomes 03:00, where Bob takes over. A second before it is Ann's, though on the clock an
    hour lies between. In October 02:59 comes twice, both times Ann's."""
    settle_on(any_story, tmp_path / "r", turns="ann, bob", start="2026-03-22T03:00", zone="Europe/Berlin")
    story = any_story
    change_ms = parse_local("2026-03-29T01:00Z", story.settings.zone)
    for at_ms, name in (
        (change_ms - 1_000, "ann"),
        (change_ms, "bob"),
        (parse_local("2026-10-25T00:59:59Z", story.settings.zone), "ann"),  # 02:59:59, for the first time
        (parse_local("2026-10-25T01:59:59Z", story.settings.zone), "ann"),  # and for the second
        (parse_local("2026-10-25T02:00Z", story.settings.zone), "bob"),
    ):
        story.now_ms = at_ms
        story.happens("fall")
        assert story.told() == [name], at_ms
        (open_one,) = [one for one in story.incidents() if one.resolved_ms is None]
        actions.resolve(story.engine, open_one.id, name, story.now_ms, outcome=actions.Outcome.TRUE)


def test_the_nearest_of_those_on_call_is_called_first_and_the_time_line_says_how_far(
    any_story: Story, tmp_path: Path
) -> None:
    """Bob lives round the corner, Ann two kilometres off; both are on. The tier above comes after both."""
    places = {"ann": "lat: 34.278, lon: 108.92, travel: ebike", "bob": "lat: 34.2605, lon: 108.92, travel: walk"}
    settle_on(any_story, tmp_path / "r", turns="ann + bob", responders=places)
    any_story.happens("fall")
    assert any_story.told() == ["bob"]
    any_story.forward(30)
    assert any_story.told() == ["ann"]
    any_story.forward(30)
    assert any_story.told() == ["chen"]
    bob, ann, _ = calls(any_story)
    assert (bob["from"], bob["travel_s"], bob["layer"]) == ("base", 150, 1)
    assert 600 < ann["travel_s"] < 900


def test_a_way_that_a_server_of_routes_knows_decides_before_the_straight_line(any_story: Story, tmp_path: Path) -> None:
    """Bob is nearer, beyond the railway. The server was asked beforehand, and is away when the call is made."""
    places = {"ann": "lat: 34.265, lon: 108.92, travel: ebike", "bob": "lat: 34.2615, lon: 108.92, travel: ebike"}
    settle_on(any_story, tmp_path / "r", turns="ann + bob", responders=places)
    with serve_routes() as routes:
        routes.seconds_from[(34.2615, 108.92)] = 900.0
        osrm = Osrm(routes.url, time.monotonic)
        asked = ask_ways(any_story.engine, registry.directory(any_story.engine), osrm, lambda _: None)
        osrm.close()
    assert asked.added == 2
    any_story.happens("fall")
    assert any_story.told() == ["ann"]
    any_story.forward(30)
    assert any_story.told() == ["bob"]
    ann, bob = calls(any_story)
    assert (ann["by"], bob["by"], bob["travel_s"]) == ("route", "route", 1050)


def test_who_reported_to_be_near_is_called_first(any_story: Story, tmp_path: Path) -> None:
    """Ann is on a visit next door. An hour later nobody knows where she is, and her base counts again."""
    places = {"ann": "lat: 34.278, lon: 108.92, travel: ebike", "bob": "lat: 34.2645, lon: 108.92, travel: walk"}
    settle_on(any_story, tmp_path / "r", turns="ann + bob", responders=places)
    story = any_story
    with registry.writing(story.engine) as connection:
        report_presence(connection, "ann", Presence(story.now_ms - 60_000, 34.2601, 108.92))
    story.happens("fall")
    assert story.told() == ["ann"]
    actions.resolve(story.engine, story.incident().id, "ann", story.now_ms, outcome=actions.Outcome.TRUE)
    story.forward(3600)
    story.happens("fall")
    assert story.told() == ["bob"]


def test_who_is_busy_with_another_incident_is_called_last_of_their_layer(any_story: Story, tmp_path: Path) -> None:
    """Ann has taken Zhao's alarm at the desk's; Wang's goes to Bob, and only then to her. The tier keeps its place
    before the street."""
    settle_on(any_story, tmp_path / "r", turns="ann + bob")
    story = any_story
    story.happens("sos", device="w-zhao", person="zhao")
    story.told()
    zhao = story.incident()
    actions.on_scene(story.engine, zhao.id, "ann", story.now_ms)
    story.happens("fall")
    assert story.told() == ["bob"]
    story.forward(30)
    assert story.told() == ["ann"]
    wang = next(one for one in story.incidents() if one.id != zhao.id)
    actions.acknowledge(story.engine, wang.id, "bob", story.now_ms)
    actions.resolve(story.engine, wang.id, "bob", story.now_ms, outcome=actions.Outcome.TRUE)
    story.forward(2 * 3600)  # nobody said what became of Zhao's: Ann does not stay busy for ever
    story.told()
    story.happens("fall")
    assert story.told() == ["ann"]


def test_who_took_an_incident_and_did_not_come_is_not_busy_with_it(any_story: Story, tmp_path: Path) -> None:
    """After a quarter of an hour it starts from the top, which may well be the same person."""
    settle_on(any_story, tmp_path / "r", turns="ann + bob")
    any_story.happens("fall")
    actions.acknowledge(any_story.engine, any_story.incident().id, "ann", any_story.now_ms)
    any_story.told()
    any_story.forward(900)
    assert any_story.told() == ["ann"]


def test_the_second_layer_waits_for_the_first_however_near_it_is(story: Story, tmp_path: Path) -> None:
    """Layers are whom the coordinator wants to be called first; only within one the way decides."""
    places = {"ann": "lat: 34.278, lon: 108.92", "bob": "lat: 34.2601, lon: 108.92"}
    second = ROSTER.format(zone="Asia/Shanghai", start="2026-03-02T14:00", turns="bob", hours='"00:00-24:00"')
    second = second.replace("id: station", "id: second, layer: 2")
    settle_on(story, tmp_path / "r", turns="ann", more=second, responders=places)
    story.happens("fall")
    assert story.told() == ["ann"]
    story.forward(30)
    assert story.told() == ["bob"]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("instead_of: ann, responders: [desk]", ["desk", "chen"]),
        ("swap: [ann, bob]", ["bob", "chen", "desk"]),
        ("responders: []", ["chen", "desk"]),
    ],
)
def test_an_override_changes_who_is_called_from_the_next_call_on(
    story: Story, tmp_path: Path, override: str, expected: list[str]
) -> None:
    """Imported while the service runs."""
    settle_on(story, tmp_path / "a")
    more = (
        'roster_overrides:\n  - {id: o1, roster: station, begin: "2026-03-03T08:00", end: "2026-03-03T20:00",'
        f" {override}}}\n"
    )
    settle_on(story, tmp_path / "b", more=more)
    story.happens("fall")
    told = story.told()
    for _ in range(len(expected) - 1):
        story.forward(30)
        told += story.told()
    assert told == expected
    assert story.now_ms >= START_MS
