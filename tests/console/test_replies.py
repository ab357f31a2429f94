"""Replies by text message and telephone keys, over HTTP as gateways send them: signed, done once, answered."""

from __future__ import annotations

import base64
import logging
import secrets
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import httpx
import msgspec
import pytest
import yaml
from sqlalchemy import Engine, select, text
from standardwebhooks import Webhook

import registry
from alerts import actions, models
from alerts.queries import IncidentView, incident_detail
from alerts.reply_words import code_of
from console.app import create_app
from console.errors import ConsoleError
from console.reply_providers import twilio_signature
from console.server import serve
from console.settings import ConsoleSettings
from registry.keys import Keys, draw_key
from tests.console.conftest import NOON_MS, Clock
from tests.console.district import LINK_KEY, WANG, ZHANG, fall, incident_of, take

SECRET = "whsec_" + base64.b64encode(b"a secret for replies, 24+").decode()
TOKEN = "12345abcde67890fghij"
PUBLIC = "https://care.example.org"
ZHANG_PHONE, WANG_PHONE = "+8613800000001", "+8613800000002"
HOOK = {"type": "webhook", "url": "http://127.0.0.1:9/hook", "secret": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}


@dataclass
class District:
    """A console on a port of this machine, what is behind it, and its clock."""

    url: str
    engine: Engine
    clock: Clock
    incident: str

    def view(self, incident: str = "") -> IncidentView:
        """An incident as it stands."""
        detail = incident_detail(self.engine, incident or self.incident)
        assert detail is not None
        return detail.incident

    def replied(self, incident: str = "") -> list[tuple[str, dict[str, Any]]]:
        """What people answered, and how, of the time line."""
        detail = incident_detail(self.engine, incident or self.incident)
        assert detail is not None
        return [(entry.what, entry.data) for entry in detail.timeline if "via" in entry.data]

    def everything(self) -> list[Any]:
        """What the database says of incidents, messages, replies and history."""
        with self.engine.connect() as connection:
            names = ("incident", "audit", "notification", "timer", "reply")
            return [tuple(row) for name in names for row in connection.execute(text(f"SELECT * FROM {name}"))]

    def standard(self, **values: str) -> httpx.Response:
        """A reply by a bridge, signed now."""
        return self.signed(msgspec.json.encode({"from": ZHANG_PHONE, "id": "m1", **values}))

    def signed(self, body: bytes, *, secret: str = SECRET, at_ms: int | None = None) -> httpx.Response:
        """A signed request of a bridge."""
        at = datetime.fromtimestamp((self.clock.now_ms if at_ms is None else at_ms) // 1000, UTC)
        headers = {
            "webhook-id": "w1",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign("w1", at, body.decode(errors="replace")),
        }
        return httpx.post(f"{self.url}/replies/standard", content=body, headers=headers)

    def twilio(self, *, token: str = TOKEN, query: str = "", at: str = PUBLIC, **form: str) -> httpx.Response:
        """A webhook of Twilio, come through a proxy."""
        pairs = list(form.items())
        address = "/replies/twilio" + query
        headers = {
            "host": "care.example.org",
            "x-forwarded-for": "203.0.113.9",
            "x-twilio-signature": twilio_signature(token, at + address, pairs),
            "content-type": "application/x-www-form-urlencoded",
        }
        return httpx.post(self.url + address, content=urlencode(pairs).encode(), headers=headers)


def sms(body: str, *, message: str = "SM1", sender: str = ZHANG_PHONE) -> dict[str, str]:
    """The form of a text message."""
    return {"MessageSid": message, "AccountSid": "AC1", "From": sender, "To": "+8610000", "Body": body, "NumMedia": "0"}


def words_of(answer: httpx.Response) -> str:
    """What TwiML says."""
    return "".join(ElementTree.fromstring(answer.content).itertext())


def responders(**phones: str) -> dict[str, list[dict[str, object]]]:
    """The rows of the registry: Zhang reads Chinese, Wang is told on an SMS service and has no phone else."""
    home = "chongqing.yubei.longxi.shimahe"
    url = f"d7sms://TOKEN@{WANG_PHONE.strip('+')}"
    zhang = {"id": ZHANG, "name": "Zhang Min 张敏", "area": home, "languages": ["zh", "en"], "channels": [HOOK]}
    wang = {"id": WANG, "name": "Wang <b>Fang</b> & Co", "area": home, "channels": [{"type": "apprise", "url": url}]}
    return {"responders": [{**zhang, "phone": "138 0000 0001"} | phones, wang]}


def import_rows(engine: Engine, folder: Path, rows: dict[str, list[dict[str, object]]]) -> None:
    """Bring rows into the registry."""
    folder.mkdir()
    (folder / "district.yaml").write_text(yaml.safe_dump(rows, allow_unicode=True), encoding="utf-8")
    diff = registry.import_folder(engine, folder)
    assert not diff.problems, diff.problems


@pytest.fixture(scope="module")
def prepared(built: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A database with a fall that Zhang was told of, and the key of its phones and channels."""
    folder, key = tmp_path_factory.mktemp("replies"), draw_key()
    shutil.copy(built, folder / "carecircle.db")
    engine = registry.create_engine(f"sqlite:///{folder}/carecircle.db", keys=Keys(lambda: key))
    import_rows(engine, folder / "rows", responders())
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    told(engine)
    engine.dispose()
    return folder / "carecircle.db", key


@pytest.fixture
def district(prepared: tuple[Path, str], tmp_path: Path, clock: Clock) -> Iterator[District]:
    """The console over a copy of it, with both providers."""
    file, key = prepared
    shutil.copy(file, tmp_path / "carecircle.db")
    engine = registry.create_engine(f"sqlite:///{tmp_path}/carecircle.db", keys=Keys(lambda: key))
    settings = ConsoleSettings(
        link_key=LINK_KEY, public_url=PUBLIC, time_zone="Asia/Shanghai", reply_secret=SECRET, twilio_token=TOKEN
    )
    stop, ready, urls = threading.Event(), threading.Event(), list[str]()

    def is_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    app = create_app(engine, settings, now_ms=clock)
    server = threading.Thread(target=serve, args=(app, "127.0.0.1", 0, stop), kwargs={"ready": is_ready})
    server.start()
    try:
        assert ready.wait(10)
        yield District(urls[0], engine, clock, incident_of(engine, "d-0001"))
    finally:
        stop.set()
        server.join(10)
        engine.dispose()


def told(engine: Engine, responder: str = "") -> None:
    """What waits was sent; or, with ``responder``, was sent to them instead."""
    with registry.writing(engine) as connection:
        values: dict[str, Any] = {"status": "sent", "attempts": 1}
        rows = models.notification
        mine = rows.c.status == "pending"
        connection.execute(rows.update().where(mine).values(values | ({"responder": responder} if responder else {})))


def test_a_key_by_text_message_takes_the_incident(district: District) -> None:
    """In the words of the responder's language, from a number that is sealed in the registry."""
    answer = district.twilio(**sms("１ "))
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/xml")
    said = words_of(answer)
    assert said.startswith("已由您接警：跌倒 11:59 Li Guizhen 李桂珍 石马河街道 7 栋 2 单元 14-3。")
    assert district.view().acknowledged_by == ZHANG
    assert district.replied() == [("acknowledged", {"via": "sms"})]


def test_the_whole_way_can_be_replied(district: District) -> None:
    """Help and the rest by key or word, each answered with what was understood."""
    for number, (word, said) in enumerate(
        [("ok", "已由您接警"), ("4", "已出发"), ("到了。", "已到达"), ("HELP!", "正在通知更多人")]
    ):
        answer = district.standard(text=word, id=f"m{number}").json()
        assert (said in answer["answer"], answer["language"], answer["incident"]) == (True, "zh", district.incident)
    whats = [what for what, data in district.replied() if data["via"] == "sms"]
    assert whats == ["acknowledged", "en_route", "on_scene", "help_needed"]


def test_who_cannot_come_says_so_by_reply(district: District) -> None:
    """What they had is open again."""
    district.standard(text="1", id="a")
    answer = district.standard(text="不能", id="b").json()
    assert (answer["said"], district.view().acknowledged_by) == ("not_coming", None)
    assert district.replied()[-1][0] == "cannot_come"


def test_in_a_call_keys_are_asked_for_and_taken(district: District) -> None:
    """What can be pressed is said first; the keys come to the same address; the answer is spoken, and the call ends."""
    call = {"CallSid": "CA1", "From": ZHANG_PHONE, "To": "+8610000", "Direction": "inbound", "CallStatus": "ringing"}
    begins = district.twilio(**call)
    gather = ElementTree.fromstring(begins.content).find("Gather")
    assert gather is not None
    assert "请按键：1 我去" in words_of(begins)
    assert "action" not in gather.attrib
    unclear = district.twilio(**call, Digits="9")
    assert "<Gather" in unclear.text
    answer = district.twilio(**call, Digits="1")
    say = ElementTree.fromstring(answer.content).find("Say")
    assert say is not None
    assert (say.attrib, "已由您接警：跌倒 11:59。" in words_of(answer)) == ({"language": "zh-CN"}, True)
    assert "Gather" not in answer.text
    assert ("acknowledged", {"via": "voice"}) in district.replied()


def test_in_a_call_that_we_made_the_number_is_that_of_who_was_called(district: District) -> None:
    """Not the one of the caller, which is ours."""
    call = {"CallSid": "CA2", "From": "+8610000", "To": ZHANG_PHONE, "Direction": "outbound-api"}
    district.twilio(**call, Digits="1")
    assert district.view().acknowledged_by == ZHANG


def test_a_reply_that_arrives_twice_is_done_once_and_answered_the_same(district: District) -> None:
    """Also after the incident went on, and by many at the same moment."""
    answers = []
    barrier = threading.Barrier(6)

    def send() -> None:
        barrier.wait()
        answers.append(district.twilio(**sms("1")))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.text for answer in answers}) == 1
    actions.cannot_come(district.engine, district.incident, ZHANG, NOON_MS)
    district.clock.now_ms += 60_000
    before = district.everything()
    assert district.twilio(**sms("1")).text == answers[0].text
    assert district.everything() == before
    assert [what for what, _ in district.replied()].count("acknowledged") == 1
    assert district.view().acknowledged_by is None


def test_who_is_second_learns_who_was_first_and_it_is_written(district: District) -> None:
    """Nothing was changed by the reply, and the time line has it all the same, without numbers."""
    actions.acknowledge(district.engine, district.incident, WANG, NOON_MS)
    answer = district.twilio(**sms("1"))
    assert "Wang <b>Fang</b> & Co 已接警" in words_of(answer)
    assert "<b>" not in answer.text
    (what, data) = district.replied()[-1]
    assert (what, data["via"], data["replied"]) == ("replied", "sms", "others")
    assert "1380000" not in str(district.everything())


def test_an_sms_channel_knows_its_number_too(district: District) -> None:
    """Wang has no phone in the registry; the url of the service ends with it. The answer is escaped."""
    take(district.engine, NOON_MS, fall("d-0002", NOON_MS - 4000))
    told(district.engine, WANG)
    answer = district.twilio(**sms("y", sender=WANG_PHONE))
    assert words_of(answer).startswith("You have it: Fall 11:59 Chen Yumei Building 2, unit 1, 3-1.")
    assert district.view(incident_of(district.engine, "d-0002")).acknowledged_by == WANG


def test_with_two_open_the_code_says_which(district: District) -> None:
    """A bare key changes nothing and is answered with the codes; the code behind the key, or in one, decides."""
    take(district.engine, NOON_MS, fall("d-0002", NOON_MS - 4000))
    told(district.engine, ZHANG)
    other = incident_of(district.engine, "d-0002")
    asks = district.standard(text="1", id="a").json()
    assert asks["said"] == "which"
    assert code_of(other) in asks["answer"]
    assert code_of(district.incident) in asks["answer"]
    assert {district.view().acknowledged_by, district.view(other).acknowledged_by} == {None}
    assert district.standard(text=f"1 {code_of(other)}", id="b").json()["incident"] == other
    assert district.standard(digits=f"4{code_of(other)}", id="c").json()["incident"] == other
    assert district.standard(text="1", id="d").json()["incident"] == district.incident
    wrong = next(code for code in ("111", "222", "333") if code not in asks["answer"])
    assert district.standard(text=f"2 {wrong}", id="e").json()["said"] == "which"


def test_a_bridge_that_knows_the_message_says_which(district: District) -> None:
    """By the id of the notification that was answered; one of somebody else does not count."""
    take(district.engine, NOON_MS, fall("d-0002", NOON_MS - 4000))
    told(district.engine, ZHANG)
    rows = models.notification
    with district.engine.connect() as connection:
        sent = dict(connection.execute(select(rows.c.incident, rows.c.id).where(rows.c.responder == ZHANG)).all())
    answer = district.standard(text="1", notification=sent[district.incident]).json()
    assert answer["incident"] == district.incident


def test_an_unknown_number_is_answered_and_nothing_is_changed(district: District) -> None:
    """It is kept without the number."""
    before = district.view()
    for number, sender in enumerate(("+8613911112222", "anonymous", "1" * 40)):
        answer = district.standard(text="1", id=f"m{number}", **{"from": sender})
        assert (answer.status_code, answer.json()["said"], answer.json()["language"]) == (200, "unknown_sender", "zh")
        assert sender not in str(district.everything())
    assert district.view() == before
    assert str(district.everything()).count('"replied": "unknown_sender"') == 3


def test_a_number_of_two_people_is_referred_to_the_link(district: District, tmp_path: Path) -> None:
    """Nobody knows which of them it was."""
    import_rows(district.engine, tmp_path / "shared", responders(phone=WANG_PHONE))
    answer = district.standard(text="1", **{"from": "008613800000002"}).json()
    assert (answer["said"], district.view().acknowledged_by) == ("shared_number", None)


def test_what_is_not_understood_changes_nothing_and_is_told_what_can_be_sent(district: District) -> None:
    """As a text that was meant otherwise must not take an incident. Whatever goes on is answered no more: two machines
    would write to each other all night."""
    for number, words in enumerate(
        ("", "what?", "<script>alert(1)</script>", "I cannot go now", "1 1 1", "\x00\ufffe", "好" * 1500)
    ):
        answer = district.twilio(**sms(words, message=f"SM{number}"))
        assert (answer.status_code, "1 我去，2 不能去" in words_of(answer)) == (200, number < 3)
        assert "script" not in answer.text
        assert answer.text.startswith('<?xml version="1.0" encoding="UTF-8"?><Response>')
    assert district.view().acknowledged_by is None
    assert district.standard(text="1").json()["said"] == "yours"


def test_without_anything_open_it_says_so(district: District) -> None:
    """Told a day ago is not told."""
    district.clock.now_ms += 25 * 3_600_000
    assert district.standard(text="1").json()["said"] == "nothing_open"
    assert district.view().acknowledged_by is None


def test_forged_requests_change_nothing_and_are_counted(district: District, caplog: pytest.LogCaptureFixture) -> None:
    """Another secret, another body, another address, none at all, too old, from the future; no number in the log."""
    before = district.everything()
    body = msgspec.json.encode({"from": ZHANG_PHONE, "id": "m1", "text": "1"})
    minute_ms = 60_000
    with caplog.at_level(logging.DEBUG):
        refused = [
            district.signed(body, secret="whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()),
            district.signed(body, at_ms=NOON_MS - 5 * minute_ms - 1000),
            district.signed(body, at_ms=NOON_MS + 5 * minute_ms + 1000),
            district.twilio(**sms("1"), token="another token"),
            district.twilio(**sms("1"), at="https://evil.example"),
            district.twilio(**sms("1"), query="?x=1", at=PUBLIC + "/x"),
        ]
        good = {"webhook-id": "w1", "webhook-timestamp": str(NOON_MS // 1000)}
        right = Webhook(SECRET).sign("w1", datetime.fromtimestamp(NOON_MS // 1000, UTC), body.decode())
        for headers, sent in [
            (good | {"webhook-signature": right}, body + b" "),
            (good | {"webhook-signature": right[:-6]}, body),
            (good | {"webhook-signature": "v1,"}, body),
            (good | {"webhook-signature": "v2" + right[2:]}, body),
            (good | {"webhook-signature": right, "webhook-id": "w2"}, body),
            (good | {"webhook-signature": right, "webhook-timestamp": "9" * 12}, body),
            (good | {"webhook-signature": right, "webhook-timestamp": "-1"}, body),
            (good | {"webhook-signature": right, "webhook-timestamp": "nan"}, body),
            (good | {"webhook-signature": right}, b"\xff\xfe\x00"),
        ]:
            refused.append(httpx.post(f"{district.url}/replies/standard", content=sent, headers=headers))
        unsigned = [
            httpx.post(f"{district.url}/replies/{name}", content=sent)
            for name, sent in (("standard", body), ("twilio", urlencode(sms("1")).encode()))
        ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert [answer.status_code for answer in unsigned] == [401, 401]
    assert district.everything() == before
    assert "1380000" not in caplog.text + "".join(answer.text for answer in refused)
    assert 1 <= caplog.text.count("a reply by") <= 10


def test_a_signature_of_several_and_an_address_with_its_port_are_taken(district: District) -> None:
    """As while a secret is changed, and as Twilio signs calls."""
    assert district.twilio(**sms("hm"), at=PUBLIC + ":443").status_code == 200
    assert district.twilio(**sms("hm"), query="?a=b%20c").status_code == 200
    body = msgspec.json.encode({"from": ZHANG_PHONE, "id": "m1", "text": "1"})
    right = Webhook(SECRET).sign("w1", datetime.fromtimestamp(NOON_MS // 1000, UTC), body.decode())
    headers = {"webhook-id": "w1", "webhook-timestamp": str(NOON_MS // 1000), "webhook-signature": f"v1,AAAA {right}"}
    assert httpx.post(f"{district.url}/replies/standard", content=body, headers=headers).status_code == 200


def test_what_is_signed_and_no_reply_is_refused(district: District) -> None:
    """And nothing of it is kept."""
    before = district.everything()
    for body in (
        b"", b"{", b"[]", b"null", b'{"from": 1, "id": "m", "text": "1"}', b'{"id": "m", "text": "1"}',
        b'{"from": "+8613800000001", "text": "1"}', b'{"from": "+8613800000001", "id": "", "text": "1"}',
        b'{"from": "+8613800000001", "id": "m", "text": ["1"]}', b"[" * 9000,
    ):  # fmt: skip
        assert district.signed(body).status_code == 400
    assert district.everything() == before


def test_a_form_that_is_no_message_is_refused(district: District) -> None:
    """Such as the report that one was delivered."""
    report = {"MessageSid": "SM9", "From": ZHANG_PHONE, "MessageStatus": "delivered"}
    assert district.twilio(**report).status_code == 400
    assert district.twilio(From=ZHANG_PHONE).status_code == 400


def test_what_is_too_large_is_not_read_and_what_breaks_off_harms_nothing(district: District) -> None:
    """The next one is answered."""
    before = district.everything()
    assert district.signed(b'{"from":"' + b"1" * 20_000).status_code == 413
    assert httpx.post(f"{district.url}/replies/twilio", content=b"a=" + b"1" * 200_000).status_code == 413
    many = urlencode([(f"k{n}", "v") for n in range(500)]).encode()
    assert (
        httpx.post(f"{district.url}/replies/twilio", content=many, headers={"x-twilio-signature": "x"}).status_code
        == 403
    )
    port = urlsplit(district.url).port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /replies/standard HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
    assert district.everything() == before
    assert district.standard(text="1").status_code == 200


def test_a_flood_from_one_number_is_not_taken(district: District) -> None:
    """A minute later it is listened to again; others are all the time."""
    answers = [district.standard(text="?", id=f"m{number}").status_code for number in range(21)]
    assert answers == [200] * 20 + [429]
    assert district.view().acknowledged_by is None
    assert district.standard(text="1", id="x", **{"from": WANG_PHONE}).status_code == 200
    district.clock.now_ms += 61_000
    assert district.standard(text="1", id="y").json()["said"] == "yours"


def test_an_answer_with_names_is_kept_for_a_day(district: District) -> None:
    """Long enough for a gateway that repeats a message; that it was taken stays, and it is not done again."""
    assert "Li Guizhen" in district.standard(text="1", id="a").json()["answer"]
    district.clock.now_ms += 24 * 3_600_000 + 1
    district.standard(text="?", id="b")
    with district.engine.connect() as connection:
        assert "Li Guizhen" not in str(connection.execute(select(models.reply)).all())
    assert district.standard(text="1", id="a").json() == {
        "said": "yours", "answer": "", "language": "zh", "incident": district.incident
    }  # fmt: skip


def test_a_page_of_another_site_posts_nothing(district: District) -> None:
    """Whatever it knows."""
    answer = httpx.post(f"{district.url}/replies/standard", content=b"{}", headers={"origin": "https://evil.example"})
    assert answer.status_code == 403


def test_without_a_secret_a_provider_is_not_there(engine: Engine, clock: Clock) -> None:
    """Nor with another method."""
    from fastapi.testclient import TestClient

    settings = ConsoleSettings(link_key=LINK_KEY, public_url=PUBLIC)
    with TestClient(create_app(engine, settings, now_ms=clock), base_url="http://127.0.0.1") as client:
        for name in ("standard", "twilio", "other"):
            assert client.post(f"/replies/{name}", content=b"{}").status_code == 404
        assert client.get("/replies/standard").status_code == 405


@pytest.mark.parametrize(
    "values", [{"reply_secret": "short"}, {"twilio_token": TOKEN, "public_url": ""}, {"reply_country": "China"}]
)
def test_reply_settings_that_cannot_work_are_refused_at_once(values: dict[str, str]) -> None:
    """Not at the first reply."""
    with pytest.raises(ConsoleError):
        ConsoleSettings(**{"link_key": LINK_KEY, "public_url": PUBLIC, **values})


def test_a_registry_that_cannot_be_opened_is_an_error_and_no_unknown_number(
    district: District, caplog: pytest.LogCaptureFixture
) -> None:
    """So that the gateway tries again once the key is there."""
    from fastapi.testclient import TestClient

    locked = registry.create_engine(str(district.engine.url))
    settings = ConsoleSettings(link_key=LINK_KEY, public_url=PUBLIC, reply_secret=SECRET)
    before = district.everything()
    with TestClient(create_app(locked, settings, now_ms=district.clock), base_url="http://127.0.0.1") as client:
        there = replace(district, url="http://127.0.0.1")
        body = msgspec.json.encode({"from": ZHANG_PHONE, "id": "m1", "text": "1"})
        right = Webhook(SECRET).sign("w1", datetime.fromtimestamp(NOON_MS // 1000, UTC), body.decode())
        headers = {"webhook-id": "w1", "webhook-timestamp": str(NOON_MS // 1000), "webhook-signature": right}
        assert client.post("/replies/standard", content=body, headers=headers).status_code == 503
    locked.dispose()
    assert there.everything() == before
    assert "no key is set" in caplog.text
