"""SIGKILL around each commit, send and append: nothing is lost, nothing is told twice without saying so."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select

import alerts
import registry
from alerts import models
from detectors.detection import Detection, Severity, Stage, pack_detection
from journal import JournalReader, JournalWriter
from telemetry.commands import unpack_command
from telemetry.records import unpack_points
from tests.alerts.zygote import Zygote
from tests.servers.services import MailSink, mail_server
from tests.servers.sink import SECRET, Sink

#: A step, and the how manieth time it is come to. A crash before the bytes left or before the claim was committed is
#: seen by nobody; after it, what was claimed is a repeat.
STEPS = [
    ("before commit of beat", 1),
    ("after commit of beat", 1),
    ("before commit of take", 1),
    ("after commit of take", 1),
    ("before offset", 1),
    ("after offset", 1),
    ("before commit of turn", 1),
    ("before commit of turn", 2),
    ("after commit of turn", 1),
    ("before append", 1),
    ("after append", 1),
    ("before append", 2),
    ("after append", 2),
    ("before commit of move", 1),
    ("after commit of move", 1),
    ("after commit of move", 2),
    ("before sending by webhook", 1),
    ("before sending by webhook", 2),
    ("after sending by webhook", 1),
    ("after sending by webhook", 2),
    ("before sending by apprise", 1),
    ("after sending by apprise", 1),
    ("before commit of record", 1),
    ("after commit of record", 1),
]
#: Of these nobody can have heard before: the second process tells for the first time.
UNHEARD = {"before commit of beat", "after commit of beat", "before commit of take", "after commit of take",
           "before offset", "after offset"}  # fmt: skip
WHO = ("web", "post", "horn")


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """One process that forks all services of this file."""
    with Zygote("", Path(), "http://console.example") as program:
        yield program


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Sink, MailSink]]:
    """A responder's server and a mail server."""
    with Sink() as sink, mail_server() as mail:
        yield sink, mail


@pytest.fixture(scope="module")
def prepared(servers: tuple[Sink, MailSink], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database to copy: one area each for a webhook, a mail and a siren, and a notice of a hand-over that is due."""
    sink, mail = servers
    folder = tmp_path_factory.mktemp("prepared")
    engine = registry.create_engine(f"sqlite:///{folder / 'carecircle.db'}")
    registry.upgrade(engine)
    alerts.upgrade(engine)
    (folder / "district.yaml").write_text(f"""\
areas: [{{path: d, name: D}}, {{path: d.web, name: W}}, {{path: d.post, name: P}}, {{path: d.horn, name: H}}]
people:
{"".join(f"  - {{key: p-{who}, name: {who.title()}, area: d.{who}}}{chr(10)}" for who in WHO)}
devices:
  - {{id: horn, area: d.horn, kind: siren}}
{"".join(f"  - {{id: w-{who}, person: p-{who}}}{chr(10)}" for who in WHO)}
responders:
  - {{id: web, name: Web, area: d.web, channels: [{{type: webhook, url: "{sink.url("web")}", secret: {SECRET}}}]}}
  - {{id: post, name: Post, area: d.post, channels: [{{type: apprise, url: "{mail.url}"}}]}}
  - {{id: horn, name: Horn, area: d.horn, channels: [{{type: siren, url: horn}}]}}
  - {{id: next, name: Next, area: d, channels: [{{type: webhook, url: "{sink.url("next")}", secret: {SECRET}}}]}}
on_call: {{d.web: [web], d.post: [post], d.horn: [horn], d: [next]}}
""")
    assert registry.import_folder(engine, folder).problems == []
    with registry.writing(engine) as connection:
        row = {"id": "h-notice", "responder": "next", "channel": "webhook", "at_ms": 1, "areas": ["d"]}
        times = {"created_ms": 1, "due_ms": 1, "attempts": 0, "status": "pending"}
        connection.execute(insert(models.handover_notice), row | times)
    engine.dispose()
    return folder / "carecircle.db"


def fall(who: str, now_ms: int) -> Detection:
    """Somebody's fall."""
    return Detection(
        id=f"fall-{who}", stage=Stage.CONFIRMED, device=f"w-{who}", person=f"p-{who}", detector="fall", version="1",
        kind="fall", onset_ms=now_ms, decided_ms=now_ms, recv_ms=now_ms, severity=Severity.URGENT, score=1.0,
    )  # fmt: skip


def is_over(engine: Engine) -> bool:
    """Whether all was taken, sent and moved."""
    waits = (models.notification.c.status == "pending", models.handover_notice.c.status == "pending")
    with engine.connect() as connection:
        taken = len(connection.execute(select(models.incident.c.id)).all()) == len(WHO)
        waiting = [one for column in waits for one in connection.execute(select(column).where(column)).all()]
        outbox = connection.execute(select(models.journal_outbox.c.id)).first()
        return taken and not waiting and outbox is None


def records(journals: Path, name: str, consumer: str) -> list[bytes]:
    """All that went into a journal."""
    found: list[bytes] = []
    with JournalReader(journals / name, consumer) as reader:
        while batches := reader.read():
            found += [bytes(record) for batch in batches for record in batch.records]
    return found


@pytest.mark.parametrize(("point", "turn"), STEPS)
def test_killed_at_each_step(
    zygote: Zygote, servers: tuple[Sink, MailSink], prepared: Path, tmp_path: Path, point: str, turn: int
) -> None:
    """A webhook, a mail, a siren and a notice at once: each arrives, with one id, at most once as the first of its kind
    and otherwise marked as a repeat; commands and reports are in their journals."""
    sink, mail = servers
    sink.received.clear()
    mail.mails.clear()
    shutil.copy(prepared, tmp_path / "carecircle.db")
    engine = registry.create_engine(f"sqlite:///{tmp_path / 'carecircle.db'}")
    journals = tmp_path / "journal"
    where = {"database_url": str(engine.url), "journal_dir": str(journals)}
    with JournalWriter(journals / "detections", consumers=["alerts"], reserve_bytes=0) as writer:
        now_ms = time.time_ns() // 1_000_000
        writer.append([pack_detection(fall(who, now_ms)) for who in WHO])
        writer.commit()
        zygote.wait(zygote.start(**where, crash_at=point, turn=turn))
        second = zygote.start(**where)
        deadline = time.monotonic() + 60
        while not is_over(engine):
            assert time.monotonic() < deadline, "something was lost"
            time.sleep(0.02)
        zygote.kill(second)

    for path, kind in (("web", "incident.notify"), ("next", "handover.notify")):
        told = sink.of(path)
        assert {one.body["type"] for one in told} == {kind}
        assert len({one.id for one in told}) == 1
        repeats = [one.data["repeat"] for one in told]
        assert repeats in ([False], [True], [False, True]), (path, repeats)
        assert repeats == [False] or point not in UNHEARD
    again = [mail_["subject"].startswith(("Again", "Sent again")) for mail_ in mail.mails]
    assert again in ([False], [True], [False, True]), [mail_["subject"] for mail_ in mail.mails]
    assert again == [False] or point not in UNHEARD
    commands = [unpack_command(record) for record in records(journals, "commands", "gateway")]
    alarms = [one.command.id for one in commands if one.command.type == "alarm"]
    assert 1 <= len(alarms) <= 2
    assert len(set(alarms)) == 1
    assert {one.device for one in commands if one.command.type == "prompt"} == {f"w-{who}" for who in WHO}
    reports = [unpack_points(record) for record in records(journals, "reports", "writer")]
    states = {
        (person, state)
        for batch in reports
        if batch.measurement == "incident"
        for person, state in zip(batch.tags["person"], batch.fields["state"], strict=True)
    }
    assert {(f"p-{who}", "notifying") for who in WHO} <= states
    engine.dispose()
