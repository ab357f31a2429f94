"""Payloads taken apart and put together again, in the encoding that they had."""

from __future__ import annotations

from typing import Any

import msgspec

from telemetry.diagnosis import is_msgpack


def fields_of(payload: bytes) -> dict[str, Any]:
    """The fields of a good message, by name, in their order."""
    fields: dict[str, Any] = msgspec.msgpack.decode(payload) if is_msgpack(payload) else msgspec.json.decode(payload)
    return fields


def with_fields(payload: bytes, **changed: Any) -> bytes:
    """The same message with other values of some fields."""
    fields = fields_of(payload) | changed
    return msgspec.msgpack.encode(fields) if is_msgpack(payload) else msgspec.json.encode(fields)
