"""What is remembered of Zigbee hubs and their devices, in plain values for a checkpoint."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Any

from telemetry.records import RawMessage
from telemetry.zigbee2mqtt.report import FALL, POSSIBLE_FALL, Report

#: Messages of a device that are compared with what the broker sends again. The gateway acknowledges within 20 ms.
_DIGESTS = 8
#: An acknowledgement may have been on its way when the gateway last heard the broker.
_UNACKNOWLEDGED_MS = 30_000
#: The same call in a second message within this long is the same press.
SAME_PRESS_MS = 5_000


@dataclass(slots=True)
class Hub:
    """One Zigbee2MQTT. ``names`` are friendly names -> addresses; None of ``online``: not said yet."""

    names: dict[str, str] = field(default_factory=dict)
    beds: set[str] = field(default_factory=set)
    groups: frozenset[str] = frozenset()
    waiting: dict[str, bool] = field(default_factory=dict)  # availability by name, before the list of devices came
    online: bool | None = None
    online_ms: int = -(1 << 40)  # when it last said so itself: what it says next may be a repetition

    def copy(self) -> Hub:
        """Another one, which shares only what is never changed in place."""
        return replace(self, waiting=dict(self.waiting))


@dataclass(slots=True)
class Memory:
    """One Zigbee device, as far as later messages depend on it."""

    readings: dict[str, bool] = field(default_factory=dict)
    calls: bool | None = None
    fall: str | None = None
    others: dict[str, Any] = field(default_factory=dict)
    called_ms: int = 0
    battery_pct: float | None = None
    status_ms: int = 0  # 0: no status has been told yet
    available: bool | None = None
    online: bool | None = None
    last_t_ms: int = 0
    digests: list[tuple[int, int]] = field(default_factory=list)
    retained: bool = False  # the broker keeps its state: it may say it again after a reconnection
    action_digest: int = 0
    echo_action: str = ""  # an action that may still come again under a topic of its own ...
    echo_until_ms: int = 0  # ... until then

    def copy(self) -> Memory:
        """Another one, which shares only what is never changed in place."""
        return replace(self, readings=dict(self.readings), others=dict(self.others), digests=list(self.digests))

    def sent_again(self, message: RawMessage, down_since_ms: int | None) -> bool:
        """Whether a message with the DUP flag was taken before, on the connection that broke."""
        since_ms = (down_since_ms or 0) - _UNACKNOWLEDGED_MS
        return any(digest == digest_of(message) and recv_ms >= since_ms for digest, recv_ms in self.digests)

    def note(self, message: RawMessage) -> None:
        """Remember that ``message`` was taken."""
        self.digests.append((digest_of(message), message.recv_ms))
        del self.digests[:-_DIGESTS]

    def take_readings(self, report: Report) -> dict[str, bool]:
        """The readings that are new or have changed.

        An alarm that a message does not mention is over: then nothing is merged into the messages, and the next
        mention is the next alarm.
        """
        changed = {kind: value for kind, value in report.readings.items() if self.readings.get(kind) is not value}
        for alarm in ("smoke", "gas"):
            if alarm not in report.readings:
                self.readings.pop(alarm, None)
        self.readings |= report.readings
        return changed

    def take_fall(self, report: Report) -> str:
        """``fall`` or ``possible_fall`` when it is one and was none, or less of one, before."""
        before, self.fall = self.fall or "", report.fall
        order = ("", POSSIBLE_FALL, FALL).index
        return report.fall if report.fall and order(report.fall) > order(before) else ""

    def take_calls(self, report: Report, recv_ms: int, *, repeats: bool) -> bool:
        """Whether an attribute says that somebody has called just now.

        Some buttons never take their call back: then a message that brings nothing else new is a new press, unless
        the hub ``repeats`` what it knows, or the press before has just been told.
        """
        before, self.calls = self.calls, report.calls
        if report.calls is None:
            return False
        new = any(name not in self.others or self.others[name] != value for name, value in report.others.items())
        self.others |= report.others
        if not report.calls:
            return False
        since_ms, self.called_ms = recv_ms - self.called_ms, recv_ms
        return not before or (not new and not repeats and not 0 <= since_ms < SAME_PRESS_MS)

    def instant(self, t_ms: int) -> int:
        """``t_ms``, a little later where something of this device was told for that instant or after it already."""
        if t_ms <= self.last_t_ms < t_ms + 600_000:
            t_ms = self.last_t_ms + 1
        self.last_t_ms = t_ms
        return t_ms


def digest_of(message: RawMessage) -> int:
    """The content of a message in 32 bits."""
    return zlib.crc32(message.payload, zlib.crc32(message.topic))
