"""The page of coverage: who is reached, where nobody is on call, and who may see it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

import registry
from console.access.viewer import this_machine
from console.app import create_app
from console.coverage.mapping import Mark, draw
from console.coverage.tree import Cover, gap_week, tops
from console.coverage.watching import Watch
from console.duty.knowing import BookKeeper
from console.settings import ConsoleSettings
from registry.entries import OverrideEntry
from registry.models import person as person_table
from registry.overrides import add_override
from registry.presence import tell_presence
from registry.reach.coverage import unreached
from registry.rosters import Gap
from registry.rows import raise_revision
from tests.console import shifts
from tests.console.conftest import NOON_MS, Clock
from tests.console.district import LINK_KEY
from tests.console.shifts import FAR, NEAR
from tests.console.users import browser_of

HOUR_MS = 3_600_000
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The city of tests.console.shifts; tests that change it say so."""
    folder = tmp_path_factory.mktemp("city")
    engine = registry.create_engine(f"sqlite:///{folder}/carecircle.db")
    yield shifts.build(engine, folder / "in")
    engine.dispose()


@pytest.fixture(scope="module")
def app(city: Engine) -> FastAPI:
    """The console over it, at noon."""
    return app_of(city, Clock())


@pytest.fixture
def own_city(tmp_path: Path) -> Iterator[Engine]:
    """One that a test may change."""
    engine = registry.create_engine(f"sqlite:///{tmp_path}/carecircle.db")
    yield shifts.build(engine, tmp_path / "in")
    engine.dispose()


def app_of(engine: Engine, clock: Clock) -> FastAPI:
    """The console over it."""
    return create_app(engine, ConsoleSettings(link_key=LINK_KEY, time_zone="Asia/Shanghai"), now_ms=clock)


def page(app: FastAPI, engine: Engine, user: str, path: str = "/coverage") -> str:
    """What somebody is shown at noon, without what stands around every page."""
    with browser_of(app, engine, user, NOON_MS) as browser:
        answer = browser.get(path)
    assert answer.status_code == 200, answer.text[:500]
    return re.sub(r"\s+", " ", answer.text.partition("<main")[2])


def test_it_says_who_is_reached_and_who_is_not(app: FastAPI, city: Engine) -> None:
    """Of those with a place: one of two in Near; the one who is not is named, and marked on the map."""
    shown = page(app, city, "near")
    assert "<b>1 of 2</b>" in shown
    assert "50 % reachable" in shown
    assert "1 without coordinates" in shown
    assert "Bo Lonely" in shown
    assert "Ann Reached" not in shown
    assert shown.count('<polygon class="lost"') == 2  # on the map, and in its legend
    assert "Li Na" in shown
    assert "Big City" not in shown


def test_the_figures_are_those_of_the_registry(city: Engine) -> None:
    """The same people as `carecircle registry coverage --reach` has at that minute."""
    state = Watch(city, BookKeeper(city)).state(NOON_MS)
    known = registry.directory(city, secrets=False)
    able = {key for key, one in known.responders.items() if one.channels}
    missed = unreached(
        known.rosters, known.people, known.responders, known.areas, NOON_MS, NOON_MS + 1000, able=able
    ).unreached
    expected = {one.area: set(one.people) for one in missed}
    found = {
        area: {state.population.keys[area][at] for at in np.nonzero(alone)[0]} for area, alone in state.alone.items()
    }
    assert {area: who for area, who in found.items() if who} == expected == {NEAR: {"p-0002"}}


@pytest.mark.parametrize(("user", "theirs", "others"), [("near", "Near", "Farland"), ("far", "Farland", "Near")])
def test_a_station_sees_itself_only(app: FastAPI, city: Engine, user: str, theirs: str, others: str) -> None:
    """In tree, map, lists and calendar; an address with another area shows no more."""
    elsewhere = {"near": ("Di Elsewhere", "Zhao Lei", FAR), "far": ("Bo Lonely", "Li Na", NEAR)}[user]
    for path in ("/coverage", f"/coverage?area={elsewhere[2]}", "/coverage?area=city"):
        shown = page(app, city, user, path)
        assert theirs in shown
        assert [word for word in (others, *elsewhere, "District Desk") if word in shown] == []
        assert shown.partition("<figcaption")[0].count('<g class="on') == 1


def test_an_administrator_goes_down_the_tree(app: FastAPI, city: Engine) -> None:
    """All areas, or one and what lies below it."""
    shown = page(app, city, "anna")
    assert "<b>2 of 3</b>" in shown
    assert shown.index("Big City") < shown.index("Farland")
    assert "Near" not in page(app, city, "anna", f"/coverage?area={FAR}").partition('id="tree"')[2]


@pytest.mark.parametrize(("user", "status"), [("li", 200), ("doctor", 403), ("", 303)])
def test_who_may_see_it(app: FastAPI, city: Engine, user: str, status: int) -> None:
    """Responders and coordinators."""
    with browser_of(app, city, user, NOON_MS) as browser:
        assert browser.get("/coverage").status_code == status


def test_gaps_of_the_week_lead_to_the_plan_of_their_day(app: FastAPI, city: Engine) -> None:
    """From 06:00 to 08:00 nobody is on call, up to the top: the city has no order."""
    shown = page(app, city, "near")
    assert "03-03 06:00 – 03-03 08:00" in shown
    assert "nobody up to the top" in shown
    assert 'href="/on-call?area=city.near&amp;from=2026-03-03#plan"' in shown
    assert "outside the hours of the roster" in shown


def test_who_cannot_come_does_not_reach_anybody(own_city: Engine, clock: Clock) -> None:
    """From the next minutes on."""
    app = app_of(own_city, clock)
    with browser_of(app, own_city, "near", NOON_MS) as browser:
        assert "<b>1 of 2</b>" in browser.get("/coverage").text
        tell_presence(own_city, "li", NOON_MS, available=False)
        clock.now_ms += 4 * MINUTE_MS
        shown = browser.get("/coverage").text
        assert "<b>0 of 2</b>" in shown
        assert 'class="on away"' in shown.partition("<figcaption")[0]


def test_who_has_no_channel_reaches_nobody(own_city: Engine) -> None:
    """On call in name only."""
    entry = OverrideEntry(id="x", roster="near-day", begin="2026-03-02", end="2026-03-03", responders=("mute",))
    with registry.writing(own_city) as connection:
        add_override(connection, entry)
    near = Watch(own_city, BookKeeper(own_city)).state(NOON_MS).areas[NEAR]
    assert ([duty.responder for duty in near.on], near.uncovered) == (["mute"], 2)
    assert near.gaps[0].begin_ms == NOON_MS


def test_a_state_is_kept_for_its_minute_and_made_anew_beside_the_pages(own_city: Engine) -> None:
    """A page does not wait for the next minute; after a change of the registry it has the change."""
    watch = Watch(own_city, BookKeeper(own_city))
    first = watch.state(NOON_MS)
    assert watch.state(NOON_MS + 59_000) is first
    assert watch.state(NOON_MS + MINUTE_MS) is first
    for thread in threading.enumerate():
        if thread.name == "console-coverage":
            thread.join(10)
    second = watch.state(NOON_MS + MINUTE_MS)
    assert (second.at_ms, second.population) == (NOON_MS + MINUTE_MS, first.population)
    assert watch.state(NOON_MS + 5 * MINUTE_MS).at_ms == NOON_MS + 5 * MINUTE_MS
    with registry.writing(own_city) as connection:
        raise_revision(connection)
        connection.execute(person_table.update().where(person_table.c.key == "p-0002").values(lat=shifts.LAT))
    third = watch.state(NOON_MS + 5 * MINUTE_MS)
    assert third.areas[NEAR].uncovered == 0


def test_parents_count_with_all_below_them(city: Engine) -> None:
    """And a share is never 100 while one is not reached."""
    state = Watch(city, BookKeeper(city)).state(NOON_MS)
    (top,) = tops(state, this_machine().sees)
    assert (top.path, top.people, top.placed, top.uncovered) == ("city", 4, 3, 1)
    assert [child.path for child in top.children] == [FAR, NEAR]
    assert top.share_pct == pytest.approx(66.67, abs=0.01)
    assert top.trouble


def test_hours_that_do_not_exist_are_no_gap() -> None:
    """Berlin, 29 March 2026: 02:00 is skipped; of two gaps in one hour the worse counts."""
    zone = ZoneInfo("Europe/Berlin")
    monday_ms = 1_774_220_400_000  # 2026-03-23 00:00 in Berlin
    sunday_ms = monday_ms + 6 * 24 * HOUR_MS
    gaps = [
        Gap("a", sunday_ms, sunday_ms + 3 * HOUR_MS, (), "above"),  # 00:00 to 04:00 of the clock
        Gap("a", sunday_ms + HOUR_MS + MINUTE_MS, sunday_ms + HOUR_MS + 2 * MINUTE_MS, (), ""),
    ]
    week = gap_week(gaps, monday_ms, zone)
    sunday = [row[6] for row in week.rows]
    expected = [Cover.HELD, Cover.LOST, Cover.NONE, Cover.HELD, Cover.COVERED]
    assert [cell.cover for cell in sunday[:5]] == expected
    assert sunday[1].at_ms == sunday_ms + HOUR_MS + MINUTE_MS
    assert gap_week(gaps, monday_ms + HOUR_MS, zone).rows[0][0].cover is Cover.NONE  # over


def test_a_map_has_north_up_and_a_scale() -> None:
    """Points to 250 people; the bar is as long as it says."""
    places = np.array([[29.60, 106.50], [29.61, 106.50], [29.60, 106.51]])
    map_ = draw(places, np.array([False, False, True]), [Mark("x", 29.605, 106.505, able=False)], [])
    assert map_ is not None
    south, north = map_.people
    assert north.y < south.y
    assert map_.alone[0].x > south.x
    metres = 0.01 * 111_195.0
    assert (south.y - north.y) / metres == pytest.approx(map_.bar / map_.bar_m, rel=0.01)
    assert (map_.responders[0].able, map_.outside, map_.hexagons) == (False, 0, ())


def test_many_people_are_counted_in_hexagons_and_one_far_off_does_not_shrink_the_map() -> None:
    """Everybody else is in one of them, and whoever nobody reaches is marked."""
    rng = np.random.default_rng(1)
    places = np.concatenate([rng.normal([29.6, 106.5], 0.01, (2000, 2)), [[0.0, 0.0]]])
    alone = np.zeros(2001, bool)
    alone[:7] = True
    map_ = draw(places, alone, [], [Mark("Yubei", 29.6, 106.5), Mark("Beside it", 29.6001, 106.5)])
    assert map_ is not None
    assert (sum(one.count for one in map_.hexagons), map_.outside) == (2000, 1)
    assert sum(spot.count for spot in map_.alone) == 7
    assert {one.level for one in map_.hexagons} == {1, 2, 3, 4}
    assert [label.name for label in map_.labels] == ["Yubei"]
    assert map_.bar_m in (500, 1000, 2000)


def test_without_any_place_there_is_no_map() -> None:
    """The page says what to do."""
    assert draw(np.zeros((0, 2)), np.zeros(0, bool), [], []) is None
