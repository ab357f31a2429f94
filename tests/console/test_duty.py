"""The page of who is on call, and changing it: what a change does, who may make it, who made it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import Engine, select

import registry
from console.access.models import audit
from console.access.models import user as user_table
from console.access.viewer import this_machine
from console.app import create_app
from console.duty.changing import Doubt, Fault, Kind, Wanted, faults, preview
from console.duty.knowing import Book, BookKeeper
from console.duty.planning import now_of, rosters_in, week_of
from console.settings import ConsoleSettings
from registry.entries import OverrideEntry
from registry.feeds import feed_of, make_feed
from registry.models import presence as presence_table
from registry.models import responder as responder_table
from registry.models import roster_feed, roster_override
from registry.overrides import OverrideError, add_override, remove_override
from registry.presence import presences
from registry.rows import raise_revision
from tests.console import shifts
from tests.console.conftest import NOON_MS, Clock
from tests.console.district import LINK_KEY
from tests.console.shifts import FAR, NEAR
from tests.console.users import browser_of

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
#: A row of responders without anything in it.
RETIRED = {"name": "Old", "area": NEAR, "phone": "", "languages": ["en"], "roles": [], "channels": []}
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The city of tests.console.shifts."""
    folder = tmp_path_factory.mktemp("city")
    engine = registry.create_engine(f"sqlite:///{folder}/carecircle.db")
    yield shifts.build(engine, folder / "in")
    engine.dispose()


@pytest.fixture(scope="module")
def clock() -> Clock:
    """One for all: an app takes a second to come to life."""
    return Clock()


@pytest.fixture(autouse=True)
def as_it_was(city: Engine, clock: Clock) -> None:
    """Each test begins at noon, with the plan as it was imported."""
    clock.now_ms = NOON_MS
    with registry.writing(city) as connection:
        raise_revision(connection)
        for table in (roster_override, roster_feed, presence_table):
            connection.execute(table.delete())


def audited(engine: Engine, what: str, first: int = 0) -> list[tuple[str, dict[str, Any]]]:
    """(who, data) of the rows of the audit from the number ``first`` on."""
    with engine.connect() as connection:
        query = select(audit.c.who, audit.c.data).where(audit.c.what == what).order_by(audit.c.id)
        return [(who, data) for who, data in connection.execute(query)][first:]


@pytest.fixture(scope="module")
def app(city: Engine, clock: Clock) -> FastAPI:
    """The console over it, on Monday 2026-03-02 at noon; Li has the day, and Wang that of the next week."""
    settings = ConsoleSettings(link_key=LINK_KEY, time_zone="Asia/Shanghai", public_url="https://care.example.org")
    return create_app(city, settings, now_ms=clock)


def at(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    """The instant of a local time."""
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def main_of(answer: Response) -> str:
    """The page without what stands around every page, on one line."""
    return re.sub(r"\s+", " ", answer.text.partition("<main")[2])


def form(**values: str) -> dict[str, str]:
    """Wang stands in for Li on Tuesday."""
    return {"kind": "cover", "roster": "near-day", "begin": "2026-03-03T08:00", "end": "2026-03-03T22:00", "one": "li",
            "other": "wang", "note": "ill", **values}  # fmt: skip


def seen_of(answer: Response) -> str:
    """What a preview hands on to be saved."""
    assert answer.status_code == 200, answer.text
    return re.findall(r'name="seen" value="([^"]+)"', answer.text)[0]


def saved(browser: TestClient, **values: str) -> Response:
    """A change looked at and then saved."""
    seen = seen_of(browser.post("/on-call/change", data=form(**values)))
    return browser.post("/on-call/change", data={**form(**values), "step": "save", "seen": seen})


def overrides(engine: Engine) -> dict[str, OverrideEntry]:
    """The changes in the registry."""
    return dict(BookKeeper(engine).book().overrides)


def on(engine: Engine, text: str) -> list[str]:
    """Who is on call in Near at a local time."""
    known = registry.directory(engine, secrets=False)
    return [entry.id for entry in known.on_call_for(NEAR, at(text))]


def test_it_says_who_is_on_until_when_and_who_is_next(city: Engine) -> None:
    """In each roster; and who always is."""
    book = BookKeeper(city).book()
    near, far = now_of(book, [NEAR], NOON_MS)[0], now_of(book, [FAR], NOON_MS)[0]
    day, night = near.turns
    assert (day.shift.responders, day.until_ms, day.then) == (("li",), at("2026-03-02T22:00"), ())
    assert (night.shift.responders, night.until_ms, night.then) == ((), at("2026-03-02T22:00"), ("chen",))
    assert far.standing == ("zhao",)


def test_a_responder_sees_their_shifts_first(app: FastAPI, city: Engine) -> None:
    """With a button to change each; names from outside are escaped, holidays shown."""
    with browser_of(app, city, "li", NOON_MS) as browser:
        shown = main_of(browser.get("/on-call"))
    own = shown.partition('id="presence"')[0]
    assert "03-03 Tue 08:00" in own
    assert own.count('href="/on-call/change?roster=near-day') == 11
    assert "Wang &lt;b&gt;Fang&lt;/b&gt;" in shown or "Wang <b>" not in shown
    assert "Feast" in shown
    assert 'href="/on-call/change?roster=near-night' not in shown


@pytest.mark.parametrize(("user", "others"), [("near", ("Farland", "Zhao")), ("far", ("Li Na", "Chen", "near-day"))])
def test_a_station_sees_its_own_plan_only(app: FastAPI, city: Engine, user: str, others: tuple[str, ...]) -> None:
    """Whatever the address asks for; the shifts of others are not there as a file either."""
    with browser_of(app, city, "anna", NOON_MS) as browser:
        assert saved(browser, note="secret-note").status_code == 303
    elsewhere = {"near": "zhao", "far": "li"}[user]
    with browser_of(app, city, user, NOON_MS) as browser:
        for query in ("", "?view=month", "?area=city", f"?area={FAR if user == 'near' else NEAR}"):
            shown = main_of(browser.get(f"/on-call{query}"))
            assert [word for word in (*others, "District Desk") if word in shown] == []
            assert ("secret-note" in shown) is (user == "near")
        assert browser.get(f"/on-call/responders/{elsewhere}.ics").status_code == 404
        own = {"near": "li", "far": "zhao"}[user]
        assert "BEGIN:VEVENT" in browser.get(f"/on-call/responders/{own}.ics").text
        roster = "far-day" if user == "near" else "near-day"
        assert browser.get(f"/on-call/change?roster={roster}").status_code == 404
        assert browser.post("/on-call/change", data=form(roster=roster)).status_code == 404
        (override,) = overrides(city)
        removed = browser.post(f"/on-call/changes/{override}/remove")
        assert removed.status_code == (303 if user == "near" else 404)


def test_a_change_is_looked_at_before_it_holds(app: FastAPI, city: Engine) -> None:
    """A responder gives away a turn of their own; the audit has who, and what."""
    before = len(audited(city, "roster"))
    with browser_of(app, city, "li", NOON_MS) as browser:
        looked = browser.post("/on-call/change", data=form())
        shown = main_of(looked)
        assert "2026-03-03 08:00 – 2026-03-03 22:00" in shown
        assert overrides(city) == {}
        answer = browser.post("/on-call/change", data={**form(), "step": "save", "seen": seen_of(looked)})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/on-call?area=city.near&from=2026-03-03&said=saved#plan"
        plan = main_of(browser.get(answer.headers["location"]))
    assert "Saved. The plan below has it." in plan
    assert "standing in" in plan
    assert (on(city, "2026-03-03T12:00"), on(city, "2026-03-04T12:00")) == (["wang"], ["li"])
    ((who, data),) = audited(city, "roster", before)
    assert (who, data["instead_of"], data["responders"]) == ("li", "li", ["wang"])
    assert (data["change"], data["note"]) == ("added", "ill")


def test_a_responder_changes_nothing_but_their_own_turns(app: FastAPI, city: Engine) -> None:
    """Whatever the form says: not others' turns, not the whole shift, and not without a turn then."""
    with browser_of(app, city, "wang", NOON_MS) as browser:
        for values in (
            form(one="li", other="wang"),
            form(kind="replace", other="wang"),
            form(kind="close"),
            form(kind="swap", one="li", other="chen"),
            form(one="wang", other="li"),
        ):
            assert browser.post("/on-call/change", data=values).status_code == 422, values
        with browser_of(app, city, "near", NOON_MS) as desk:
            seen = seen_of(desk.post("/on-call/change", data=form()))
        stolen = browser.post("/on-call/change", data={**form(), "step": "save", "seen": seen})
        assert stolen.status_code == 422
        assert "turns of your own only" in stolen.text
    assert overrides(city) == {}
    with browser_of(app, city, "doctor", NOON_MS) as browser:
        assert browser.get("/on-call").status_code == 403
        assert browser.post("/on-call/change", data=form()).status_code == 403


def test_two_exchange_their_weeks(app: FastAPI, city: Engine) -> None:
    """Over both turns, by one of the two."""
    with browser_of(app, city, "li", NOON_MS) as browser:
        fields = {"kind": "swap", "begin": "2026-03-03T00:00", "end": "2026-03-16T08:00"}
        assert saved(browser, **fields).status_code == 303
    assert (on(city, "2026-03-04T12:00"), on(city, "2026-03-10T12:00")) == (["wang"], ["li"])


def test_nothing_is_saved_when_the_plan_was_changed_meanwhile(app: FastAPI, city: Engine) -> None:
    """Who comes second sees what their change does now."""
    with browser_of(app, city, "near", NOON_MS) as browser:
        seen = seen_of(browser.post("/on-call/change", data=form()))
        assert saved(browser, kind="replace", other="chen").status_code == 303
        late = browser.post("/on-call/change", data={**form(), "step": "save", "seen": seen})
        assert late.status_code == 409
        assert "The plan was changed meanwhile" in late.text
        assert [one.responders for one in overrides(city).values()] == [("chen",)]
        forged = browser.post("/on-call/change", data={**form(other="chen"), "step": "save", "seen": seen})
        assert forged.status_code in (409, 422)
    assert len(overrides(city)) == 1


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"begin": "tomorrow"}, "begin", "choose day and time"),
        ({"end": "2026-03-03T07:00"}, "end", "ends before it begins"),
        ({"begin": "2026-03-01T08:00", "end": "2026-03-01T09:00"}, "end", "This is over"),
        ({"end": "2026-06-03T07:00"}, "end", "more than 62 days"),
        ({"other": ""}, "other", "Choose somebody."),
        ({"other": "li"}, "other", "the same person"),
        ({"other": "zhao"}, "other", "Choose one of the list"),
        ({"one": "chen", "other": "wang"}, "one", "not on call in this roster then"),
        ({"kind": "burn"}, "kind", "Choose one of the list"),
        ({"kind": "replace", "other": "li"}, "kind", "changes nothing"),
    ],
)
def test_a_mistake_is_told_at_its_field(
    app: FastAPI, city: Engine, values: dict[str, str], field: str, said: str
) -> None:
    """And what was filled in stays."""
    with browser_of(app, city, "near", NOON_MS) as browser:
        answer = browser.post("/on-call/change", data=form(**values))
    assert answer.status_code == 422
    error = re.sub(r"\s+", " ", answer.text).partition(f'id="{field}-error"')[2].partition("</p>")[0]
    assert said in error
    assert 'value="ill"' in answer.text


@pytest.mark.parametrize(
    ("wanted", "doubts"),
    [
        (Wanted(Kind.CLOSE, "near-day", at("2026-03-03T08:00"), at("2026-03-03T12:00")), {Doubt.GAP}),
        (Wanted(Kind.COVER, "near-day", at("2026-03-03T08:00"), at("2026-03-03T12:00"), "li", "mute"),
         {Doubt.NO_CHANNEL}),
        (Wanted(Kind.REPLACE, "near-night", at("2026-03-03T08:00"), at("2026-03-03T12:00"), "", "li"),
         {Doubt.ELSEWHERE}),
        (Wanted(Kind.COVER, "near-day", at("2026-03-03T08:00"), at("2026-03-03T12:00"), "li", "wang"), set()),
    ],
)  # fmt: skip
def test_what_speaks_against_a_change_is_said(city: Engine, wanted: Wanted, doubts: set[Doubt]) -> None:
    """It can be made all the same."""
    book = BookKeeper(city).book()
    assert faults(book, this_machine(), wanted, NOON_MS) == {}
    shown = preview(book, wanted, SHANGHAI)
    assert {one.doubt for one in shown.worries} == doubts
    assert len(shown.differences) == 1


def test_a_change_that_does_something_else_by_now_is_shown_again(app: FastAPI, city: Engine) -> None:
    """It is saved only as it was looked at; what is shown the second time can be saved."""
    with browser_of(app, city, "near", NOON_MS) as browser:
        seen = seen_of(browser.post("/on-call/change", data=form()))
        assert saved(browser, kind="replace", other="chen", end="2026-03-03T12:00").status_code == 303
        late = browser.post("/on-call/change", data={**form(), "step": "save", "seen": seen})
        assert late.status_code == 409
        shown = main_of(late)
        assert "Another change holds from 2026-03-03 08:00 to 2026-03-03 12:00" in shown
        assert "2026-03-03 12:00 – 2026-03-03 22:00" in shown
        assert len(overrides(city)) == 1
        (again,) = re.findall(r'name="seen" value="([^"]+)"', late.text)
        answer = browser.post("/on-call/change", data={**form(), "step": "save", "seen": again})
        assert answer.status_code == 303
    assert (on(city, "2026-03-03T09:00"), on(city, "2026-03-03T13:00")) == (["chen"], ["wang"])


def test_who_made_a_change_takes_it_back_before_it_begins(app: FastAPI, city: Engine, clock: Clock) -> None:
    """A coordinator at any time; others not at all, nor what a coordinator made."""
    before = len(audited(city, "roster"))
    with browser_of(app, city, "li", NOON_MS) as browser:
        saved(browser)
        (first,) = overrides(city)
    clock.now_ms = at("2026-03-03T09:00")
    with browser_of(app, city, "li", clock.now_ms) as browser:
        assert browser.post(f"/on-call/changes/{first}/remove").status_code == 403
    clock.now_ms = NOON_MS
    with browser_of(app, city, "li", NOON_MS) as browser:
        assert browser.post(f"/on-call/changes/{first}/remove").status_code == 303
        assert browser.post(f"/on-call/changes/{first}/remove").status_code == 404
    assert on(city, "2026-03-03T12:00") == ["li"]
    with browser_of(app, city, "near", NOON_MS) as browser:
        saved(browser)
        (second,) = overrides(city)
    with browser_of(app, city, "li", NOON_MS) as browser:
        assert browser.post(f"/on-call/changes/{second}/remove").status_code == 403
        assert "Take back" not in main_of(browser.get("/on-call?from=2026-03-02"))
    with browser_of(app, city, "near", NOON_MS) as browser:
        assert "by near" in re.sub(r"<[^>]*>", "", main_of(browser.get("/on-call?from=2026-03-02")))
        assert browser.post(f"/on-call/changes/{second}/remove").status_code == 303
    assert [(who, data["change"]) for who, data in audited(city, "roster", before)] == [
        ("li", "added"), ("li", "removed"), ("near", "added"), ("near", "removed"),
    ]  # fmt: skip


def test_an_override_that_means_nothing_is_not_written(city: Engine) -> None:
    """It says which field, and the revision stays."""
    before = registry.current_revision(city)
    for wrong, field in (({"roster": "none"}, "roster"), ({"end": "2026-03-01"}, "end"), ({"begin": "soon"}, "")):
        entry = OverrideEntry(**{"id": "x", "roster": "near-day", "begin": "2026-03-02", "end": "2026-03-03", **wrong})
        with pytest.raises(OverrideError) as caught, registry.writing(city) as connection:
            add_override(connection, entry)
        assert caught.value.field == field
    assert registry.current_revision(city) == before
    with registry.writing(city) as connection:
        assert remove_override(connection, "x") is None


def test_a_week_in_which_clocks_change_has_the_right_hours(tmp_path: Path) -> None:
    """Berlin, 23 to 29 March 2026: Sunday has 23 hours; the night is from 22:00 to 06:00 by the wall all the same."""
    engine = registry.create_engine(f"sqlite:///{tmp_path}/berlin.db")
    shifts.build(engine, tmp_path / "in", zone="Europe/Berlin")
    book = BookKeeper(engine).book()
    week = week_of(book, rosters_in(book, this_machine().sees, NEAR), date(2026, 3, 23), BERLIN, NOON_MS, NEAR)
    assert [day.hours for day in week.days] == [24] * 6 + [23]
    assert [day.workday for day in week.days] == [True] * 5 + [False] * 2
    sunday = [entry for entry in week.lines[1].cells[6] if entry.responders]
    assert [(entry.begin, entry.end) for entry in sunday] == [("", "06:00"), ("22:00", "")]
    begin_ms, end_ms = sunday[0].span_ms
    assert (end_ms - begin_ms) / HOUR_MS == 7
    settings = ConsoleSettings(link_key=LINK_KEY, time_zone="Europe/Berlin")
    app = create_app(engine, settings, now_ms=lambda: at("2026-03-28T12:00", BERLIN))
    fields = {"roster": "near-night", "begin": "2026-03-29T02:30", "end": "2026-03-29T05:00", "one": "chen"}
    with browser_of(app, engine, "near", at("2026-03-28T12:00", BERLIN)) as browser:
        shown = main_of(browser.get("/on-call?from=2026-03-29"))
        assert saved(browser, **fields).status_code == 303
        assert browser.get("/on-call?from=2026-10-19").status_code == 200
    (entry,) = overrides(engine).values()  # 02:30 is skipped: 03:30
    assert (entry.begin, entry.end) == ("2026-03-29T03:30:00+02:00", "2026-03-29T05:00:00+02:00")
    assert "23 hours: clocks change" in shown
    engine.dispose()


def test_presence_is_told_and_a_place_expires(app: FastAPI, city: Engine, clock: Clock) -> None:
    """By three buttons; a place that is none is told; only who is a responder has them."""

    def told() -> tuple[bool, float | None]:
        with city.connect() as connection:
            last = presences(connection, ["li"])["li"]
        return last.available, last.lat

    with browser_of(app, city, "li", NOON_MS) as browser:
        answer = browser.post("/on-call/presence", data={"can": "no"})
        assert answer.headers["location"] == "/on-call?said=away#presence"
        assert told() == (False, None)
        assert "You have said that you cannot come" in browser.get("/on-call").text
        clock.now_ms += MINUTE_MS
        browser.post("/on-call/presence", data={"can": "yes", "lat": "29.61", "lon": "106,5"})
        assert told() == (True, 29.61)
        assert "Your place is known" in browser.get("/on-call").text
        for wrong in ({"lat": "north"}, {"lat": "91", "lon": "0"}, {"lat": "29"}, {"lat": "nan", "lon": "1"}):
            answer = browser.post("/on-call/presence", data={"can": "yes", **wrong})
            assert answer.headers["location"] == "/on-call?said=bad_place#presence"
        assert told() == (True, 29.61)
        clock.now_ms += 31 * MINUTE_MS
        assert "counts no more" in browser.get("/on-call").text
    with browser_of(app, city, "near", NOON_MS) as browser:
        assert browser.post("/on-call/presence", data={"can": "no"}).status_code == 403
        assert "presence-form" not in browser.get("/on-call").text


def test_a_calendar_fetches_its_shifts_by_a_secret_address(app: FastAPI, city: Engine) -> None:
    """Without a login, until the address is ended or a new one made; only its hash is kept."""

    def made(browser: TestClient) -> str:
        page = browser.post("/on-call/feed").text
        (address,) = re.findall(r'id="address" value="https://care\.example\.org(/feeds/[^"]+\.ics)"', page)
        assert f"webcal://care.example.org{address}" in page
        return str(address)

    with browser_of(app, city, "li", NOON_MS) as browser, browser_of(app, city) as phone:
        first = made(browser)
        fetched = phone.get(first)
        assert (fetched.status_code, fetched.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
        assert "SUMMARY:On call: Near" in fetched.text
        second = made(browser)
        assert (phone.get(first).status_code, phone.get(second).status_code) == (404, 200)
        with city.connect() as connection:
            assert second[7:-4] not in str(connection.execute(select(roster_feed)).all())
            assert feed_of(connection, second[7:-4]) == "li"
        assert phone.get("/feeds/x.ics").status_code == 404
        assert phone.get(f"/feeds/{'x' * 500}.ics").status_code == 404
        saved(browser)
        assert "T000000Z" in phone.get(second).text.replace("\r\n ", "")
        assert browser.post("/on-call/feed/end").headers["location"] == "/on-call?said=feed_ended#feed"
        assert phone.get(second).status_code == 404
        assert browser.post("/on-call/feed/end").status_code == 303
    with browser_of(app, city, "near", NOON_MS) as browser:
        assert browser.post("/on-call/feed").status_code == 403
    assert [(who, data["change"]) for who, data in audited(city, "feed") if who == "li"] == [
        ("li", "made"),
        ("li", "made"),
        ("li", "ended"),
    ]


def test_the_address_of_somebody_disabled_is_void(app: FastAPI, city: Engine) -> None:
    """Until they may log in again."""
    with browser_of(app, city, "wang", NOON_MS) as browser, browser_of(app, city) as phone:
        (address,) = re.findall(r'/feeds/[^"]+\.ics', browser.post("/on-call/feed").text)[:1]
        for disabled, status in ((True, 404), (False, 200)):
            with registry.writing(city) as connection:
                connection.execute(user_table.update().where(user_table.c.name == "wang").values(disabled=disabled))
            assert phone.get(address).status_code == status


def test_odd_addresses_are_answered(app: FastAPI, city: Engine) -> None:
    """With this week, the whole area, or no such page; never with a failure of ours."""
    with browser_of(app, city, "near", NOON_MS) as browser:
        for path in ("?from=9999-12-31", "?from=0001-01-01", "?from=x", "?view=year", "?area=%00", "?said=<script>"):
            assert browser.get(f"/on-call{path}").status_code == 200, path
        for path in ("begin=99999999999999999999&end=x", "begin=1&end=99999999999999", "begin=99999999999999"):
            assert browser.get(f"/on-call/change?roster=near-day&{path}").status_code == 200, path
        assert browser.get("/on-call/change").status_code == 404
        assert browser.post("/on-call/change", data={}).status_code == 404
        assert browser.post("/on-call/changes/%20/remove").status_code == 404


def test_the_book_is_read_again_when_the_registry_changes(city: Engine) -> None:
    """And only then."""
    keeper = BookKeeper(city)
    first: Book = keeper.book()
    assert keeper.book() is first
    entry = OverrideEntry(id="x", roster="near-day", begin="2026-03-03", end="2026-03-04", responders=("wang",))
    with registry.writing(city) as connection:
        add_override(connection, entry)
    assert keeper.book().overrides.keys() == {"x"}
    assert first.overrides == {}
    assert Fault.NO_EFFECT.value == "no_effect"


def test_changes_and_addresses_are_kept_on_both_databases(registry_engine: Engine, tmp_path: Path) -> None:
    """And go with the responder that they are of."""
    city = shifts.build(registry_engine, tmp_path / "in")
    app = create_app(city, ConsoleSettings(link_key=LINK_KEY, time_zone="Asia/Shanghai"), now_ms=Clock())
    with browser_of(app, city, "li", NOON_MS) as browser:
        assert saved(browser).status_code == 303
        assert "Take back" in main_of(browser.get("/on-call?from=2026-03-02"))
        (address,) = re.findall(r'/feeds/[^"]+\.ics', browser.post("/on-call/feed").text)[:1]
        assert browser.get(address).status_code == 200
        assert browser.get("/feeds/a%00b.ics").status_code == 404
        (override,) = overrides(city)
        assert browser.post("/on-call/changes/a%00b/remove").status_code == 404
        assert browser.post(f"/on-call/changes/{override}/remove").status_code == 303
        assert "reachable" in browser.get("/coverage?area=a%00b").text
    with registry.writing(city) as connection:
        connection.execute(responder_table.insert(), {**RETIRED, "id": "old"})
        make_feed(connection, "old", who="test", now_ms=NOON_MS)
        connection.execute(responder_table.delete().where(responder_table.c.id == "old"))
        assert connection.execute(select(roster_feed.c.responder)).scalars().all() == ["li"]
