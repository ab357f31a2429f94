"""Counts what the gateway has journaled, beside the processor: unique (device, stream, boot, seq)."""

from __future__ import annotations

import threading
from pathlib import Path

from journal import JournalReader
from telemetry.blocks import messages_of
from telemetry.codec import decode
from telemetry.errors import TelemetryError
from telemetry.records import RawMessage
from telemetry.topics import parse_topic

_NAME = "demo-audit"
Key = tuple[str, str, int, int]


class Audit:
    """Follows the journal `raw` in a thread of its own. It is no registered consumer: it holds nothing back."""

    def __init__(self, raw: Path) -> None:
        self._raw = raw
        self._stop = threading.Event()
        self._keys: set[Key] = set()
        self._thread = threading.Thread(target=self._follow, name=_NAME, daemon=True)

    def __enter__(self) -> Audit:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def __len__(self) -> int:
        return len(self._keys)

    def missing(self, published: set[Key]) -> set[Key]:
        """What was published and is not in the journal (yet)."""
        return published - self._keys

    def _follow(self) -> None:
        reader = JournalReader(self._raw, _NAME)
        try:
            while not self._stop.is_set():
                batches = reader.read()
                for batch in batches:
                    for record in batch.records:
                        for message in messages_of(record):
                            self._count(message)
                if not batches:
                    reader.wait(0.2)
        finally:
            reader.close()

    def _count(self, message: RawMessage) -> None:
        try:
            device, stream = parse_topic(message.topic)
            said = decode(stream, message.payload)
        except TelemetryError:
            return  # the gateway's own markers, and what goes to the quarantine
        self._keys.add((device, stream.value, said.boot, said.seq))
