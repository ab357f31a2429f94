"""Decode what came in, encode what goes out. MessagePack and JSON, told apart by the first byte."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from telemetry.diagnosis import DECODE_ERRORS, is_msgpack, read_leniently, refusal
from telemetry.errors import Reason, TelemetryError
from telemetry.messages import (
    MAX_SAMPLES,
    MAX_TEXT,
    Command,
    Event,
    Home,
    ListedMotion,
    Message,
    PackedMotion,
    Status,
    Vitals,
)
from telemetry.topics import Stream

#: The largest payload that is looked at, in bytes. Motion: both arrays at their longest, in JSON, and some room.
MAX_PAYLOAD: dict[Stream, int] = {
    Stream.MOTION: 1 << 20,
    Stream.VITALS: 4_096,
    Stream.HOME: 4_096,
    Stream.EVENT: 65_536,  # a call for help is not refused for its padding
    Stream.STATUS: 4_096,
    Stream.CMD: 4_096,
}

_INT16 = np.dtype("<i2")

_MessageT = TypeVar("_MessageT", bound=msgspec.Struct)
_to_msgpack = msgspec.msgpack.Encoder()
_to_json = msgspec.json.Encoder()


class Motion(msgspec.Struct, frozen=True, eq=False):
    """A decoded motion frame.

    ``acc`` is ``(n, 3)``, either int16 counts of ``lsb`` g (a read-only view of the payload, nothing copied) or
    float32 in g with ``lsb`` 1.0; ``gyr`` likewise in ``glsb`` deg/s, or None.
    """

    t: int
    boot: int
    seq: int
    hist: bool
    fs: float
    lsb: float
    acc: NDArray[np.int16] | NDArray[np.float32]
    glsb: float
    gyr: NDArray[np.int16] | NDArray[np.float32] | None
    idle_until: int | None

    def acc_g(self) -> NDArray[np.float32]:
        """``(n, 3)`` float32, in g."""
        return self.acc.astype(np.float32) * np.float32(self.lsb)

    def gyr_dps(self) -> NDArray[np.float32] | None:
        """``(n, 3)`` float32, in deg/s, or None where the device has no gyroscope."""
        return None if self.gyr is None else self.gyr.astype(np.float32) * np.float32(self.glsb)


Decoded = Motion | Vitals | Home | Event | Status


def _check_size(stream: Stream, payload: bytes) -> None:
    limit = MAX_PAYLOAD[stream]
    if len(payload) > limit:
        raise TelemetryError(Reason.TOO_LARGE, f"{len(payload)} bytes, {stream.value} takes {limit}")
    if not payload:
        raise TelemetryError(Reason.UNDECODABLE, "empty payload")


class _EitherEncoding(Generic[_MessageT]):
    """The decoders of a message type that has the same fields in both encodings."""

    def __init__(self, stream: Stream, message_type: type[_MessageT]) -> None:
        self._stream = stream
        self._fields = message_type.__struct_fields__
        self._msgpack = msgspec.msgpack.Decoder(message_type)
        self._json = msgspec.json.Decoder(message_type)

    def decode(self, payload: bytes) -> _MessageT:
        _check_size(self._stream, payload)
        try:
            return self._msgpack.decode(payload) if is_msgpack(payload) else self._json.decode(payload)
        except DECODE_ERRORS as error:
            raise refusal(payload, error, self._fields) from None


_vitals = _EitherEncoding(Stream.VITALS, Vitals)
_home = _EitherEncoding(Stream.HOME, Home)
_event = _EitherEncoding(Stream.EVENT, Event)
_status = _EitherEncoding(Stream.STATUS, Status)
_command = _EitherEncoding(Stream.CMD, Command)
_packed_motion = msgspec.msgpack.Decoder(PackedMotion)
_listed_motion = msgspec.json.Decoder(ListedMotion)


def decode_vitals(payload: bytes) -> Vitals:
    """A vitals reading. Raises TelemetryError."""
    return _vitals.decode(payload)


def decode_home(payload: bytes) -> Home:
    """A home sensor's reading. Raises TelemetryError."""
    message = _home.decode(payload)
    # The only number without a range, and it is the range that refuses NaN.
    if isinstance(message.value, float) and not math.isfinite(message.value):
        raise TelemetryError(Reason.NOT_FINITE, f"value is {message.value}")
    return message


def decode_event(payload: bytes) -> Event:
    """An event. Raises TelemetryError; an SOS that this refuses may still pass :func:`rescue_event`."""
    return _event.decode(payload)


def decode_status(payload: bytes) -> Status:
    """A status message. Raises TelemetryError."""
    return _status.decode(payload)


def decode_command(payload: bytes) -> Command:
    """A command as a device reads it. Raises TelemetryError."""
    return _command.decode(payload)


def _samples(name: str, packed: memoryview) -> NDArray[np.int16]:
    if len(packed) % 6:
        raise TelemetryError(
            Reason.WRONG_LENGTH, f"{name} has {len(packed)} bytes, not a multiple of 6 (three little-endian int16)"
        )
    return np.ndarray((len(packed) // 6, 3), _INT16, packed)


def _triples(name: str, listed: list[tuple[float, float, float]]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        samples = np.array(listed, dtype=np.float32)
    if not np.isfinite(samples).all():
        raise TelemetryError(Reason.NOT_FINITE, f"{name} has a number that is no 32-bit float")
    return samples


def decode_motion(payload: bytes) -> Motion:
    """A motion frame from either encoding; the packed arrays are views of ``payload``.

    Raises:
        TelemetryError: with the reason under which the message goes to the quarantine.
    """
    _check_size(Stream.MOTION, payload)
    return _decode_packed(payload) if is_msgpack(payload) else _decode_listed(payload)


def _decode_packed(payload: bytes) -> Motion:
    try:
        frame = _packed_motion.decode(payload)
    except DECODE_ERRORS as error:
        raise refusal(payload, error, PackedMotion.__struct_fields__) from None
    acc = _samples("acc", frame.acc)
    gyr, glsb = None, 1.0
    if frame.gyr is not None:
        if frame.glsb is None:
            raise TelemetryError(Reason.INVALID, "gyr without glsb (deg/s per count)")
        gyr, glsb = _samples("gyr", frame.gyr), frame.glsb
        _require_same_length(acc, gyr)
    return Motion(
        frame.t, frame.boot, frame.seq, frame.hist, frame.fs, frame.lsb, acc, glsb, gyr, frame.idle_until
    )  # fmt: skip


def _decode_listed(payload: bytes) -> Motion:
    try:
        frame = _listed_motion.decode(payload)
    except DECODE_ERRORS as error:
        raise refusal(payload, error, ListedMotion.__struct_fields__) from None
    acc = _triples("acc", frame.acc)
    gyr = None
    if frame.gyr is not None:
        gyr = _triples("gyr", frame.gyr)
        _require_same_length(acc, gyr)
    return Motion(frame.t, frame.boot, frame.seq, frame.hist, frame.fs, 1.0, acc, 1.0, gyr, frame.idle_until)


def _require_same_length(
    acc: NDArray[np.int16] | NDArray[np.float32], gyr: NDArray[np.int16] | NDArray[np.float32]
) -> None:
    if len(gyr) != len(acc):
        raise TelemetryError(Reason.WRONG_LENGTH, f"acc has {len(acc)} samples, gyr {len(gyr)}")


_DECODERS: dict[Stream, Callable[[bytes], Decoded]] = {
    Stream.MOTION: decode_motion,
    Stream.VITALS: decode_vitals,
    Stream.HOME: decode_home,
    Stream.EVENT: decode_event,
    Stream.STATUS: decode_status,
}


def decode(stream: Stream, payload: bytes) -> Decoded:
    """The message of any upward stream. Raises TelemetryError."""
    return _DECODERS[stream](payload)


#: ``"type":"sos"`` in JSON, or the same pair in MessagePack, within a payload that is torn or scrambled elsewhere.
_CALL_FOR_HELP = re.compile(rb"""(?:"type"\s*:\s*"|\xa4type(?:\xa3|\xa4))(sos|fall)(?![a-z_])""")


def rescue_event(payload: bytes, recv_ms: int) -> Event | None:
    """What can be saved of an event that breaks the contract: a call for help must not fail on a missing field.

    An absent or impossible ``t`` becomes ``recv_ms``; absent ``boot`` and ``seq`` become 0 and a value drawn from the
    receive time, so that two such calls are two calls. A payload that is no object any more still counts when it says
    ``sos`` or ``fall`` in so many bytes. None where not even the type can be read.
    """
    if not payload or len(payload) > MAX_PAYLOAD[Stream.EVENT]:
        return None
    found = read_leniently(payload)
    if found is None:
        torn = _CALL_FOR_HELP.search(payload)
        found = {"type": torn[1].decode()} if torn else {}
    kind = _text(found.get("type"))
    if not kind:
        return None
    return Event(
        t=_whole(found.get("t"), 2**53 - 1, recv_ms),
        boot=_whole(found.get("boot"), 2**32 - 1, 0),
        seq=_whole(found.get("seq"), 2**53 - 1, recv_ms),
        hist=found.get("hist") is True,
        type=kind,
        re=_text(found.get("re")),
    )


def _whole(value: object, upper: int, otherwise: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= upper else otherwise


def _text(value: object) -> str | None:
    """A text that the wire contract could have carried; a lone surrogate from lenient JSON is not one."""
    return value if isinstance(value, str) and len(value) <= MAX_TEXT and _is_unicode(value) else None


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def encode_json(message: Message | Command) -> bytes:
    """JSON without the fields that stand at their default."""
    return _to_json.encode(message)


def encode_msgpack(message: Message | Command) -> bytes:
    """MessagePack without the fields that stand at their default."""
    return _to_msgpack.encode(message)


def encode_motion(
    *,
    t: int,
    boot: int,
    seq: int,
    fs: float,
    lsb: float,
    acc: NDArray[np.int16],
    glsb: float | None = None,
    gyr: NDArray[np.int16] | None = None,
    hist: bool = False,
    idle_until: int | None = None,
) -> bytes:
    """A motion frame in MessagePack; ``acc`` and ``gyr`` are ``(n, 3)`` int16 counts, ``n`` at most 8,192.

    Raises:
        TelemetryError: an array of another shape or type, or ``gyr`` without ``glsb``.
    """
    if gyr is not None and (gyr.shape != acc.shape or glsb is None):
        raise TelemetryError(Reason.INVALID, f"gyr {gyr.shape} needs glsb and the shape of acc {acc.shape}")
    return encode_msgpack(
        PackedMotion(
            t=t,
            boot=boot,
            seq=seq,
            hist=hist,
            fs=fs,
            lsb=lsb,
            acc=_counts("acc", acc),
            glsb=glsb,
            gyr=None if gyr is None else _counts("gyr", gyr),
            idle_until=idle_until,
        )
    )


def _counts(name: str, samples: NDArray[np.int16]) -> memoryview:
    if samples.ndim != 2 or samples.shape[1] != 3 or not 1 <= len(samples) <= MAX_SAMPLES:
        raise TelemetryError(Reason.WRONG_LENGTH, f"{name} has shape {samples.shape}, not (1..{MAX_SAMPLES}, 3)")
    if samples.dtype.newbyteorder("=") != np.int16:
        raise TelemetryError(Reason.INVALID, f"{name} is {samples.dtype}: divide by lsb, round, and cast to int16")
    return memoryview(samples.astype(_INT16, copy=False).tobytes())
