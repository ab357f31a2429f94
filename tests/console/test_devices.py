"""The pages of devices: what is shown to whom, filters, findings with their ends, and having a device show itself."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

import registry
from alerts.models import journal_outbox
from carecircle.doctor.devices import ADVICE
from console.access.models import audit
from console.access.rules import Role
from console.app import create_app
from console.devices.faults import Fault
from console.devices.finding import Device, Entry, Order, Question, find, join, page_of
from console.devices.state import DeviceState
from console.settings import ConsoleSettings
from console.texts import ENGLISH
from detectors.detection import Severity
from store import open_store
from telemetry.commands import unpack_command
from tests.console import device_points as points
from tests.console.conftest import NOON_MS, Clock, copy_of
from tests.console.district import LINK_KEY
from tests.console.users import add_user, browser_of

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_MORE = """
areas:
  - {path: chongqing.yubei.other, name: "Other <b>street</b>"}
people:
  - {key: p-0009, name: "Far \\u202eaway", area: chongqing.yubei.other}
devices:
  - {id: d-far, person: p-0009, placement: wrist}
  - {id: s-bath, person: p-0001, kind: presence, placement: bathroom}
  - {id: "b-shelf", area: chongqing.yubei, kind: button, model: "<script>alert(1)</script>"}
  - {id: "b-lost", kind: button, model: "=cmd()"}
"""


@pytest.fixture(scope="module")
def town(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The district with devices that are well, silent, empty and wrong: made once."""
    folder = tmp_path_factory.mktemp("devices")
    engine = copy_of(built, folder)
    (folder / "more").mkdir()
    (folder / "more" / "district.yaml").write_text(_MORE, encoding="utf-8")
    assert registry.import_folder(engine, folder / "more").problems == []
    points.find(
        engine,
        points.finding("d-0002", "offline", NOON_MS - 3 * HOUR_MS, severity=Severity.URGENT),
        points.finding("d-0003", "battery_low", NOON_MS - 2 * DAY_MS, said="<i>empty soon</i>"),
        points.finding("d-0003", "clock", NOON_MS - 5 * DAY_MS, severity=Severity.INFO),
        points.finding("d-0003", "clock", NOON_MS - 5 * DAY_MS, over_ms=NOON_MS - 4 * DAY_MS, said="right again"),
        points.finding("d-far", "clock", NOON_MS - HOUR_MS, severity=Severity.INFO),
    )
    engine.dispose()
    store = open_store(f"sqlite:///{folder}/store.db")
    points.write_status(store, "d-0001", NOON_MS - 60_000, online=1.0, battery=74.0, lag_ms=1400.0, fw="2.1.7")
    points.write_status(store, "d-0002", NOON_MS - 3 * HOUR_MS, online=1.0, battery=50.0)
    points.write_status(store, "d-0003", NOON_MS - 120_000, online=1.0, battery=9.0)
    points.write_status(store, "d-0004", NOON_MS - 30 * HOUR_MS, online=0.0, battery=20.0)
    for hour in range(12):
        points.write_status(store, "d-0001", NOON_MS - (hour + 1) * HOUR_MS, battery=75.0 + hour, seq_gap=float(hour))
    store.close()
    return folder


@pytest.fixture
def engine(town: Path, tmp_path: Path) -> Iterator[Engine]:
    """A database of its own."""
    engine = copy_of(town / "carecircle.db", tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture
def app(engine: Engine, town: Path, clock: Clock) -> FastAPI:
    """A console with logins."""
    settings = ConsoleSettings(link_key=LINK_KEY, time_zone="Asia/Shanghai", store_url=f"sqlite:///{town}/store.db")
    return create_app(engine, settings, now_ms=clock)


@pytest.fixture(scope="module")
def reader(town: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A coordinator of everything, for all tests that change nothing."""
    engine = copy_of(town / "carecircle.db", tmp_path_factory.mktemp("reader"))
    settings = ConsoleSettings(link_key=LINK_KEY, time_zone="Asia/Shanghai", store_url=f"sqlite:///{town}/store.db")
    add_user(engine, "desk", Role.COORDINATOR)
    with browser_of(create_app(engine, settings, now_ms=Clock()), engine, "desk", NOON_MS) as browser:
        yield browser
    engine.dispose()


@pytest.fixture
def desk(app: FastAPI, engine: Engine) -> Iterator[TestClient]:
    """A coordinator of everything."""
    add_user(engine, "desk", Role.COORDINATOR)
    with browser_of(app, engine, "desk", NOON_MS) as browser:
        yield browser


def listed(page: str) -> list[str]:
    """The devices of the list, in its order."""
    found = page.partition('id="found"')[2]
    return re.findall(r'<a href="/devices/([^"/]+)">', found)


def text_of(page: str) -> str:
    """What a page says, in one line."""
    without_marks = re.sub(r"</?(bdi|b|span|time)\b[^>]*>", "", page)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", without_marks)))


def test_the_list_has_what_is_wrong_first_and_says_it_in_words(reader: TestClient) -> None:
    """With person, battery and how long it lasts, last message, lag, firmware."""
    page = reader.get("/devices").text
    assert listed(page)[:3] == ["d-0002", "d-0003", "d-far"]
    said = text_of(page)
    for part in ("d-0002 has offline", "about 7 days left", "Li Guizhen", "2.1.7", "1.4 s", "1 min ago", "9 %"):
        assert part in said, part
    assert "<i>empty soon" not in page
    assert "&lt;i&gt;empty soon" in page


def test_the_list_can_be_narrowed(reader: TestClient) -> None:
    """By area, kind, finding, battery, silence and words."""
    for query, found in (
        ("only=silent", {"d-0002", "d-0004"}),
        ("only=battery", {"d-0003"}),
        ("only=clocks", {"d-far"}),
        ("only=clock", {"d-far"}),
        ("only=faulty", {"d-0002", "d-0003", "d-far"}),
        ("kind=presence", {"s-bath"}),
        ("below=25", {"d-0003", "d-0004"}),
        ("silent=24", {"d-0004"}),
        ("silent=1", {"d-0002", "d-0004"}),
        ("area=chongqing.yubei.other", {"d-far"}),
        ("q=GUIZHEN", {"d-0001", "s-bath"}),
        ("q=nothing+of+it", set[str]()),
    ):
        assert set(listed(reader.get(f"/devices?{query}").text)) == found, query


def test_an_address_that_means_nothing_shows_everything(reader: TestClient) -> None:
    """Nobody gets an error for a link that is old."""
    answer = reader.get("/devices?sort=x&page=-3&below=NaN&silent=9999&area=nowhere")
    assert answer.status_code == 200
    assert len(listed(answer.text)) == 9


def test_the_figures_count_what_the_list_shows(reader: TestClient) -> None:
    """All, online, silent, battery, clock, findings, never heard; and by area."""
    page = reader.get("/devices").text
    tiles = {name: int(value) for value, name in re.findall(r'<a class="tile[^>]*><b>(\d+)</b>([^<]+)</a>', page)}
    assert tiles == {
        "devices": 9, "online": 2, "silent": 2, "battery low": 1, "clock wrong": 1, "with a finding": 3,
        "never heard": 5,
    }  # fmt: skip
    below = text_of(reader.get("/devices?area=chongqing.yubei").text)
    assert "Other <b>street</b> 1 0 0 0 1 1" in below
    assert "Longxi street 6 2 2 1 0 2" in below


def test_who_may_not_see_people_sees_no_person(app: FastAPI, engine: Engine) -> None:
    """Not in the list, not by searching for them, not on the page, not in the file."""
    add_user(engine, "tech", Role.ENGINEER)
    with browser_of(app, engine, "tech", NOON_MS) as browser:
        every = [browser.get(path).text for path in ("/devices", "/devices/d-0001", "/devices.csv")]
        assert all("d-0001" in one for one in every)
        assert not [one for one in every if "Li Guizhen" in one or "p-0001" in one]
        assert listed(browser.get("/devices?q=Guizhen").text) == []


def test_devices_of_other_areas_are_not_there(app: FastAPI, engine: Engine) -> None:
    """In list, figures, file, page, drawing and commands alike; one without area is for who sees everything."""
    add_user(engine, "near", Role.COORDINATOR, areas=("chongqing.yubei.longxi",))
    add_user(engine, "far", Role.ENGINEER, areas=("chongqing.yubei.other",))
    near = {"d-0001", "d-0002", "d-0003", "d-0004", "d-0005", "s-bath"}
    for name, seen in (("near", near), ("far", {"d-far"})):
        with browser_of(app, engine, name, NOON_MS) as browser:
            page = browser.get("/devices")
            assert set(listed(page.text)) == seen, name
            assert f"<b>{len(seen)}</b>devices" in page.text
            rows = list(csv.DictReader(io.StringIO(browser.get("/devices.csv").text.lstrip("\ufeff"))))
            assert {row["device"] for row in rows} == seen, name
            for device in (*near, "d-far", "b-shelf", "b-lost", "nothing"):
                status = 200 if device in seen else 404
                assert browser.get(f"/devices/{device}").status_code == status, (name, device)
                assert browser.get(f"/devices/{device}/series").status_code == status, (name, device)
                if status == 404:
                    assert browser.post(f"/devices/{device}/call", data={"what": "locate"}).status_code == 404
    with engine.connect() as connection:
        assert connection.execute(select(journal_outbox)).all() == []


def test_a_device_that_moves_is_gone_with_the_next_page(app: FastAPI, engine: Engine, tmp_path: Path) -> None:
    """The registry counts at once, however seldom the store is read."""
    add_user(engine, "near", Role.COORDINATOR, areas=("chongqing.yubei.longxi",))
    with browser_of(app, engine, "near", NOON_MS) as browser:
        assert "s-bath" in listed(browser.get("/devices").text)
        (tmp_path / "move").mkdir()
        row = "devices: [{id: s-bath, person: p-0009, kind: presence, placement: bathroom}]"
        (tmp_path / "move" / "district.yaml").write_text(row)
        assert registry.import_folder(engine, tmp_path / "move").problems == []
        assert "s-bath" not in listed(browser.get("/devices").text)
        assert browser.get("/devices/s-bath").status_code == 404


def test_the_page_of_a_device_tells_findings_with_their_ends_and_what_to_do(reader: TestClient) -> None:
    """What stands stands at the top, what is over has both its times."""
    said = text_of(reader.get("/devices/d-0003").text)
    assert "Charge it, or replace the battery." in said
    assert "stands" in said
    assert "right again" in said
    silent = reader.get("/devices/d-0002", headers={"accept-language": "zh"}).text
    assert text_of(silent).count("检查是否有电") == 1
    shelf = reader.get("/devices/b-shelf").text
    assert "<script>alert" not in shelf
    assert "Nothing is known to be wrong" in shelf


def test_the_drawings_have_battery_lag_gaps_and_findings(reader: TestClient) -> None:
    """As the script draws them; lag in seconds."""
    drawn = reader.get("/devices/d-0001/series?range=24h").json()
    panels = {panel["id"]: panel for panel in drawn["panels"]}
    assert list(panels) == ["battery", "lag_ms", "seq_gap"]
    assert panels["lag_ms"]["mean"] == [1.4]
    assert panels["battery"]["mean"][-1] == 74.0
    assert panels["battery"]["bands"] == [[None, 15, 2]]
    assert panels["seq_gap"]["mean"][0] == 11.0
    events = reader.get("/devices/d-0003/series?range=7d").json()["events"]
    assert sorted(event["text"] for event in events) == ["Battery low", "Clock wrong"]
    assert reader.get("/devices/d-0001/series?range=1y").status_code == 400


def test_a_device_is_told_to_show_itself_and_the_audit_says_by_whom(desk: TestClient, engine: Engine) -> None:
    """Through the journal of commands, void after a minute; two presses within a minute are one for the device."""
    for _ in range(2):
        answer = desk.post("/devices/d-0001/call", data={"what": "locate"})
        assert answer.headers["location"] == "/devices/d-0001?said=locate"
    assert desk.post("/devices/d-0001/call", data={"what": "config"}).status_code == 400
    with engine.connect() as connection:
        queued = connection.execute(select(journal_outbox.c.journal, journal_outbox.c.record)).all()
        rows = connection.execute(select(audit).where(audit.c.what == "device_called")).all()
    sent = [unpack_command(row.record) for row in queued]
    assert [(row.journal, one.device, one.command.type) for row, one in zip(queued, sent, strict=True)] == [
        ("commands", "d-0001", "locate")
    ] * 2
    assert len({one.command.id for one in sent}) == 1
    assert {one.command.expires_ms for one in sent} == {NOON_MS + 60_000}
    assert [(row.who, row.subject, row.kind) for row in rows] == [("desk", "d-0001", "locate")] * 2


def test_a_token_for_reading_devices_tells_none_anything(app: FastAPI, engine: Engine) -> None:
    """Looking and acting are two permissions."""
    add_user(engine, "doc", Role.CLINICIAN)
    with browser_of(app, engine, "doc", NOON_MS) as browser:
        assert browser.get("/devices").status_code == 403
        assert browser.post("/devices/d-0001/call", data={"what": "locate"}).status_code == 403


def test_the_file_is_the_list_and_is_audited(desk: TestClient, engine: Engine) -> None:
    """No cell is a formula."""
    rows = list(csv.DictReader(io.StringIO(desk.get("/devices.csv?only=faulty").text.lstrip("\ufeff"))))
    assert [row["device"] for row in rows] == ["d-0002", "d-0003", "d-far"]
    assert rows[1]["battery_pct"] == "9"
    assert rows[1]["findings"] == "Battery low"
    every = desk.get("/devices.csv").text
    assert "'=cmd()" in every
    with engine.connect() as connection:
        seen = connection.execute(select(audit).where(audit.c.kind == "export")).all()
    assert [(row.who, row.subject) for row in seen] == [("desk", "devices")] * 2


def test_a_silent_area_makes_its_devices_silent(app: FastAPI, engine: Engine) -> None:
    """One finding stands for all that were last heard when the others were; who was heard since is online."""
    points.find(
        engine,
        points.finding("$shimahe", "area_offline", NOON_MS - 90_000, severity=Severity.URGENT,
                       said="3 of 3 fell silent together", area="chongqing.yubei.longxi.shimahe"),
    )  # fmt: skip
    add_user(engine, "desk", Role.COORDINATOR)
    add_user(engine, "far", Role.ENGINEER, areas=("chongqing.yubei.other",))
    with browser_of(app, engine, "desk", NOON_MS) as browser:
        page = browser.get("/devices?only=silent").text
        assert set(listed(page)) == {"d-0001", "d-0002", "d-0003", "d-0004"}
        assert "3 of 3 fell silent together" in page
    with browser_of(app, engine, "far", NOON_MS) as browser:
        assert "3 of 3 fell silent together" not in browser.get("/devices").text


def test_without_a_store_the_findings_still_stand(engine: Engine, clock: Clock) -> None:
    """And the page says why nothing else is known."""
    app = create_app(engine, ConsoleSettings(link_key=LINK_KEY, login=False), now_ms=clock)
    with browser_of(app, engine) as browser:
        page = browser.get("/devices").text
        assert "time-series store is not set up" in page
        assert listed(page)[0] == "d-0002"
        assert browser.get("/devices/d-0002").status_code == 200
        assert browser.get("/devices/d-0002/series").json() == {"trouble": "none"}


def test_the_first_page_does_not_wait_for_a_slow_store(
    engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that the state is still being read, rather than that nobody was ever heard of."""
    monkeypatch.setattr("console.devices.index._FIRST_WAIT_S", 0.01)
    go = threading.Event()
    monkeypatch.setattr("console.devices.index.all_standing", lambda _engine: (go.wait(10) and {}, ()))
    app = create_app(engine, ConsoleSettings(link_key=LINK_KEY, login=False), now_ms=clock)
    with browser_of(app, engine) as browser:
        assert "being read for the first time" in browser.get("/devices").text
        go.set()


def test_what_to_do_is_what_the_doctor_says() -> None:
    """One advice, wherever it is read."""
    assert {kind: ENGLISH.get(f"advice.{kind}") for kind in ADVICE} == ADVICE


def test_fifty_thousand_devices_are_found_and_counted_in_time() -> None:
    """Sorted once, not at each look: the second page of a district takes a tenth of a second at most."""
    import time

    entries = [
        Entry(f"d-{n:05}", "wearable", "wrist", "", f"c.s{n % 60}.e{n % 700}", "Street", f"p-{n}", f"Name {n}")
        for n in range(50_000)
    ]
    states = {one.id: DeviceState(True, 50.0, 1, NOON_MS - n, 900.0) for n, one in enumerate(entries)}
    faults = {one.id: (Fault(one.id, "offline", NOON_MS - n, "warning", {}),) for n, one in enumerate(entries[::50])}
    fleet = join(entries, {"c": "C"}, states, faults, ())
    asked = Question(order=Order.WORST, page=3)

    def page() -> list[Device]:
        return page_of(find(fleet, asked, lambda _area: True, NOON_MS, names=True), asked.page).rows

    first = page()
    began = time.process_time()
    assert page() == first
    assert time.process_time() - began < 0.1
    assert [one.entry.id for one in first[:1]] == ["d-44950"]


def test_the_script_is_told_words_that_it_can_read(reader: TestClient) -> None:
    """The words lie in an attribute as JSON."""
    page = reader.get("/devices/d-0001").text
    words = json.loads(html.unescape(re.findall(r'data-say="([^"]*)"', page)[0]))
    assert words["chart.failed"]
