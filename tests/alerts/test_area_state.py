"""The state of the areas, minute by minute: how many people nobody on call now can reach."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import registry
from alerts.reports import AreaWatch
from registry import ChannelEntry, Directory
from registry.entries import AreaEntry, PersonEntry, ResponderEntry
from registry.presence import presences_now, report_presence
from registry.reach import FRESH_MS, Candidate, Homes, Presence, candidate_of
from registry.reach.coverage import within_table
from registry.reach.travel import MEANS, means_of, reach_m, travel_s
from registry.rosters import Rosters
from tests.alerts.story import Story
from tests.alerts.test_roster_timelines import settle_on

LAT, LON = 34.26, 108.92
#: Somebody on foot gets 748 m in the quarter of an hour; a kilometre is 0.009 degrees of latitude.
NEAR, FAR = "lat: 34.2645, lon: 108.92, travel: walk", "lat: 34.278, lon: 108.92, travel: walk"


def uncovered(story: Story) -> dict[str, float]:
    """What the newest report says, by area."""
    batch = story.reports("area_state")[-1]
    return dict(zip(batch.tags["area"], np.asarray(batch.fields["uncovered"], np.float64).tolist(), strict=True))


def test_who_can_be_reached_follows_the_roster_minute_by_minute(any_story: Story, tmp_path: Path) -> None:
    """Ann is near until 14:02; then Bob is on, 2 km away on foot. Zhao has no coordinates: nobody can tell."""
    story = any_story
    settle_on(story, tmp_path / "r", turns="ann, bob", start="2026-02-24T14:02", responders={"ann": NEAR, "bob": FAR})
    story.forward(60)
    assert uncovered(story) == {"d": 0, "d.street": 0, "d.street.empty": 0, "d.street.station": 0}
    story.forward(60)
    assert uncovered(story) == {"d": 0, "d.street": 0, "d.street.empty": 0, "d.street.station": 1}


def test_where_somebody_reported_to_be_counts_for_half_an_hour(any_story: Story, tmp_path: Path) -> None:
    """Then their base counts again; who said that they cannot come reaches nobody until they say otherwise."""
    story = any_story
    settle_on(story, tmp_path / "r", turns="ann", responders={"ann": FAR})

    def report(presence: Presence) -> None:
        with registry.writing(story.engine) as connection:
            report_presence(connection, "ann", presence)

    story.forward(60)
    assert uncovered(story)["d.street.station"] == 1
    report(Presence(story.now_ms, LAT + 0.001, LON))
    story.forward(60)
    assert uncovered(story)["d.street.station"] == 0
    story.forward(FRESH_MS / 1000 - 60)
    assert uncovered(story)["d.street.station"] == 0
    story.forward(60)
    assert uncovered(story)["d.street.station"] == 1
    report(Presence(story.now_ms, LAT, LON))
    story.forward(60)
    assert uncovered(story)["d.street.station"] == 0
    report(Presence(story.now_ms, LAT, LON, available=False))
    story.forward(7200)
    assert uncovered(story)["d.street.station"] == 1


def test_reports_that_say_nothing_any_more_are_not_read(any_story: Story) -> None:
    """Of two thousand responders a few have one that holds."""
    now_ms = any_story.now_ms
    with registry.writing(any_story.engine) as connection:
        report_presence(connection, "ann", Presence(now_ms - FRESH_MS - 1, LAT, LON))
        report_presence(connection, "bob", Presence(now_ms - FRESH_MS, LAT, LON))
        report_presence(connection, "chen", Presence(now_ms - 10 * FRESH_MS, available=False))
        assert set(presences_now(connection, now_ms)) == {"bob", "chen"}


def test_who_has_no_channel_reaches_nobody(any_story: Story, tmp_path: Path) -> None:
    """Mute is next door, and cannot be told."""
    settle_on(any_story, tmp_path / "r", turns="mute", responders={"mute": NEAR})
    any_story.forward(60)
    assert uncovered(any_story)["d.street.station"] == 1


def test_a_changed_registry_counts_from_the_next_minute(story: Story, tmp_path: Path) -> None:
    """Ann moves away."""
    settle_on(story, tmp_path / "r", turns="ann", responders={"ann": NEAR})
    story.forward(60)
    assert uncovered(story)["d.street.station"] == 0
    settle_on(story, tmp_path / "r", turns="ann", responders={"ann": FAR})
    story.forward(60)
    assert uncovered(story)["d.street.station"] == 1


somewhere = st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))


@settings(deadline=None)
@given(
    st.lists(st.tuples(somewhere, st.sampled_from(["d", "d.a", "d.b"])), max_size=12),
    st.lists(st.tuples(somewhere, st.sampled_from(["d", "d.a", "d.b"]), st.sampled_from(["", *MEANS])), max_size=6),
    st.sampled_from([60.0, 400.0, 900.0, 3600.0]),
)
def test_what_is_counted_at_once_is_what_each_pair_says(
    homes: list[tuple[tuple[float, float], str]],
    bases: list[tuple[tuple[float, float], str, str]],
    within_s: float,
) -> None:
    """By the table that the weekly coverage is made of. Only those of the own area and of those above can come."""
    people = [
        PersonEntry(key=f"p{i}", name="P", area=area, lat=LAT + a, lon=LON + b)
        for i, ((a, b), area) in enumerate(homes)
    ]
    responders = [
        ResponderEntry(id=f"r{i}", name="R", area=area, lat=LAT + a, lon=LON + b, travel=how)
        for i, ((a, b), area, how) in enumerate(bases)
    ]
    on = {area: [candidate_of(one, None, 0) for one in responders if one.area == area] for area in ("d", "d.a", "d.b")}
    table = within_table(people, responders, within_s)
    expected: dict[str, int] = {}
    for row, person in enumerate(people):
        here = [column for column, one in enumerate(responders) if one.area in ("d", person.area)]
        expected[person.area] = expected.get(person.area, 0) + (not table[row, here].any())
    assert Homes(people).uncovered(on, within_s=within_s) == expected


@pytest.mark.parametrize("travel", sorted(MEANS))
def test_how_far_somebody_gets_is_how_long_it_takes(travel: str) -> None:
    """There and back; who cannot set out in time gets nowhere, not even next door."""
    means = means_of(travel)
    assert float(travel_s(reach_m(means, 900.0), means)) == pytest.approx(900.0)
    home = Homes([PersonEntry(key="p", name="P", area="d", lat=LAT, lon=LON)])
    candidate = Candidate("r", travel, LAT, LON)
    assert home.uncovered({"d": [candidate]}, within_s=means.start_s + 1) == {"d": 0}
    assert home.uncovered({"d": [candidate]}, within_s=means.start_s - 1) == {"d": 1}


def test_18000_people_and_500_responders_take_a_fraction_of_a_second() -> None:
    """All 500 are on call for everybody, which is the most that there can be: nine million pairs. Best of five, as
    others use the machine too; the first look, in which homes are read, is beside it."""
    random = np.random.default_rng(7)
    areas = ["d"] + [f"d.s{i}" for i in range(125)]
    spots = random.normal(0, 0.05, (18_500, 2))
    people = {
        f"p{i}": PersonEntry(key=f"p{i}", name="P", area=areas[1 + i % 125], lat=LAT + a, lon=LON + b)
        for i, (a, b) in enumerate(spots[:18_000])
    }
    travels = ("walk", "bicycle", "ebike", "car")
    responders = {
        f"r{i}": ResponderEntry(
            id=f"r{i}", name="R", area="d", lat=LAT + a, lon=LON + b, travel=travels[i % 4],
            channels=(ChannelEntry(type="console"),),
        )
        for i, (a, b) in enumerate(spots[18_000:])
    }  # fmt: skip
    known = Directory(
        revision=1,
        areas={path: AreaEntry(path=path, name=path) for path in areas},
        people=people,
        responders=responders,
        rosters=Rosters(standing={"d": tuple(responders)}),
    )
    watch = AreaWatch()
    took_s = []
    for minute in range(6):
        begin = time.perf_counter()
        points = watch.points(known, {}, {}, minute * 60_000)
        took_s.append(time.perf_counter() - begin)
    print(f"first look {took_s[0] * 1000:.0f} ms, then {min(took_s[1:]) * 1000:.0f} ms")
    assert np.sum(np.asarray(points.fields["people"], np.float64)) == 18_000
    assert 0 < np.sum(np.asarray(points.fields["uncovered"], np.float64)) < 18_000
    assert min(took_s[1:]) < 0.2
