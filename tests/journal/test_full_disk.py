"""A disk without room: consumers drain, offsets move, the writer waits and resumes, nothing is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

import pytest

from journal import JournalFull, JournalReader, JournalWriter
from journal.disk import free_bytes
from journal.quarantine import Quarantine, list_entries
from telemetry.errors import Reason
from telemetry.records import Flag, RawMessage
from tests.journal.helpers import drain, make_record, open_writer, read_all, read_record
from tests.servers.small_disk import SIZE_BYTES

RESERVE = 1 << 20


def _fill(disk: Path) -> Path:
    """Write a file until not one byte more fits."""
    path = disk / "somebody else's file"
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert free_bytes(disk) == 0
    return path


def _append_until_full(writer: JournalWriter, number: int) -> int:
    """Append batches of ten records from ``number`` on; the first number that was refused."""
    while True:
        try:
            writer.append([make_record(0, n) for n in range(number, number + 10)])
        except JournalFull:
            return number
        writer.commit()
        number += 10


def test_consumers_drain_a_full_disk_and_the_writer_resumes(small_disk: Path) -> None:
    """`raw` fills the disk; its consumer writes `points` into the reserve, saves its offset; then `raw` goes on."""
    raw = open_writer(small_disk / "raw", segment_bytes=64 << 10, reserve_bytes=RESERVE)
    points = open_writer(small_disk / "points", segment_bytes=64 << 10)
    first_refused = _append_until_full(raw, 0)
    assert raw.full
    assert first_refused * 700 > SIZE_BYTES // 2, "most of the disk was used before"
    assert free_bytes(small_disk) >= RESERVE, "the reserve is the consumers' now"

    number = first_refused
    found: list[int] = []
    with JournalReader(small_disk / "raw", "c") as reader:
        while number < first_refused + 20_000:
            for batch in reader.read(100_000):
                numbers = [read_record(record)[1] for record in batch]
                found += numbers
                points.append([make_record(1, n, 60) for n in numbers])
                reader.commit(batch.end)
            points.commit()
            with JournalReader(small_disk / "points", "c") as sink:
                drain(sink)
                sink.commit(sink.position)
            points.drop_consumed()
            time.sleep(0.001)
            number = _append_until_full(raw, number)
        found += [read_record(record)[1] for record in drain(reader)]
        assert found == list(range(number))
        assert (reader.damaged_bytes, reader.gap_bytes) == (0, 0)
    raw.close()
    points.close()


def test_an_offset_moves_when_not_a_byte_is_free(small_disk: Path) -> None:
    """And is still there after the next start."""
    with open_writer(small_disk / "j") as writer:
        ends = [writer.append([make_record(0, n)]) for n in range(10)]
        writer.commit()
        _fill(small_disk)
        for _ in range(2):
            with JournalReader(small_disk / "j", "c") as reader:
                for batch in reader.read(4000):
                    reader.commit(batch.end)
    with JournalReader(small_disk / "j", "c") as reader:
        assert reader.committed == reader.position == ends[9]


def test_a_full_journal_refuses_cheaply_and_takes_the_same_batch_later(small_disk: Path) -> None:
    """Half-written batches are cut back: a reader never sees a part of one, nor does the next start."""
    writer = open_writer(small_disk / "j", reserve_bytes=RESERVE)
    other = _fill(small_disk)
    os.truncate(other, other.stat().st_size - 100_000)
    refused = _append_until_full(writer, 0)
    assert refused > 0
    big = [make_record(0, n) for n in range(refused, refused + 3000)]
    started = time.process_time()
    for _ in range(1000):
        with pytest.raises(JournalFull) as caught:
            writer.append(big)
    assert time.process_time() - started < 1.0
    assert caught.value.needed_bytes > RESERVE
    with JournalReader(small_disk / "j", "c") as reader:
        assert len(drain(reader)) == refused
        os.truncate(other, 0)
        time.sleep(0.1)
        writer.append(big)
        assert not writer.full
        assert (small_disk / "j" / "reserve").stat().st_blocks * 512 >= RESERVE
        assert drain(reader) == big
    writer.close()


def test_a_wholly_consumed_segment_is_given_back_on_a_full_disk(small_disk: Path) -> None:
    """The segment being written holds nearly the whole disk: without a new one it could never be dropped."""
    with open_writer(small_disk / "j") as writer, JournalReader(small_disk / "j", "c") as reader:
        refused = _append_until_full(writer, 0)
        assert len(drain(reader)) == refused
        reader.commit(reader.position)
        time.sleep(0.1)
        assert _append_until_full(writer, refused) == refused
        assert drain(reader) == [], "and by this it lets go of the dropped file"
        time.sleep(0.1)
        again = _append_until_full(writer, refused)
        assert again > refused + 8000
        assert drain(reader) == [make_record(0, n) for n in range(refused, again)]


def test_a_journal_opens_on_a_full_disk(small_disk: Path) -> None:
    """After a restart in the middle of it: what is there can be drained, appending says JournalFull."""
    with open_writer(small_disk / "j", reserve_bytes=RESERVE) as writer:
        refused = _append_until_full(writer, 0)
    other = _fill(small_disk)
    with open_writer(small_disk / "j", reserve_bytes=RESERVE) as writer:
        assert writer.full
        with pytest.raises(JournalFull):
            writer.append([b"x"])
        assert len(read_all(small_disk / "j")) == refused
        other.unlink()
        with JournalReader(small_disk / "j", "c") as reader:
            drain(reader)
            reader.commit(reader.position)
            time.sleep(0.1)
            writer.append([b"x"])
            assert drain(reader) == [b"x"]


def test_a_new_journal_on_a_full_disk_says_so_at_once(small_disk: Path) -> None:
    """There is no room even for the offsets, so nothing could be promised to the consumers."""
    _fill(small_disk)
    with pytest.raises(JournalFull):
        open_writer(small_disk / "j")


def test_a_used_up_quota_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk itself has room, so that looking at it does not help; and it is not tried at every call."""
    really = os.pwritev
    tries = []

    def over_quota(fd: int, buffers: list[bytes], offset: int) -> int:
        tries.append(offset)
        really(fd, [b"".join(buffers)[:100]], offset)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with open_writer(tmp_path) as writer:
        writer.append([b"a"])
        monkeypatch.setattr(os, "pwritev", over_quota)
        for _ in range(3):
            with pytest.raises(JournalFull):
                writer.append([b"b" * 200])
        assert len(tries) == 1
        monkeypatch.undo()
        time.sleep(0.06)
        writer.append([b"c"])
    assert read_all(tmp_path) == [b"a", b"c"]


def test_a_stage_holds_until_a_bad_message_is_kept(small_disk: Path) -> None:
    """While the quarantine has no room the gateway must not acknowledge what it could not put there."""
    quarantine = Quarantine(small_disk / "quarantine", "gateway")
    ballast = _fill(small_disk)
    message = RawMessage(1_800_000_000_000, Flag.NONE, b"care/v1/w1/vitals", bytes(9_000))
    quarantine.put(Reason.TOO_LARGE, "9000 bytes", message, "w1")
    with pytest.raises(JournalFull):
        quarantine.ensure()
    ballast.unlink()
    time.sleep(0.1)  # a full journal looks for room every 50 ms
    quarantine.ensure()
    quarantine.close()
    (entry,) = list_entries(small_disk / "quarantine")
    assert entry.reason == Reason.TOO_LARGE
