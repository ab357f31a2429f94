"""The pages of people: with a store, without one, with one that fails; who may see what; thresholds and their audit."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

import registry
from console.access.models import audit
from console.access.rules import Role, permissions_of
from console.access.viewer import Viewer
from console.app import create_app
from console.settings import ConsoleSettings
from registry.thresholds import threshold_changes
from store import StoreUnavailable, open_store
from store.sqlite import SqliteStore
from tests.console import district, person_points
from tests.console.conftest import NOON_MS, Clock, copy_of
from tests.console.person_points import DAY_MS, HOUR_MS, MINUTE_MS

_MORE = """
devices:
  - {id: s-bath, person: p-0001, kind: presence, placement: bathroom}
  - {id: s-odd, person: p-0002, kind: presence, placement: "<i>room</i>"}
people:
  - {key: p-0001, name: Li Guizhen 李桂珍, area: chongqing.yubei.longxi.shimahe, phone: "+86 138 0000 0001",
     conditions: [hypertension], risks: [lives_alone], limits: {hr_fast_bpm: 125}}
  - {key: p-0099, name: "<script>alert(1)</script> \\u202egnidaer", area: chongqing.yubei, address: "🏠",
     risks: ["<b>bold</b>"]}
contacts:
  - {person: p-0001, name: Li Ming, relation: family, phone: "+86 139 0000 0002", has_key: true}
"""


@pytest.fixture(scope="module")
def town(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The district with vitals, sensors, contacts, two incidents of one person: made once."""
    folder = tmp_path_factory.mktemp("town")
    engine = copy_of(built, folder)
    (folder / "more").mkdir()
    (folder / "more" / "district.yaml").write_text(_MORE, encoding="utf-8")
    assert registry.import_folder(engine, folder / "more").problems == []
    district.take(engine, NOON_MS - 2 * HOUR_MS, district.fall("d-0001", NOON_MS - 2 * HOUR_MS))
    engine.dispose()
    store = open_store(f"sqlite:///{folder}/store.db")
    person_points.write_vitals(store, "p-0001", "d-0001", NOON_MS - MINUTE_MS, every_s=120)
    person_points.write_scores(store, "p-0001", NOON_MS - MINUTE_MS)
    person_points.write_usual(store, "p-0001", NOON_MS)
    person_points.write_home(store, "p-0001", NOON_MS, {"s-bath": ("presence", (7.0, 22.0))}, days=7)
    person_points.write_status(store, "d-0001", NOON_MS - MINUTE_MS, online=True, battery_pct=12)
    store.close()
    return folder


@pytest.fixture
def engine(town: Path, tmp_path: Path) -> Iterator[Engine]:
    """A database of its own."""
    engine = copy_of(town / "carecircle.db", tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(town: Path, settings: ConsoleSettings) -> ConsoleSettings:
    """With the store of the town."""
    return replace(settings, store_url=f"sqlite:///{town}/store.db")


def open_app(engine: Engine, settings: ConsoleSettings, clock: Clock) -> TestClient:
    """A browser on another console over the same database."""
    return TestClient(
        create_app(engine, settings, now_ms=clock), base_url="http://127.0.0.1:8080", follow_redirects=False,
        headers={"sec-fetch-site": "same-origin", "accept-language": "en"}, raise_server_exceptions=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def one_console(town: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A console for all tests that look and change nothing."""
    engine = copy_of(town / "carecircle.db", tmp_path_factory.mktemp("reader"))
    store_url = f"sqlite:///{town}/store.db"
    settings = ConsoleSettings(link_key=district.LINK_KEY, time_zone="Asia/Shanghai", login=False, store_url=store_url)
    with open_app(engine, settings, Clock()) as client:
        yield client
    engine.dispose()


@pytest.fixture
def reader(one_console: TestClient) -> TestClient:
    """A browser that remembers nothing of the test before."""
    one_console.cookies.clear()
    return one_console


def text_of(page: str) -> str:
    """What a page says, in one line."""
    without_marks = re.sub(r"</?(bdi|b|span|time)\b[^>]*>", "", page)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", without_marks)))


def as_role(monkeypatch: pytest.MonkeyPatch, *roles: Role, areas: tuple[str, ...] = ("*",)) -> None:
    """From now on, whoever asks is somebody with these roles and areas."""
    viewer = Viewer(
        user=7, name="wang", full_name="Wang", roles=frozenset(roles), areas=areas,
        permissions=permissions_of(frozenset(roles)),
    )  # fmt: skip
    monkeypatch.setattr("console.access.gate.this_machine", lambda: viewer)


def audited(engine: Engine) -> list[tuple[str, str, str, str]]:
    """What is in the audit: what, who, kind, subject."""
    with engine.connect() as connection:
        query = select(audit.c.what, audit.c.who, audit.c.kind, audit.c.subject).order_by(audit.c.id)
        return [tuple(row) for row in connection.execute(query)]


# the page of a person -------------------------------------------------------------------------------------------


def test_the_page_says_who_it_is_and_how_they_are(reader: TestClient) -> None:
    """Head, contacts, newest values with their age, score as a range, routine, devices, incidents, limits."""
    page = reader.get("/people/p-0001")
    assert page.status_code == 200
    said = text_of(page.text)
    for part in (
        "Li Guizhen 李桂珍", "lives alone", "high blood pressure", "Call +86 138 0000 0001",
        "Li Ming family · has a key",
        "NEWS2 6–11", "1 min ago", "2 not measured", "Pulse 1", "/min", "mmHg", "bathroom", "Battery 12 %", "online",
        "Fall", "Calling", "125 /min own", "135 mmHg high blood pressure", "On how many of 7 days",
        "Fast pulse at rest: from none to 125, by import of the registry",
    ):  # fmt: skip
        assert part.lower() in said.lower(), part
    assert 'href="tel:+8613800000001"' in page.text
    assert 'href="tel:+8613900000002"' in page.text
    assert page.text.count('<td class="heat-4">7</td>') == 1  # at seven; today's 22:00 is yet to come
    assert page.text.count('<td class="heat-4">6</td>') == 1


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("span", ["24h", "7d", "90d", "1y", "'"])
def test_every_span_is_a_page_and_an_unknown_one_the_first(reader: TestClient, span: str, language: str) -> None:
    """The choice is marked, and its table has rows."""
    page = reader.get("/people/p-0001", params={"range": span, "days": "28", "lang": language})
    known = span if span in ("24h", "7d", "90d") else "24h"
    assert page.status_code == 200
    assert re.search(rf'<a href="\?range={known}&amp;days=28#course" aria-current="true">', page.text)
    rows = page.text.partition('id="readings"')[2].partition("</table>")[0].count("<tr>")
    assert rows == {"24h": 25, "7d": 9, "90d": 3}[known]


def test_the_drawing_has_numbers_and_marks_and_gaps(reader: TestClient) -> None:
    """As JSON: null is a gap; bands and what is usual come along; an incident has an address."""
    body = reader.get("/people/p-0001/series", params={"range": "7d"}).json()
    panels = {panel["id"]: panel for panel in body["panels"]}
    assert list(panels) == ["score", "hr", "spo2", "rr", "temp", "sbp", "dbp"]
    pulse = panels["hr"]
    assert None in pulse["mean"]
    assert len(pulse["t"]) == len(pulse["mean"]) == len(pulse["low"]) == len(pulse["high"]) <= 720 + 2
    assert pulse["bands"][-1] == [130.5, None, 3]
    assert len(pulse["usual"]["t"]) > 30
    assert body["from"] <= pulse["t"][0] < pulse["t"][-1] < body["to"]
    (event,) = body["events"]
    assert (event["t"], event["text"]) == ((NOON_MS - 2 * HOUR_MS) / 1000, "Fall")
    assert reader.get(event["address"]).status_code == 200
    zh = reader.get("/people/p-0001/series", params={"range": "24h", "lang": "zh"}).json()
    assert zh["panels"][1]["title"] == "脉搏"


def test_the_file_can_be_read_by_a_spreadsheet(reader: TestClient) -> None:
    """By the hour over 90 days, since older readings are kept like that; its name says whose and how long."""
    answer = reader.get("/people/p-0001/readings.csv", params={"range": "90d"})
    assert answer.headers["content-disposition"] == 'attachment; filename="p-0001-90d.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) > 140
    assert float(rows[5]["hr [/min] min"]) < float(rows[5]["hr [/min] mean"]) < float(rows[5]["hr [/min] max"])
    day = list(csv.DictReader(io.StringIO(reader.get("/people/p-0001/readings.csv").text)))
    assert 700 <= len(day) <= 721


def test_somebody_of_whom_nothing_is_known_has_a_page(reader: TestClient) -> None:
    """No reading, no sensor, no incident: it says so."""
    said = text_of(reader.get("/people/p-0003").text)
    for part in ("Nothing has been measured yet", "No home sensor", "No incident so far", "Nobody is named"):
        assert part in said
    body = reader.get("/people/p-0003/series").json()
    assert (body["panels"], body["events"]) == ([], [])


def test_markup_and_odd_letters_are_text(reader: TestClient) -> None:
    """In names, addresses, risks and rooms."""
    page = reader.get("/people/p-0099").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>bold" not in page + reader.get("/people").text
    assert "<i>room" not in reader.get("/people/p-0002").text


def test_nobody_is_nobody(reader: TestClient) -> None:
    """Unknown keys, and keys that no database bears."""
    for address in (
        "/people/p-7777",
        "/people/p-7777/series",
        "/people/%00",
        "/people/p-7777/readings.csv",
        "/people/'--",
    ):
        assert reader.get(address).status_code == 404, address
    assert reader.get("/people/p-0001/series?range=1y").status_code == 400


def test_an_address_that_asks_for_nonsense_still_is_a_list(reader: TestClient) -> None:
    """Pages, orders and areas that do not exist."""
    for query in ("page=-3", "page=x", "page=" + "9" * 15, "sort=drop", "area=mars", "risk=%00", "q=%F0%9F%8F%A0"):
        assert reader.get(f"/people?{query}").status_code == 200, query


# the store is away ---------------------------------------------------------------------------------------------------


def test_without_a_store_the_page_says_so_and_shows_the_rest(
    engine: Engine, settings: ConsoleSettings, clock: Clock, tmp_path: Path
) -> None:
    """No address, or no file yet; the file is the writer's to make."""
    for url in ("", f"sqlite:///{tmp_path}/none.db"):
        with open_app(engine, replace(settings, store_url=url), clock) as browser:
            said = text_of(browser.get("/people/p-0001").text)
            assert "There are no measurements yet" in said
            assert "Calling" in said
            assert "There are no measurements yet" in text_of(browser.get("/people").text)
            assert browser.get("/people/p-0001/series").status_code == 503
            assert browser.get("/people/p-0001/readings.csv").status_code == 503
    assert not (tmp_path / "none.db").exists()


def test_a_store_that_does_not_answer_costs_a_note(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page, the list and the drawing go on."""

    def fail(*_args: object, **_values: object) -> Any:
        raise StoreUnavailable("gone for the test")

    monkeypatch.setattr("store.sqlite.SqliteStore.range", fail)
    monkeypatch.setattr("store.sqlite.SqliteStore.latest", fail)
    page = browser.get("/people/p-0001")
    assert page.status_code == 200
    assert "cannot be read at the moment" in text_of(page.text)
    assert browser.get("/people").status_code == 200
    assert browser.get("/people/p-0001/series").json() == {"trouble": "away"}


def test_the_drawing_does_not_read_again_what_the_page_has_read(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within seconds; then it does."""
    reads: list[str] = []

    def count(self: Any, measurement: str, *args: Any, **values: Any) -> Any:
        reads.append(measurement)
        return original(self, measurement, *args, **values)

    original = SqliteStore.range
    monkeypatch.setattr(SqliteStore, "range", count)
    browser.get("/people/p-0001?range=7d")
    assert "vitals" in reads
    reads.clear()
    browser.get("/people/p-0001/series?range=7d")
    assert reads == []
    browser.get("/people/p-0001/series?range=24h")
    assert "vitals" in reads


# the list ------------------------------------------------------------------------------------------------------------


def test_the_list_finds_and_sorts_and_keeps_what_was_asked(reader: TestClient) -> None:
    """Worst first; searching within an area; links to other orders keep the search."""
    page = reader.get("/people").text
    assert page.index("/people/p-0001") < page.index("/people/p-0002")
    assert "6–11" in page
    found = reader.get("/people", params={"q": "chen", "area": "chongqing.yubei", "sort": "name"}).text
    assert re.findall(r'href="/people/(p-\d+)"', found) == ["p-0002"]
    assert "?q=chen&amp;area=chongqing.yubei&amp;sort=seen" in found
    assert "Nobody found" in reader.get("/people?q=zzz").text


def test_a_new_name_in_the_registry_is_found_at_once(browser: TestClient, engine: Engine, tmp_path: Path) -> None:
    """The index is made anew when the registry has changed."""
    assert "Nobody found" in browser.get("/people?q=newcomer").text
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "people.yaml").write_text("[{key: p-new, name: Newcomer, area: chongqing.yubei}]")
    registry.import_folder(engine, tmp_path / "in")
    assert "/people/p-new" in browser.get("/people?q=newcomer").text


# who may see what -----------------------------------------------------------------------------------------------------


def test_a_responder_sees_who_and_where_but_no_vitals(
    engine: Engine, settings: ConsoleSettings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not on the page, not in the list, not as an order of it, not as a file; nothing of it is even read."""
    as_role(monkeypatch, Role.RESPONDER)
    monkeypatch.setattr("store.sqlite.SqliteStore.range", None)
    with open_app(engine, settings, clock) as browser:
        said = text_of(browser.get("/people/p-0001").text)
        assert "Call +86" in said
        assert "Battery" in said
        for part in ("Pulse", "6–11", "Routine at home", "Change thresholds"):
            assert part not in said
        listed = browser.get("/people?sort=news2").text
        assert "NEWS2" not in listed
        assert "6–11" not in listed
        for address in ("series", "readings.csv", "thresholds"):
            assert browser.get(f"/people/p-0001/{address}").status_code == 403
        assert browser.post("/people/p-0001/thresholds", data={}).status_code == 403


def test_a_street_centre_finds_its_own_people_only(
    engine: Engine, settings: ConsoleSettings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are not in the list, not in its areas, and have no page."""
    as_role(monkeypatch, Role.CLINICIAN, areas=("chongqing.yubei.longxi",))
    with open_app(engine, settings, clock) as browser:
        listed = browser.get("/people").text
        assert "/people/p-0001" in listed
        assert "/people/p-0099" not in listed
        assert "/people/p-0099" not in browser.get("/people?area=chongqing&q=script").text
        assert browser.get("/people/p-0099").status_code == 404
        assert browser.get("/people/p-0099/series").status_code == 404
        assert browser.get("/people/p-0001").status_code == 200


def test_every_look_at_somebody_is_in_the_audit(
    engine: Engine, settings: ConsoleSettings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page, the form, the file, the numbers of a drawing without its page; the list is none, nor is a page that was
    not shown."""
    as_role(monkeypatch, Role.CLINICIAN)
    with open_app(engine, settings, clock) as browser:
        for address in ("/people", "/people/p-0001", "/people/p-7777", "/people/p-0002/thresholds"):
            browser.get(address)
        browser.get("/people/p-0001/readings.csv")
        browser.get("/people/p-0001/series")  # of the page above
        clock.now_ms += 2 * MINUTE_MS
        browser.get("/people/p-0001/series")
    assert audited(engine) == [
        ("view", "wang", "person", "p-0001"),
        ("view", "wang", "person", "p-0002"),
        ("view", "wang", "readings", "p-0001"),
        ("view", "wang", "vitals", "p-0001"),
    ]


# thresholds ----------------------------------------------------------------------------------------------------------


def form_of(browser: TestClient, key: str) -> dict[str, str]:
    """The form as the page gives it."""
    page = browser.get(f"/people/{key}/thresholds").text
    fields = dict(re.findall(r'<input[^>]* name="([a-z0-9_]+)"[^>]* value="([^"]*)"', page))
    chosen = re.findall(r'<select id="([a-z0-9_]+)".*?<option value="([^"]*)" selected', page, flags=re.S)
    return {name: html.unescape(value) for name, value in {**fields, **dict(chosen)}.items()}


def test_a_clinician_sets_limits_and_both_histories_say_who(
    engine: Engine, settings: ConsoleSettings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry has the new ones, the page shows the change with the name, the audit from what to what."""
    as_role(monkeypatch, Role.CLINICIAN)
    with open_app(engine, settings, clock) as browser:
        form = form_of(browser, "p-0001")
        assert (form["hr_fast_bpm"], form["spo2_scale"], form["fall_point"]) == ("125", "1", "")
        form |= {"hr_fast_bpm": "", "sbp_high_mmhg": "165,5", "spo2_scale": "2", "fall_point": "quiet"}
        answer = browser.post("/people/p-0001/thresholds", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/people/p-0001?said=saved#thresholds")
        said = text_of(browser.get("/people/p-0001?said=saved").text)
        assert "The thresholds are saved" in said
        assert "Crisis, systolic: from none to 165.5, by wang" in said
        again = browser.post("/people/p-0001/thresholds", data=form_of(browser, "p-0001"))
        assert again.headers["location"] == "/people/p-0001?said=same#thresholds"
    person = registry.directory(engine).people["p-0001"]
    assert (person.limits, person.spo2_scale, person.fall_point) == ({"sbp_high_mmhg": 165.5}, 2, "quiet")
    with engine.connect() as connection:
        changes = threshold_changes(connection, "p-0001", limit=4)
        assert {(one.name, one.who, one.at_ms) for one in changes} == {
            (name, "wang", NOON_MS) for name in ("hr_fast_bpm", "sbp_high_mmhg", "spo2_scale", "fall_point")
        }
        (data,) = connection.execute(select(audit.c.data).where(audit.c.what == "thresholds")).scalars()
    assert data["changes"]["hr_fast_bpm"] == ["125", ""]


def test_what_cannot_be_saved_is_told_at_its_field(browser: TestClient, engine: Engine) -> None:
    """And nothing of the form is saved; what was typed stays."""
    form = form_of(browser, "p-0001") | {"sbp_high_mmhg": "1650", "hr_fast_bpm": "110"}
    answer = browser.post("/people/p-0001/thresholds", data=form)
    assert answer.status_code == 422
    assert 'aria-describedby="sbp_high_mmhg-error sbp_high_mmhg-hint" aria-invalid="true"' in answer.text
    assert 'value="1650"' in answer.text
    assert registry.directory(engine).people["p-0001"].limits == {"hr_fast_bpm": 125.0}


def test_the_second_of_two_who_change_is_shown_what_the_first_did(browser: TestClient, engine: Engine) -> None:
    """Theirs is not written, and their form now has the values of the first."""
    mine, theirs = form_of(browser, "p-0001"), form_of(browser, "p-0001")
    assert browser.post("/people/p-0001/thresholds", data=theirs | {"hr_fast_bpm": "140"}).status_code == 303
    answer = browser.post("/people/p-0001/thresholds", data=mine | {"hr_fast_bpm": "90"})
    assert answer.status_code == 409
    assert "Somebody else changed them meanwhile" in answer.text
    assert 'value="140"' in answer.text
    assert registry.directory(engine).people["p-0001"].limits == {"hr_fast_bpm": 140.0}


@pytest.mark.parametrize(
    "change",
    [
        {"spo2_scale": "3"},
        {"fall_point": "loud"},
        {"seen": "[]"},
        {"seen": "{"},
        {"seen": json.dumps(["", 1, {"x": "y"}])},
    ],
)
def test_a_forged_form_is_refused(browser: TestClient, engine: Engine, change: dict[str, str]) -> None:
    """Values that no form offers."""
    answer = browser.post("/people/p-0001/thresholds", data=form_of(browser, "p-0001") | change)
    assert answer.status_code == 400
    assert registry.directory(engine).people["p-0001"].limits == {"hr_fast_bpm": 125.0}


def test_a_week_ago_is_not_now(browser: TestClient, clock: Clock) -> None:
    """Old values are shown with their age, and their points no longer count."""
    clock.now_ms = NOON_MS + 6 * DAY_MS
    said = text_of(browser.get("/people/p-0001?range=7d").text)
    assert "6 d ago" in said
    assert "it says how the person was" in said
    assert "not scored" in text_of(browser.get("/people").text)
