"""Motion payloads without an encoder on the hot path: MessagePack of fixed layout, patched with t, boot and seq.

`telemetry.codec.decode_motion` reads them as what `encode_motion` writes (a test holds the two together); only the
integers have their full width.
"""

from __future__ import annotations

import struct

from firmware_sim.motion import FS_HZ, LSB_DPS, LSB_G, Counts

# The value's type byte, then the value: uint64, uint32, float64, bin 16 (the MessagePack specification, "Formats").
_U64, _U32, _F64, _BIN16 = 0xCF, 0xCE, 0xCB, 0xC5
_HEAD = struct.Struct(">3sBQ5sBI4sBQ")
#: Where in a motion payload t (8 bytes), boot (4) and seq (8) stand, big-endian, and where the body begins.
T_AT, BOOT_AT, SEQ_AT, BODY_AT = 4, 18, 27, _HEAD.size
_TRUE = b"\xc3"
_MOST_PAIRS = 0x8E  # a map of 14 pairs: one more still has its count in the first byte


def _key(name: str) -> bytes:
    return bytes([0xA0 | len(name)]) + name.encode()


_BOOT, _SEQ = _key("boot"), _key("seq")


def _format(fs_hz: float, lsb_g: float) -> bytes:
    return _key("fs") + struct.pack(">Bd", _F64, fs_hz) + _key("lsb") + struct.pack(">Bd", _F64, lsb_g) + _key("acc")


_FORMAT = _format(FS_HZ, LSB_G)
_GYRO = _key("glsb") + struct.pack(">Bd", _F64, LSB_DPS) + _key("gyr")
_HIST, _HIST_JSON = _key("hist") + _TRUE, b',"hist":true}'
_START = {False: b"\x86" + _key("t"), True: b"\x88" + _key("t")}


def motion_body(acc: Counts, gyr: Counts | None, *, fs_hz: float = FS_HZ, lsb_g: float = LSB_G) -> bytes:
    """What of a payload does not depend on when it is sent; ``acc`` and ``gyr`` are ``(n, 3)`` int16."""
    raw = acc.astype("<i2", copy=False).tobytes()
    plain = fs_hz == FS_HZ and lsb_g == LSB_G
    body = (_FORMAT if plain else _format(fs_hz, lsb_g)) + struct.pack(">BH", _BIN16, len(raw)) + raw
    if gyr is not None:
        raw = gyr.astype("<i2", copy=False).tobytes()
        body += _GYRO + struct.pack(">BH", _BIN16, len(raw)) + raw
    return body


def motion_payload(t: int, boot: int, seq: int, body: bytes, *, gyro: bool) -> bytes:
    """A motion frame; ``t`` is its first sample's epoch ms, ``gyro`` whether ``body`` has a gyroscope."""
    return _HEAD.pack(_START[gyro], _U64, t, _BOOT, _U32, boot, _SEQ, _U64, seq) + body


def with_idle(payload: bytes, until_ms: int) -> bytes:
    """The same motion frame, which says that nothing comes before ``until_ms``."""
    return bytes([payload[0] + 1]) + payload[1:] + _key("idle_until") + struct.pack(">BQ", _U64, until_ms)


def with_hist(payload: bytes) -> bytes:
    """The same message, marked as coming from the device's buffer. MessagePack maps and JSON objects; once is enough.

    Raises:
        ValueError: the payload is neither, or has more than 14 fields.
    """
    first = payload[0]
    if payload.endswith((_HIST, _HIST_JSON)):
        return payload
    if 0x80 <= first <= _MOST_PAIRS:
        return bytes([first + 1]) + payload[1:] + _HIST
    if payload.endswith(b"}"):
        return payload[:-1] + _HIST_JSON
    raise ValueError(f"cannot mark a payload that starts with {payload[:4]!r} as hist")
