"""What an adapter yields: messages of the wire contract, with an identity made from when and what was received."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.adapters.memory import digest_of
from telemetry.errors import TelemetryError
from telemetry.messages import Event, Home, Status
from telemetry.records import RawMessage
from telemetry.topics import Stream

#: No start of these devices is known: one boot for ever.
BOOT = 0
#: Zigbee2MQTT calls a battery device unavailable after 25 h without a word; three heartbeats are that long.
HEARTBEAT_S = 25 * 3600 / 3
#: Seq numbers for one millisecond of one device: 128 contents x 16 parts. 2**53 is reached in the year 2109.
_PER_MS, _PARTS = 2048, 16


@dataclass(frozen=True, slots=True)
class Told:
    """One message of the wire contract, as `device` would have sent it. ``notes`` go with an event."""

    device: str
    stream: Stream
    said: Home | Event | Status
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Adapted:
    """What one message amounts to.

    Attributes:
        told: in order; possibly nothing.
        heard: the device that has spoken.
        device: whose message it is, for the quarantine.
        refused: what of it must go to the quarantine.
    """

    told: list[Told] = field(default_factory=list)
    heard: str | None = None
    device: str | None = None
    refused: TelemetryError | None = None


def seq_of(message: RawMessage, part: int, later_ms: int = 0) -> int:
    """A sequence number that a message has however often it is read: from when it came, and what it says.

    ``later_ms`` tells apart what came twice within one millisecond.
    """
    content = digest_of(message) % (_PER_MS // _PARTS)
    return (message.recv_ms + later_ms) * _PER_MS + content * _PARTS + part % _PARTS


def status_of(
    message: RawMessage, part: int, *, online: bool, battery_pct: float | None, link_quality: int | None = None
) -> Status:
    """The status message for what is known of a device."""
    return Status(
        t=message.recv_ms,
        boot=BOOT,
        seq=seq_of(message, part),
        online=online,
        battery=battery_pct,
        lqi=link_quality,
        heartbeat_s=HEARTBEAT_S,
    )
