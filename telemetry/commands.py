"""The record in the journal `commands`: what is to be published to which device."""

from __future__ import annotations

import msgspec

from telemetry.messages import Command


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One command on its way down to ``device``."""

    device: str
    command: Command


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Outgoing)


def pack_command(outgoing: Outgoing) -> bytes:
    """The journal record of one command."""
    return _encoder.encode(outgoing)


def unpack_command(record: bytes | memoryview) -> Outgoing:
    """The command of a journal record. Raises msgspec.DecodeError when it is none."""
    return _decoder.decode(record)
