"""Calls for help that wait behind a backlog: found at once, and once more, under the same id, when it is their turn.

After minutes without a processor, or when a district's devices empty their buffers, a call may stand in the journal
behind millions of frames. Whoever takes findings in knows one by its id, so that it is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Detection
from ingest.hubs_ahead import HubsAhead
from journal import JournalReader
from telemetry.blocks import RawBlock, is_block, may_hold_events, may_hold_hubs, unpack_block
from telemetry.layouts import rows_of
from telemetry.records import RawMessage, unpack_raw
from telemetry.topics import PREFIX

_EVENT = b"/event"
_OURS = f"{PREFIX}/".encode()
#: Read at a time, and between two turns of the ordinary work at most: some tenths of a second.
_READ_BYTES, _LOOK_BYTES = 8 << 20, 256 << 20
#: The same for messages of hubs, each of which is taken apart, in most of a second: more than a turn takes of them.
_READ_HUBS_BYTES, _LOOK_HUBS = 1 << 20, 40_000

_Choice = Callable[[RawBlock], NDArray[np.bool_]]


class Overtaking:
    """Looks through what lies ahead of the ordinary work.

    Args:
        reader: of the journal `raw`, with a position of its own; the consumer's is left alone.
        calls: what is found in one event, remembering nothing.
    """

    def __init__(self, reader: JournalReader, calls: Callable[[RawMessage], list[Detection]]) -> None:
        self._reader = reader
        self._calls = calls

    def look(self, position: int) -> list[Detection]:
        """Calls for help behind ``position`` of the journal, as far as was not looked before."""
        reader = self._reader
        if reader.position < position:
            reader.seek(position)
        found: list[Detection] = []
        until = reader.position + _LOOK_BYTES
        while reader.position < until and (batches := reader.read(_READ_BYTES)):
            for batch in batches:
                for record in filter(may_hold_events, batch.records):
                    for message in _chosen(record, _are_events):
                        found += self._calls(message)
        return found

    def close(self) -> None:
        """Give the files back."""
        self._reader.close()


class OvertakingHubs:
    """Looks through what hubs have said ahead of the ordinary work.

    Args:
        reader: of the journal `raw`, as for :class:`Overtaking`.
        begin: what knows hubs as the ordinary work does now; None where there are no hubs.
    """

    def __init__(self, reader: JournalReader, begin: Callable[[], HubsAhead | None]) -> None:
        self._reader = reader
        self._begin = begin
        self._ahead: HubsAhead | None = None

    def look(self, position: int) -> list[Detection]:
        """Calls for help behind ``position`` of the journal, where the ordinary work is now, as far as was not looked
        before."""
        reader = self._reader
        if self._ahead is None or reader.position < position:
            self._ahead = self._begin()
            reader.seek(position)
        if self._ahead is None:
            return []
        found: list[Detection] = []
        until, taken = reader.position + _LOOK_BYTES, 0
        while reader.position < until and taken < _LOOK_HUBS and (batches := reader.read(_READ_HUBS_BYTES)):
            for batch in batches:
                for record in filter(may_hold_hubs, batch.records):
                    for message in _chosen(record, _are_of_hubs):
                        found += self._ahead.take(message)
                        taken += 1
        return found

    def rest(self) -> None:
        """Nothing waits: forget what was known ahead, and begin anew with the next look."""
        self._ahead = None

    def close(self) -> None:
        """Give the files back."""
        self._reader.close()


def _chosen(record: memoryview, choice: _Choice) -> Iterator[RawMessage]:
    """Some messages of a record; what cannot be read waits for its turn."""
    try:
        if not is_block(record):
            return iter([unpack_raw(record)])
        block = unpack_block(record)
        return map(block.message, np.flatnonzero(choice(block)).tolist())
    except ValueError:
        return iter(())


def _are_events(block: RawBlock) -> NDArray[np.bool_]:
    """Of which messages the topic ends as an event's does."""
    return _have(block, block.topic_end.astype(np.int64) - len(_EVENT), _EVENT)


def _are_of_hubs(block: RawBlock) -> NDArray[np.bool_]:
    """Which messages are under no topic of a device's own."""
    return ~_have(block, block.topic_start.astype(np.int64), _OURS)


def _have(block: RawBlock, at: NDArray[np.int64], what: bytes) -> NDArray[np.bool_]:
    """Which messages have these bytes at that place of their topics."""
    have = (at >= block.topic_start) & (at + len(what) <= block.topic_end)
    if have.any():
        rows = rows_of(block.data, at[have], len(what))
        have[have] = (rows == np.frombuffer(what, np.uint8)).all(axis=1)
    return have
