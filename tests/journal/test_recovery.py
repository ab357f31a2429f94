"""What a power cut, a bad disk or a dying process leaves behind."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from pathlib import Path

import pytest

from journal import CommitFailedError, JournalReader
from journal import reader as reader_module
from journal.offsets import OffsetFile, offset_path
from journal.segments import list_segments
from tests.journal.helpers import drain, make_record, open_writer, read_all, segment_names, write


def test_a_torn_tail_is_cut_at_recovery_wherever_it_was_torn(tmp_path: Path) -> None:
    """At every byte of the last batch, cut off or overwritten with zeros; a reader that is there hops on."""
    ends = write(tmp_path / "whole", [b"one", b"two"], [b"three"], [make_record(0, 0, 60)])
    for keep in range(ends[1], ends[2]):
        for zeros in (0, ends[2] - keep):
            directory = tmp_path / f"cut-{keep}-{zeros}"
            shutil.copytree(tmp_path / "whole", directory)
            segment = list_segments(directory)[0].path
            content = segment.read_bytes()[:keep] + bytes(zeros)
            segment.write_bytes(content)
            with JournalReader(directory, "c") as reader:
                whole = [b"one", b"two", b"three"]
                assert drain(reader) == whole
                write(directory, [b"after"])
                assert drain(reader) == [b"after"]
                assert reader.damaged_bytes == 0
            assert segment.stat().st_size == ends[1]
            assert read_all(directory) == [*whole, b"after"]
            shutil.rmtree(directory)


def test_new_records_stand_behind_what_a_consumer_read_before_the_power_cut(tmp_path: Path) -> None:
    """Otherwise a consumer that had read uncommitted records, and saved that, would skip new ones."""
    ends = write(tmp_path, [b"kept"], [b"lost to the power cut"])
    with JournalReader(tmp_path, "c") as reader:
        drain(reader)
        reader.commit(ends[1])
    os.truncate(list_segments(tmp_path)[0].path, ends[0])
    write(tmp_path, [b"new"])
    assert read_all(tmp_path) == [b"new"]
    assert read_all(tmp_path, "other") == [b"kept", b"new"]


@pytest.mark.parametrize("damaged", ["header", "payload"])
@pytest.mark.parametrize("where", ["older segment", "last segment, reopened", "segment being written"])
def test_damage_in_the_middle_costs_only_what_is_damaged(
    tmp_path: Path, damaged: str, where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The reader skips it, counts it, logs it, and goes on with the next whole batch."""
    monkeypatch.setattr(reader_module, "_DAMAGED_AFTER_S", 0.05)
    caplog.set_level(logging.ERROR)
    writer = open_writer(tmp_path)
    ends = [writer.append([make_record(0, number)]) for number in range(6)]
    writer.commit()
    with list_segments(tmp_path)[0].path.open("r+b") as file:
        file.seek(ends[1] + (8 if damaged == "header" else 100))
        file.write(b"\xff\xee\xdd")
    if where == "older segment":
        writer.close()
        writer = open_writer(tmp_path)
        writer.append([make_record(0, 6)])
    elif where == "last segment, reopened":
        writer.close()
        writer = open_writer(tmp_path)
    with JournalReader(tmp_path, "c") as reader:
        found = drain(reader)
        while reader.wait(0.2):
            found += drain(reader)
        expected = [0, 1, 3, 4, 5] + ([6] if where == "older segment" else [])
        assert found == [make_record(0, number) for number in expected]
        assert reader.damaged_bytes == ends[2] - ends[1]
    assert "damaged bytes" in caplog.text
    writer.close()


def test_damage_up_to_the_end_of_an_older_segment_leads_to_the_next(tmp_path: Path) -> None:
    """No whole batch follows in the file, and the reader does not stop for ever."""
    ends = write(tmp_path, [b"a"], [b"b" * 100])
    write(tmp_path, [b"c"])
    with list_segments(tmp_path)[0].path.open("r+b") as file:
        file.seek(ends[0])
        file.write(bytes(ends[1] - ends[0]))
    with JournalReader(tmp_path, "c") as reader:
        assert drain(reader) == [b"a", b"c"]
        assert (reader.damaged_bytes, reader.gap_bytes) == (ends[1] - ends[0], 0)


def test_a_dead_writers_torn_tail_does_not_make_the_reader_spin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """wait says that there is nothing, though bytes are there, whether they look incomplete or damaged."""
    monkeypatch.setattr(reader_module, "_DAMAGED_AFTER_S", 0.05)
    ends = write(tmp_path, [b"a"], [b"b" * 100])
    segment = list_segments(tmp_path)[0].path
    for tail in (segment.read_bytes()[:-5], segment.read_bytes()[: ends[0]] + bytes(500)):
        segment.write_bytes(tail)
        with JournalReader(tmp_path, "c") as reader:
            drain(reader)
            turns = 0
            for _ in range(10):
                if reader.wait(0.03):
                    turns += 1
                    assert reader.read() == []
            assert turns <= 1


def test_a_segment_that_vanished_is_counted_as_a_gap(tmp_path: Path) -> None:
    """Somebody deleted the oldest files by hand: the reader goes on at the oldest that is left."""
    ends = write(tmp_path, *([make_record(0, n)] for n in range(10)), segment_bytes=1500)
    for segment in list_segments(tmp_path)[:2]:
        segment.path.unlink()
    with JournalReader(tmp_path, "c") as reader:
        assert drain(reader) == [make_record(0, n) for n in range(4, 10)]
        assert (reader.gap_bytes, reader.damaged_bytes) == (ends[3], 0)


def test_positions_go_on_when_every_segment_is_gone(tmp_path: Path) -> None:
    """The offsets alone keep a consumer from skipping what comes next."""
    ends = write(tmp_path, [b"a"])
    with JournalReader(tmp_path, "c") as reader:
        drain(reader)
        reader.commit(ends[0])
    for segment in list_segments(tmp_path):
        segment.path.unlink()
    write(tmp_path, [b"b"])
    assert segment_names(tmp_path) == [f"{ends[0]:020d}.seg"]
    assert read_all(tmp_path) == [b"b"]


def test_a_torn_save_of_an_offset_leaves_the_one_before(tmp_path: Path) -> None:
    """Each of the two slots in turn; with both gone the consumer begins at the oldest record."""
    path = offset_path(tmp_path, "c")
    offset = OffsetFile(path, first=5)
    for position in (10, 20, 30):
        offset.save(position)
        whole = path.read_bytes()
        for slot in (0, 4096):
            torn = bytearray(whole)
            torn[slot + 9] ^= 0xFF
            path.write_bytes(torn)
            again = OffsetFile(path)
            assert again.position in (position, {10: 5, 20: 10, 30: 20}[position])
            again.close()
        path.write_bytes(whole)
        again = OffsetFile(path)
        assert again.position == position
        again.close()
    offset.close()
    path.write_bytes(bytes(8192))
    write(tmp_path, [b"a"])
    assert read_all(tmp_path) == [b"a"]


def test_a_disk_that_refuses_a_commit_ends_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed fdatasync nobody knows what the disk has; opening again does."""

    def refuse(_fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = open_writer(tmp_path)
    writer.append([b"a"])
    monkeypatch.setattr(os, "fdatasync", refuse)
    with pytest.raises(CommitFailedError, match="open the journal again"):
        writer.commit()
    monkeypatch.undo()
    with pytest.raises(CommitFailedError):
        writer.append([b"b"])
    writer.close()
    write(tmp_path, [b"c"])
    assert read_all(tmp_path) == [b"a", b"c"]
