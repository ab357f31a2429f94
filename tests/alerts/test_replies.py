"""What replies mean, whose numbers they come from, and how messages say that they can be answered."""

from __future__ import annotations

import itertools
import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

import registry
from alerts import actions, models
from alerts.lifecycle import Outcome, State
from alerts.replies import Incoming, Replied, Replies
from alerts.reply_numbers import PhoneBook, e164, numbers_of
from alerts.reply_texts import Said, answer_text, press_text, reply_hint
from alerts.reply_words import KEYS, Told, Understood, choose, code_of, understand
from alerts.sentences import Facts
from alerts.standing import Meaning, Stand, offers
from alerts.texts import fits, short_text
from registry import ChannelEntry, ResponderEntry
from registry import models as people
from tests.alerts.story import DISTRICT, KEY, START_MS, Story, telling
from tests.alerts.test_channels import give
from tests.servers.services import PushSink
from tests.servers.sink import SECRET, Sink

DOCS = Path(__file__).parents[2] / "docs" / "alerts.md"
ZONE = ZoneInfo("Asia/Shanghai")
NUMBER = "+8613800000001"
ACK, NO, HELP, GO, HERE = (
    Meaning.ACKNOWLEDGE,
    Meaning.CANNOT_COME,
    Meaning.NEED_HELP,
    Meaning.EN_ROUTE,
    Meaning.ON_SCENE,
)


@pytest.mark.parametrize(
    ("texts", "meaning"),
    [
        (("1", " 1 ", "1.", "１", "1️⃣", "OK", "ok!", "Y", "yes", "I'll go", "I’ll go", "收到。", "好的", "我去"), ACK),
        (("2", "２", "no", "NO!", "can't", "I can’t come", "cannot come", "不能", "去不了", "2#"), NO),
        (("3", "help", "Need help!", "帮助", "需要帮助"), HELP),
        (("4", "on my way", "ON MY WAY.", "出发", "在路上"), GO),
        (("5", "here", "I am here", "到了", "已到达"), HERE),
        (("", " ", "6", "0", "11", "12", "1 2", "no 1", "go?no", "I cannot go now", "help me", "STOP", "\x00", "٣x",
          "472", "1 47", "1 4722", "请别去", "1" * 10_000, "\ufdfa" * 60), None),
    ],
)  # fmt: skip
def test_a_reply_means_what_the_table_says_and_nothing_else(texts: tuple[str, ...], meaning: Meaning | None) -> None:
    """Full-width, punctuated, in either language; a key within a sentence is none."""
    assert {text: understand(text) for text in texts} == {text: Understood(meaning) for text in texts}


@pytest.mark.parametrize("text", ["1 472", "1472", "１４７２", "1,472", "ok 472", "收到472", "1 # 472"])
def test_a_code_stands_behind_the_key(text: str) -> None:
    """With or without a space, as telephones have none."""
    assert understand(text) == Understood(ACK, "472")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_any_text_at_all_can_be_asked_what_it_means(text: str) -> None:
    """And the answer never holds a code without a meaning."""
    understood = understand(text)
    assert understood.meaning is not None or not understood.code


def test_a_code_is_three_digits_that_can_be_pressed_and_tell_incidents_apart() -> None:
    """The same for the same incident; two share one once in 900 times."""
    codes = [code_of(f"i{number}") for number in range(2000)]
    assert all(re.fullmatch(r"[1-9][0-9]{2}", code) for code in codes)
    assert codes[7] == code_of("i7")
    same = sum(one == other for one, other in itertools.combinations(codes[:300], 2))
    assert same / (300 * 299 / 2) < 3 / 900


def stand(what: str) -> Stand:
    """Where somebody stands, in a word."""
    return Stand(
        state={"over": State.RESOLVED, "free": State.NOTIFYING, "short": State.ACKNOWLEDGED}.get(what, State.EN_ROUTE),
        mine=what == "mine", wanted=what in ("free", "short"), declined=False, help_called=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "told", "chosen"),
    [
        (ACK, ["free"], 0), (ACK, ["over", "free"], 1), (ACK, ["others", "short"], 1), (ACK, ["mine", "free"], 1),
        (ACK, ["mine"], 0), (ACK, ["others"], 0), (ACK, ["over", "others"], 1), (ACK, ["over"], 0), (ACK, [], None),
        (ACK, ["free", "free"], "which"), (ACK, ["free", "short"], "which"),
        (NO, ["free"], 0), (NO, ["mine"], 0), (NO, ["mine", "free"], "which"), (NO, ["others", "free"], 1),
        (HELP, ["mine", "free"], 0), (HELP, ["free"], 0), (HELP, ["others"], 0), (HELP, ["mine", "mine"], "which"),
        (GO, ["free", "mine"], 1), (GO, ["free"], 0), (HERE, ["others", "over", "mine"], 2),
    ],
)  # fmt: skip
def test_a_bare_key_is_about_the_one_that_it_can_be_meant_for(
    said: Meaning, told: list[str], chosen: int | str | None
) -> None:
    """Where there are several it must be said which; where there is none, the newest is answered for."""
    incidents = [Told(f"i{number}", stand(what)) for number, what in enumerate(told)]
    choice = choose(incidents, Understood(said))
    if chosen == "which":
        assert (choice.incident, len(choice.among)) == (None, 2)
    else:
        assert choice.among == ()
        assert choice.incident == (incidents[chosen] if isinstance(chosen, int) else None)


def test_a_code_chooses_whatever_else_is_open_and_a_wrong_one_nothing() -> None:
    """It is answered with those there are."""
    incidents = [Told(f"i{number}", stand("free")) for number in range(2)] + [Told("i9", stand("over"))]
    assert choose(incidents, Understood(ACK, code_of("i1"))).incident == incidents[1]
    assert choose(incidents, Understood(ACK, code_of("i9"))).incident == incidents[2]
    wrong = next(code for code in map(str, range(100, 999)) if code not in {one.code for one in incidents})
    choice = choose(incidents, Understood(ACK, wrong))
    assert (choice.incident, choice.among) == (None, tuple(incidents[:2]))


def test_what_is_offered_fits_where_somebody_stands() -> None:
    """Who was told beside the calls can only say that they know."""
    base = stand("mine")
    table = {
        "called": (stand("free"), (ACK, NO, HELP)),
        "on the way": (base, (HERE, NO, HELP)),
        "has": (replace(base, state=State.ACKNOWLEDGED), (GO, HERE, NO, HELP)),
        "there": (replace(base, state=State.ON_SCENE), (HELP,)),
        "helped": (replace(base, state=State.ON_SCENE, help_called=True), ()),
        "declined": (replace(stand("free"), declined=True), (ACK, HELP)),
        "beside": (replace(stand("free"), beside=True), (ACK,)),
        "others": (stand("others"), ()),
        "over": (stand("over"), ()),
    }
    assert {name: offers(one) for name, (one, _) in table.items()} == {name: said for name, (_, said) in table.items()}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("13800000001", NUMBER), ("138 0000 0001", NUMBER), ("+86 138-0000-0001", NUMBER), ("0086 13800000001", NUMBER),
        ("8613800000001", NUMBER), ("＋86１３８00000001", NUMBER), ("029 8765 4321", "+862987654321"),
        ("+1 415 555 2671", "+14155552671"), ("", None), ("110", None), ("anonymous", None), ("+" + "1" * 30, None),
        ("1" * 5000, None), ("<b>", None), ("\x00", None),
    ],
)  # fmt: skip
def test_a_number_is_the_same_however_it_is_written(number: str, expected: str | None) -> None:
    """In the registry, in the url of a service, by a gateway; what is none is nobody's."""
    assert e164(number, "CN") == expected


def test_the_numbers_of_a_responder_are_the_phone_and_those_of_sms_services() -> None:
    """The last place of the url; that of our own number and those of other services are not theirs."""
    twilio = "twilio://AC" + "1" * 32 + ":" + "a" * 32 + "@+14155550000/+8613800000003"
    urls = ("d7sms://TOKEN@8613800000002", twilio, "mailto://u:13900000000@example.org", "ntfy://h/13900000000")
    channels = (ChannelEntry(type="webhook", url="https://h/13900000001", secret="x" * 16),)
    channels += tuple(ChannelEntry(type="apprise", url=url) for url in urls)
    responder = ResponderEntry(id="r", name="R", area="d", phone="13800000001", channels=channels)
    assert {e164(number, "CN") for number in numbers_of(responder)} == {f"+861380000000{n}" for n in (1, 2, 3)}


def facts(**values: Any) -> Facts:
    """A fall in Station 1."""
    base: dict[str, Any] = {
        "kind": "fall", "person": "Wang Xiuying", "address": "12 Fengqing Road", "area": "Station 1", "device": "w-1",
        "onset_ms": START_MS, "said_ms": None, "now_ms": START_MS, "historical": False,
    }  # fmt: skip
    return Facts(**{**base, **values})


LINK = "https://c.example/a/abcdefghijklm"


def test_a_short_text_says_how_to_reply_where_there_is_room() -> None:
    """Nothing is cut for it; a code that is needed is worth the end of the address."""
    short = {"zone": ZONE, "link": LINK, "repeat": False}
    assert short_text(facts(), "en", hint=reply_hint("en", ""), **short) == (
        f"Fall 14:00 Wang Xiuying 12 Fengqing Road Reply 1=I go, 2=cannot {LINK}"
    )
    chinese = facts(person="王秀英", address="丰庆路12号")
    assert short_text(chinese, "zh", hint=reply_hint("zh", ""), **short) == (
        f"跌倒 14:00 王秀英 丰庆路12号 回复1去，2不能 {LINK}"
    )
    long = facts(address="Fengqing Road " * 12)
    assert "Reply" not in short_text(long, "en", hint=reply_hint("en", ""), **short)
    coded = short_text(long, "en", hint=reply_hint("en", "472"), must_hint=True, **short)
    assert "Reply 1 472=I go, 2 472=cannot" in coded
    assert "Wang Xiuying" in coded


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("code", ["", "472"])
@pytest.mark.parametrize("person", ["Wang", "王秀英", "A" * 200, "名" * 200, "[{" * 90])
@pytest.mark.parametrize("link", [LINK, "https://" + "x" * 150, "https://" + "x" * 40])
def test_a_short_text_that_can_be_answered_fits_one_message(language: str, code: str, person: str, link: str) -> None:
    """Whatever is in it."""
    hint = reply_hint(language, code)
    text = short_text(facts(person=person), language, ZONE, link, repeat=True, hint=hint, must_hint=bool(code))
    assert fits(text)
    assert text.endswith(link) or "https" not in text


def test_every_answer_is_written_in_both_languages() -> None:
    """With what is filled in, on one line."""
    for said, language in itertools.product(Said, ("en", "zh")):
        text = answer_text(said, language, what="a\nb\x00", name="<n>", which=[("472", "x")])
        assert text
        assert "{" not in text + press_text(language)
        assert "\n" not in text
        assert bool(re.search("[\u4e00-\u9fff]", text)) == (language == "zh")


def replies_of(story: Story, folder: Path, *ids: str) -> Replies:
    """Give responders numbers that end with their place in ``ids``; returns what takes replies."""
    text = DISTRICT.format(url=story.sink.url(""), secret=SECRET)
    for number, one in enumerate(ids, start=1):
        text = text.replace(f"{{id: {one},", f"{{id: {one}, phone: '1380000000{number}',")
    folder.mkdir()
    (folder / "district.yaml").write_text(text, encoding="utf-8")
    assert not registry.import_folder(story.engine, folder).problems
    return Replies(story.engine, PhoneBook(story.engine, key=KEY, country="CN"), zone=ZONE, language="en")


def sms(text: str, message: str, sender: str = NUMBER, notification: str = "") -> Incoming:
    """A text message, in Ann's name unless said otherwise."""
    return Incoming(
        provider="standard", message=message, sender=sender, via="sms", text=text, notification=notification
    )


def test_of_many_replies_at_once_one_takes_the_incident_and_nobody_else_is_called(
    any_story: Story, tmp_path: Path
) -> None:
    """Repeats of one message and different messages of the same responder, on both databases."""
    story = any_story
    replies = replies_of(story, tmp_path / "p", "ann", "bob")
    story.happens("fall")
    gate, answers = threading.Barrier(6), list[Replied]()

    def send(number: int) -> None:
        gate.wait()
        answers.append(replies.take(sms("1", f"m{number % 2}"), story.now_ms))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(answer.said, answer.incident) for answer in answers} == {(Said.YOURS, story.incident().id)}
    assert len({answer.answer for answer in answers}) == 1
    assert story.timeline().count("acknowledged") == 1
    with story.engine.connect() as connection:
        kept = connection.execute(models.reply.select()).all()
    assert {(row.responder, row.meaning, row.outcome) for row in kept} == {("ann", "acknowledge", "yours")}
    assert len(kept) == 2
    story.forward(300)
    assert story.told() == ["ann"]


def test_a_reply_that_was_interrupted_is_done_for_the_same_incident(story: Story, tmp_path: Path) -> None:
    """The process died after the reply was kept; meanwhile another incident came, and the gateway tries again."""
    replies = replies_of(story, tmp_path / "p", "ann")
    story.happens("fall")
    first = story.incident().id
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("alerts.replies.carry_out", _dies)
        with pytest.raises(ConnectionError):
            replies.take(sms("1", "m1"), story.now_ms)
    actions.resolve(story.engine, first, "bob", story.now_ms, outcome=Outcome.TRUE)
    story.now_ms += 700_000
    story.happens("sos")
    again = replies.take(sms("1", "m1"), story.now_ms)
    assert (again.said, again.incident) == (Said.OVER, first)
    assert {one.acknowledged_by for one in story.incidents()} == {None}


def _dies(*_args: object, **_values: object) -> None:
    raise ConnectionError


def test_who_cannot_come_by_reply_is_followed_by_the_next_at_once(any_story: Story, tmp_path: Path) -> None:
    """And who is told that somebody has it is told by name."""
    story = any_story
    replies = replies_of(story, tmp_path / "p", "ann", "bob")
    story.happens("fall")
    assert replies.take(sms("不能", "m1"), story.now_ms).said is Said.NOT_COMING
    story.forward(1)
    assert story.told() == ["ann", "bob"]
    assert replies.take(sms("1", "m2", "13800000002"), story.now_ms).said is Said.YOURS
    late = replies.take(sms("1", "m3"), story.now_ms)
    assert (late.said, late.answer.startswith("Bob has it: Fall 13:59 Wang Xiuying")) == (Said.OTHERS, True)
    assert "1380000" not in str(story.detail().timeline)


def test_messages_carry_a_code_once_a_second_one_is_open(
    sqlite_registry: Engine, tmp_path: Path, sink: Sink, push: PushSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has none, and the code of the second is taken."""
    monkeypatch.setattr("alerts.apprise_channel.is_short", lambda _url: True)
    with telling(sqlite_registry, tmp_path, sink, replies=True, public_url="https://c.example") as story:
        give(story, tmp_path / "now", "desk", {"type": "apprise", "url": push.url})
        with registry.writing(story.engine) as connection:
            connection.execute(people.responder.update().values(phone=NUMBER).where(people.responder.c.id == "desk"))
        replies = Replies(story.engine, PhoneBook(story.engine, key=KEY, country="CN"), zone=ZONE, language="en")
        for device in ("a", "b"):
            story.happens("fall", device=device, person=None)
            story.now_ms += 1000
        first, second = (message["message"] for message in push.messages)
        other = next(one for one in story.incidents() if one.device == "b")
        assert "Reply 1=I go, 2=cannot" in first
        assert f"Reply 1 {code_of(other.id)}=I go" in second
        assert fits(second)
        assert replies.take(sms(f"1 {code_of(other.id)}", "m1"), story.now_ms).incident == other.id


def test_without_a_reply_path_no_message_asks_for_replies(
    story: Story, tmp_path: Path, push: PushSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would read them."""
    monkeypatch.setattr("alerts.apprise_channel.is_short", lambda _url: True)
    give(story, tmp_path / "now", "ann", {"type": "apprise", "url": push.url})
    story.happens("fall")
    assert "Reply" not in push.messages[0]["message"]


def test_the_webhook_of_the_documentation_has_the_fields_that_are_sent(story: Story) -> None:
    """Each of them, and the links lead to their buttons."""
    story.happens("fall")
    (message,) = story.news()
    example = DOCS.read_text().partition("```json\n")[2].partition("```")[0]
    assert json.loads(example)["data"].keys() == message.data.keys()
    for name in ("cannot_come", "need_help"):
        assert message.data[f"{name}_url"] == f"{message.data['ack_url']}/{name}"


def test_the_table_of_the_documentation_is_the_one_that_counts() -> None:
    """Every key and word in it means what it says there."""
    rows = re.findall(r"^\| `(\d)` \| ([^|]+) \| ([^|]+) \|", DOCS.read_text(), flags=re.M)
    assert [key for key, _, _ in rows] == list(KEYS)
    for key, _, words in rows:
        assert {understand(word).meaning for word in (key, *re.findall(r"`([^`]+)`", words))} == {KEYS[key]}
