"""What a detector found: the one type that leaves this room."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec


class Stage(StrEnum):
    """Where a finding stands. A finding goes through them under one id."""

    SUSPECTED = "suspected"  # the wearer may be asked; nobody else is told
    CONFIRMED = "confirmed"  # opens an incident
    WITHDRAWN = "withdrawn"  # it was not one after all
    FOLLOW_UP = "follow_up"  # what came after: changes severity


class Severity(StrEnum):
    """How urgent, lowest first; the order of :data:`SEVERITY_ORDER`."""

    INFO = "info"
    WARNING = "warning"
    URGENT = "urgent"
    CRITICAL = "critical"


SEVERITY_ORDER: tuple[str, ...] = tuple(Severity)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The raw samples that were decided on, for the plot and for deciding again.

    ``acc`` is little-endian int16, n x 3, row-major, in counts of ``lsb_g``; ``gyr`` likewise in ``lsb_dps`` (empty
    without a gyroscope). A sample of -32768 on all three axes is a gap. ``t0_ms`` is the first sample's instant on the
    corrected clock (the one of ``onset_ms``).
    """

    t0_ms: int
    fs_hz: float
    lsb_g: float
    acc: bytes
    lsb_dps: float = 1.0
    gyr: bytes = b""


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """One finding at one stage. Idempotent by ``(id, stage)``.

    Instants are epoch milliseconds UTC on our clock (the device's, corrected by its clock offset). ``score`` is 0..1.
    ``features`` are the numbers that made the decision, named with their units.
    """

    id: str
    stage: Stage
    device: str
    person: str | None  # pseudonymous key; None for an unknown or unassigned device
    detector: str
    version: str
    kind: str  # fall, sos, cancel, ...
    onset_ms: int
    decided_ms: int
    recv_ms: int  # of the message that allowed the decision
    severity: Severity
    score: float
    historical: bool = False
    features: dict[str, float] = msgspec.field(default_factory=dict)
    notes: dict[str, str] = msgspec.field(default_factory=dict)  # words: clock findings, what a cancel answers
    params_hash: str = ""
    window: Window | None = None


def detection_id(device: str, detector: str, boot: int, onset: int) -> str:
    """The id of a finding: a hash of (device, detector, boot, onset by the device's own clock in ms).

    For events ``onset`` is the message's ``seq``, so that a repeated press of one button event is one finding.
    """
    digest = hashlib.blake2b(f"{device}\0{detector}\0{boot}\0{onset}".encode(), digest_size=12)
    return digest.hexdigest()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Detection)


def pack_detection(detection: Detection) -> bytes:
    """The journal record of a finding."""
    return _encoder.encode(detection)


def unpack_detection(record: bytes | memoryview) -> Detection:
    """The finding of a journal record. Raises msgspec.DecodeError when it is none."""
    return _decoder.decode(record)
