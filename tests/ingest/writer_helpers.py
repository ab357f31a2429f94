"""A writer with its journals, for the tests of the writer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ingest.writer import Writer, WriterSettings, open_writer
from journal import JournalWriter
from store import Store
from telemetry.records import PointBatch, pack_points

SETTINGS = WriterSettings(max_wait_s=0.05, first_retry_s=0.05, max_retry_s=0.5, grace_s=60.0, late_grace_s=300.0)


@dataclass
class Journals:
    """The writing side of `points` and `reports`."""

    data_dir: Path
    points: JournalWriter = field(init=False)
    reports: JournalWriter = field(init=False)

    def __post_init__(self) -> None:
        self.points, self.reports = (
            JournalWriter(self.data_dir / "journal" / name, consumers=["writer"], reserve_bytes=0)
            for name in ("points", "reports")
        )

    def put(self, *batches: PointBatch | bytes, into: str = "points") -> None:
        """Append and commit, all as one journal batch."""
        journal = self.points if into == "points" else self.reports
        journal.append([batch if isinstance(batch, bytes) else pack_points(batch) for batch in batches])
        journal.commit()

    def open_writer(self, store: Store, settings: WriterSettings = SETTINGS) -> Writer:
        """A writer over these journals."""
        return open_writer(store, self.data_dir, host="test-host", settings=settings)

    def close(self) -> None:
        """Close both."""
        self.points.close()
        self.reports.close()


def work(writer: Writer, now_ms: int) -> int:
    """Let the writer do all it can at ``now_ms`` and once more when its gathering time is over; the later instant."""
    later_ms = now_ms + 1_000
    for instant in (now_ms, later_ms):
        for _ in range(1_000):
            if not writer.step(instant):
                break
    return later_ms
