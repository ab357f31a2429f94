"""Several processes on one PostgreSQL: each message once, whoever sends it, and what a dead one held goes out."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

import registry
from alerts import models
from alerts.errors import JournalsElsewhereError, OneProcessError
from alerts.queries import NotificationView
from alerts.service import AlertService
from carecircle.settings import Settings, SettingsError
from detectors.detection import Detection, Severity, Stage, pack_detection
from journal import JournalWriter
from tests.alerts.story import SETTINGS, Story
from tests.alerts.zygote import Zygote
from tests.servers.sink import SECRET, Answer, Sink

_PEOPLE = 300
_RESPONDERS = 30
_TAKES_S = 0.06
#: Long enough for a machine that has more to do.
_LEASE_MS = 5_000
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def shared(registry_engine: Engine, tmp_path: Path, sink: Sink) -> Engine:
    """Three hundred people in thirty areas with a responder each, on PostgreSQL; each message takes 60 ms."""
    folder = tmp_path / "in"
    folder.mkdir()
    numbers = range(_RESPONDERS)
    tables = {
        "areas": "path,name\nd,D\n" + "".join(f"d.a{i},A\n" for i in numbers),
        "people": "key,name,area\n" + "".join(f"p{i},P{i},d.a{i % _RESPONDERS}\n" for i in range(_PEOPLE)),
        "devices": "id,person\n" + "".join(f"w{i},p{i}\n" for i in range(_PEOPLE)),
        "responders": "id,name,area,channels\n"
        + "".join(f"r{i},R{i},d.a{i},webhook {sink.url(f'r{i}')} {SECRET}\n" for i in numbers),
        "on_call": "area,position,responder\n" + "".join(f"d.a{i},1,r{i}\n" for i in numbers),
    }
    for name, content in tables.items():
        (folder / f"{name}.csv").write_text(content)
    assert registry.import_folder(registry_engine, folder).problems == []
    for i in numbers:
        sink.default[f"r{i}"] = Answer(delay_s=_TAKES_S)
    return registry_engine


def falls(writer: JournalWriter, numbers: range) -> None:
    """These people fall, ten in a commit."""
    now_ms = time.time_ns() // 1_000_000
    for start in range(numbers.start, numbers.stop, 10):
        writer.append([
            pack_detection(Detection(
                id=f"fall-{n}", stage=Stage.CONFIRMED, device=f"w{n}", person=f"p{n}", detector="fall", version="1",
                kind="fall", onset_ms=now_ms, decided_ms=now_ms, recv_ms=now_ms, severity=Severity.URGENT, score=1.0,
            ))
            for n in range(start, start + 10)
        ])  # fmt: skip
        writer.commit()


def wait_until(what: Callable[[], bool], timeout_s: float = 90.0) -> None:
    """Look again and again; fails when it does not come."""
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def sent_by(engine: Engine) -> Counter[str]:
    """How many attempts each process has begun, by the number of the process."""
    with engine.connect() as connection:
        return Counter(
            worker.split("-")[-2] for worker in connection.execute(select(models.attempt.c.worker)).scalars()
        )


def held_by(engine: Engine, process: int) -> set[str]:
    """The notifications that a process has on their way."""
    table = models.attempt
    with engine.connect() as connection:
        open_ = select(table.c.notification).where(table.c.ended_ms.is_(None), table.c.worker.contains(f"-{process}-"))
        return set(connection.execute(open_).scalars())


def pending(engine: Engine) -> int:
    """How many notifications wait."""
    with engine.connect() as connection:
        waiting = select(models.notification.c.id).where(models.notification.c.status == "pending")
        return len(connection.execute(waiting).all())


def most_at_once(sink: Sink, delay_s: float) -> int:
    """The most messages that one responder had on their way at one time, repeats apart."""
    most = 0
    for name in {request.path for request in sink.received}:
        times = [one.at_s for one in sink.received if one.path == name and not one.data["repeat"]]
        most = max(most, *(sum(at <= other < at + delay_s * 0.9 for other in times) for at in times))
    return most


@pytest.mark.heavy
@on_postgresql
def test_two_processes_tell_each_of_300_incidents_once(shared: Engine, tmp_path: Path, sink: Sink) -> None:
    """One takes detections and leaves sending to the other while that can; no responder has two messages at once,
    nothing is a repeat."""
    journals = tmp_path / "journal"
    with (
        JournalWriter(journals / "detections", consumers=["alerts"], reserve_bytes=0) as writer,
        Zygote(str(shared.url), journals, "http://console.example") as zygote,
    ):
        sender = zygote.start(journal_dir=None)
        wait_until(lambda: len(alive(shared)) == 1)
        zygote.start()
        falls(writer, range(_PEOPLE))
        wait_until(lambda: len(set(sink.ids())) == _PEOPLE and not pending(shared))
    assert len(sink.received) == _PEOPLE
    assert not any(message.data["repeat"] for message in sink.received)
    assert len({message.data["incident"] for message in sink.received}) == _PEOPLE
    assert sent_by(shared)[str(sender)] > _PEOPLE / 2
    assert most_at_once(sink, _TAKES_S) == 1


def alive(engine: Engine) -> list[str]:
    """The workers that say that they live."""
    with engine.connect() as connection:
        return list(connection.execute(select(models.worker.c.id)).scalars())


@pytest.mark.heavy
@on_postgresql
def test_of_three_processes_two_are_killed_and_the_third_goes_on(shared: Engine, tmp_path: Path, sink: Sink) -> None:
    """First one that only sends, in the middle of it; then the one with the journals, whose place another one takes.
    What they held comes again with the same id, as a repeat, and nothing else does."""
    journals = tmp_path / "journal"
    with (
        JournalWriter(journals / "detections", consumers=["alerts"], reserve_bytes=0) as writer,
        Zygote(str(shared.url), journals, "http://console.example") as zygote,
    ):
        first = zygote.start(lease_ms=_LEASE_MS)
        wait_until(lambda: len(alive(shared)) == 1)
        zygote.start(lease_ms=_LEASE_MS)  # the journals are taken: it waits for them
        sender = zygote.start(lease_ms=_LEASE_MS, journal_dir=None)
        wait_until(lambda: len(alive(shared)) == 3)
        time.sleep(_LEASE_MS / 4000)  # then the first one knows that it is not alone
        falls(writer, range(200))
        wait_until(lambda: len(held_by(shared, sender)) > 1)
        zygote.kill(sender)
        held = held_by(shared, sender)
        falls(writer, range(200, 250))
        zygote.kill(first)
        held |= held_by(shared, first)
        falls(writer, range(250, _PEOPLE))
        wait_until(lambda: len(set(sink.ids())) == _PEOPLE and not pending(shared))
    messages = sink.received
    assert len({message.data["incident"] for message in messages}) == len(set(sink.ids())) == _PEOPLE
    assert max(Counter(message.id for message in messages if not message.data["repeat"]).values()) == 1
    repeats = [message.id for message in messages if message.data["repeat"]]
    assert held
    assert len(sent_by(shared)) >= 2
    assert set(repeats) <= held
    assert len(repeats) == len(set(repeats)) >= len(held) - 1  # one may have been at its end


@on_postgresql
def test_what_a_silent_worker_holds_goes_out_after_its_lease_only(any_story: Story) -> None:
    """A message on its way by another process that lives is nobody else's; that process is gone, and it comes."""
    story = any_story
    other = AlertService(story.engine, None, SETTINGS, clock=lambda: story.now_ms)
    with closing(other):
        story.sink.answers["ann"].append(Answer(delay_s=5))
        story._detections.append([pack_detection(story.detection("fall"))])
        story._detections.commit()
        other.step(story.now_ms)
        story.service.step(story.now_ms)
        story.now_ms += 200
        other.step(story.now_ms)
        assert other.in_flight == 1
        for _ in range(3):
            story.now_ms += 6_000
            story.service.step(story.now_ms)
        assert story.service.in_flight == 0
        with registry.writing(story.engine) as connection:
            mine = models.worker.c.id == other._worker
            connection.execute(update(models.worker).where(mine).values(seen_ms=models.worker.c.seen_ms - 15_000))
        story.now_ms += 6_000
        story.service.step(story.now_ms)
        first, second = story.sink.wait_for(2)
    assert first.id == second.id
    assert (first.data["repeat"], second.data["repeat"]) == (False, True)
    assert story.service.counts["crashed"] == 1


@on_postgresql
def test_a_worker_that_was_taken_for_dead_spoils_nothing(any_story: Story) -> None:
    """It comes back with a failure while another one has the repeat on its way: that one counts."""
    story = any_story
    story.sink.answers["ann"].extend([Answer(delay_s=0.3, status=500), Answer(delay_s=1.5)])
    story._detections.append([pack_detection(story.detection("fall"))])
    story._detections.commit()
    story.service.step(story.now_ms)
    other = AlertService(story.engine, None, SETTINGS, clock=lambda: story.now_ms)
    with closing(other):
        with registry.writing(story.engine) as connection:
            connection.execute(update(models.worker).values(seen_ms=0))
        other.step(story.now_ms)
        wait_until(lambda: story.service.step(story.now_ms) and not story.service.in_flight)
        assert to_ann(story).reason == "crashed"
        wait_until(lambda: not other.step(story.now_ms) and not other.in_flight)
    story.settle()
    assert [message.data["repeat"] for message in story.sink.of("ann")] == [False, True]
    assert (to_ann(story).status, to_ann(story).reason) == ("sent", "delivered")
    assert [attempt.reason for attempt in to_ann(story).attempts] == ["crashed", "delivered"]


def to_ann(story: Story) -> NotificationView:
    """Her one notification."""
    (told,) = [one for one in story.detail().notifications if one.responder == "ann"]
    return told


@on_postgresql
def test_timers_are_fired_once_by_whoever_looks_first(any_story: Story) -> None:
    """Two processes at the same instant, again and again: each of the order is called once."""
    story = any_story
    other = AlertService(story.engine, None, SETTINGS, clock=lambda: story.now_ms)
    with closing(other):
        story.happens("fall")
        for _ in range(7):
            story.now_ms += 30_000
            threads = [threading.Thread(target=one.step, args=(story.now_ms,)) for one in (story.service, other)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            wait_until(lambda: not other.step(story.now_ms) and not other.in_flight)
            story.settle()
            # what neither had a lease of is sent before the next in the order is called
            wait_until(
                lambda: (
                    not (other.step(story.now_ms) or other.in_flight or story.service.step(story.now_ms))
                    and not (story.service.in_flight or pending(story.engine))
                )
            )
    assert story.told() == ["ann", "bob", "chen", "desk", "ann"]


@on_postgresql
def test_who_has_other_journals_is_refused_while_the_right_ones_are_held(any_story: Story, tmp_path: Path) -> None:
    """Two machines that both take detections: the second one's commands would go to a journal that nobody reads."""
    story = any_story
    story.service.step(story.now_ms)
    elsewhere = AlertService(story.engine, tmp_path / "elsewhere", SETTINGS, clock=lambda: story.now_ms)
    with closing(elsewhere), pytest.raises(JournalsElsewhereError, match="deliver"):
        elsewhere.step(story.now_ms)


def test_on_sqlite_there_is_one_process(story: Story) -> None:
    """The second one is told what to do."""
    with pytest.raises(OneProcessError, match="PostgreSQL"):
        AlertService(story.engine, None, SETTINGS)


def test_a_further_machine_needs_the_key_of_the_links(tmp_path: Path) -> None:
    """One drawn there would make links that the console does not take."""
    settings = Settings(data_dir=tmp_path, alerts={"worker": "deliver"})
    with pytest.raises(SettingsError, match="link_key"):
        settings.link_key()
