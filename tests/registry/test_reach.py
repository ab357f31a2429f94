"""Who can be at a door in time, by estimate and by a server of routes, and whom nobody can reach."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

import registry
from registry import PersonEntry, ResponderEntry
from registry.presence import presences, report_presence
from registry.reach import Candidate, Osrm, Presence, Where, candidate_of, distance_m, rank, travel_s, unreached
from registry.reach.coverage import within_table
from registry.reach.travel import MEANS
from registry.rosters import Roster, Rosters
from registry.rosters.hours import parse_hours, parse_local
from registry.routes import Asked, ask_ways, kept_ways, way_of
from tests.registry.folders import PEOPLE, RESPONDERS, write_folder
from tests.servers.routes import Routes, serve_routes

LAT, LON = 34.26, 108.92
#: Degrees of latitude per km.
KM = 1 / 111.195
NOW_MS = 1_772_517_600_000
ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def routes() -> Iterator[Routes]:
    """A server of routes."""
    with serve_routes() as server:
        yield server


def north(name: str, km: float, travel: str = "walk", busy: str = "") -> Candidate:
    """Somebody so far north of the door."""
    return Candidate(name, travel, LAT + km * KM, LON, Where.BASE, busy)


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        ((34.26, 108.92), (34.26, 108.92), 0.0),
        ((0.0, 0.0), (0.0, 180.0), 20015.1),  # half round the equator
        ((0.0, 179.9), (0.0, -179.9), 22.24),  # over the date line
        ((39.9042, 116.4074), (31.2304, 121.4737), 1067.3),  # Beijing to Shanghai
        ((90.0, 0.0), (-90.0, 77.0), 20015.1),
    ],
)
def test_distances_are_those_of_the_great_circle(
    one: tuple[float, float], other: tuple[float, float], km: float
) -> None:
    """On the mean sphere, to a thousandth."""
    assert float(distance_m(*one, *other)) / 1000 == pytest.approx(km, rel=1e-3, abs=1e-6)


def test_an_estimate_is_the_time_to_set_out_and_the_way_with_its_detour() -> None:
    """One kilometre, by each means."""
    seconds = {name: float(travel_s(1000.0, means)) for name, means in MEANS.items()}
    assert seconds["walk"] == pytest.approx(90 + 1300 / 1.2)
    assert seconds["walk"] > seconds["bicycle"] > seconds["ebike"]
    assert seconds["car"] == pytest.approx(240 + 1420 / 6)


def test_the_nearest_by_time_is_first_and_who_is_busy_last() -> None:
    """A car from three kilometres is quicker than feet from one and a half; the busy one at the door waits."""
    found = rank(
        [north("foot", 1.5), north("car", 3.0, "car"), north("busy", 0.0, busy="i1"), north("near", 0.3)], LAT, LON
    )
    assert [one.responder for one in found] == ["near", "car", "foot", "busy"]
    assert [one.within for one in found] == [True, False, False, True]
    assert found[-1].busy == "i1"
    assert rank([north("car", 2.0, "car")], LAT, LON)[0].within


def test_who_has_no_coordinates_keeps_their_place_and_who_is_alike_the_given_order() -> None:
    """Only what is known is put in another order; without coordinates of the door nothing is."""
    given_order = [north("far", 2.0), Candidate("unknown"), north("a", 0.32), north("b", 0.31)]
    assert [one.responder for one in rank(given_order, LAT, LON)] == ["a", "unknown", "b", "far"]
    assert [one.responder for one in rank(given_order, None, None)] == ["far", "unknown", "a", "b"]
    assert rank(given_order, LAT, LON)[1].seconds is None


def test_a_report_of_half_an_hour_ago_counts_an_older_one_does_not() -> None:
    """Then the base does. Who said that they cannot come is busy until they say otherwise."""
    responder = ResponderEntry(id="li", name="Li", area="d", lat=LAT, lon=LON, travel="ebike")
    there = Presence(NOW_MS, LAT + KM, LON)
    for age_s, where in ((0, Where.REPORTED), (1800, Where.REPORTED), (1801, Where.BASE), (-1, Where.BASE)):
        found = candidate_of(responder, there, NOW_MS + age_s * 1000)
        assert found.where is where
        assert found.lat == pytest.approx(LAT + KM if where is Where.REPORTED else LAT)
    away = candidate_of(responder, Presence(NOW_MS, available=False), NOW_MS + 86_400_000)
    assert (away.busy, away.where) == ("cannot come", Where.BASE)
    assert candidate_of(ResponderEntry(id="x", name="X", area="d"), None, NOW_MS).where is Where.UNKNOWN


def test_presence_is_kept_and_an_older_report_changes_nothing(registry_engine: Engine, tmp_path: Path) -> None:
    """Reports may overtake each other. They are no change of the registry."""
    registry.import_folder(registry_engine, write_folder(tmp_path / "in"))
    revision = registry.current_revision(registry_engine)
    with registry.writing(registry_engine) as connection:
        report_presence(connection, "r-li", Presence(NOW_MS, LAT, LON))
        report_presence(connection, "r-li", Presence(NOW_MS - 1, 0.0, 0.0))
        assert presences(connection, ["r-li", "r-desk"]) == {"r-li": Presence(NOW_MS, LAT, LON)}
        report_presence(connection, "r-li", Presence(NOW_MS + 1, available=False))
        assert presences(connection, ["r-li"])["r-li"].available is False
    assert registry.current_revision(registry_engine) == revision


def test_a_server_of_routes_is_asked_once_per_means_of_travel(routes: Routes) -> None:
    """Its seconds are on the way; the time to set out comes on top. Who has no road from there is estimated."""
    routes.no_road_from.add((round(LAT + 0.02, 6), LON))
    people = [
        Candidate("foot", "walk", LAT + 0.001, LON, Where.BASE),
        Candidate("car", "car", LAT + 0.03, LON, Where.BASE),
        Candidate("ebike", "ebike", LAT, LON + 0.01, Where.BASE),
        Candidate("island", "car", LAT + 0.02, LON, Where.BASE),
        Candidate("unknown"),
    ]
    osrm = Osrm(routes.url, time.monotonic)
    seconds = osrm.seconds(people, LAT, LON)
    osrm.close()
    assert seconds == {"foot": 100.0, "car": 300.0, "ebike": 250.0}
    assert sorted(path.split("/")[3] for path in routes.asked) == ["bike", "car", "foot"]
    found = {one.responder: one for one in rank(people, LAT, LON, routed_s=seconds)}
    assert (found["foot"].seconds, found["foot"].routed) == (190.0, True)
    assert found["car"].seconds == 540.0
    assert (found["island"].routed, found["island"].seconds is not None) == (False, True)


@pytest.mark.parametrize(
    "trouble",
    [
        {"delay_s": 1.0},
        {"status": 500},
        {"body": b"<html>"},
        {"body": b'{"code": "InvalidQuery"}'},
        {"body": b'{"code": "Ok", "durations": [["soon"]]}'},
        {"body": b'{"code": "Ok", "durations": []}'},
        {"body": b"[]"},
    ],
)
def test_a_server_of_routes_in_trouble_is_left_alone_for_a_minute(
    routes: Routes, trouble: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """The estimate stands meanwhile, and nobody waits longer than the time-out. No home is written to the log."""
    now_s = 1000.0
    osrm = Osrm(routes.url, lambda: now_s, timeout_s=0.2)
    for name, value in trouble.items():
        setattr(routes, name, value)
    start = time.monotonic()
    assert osrm.seconds([north("a", 1.0)], LAT, LON) == {}
    assert osrm.seconds([north("a", 1.0)], LAT, LON) == {}
    assert time.monotonic() - start < 0.9
    assert len(routes.asked) == 1
    assert "gives no table" in caplog.text
    assert "108.9" not in caplog.text
    for name in trouble:
        setattr(routes, name, getattr(Routes(), name))
    now_s += 61
    assert set(osrm.seconds([north("a", 1.0)], LAT, LON)) == {"a"}
    osrm.close()


def test_no_server_of_routes_at_all_is_an_estimate() -> None:
    """Nothing listens there."""
    osrm = Osrm("http://127.0.0.1:9", time.monotonic)
    assert osrm.seconds([north("a", 1.0)], LAT, LON) == {}
    osrm.close()


def _person(key: str, area: str, km: float | None) -> PersonEntry:
    return PersonEntry(key=key, name=key, area=area, lat=None if km is None else LAT + km * KM, lon=LON)


def test_whom_nobody_reaches_is_named_by_area_and_hour() -> None:
    """By day the station is near; at night only the desk's car is on, too far for one of them."""
    day = Roster("day", "d.s", ZONE, turns=(("near",),), hours=parse_hours(["daily 08:00-20:00"]))
    rosters = Rosters({"d.s": (day,)}, {"d": ("car", "nowhere")})
    responders = {
        "near": ResponderEntry(id="near", name="N", area="d.s", lat=LAT, lon=LON, travel="ebike"),
        "car": ResponderEntry(id="car", name="C", area="d", lat=LAT + 4 * KM, lon=LON, travel="car"),
        "nowhere": ResponderEntry(id="nowhere", name="X", area="d"),
    }
    people = {one.key: one for one in (_person("a", "d.s", 0.0), _person("b", "d.s", 2.0), _person("c", "d", None))}
    span = parse_local("2026-03-10", ZONE), parse_local("2026-03-11", ZONE)
    found = unreached(rosters, people, responders, ["d", "d.s"], *span)
    at = {hour: parse_local(f"2026-03-10T{hour}:00", ZONE) for hour in ("08", "20")}
    assert [(one.area, one.begin_ms, one.end_ms, one.people) for one in found.unreached] == [
        ("d.s", span[0], at["08"], ("a",)),
        ("d.s", at["20"], span[1], ("a",)),
    ]
    assert (found.unplaced_people, found.unplaced_responders) == (("c",), ("nowhere",))
    deaf = unreached(rosters, people, responders, ["d", "d.s"], *span, able={"car"})
    assert [one.people for one in deaf.unreached] == [("a",)]
    assert (deaf.unreached[0].begin_ms, deaf.unreached[0].end_ms) == span


@given(
    st.lists(st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)), min_size=1, max_size=6),
    st.lists(st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.sampled_from(["", *MEANS])), max_size=6),
)
def test_the_table_says_of_each_pair_what_a_single_estimate_says(
    homes: list[tuple[float, float]], bases: list[tuple[float, float, str]]
) -> None:
    """However many are worked out at once."""
    people = [PersonEntry(key=f"p{i}", name="P", area="d", lat=LAT + a, lon=LON + b) for i, (a, b) in enumerate(homes)]
    responders = [
        ResponderEntry(id=f"r{i}", name="R", area="d", lat=LAT + a, lon=LON + b, travel=how)
        for i, (a, b, how) in enumerate(bases)
    ]
    table = within_table(people, responders)
    for row, person in enumerate(people):
        ranked = rank([candidate_of(one, None, 0) for one in responders], person.lat, person.lon)
        assert {one.responder for one in ranked if one.within} == {
            one.id for column, one in enumerate(responders) if table[row, column]
        }


def test_a_district_of_18000_people_is_looked_through_in_seconds() -> None:
    """360 stations with a day and a night roster and a street above each ten; a week."""
    random = np.random.default_rng(5)
    areas = ["d"] + [f"d.s{s}" for s in range(36)] + [f"d.s{i // 10}.t{i}" for i in range(360)]
    places = {area: (LAT + random.normal(0, 0.05), LON + random.normal(0, 0.06)) for area in areas}
    responders: dict[str, ResponderEntry] = {}
    by_area: dict[str, tuple[Roster, ...]] = {}
    start = datetime(2026, 3, 2, 8)  # noqa: DTZ001 - local
    for area in areas:
        names = [f"{area}-{n}" for n in range(4)]
        for name in names:
            lat, lon = places[area] + random.normal(0, 0.01, 2)
            responders[name] = ResponderEntry(id=name, name=name, area=area, lat=lat, lon=lon, travel="ebike")
        day = Roster(
            f"{area}-day", area, ZONE, start=start, turns=((names[0],), (names[1],)), hours=parse_hours(["8:00-20:00"])
        )
        night = Roster(
            f"{area}-night",
            area,
            ZONE,
            start=start,
            turns=((names[2],), (names[3],)),
            hours=parse_hours(["20:00-8:00"]),
        )
        by_area[area] = (day, night)
    people = {}
    for n in range(18_000):
        area = areas[37 + n % 360]
        lat, lon = places[area] + random.normal(0, 0.01, 2)
        people[f"p{n}"] = PersonEntry(key=f"p{n}", name="P", area=area, lat=lat, lon=lon)
    begin = time.monotonic()
    found = unreached(Rosters(by_area), people, responders, areas, NOW_MS, NOW_MS + 7 * 86_400_000)
    took_s = time.monotonic() - begin
    print(
        f"18,000 people, {len(responders)} responders, a week of rosters: {took_s:.2f} s, {len(found.unreached)} rows"
    )
    assert found.unreached
    assert took_s < 15
    begin = time.monotonic()
    table = within_table(people.values(), responders.values())
    print(f"table of {table.shape}: {time.monotonic() - begin:.2f} s")


def test_a_responder_who_reported_where_they_are_can_be_removed(registry_engine: Engine, tmp_path: Path) -> None:
    """Their report goes with them."""
    folder = write_folder(tmp_path / "in")
    registry.import_folder(registry_engine, folder)
    with registry.writing(registry_engine) as connection:
        report_presence(connection, "r-li", Presence(NOW_MS, LAT, LON))
    text = (folder / "responders.yaml").read_text()
    (folder / "responders.yaml").write_text(text[text.index("- id: r-desk") :])
    (folder / "on_call.yaml").write_text("lianhu: [r-desk]\n")
    diff = registry.import_folder(registry_engine, folder, remove=True)
    assert diff.applied, diff.problems
    with registry_engine.connect() as connection:
        assert presences(connection, ["r-li"]) == {}


def test_ways_are_asked_for_once_and_forgotten_when_somebody_moves(
    registry_engine: Engine, tmp_path: Path, routes: Routes
) -> None:
    """Only those of people and responders with coordinates; the desk has none. A server that stops answering loses
    nothing of what it has told."""
    places = {"  area: lianhu.taoyuan\n": f"  area: lianhu.taoyuan.s1\n  lat: {LAT}\n  lon: {LON}\n"}
    folder = write_folder(tmp_path / "in", people=_replaced(PEOPLE, places))
    near = {
        "  area: lianhu.taoyuan.s1\n": f"  area: lianhu.taoyuan.s1\n  lat: {LAT + 0.01}\n  lon: {LON}\n  travel: car\n"
    }
    (folder / "responders.yaml").write_text(_replaced(RESPONDERS, near))
    assert not registry.import_folder(registry_engine, folder).problems
    known, now_s, done = registry.directory(registry_engine), 0.0, []
    osrm = Osrm(routes.url, lambda: now_s)
    assert ask_ways(registry_engine, known, osrm, done.append) == Asked(added=2, removed=0, finished=True)
    assert (len(routes.asked), done) == (2, [2])
    assert ask_ways(registry_engine, known, osrm, done.append) == Asked(0, 0, finished=True)
    assert len(routes.asked) == 2
    li = candidate_of(known.responders["r-li"], None, 0)
    with registry_engine.connect() as connection:
        way, elsewhere = way_of(li, LAT, LON), way_of(li, LAT + 0.001, LON)
        assert kept_ways(connection, [way, elsewhere]) == {way: 100.0}
    (folder / "people.yaml").write_text(
        _replaced((folder / "people.yaml").read_text(), {f"lat: {LAT}\n": "lat: 34.27\n"})
    )
    registry.import_folder(registry_engine, folder)
    moved = registry.directory(registry_engine)
    routes.status = 500
    assert ask_ways(registry_engine, moved, osrm, done.append) == Asked(0, 0, finished=False)
    routes.status, now_s = 200, 61.0
    assert ask_ways(registry_engine, moved, osrm, done.append) == Asked(added=1, removed=1, finished=True)
    osrm.close()


def _replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text
