"""Decode what came in, encode what goes out. MessagePack and JSON, told apart by the first byte.

A JSON object starts with ``{`` (0x7b) or white space; a MessagePack map starts with 0x80-0x8f, 0xde or 0xdf, so the
two never look alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from telemetry.errors import Reason, TelemetryError
from telemetry.messages import (
    MAX_SAMPLES,
    VITALS_NUMBERS,
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

#: The largest payload that is looked at, in bytes. Motion: both arrays at their longest and some room.
MAX_PAYLOAD: dict[Stream, int] = {
    Stream.MOTION: 1 << 20,
    Stream.VITALS: 4_096,
    Stream.HOME: 4_096,
    Stream.EVENT: 4_096,
    Stream.STATUS: 4_096,
}

_MSGPACK_MAP = frozenset(range(0x80, 0x90)) | {0xDE, 0xDF}
_LISTED_ACC_LSB = 1.0

_packed_motion = msgspec.msgpack.Decoder(PackedMotion)
_listed_motion = msgspec.json.Decoder(ListedMotion)
_types: dict[Stream, type[Message]] = {
    Stream.VITALS: Vitals,
    Stream.HOME: Home,
    Stream.EVENT: Event,
    Stream.STATUS: Status,
}
_from_msgpack: dict[Stream, msgspec.msgpack.Decoder[Any]] = {s: msgspec.msgpack.Decoder(t) for s, t in _types.items()}
_from_json: dict[Stream, msgspec.json.Decoder[Any]] = {s: msgspec.json.Decoder(t) for s, t in _types.items()}

_to_msgpack = msgspec.msgpack.Encoder()
_to_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Motion:
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


def _decode_struct(stream: Stream, payload: bytes) -> Any:
    decoders: Any = _from_msgpack if payload[0] in _MSGPACK_MAP else _from_json
    try:
        return decoders[stream].decode(payload)
    except msgspec.ValidationError as error:
        raise TelemetryError(Reason.INVALID, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TelemetryError(Reason.UNDECODABLE, str(error)) from None


def _require_finite(message: Vitals | Home | Status, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(message, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise TelemetryError(Reason.NOT_FINITE, f"{name} is {value}")


def _packed(name: str, raw: bytes) -> NDArray[np.int16]:
    if len(raw) % 6:
        raise TelemetryError(Reason.WRONG_LENGTH, f"{name} has {len(raw)} bytes, not a multiple of 6 (three int16)")
    return np.frombuffer(raw, dtype="<i2").reshape(-1, 3)


def decode_motion(payload: bytes) -> Motion:
    """A motion frame from either encoding; the packed arrays are views of ``payload``.

    Raises:
        TelemetryError: with the reason under which the message goes to the quarantine.
    """
    _check_size(Stream.MOTION, payload)
    acc: NDArray[np.int16] | NDArray[np.float32]
    gyr: NDArray[np.int16] | NDArray[np.float32] | None
    frame: PackedMotion | ListedMotion
    try:
        if payload[0] in _MSGPACK_MAP:
            frame = _packed_motion.decode(payload)
            acc = _packed("acc", frame.acc)
            gyr = None if frame.gyr is None else _packed("gyr", frame.gyr)
            lsb = frame.lsb
            if gyr is not None and frame.glsb is None:
                raise TelemetryError(Reason.INVALID, "gyr without glsb (deg/s per count)")
            glsb = 1.0 if frame.glsb is None else frame.glsb
        else:
            frame = _listed_motion.decode(payload)
            acc = np.array(frame.acc, dtype=np.float32)
            gyr = None if frame.gyr is None else np.array(frame.gyr, dtype=np.float32)
            lsb = glsb = _LISTED_ACC_LSB
    except msgspec.ValidationError as error:
        raise TelemetryError(Reason.INVALID, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TelemetryError(Reason.UNDECODABLE, str(error)) from None
    if not (math.isfinite(frame.fs) and math.isfinite(lsb) and math.isfinite(glsb)):
        raise TelemetryError(Reason.NOT_FINITE, "fs, lsb or glsb is not finite")
    if acc.dtype == np.float32 and not (np.isfinite(acc).all() and (gyr is None or np.isfinite(gyr).all())):
        raise TelemetryError(Reason.NOT_FINITE, "acc or gyr has a sample that is not finite")
    if gyr is not None and len(gyr) != len(acc):
        raise TelemetryError(Reason.WRONG_LENGTH, f"acc has {len(acc)} samples, gyr {len(gyr)}")
    return Motion(frame.t, frame.boot, frame.seq, frame.hist, frame.fs, lsb, acc, glsb, gyr, frame.idle_until)


def decode_vitals(payload: bytes) -> Vitals:
    """A vitals reading. Raises TelemetryError."""
    _check_size(Stream.VITALS, payload)
    message: Vitals = _decode_struct(Stream.VITALS, payload)
    _require_finite(message, VITALS_NUMBERS)
    return message


def decode_home(payload: bytes) -> Home:
    """A home sensor's reading. Raises TelemetryError."""
    _check_size(Stream.HOME, payload)
    message: Home = _decode_struct(Stream.HOME, payload)
    _require_finite(message, ("value",))
    return message


def decode_event(payload: bytes) -> Event:
    """An event. Raises TelemetryError; an SOS that this refuses may still pass :func:`rescue_event`."""
    _check_size(Stream.EVENT, payload)
    message: Event = _decode_struct(Stream.EVENT, payload)
    return message


def decode_status(payload: bytes) -> Status:
    """A status message. Raises TelemetryError."""
    _check_size(Stream.STATUS, payload)
    message: Status = _decode_struct(Stream.STATUS, payload)
    _require_finite(message, ("battery", "rssi", "heartbeat_s"))
    return message


def decode(stream: Stream, payload: bytes) -> Decoded:
    """The message of any upward stream. Raises TelemetryError."""
    if stream is Stream.MOTION:
        return decode_motion(payload)
    return _DECODERS[stream](payload)


_DECODERS = {
    Stream.VITALS: decode_vitals,
    Stream.HOME: decode_home,
    Stream.EVENT: decode_event,
    Stream.STATUS: decode_status,
}


class _Loose(msgspec.Struct):
    type: str
    t: object = None
    boot: object = None
    seq: object = None
    hist: object = None
    re: object = None


_loose_msgpack = msgspec.msgpack.Decoder(_Loose, strict=False)
_loose_json = msgspec.json.Decoder(_Loose, strict=False)


def rescue_event(payload: bytes, recv_ms: int) -> Event | None:
    """What can be saved of an event that breaks the contract: a call for help must not fail on a missing field.

    An absent or impossible ``t`` becomes ``recv_ms``; absent ``boot`` and ``seq`` become 0 and a value drawn from the
    receive time, so that two such calls are two calls. None where not even the type can be read.
    """
    if not payload or len(payload) > MAX_PAYLOAD[Stream.EVENT]:
        return None
    decoder: Any = _loose_msgpack if payload[0] in _MSGPACK_MAP else _loose_json
    try:
        loose: _Loose = decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not 0 < len(loose.type) <= 64:
        return None

    def whole(value: object, upper: int, otherwise: int) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= upper else otherwise

    return Event(
        t=whole(loose.t, 2**53 - 1, recv_ms),
        boot=whole(loose.boot, 2**32 - 1, 0),
        seq=whole(loose.seq, 2**53 - 1, recv_ms),
        hist=loose.hist is True,
        type=loose.type,
        re=loose.re if isinstance(loose.re, str) and len(loose.re) <= 64 else None,
    )


def encode_json(message: Message | Command) -> bytes:
    """JSON without the fields that are None."""
    return _to_json.encode(_present(message))


def encode_msgpack(message: Message | Command) -> bytes:
    """MessagePack without the fields that are None."""
    return _to_msgpack.encode(_present(message))


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
    """A motion frame in MessagePack; ``acc`` and ``gyr`` are ``(n, 3)`` int16 counts, ``n`` at most 8,192."""
    if acc.ndim != 2 or acc.shape[1] != 3 or not 1 <= len(acc) <= MAX_SAMPLES:
        raise TelemetryError(Reason.WRONG_LENGTH, f"acc has shape {acc.shape}, not (1..{MAX_SAMPLES}, 3)")
    return encode_msgpack(
        PackedMotion(
            t=t,
            boot=boot,
            seq=seq,
            hist=hist,
            fs=fs,
            lsb=lsb,
            acc=acc.astype("<i2", copy=False).tobytes(),
            glsb=glsb,
            gyr=None if gyr is None else gyr.astype("<i2", copy=False).tobytes(),
            idle_until=idle_until,
        )
    )


def decode_command(payload: bytes) -> Command:
    """A command as a device reads it. Raises TelemetryError."""
    try:
        return _command.decode(payload)
    except msgspec.ValidationError as error:
        raise TelemetryError(Reason.INVALID, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TelemetryError(Reason.UNDECODABLE, str(error)) from None


_command = msgspec.json.Decoder(Command)


def _present(message: Message | Command) -> dict[str, Any]:
    """The fields that say something: None is absent on the wire, and so is ``hist`` when false."""
    named = ((name, getattr(message, name)) for name in message.__struct_fields__)
    return {name: value for name, value in named if value is not None and not (name == "hist" and value is False)}
