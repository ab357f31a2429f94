"""Reads journals beside the system, as they grow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from journal import JournalReader


class Follower:
    """Hands every record of one journal to ``take``, in a thread of its own. A context manager.

    The journal drops what its own consumers have passed; who falls behind that far sees a gap: :meth:`check` says so.
    """

    def __init__(self, directory: Path, take: Callable[[bytes], None]) -> None:
        self._reader = JournalReader(directory, "chaos")
        self._take = take
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"follow {directory.name}", daemon=True)

    @property
    def is_at_end(self) -> bool:
        """Whether everything written so far has been taken."""
        return self._reader.lag_bytes() == 0

    def check(self) -> None:
        """Raise AssertionError unless every record was seen."""
        if self._error is not None:
            raise AssertionError(f"{self._reader.directory} cannot be followed") from self._error
        lost = self._reader.gap_bytes + self._reader.damaged_bytes
        assert not lost, f"{lost} bytes of {self._reader.directory} were gone before they were read: nothing is known"

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                batches = self._reader.read()
                for batch in batches:
                    for record in batch.records:
                        self._take(bytes(record))
                if not batches:
                    self._stop.wait(0.05)
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._reader.close()
