"""Quarantined messages go back in, once, marked, in order."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from journal import JournalLocked
from journal import replay as replay_module
from journal.entry import BadEntryIdError, EntryNotFoundError
from journal.quarantine import Filter, Quarantine, list_entries, load_replayed
from journal.replay import replay
from telemetry.errors import Reason
from telemetry.records import Flag, RawMessage, unpack_raw
from tests.journal.helpers import open_writer, read_all

NOW_MS = 1_780_000_000_000


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A quarantine of two stages with six messages, a cut one, and a refused point of the writer."""
    for stage in ("gateway", "processor"):
        quarantine = Quarantine(tmp_path, stage)
        for number in range(3):
            at_ms = NOW_MS + 10 * number + (stage == "processor")
            message = RawMessage(at_ms, Flag.DUP, b"care/v1/w-1/vitals\xff", f"{stage} {number}".encode())
            quarantine.put(Reason.UNDECODABLE, "", message, f"w-{number}")
            quarantine.commit()
        quarantine.close()
    quarantine = Quarantine(tmp_path, "gateway")
    quarantine.put(Reason.TOO_LARGE, "", RawMessage(NOW_MS + 50, Flag.NONE, b"t", bytes(70_000)), "w-9")
    quarantine.close()
    quarantine = Quarantine(tmp_path, "writer")
    quarantine.put(Reason.STORE_REJECTED, "", RawMessage(NOW_MS + 60, Flag.NONE, b"vitals", b"points"), None)
    quarantine.close()
    return tmp_path


def test_a_replay_puts_the_messages_back_oldest_first_and_marked(kept: Path, tmp_path: Path) -> None:
    """Byte for byte as they came; what cannot be put back is named with the reason."""
    result = replay(kept, tmp_path / "replayed", Filter(), now_ms=NOW_MS + 1000)
    messages = [unpack_raw(record) for record in read_all(tmp_path / "replayed", "processor")]
    assert [message.payload.decode() for message in messages] == [
        f"{stage} {number}" for number in range(3) for stage in ("gateway", "processor")
    ]
    assert {message.flags for message in messages} == {Flag.DUP | Flag.REPLAY}
    assert {message.topic for message in messages} == {b"care/v1/w-1/vitals\xff"}
    assert [message.recv_ms for message in messages] == [NOW_MS + n for n in (0, 1, 10, 11, 20, 21)]
    assert len(result.done) == 6
    cut, point = result.refused.values()
    assert (cut, point) == (
        "only the first 65,536 of 70,000 bytes were kept",
        "it holds points that the store refused, not a device's message",
    )


def test_a_message_is_put_back_twice_only_when_asked_for(kept: Path, tmp_path: Path) -> None:
    """And the list says when it was."""
    first = list_entries(kept, Filter(stage="gateway", device="w-0"))[0]
    assert first.replayed_ms is None
    assert replay(kept, tmp_path / "replayed", [first.id, first.id], now_ms=NOW_MS + 1000).done == [first.id]
    assert list_entries(kept, Filter(stage="gateway", device="w-0"))[0].replayed_ms == NOW_MS + 1000
    refused = replay(kept, tmp_path / "replayed", [first.id], now_ms=NOW_MS + 2000)
    assert (refused.done, list(refused.refused)) == ([], [first.id])
    assert "--again" in refused.refused[first.id]
    rest = replay(kept, tmp_path / "replayed", Filter(stage="gateway"), now_ms=NOW_MS + 3000)
    assert len(rest.done) == 2
    assert replay(kept, tmp_path / "replayed", [first.id], now_ms=NOW_MS + 4000, again=True).done == [first.id]
    assert load_replayed(kept)[first.id] == NOW_MS + 4000
    assert len(read_all(tmp_path / "replayed", "processor")) == 4


def test_one_wrong_id_puts_nothing_back(kept: Path, tmp_path: Path) -> None:
    """Half a replay would have to be found out by hand."""
    good = list_entries(kept)[-1].id
    with pytest.raises(EntryNotFoundError):
        replay(kept, tmp_path / "replayed", [good, "processor-999999-0"], now_ms=NOW_MS)
    with pytest.raises(BadEntryIdError):
        replay(kept, tmp_path / "replayed", [good, "nonsense"], now_ms=NOW_MS)
    assert read_all(tmp_path / "replayed", "processor") == []
    assert load_replayed(kept) == {}


def test_a_large_replay_goes_in_several_batches(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is remembered when it is durable, so that a full disk half-way leaves the right memory."""
    monkeypatch.setattr(replay_module, "_BATCH_BYTES", 20)
    result = replay(kept, tmp_path / "replayed", Filter(), now_ms=NOW_MS)
    assert set(result.done) == set(load_replayed(kept))
    assert len(read_all(tmp_path / "replayed", "processor")) == 6


def test_a_replay_waits_for_another_one(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says who holds the journal when that takes too long."""
    other = open_writer(tmp_path / "replayed", ("processor",))
    monkeypatch.setattr(replay_module, "_LOCK_WAIT_S", 0.1)
    with pytest.raises(JournalLocked):
        replay(kept, tmp_path / "replayed", Filter(), now_ms=NOW_MS)
    monkeypatch.setattr(replay_module, "_LOCK_WAIT_S", 5.0)
    timer = threading.Timer(0.2, other.close)
    timer.start()
    started = time.monotonic()
    assert len(replay(kept, tmp_path / "replayed", Filter(), now_ms=NOW_MS).done) == 6
    assert time.monotonic() - started >= 0.1
    timer.join()


def test_the_memory_forgets_entries_that_were_dropped(tmp_path: Path) -> None:
    """It stays as small as the quarantine."""
    quarantine = Quarantine(tmp_path / "q", "processor", total_bytes=16_000)

    def put(detail: str) -> None:
        quarantine.put(Reason.INVALID, detail, RawMessage(NOW_MS, Flag.NONE, b"t", bytes(900)), detail)
        quarantine.commit()

    put("first")
    (first,) = replay(tmp_path / "q", tmp_path / "replayed", Filter(), now_ms=NOW_MS).done
    for number in range(40):
        put(f"w-{number}")
    quarantine.close()
    newest = list_entries(tmp_path / "q", limit=1)[0].id
    replay(tmp_path / "q", tmp_path / "replayed", [newest], now_ms=NOW_MS)
    assert set(load_replayed(tmp_path / "q")) == {newest}
    assert first != newest
