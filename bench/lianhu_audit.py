"""Which of the published messages the gateway has in its journal, counted beside the processor."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from firmware_sim.frames import SEQ_AT
from firmware_sim.truth import Truth
from journal import JournalReader
from telemetry.blocks import RawBlock, is_block, unpack_block
from telemetry.errors import TelemetryError
from telemetry.records import unpack_raw
from telemetry.topics import Stream, parse_topic

#: A wearer's number are the last digits of its id.
_DIGITS = 5
_MOTION = b"/motion"
#: Keys that came one by one become an array when they are so many.
_GATHERED = 65_536


class _Key(msgspec.Struct):
    boot: int
    seq: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the published messages. ``unseen_bytes`` of the journal were dropped before we looked."""

    published: int
    journaled: int
    lost: int
    again: int  # messages that the journal has a second time
    unseen_bytes: int


class LianhuAudit:
    """Follows the journal `raw` in a thread of its own. It is no registered consumer: it holds nothing back.

    Frames of motion must come from :class:`firmware_sim.pool_lane.PoolLane` or have the same layout; their keys are
    gathered as numbers, a hundred thousand a second.
    """

    def __init__(self, raw: Path) -> None:
        self._raw = raw
        self._stop = threading.Event()
        self._motion: list[NDArray[np.int64]] = []  # device number << 32 | seq
        self._single: list[int] = []
        self._others: dict[tuple[str, str, int, int], int] = {}
        self._unseen = 0
        self._thread = threading.Thread(target=self._follow, name="lianhu-audit", daemon=True)

    def __enter__(self) -> LianhuAudit:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def compare(self, truth: Truth) -> Kept:
        """Hold the journal against what the broker took."""
        self._gather()
        frames = [part for part in truth.published if part.stream == Stream.MOTION.value]
        wanted = [int(p.device[-_DIGITS:]) << 32 | np.arange(a, b + 1) for p in frames for a, b in p.seq]
        motion = np.unique(np.concatenate([*wanted, np.zeros(0, np.int64)]))
        got = np.concatenate([*self._motion, np.zeros(0, np.int64)])
        there = np.unique(got)
        others = {
            (part.device, part.stream, part.boot, seq)
            for part in truth.published
            if part.stream != Stream.MOTION.value
            for first, last in part.seq
            for seq in range(first, last + 1)
        }
        lost = len(motion) - int(np.isin(motion, there, assume_unique=True).sum()) + len(others - self._others.keys())
        return Kept(
            published=len(motion) + len(others),
            journaled=len(there) + len(self._others),
            lost=lost,
            again=len(got) - len(there) + sum(self._others.values()) - len(self._others),
            unseen_bytes=self._unseen,
        )

    def _follow(self) -> None:
        reader = JournalReader(self._raw, "bench-audit")
        try:
            while True:
                batches = reader.read()
                for batch in batches:
                    for record in batch.records:
                        self._take(record)
                if not batches:
                    if self._stop.is_set():
                        return
                    reader.wait(0.1)
        finally:
            self._unseen = reader.gap_bytes
            reader.close()

    def _take(self, record: bytes | memoryview) -> None:
        if is_block(record):
            self._take_block(unpack_block(record))
            return
        message = unpack_raw(record)
        if message.topic.endswith(_MOTION):
            number = int(message.topic[-len(_MOTION) - _DIGITS : -len(_MOTION)])
            seq = int.from_bytes(message.payload[SEQ_AT : SEQ_AT + 8], "big")
            self._single.append(number << 32 | seq)
            if len(self._single) >= _GATHERED:
                self._gather()
        else:
            self._take_other(bytes(message.topic), bytes(message.payload))

    def _gather(self) -> None:
        self._motion.append(np.array(self._single, np.int64))
        self._single.clear()

    def _take_block(self, block: RawBlock) -> None:
        ends = block.topic_end.astype(np.int64)
        is_motion = (ends - block.topic_start > len(_MOTION) + _DIGITS) & (block.data[ends - 1] == _MOTION[-1])
        at = ends[is_motion] - len(_MOTION) - _DIGITS
        digits = block.data[at[:, None] + np.arange(_DIGITS)].astype(np.int64) - ord("0")
        number = digits @ 10 ** np.arange(_DIGITS - 1, -1, -1)
        begins = block.payload_start[is_motion].astype(np.int64) + SEQ_AT
        seqs = np.ascontiguousarray(block.data[begins[:, None] + np.arange(8)]).view(">u8")[:, 0]
        self._motion.append(number << 32 | seqs.astype(np.int64))
        for i in np.flatnonzero(~is_motion).tolist():
            message = block.message(i)
            self._take_other(message.topic, message.payload)

    def _take_other(self, topic: bytes, payload: bytes) -> None:
        try:
            device, stream = parse_topic(topic)
            said = msgspec.json.decode(payload, type=_Key)
        except (TelemetryError, msgspec.DecodeError):
            return  # the gateway's own markers
        key = (device, stream.value, said.boot, said.seq)
        self._others[key] = self._others.get(key, 0) + 1
