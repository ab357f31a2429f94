"""What the journal costs: the hot path of everything that comes in. `python -m bench.journal [--json FILE]`

Each way of writing takes the same records in turns with the others, so that a slow moment of the machine hits all of
them. Rates are per second of this process's CPU time, and per second of the clock with the disk's sync in it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import google_crc32c

from journal import JournalReader, JournalWriter

RECORD_BYTES = 700  # a motion frame of 1 s at 50 Hz from six axes, with topic and header
BATCHES = {"28 KB": 40, "256 KB": 374, "1 MB": 1498}  # records
ROUNDS = 5
RECORDS_PER_ROUND = 60_000
WAKE_UPS = 200


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def _write_journal(folder: Path, records: list[bytes], times: int) -> None:
    with JournalWriter(folder, consumers=("c",), reserve_bytes=0) as writer:
        for _ in range(times):
            writer.append(records)
            writer.commit()


def _write_plain(folder: Path, records: list[bytes], times: int) -> None:
    """A file without frame or checksum: the floor."""
    fd = os.open(folder, os.O_WRONLY | os.O_CREAT, 0o600)
    for _ in range(times):
        os.write(fd, b"".join(records))
        os.fdatasync(fd)
    os.close(fd)


def _read_journal(folder: Path) -> None:
    with JournalReader(folder, "c") as reader:
        while batches := reader.read():
            for batch in batches:
                for record in batch.records:
                    len(record)


def _read_bulk(folder: Path) -> None:
    """As a vectorised stage does: lengths and data, no object per record."""
    with JournalReader(folder, "c") as reader:
        while batches := reader.read():
            for batch in batches:
                int(batch.lengths.sum())


def _rates(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    results: dict[str, dict[str, dict[str, float]]] = {}
    for name, count in BATCHES.items():
        records = [os.urandom(RECORD_BYTES) for _ in range(count)]
        times = RECORDS_PER_ROUND // count
        spent: dict[str, list[tuple[float, float]]] = {}
        journal, plain = folder / "journal", folder / "plain"
        ways: dict[str, Callable[[], None]] = {
            "append and commit": partial(_write_journal, journal, records, times),
            "plain write and fdatasync": partial(_write_plain, plain, records, times),
            "read record by record": partial(_read_journal, journal),
            "read in bulk": partial(_read_bulk, journal),
        }
        for _ in range(ROUNDS):
            for way, work in ways.items():
                spent.setdefault(way, []).append(_timed(work))
            shutil.rmtree(journal)
            plain.unlink()
        results[name] = {
            way: {
                "records_per_cpu_s": times * count / statistics.median(cpu for cpu, _ in taken),
                "records_per_s": times * count / statistics.median(wall for _, wall in taken),
            }
            for way, taken in spent.items()
        }
    return results


def _checksums() -> dict[str, float]:
    """GB/s of the checksum in use and of the standard library's, over 256 KB."""
    data = os.urandom(256 << 10)
    ways: dict[str, Callable[[bytes], int]] = {"google_crc32c": google_crc32c.value, "zlib.crc32": zlib.crc32}
    speeds: dict[str, float] = {}
    for name, checksum in ways.items():
        started = time.process_time()
        for _ in range(2000):
            checksum(data)
        speeds[name] = 2000 * len(data) / (time.process_time() - started) / 1e9
    return speeds


def _wake_up_ms(folder: Path) -> dict[str, float]:
    """From the end of a commit until a waiting reader has the record, in another thread."""
    seen: list[float] = []
    taken = threading.Event()

    def follow() -> None:
        with JournalReader(folder, "c") as reader:
            while len(seen) < WAKE_UPS:
                if reader.wait(1) and reader.read():
                    seen.append(time.perf_counter())
                    taken.set()

    reader = threading.Thread(target=follow)
    written: list[float] = []
    with JournalWriter(folder, consumers=("c",), reserve_bytes=0) as writer:
        reader.start()
        for _ in range(WAKE_UPS):
            time.sleep(0.005)
            taken.clear()
            writer.append([bytes(RECORD_BYTES)])
            writer.commit()
            written.append(time.perf_counter())
            taken.wait()
        reader.join()
    delays = sorted(1000 * (after - before) for before, after in zip(written, seen, strict=True))
    return {"p50": delays[len(delays) // 2], "p99": delays[int(len(delays) * 0.99)]}


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description="What the journal costs per record of 700 bytes.")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--dir", type=Path, help="measure on the disk of this folder (default: the temporary folder)")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-journal-", dir=arguments.dir))
    try:
        rates, checksums, wake_up = _rates(folder), _checksums(), _wake_up_ms(folder / "wake")
    finally:
        shutil.rmtree(folder)
    for batch, ways in rates.items():
        for way, rate in ways.items():
            cpu, wall = rate["records_per_cpu_s"], rate["records_per_s"]
            print(f"{batch:>7}  {way:<26} {cpu:>12,.0f} records/CPU-s {wall:>12,.0f} records/s")
    for name, speed in checksums.items():
        print(f"checksum {name}: {speed:.1f} GB/s")
    print(f"wake-up after a commit: p50 {wake_up['p50']:.2f} ms, p99 {wake_up['p99']:.2f} ms")
    if arguments.json:
        figures = {"rates": rates, "checksum_gb_s": checksums, "wake_up_ms": wake_up}
        arguments.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
