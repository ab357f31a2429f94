"""One entry of the quarantine: a message that could not be taken, and why."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import msgspec

from journal.errors import JournalError
from telemetry.errors import Reason
from telemetry.records import Flag, RawMessage

#: What is kept of a payload. Enough to see what a device sent; 10 MB of it would be the attack, not the evidence.
MAX_KEPT_BYTES = 64 << 10
_MAX_DETAIL = 1000

_STAGE = re.compile(r"[a-z][a-z0-9_]*")
_ID = re.compile(rf"({_STAGE.pattern})-(\d{{1,20}})-(\d{{1,9}})")

#: The stage whose entries are points, not messages of a device: they cannot be put back into `raw`'s way.
_POINTS_STAGE = "writer"


class BadEntryIdError(JournalError):
    """Not the id of an entry."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} is no id of a quarantine entry (like processor-4096-0): `carecircle quarantine list` names them"
        )
        self.text = text


class EntryNotFoundError(JournalError):
    """The entry is not there (any more)."""

    def __init__(self, entry_id: str) -> None:
        super().__init__(
            f"no entry {entry_id}: the oldest are dropped when the quarantine is full. `carecircle quarantine list` "
            "names those that are kept"
        )
        self.entry_id = entry_id


class BadStageError(JournalError):
    """Not a name that a stage may have."""

    def __init__(self, stage: str) -> None:
        super().__init__(f"stage {stage!r} must match {_STAGE.pattern}, like gateway, processor, writer")
        self.stage = stage


class Stored(msgspec.Struct, array_like=True, frozen=True, tag="entry"):
    """The record of an entry. ``payload`` is cut, ``size`` and ``sha256`` are of the whole."""

    reason: str
    detail: str
    device: str | None
    recv_ms: int
    flags: int
    topic: bytes
    payload: bytes
    size: int
    sha256: bytes


class Tally(msgspec.Struct, array_like=True, tag="tally"):
    """How many messages came in by reason, over all time: ``kept`` as entries, and ``counted`` only.

    Counted only are those over their device's quota, and those that came while the disk was full. Kept ones may have
    been dropped since, when the quarantine had grown to its bound.
    """

    kept: dict[str, int] = msgspec.field(default_factory=dict)
    counted: dict[str, int] = msgspec.field(default_factory=dict)

    def total(self) -> dict[str, int]:
        """All messages by reason."""
        return {reason: self.kept.get(reason, 0) + self.counted.get(reason, 0) for reason in self.kept | self.counted}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Stored | Tally)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is shown. ``payload`` has at most :data:`MAX_KEPT_BYTES` of the ``size`` bytes that came.

    ``reason`` is a :class:`telemetry.errors.Reason` value, or a word of a newer version. ``replayed_ms`` is when it was
    last put back, None where it never was.
    """

    id: str
    stage: str
    reason: str
    detail: str
    device: str | None
    recv_ms: int
    flags: Flag
    topic: bytes
    payload: bytes
    size: int
    sha256: str
    replayed_ms: int | None = None

    @property
    def topic_text(self) -> str:
        """The topic as text, whatever bytes it was."""
        return self.topic.decode("utf-8", "backslashreplace")

    @property
    def is_cut(self) -> bool:
        """Whether only the beginning of the payload was kept."""
        return len(self.payload) < self.size

    @property
    def obstacle(self) -> str | None:
        """Why this entry can never be replayed; None where it can."""
        if self.is_cut:
            return f"only the first {len(self.payload):,} of {self.size:,} bytes were kept"
        if self.stage == _POINTS_STAGE:
            return "it holds points that the store refused, not a device's message"
        return None


def require_stage(stage: str) -> str:
    """``stage``, or BadStageError."""
    if not _STAGE.fullmatch(stage):
        raise BadStageError(stage)
    return stage


def entry_id(stage: str, position: int, index: int) -> str:
    """The name of the record ``index`` of the batch at ``position``."""
    return f"{stage}-{position}-{index}"


def parse_id(text: str) -> tuple[str, int, int]:
    """``(stage, position, index)``; raises BadEntryIdError."""
    found = _ID.fullmatch(text)
    if found is None:
        raise BadEntryIdError(text)
    return found[1], int(found[2]), int(found[3])


def pack_entry(reason: Reason, detail: str, message: RawMessage, device: str | None) -> bytes:
    """The record of a message that could not be taken, its payload cut."""
    payload = message.payload
    stored = Stored(
        reason.value,
        detail[:_MAX_DETAIL],
        device,
        message.recv_ms,
        int(message.flags),
        message.topic,
        payload[:MAX_KEPT_BYTES],
        len(payload),
        hashlib.sha256(payload).digest(),
    )
    return _encoder.encode(stored)


def pack_tally(tally: Tally) -> bytes:
    """The record that carries the counts over a restart."""
    return _encoder.encode(tally)


def unpack(record: bytes | memoryview) -> Stored | Tally | None:
    """What a record holds; None where it is of a version that this one does not know."""
    try:
        held: Stored | Tally = _decoder.decode(record)
    except msgspec.DecodeError:
        return None
    return held


def to_entry(stored: Stored, stage: str, position: int, index: int, replayed: dict[str, int]) -> Entry:
    """The entry as it is shown; ``replayed`` says when which id was put back."""
    name = entry_id(stage, position, index)
    return Entry(
        name,
        stage,
        stored.reason,
        stored.detail,
        stored.device,
        stored.recv_ms,
        Flag(stored.flags),
        stored.topic,
        stored.payload,
        stored.size,
        stored.sha256.hex(),
        replayed.get(name),
    )
