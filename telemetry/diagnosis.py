"""Why exactly a payload was refused. Runs on the error path only: the decoders say *that*, this says *what*.

msgspec reports NaN as "expected >= 0", a literal ``NaN`` in JSON as a stray character, and two numbers where three are
due as a wrong type. A device maker is helped by the exact reason, and so is whoever reads the counts by reason.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator

import msgspec

from telemetry.errors import Reason, TelemetryError

#: A refused payload is read a second time only up to this many bytes: rubbish must not cost more than data.
MAX_SECOND_LOOK = 64 << 10

#: What the decoders raise on a payload that is not one of theirs.
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_MSGPACK_MAP = frozenset(range(0x80, 0x90)) | {0xDE, 0xDF}
_SAMPLES_LENGTH = re.compile(r"of length .* - at `\$\.(acc|gyr)")


def is_msgpack(payload: bytes) -> bool:
    """Whether a payload, which must not be empty, is to be read as MessagePack; otherwise it is JSON.

    A JSON object starts with ``{`` (0x7b) or white space, a MessagePack map with 0x80-0x8f, 0xde or 0xdf.
    """
    return payload[0] in _MSGPACK_MAP


def read_leniently(payload: bytes) -> dict[str, object] | None:
    """The top level of an object that may break its type or, as JSON, RFC 8259 (NaN, Infinity, broken UTF-8).

    None where it cannot be read at all.
    """
    try:
        if is_msgpack(payload):
            found = msgspec.msgpack.decode(payload)
        else:
            found = json.loads(payload.decode("utf-8-sig", errors="replace"))
    except (ValueError, TypeError, RecursionError):  # DecodeError is a ValueError; TypeError: a map as a map's key
        return None
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else None


def refusal(payload: bytes, error: Exception, fields: tuple[str, ...]) -> TelemetryError:
    """The error with its reason and detail, from what a decoder raised (one of DECODE_ERRORS).

    ``fields`` are the names the message type knows; whatever else a device sends is none of our business.
    """
    detail = str(error)
    if _SAMPLES_LENGTH.search(detail):
        return TelemetryError(Reason.WRONG_LENGTH, detail)
    if len(payload) <= MAX_SECOND_LOOK:
        found = read_leniently(payload) or {}
        for name in fields:
            for number in _numbers(found.get(name), depth=3):
                if not math.isfinite(number):
                    return TelemetryError(Reason.NOT_FINITE, f"{name} is {number}")
    reason = Reason.INVALID if isinstance(error, msgspec.ValidationError) else Reason.UNDECODABLE
    return TelemetryError(reason, detail)


def _numbers(value: object, depth: int) -> Iterator[float]:
    """The floats of a value, or of a list of lists as ``acc`` is in JSON."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, list) and depth:
        for item in value:
            yield from _numbers(item, depth - 1)
