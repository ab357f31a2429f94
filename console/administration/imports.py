"""Files that were uploaded: what they would change, and writing exactly that. Held in memory until they are written, or
for half an hour; what a job needs to be written is that nobody has changed the registry since."""

from __future__ import annotations

import logging
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from console.access.audit import Event, record
from console.access.viewer import Viewer
from console.administration.editor import record_changes
from console.administration.scope import judge_of
from registry import Diff
from registry.checking import Tables
from registry.entries import TYPES
from registry.errors import NoFolderError, OutdatedError, RegistryError
from registry.importing import import_rows
from registry.reading import WHOLE, Rows, read_folder

_log = logging.getLogger(__name__)

MOST_BYTES = 20_000_000
MOST_FILES = 40
#: An upload is being worked on.
BUSY = frozenset({"reading", "checking", "writing"})
_KEPT_S = 1800.0
_MOST_JOBS = 8
_NAME = re.compile(r"[\w.:-]{1,100}\.(?:yaml|yml|csv|ics)")


@dataclass
class Job:
    """One upload. ``state``: reading, checking, ready, writing, done; outdated, failed. ``fault`` says why it failed,
    ``passed`` which files are none of ours."""

    token: str
    user: str
    names: tuple[str, ...]
    remove: bool
    made_s: float
    passed: tuple[str, ...] = ()
    state: str = "reading"
    fault: str = ""
    rows: Rows | None = None
    diff: Diff | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def busy(self) -> bool:
        """Whether it is being worked on."""
        return self.state in BUSY


class Imports:
    """The uploads of this console. Safe to be asked from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def begin(self, viewer: Viewer, files: Mapping[str, bytes], *, remove: bool) -> Job:
        """Take files and look, beside the pages, what they would change."""
        known = {name: content for name, content in files.items() if is_ours(name)}
        passed = tuple(sorted(set(files) - set(known)))
        now_s = time.monotonic()
        job = Job(secrets.token_urlsafe(18), viewer.name, tuple(sorted(known)), remove, now_s, passed)
        with self._lock:
            fresh = {key: one for key, one in self._jobs.items() if one.busy or now_s - one.made_s < _KEPT_S}
            for key in [key for key, one in fresh.items() if not one.busy][: max(0, len(fresh) + 1 - _MOST_JOBS)]:
                del fresh[key]
            self._jobs = {**fresh, job.token: job}
        self._run(self._read, job, viewer, known)
        return job

    def find(self, viewer: Viewer, token: str) -> Job | None:
        """The upload of somebody; None for one that is not theirs, or gone."""
        with self._lock:
            job = self._jobs.get(token)
        return job if job is not None and job.user == viewer.name else None

    def write(self, viewer: Viewer, job: Job, now_ms: int) -> bool:
        """Write what was shown, beside the pages; False when it is not ready to be written."""
        with job.lock:
            if job.state != "ready" or job.diff is None or job.diff.problems:
                return False
            job.state = "writing"
        self._run(self._write, job, viewer, now_ms)
        return True

    def look_again(self, viewer: Viewer, job: Job) -> None:
        """See anew what it would change."""
        with job.lock:
            if job.state != "outdated":
                return
            job.state = "checking"
        self._run(self._check, job, viewer)

    def _run(self, work: Callable[..., None], job: Job, *values: object) -> None:
        def run() -> None:
            try:
                work(job, *values)
            except OutdatedError:
                job.state = "outdated"
            except NoFolderError:
                job.state, job.fault = "failed", "nothing"
            except RegistryError as error:
                job.state, job.fault = "failed", str(error)
            except SQLAlchemyError as error:
                _log.warning("an import was not looked at or written: %s", error)
                job.state, job.fault = "failed", "database"
            except Exception:
                _log.exception("an import failed")
                job.state, job.fault = "failed", "defect"

        threading.Thread(target=run, name="console-import", daemon=True).start()

    def _read(self, job: Job, viewer: Viewer, files: Mapping[str, bytes]) -> None:
        with tempfile.TemporaryDirectory(prefix="carecircle-import-") as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            job.rows = read_folder(Path(folder))
        job.state = "checking"
        self._check(job, viewer)

    def _check(self, job: Job, viewer: Viewer) -> None:
        assert job.rows is not None
        job.diff = import_rows(self._engine, job.rows, dry_run=True, remove=job.remove, judge=judge_of(viewer))
        job.state = "ready"

    def _write(self, job: Job, viewer: Viewer, now_ms: int) -> None:
        assert job.rows is not None
        assert job.diff is not None

        def then(connection: Connection, diff: Diff, before: Tables, after: Tables) -> None:
            record(
                connection, Event.IMPORT, who=viewer.who, user=viewer.user, now_ms=now_ms, kind="import",
                subject=", ".join(job.names)[:255], area=viewer.areas[0] if viewer.areas else "",
                data={"changes": len(diff.changes), "revision": diff.revision},
            )  # fmt: skip
            record_changes(connection, viewer, diff.changes, before, after, now_ms, by="import")

        job.diff = import_rows(
            self._engine, job.rows, remove=job.remove, judge=judge_of(viewer), revision=job.diff.revision, then=then
        )
        job.state = "done"
        job.rows = None


def is_ours(name: str) -> bool:
    """Whether a file of this name is read."""
    stem = name.rpartition(".")[0]
    return bool(_NAME.fullmatch(name)) and (name.endswith(".ics") or stem in (*TYPES, WHOLE))
