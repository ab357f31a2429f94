"""What was found and is not taken yet: bounded, the most urgent first."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from detectors.detection import SEVERITY_ORDER, Detection, unpack_detection
from journal import JournalReader

_log = logging.getLogger(__name__)

#: How much of the journal is held at most. With the motion around each about a thousand falls.
_MOST_BYTES = 8 << 20
_READ_BYTES = 256 << 10
#: Taken in one transaction, as others wait for the database meanwhile, and sends for its end.
_BITE = 64


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that is no detection: why, and its bytes."""

    why: str
    record: bytes


def most_urgent_first(detections: Iterable[Detection]) -> list[Detection]:
    """The order in which a backlog is taken: by the worst finding about a person, then as they arrived. What was
    found about one person stays in its order. Pure."""
    arrived = list(detections)
    worst: dict[str, int] = {}
    for one in arrived:
        rank = SEVERITY_ORDER.index(one.severity.value)
        worst[_whose(one)] = max(rank, worst.get(_whose(one), 0))
    return sorted(arrived, key=lambda one: -worst[_whose(one)])


def _whose(detection: Detection) -> str:
    return detection.person or f"device {detection.device}"


class Backlog:
    """Detections of a journal, a bite at a time. The journal's offset moves on when all that was read is taken; what a
    crash delivers again is known by its key."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._waiting: list[Detection] = []
        self._refused: list[Refused] = []
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._waiting or self._refused)

    def fill(self) -> None:
        """Read what is new. What is too much stays in the journal until all of this is taken."""
        new = False
        while self._bytes < _MOST_BYTES and (batches := self._reader.read(_READ_BYTES)):
            new = True
            for batch in batches:
                for record in batch.records:
                    self._bytes += len(record)
                    self._add(bytes(record), batch.end)
        if new:
            self._waiting = most_urgent_first(self._waiting)

    def _add(self, record: bytes, end: int) -> None:
        try:
            self._waiting.append(unpack_detection(record))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("a record of `detections` before position %d is none: %s", end, error)
            self._refused.append(Refused(f"before position {end}: {error}", record))

    def next(self) -> tuple[list[Detection], list[Refused]]:
        """What is to be taken in one transaction: detections, and records that are none."""
        return self._waiting[:_BITE], self._refused

    def taken(self) -> None:
        """What :meth:`next` gave is committed."""
        del self._waiting[:_BITE]
        self._refused = []
        if not self._waiting:
            self._bytes = 0
            self._reader.commit(self._reader.position)
