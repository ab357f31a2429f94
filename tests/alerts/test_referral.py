"""Stories of incidents that are referred to the family doctor or a hospital team, and the command that does it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from alerts import actions
from alerts.database import load_incident
from alerts.emergency_text import KeyFacts
from alerts.lifecycle import Outcome, What
from alerts.referral import ReferralAnswer, refer
from alerts.referral_texts import Deed, Referral, referral_lines, referral_text
from alerts.texts import fits
from carecircle.cli.incidents import app
from detectors.detection import Severity
from tests.alerts.story import SETTINGS, START_MS, Story, telling
from tests.alerts.test_family import FACTS, contact, link, soon
from tests.alerts.test_policies import hold, said_of
from tests.servers.services import MailSink
from tests.servers.sink import Answer as Reply
from tests.servers.sink import Sink

WANG = {
    "key": "wang", "name": "Wang Xiuying", "area": "d.street.station", "address": "12 Fengqing Road",
    "phone": "029-999", "risks": ["lives_alone"], "conditions": ["hypertension", "gout"],
}  # fmt: skip


@pytest.fixture
def story(sqlite_registry: Engine, tmp_path: Path, sink: Sink) -> Iterator[Story]:
    """On SQLite only: what decides here knows no database, and those that do are told as `any_story`."""
    with telling(sqlite_registry, tmp_path, sink) as told:
        yield told


def with_doctor(story: Story, folder: Path, **values: object) -> None:
    """Wang has a family doctor with a webhook, and a hospital team with a console."""
    hold(story, folder, people=[WANG], contacts=[
        contact(story, "zhou", "family_doctor", **values),
        contact(story, "ward", "hospital_team", channels=[{"type": "console"}]),
    ])  # fmt: skip


def test_a_closed_incident_is_referred_to_the_family_doctor_with_what_they_need(
    any_story: Story, tmp_path: Path
) -> None:
    """What happened, how it ended, who answered when, what is known; no door code, no link, and once."""
    story = any_story
    with_doctor(story, tmp_path / "p")
    story.happens("fall")
    incident = story.incident().id
    story.forward(20)
    actions.acknowledge(story.engine, incident, "ann", story.now_ms)
    story.forward(280)
    actions.on_scene(story.engine, incident, "ann", story.now_ms)
    actions.resolve(story.engine, incident, "ann", story.now_ms, outcome=Outcome.TRUE, note="bruised hip")
    story.forward(60)
    story.news()
    result = refer(
        story.engine, incident, "ann", "family_doctor", story.now_ms, note="please look at her", vitals="RR 165/95"
    )
    assert (result.answer, result.responder, result.name) == (ReferralAnswer.DONE, "zhou", "Zhou")
    soon(story)
    (request,) = story.news()
    assert (request.path, request.body["type"], request.genuine) == ("/zhou", "incident.referral", True)
    assert request.data["text"].splitlines() == [
        "Fall: Wang Xiuying, 12 Fengqing Road, Station, at 13:59.",
        "Note: please look at her",
        "Vital signs: RR 165/95",
        "Outcome: it was real, bruised hip",
        "Who answered: 14:00 Ann took it; 14:05 Ann was at the door; 14:05 Ann closed it",
        "Risks: lives alone",
        "Conditions: high blood pressure, gout",
        "Phone: 029-999",
        "Referred by: Ann",
    ]
    assert (request.data["outcome"], request.data["outcome_note"]) == ("true", "bruised hip")
    assert [one["what"] for one in request.data["answered"]] == ["acknowledged", "on_scene", "resolved"]
    assert "ack_url" not in request.data
    assert "http" not in str(request.body)
    again = refer(story.engine, incident, "ann", "zhou", story.now_ms, note="please look at her", vitals="RR 165/95")
    assert again.answer is ReferralAnswer.ALREADY
    story.forward(60)
    assert story.news() == []
    (said,) = said_of(story.detail(), "referred")
    assert (said["to"], said["relation"], said["via"]) == ("zhou", "family_doctor", "console")


def test_an_open_incident_is_referred_while_the_calls_go_on_and_once_more_when_it_is_over(
    any_story: Story, tmp_path: Path
) -> None:
    """Nobody is taken for called by it, and its end drops nothing."""
    story = any_story
    with_doctor(story, tmp_path / "p")
    story.sink.answers["zhou"].append(Reply(503))
    story.happens("sos")
    incident = story.incident().id
    assert refer(story.engine, incident, "desk", "zhou", story.now_ms).done
    soon(story)
    actions.resolve(story.engine, incident, "ann", story.now_ms, outcome=Outcome.FALSE_ALARM)
    story.forward(10)
    first, second = [one for one in story.news() if one.path == "/zhou"]
    assert first.id == second.id
    assert (first.data["state"], second.data["repeat"]) == ("notifying", True)
    assert "Outcome: still open" in first.data["text"]
    assert refer(story.engine, incident, "desk", "zhou", story.now_ms).done
    soon(story)
    (third,) = story.news()
    assert third.id != first.id
    assert third.data["outcome"] == "false_alarm"


def test_what_is_referred_to_keeps_nobody_from_being_called(story: Story, tmp_path: Path) -> None:
    """Bob gets it to read, and is called in his turn all the same."""
    with_doctor(story, tmp_path / "p")
    story.happens("fall")
    refer(story.engine, story.incident().id, "desk", "bob", story.now_ms)
    soon(story)
    story.forward(30)
    assert [(one.path, one.body["type"]) for one in story.news()] == [
        ("/ann", "incident.notify"), ("/bob", "incident.referral"), ("/bob", "incident.notify"),
    ]  # fmt: skip


def test_a_team_with_a_console_has_it_there(story: Story, tmp_path: Path) -> None:
    """Nothing goes out."""
    with_doctor(story, tmp_path / "p")
    story.happens("fall")
    story.news()
    assert refer(story.engine, story.incident().id, "ann", "hospital_team", story.now_ms).responder == "ward"
    soon(story)
    assert story.news() == []
    (row,) = [one for one in story.detail().notifications if one.responder == "ward"]
    assert (row.channel, row.status.value, row.reason) == ("console", "sent", "shown")


def test_who_cannot_be_told_is_said_and_kept(story: Story, tmp_path: Path) -> None:
    """Nobody of that relation, no channel, no incident; of two doctors the one who has a channel."""
    hold(story, tmp_path / "p", contacts=[contact(story, "zhou", "family_doctor", channels=[])])
    story.happens("fall")
    incident = story.incident().id
    assert refer(story.engine, incident, "ann", "hospital_team", story.now_ms).answer is ReferralAnswer.NOBODY
    assert refer(story.engine, incident, "ann", "family_doctor", story.now_ms).answer is ReferralAnswer.NO_CHANNEL
    assert refer(story.engine, "i0", "ann", "family_doctor", story.now_ms).answer is ReferralAnswer.UNKNOWN
    (unsent,) = [said for said in said_of(story.detail(), "not_sent") if said.get("purpose") == "referral"]
    assert (unsent["responder"], unsent["reason"]) == ("zhou", "no_channel")
    hold(story, tmp_path / "p", contacts=[
        link("zhou", "family_doctor", position=1), link("desk", "family_doctor", position=2),
    ])  # fmt: skip
    assert refer(story.engine, incident, "ann", "family_doctor", story.now_ms).responder == "desk"


def test_a_finding_of_vitals_is_referred_with_its_own_words(story: Story, tmp_path: Path) -> None:
    """In the doctor's language."""
    with_doctor(story, tmp_path / "p", languages=["zh"])
    notes = {"en": "Saturation 86 %.", "zh": "血氧 86%。"}
    story.happens("vitals_limit", detector="vitals", severity=Severity.URGENT, notes=notes)
    refer(story.engine, story.incident().id, "ann", "family_doctor", story.now_ms)
    soon(story)
    request = next(one for one in story.news() if one.path == "/zhou")
    said = "体征超限：Wang Xiuying，12 Fengqing Road，Station，13:59。血氧 86%。"
    assert request.data["text"].splitlines()[0] == said
    assert "结果：尚未结束" in request.data["text"]


def test_a_referral_for_people_is_chinese_too_and_fits_a_text_message(story: Story) -> None:
    """As a text of a chat or mail, and as one SMS."""
    story.happens("fall")
    with story.engine.connect() as connection:
        incident = load_incident(connection, story.incident().id)
    assert incident is not None
    known = KeyFacts(facts=FACTS, phone="029-999", risks=("dementia",))
    referral = Referral(known=known, by="李娜", note="请复查", deeds=[Deed(START_MS, What.ON_SCENE, "李娜")])
    text = referral_text(incident, referral, "zh", SETTINGS.zone, short=False, repeat=True)
    assert text.title == "重发：转介：跌倒，王秀英"
    assert text.body.splitlines() == referral_lines(incident, referral, "zh", SETTINGS.zone) == [
        "跌倒：王秀英，丰庆路12号3-402，丰庆路站，14:00。跌倒后一分钟内没有活动。",
        "说明：请复查",
        "结果：尚未结束",
        "经过：14:00 李娜到达现场",
        "须知：失智",
        "电话：029-999",
        "转介人：李娜",
    ]  # fmt: skip
    short = referral_text(incident, referral, "zh", SETTINGS.zone, short=True, repeat=False).body
    assert short == "转介：跌倒，王秀英 14:00 尚未结束 029-999 请复查"
    assert fits(short)


def test_relatives_dispatch_and_doctor_each_get_a_mail_of_their_own(
    story: Story, tmp_path: Path, mail: MailSink
) -> None:
    """Exactly three: that it is known, all that is known with a link, and to the doctor without any link."""
    by_mail = {"channels": [{"type": "apprise", "url": mail.url}]}
    dispatch = {"id": "d120", "name": "120", "area": "d", "roles": ["emergency"]} | by_mail
    hold(
        story, tmp_path / "p",
        people=[WANG],
        responders=[dispatch],
        contacts=[
            contact(story, "fang", "family", notify="always", languages=["zh"], **by_mail),
            contact(story, "zhou", "family_doctor", **by_mail),
        ],
        policies=[{"id": "p", "area": "d", "steps": [{"responders": ["ann"]}, {"emergency": True}]}],
    )  # fmt: skip
    story.happens("fall")
    assert [one["subject"] for one in mail.mails] == ["跌倒（紧急）：Wang Xiuying"]
    story.forward(30)
    refer(story.engine, story.incident().id, "ann", "family_doctor", story.now_ms)
    soon(story)
    assert [one["subject"] for one in mail.mails[1:]] == [
        "Emergency: Fall, Wang Xiuying", "Referral: Fall, Wang Xiuying",
    ]  # fmt: skip
    family, emergency, doctor = mail.texts()
    assert "若您已知晓，请打开链接并点按按钮（不影响呼叫）" in family
    assert "Known: lives alone, high blood pressure, gout" in emergency
    assert ["/ack/" in text for text in (family, emergency, doctor)] == [True, True, False]
    assert "Outcome: still open" in doctor
    assert "hypertension" not in family + emergency


def test_incidents_are_listed_shown_and_referred_from_the_command_line(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For who has no console at hand."""
    with_doctor(story, tmp_path / "p")
    monkeypatch.setenv("CARECIRCLE_DATABASE_URL", str(story.engine.url))
    monkeypatch.setenv("CARECIRCLE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    run = CliRunner().invoke
    assert "No open incident" in run(app, ["list"]).stdout
    story.happens("fall")
    story.news()
    incident = story.incident().id
    listed = run(app, ["list"])
    assert listed.exit_code == 0, listed.output
    assert all(word in listed.stdout for word in (incident, "fall", "urgent", "notifying", "Wang Xiuying", "Station"))
    shown = run(app, ["show", incident])
    assert all(word in shown.stdout for word in ("opened", "called", "ann", "webhook", "delivered")), shown.stdout
    assert run(app, ["show", "i0"]).exit_code == 2
    referred = run(app, ["refer", incident, "--to", "family_doctor", "--by", "ann", "--note", "look"])
    assert (referred.exit_code, "Zhou (zhou)" in referred.stdout) == (0, True)
    assert run(app, ["refer", incident, "--to", "family_doctor", "--by", "ann", "--note", "look"]).exit_code == 1
    assert run(app, ["refer", incident, "--to", "nobody", "--by", "ann"]).exit_code == 2
    story.now_ms = time.time_ns() // 1_000_000
    story.settle()
    (request,) = [one for one in story.news() if one.path == "/zhou"]
    assert (request.body["type"], request.data["note"], request.data["by"]) == ("incident.referral", "look", "Ann")
