"""kill -9 of the writer, or of the reader, at random moments."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from tests.journal.helpers import make_record, open_writer, segment_names, write
from tests.journal.processes import LAST_RUN

ROUNDS = 6


def _start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.journal.processes", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _write_and_kill(directory: Path, run: int) -> int:
    """Let a writer write, kill it; the number of the last record that it had acknowledged."""
    writer = _start("write", directory, run)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline())]
    time.sleep(random.uniform(0, 0.25))
    writer.kill()
    acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    writer.stdout.close()
    return acknowledged[-1]


def _finish(reader: subprocess.Popen[str], directory: Path) -> None:
    write(directory, [make_record(LAST_RUN, 0)])
    assert reader.wait(timeout=20) == 0
    assert reader.stdout is not None
    reader.stdout.close()


def _logged(log: Path) -> list[tuple[int, int]]:
    return [(int(run), int(number)) for run, number in (line.split() for line in log.read_text().splitlines())]


def test_a_killed_writer_loses_nothing_committed_and_nothing_comes_twice(tmp_path: Path) -> None:
    """A reader in a third process has every committed record once, in order and whole, through all restarts."""
    directory, log = tmp_path / "journal", tmp_path / "log"
    reader = _start("read", directory, log)
    last = [_write_and_kill(directory, run) for run in range(ROUNDS)]
    _finish(reader, directory)
    found = _logged(log)
    assert found == sorted(set(found))
    for run in range(ROUNDS):
        numbers = [number for found_run, number in found if found_run == run]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > last[run]
    with open_writer(directory) as writer:
        writer.drop_consumed()
    assert len(segment_names(directory)) <= 3


def test_a_killed_reader_goes_on_without_a_gap(tmp_path: Path) -> None:
    """What it had read and not committed comes again; nothing is left out."""
    directory, log = tmp_path / "journal", tmp_path / "log"
    writer = _start("write", directory, 0)
    assert writer.stdout is not None
    writer.stdout.readline()
    for _ in range(3):
        reader = _start("read", directory, log)
        size = log.stat().st_size if log.exists() else 0
        while not (log.exists() and log.stat().st_size > size):
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.1))
        reader.kill()
        reader.communicate()
    writer.kill()
    last = [int(line) for line in writer.stdout if line.endswith("\n")][-1]
    writer.wait()
    writer.stdout.close()
    _finish(_start("read", directory, log), directory)
    lines = [line for line in log.read_text().splitlines() if line.count(" ") == 1]
    numbers = [int(line.split()[1]) for line in lines]
    assert set(range(last + 1)) <= set(numbers)
    assert all(after <= before + 1 for before, after in pairwise(numbers))
