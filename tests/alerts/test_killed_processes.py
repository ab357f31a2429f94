"""SIGKILL at any moment: every fall is one incident and one message, and a repeat says that it is one."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

import alerts
import registry
from alerts import models, queries
from detectors.detection import Detection, Severity, Stage, pack_detection
from journal import JournalReader, JournalWriter
from telemetry.commands import unpack_command
from tests.alerts.zygote import Zygote
from tests.servers.sink import SECRET, Answer, Sink

_PEOPLE = 60
_RESPONDERS = 6


@pytest.fixture
def engine(tmp_path: Path, sink: Sink) -> Iterator[Engine]:
    """Sixty people in six areas with a responder each."""
    engine = registry.create_engine(f"sqlite:///{tmp_path / 'carecircle.db'}")
    registry.upgrade(engine)
    alerts.upgrade(engine)
    areas = "path,name\nd,D\n" + "".join(f"d.a{i},A\n" for i in range(_RESPONDERS))
    people = "key,name,area\n" + "".join(f"p{i},P{i},d.a{i % _RESPONDERS}\n" for i in range(_PEOPLE))
    devices = "id,person\n" + "".join(f"w{i},p{i}\n" for i in range(_PEOPLE))
    responders = "id,name,area,channels\n" + "".join(
        f"r{i},R{i},d.a{i},webhook {sink.url(f'r{i}')} {SECRET}\n" for i in range(_RESPONDERS)
    )
    on_call = "area,position,responder\n" + "".join(f"d.a{i},1,r{i}\n" for i in range(_RESPONDERS))
    folder = tmp_path / "in"
    folder.mkdir()
    tables = {"areas": areas, "people": people, "devices": devices, "responders": responders, "on_call": on_call}
    for name, content in tables.items():
        (folder / f"{name}.csv").write_text(content)
    assert registry.import_folder(engine, folder).problems == []
    yield engine
    engine.dispose()


def fall(n: int) -> Detection:
    """The fall of person n, now."""
    now_ms = time.time_ns() // 1_000_000
    return Detection(
        id=f"fall-{n}", stage=Stage.CONFIRMED, device=f"w{n}", person=f"p{n}", detector="fall", version="1",
        kind="fall", onset_ms=now_ms, decided_ms=now_ms, recv_ms=now_ms, severity=Severity.URGENT, score=1.0,
    )  # fmt: skip


def test_each_fall_is_told_once_however_often_the_service_is_killed(engine: Engine, tmp_path: Path, sink: Sink) -> None:
    """Killed 12 times at random moments, twice with the journal's offset lost as well: nothing is lost, nothing twice
    without saying so, and the prompts reach the journal too."""
    moments = random.Random(20260303)
    for n in range(_RESPONDERS):
        sink.default[f"r{n}"] = Answer(delay_s=0.01)
    journal_dir = tmp_path / "journal"
    writer = JournalWriter(journal_dir / "detections", consumers=["alerts"], reserve_bytes=0)
    falls = iter(range(_PEOPLE))
    with Zygote(str(engine.url), journal_dir, "http://console.example") as zygote:
        for turn in range(12):
            if turn in (4, 9):  # everything is delivered again
                (journal_dir / "detections" / "alerts.offset").unlink(missing_ok=True)
            zygote.start()
            for _ in range(5):
                writer.append([pack_detection(fall(next(falls)))])
                writer.commit()
                time.sleep(moments.uniform(0, 0.03))
            time.sleep(moments.uniform(0, 0.15))
            zygote.kill()
        writer.close()
        zygote.start()
        deadline = time.monotonic() + 30
        while len(set(sink.ids())) < _PEOPLE or _pending(engine) or _left_in_outbox(engine):
            assert time.monotonic() < deadline, (len(set(sink.ids())), _pending(engine))
            time.sleep(0.02)

    incidents = queries.open_incidents(engine)
    assert {incident.person_key for incident in incidents} == {f"p{n}" for n in range(_PEOPLE)}
    assert len(incidents) == _PEOPLE
    first = Counter(message.id for message in sink.received if not message.data["repeat"])
    assert max(first.values()) == 1
    assert len({message.data["incident"] for message in sink.received}) == len(set(sink.ids())) == _PEOPLE
    assert all(message.genuine for message in sink.received)
    reader = JournalReader(journal_dir / "commands", "test")
    asked = []
    while batches := reader.read():
        asked += [unpack_command(packed) for batch in batches for packed in batch.records]
    reader.close()
    assert {outgoing.device for outgoing in asked} == {f"w{n}" for n in range(_PEOPLE)}


def test_killed_while_the_responders_server_has_the_message(engine: Engine, tmp_path: Path, sink: Sink) -> None:
    """The worst moment: it arrived, and nobody wrote that down. It comes again with the same id, as a repeat."""
    sink.answers["r0"].append(Answer(delay_s=2))
    journal_dir = tmp_path / "journal"
    with (
        JournalWriter(journal_dir / "detections", consumers=["alerts"], reserve_bytes=0) as writer,
        Zygote(str(engine.url), journal_dir, "http://console.example") as zygote,
    ):
        zygote.start()
        writer.append([pack_detection(fall(0))])
        writer.commit()
        sink.wait_for(1)
        zygote.kill()
        zygote.start()
        first, second = sink.wait_for(2)
    assert first.id == second.id
    assert (first.data["repeat"], second.data["repeat"]) == (False, True)


def test_an_sos_is_at_the_webhook_within_a_moment(engine: Engine, tmp_path: Path, sink: Sink) -> None:
    """From the journal to the responder's server, 30 of them one after another: the promise of 1 s for the whole
    system leaves this room a small part of it."""
    journal_dir = tmp_path / "journal"
    took_s = []
    with (
        JournalWriter(journal_dir / "detections", consumers=["alerts"], reserve_bytes=0) as writer,
        Zygote(str(engine.url), journal_dir, "http://console.example") as zygote,
    ):
        zygote.start()
        for n in range(31):
            start = time.monotonic()
            writer.append([pack_detection(fall(n))])
            writer.commit()
            took_s.append(sink.wait_for(n + 1)[n].at_s - start)
    took_s = sorted(took_s[1:])  # the first one waits for the service to start
    assert took_s[27] < 0.5, took_s


def _pending(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(
            connection.execute(select(models.notification.c.id).where(models.notification.c.status == "pending")).all()
        )


def _left_in_outbox(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(connection.execute(select(models.journal_outbox.c.id)).all())
