"""The board and the incident page, and what their buttons do."""

from __future__ import annotations

import html
import re

import msgspec
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

import registry
from alerts import actions
from alerts.lifecycle import Outcome, State
from alerts.queries import incident_detail
from console.app import create_app
from console.settings import ConsoleSettings
from detectors.detection import Stage
from tests.console import district
from tests.console.conftest import NOON_MS, Clock
from tests.console.district import WANG, ZHANG, fall, incident_of, sos, take, wait_until

RTL = "\u202eمريم‏ عبد الله"
HOSTILE = [
    '<script>alert("x")</script>',
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "李" * 10_000,
    "a" * 10_000,
    RTL,
    "👩🏽‍⚕️🧓 \x00\x1b[31m\u2028",
    "</title></textarea><h1>",
]


def text_of(page: str) -> str:
    """What a reader reads."""
    body = re.sub(r"<(script|style).*?</\1>", "", page.partition("<main")[2] or page, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", "", body)))


def section(page: str, name: str) -> str:
    """One group of the board."""
    return page.partition(f'data-list="{name}"')[2].partition('<div class="cards"')[0]


def test_an_empty_board_says_so(browser: TestClient) -> None:
    """And has no card."""
    page = browser.get("/").text
    assert "No incident is waiting for an answer." in text_of(page)
    assert "<article" not in page


def test_a_fall_shows_who_where_why_and_who_is_called(browser: TestClient, engine: Engine, clock: Clock) -> None:
    """Everything that a person at the desk needs to act."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    clock.now_ms += 42_000
    page = browser.get("/").text
    said = text_of(page)
    for words in (
        "Fall: Li Guizhen 李桂珍",
        "石马河街道 7 栋 2 单元 14-3",
        "Shimahe 石马河 · Longxi street",
        "Critical",
        "0:42 answer within 60 s",
        "Being called: Zhang Min 张敏",
        "impact 4.2 g, free fall for 0.3 s before it, lay still afterwards, posture changed by 80°",
        "Acknowledge for Zhang Min 张敏",
    ):
        assert words in said
    assert "<title>(1) Incidents" in page
    assert "clocked critical over" not in page
    clock.now_ms += 20_000
    assert "clocked critical over" in browser.get("/").text


def test_the_most_urgent_and_then_the_oldest_stands_first(browser: TestClient, engine: Engine) -> None:
    """Waiting before taken before resolved."""
    take(engine, NOON_MS - 9000, fall("d-0003", NOON_MS - 13_000, severity=district.Severity.URGENT))
    take(engine, NOON_MS - 6000, fall("d-0002", NOON_MS - 10_000))
    take(engine, NOON_MS - 3000, fall("d-0001", NOON_MS - 7000))
    take(engine, NOON_MS - 2000, fall("d-0004", NOON_MS - 6000))
    actions.acknowledge(engine, incident_of(engine, "d-0004"), ZHANG, NOON_MS - 1000)
    take(engine, NOON_MS - 2000, fall("d-0005", NOON_MS - 6000))
    actions.resolve(engine, incident_of(engine, "d-0005"), ZHANG, NOON_MS - 500, outcome=Outcome.TEST)
    page = browser.get("/").text
    names = re.findall(r'data-what="Fall: ([^"]*)"', page)
    assert names == ["Chen Yumei", "Li Guizhen 李桂珍", "Zhao Dehua", "Sun Xiulan 孙秀兰", "Wu Jianguo"]
    assert "Sun Xiulan" in section(page, "taken")
    assert "Wu Jianguo" in section(page, "recent")
    assert "Test" in text_of(section(page, "recent"))


def test_the_next_responder_appears_when_the_first_does_not_answer(browser: TestClient, engine: Engine) -> None:
    """And the button acts for whoever was called last."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    wait_until(engine, NOON_MS + 30_000)
    said = text_of(browser.get("/").text)
    assert "Being called: Wang Fang, Zhang Min 张敏" in said
    assert "Acknowledge for Wang Fang" in said


def test_the_button_acknowledges_as_it_says(browser: TestClient, engine: Engine) -> None:
    """Then the board says who has it, and the second clock runs."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    incident = incident_of(engine, "d-0001")
    page = browser.get("/").text
    actor = re.search(r'name="as" value="([^"]*)"', page)
    assert actor is not None
    answer = browser.post(f"/incidents/{incident}/acknowledge", data={"as": actor[1], "back": "board"})
    assert answer.status_code == 303
    page = browser.get(answer.headers["location"]).text
    assert "Acknowledged. Nobody else is called." in text_of(page)
    assert "Zhang Min 张敏 has it, since 12:00:00" in text_of(section(page, "taken"))
    assert "at the door within 15 min" in text_of(section(page, "taken"))
    detail = incident_detail(engine, incident)
    assert detail is not None
    assert detail.incident.acknowledged_by == ZHANG


def test_two_who_press_together_have_one_winner_and_the_other_is_told(browser: TestClient, engine: Engine) -> None:
    """By name."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    incident = incident_of(engine, "d-0001")
    first = browser.post(f"/incidents/{incident}/acknowledge", data={"as": ZHANG, "back": "board"})
    second = browser.post(f"/incidents/{incident}/acknowledge", data={"as": WANG, "back": "board"})
    assert "said=done.acknowledge" in first.headers["location"]
    assert "said=already" in second.headers["location"]
    said = text_of(browser.get(second.headers["location"]).text)
    assert "Not changed: Zhang Min 张敏 was first, at 12:00:00" in said
    detail = incident_detail(engine, incident)
    assert detail is not None
    assert detail.incident.acknowledged_by == ZHANG


def test_an_sos_of_an_unknown_device_can_be_taken_by_the_console(browser: TestClient, engine: Engine) -> None:
    """There is nobody on call at the desk: the card says so, and the button still works."""
    take(engine, NOON_MS, sos("d-9999", NOON_MS - 100, person=None))
    said = text_of(browser.get("/").text)
    assert "SOS: Unknown person, device d-9999" in said
    assert "Nobody is being called." in said
    incident = incident_of(engine, "d-9999")
    browser.post(f"/incidents/{incident}/acknowledge", data={"as": "console"})
    assert "console has it" in text_of(browser.get(f"/incidents/{incident}").text)


def test_the_way_to_the_door_is_written_down(browser: TestClient, engine: Engine, clock: Clock) -> None:
    """On my way, here, closed with what it was and a note."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    address = f"/incidents/{incident_of(engine, 'd-0001')}"
    for minutes, action, state in ((1, "en_route", State.EN_ROUTE), (9, "on_scene", State.ON_SCENE)):
        clock.now_ms = NOON_MS + minutes * 60_000
        assert browser.post(f"{address}/{action}", data={"as": WANG}).headers["location"].endswith(f"done.{action}")
        assert f'data-state="{state}"' in browser.get(address).text
    assert "after 9:00" in text_of(browser.get(address).text)
    clock.now_ms = NOON_MS + 20 * 60_000
    without = browser.post(f"{address}/resolve", data={"as": WANG, "note": "x"})
    assert "Not changed: say what it was first." in text_of(browser.get(without.headers["location"]).text)
    browser.post(f"{address}/resolve", data={"as": WANG, "outcome": "true", "note": "  hip bruised <b>  "})
    page = browser.get(address)
    said = text_of(page.text)
    assert "Closed: Wang Fang, True alarm, “hip bruised <b>”" in said
    assert "Closed by Wang Fang at 12:20:00" in said
    assert "<form" not in page.text
    late = browser.post(f"{address}/acknowledge", data={"as": ZHANG})
    assert "the incident is closed already" in text_of(browser.get(late.headers["location"]).text)


def test_the_incident_page_shows_time_line_and_notifications_with_reasons(browser: TestClient, engine: Engine) -> None:
    """Every send and every non-send, and why."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    incident = incident_of(engine, "d-0001")
    actions.acknowledge(engine, incident, WANG, NOON_MS + 5000, via="link")
    said = text_of(browser.get(f"/incidents/{incident}").text)
    for words in (
        "12:00:00Incident opened: Fall",
        "Called: Zhang Min 张敏",
        "12:00:05Acknowledged: Wang Fang",
        "call, webhook not sent · somebody was on it already",
        "lives alone",
        "very old",
        "+86 138 0000 0001",
        "d-0001 · worn at the waist",
        "certainty 97 %",
        "posture_change_deg80.4",
    ):
        assert words in said


BECAUSE = {"threshold": 0.55, "because.after_vector_std_g": 2.0, "because.peak_g": 1.5, "because.movement": -0.6}


def test_the_incident_page_says_what_spoke_for_a_fall_and_what_against(browser: TestClient, engine: Engine) -> None:
    """In words, with how sure it was, how far the posture changed, and each number with its weight."""
    one = fall("d-0001", NOON_MS - 4000)
    take(engine, NOON_MS, msgspec.structs.replace(one, features=one.features | BECAUSE))
    address = f"/incidents/{incident_of(engine, 'd-0001')}"
    page = browser.get(address).text
    said = text_of(page)
    for words in (
        "certainty 97 % – the alarm begins at 55 %",
        "What spoke for a fallhardly moved afterwards (0.02 g)a hard knock of 4.2 g",
        "What spoke against itthe movement as a whole is like everyday life",
        "beforeafter80°",
        "movement afterwards after_vector_std_g0.02 g+2.0",
    ):
        assert words in said
    assert 'aria-label="Posture: tilted by 80° from before the impact to after it"' in page
    assert "支持跌倒的依据之后几乎不动（0.02 g）" in text_of(browser.get(f"{address}?lang=zh").text)
    assert "hardly moved afterwards (0.02 g), a hard knock of 4.2 g" in text_of(browser.get("/?lang=en").text)


def test_what_follows_a_fall_does_not_hide_why_it_was_raised(browser: TestClient, engine: Engine) -> None:
    """How it went on has numbers of its own; what decided stays on the page."""
    one = fall("d-0001", NOON_MS - 4000)
    take(engine, NOON_MS, msgspec.structs.replace(one, features=one.features | BECAUSE))
    take(engine, NOON_MS + 30_000, msgspec.structs.replace(one, stage=Stage.FOLLOW_UP, features={}, window=None))
    page = text_of(browser.get(f"/incidents/{incident_of(engine, 'd-0001')}").text)
    assert page.count("certainty 97 % – the alarm begins at 55 %") == 2
    assert "a hard knock of 4.2 g" in page


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/incidents/nothing", None, 404),
        ("/incidents/nothing/motion.svg", None, 404),
        ("/nowhere", None, 404),
        ("/incidents/nothing/acknowledge", {}, 404),
        ("/incidents/{id}/acknowledge", {"as": "r-nobody"}, 400),
        ("/incidents/{id}/explode", {}, 404),
        ("/incidents/{id}", {}, 405),
        ("/incidents/{id}/motion.svg?size=vast", None, 404),
        ("/incidents/{id}/resolve", {"note": "n" * 70_000}, 413),
        ("/incidents/%00%ff/motion.svg", None, 404),
    ],
)
def test_what_cannot_be_done_is_said_on_a_page(
    browser: TestClient, engine: Engine, path: str, data: dict[str, str] | None, status: int
) -> None:
    """With the right status, and nothing changes."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    incident = incident_of(engine, "d-0001")
    path = path.replace("{id}", incident)
    answer = browser.get(path) if data is None else browser.post(path, data=data)
    assert answer.status_code == status
    assert "That did not work" in text_of(answer.text)
    detail = incident_detail(engine, incident)
    assert detail is not None
    assert detail.incident.state is State.NOTIFYING


def test_the_drawing_is_an_image_that_may_be_kept(browser: TestClient, engine: Engine) -> None:
    """In both sizes, with words in the reader's language, and it can never run anything."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    page = html.unescape(browser.get(f"/incidents/{incident_of(engine, 'd-0001')}").text)
    sources = re.findall(r'(?:src|srcset)="([^"]*motion.svg[^"]*)"', page)
    assert len(sources) == 2
    for source in sources:
        image = browser.get(source)
        assert image.headers["content-type"] == "image/svg+xml"
        assert image.headers["cache-control"].startswith("private")
        assert "sandbox" in image.headers["content-security-policy"]
        assert "impact" in image.text
    assert "撞击" in browser.get(sources[0].replace("lang=en", "lang=zh")).text


def test_a_language_asked_for_is_remembered(browser: TestClient, engine: Engine) -> None:
    """First the browser's, then the one that was asked for."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    assert '<html lang="en">' in browser.get("/").text
    assert '<html lang="zh-CN">' in browser.get("/", headers={"accept-language": "zh-CN,zh;q=0.9"}).text
    page = browser.get("/?lang=zh").text
    assert "跌倒：Li Guizhen 李桂珍" in text_of(page)
    assert "正在通知：Zhang Min 张敏" in text_of(page)
    assert '<html lang="zh-CN">' in browser.get("/").text
    assert "没有这个页面或警情" in browser.get("/nowhere").text


def test_something_from_a_buffer_says_when_it_happened(browser: TestClient, engine: Engine) -> None:
    """In local time, on the local day."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 20 * 3_600_000, historical=True))
    assert "This happened at 2026-03-01 16:00:00; it was sent later." in text_of(browser.get("/").text)


def test_an_sos_with_an_impossible_clock_says_so(browser: TestClient, engine: Engine) -> None:
    """It counts like any other, and the doubt is written on it."""
    said = {"clock": "the device's clock was never set: its time says nothing", "re": "c-17"}
    take(engine, NOON_MS, msgspec.structs.replace(sos("d-0002", 1000, person="p-0002"), notes=said))
    page = text_of(browser.get(f"/incidents/{incident_of(engine, 'd-0002')}").text)
    assert "Clock of the device: the device's clock was never set" in page
    assert "Happened1970-01-01 08:00:01" in page
    assert "c-17" not in page


def test_the_board_as_json_says_the_same(browser: TestClient, engine: Engine) -> None:
    """For the demo and for tests."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    body = browser.get("/api/incidents").json()
    (incident,) = body["incidents"]
    assert body["now_ms"] == NOON_MS
    assert incident["person_name"] == "Li Guizhen 李桂珍"
    assert incident["state"] == "notifying"
    assert incident["notifying"] == ["Zhang Min 张敏"]
    assert incident["evidence"][0]["features"]["peak_g"] == 4.23


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_shown_and_does_nothing(
    engine: Engine, settings: ConsoleSettings, clock: Clock, name: str
) -> None:
    """Names, addresses, features, notes: on every page, in both languages."""
    features = {"peak_g": 4.0, name[:200]: 1e300}
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000, features=features, notes={name[:200]: name}))
    incident = incident_of(engine, "d-0001")
    with registry.writing(engine) as connection:  # past the import's checks: a database may hold anything
        from registry import models

        connection.execute(models.person.update().values(name=name, address=name, risks=[name], phone=name[:64]))
        connection.execute(models.responder.update().values(name=name))
        connection.execute(models.area.update().values(name=name))
        connection.execute(models.device.update().values(placement=name[:64]))
    app = create_app(engine, settings, now_ms=clock)
    headers = {"sec-fetch-site": "same-origin"}
    with TestClient(app, base_url="http://localhost", headers=headers) as browser:
        browser.post(f"/incidents/{incident}/en_route", data={"as": WANG})
        pages = [
            browser.get(path + f"?lang={language}&said=already&about={incident}")
            for language in ("en", "zh")
            for path in ("/", f"/incidents/{incident}", f"/ack/{district.token(incident, ZHANG, NOON_MS + 1000)}")
        ]
        browser.post(f"/incidents/{incident}/resolve", data={"as": WANG, "outcome": "test", "note": name})
        pages.append(browser.get(f"/incidents/{incident}"))
    for page in pages:
        assert page.status_code == 200
        assert not re.search(r"<script(?! src=\"/static/)|<img src=x|<h1>\s*<h1>|onerror=alert\(1\)>", page.text)
        assert page.text.count("</title>") == 1
        assert "49" not in re.findall(r"<title>.*?</title>", page.text, flags=re.S)[0]
        assert len(page.text) < 120_000
    assert html.escape(name[:20], quote=True).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in pages[0].text
