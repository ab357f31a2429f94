"""A writer and a reader as processes of their own, to be killed: `python -m tests.journal.processes write|read ...`."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from journal import JournalReader
from tests.journal.helpers import make_record, open_writer, read_record

LAST_RUN = 0xFFFFFFFF


def write_until_killed(directory: Path, run: int) -> None:
    """Append numbered records for ever; print the last number that each commit made durable."""
    sizes = random.Random(run)
    number = 0
    with open_writer(directory, segment_bytes=200_000) as writer:
        while True:
            for _ in range(sizes.randint(1, 3)):
                count = sizes.randint(1, 60)
                writer.append([make_record(run, number + n, sizes.randint(8, 3000)) for n in range(count)])
                number += count
            writer.commit()
            print(number - 1, flush=True)
            writer.drop_consumed()


def read_until_the_last(directory: Path, log: Path) -> None:
    """Follow; log each record's run and number, then commit. Ends at a record of LAST_RUN."""
    with JournalReader(directory, "c") as reader, log.open("a") as out:
        while True:
            reader.wait(1.0)
            for batch in reader.read(random.choice([1, 10_000, 1 << 20])):
                found = [read_record(record) for record in batch]
                if found[0][0] == LAST_RUN:
                    assert reader.damaged_bytes == reader.gap_bytes == 0
                    return
                out.writelines(f"{run} {number}\n" for run, number in found)
                out.flush()
                reader.commit(batch.end)
            time.sleep(random.choice([0, 0, 0.002]))


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write_until_killed(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        read_until_the_last(Path(sys.argv[2]), Path(sys.argv[3]))
