"""What a quarantined message looks like to us now: the reason, the content as far as it can be read, the bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from journal.entry import Entry
from telemetry.codec import Motion, decode
from telemetry.errors import TelemetryError
from telemetry.topics import parse_topic

_COLUMNS = 16
_MAX_BINARY_SHOWN = 16
_MAX_TEXT_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Explanation:
    """``verdict`` is what this version says of the message; ``content`` its fields, None where none can be read."""

    accepted: bool
    verdict: str
    content: dict[str, Any] | None


def explain(entry: Entry) -> Explanation:
    """Decode ``entry`` again, as the stage would. After a fix it may be accepted, and then a replay helps."""
    if entry.is_cut:
        return Explanation(False, f"not decoded: {entry.obstacle}", None)
    try:
        device, stream = parse_topic(entry.topic)
        message = decode(stream, entry.payload)
    except TelemetryError as error:
        return Explanation(False, str(error), _loose(entry.payload))
    verdict = f"decodes as {stream.value} of {device} now"
    if isinstance(message, Motion):
        samples = {"samples": len(message.acc), "duration_s": round(len(message.acc) / message.fs, 3)}
        names = ("t", "boot", "seq", "hist", "fs", "lsb")
        return Explanation(True, verdict, {name: getattr(message, name) for name in names} | samples)
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return Explanation(True, verdict, {name: value for name, value in fields.items() if value is not None})


def _loose(payload: bytes) -> dict[str, Any] | None:
    """The fields of a payload that breaks the contract, if it is a map in either encoding at all."""
    decoders: tuple[Any, ...] = (msgspec.json.decode, msgspec.msgpack.decode)
    for decoder in decoders:
        try:
            content = decoder(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(content, dict):
            return {str(name): _shown(value) for name, value in content.items()}
    return None


def _shown(value: object) -> object:
    """Plain values as they are; NaN, binary and nested ones as a short text, so that any output can carry them."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, bytes):
        more = "..." if len(value) > _MAX_BINARY_SHOWN else ""
        return f"{len(value)} bytes: {value[:_MAX_BINARY_SHOWN].hex(' ')}{more}"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _MAX_TEXT_SHOWN else f"{text[:_MAX_TEXT_SHOWN]}..."


def hexdump(payload: bytes, limit: int = 512) -> list[str]:
    """The first ``limit`` bytes, sixteen a line: offset, hexadecimal, and what is printable of it."""
    lines = []
    for start in range(0, min(len(payload), limit), _COLUMNS):
        row = payload[start : min(start + _COLUMNS, limit)]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{start:08x}  {row.hex(' '):<{3 * _COLUMNS - 1}}  {text}")
    return lines
