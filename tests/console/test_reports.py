"""The pages of reports: figures of the reader's areas only, periods, files, and long ones made beside the page."""

from __future__ import annotations

import csv
import html
import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

import registry
from alerts import actions, history
from alerts.lifecycle import Outcome
from console.access.models import audit
from console.access.rules import Role, permissions_of
from console.access.viewer import Viewer
from console.app import create_app
from console.reading import read_revision
from console.reports import making
from console.reports.making import ReportMaker, Wanted, smallest
from console.reports.periods import Span, period_of
from console.settings import ConsoleSettings
from tests.console import district
from tests.console.conftest import NOON_MS, Clock, copy_of
from tests.console.district import LINK_KEY, WANG, ZHANG
from tests.console.users import add_user, browser_of

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SHANGHAI = ZoneInfo("Asia/Shanghai")
STREET = "chongqing.yubei.longxi"
HOME, OTHER = f"{STREET}.shimahe", "chongqing.yubei.other"
_MORE = """
areas: [{path: chongqing.yubei.other, name: "Other <b>street</b>"}, {path: chongqing.empty, name: Empty}]
people: [{key: p-0009, name: Far Away, area: chongqing.yubei.other, address: Here}]
devices: [{id: d-0009, person: p-0009, placement: wrist}]
responders: [{id: r-zhang, name: Zhang Min, area: chongqing.yubei.longxi.shimahe, provider: "=Red <i>Cross</i>",
  channels: [{type: console}]}]
"""


@pytest.fixture(scope="module")
def town(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three incidents at home: answered after 20 s, after 100 s, a false alarm; one elsewhere that nobody answered;
    one of forty days ago: made once."""
    folder = tmp_path_factory.mktemp("reports")
    engine = copy_of(built, folder)
    (folder / "more").mkdir()
    (folder / "more" / "district.yaml").write_text(_MORE, encoding="utf-8")
    assert registry.import_folder(engine, folder / "more").problems == []
    for device, back_ms, who, after_s, outcome in (
        ("d-0004", 40 * DAY_MS, ZHANG, 10, Outcome.TRUE),
        ("d-0001", 3 * HOUR_MS, ZHANG, 20, Outcome.TRUE),
        ("d-0002", 2 * DAY_MS, WANG, 100, Outcome.TRUE),
        ("d-0003", 5 * DAY_MS, ZHANG, 30, Outcome.FALSE_ALARM),
    ):
        at_ms = NOON_MS - back_ms
        district.take(engine, at_ms, district.fall(device, at_ms))
        incident = district.incident_of(engine, device)
        actions.acknowledge(engine, incident, who, at_ms + after_s * 1000)
        actions.on_scene(engine, incident, who, at_ms + 400_000)
        actions.resolve(engine, incident, who, at_ms + 900_000, outcome=outcome)
    district.take(engine, NOON_MS - DAY_MS, district.fall("d-0009", NOON_MS - DAY_MS))
    engine.dispose()
    return folder


@pytest.fixture
def engine(town: Path, tmp_path: Path) -> Iterator[Engine]:
    """A database of its own."""
    engine = copy_of(town / "carecircle.db", tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture
def app(engine: Engine, clock: Clock) -> FastAPI:
    """A console with logins."""
    return create_app(engine, ConsoleSettings(link_key=LINK_KEY, time_zone="Asia/Shanghai"), now_ms=clock)


@pytest.fixture
def desk(app: FastAPI, engine: Engine) -> Iterator[TestClient]:
    """A coordinator of everything."""
    add_user(engine, "desk", Role.COORDINATOR)
    with browser_of(app, engine, "desk", NOON_MS) as browser:
        yield browser


def text_of(page: str) -> str:
    """What a page says, in one line."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def table_of(answer: str) -> dict[tuple[str, str], dict[str, str]]:
    """The rows of the file by what they are about."""
    return {(row["by"], row["key"]): row for row in csv.DictReader(io.StringIO(answer.lstrip("\ufeff")))}


def test_the_page_has_the_figures_with_goals_plots_and_who_was_never_reached(desk: TestClient) -> None:
    """Of the last thirty days; a drawing has its words, and a table beside it."""
    page = desk.get("/reports").text
    said = text_of(page)
    assert "Answered within 60 s 50.0 % not met · goal 97.5 % · 2/4" in said
    assert "Answered within 180 s 75.0 % not met · goal 99.0 % · 3/4" in said
    assert "False alarms 33.3 %" in said
    assert page.count('<svg viewBox="0 0 440 240" role="img" aria-label=') == 2
    assert 'style="' not in page
    assert "Nobody answered these" in said
    assert page.count('href="/incidents/') == 1
    assert "Other &lt;b&gt;street" in page
    assert "<i>Cross" not in page
    assert "60 秒内应答" in desk.get("/reports", headers={"accept-language": "zh"}).text


def test_a_period_and_an_area_are_chosen(desk: TestClient) -> None:
    """Whole local days; an area with all below it."""
    for query, cases in (
        ("period=today", 1), ("period=7d", 4), ("period=30d", 4), ("period=quarter", 5),
        ("period=custom&from=2026-01-20&to=2026-01-21", 1), ("period=custom&from=2026-02-28&to=2026-02-28", 1),
        (f"period=30d&area={OTHER}", 1), (f"period=30d&area={HOME}", 3),
    ):  # fmt: skip
        rows = table_of(desk.get(f"/reports.csv?{query}").text)
        assert next(row["cases"] for (by, _), row in rows.items() if by == "all") == str(cases), query


def test_only_the_readers_areas_are_counted(app: FastAPI, engine: Engine) -> None:
    """In figures, tables, names and files alike; an area that is not theirs is as good as none."""
    add_user(engine, "near", Role.COORDINATOR, areas=(HOME,))
    add_user(engine, "far", Role.CLINICIAN, areas=(OTHER,))
    add_user(engine, "both", Role.COORDINATOR, areas=(STREET, HOME, OTHER))
    add_user(engine, "none", Role.COORDINATOR, areas=("chongqing.empty",))
    for name, cases, areas in (
        ("near", "3", {HOME}), ("far", "1", {OTHER}), ("both", "4", {STREET, HOME, OTHER}), ("none", "0", set()),
    ):  # fmt: skip
        with browser_of(app, engine, name, NOON_MS) as browser:
            for query in ("", "?area=chongqing", f"?area={OTHER if name == 'near' else HOME}x"):
                rows = table_of(browser.get(f"/reports.csv{query}").text)
                assert [row["cases"] for (by, _), row in rows.items() if by == "all"] == [cases], (name, query)
                shown = {key for by, key in rows if by in ("area", "station") and rows[by, key]["cases"] != "0"}
                assert shown == areas, (name, query)
            pages = browser.get("/reports").text + browser.get("/reports.html").text
            assert ("Other &lt;b&gt;street" in pages) is (OTHER in areas), name
            assert ("Shimahe" in pages) is (HOME in areas), name
    with browser_of(app, engine, "near", NOON_MS) as browser:
        assert next(row["cases"] for row in table_of(browser.get(f"/reports.csv?area={OTHER}").text).values()) == "3"


def test_who_has_no_area_is_not_shown_all(engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """No areas are none, not every one."""
    roles = frozenset({Role.COORDINATOR})
    nobody = Viewer(user=7, name="x", full_name="", roles=roles, areas=(), permissions=permissions_of(roles))
    monkeypatch.setattr("console.access.gate.this_machine", lambda: nobody)
    app = create_app(engine, ConsoleSettings(link_key=LINK_KEY, login=False), now_ms=clock)
    with browser_of(app, engine) as browser:
        assert [browser.get(path).status_code for path in ("/reports", "/reports.csv", "/reports.html")] == [404] * 3


def test_reports_are_for_coordinators_and_clinicians(app: FastAPI, engine: Engine) -> None:
    """Whoever answers is not shown how quick the others were."""
    for role in (Role.RESPONDER, Role.ENGINEER):
        add_user(engine, role.value, role)
        with browser_of(app, engine, role.value, NOON_MS) as browser:
            paths = ("/reports", "/reports.csv", "/reports.html")
            assert [browser.get(path).status_code for path in paths] == [403] * 3, role


def test_the_files_are_those_of_the_command_and_their_fetching_is_audited(desk: TestClient, engine: Engine) -> None:
    """One for a spreadsheet, with no formula in it, one to print, which runs nothing."""
    table = desk.get("/reports.csv?period=7d")
    assert "'=Red <i>Cross</i>" in table.text
    assert table.headers["content-disposition"] == 'attachment; filename="response-times-2026-02-24-2026-03-02.csv"'
    printed = desk.get("/reports.html?period=7d&lang=zh")
    assert "响应时间报告" in printed.text
    assert "script-src" not in printed.headers["content-security-policy"]
    assert "default-src 'none'" in printed.headers["content-security-policy"]
    with engine.connect() as connection:
        rows = connection.execute(select(audit).where(audit.c.kind == "export")).all()
    assert [(row.who, row.subject) for row in rows] == [("desk", "report")] * 2


def test_a_change_is_in_the_next_report(desk: TestClient, engine: Engine) -> None:
    """What is kept is kept until something changes."""
    before = table_of(desk.get("/reports.csv?period=7d").text)["all", "chongqing"]
    incident = district.incident_of(engine, "d-0009")
    actions.resolve(engine, incident, ZHANG, NOON_MS, outcome=Outcome.FALSE_ALARM)
    after = table_of(desk.get("/reports.csv?period=7d").text)["all", "chongqing"]
    assert (before["false_alarm"], after["false_alarm"]) == ("1", "2")


def test_a_long_report_is_made_beside_the_page_and_says_how_far_it_is(
    desk: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page does not wait; it asks again by itself, and shows the report when it is there."""
    go = threading.Event()

    def slow(*args: object, **values: object) -> object:
        assert go.wait(10)
        return history.cases(*args, **values)

    monkeypatch.setattr("console.reports.routes._PAGE_WAIT_S", 0.05)
    monkeypatch.setattr("console.reports.making.cases", slow)
    page = desk.get("/reports?period=custom&from=2025-12-01&to=2026-03-02").text
    assert "0 of 3 months" in text_of(page)
    assert 'hx-trigger="load delay:1s"' in page
    assert "/reports.csv" not in page
    go.set()
    monkeypatch.setattr("console.reports.routes._PAGE_WAIT_S", 10.0)
    page = desk.get("/reports?period=custom&from=2025-12-01&to=2026-03-02").text
    assert "hx-trigger" not in page.partition('id="report"')[2]
    assert "/reports.csv" in page


def test_many_reports_at_once_wait_for_their_turn(
    engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is made at a time, and beyond a few nobody waits: they are told to ask again."""
    go = threading.Event()
    monkeypatch.setattr(making, "cases", lambda *_args, **_values: go.wait(10) and [])
    maker = ReportMaker(engine, lambda: read_revision(engine), SHANGHAI, clock)
    asked = [Wanted((f"a{number}",), 0, NOON_MS) for number in range(8)]
    found = [maker.get(one, wait_s=0) for one in asked]
    assert [one.running for one in found] == [True] * 6 + [False] * 2
    assert not any(one.report for one in found)
    go.set()
    assert all(maker.get(one, wait_s=10).report is not None for one in asked)
    maker.close()


def test_a_report_that_fails_says_so_and_is_tried_again(desk: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for a defect of ours: the page stays."""

    def broken(*_args: object, **_values: object) -> object:
        raise ValueError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr("console.reports.making.cases", broken)
        assert "could not be made" in desk.get("/reports?period=7d").text
        assert desk.get("/reports.csv?period=7d").status_code == 503
    assert "could not be made" not in desk.get("/reports?period=7d").text


@pytest.mark.parametrize(
    ("span", "since", "until", "first", "last", "wrong"),
    [
        ("", "", "", "2026-02-01", "2026-03-02", ""),
        ("today", "", "", "2026-03-02", "2026-03-02", ""),
        ("7d", "x", "y", "2026-02-24", "2026-03-02", ""),
        ("quarter", "", "", "2026-01-01", "2026-03-02", ""),
        ("custom", "2026-02-10", "2026-02-20", "2026-02-10", "2026-02-20", ""),
        ("", "2026-02-10", "", "2026-02-10", "2026-03-02", ""),
        ("custom", "2026-13-40", "", "2026-02-01", "2026-03-02", "day"),
        ("custom", "2026-03-02", "2026-03-01", "2026-02-01", "2026-03-02", "order"),
        ("custom", "0001-01-01", "9999-12-31", "2026-02-01", "2026-03-02", "order"),
        ("custom", "2020-01-01", "2026-03-01", "2026-02-01", "2026-03-02", "long"),
    ],
)  # fmt: skip
def test_a_period_is_whole_local_days(span: str, since: str, until: str, first: str, last: str, wrong: str) -> None:
    """What cannot be is the last thirty days, with the reason."""
    period = period_of(span, since, until, NOON_MS, SHANGHAI)
    assert (period.first.isoformat(), period.last.isoformat(), period.wrong) == (first, last, wrong)
    assert period.to_ms - period.from_ms == ((period.last - period.first).days + 1) * DAY_MS
    assert (period.from_ms + 8 * HOUR_MS) % DAY_MS == 0


def test_the_day_of_the_change_of_clocks_has_23_hours() -> None:
    """Days are counted by the wall clock of the homes."""
    period = period_of(Span.CUSTOM, "2026-03-29", "2026-03-29", NOON_MS, ZoneInfo("Europe/Berlin"))
    assert period.to_ms - period.from_ms == 23 * HOUR_MS


def test_areas_within_areas_are_counted_once() -> None:
    """Names that begin alike are not within each other."""
    assert smallest(("a.b", "a", "ab", "a.b.c", "d.e")) == ("a", "ab", "d.e")
