"""Telling a device to make itself found: a record for the journal of commands, and a row of the audit, together."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Connection

from alerts.writing import queue_record
from console.access.audit import Event, record
from console.access.viewer import Viewer
from telemetry.commands import Outgoing, pack_command
from telemetry.messages import Command

#: A device that was away for longer does not begin hours later.
_VALID_MS = 60_000


class Call(StrEnum):
    """What a device may be told from its page: commands of docs/device-makers.md."""

    LOCATE = "locate"
    ALARM = "alarm"


def call_device(connection: Connection, viewer: Viewer, device: str, call: Call, now_ms: int, *, area: str) -> None:
    """Have ``call`` sent to a device within the next seconds; void after a minute.

    Within a minute it has one id, by which a device knows the same press again. The connection must be one of
    :func:`registry.writing`.
    """
    minute = now_ms // _VALID_MS
    command = Command(id=f"console-{call.value}-{minute}", type=call.value, expires_ms=now_ms + _VALID_MS)
    queue_record(connection, "commands", pack_command(Outgoing(device=device, command=command)))
    record(
        connection, Event.DEVICE_CALLED, who=viewer.who, user=viewer.user, now_ms=now_ms, kind=call.value,
        subject=device, area=area,
    )  # fmt: skip
