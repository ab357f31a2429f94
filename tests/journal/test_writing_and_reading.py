"""A journal as its stages use it: append, commit, read on from the saved position."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal import JournalError, JournalLocked, JournalReader
from journal import reader as reader_module
from journal.segments import Segment, list_segments
from tests.journal.helpers import drain, make_record, open_writer, read_all, segment_names, write

BATCHES = st.lists(st.lists(st.binary(max_size=400), min_size=1, max_size=8), max_size=25)


@settings(max_examples=40, deadline=None)
@given(BATCHES, st.integers(100, 4000), st.integers(1, 5000), st.integers(1, 10))
def test_what_is_appended_is_read_in_order(
    batches: list[list[bytes]], segment_bytes: int, max_bytes: int, per_run: int
) -> None:
    """Whatever the sizes of batches, segments and reads, and however often the writer is opened anew."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        for start in range(0, len(batches), per_run):
            write(directory, *batches[start : start + per_run], segment_bytes=segment_bytes)
        with JournalReader(directory, "c") as reader:
            assert drain(reader, max_bytes) == [record for batch in batches for record in batch]
            assert (reader.damaged_bytes, reader.gap_bytes, reader.lag_bytes()) == (0, 0, 0)


def test_positions_are_global_over_many_segments(tmp_path: Path) -> None:
    """A batch starts where the one before ended, and a reader may begin at any of these positions."""
    ends = write(tmp_path, *([make_record(0, n)] for n in range(50)), segment_bytes=5000)
    assert len(segment_names(tmp_path)) > 5
    with JournalReader(tmp_path, "c") as reader:
        batches = [batch for _ in range(60) for batch in reader.read(1)]
        assert [batch.start for batch in batches] == [0, *ends[:-1]]
        assert [batch.end for batch in batches] == ends
        reader.seek(ends[31])
        assert reader.lag_bytes() == ends[-1] - ends[31]
        assert drain(reader) == [make_record(0, n) for n in range(32, 50)]
        assert reader.position == ends[-1]


def test_read_gives_about_as_much_as_asked_for_and_at_least_one_batch(tmp_path: Path) -> None:
    """A batch larger than the bound is not a dead end."""
    write(tmp_path, [bytes(50_000)], *([bytes(1000)] for _ in range(10)))
    with JournalReader(tmp_path, "c") as reader:
        assert [len(batch.data) for batch in reader.read(3500)] == [50_000]
        assert [len(batch.data) for batch in reader.read(3500)] == [1000] * 3
        assert len(drain(reader, 3500)) == 7
        assert reader.read(3500) == []


def test_a_batch_larger_than_a_segment_gets_one_of_its_own(tmp_path: Path) -> None:
    """The segment's size is a guide, not a limit to what can be kept."""
    big = [bytes(20_000)]
    write(tmp_path, [b"a"], big, [b"b"], segment_bytes=1000)
    assert read_all(tmp_path) == [b"a", *big, b"b"]
    assert len(segment_names(tmp_path)) == 3


def test_a_reader_goes_on_at_its_committed_position(tmp_path: Path) -> None:
    """Not at what it has read: what was read and not committed comes again after a restart."""
    ends = write(tmp_path, [b"1"], [b"2"], [b"3"])
    with JournalReader(tmp_path, "c") as reader:
        assert len(drain(reader)) == 3
        reader.commit(ends[0])
        assert (reader.committed, reader.position) == (ends[0], ends[2])
    assert read_all(tmp_path) == [b"2", b"3"]
    assert read_all(tmp_path, "somebody else") == [b"1", b"2", b"3"]


def test_a_reader_may_come_before_the_writer(tmp_path: Path) -> None:
    """It waits calmly, folder or not, and then has everything."""
    directory = tmp_path / "not" / "yet"
    with JournalReader(directory, "c") as reader:
        assert reader.read() == []
        assert reader.lag_bytes() == 0
        assert not reader.wait(0.05)
        write(directory, [b"first"])
        assert reader.wait(1)
        assert drain(reader) == [b"first"]


def test_a_reader_follows_the_writer_from_segment_to_segment(tmp_path: Path) -> None:
    """Also over restarts of the writer, without being opened again."""
    with JournalReader(tmp_path, "c") as reader:
        for run in range(5):
            with open_writer(tmp_path, segment_bytes=3000) as writer:
                for number in range(10):
                    writer.append([make_record(run, number)])
                    writer.commit()
                    assert drain(reader) == [make_record(run, number)]


def test_a_batch_appended_just_before_a_new_segment_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer appends and begins a segment between the reader's look at the file and at the folder."""
    with open_writer(tmp_path, segment_bytes=2500) as writer, JournalReader(tmp_path, "c") as reader:
        writer.append([make_record(0, 0)])
        assert drain(reader) == [make_record(0, 0)]

        def list_late(directory: Path) -> list[Segment]:
            monkeypatch.undo()
            for number in range(1, 5):
                writer.append([make_record(0, number)])
            return list_segments(directory)

        monkeypatch.setattr(reader_module, "list_segments", list_late)
        assert drain(reader) == [make_record(0, number) for number in range(1, 5)]
        assert (reader.damaged_bytes, reader.gap_bytes) == (0, 0)
    assert len(segment_names(tmp_path)) == 2


def test_nothing_appended_is_nothing_written(tmp_path: Path) -> None:
    """An empty batch has no place in a journal."""
    with open_writer(tmp_path) as writer:
        assert writer.append([]) == 0
        assert writer.append([b"", b""]) > 0
    assert read_all(tmp_path) == [b"", b""]


def test_reopening_without_appending_leaves_one_empty_segment(tmp_path: Path) -> None:
    """A restart loop must not fill the folder with files."""
    write(tmp_path, [b"x"])
    for _ in range(5):
        write(tmp_path)
    assert len(segment_names(tmp_path)) == 2


def test_a_second_writer_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    """In the same process and in another one; after the first has closed it may write."""
    other = (
        "import sys, pathlib; from journal import *\n"
        "try: JournalWriter(pathlib.Path(sys.argv[1]), consumers=(), reserve_bytes=0)\n"
        "except JournalLocked as error: print(error.pid, error)"
    )
    with open_writer(tmp_path):
        with pytest.raises(JournalLocked) as caught:
            open_writer(tmp_path)
        assert caught.value.pid == os.getpid()
        said = subprocess.run(
            [sys.executable, "-c", other, tmp_path], capture_output=True, text=True, check=True
        ).stdout
        assert said.startswith(f"{os.getpid()} process {os.getpid()} is writing the journal {tmp_path}")
    write(tmp_path, [b"free again"])


def test_a_closed_writer_says_so(tmp_path: Path) -> None:
    """Instead of failing on a file descriptor that may be somebody else's by then."""
    writer = open_writer(tmp_path)
    writer.append([b"committed by close"])
    writer.close()
    writer.close()
    with pytest.raises(JournalError, match="open it again"):
        writer.append([b"x"])
    assert read_all(tmp_path) == [b"committed by close"]
