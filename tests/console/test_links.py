"""The links of messages: looking changes nothing, pressing acts for whom the link is for."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from alerts import actions
from alerts.lifecycle import Outcome, State
from alerts.links import ACK_PATH, SHORT_PATH, LinkClaims
from alerts.queries import IncidentView, incident_detail
from alerts.short_links import keep_code
from alerts.standing import Meaning
from console.app import create_app
from console.settings import ConsoleSettings
from tests.console.conftest import NOON_MS, Clock
from tests.console.district import WANG, ZHANG, fall, incident_of, take, token
from tests.console.test_pages import text_of

VALID_MS = NOON_MS + 3_600_000


@pytest.fixture
def incident(engine: Engine) -> str:
    """A fall that Zhang was called for."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    return incident_of(engine, "d-0001")


def address(incident: str, responder: str, expires_ms: int = VALID_MS) -> str:
    """A link as it stands in a message."""
    return ACK_PATH + token(incident, responder, expires_ms)


def view(engine: Engine, incident: str) -> IncidentView:
    """The incident as it stands."""
    detail = incident_detail(engine, incident)
    assert detail is not None
    return detail.incident


def buttons(page: str) -> list[str]:
    """The buttons of a link's page, in order."""
    main = page.partition("<main")[2].partition("</main>")[0]
    return [unescape(label) for label in re.findall(r'<button class="act[^"]*">([^<]*)<', main)]


def timeline(engine: Engine, incident: str) -> list[tuple[str, str]]:
    """What people did, and how."""
    detail = incident_detail(engine, incident)
    assert detail is not None
    return [(entry.what, str(entry.data["via"])) for entry in detail.timeline if "via" in entry.data]


def everything(engine: Engine) -> list[tuple[object, ...]]:
    """What the database says of incidents, messages and history."""
    with engine.connect() as connection:
        return [
            tuple(row)
            for table in ("incident", "audit", "notification", "timer", "alerts_change")
            for row in connection.execute(text(f"SELECT * FROM {table}"))
        ]


def test_looking_at_a_link_changes_nothing(browser: TestClient, engine: Engine, incident: str) -> None:
    """Chat previews and mail scanners look at every link, some more than once and with HEAD."""
    before = everything(engine)
    for method in ("GET", "HEAD", "GET"):
        answer = browser.request(method, address(incident, ZHANG), headers={"sec-fetch-site": "none"})
        assert answer.status_code == 200
    said = text_of(answer.text)
    for words in (
        "Fall: Li Guizhen 李桂珍",
        "石马河街道 7 栋",
        "impact 4.2 g",
        "I'll go",
        "For Zhang Min 张敏",
    ):
        assert words in said
    assert everything(engine) == before


def test_pressing_takes_it_for_whom_the_link_is_for(browser: TestClient, engine: Engine, incident: str) -> None:
    """And pressing again says that it is done already, with the same answer."""
    answer = browser.post(address(incident, ZHANG))
    assert answer.status_code == 200
    assert "You have it, Zhang Min 张敏. Thank you." in text_of(answer.text)
    assert view(engine, incident).acknowledged_by == ZHANG
    again = browser.post(address(incident, ZHANG))
    assert again.status_code == 200
    assert "You have this already, since 12:00:00" in text_of(again.text)
    assert "I'll go" not in buttons(again.text)


def test_whoever_is_second_is_told_who_was_first(browser: TestClient, engine: Engine, incident: str) -> None:
    """And that they need not go."""
    browser.post(address(incident, ZHANG))
    for answer, status in ((browser.post(address(incident, WANG)), 409), (browser.get(address(incident, WANG)), 200)):
        assert answer.status_code == status
        assert "Zhang Min 张敏 has it already, since 12:00:00" in text_of(answer.text)
        assert "You need not go." in text_of(answer.text)
    assert view(engine, incident).acknowledged_by == ZHANG


def test_two_who_press_at_the_same_moment_have_one_winner(
    engine: Engine, settings: ConsoleSettings, clock: Clock, incident: str
) -> None:
    """Ten presses from two responders, on as many threads."""
    gate = threading.Barrier(10)
    with TestClient(create_app(engine, settings, now_ms=clock), base_url="http://127.0.0.1") as browser:

        def press(responder: str) -> tuple[str, int, str]:
            gate.wait()
            answer = browser.post(address(incident, responder))
            return responder, answer.status_code, text_of(answer.text)

        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(press, [ZHANG, WANG] * 5))
    winner = view(engine, incident).acknowledged_by
    assert {status for who, status, _ in answers if who == winner} == {200}
    assert {status for who, status, _ in answers if who != winner} == {409}
    assert sum("You have it," in said for _, _, said in answers) == 1


def test_a_link_to_something_resolved_says_so(browser: TestClient, engine: Engine, incident: str) -> None:
    """Nobody goes for nothing."""
    actions.resolve(engine, incident, WANG, NOON_MS, outcome=Outcome.FALSE_ALARM)
    for answer, status in ((browser.get(address(incident, ZHANG)), 200), (browser.post(address(incident, ZHANG)), 410)):
        assert answer.status_code == status
        assert "This alert is closed. You need not go." in text_of(answer.text)
    assert view(engine, incident).state is State.RESOLVED


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_old_link_is_refused_clearly(
    browser: TestClient, engine: Engine, clock: Clock, incident: str, method: str
) -> None:
    """From the very millisecond at which it expires, whatever is pressed."""
    clock.now_ms = VALID_MS
    before = everything(engine)
    for action in ("", *(f"/{meaning}" for meaning in Meaning)):
        answer = browser.request(method, address(incident, ZHANG) + action)
        assert answer.status_code == 410
        assert "This link is too old" in text_of(answer.text)
        assert "Li Guizhen" not in answer.text
    assert everything(engine) == before


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", ["another key", "changed", "cut off", "nonsense", "huge"])
def test_a_forged_link_is_refused_clearly(
    browser: TestClient, engine: Engine, incident: str, method: str, fault: str
) -> None:
    """And shows nothing of anybody."""
    good = token(incident, ZHANG, VALID_MS)
    bad = {
        "another key": token(incident, ZHANG, VALID_MS, key="another key that is long enough"),
        "changed": ("X" if good[0] != "X" else "Y") + good[1:],
        "cut off": good[:-4],
        "nonsense": "%00%F0%9F%A7%93",
        "huge": "A" * 20_000,
    }[fault]
    answer = browser.request(method, ACK_PATH + bad)
    assert answer.status_code == 404
    assert "This link is not one of ours" in text_of(answer.text)
    assert "Li Guizhen" not in answer.text
    assert view(engine, incident).state is State.NOTIFYING


def test_a_link_to_an_incident_that_is_gone_says_so(browser: TestClient) -> None:
    """After the database was set up anew, for instance."""
    for answer in (browser.get(address("i-gone", ZHANG)), browser.post(address("i-gone", ZHANG))):
        assert answer.status_code == 404
        assert "no longer stored" in text_of(answer.text)


def test_a_program_can_press_a_link(browser: TestClient, engine: Engine, incident: str) -> None:
    """One that sends neither Origin nor Sec-Fetch-Site: the link itself is the permission."""
    del browser.headers["sec-fetch-site"]
    assert browser.post(address(incident, ZHANG)).status_code == 200
    assert view(engine, incident).acknowledged_by == ZHANG


def test_the_page_speaks_the_language_of_the_phone(browser: TestClient, incident: str) -> None:
    """In the words of the catalogue."""
    said = text_of(browser.get(address(incident, ZHANG), headers={"accept-language": "zh-CN"}).text)
    assert "我去" in said
    assert "跌倒：Li Guizhen" in said


def test_a_short_link_leads_to_the_page_and_changes_nothing(browser: TestClient, engine: Engine, incident: str) -> None:
    """It is what a text message has room for; one that is unknown or too old is refused."""
    with engine.begin() as connection:
        keep_code(connection, "abcdefghijklm", LinkClaims(incident, ZHANG, "n1", VALID_MS))
        keep_code(connection, "old0000000000", LinkClaims(incident, ZHANG, "n2", NOON_MS - 1))
    before = everything(engine)
    leads = browser.get(SHORT_PATH + "abcdefghijklm", headers={"sec-fetch-site": "none"})
    assert (leads.status_code, leads.headers["location"].startswith(ACK_PATH)) == (303, True)
    answer = browser.get(leads.headers["location"], headers={"sec-fetch-site": "none"})
    assert "For Zhang Min 张敏" in text_of(answer.text)
    assert everything(engine) == before
    assert browser.get(SHORT_PATH + "old0000000000").status_code == 410
    assert browser.get(SHORT_PATH + "zzzzzzzzzzzzz").status_code == 404
    assert browser.post(SHORT_PATH + "abcdefghijklm").status_code == 405


def test_a_responder_reports_the_whole_way_by_the_link(browser: TestClient, engine: Engine, incident: str) -> None:
    """Without an account: each page has the buttons that fit, and each press says what it did."""
    link = address(incident, ZHANG)
    offered = [buttons(browser.get(link).text)]
    for action, said in (
        ("acknowledge", "You have it, Zhang Min 张敏. Thank you."),
        ("en_route", "Noted: you are on your way."),
        ("on_scene", "Noted: you are there."),
    ):
        answer = browser.post(f"{link}/{action}")
        assert (answer.status_code, said in text_of(answer.text)) == (200, True)
        offered.append(buttons(answer.text))
    assert offered == [
        ["I'll go", "I cannot come", "I need help"],
        ["On my way", "I am here", "I cannot come", "I need help"],
        ["I am here", "I cannot come", "I need help"],
        ["I need help"],
    ]
    assert view(engine, incident).state is State.ON_SCENE
    assert timeline(engine, incident) == [("acknowledged", "link"), ("en_route", "link"), ("on_scene", "link")]
    at_door = browser.post(f"{link}/cannot_come")
    assert (at_door.status_code, view(engine, incident).state) == (409, State.ON_SCENE)
    assert "Nothing was changed: you are there." in text_of(at_door.text)


def test_who_cannot_come_says_so_by_the_link(browser: TestClient, engine: Engine, incident: str) -> None:
    """Nobody waits for them; what they had is open again, and they may change their mind."""
    link = address(incident, ZHANG)
    browser.post(link)
    answer = browser.post(f"{link}/cannot_come")
    assert answer.status_code == 200
    assert "Noted: you cannot come." in text_of(answer.text)
    assert buttons(answer.text) == ["I'll go", "I need help"]
    assert view(engine, incident).state is State.NOTIFYING
    assert "已记录：您不能前往" in text_of(browser.get(link, headers={"accept-language": "zh"}).text)
    assert browser.post(link).status_code == 200
    assert view(engine, incident).acknowledged_by == ZHANG


def test_who_needs_help_gets_more_people_by_the_link(browser: TestClient, incident: str) -> None:
    """Another responder is wanted until they come too, and then learns with whom."""
    link = address(incident, ZHANG)
    browser.post(link)
    answer = browser.post(f"{link}/need_help")
    assert answer.status_code == 200
    assert "More people are being called." in text_of(answer.text)
    assert "I need help" not in buttons(answer.text)
    joined = browser.post(address(incident, WANG))
    assert joined.status_code == 200
    assert "You are coming too. Zhang Min 张敏 has it." in text_of(joined.text)
    assert "More people are being called." not in text_of(browser.get(link).text)


@pytest.mark.parametrize("action", ["cannot_come", "need_help"])
def test_a_link_for_another_button_shows_it_first_and_changes_nothing(
    browser: TestClient, engine: Engine, incident: str, action: str
) -> None:
    """The links of a webhook lead to the same page."""
    before = everything(engine)
    page = browser.get(f"{address(incident, ZHANG)}/{action}", headers={"sec-fetch-site": "none"}).text
    assert buttons(page)[0] == {"cannot_come": "I cannot come", "need_help": "I need help"}[action]
    assert set(buttons(page)) == {"I'll go", "I cannot come", "I need help"}
    assert everything(engine) == before


def test_nobody_acts_on_what_somebody_else_has(browser: TestClient, engine: Engine, incident: str) -> None:
    """Nobody sets out, arrives or calls for help in another's place."""
    browser.post(address(incident, ZHANG))
    before = everything(engine)
    for meaning in Meaning:
        answer = browser.post(f"{address(incident, WANG)}/{meaning}")
        assert answer.status_code == 409
        assert "Zhang Min 张敏 has it already" in text_of(answer.text)
        assert buttons(answer.text) == []
    assert everything(engine) == before


def test_a_button_that_there_is_not_is_no_page(browser: TestClient, engine: Engine, incident: str) -> None:
    """And no press."""
    for answer in (browser.get(f"{address(incident, ZHANG)}/resolve"), browser.post(f"{address(incident, ZHANG)}/x")):
        assert answer.status_code == 404
    assert view(engine, incident).state is State.NOTIFYING
