"""The page of an incident: who sees what of it, what its buttons lead to, and what was measured around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

import registry
from alerts import actions
from alerts.lifecycle import Outcome
from alerts.queries import IncidentView, incident_detail
from console.access.models import audit
from console.access.rules import Role
from console.app import create_app
from console.boards import Boards, Sight, seen_in
from console.incident.measured import joined, noticed
from console.settings import ConsoleSettings
from detectors.detection import Detection, Severity, Stage
from registry import Keys
from registry.database import KEYS_OPTION
from registry.keys import draw_key
from store import open_store
from tests.console import person_points
from tests.console.conftest import NOON_MS, Clock, copy_of
from tests.console.district import WANG, ZHANG, fall, incident_of, take
from tests.console.person_points import HOUR_MS, MINUTE_MS
from tests.console.test_pages import text_of
from tests.console.users import add_user, browser_of

HOME = "chongqing.yubei.longxi.shimahe"
KEY = draw_key()
_MORE = f"""
devices:
  - {{id: s-bath, person: p-0001, kind: presence, placement: bathroom}}
people:
  - {{key: p-0001, name: Li Guizhen 李桂珍, area: {HOME}, phone: "+86 138 0000 0001", door_code: "4711#",
     conditions: [hypertension], risks: [lives_alone], lat: 29.5712, lon: 106.5514, language: zh}}
contacts:
  - {{person: p-0001, name: Li Ming, relation: family, phone: "+86 139 0000 0002", has_key: true}}
  - {{person: p-0001, name: Dr Zhou, relation: family_doctor, languages: [en], channels: [{{type: console}}]}}
"""


@pytest.fixture(scope="module")
def town(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The district with a door code, contacts, users, and a store with vitals and a bathroom: made once."""
    folder = tmp_path_factory.mktemp("incident")
    engine = copy_of(built, folder).execution_options(**{KEYS_OPTION: Keys(lambda: KEY)})
    (folder / "more").mkdir()
    (folder / "more" / "district.yaml").write_text(_MORE, encoding="utf-8")
    assert registry.import_folder(engine, folder / "more").problems == []
    for name, responder in (("zhang", ZHANG), ("wang", WANG)):
        add_user(engine, name, Role.RESPONDER, areas=(HOME,), responder=responder)
    add_user(engine, "desk", Role.COORDINATOR, areas=(HOME,))
    add_user(engine, "doctor", Role.CLINICIAN, areas=(HOME,))
    engine.dispose()
    store = open_store(f"sqlite:///{folder}/store.db")
    t_ms = np.arange(NOON_MS - 3 * HOUR_MS, NOON_MS + 1, 2 * MINUTE_MS).tolist()
    vitals = {"hr": [88.0] * len(t_ms), "spo2": [93.0] * len(t_ms)}
    person_points.write(store, "vitals", t_ms, vitals, person="p-0001", device="d-0001", area=HOME)
    person_points.write_scores(store, "p-0001", NOON_MS - MINUTE_MS, days=0.2)
    bath = [NOON_MS - 50 * MINUTE_MS, NOON_MS - 20 * MINUTE_MS]
    person_points.write(
        store, "home", bath, {"value": [1.0, 0.0]}, device="s-bath", person="p-0001", area=HOME, kind="presence"
    )
    store.close()
    return folder


@pytest.fixture
def engine(town: Path, tmp_path: Path) -> Iterator[Engine]:
    """A database of its own."""
    engine = copy_of(town / "carecircle.db", tmp_path).execution_options(**{KEYS_OPTION: Keys(lambda: KEY)})
    yield engine
    engine.dispose()


@pytest.fixture
def settings(town: Path, settings: ConsoleSettings) -> ConsoleSettings:
    """With logins and the store of the town."""
    return replace(settings, login=True, store_url=f"sqlite:///{town}/store.db")


@pytest.fixture
def incident(engine: Engine) -> str:
    """A fall of Li Guizhen at noon, of which nobody has said anything."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    return incident_of(engine, "d-0001")


@pytest.fixture
def zhang(engine: Engine, settings: ConsoleSettings, clock: Clock) -> Iterator[TestClient]:
    """The responder who is called first, on their phone."""
    with browser_of(create_app(engine, settings, now_ms=clock), engine, "zhang", NOON_MS) as browser:
        yield browser


@pytest.fixture
def desk(engine: Engine, settings: ConsoleSettings, clock: Clock) -> Iterator[TestClient]:
    """The coordinator."""
    with browser_of(create_app(engine, settings, now_ms=clock), engine, "desk", NOON_MS) as browser:
        yield browser


def view_of(engine: Engine, incident: str) -> IncidentView:
    """As alerts has it."""
    detail = incident_detail(engine, incident)
    assert detail is not None
    return detail.incident


def post(browser: TestClient, incident: str, action: str, **data: str) -> str:
    """Press a button; returns what the page says afterwards."""
    answer = browser.post(f"/incidents/{incident}/{action}", data=data)
    assert answer.status_code == 303, answer.text
    return text_of(browser.get(answer.headers["location"]).text)


def test_the_page_says_it_in_a_sentence_with_the_way_and_who_it_is(zhang: TestClient, incident: str) -> None:
    """Address, coordinates for the map, conditions, language, contacts with a key and a number to press."""
    page = zhang.get(f"/incidents/{incident}").text
    for words in ("Fall: Li Guizhen 李桂珍,", "29.57120, 106.55140", "high blood pressure", "Chinese", "Li Ming"):
        assert words in text_of(page)
    assert 'href="geo:29.57120,106.55140' in page
    assert 'href="tel:+8613900000002"' in page
    assert "4711" not in page


def test_the_door_code_is_for_who_has_taken_it_and_every_look_is_kept(
    zhang: TestClient, desk: TestClient, engine: Engine, incident: str
) -> None:
    """Not before, not for others, not afterwards."""
    address = f"/incidents/{incident}"
    assert "door-show" not in zhang.get(address).text
    assert "4711" not in zhang.post(f"{address}/door").text
    actions.acknowledge(engine, incident, ZHANG, NOON_MS)
    assert "door-show" in zhang.get(address).text
    assert "4711#" in zhang.post(f"{address}/door").text
    part = zhang.post(f"{address}/door", headers={"hx-request": "true"}).text
    assert "4711#" in part
    assert "<html" not in part
    assert "4711" not in zhang.get(address).text
    assert "4711" not in desk.post(f"{address}/door").text
    detail = incident_detail(engine, incident)
    assert detail is not None
    told = [entry.what for entry in detail.timeline if entry.what.startswith("door")]
    assert told == ["door_code_refused", "door_code_shown", "door_code_shown", "door_code_refused"]
    actions.resolve(engine, incident, ZHANG, NOON_MS, outcome=Outcome.TEST)
    assert "4711" not in zhang.post(f"{address}/door").text


def test_vital_signs_are_for_clinicians_and_for_who_is_on_the_way(
    zhang: TestClient, desk: TestClient, engine: Engine, incident: str
) -> None:
    """The page, its numbers as JSON, the score of then and the rooms; the desk sends people and sees none of it."""
    address = f"/incidents/{incident}"
    for browser in (zhang, desk):
        assert "Vital signs are shown to clinicians" in text_of(browser.get(address).text)
        assert browser.get(f"{address}/series").status_code == 403
    actions.acknowledge(engine, incident, ZHANG, NOON_MS)
    page = zhang.get(address).text
    assert re.search(r"NEWS2 when it happened: ?6–11", text_of(page))
    assert "bathroom 11:10–11:40" in page.lower()
    body = zhang.get(f"{address}/series").json()
    assert {panel["id"] for panel in body["panels"]} >= {"hr", "spo2", "score"}
    assert NOON_MS - 4000 - body["from"] * 1000 <= 2 * HOUR_MS + MINUTE_MS
    assert desk.get(f"{address}/series").status_code == 403
    with engine.connect() as connection:
        rows = connection.execute(select(audit.c.who, audit.c.kind).where(audit.c.what == "view")).all()
    assert (ZHANG, "vitals") in {tuple(row) for row in rows}
    assert sum((row.who, row.kind) == (ZHANG, "incident") for row in rows) == 1  # one look, though fetched twice


def test_a_page_without_a_store_says_so(engine: Engine, settings: ConsoleSettings, clock: Clock, incident: str) -> None:
    """And shows everything else."""
    actions.acknowledge(engine, incident, ZHANG, NOON_MS)
    app = create_app(engine, replace(settings, store_url=""), now_ms=clock)
    with browser_of(app, engine, "zhang", NOON_MS) as browser:
        page = browser.get(f"/incidents/{incident}")
        assert page.status_code == 200
        assert "Vital signs before and after" in text_of(page.text)
        assert "charts" not in page.text
        assert browser.get(f"/incidents/{incident}/series").status_code == 503


def test_every_answer_can_be_given_and_a_second_time_is_explained(
    zhang: TestClient, engine: Engine, incident: str
) -> None:
    """Cannot come, need help: in one's own name, whatever the form says."""
    assert "The next one is called" in post(zhang, incident, "cannot_come", **{"as": WANG})
    assert "nobody waits for you" in post(zhang, incident, "cannot_come")
    assert "More people are being called." in post(zhang, incident, "need_help", note="stairs")
    assert "more people are being called already" in post(zhang, incident, "need_help")
    view = view_of(engine, incident)
    assert (view.acknowledged_by, view.needed) == (ZHANG, 2)
    assert "1 more needed" in text_of(zhang.get(f"/incidents/{incident}").text)


def test_it_is_handed_over_and_the_other_is_asked(
    zhang: TestClient, desk: TestClient, engine: Engine, settings: ConsoleSettings, clock: Clock, incident: str
) -> None:
    """The desk may do it for whoever has it; nobody else's business is taken away."""
    actions.acknowledge(engine, incident, ZHANG, NOON_MS)
    assert "choose somebody from the list" in post(desk, incident, "hand_over", to="r-nobody")
    assert "until they acknowledge" in post(desk, incident, "hand_over", to=WANG, note="nearer")
    assert view_of(engine, incident).acknowledged_by == ZHANG
    assert "Wang Fang is asked to take it over" in text_of(zhang.get(f"/incidents/{incident}").text)
    with browser_of(create_app(engine, settings, now_ms=clock), engine, "wang", NOON_MS) as wang:
        page = text_of(wang.get(f"/incidents/{incident}").text)
        assert "Zhang Min 张敏 asks you to take this over." in page
        post(wang, incident, "acknowledge")
    assert view_of(engine, incident).acknowledged_by == WANG
    post(zhang, incident, "hand_over", to=ZHANG)
    assert view_of(engine, incident).acknowledged_by == WANG


def test_what_the_doctor_will_read_is_shown_before_it_is_sent(zhang: TestClient, engine: Engine, incident: str) -> None:
    """With the vital signs for who may see them; sent once, and nobody but the person's doctors can be named."""
    actions.acknowledge(engine, incident, ZHANG, NOON_MS)
    address = f"/incidents/{incident}/refer"
    doctor = re.search(r'<option value="([^"]+)"[^>]*>Dr Zhou', zhang.get(address).text)
    assert doctor is not None
    page = zhang.post(address, data={"to": doctor[1], "note": "hip <b>"}).text
    said = text_of(page)
    assert "Dr Zhou will read" in said
    assert "Note: hip <b>" in said
    assert "Pulse 88 /min" in said
    detail = incident_detail(engine, incident)
    assert detail is not None
    assert "referred" not in [entry.what for entry in detail.timeline]
    vitals = re.search(r'name="vitals" value="([^"]+)"', page)
    assert vitals is not None
    sent = {"to": doctor[1], "note": "hip <b>", "vitals": vitals[1], "go": "send"}
    assert "Sent." in post(zhang, incident, "refer", **sent)
    assert "Not sent again" in post(zhang, incident, "refer", **sent)
    assert zhang.post(address, data={"to": WANG, "go": "send"}).status_code == 400


def test_a_silent_area_shows_homes_and_people_and_no_device(desk: TestClient, engine: Engine) -> None:
    """Its name is that of the area, and who lives alone is one press away."""
    words = {"en": "9 of 10 devices fell silent together.", "zh": "10台设备中有9台失联。"}
    one = Detection(
        id="det-area", stage=Stage.CONFIRMED, device="$area", person=None, detector="device.link", version="1",
        kind="area_offline", onset_ms=NOON_MS - 300_000, decided_ms=NOON_MS, recv_ms=NOON_MS, severity=Severity.URGENT,
        score=1.0, features={"silent_devices": 9.0, "known_devices": 10.0}, notes={"area": HOME, **words},
    )  # fmt: skip
    take(engine, NOON_MS, one)
    incident = incident_of(engine, "$area")
    for page in (desk.get(f"/incidents/{incident}").text, desk.get("/").text):
        assert "Area without connection: Shimahe 石马河" in text_of(page)
        assert "$area" not in page
    said = text_of(desk.get(f"/incidents/{incident}").text)
    assert re.search(r"Live alone ?1", said)
    assert re.search(r"Silent devices ?9", said)


def test_the_board_is_filtered_and_shown_on_a_wall(desk: TestClient, engine: Engine) -> None:
    """By severity and area; on the wall there is nothing to press."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    take(engine, NOON_MS, fall("d-0002", NOON_MS - 4000, severity=Severity.WARNING))
    assert desk.get("/").text.count("<article") == 2
    assert desk.get("/?severity=urgent").text.count("<article") == 1
    assert desk.get(f"/?area={HOME}").text.count("<article") == 2
    assert desk.get("/?area=chongqing.other&severity=odd").text.count("<article") == 0
    wall = desk.get("/board?wall=1").text
    assert wall.count("<article") == 2
    assert "/acknowledge" not in wall


def test_the_cards_of_one_reader_carry_no_token_of_another(desk: TestClient, zhang: TestClient, incident: str) -> None:
    """What is made once for all has no token; each page has its own."""
    tokens = {re.search(r'name="csrf" value="([^"]+)"', one.get("/").text)[1] for one in (desk, zhang)}
    assert len(tokens) == 2
    part = desk.get("/", headers={"x-part": "1"}).text
    assert f'data-key="{incident}"' in part
    assert 'name="csrf" value=""' in part
    assert not any(token in part for token in tokens)
    assert "\x00" not in part + desk.get("/").text


def test_what_was_read_once_is_not_read_again_until_something_changes(
    engine: Engine, settings: ConsoleSettings
) -> None:
    """A change is seen at once, and a sight shows its areas only."""
    boards = Boards(engine, settings)
    first = boards.read(NOON_MS)
    assert boards.read(NOON_MS + 1000) is first
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    assert len(boards.read(NOON_MS + 1000).waiting) == 1
    sight = Sight("en", ("chongqing",), True, True, area="chongqing.yub")
    assert seen_in(boards.read(NOON_MS), sight, lambda _: True).waiting == []
    assert len(seen_in(boards.read(NOON_MS), replace(sight, area=""), lambda area: area == HOME).waiting) == 1


def test_times_in_a_room_are_cut_to_the_span_and_joined() -> None:
    """What lasts goes on until it ends; what is a moment is one; a sensor that never said off lasts to the end."""
    t_ms = np.array([0, 100, 400, 900], np.int64) * 1000
    values = np.array([1.0, 0.0, 1.0, np.nan])
    assert noticed(t_ms, values, 50_000, 600_000, lasting=True) == [(50_000, 100_000), (400_000, 600_000)]
    assert noticed(t_ms, values, 0, 450_000, lasting=False) == [(0, 120_000), (400_000, 450_000)]
    assert joined([(500_000, 600_000), (0, 100_000), (150_000, 200_000)]) == ((0, 200_000), (500_000, 600_000))
