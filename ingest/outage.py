"""What the gateway tells about the time in which nobody listened: messages may have waited at the broker for us."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from telemetry.records import RawMessage

#: After a reconnection the broker delivers what it kept; this long afterwards it has.
BACKLOG_MS = 120_000


@dataclass(slots=True)
class Outage:
    """The last one. ``since_ms`` is when messages may have begun to wait, None where nothing is known of it."""

    since_ms: int | None = None
    backlog_until_ms: int = 0

    def over(self, message: RawMessage) -> None:
        """The gateway is connected, and says so in ``message``."""
        self.since_ms = down_since_ms(message)
        self.backlog_until_ms = message.recv_ms + BACKLOG_MS

    def of(self, recv_ms: int) -> int | None:
        """Since when a message that came then may have waited; None where it has not."""
        return self.since_ms if recv_ms < self.backlog_until_ms else None


def down_since_ms(message: RawMessage) -> int | None:
    """Since when messages may have waited at the broker, as the gateway says."""
    since_ms = msgspec.json.decode(message.payload).get("down_since_ms")
    return since_ms if isinstance(since_ms, int) else None
