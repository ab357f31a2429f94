"""A whole CareCircle as child processes, against servers that the test started."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine

import registry
from alerts import queries
from alerts.queries import IncidentView
from carecircle import roles
from carecircle.settings import Settings
from carecircle.supervisor import Supervisor
from firmware_sim.district import write_district
from firmware_sim.scenario import Member
from journal import JournalReader
from journal.offsets import SUFFIX, load_offset
from journal.segments import list_segments, whole_end
from telemetry.blocks import messages_of
from telemetry.codec import decode_motion
from telemetry.records import RawMessage
from telemetry.topics import parse_topic
from tests.servers.sink import SECRET

STAGES = ("gateway", "processor", "writer", "alerts")


def wait_until(ready: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Return once ``ready``; raise TimeoutError that says ``what`` was waited for."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {timeout_s} s still not: {what}")
        time.sleep(0.05)


class System:
    """The roles with a registry of ``members``, kept alive by the supervisor that `carecircle run` uses.

    ``raw`` follows the journal `raw` and keeps every message, so that a test can compute what should have come out.
    Where it misses one, or the supervisor fails, so does the block in which the system runs, at its end.
    """

    def __init__(
        self, folder: Path, members: Sequence[Member], *, broker_url: str, webhook_url: str,
        environment: dict[str, str] | None = None, wanted: Sequence[str] = STAGES,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.environment = {
            "CARECIRCLE_DATA_DIR": str(folder / "data"),
            "CARECIRCLE_BROKER__URL": broker_url,
            "CARECIRCLE_JOURNAL__RESERVE_BYTES": str(1 << 20),
            **(environment or {}),
        }
        self.settings = _settings_of(self.environment)
        self.engine: Engine = roles.prepare(self.settings)
        write_district(folder / "district", members, webhook_url=webhook_url, webhook_secret=SECRET)
        imported = registry.import_folder(self.engine, folder / "district")
        assert not imported.problems, imported.problems
        self.supervisor = Supervisor(log=folder / "log", environment=self.environment)
        self.raw: list[RawMessage] = []
        self._wanted = wanted
        self._raw_from = _goes_on(self.settings.journal_dir / "raw")
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor()
        self._beside: list[Future[Any]] = []

    def __enter__(self) -> Self:
        for role in self._wanted:
            self.supervisor.add_role(role)
        self._beside = [self._pool.submit(self.supervisor.run, self._stop), self._pool.submit(self._follow)]
        subscribed = self.settings.state_dir / "gateway.subscribed"
        detections = self.settings.journal_dir / "detections"
        try:
            wait_until(subscribed.exists, 30, f"the gateway is subscribed\n{self.log('gateway')}")
            wait_until(detections.exists, 30, "the processor works")
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown()
        self.engine.dispose()
        for failed in filter(None, (one.exception() for one in self._beside)):
            if error is None:
                raise failed
            error.add_note(f"and beside it: {type(failed).__name__}: {failed}")

    def kill(self, role: str) -> None:
        """SIGKILL; the supervisor starts it again."""
        wait_until(lambda: role in self.supervisor.process_ids(), 10, f"{role} runs")
        os.kill(self.supervisor.process_ids()[role], signal.SIGKILL)

    def log(self, role: str) -> str:
        """The end of a role's log."""
        path = self.folder / "log" / f"{role}.log"
        return path.read_text()[-3000:] if path.exists() else "(no log)"

    def lag(self, journal: str, consumer: str) -> int:
        """Bytes of a journal that a consumer has not committed."""
        reader = JournalReader(self.settings.journal_dir / journal, consumer)
        try:
            return reader.lag_bytes()
        finally:
            reader.close()

    def journaled(self) -> set[tuple[str, str, int, int]]:
        """(device, stream, boot, seq) of the motion frames in the journal `raw` so far."""
        keys = set()
        for message in list(self.raw):
            if message.topic.endswith(b"/motion"):
                frame = decode_motion(message.payload)
                keys.add((parse_topic(message.topic)[0], "motion", frame.boot, frame.seq))
        return keys

    def incidents(self) -> list[IncidentView]:
        """All incidents, resolved ones too."""
        return queries.open_incidents(self.engine, resolved_since_ms=0)

    def _follow(self) -> None:
        reader = JournalReader(self.settings.journal_dir / "raw", "test-audit")
        try:
            reader.seek(self._raw_from)
            while not self._stop.is_set():
                batches = reader.read()
                self.raw.extend(m for batch in batches for record in batch.records for m in messages_of(record))
                if not batches:
                    reader.wait(0.1)
            assert reader.gap_bytes == 0, f"{reader.gap_bytes} bytes of `raw` were gone before they were read"
        finally:
            reader.close()


def _goes_on(journal: Path) -> int:
    """Where a journal will go on: behind all that was restored of it, which may be dropped at once, and was read."""
    saved = [load_offset(path) or 0 for path in journal.glob(f"*{SUFFIX}")]
    return max([0, *map(whole_end, list_segments(journal)), *saved])


def _settings_of(environment: dict[str, str]) -> Settings:
    before = dict(os.environ)
    try:
        for name in [name for name in os.environ if name.startswith("CARECIRCLE_")]:
            del os.environ[name]
        os.environ.update(environment)
        return Settings()
    finally:
        os.environ.clear()
        os.environ.update(before)
