"""How soon a reader sees what was committed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from journal import JournalReader
from journal import reader as reader_module
from tests.journal.helpers import drain, make_record, open_writer


def _delays(directory: Path, consumer: str, rounds: int) -> list[float]:
    """Seconds from each commit until ``consumer``, waiting in another thread, had the record."""
    seen: list[float] = []
    step = threading.Semaphore(0)

    def follow() -> None:
        with JournalReader(directory, consumer) as reader:
            while len(seen) < rounds:
                if reader.wait(5):
                    drain(reader)
                    seen.append(time.monotonic())
                    step.release()

    thread = threading.Thread(target=follow)
    written: list[float] = []
    with open_writer(directory) as writer:
        thread.start()
        for number in range(rounds):
            time.sleep(0.03)
            writer.append([make_record(0, number)])
            writer.commit()
            written.append(time.monotonic())
            assert step.acquire(timeout=5)
    thread.join()
    return sorted(after - before for before, after in zip(written, seen, strict=True))


def test_a_datagram_wakes_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With polling out of the way, half of the commits are seen within 5 ms (1 ms on an idle machine)."""
    monkeypatch.setattr(reader_module, "_POLL_S", 60.0)
    delays = _delays(tmp_path, "c", 20)
    assert delays[len(delays) // 2] < 0.005, delays


def test_polling_finds_what_no_datagram_announces(tmp_path: Path) -> None:
    """A consumer that the writer does not know of is not rung for."""
    delays = _delays(tmp_path, "unregistered", 10)
    assert delays[len(delays) // 2] < 0.05, delays


def test_a_second_reader_of_one_consumer_polls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is taken; that must not stop it."""
    with open_writer(tmp_path) as writer, JournalReader(tmp_path, "c") as first, JournalReader(tmp_path, "c") as second:
        assert not first.wait(0)
        assert not second.wait(0)
        writer.append([b"a"])
        writer.commit()
        monkeypatch.setattr(reader_module, "_POLL_S", 0.001)
        assert first.wait(1)
        assert second.wait(1)


def test_wait_comes_back_at_its_time_when_nothing_comes(tmp_path: Path) -> None:
    """And rings that were answered already do not count as news."""
    with open_writer(tmp_path) as writer, JournalReader(tmp_path, "c") as reader:
        assert not reader.wait(0)
        for number in range(30):  # more than the queue of datagrams holds: the writer must not block
            writer.append([make_record(0, number)])
            writer.commit()
        assert len(drain(reader)) == 30
        started = time.monotonic()
        assert not reader.wait(0.1)
        assert 0.1 <= time.monotonic() - started < 0.5


def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Socket addresses end at 108 bytes; folders of a data directory need not."""
    monkeypatch.setattr(reader_module, "_POLL_S", 60.0)
    assert len(_delays(tmp_path / ("long" * 30) / ("longer" * 20), "c", 2)) == 2
