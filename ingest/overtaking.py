"""Calls for help that wait behind a backlog: found at once, and once more, under the same id, when it is their turn.

After minutes without a processor, or when a district's devices empty their buffers, a call may stand in the journal
behind millions of frames. Whoever takes findings in knows one by its id, so that it is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from detectors.detection import Detection
from journal import JournalReader
from telemetry.blocks import RawBlock, is_block, may_hold_events, unpack_block
from telemetry.layouts import rows_of
from telemetry.records import RawMessage, unpack_raw

_EVENT = b"/event"
#: Read at a time, and between two turns of the ordinary work at most: some tenths of a second.
_READ_BYTES, _LOOK_BYTES = 8 << 20, 256 << 20


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
                    for message in _events(record):
                        found += self._calls(message)
        return found

    def close(self) -> None:
        """Give the files back."""
        self._reader.close()


def _events(record: memoryview) -> Iterator[RawMessage]:
    """The messages of a record whose topic ends as an event's does; what cannot be read waits for its turn."""
    try:
        block = unpack_block(record) if is_block(record) else None
        messages = [unpack_raw(record)] if block is None else [block.message(at) for at in _places(block)]
    except ValueError:
        return
    yield from (message for message in messages if message.topic.endswith(_EVENT))


def _places(block: RawBlock) -> list[int]:
    size = len(_EVENT)
    long = np.flatnonzero(block.topic_end - block.topic_start >= size)
    ends = rows_of(block.data, block.topic_end[long].astype(np.int64) - size, size)
    return [int(at) for at in long[(ends == np.frombuffer(_EVENT, np.uint8)).all(axis=1)]]
