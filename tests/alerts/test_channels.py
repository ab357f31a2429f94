"""Stories of channels: mail and push through Apprise, one that is down, one at its limit, a siren; texts that fit."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from sqlalchemy import select

import registry
from alerts import actions, models
from alerts.apprise_channel import is_short, judge_words
from alerts.channels import first_channels, limit_of, next_channel
from alerts.errors import LinkError, LinkFault
from alerts.lifecycle import Outcome
from alerts.links import make_short_link, short_code
from alerts.queries import NotificationView, open_incidents
from alerts.reasons import Reason
from alerts.sentences import Facts
from alerts.settings import AlertSettings
from alerts.short_links import read_code
from alerts.texts import fits, long_text, short_text, title_text
from registry import ChannelEntry, ResponderEntry
from tests.alerts.story import KEY, START_MS, Story
from tests.servers.ports import free_port
from tests.servers.services import MailSink, PushSink
from tests.servers.sink import SECRET, Answer

ZONE = AlertSettings(link_key=KEY, public_url="http://console.example").zone


def give(story: Story, folder: Path, responder: str, *channels: dict[str, object]) -> None:
    """Somebody has other channels from now on."""
    known = registry.directory(story.engine).responders[responder]
    row = {"id": responder, "name": known.name, "area": known.area, "languages": list(known.languages)}
    folder.mkdir(exist_ok=True)
    (folder / "responders.yaml").write_text(yaml.safe_dump([row | {"channels": list(channels)}]), encoding="utf-8")
    diff = registry.import_folder(story.engine, folder)
    assert not diff.problems, diff.problems


def hook(story: Story, path: str = "ann") -> dict[str, object]:
    """A webhook channel to the sink."""
    return {"type": "webhook", "url": story.sink.url(path), "secret": SECRET}


def of(story: Story, responder: str) -> dict[str, NotificationView]:
    """The notifications to a responder about the one incident, by channel."""
    return {each.channel: each for each in story.detail().notifications if each.responder == responder}


def notes(story: Story, what: str) -> list[dict[str, object]]:
    """What the time line says of one thing."""
    return [entry.data for entry in story.detail().timeline if entry.what == what]


def test_mail_tells_what_and_where_and_its_link_acknowledges(any_story: Story, tmp_path: Path, mail: MailSink) -> None:
    """In the responder's language, from a real mail server."""
    story = any_story
    give(story, tmp_path / "now", "ann", {"type": "apprise", "url": mail.url})
    story.happens("fall", onset_ms=START_MS - 5_000)
    (message,), (text,) = mail.mails, mail.texts()
    assert message["subject"] == "Fall (urgent): Wang Xiuying"
    assert "Fall: Wang Xiuying, 12 Fengqing Road, Station, at 13:59." in text
    assert "http://console.example/ack/" in text
    assert (of(story, "ann")["apprise"].status, of(story, "ann")["apprise"].reason) == ("sent", "delivered")
    assert story.service.counts["sent:delivered"] == 1
    assert story.told() == []


def test_a_push_service_gets_chinese_for_who_reads_chinese(story: Story, tmp_path: Path, push: PushSink) -> None:
    """No picture is named that a phone would fetch from elsewhere."""
    give(story, tmp_path / "now", "chen", {"type": "apprise", "url": push.url})
    story.happens("sos", device="w-zhao", person="zhao")
    (message,) = push.messages
    assert message["title"] == "紧急呼叫（特急）：赵敏"
    assert "赵敏，8 Lake Road" in message["message"]
    assert "x-icon" not in push.requests[0]


def test_a_channel_that_is_down_for_ten_minutes_hands_over_to_the_next(
    any_story: Story, tmp_path: Path, push: PushSink
) -> None:
    """Within three seconds, while it goes on being tried; when the next has delivered it is not tried any more."""
    story = any_story
    give(story, tmp_path / "now", "ann", hook(story), {"type": "apprise", "url": push.url})
    story.sink.default["ann"] = Answer(503)
    story.happens("fall")
    assert push.messages == []
    story.forward(4)
    assert len(push.messages) == 1
    assert story.told() == ["ann"] * 3
    story.forward(25)
    assert story.told() == []  # and Bob's turn has not come
    story.forward(571)
    first, second = of(story, "ann")["webhook"], of(story, "ann")["apprise"]
    assert (first.status, first.reason) == ("not_sent", "other_channel")
    assert (second.status, second.reason) == ("sent", "delivered")
    (over,) = [note for note in notes(story, "failed_over") if note["responder"] == "ann"][:1]
    assert (over["channel"], over["next"], over["reason"]) == ("webhook", "apprise", "server_error")
    assert story.service.counts["failed_over:server_error"] >= 1
    assert story.service.counts["not_sent:other_channel"] >= 1


def test_a_channel_that_comes_back_before_the_next_delivers_is_the_one(story: Story, tmp_path: Path) -> None:
    """Both were failing; who delivers first ends it for the other."""
    port = free_port()
    give(story, tmp_path / "now", "ann", hook(story), {"type": "apprise", "url": f"ntfy://127.0.0.1:{port}/ann"})
    story.sink.answers["ann"].extend([Answer(503)] * 4)
    story.happens("fall")
    story.forward(20)
    mine = of(story, "ann")
    assert (mine["webhook"].status, mine["apprise"].status) == ("sent", "not_sent")
    assert mine["apprise"].reason == "other_channel"
    assert {attempt.reason for attempt in mine["apprise"].attempts} == {"connect_failed"}
    story.forward(9)
    assert story.told() == ["ann"] * 5


@pytest.mark.parametrize(("status", "reason"), [(404, "rejected"), (410, "gone")])
def test_a_channel_that_is_given_up_hands_over_at_once_and_the_last_one_calls_the_next_responder(
    story: Story, tmp_path: Path, push: PushSink, mail: MailSink, status: int, reason: str
) -> None:
    """Push, then mail, then Bob, all in the first second."""
    give(story, tmp_path / "now", "ann", {"type": "apprise", "url": push.url}, {"type": "apprise", "url": mail.url})
    push.status = status
    story.happens("fall")
    assert len(mail.mails) == 1
    assert of(story, "ann")["apprise"].reason == reason
    assert story.told() == []
    mail.answer, push.status = "550 no such mailbox", 403
    give(story, tmp_path / "now", "ann", {"type": "apprise", "url": push.url}, hook(story))
    story.sink.default["ann"] = Answer(410)
    actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms)
    story.forward(900)  # acknowledged, and nobody arrived: from the top
    assert story.told() == ["ann", "bob"]


def test_a_service_without_an_answer_hands_over_and_is_marked_when_it_goes_out_again(
    story: Story, tmp_path: Path, push: PushSink, mail: MailSink
) -> None:
    """It may have arrived: the next message says that it is sent again."""
    story.service._courier._timeout_s = 0.3
    push.silent_s = 0.9
    give(story, tmp_path / "now", "ann", {"type": "apprise", "url": push.url}, {"type": "apprise", "url": mail.url})
    mail.answer = "451 later"
    story.happens("fall")
    push.silent_s, mail.answer = 0.0, "250 taken"
    story.forward(2)
    assert of(story, "ann")["apprise"].attempts[0].reason in ("timeout", "connect_failed")
    said = [message["title"] for message in push.messages[1:]] + [message["subject"] for message in mail.mails]
    assert said == ["Sent again: Fall (urgent): Wang Xiuying"]


def test_a_channel_at_its_limit_holds_back_and_the_next_one_is_used(
    any_story: Story, tmp_path: Path, push: PushSink
) -> None:
    """Two a minute by push, the third by webhook at once; the reason is on the time line."""
    story = any_story
    limited = {"type": "apprise", "url": push.url, "per_minute": 2}
    give(story, tmp_path / "now", "desk", limited, hook(story, "desk"))
    story.deliver(*(story.detection("sos", device=name, person=None) for name in "abc"))
    assert (len(push.messages), story.told()) == (2, ["desk"])
    (held,) = [
        data
        for what, data in story.engine.connect().execute(select(models.audit.c.what, models.audit.c.data))
        if what == "held"
    ]
    assert (held["reason"], held["until_ms"]) == ("rate_limited", START_MS + 60_000)
    assert story.service.counts["held:rate_limited"] == 1
    assert story.service.counts["failed_over:rate_limited"] == 1
    story.forward(70)
    assert len(push.messages) == 2  # the webhook has told it


def test_a_limit_without_another_channel_only_waits_and_is_that_of_the_address(
    story: Story, tmp_path: Path, push: PushSink
) -> None:
    """Ann and Bob are in one group with one robot that takes one message a minute."""
    limited = {"type": "apprise", "url": push.url, "per_minute": 1}
    give(story, tmp_path / "now", "ann", limited)
    give(story, tmp_path / "now", "bob", limited)
    story.happens("fall")
    story.forward(45)  # Bob's turn was after 30 s
    assert len(push.messages) == 1
    assert of(story, "bob")["apprise"].reason == "rate_limited"
    story.forward(16)
    assert len(push.messages) == 2


def test_a_limit_outlives_a_restart(story: Story, tmp_path: Path, push: PushSink) -> None:
    """It is counted by what the database knows."""
    give(story, tmp_path / "now", "desk", {"type": "apprise", "url": push.url, "per_minute": 1})
    story.happens("sos", device="a", person=None)
    story.restart()
    story.happens("sos", device="b", person=None)
    assert len(push.messages) == 1
    story.forward(61)
    assert len(push.messages) == 2


def test_a_siren_gets_its_command_at_each_call_beside_the_first_channel(any_story: Story, tmp_path: Path) -> None:
    """Though the webhook is slow; the command is good for a minute."""
    story = any_story
    (tmp_path / "siren").mkdir()
    (tmp_path / "siren" / "devices.yaml").write_text("- {id: siren-1, area: d.street.station, kind: siren}\n")
    assert not registry.import_folder(story.engine, tmp_path / "siren").problems
    give(story, tmp_path / "now", "ann", hook(story), {"type": "siren", "url": "siren-1"}, hook(story, "ann2"))
    story.happens("sos")
    assert story.told() == ["ann"]
    (command,) = [each for each in story.commands() if each.device == "siren-1"]
    assert (command.command.type, command.command.expires_ms) == ("alarm", START_MS + 60_000)
    assert (of(story, "ann")["siren"].status, of(story, "ann")["siren"].reason) == ("sent", "commanded")


def test_a_siren_rings_while_a_message_to_its_responder_is_on_its_way(story: Story, tmp_path: Path) -> None:
    """One message at a time holds up messages only."""
    (tmp_path / "siren").mkdir()
    (tmp_path / "siren" / "devices.yaml").write_text("- {id: siren-1, area: d.street.station, kind: siren}\n")
    registry.import_folder(story.engine, tmp_path / "siren")
    give(story, tmp_path / "now", "ann", {"type": "siren", "url": "siren-1"}, hook(story))
    story.sink.answers["ann"].append(Answer(delay_s=1.0))
    for _ in range(2):
        story._detections.append([registry_free(story)])
        story._detections.commit()
        story.service.step(story.now_ms)
        for incident in open_incidents(story.engine):
            actions.resolve(story.engine, incident.id, "bob", story.now_ms, outcome=Outcome.TRUE)
    assert [each.device for each in story.commands() if each.device == "siren-1"] == ["siren-1"] * 2
    assert story.service.in_flight == 1
    assert story.told() in ([], ["ann"])


def registry_free(story: Story) -> bytes:
    """A packed SOS."""
    from detectors.detection import pack_detection

    return pack_detection(story.detection("sos"))


def test_the_console_and_sirens_are_used_at_each_call_and_of_the_others_the_first() -> None:
    """The order in the registry is the order of preference."""
    channels = [ChannelEntry(type=kind, url=url) for kind, url in (
        ("apprise", "ntfy://a"), ("console", ""), ("webhook", "x"), ("siren", "s"), ("apprise", "ntfy://b"),
    )]  # fmt: skip
    someone = ResponderEntry(id="r", name="R", area="d", channels=tuple(channels))
    assert first_channels(someone) == ("apprise", "console", "siren")
    assert [next_channel(someone, name) for name in ("apprise", "webhook", "apprise-2", "siren", "gone")] == [
        "webhook", "apprise-2", None, None, None,
    ]  # fmt: skip


def test_services_that_refuse_more_have_their_limits() -> None:
    """A number of one's own counts before them."""
    assert limit_of(ChannelEntry(type="apprise", url="dingtalk://token")) == 20
    assert limit_of(ChannelEntry(type="apprise", url="dingtalk://token", per_minute=5)) == 5
    assert limit_of(ChannelEntry(type="webhook", url="https://x.example")) is None


@pytest.mark.parametrize(
    ("words", "reason", "recoverable"),
    [
        ("Failed to send ntfy notification: Internal server error., error=500.", Reason.SERVER_ERROR, True),
        ("Failed to send X: error=429.", Reason.THROTTLED, True),
        ("Failed to send X: Page not found., error=404.", Reason.REJECTED, False),
        ("A Connection error occurred sending ntfy:http://127.0.0.1:9 notification.", Reason.CONNECT_FAILED, True),
        ("There is no such thing in the log", Reason.NOT_TAKEN, True),
        ("DingTalk says error=0", Reason.NOT_TAKEN, True),
    ],
)
def test_what_apprise_says_has_a_name(words: str, reason: Reason, recoverable: bool) -> None:
    """What cannot be told apart is tried again."""
    result = judge_words([words])
    assert (result.reason, result.recoverable) == (reason, recoverable)


def test_passwords_in_addresses_do_not_reach_the_time_line() -> None:
    """Some services log where they sent to."""
    result = judge_words(["Failed to send to https://user:secret@host/token?key=abc now", "mailto:me:pw@host/x"])
    assert "secret" not in (result.error or "")
    assert "abc" not in (result.error or "")


def test_text_services_are_known_by_how_much_they_take() -> None:
    """One SMS; a chat is none."""
    sms = "d7sms://token@15551231234"
    assert [is_short(url) for url in (sms, "ntfy://host/topic", "no such thing")] == [True, False, False]


def facts(**values: object) -> Facts:
    """A fall of Wang Xiuying a minute ago."""
    known: dict[str, object] = {
        "kind": "fall", "person": "Wang Xiuying", "address": "12 Fengqing Road", "area": "Station 1", "device": "w-1",
        "onset_ms": START_MS - 60_000, "said_ms": None, "now_ms": START_MS, "historical": False,
    }  # fmt: skip
    return Facts(**{**known, **values})


LINK = make_short_link("https://care.lianhu.example", short_code(KEY, "n1"))


@pytest.mark.parametrize(
    ("given", "language", "expected"),
    [
        ({}, "en", f"Fall 13:59 Wang Xiuying 12 Fengqing Road {LINK}"),
        ({"person": "王秀英", "address": "丰庆路12号"}, "zh", f"跌倒 13:59 王秀英 丰庆路12号 {LINK}"),
        ({"person": "", "address": ""}, "en", f"Fall 13:59 w-1 Station 1 {LINK}"),
    ],
)
def test_a_short_text_says_what_when_who_and_where(given: dict[str, object], language: str, expected: str) -> None:
    """And ends with the link."""
    assert short_text(facts(**given), language, ZONE, LINK, repeat=False) == expected


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("person", ["Wang Xiuying", "王秀英", "A" * 200, "名" * 200, "[{" * 90])
@pytest.mark.parametrize("link", [LINK, "https://" + "x" * 150 + "/a/abc", "https://" + "x" * 55])
def test_a_short_text_fits_one_text_message_whatever_is_in_it(language: str, person: str, link: str) -> None:
    """160 characters of the GSM alphabet, or 70 with any other in them. The link is whole or not there."""
    text = short_text(facts(person=person, address="丰庆路" * 40), language, ZONE, link, repeat=True)
    assert fits(text)
    assert text.endswith(link) or "https" not in text
    assert len(text.removesuffix(link)) >= 10


def test_long_texts_are_written_in_both_languages() -> None:
    """With what the link is for, and that this may have come before."""
    english = long_text(facts(), "en", ZONE, LINK)
    assert english.startswith("Fall: Wang Xiuying, 12 Fengqing Road, Station 1, at 13:59.")
    assert english.endswith(LINK)
    assert "press a button" in english
    assert "按钮" in long_text(facts(), "zh", ZONE, LINK)
    assert title_text(facts(), "zh", "critical", repeat=True) == "重发：跌倒（特急）：Wang Xiuying"


def test_a_text_message_carries_a_short_link_that_stands_for_its_responder_and_expires(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, push: PushSink
) -> None:
    """The same code for the same message, however often it is sent."""
    monkeypatch.setattr("alerts.apprise_channel.is_short", lambda _url: True)
    give(story, tmp_path / "now", "ann", {"type": "apprise", "url": push.url})
    push.status = 500
    story.happens("fall")
    push.status = 200
    story.forward(2)
    (message,) = push.messages
    text = message["message"]
    assert fits(text)
    code = urlsplit(text.split()[-1]).path.removeprefix("/a/")
    claims = read_code(story.engine, code, story.now_ms)
    assert (claims.responder, claims.incident) == ("ann", story.incident().id)
    with pytest.raises(LinkError) as caught:
        read_code(story.engine, code, START_MS + 12 * 3_600_000)
    assert caught.value.fault is LinkFault.EXPIRED
    with pytest.raises(LinkError) as caught:
        read_code(story.engine, "aaaaaaaaaaaaa", story.now_ms)
    assert caught.value.fault is LinkFault.FORGED
