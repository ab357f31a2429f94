"""Instants and durations as people read them. Pure; local time exists from here outwards only."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from console.texts import Texts

#: The years that a datetime and every browser can show; an instant outside is shown as a number.
_LAST_MS = 253_402_300_799_000


def clock_time(at_ms: int, now_ms: int, zone: ZoneInfo) -> str:
    """``14:03:12`` on the same local day, with the date before it on another."""
    if not 0 <= at_ms <= _LAST_MS - 86_400_000:
        return f"{at_ms} ms"
    at, now = (datetime.fromtimestamp(ms / 1000, zone) for ms in (at_ms, min(max(now_ms, 0), _LAST_MS - 86_400_000)))
    return at.strftime("%H:%M:%S" if at.date() == now.date() else "%Y-%m-%d %H:%M:%S")


def iso_time(at_ms: int, zone: ZoneInfo) -> str:
    """For the ``datetime`` attribute: ISO 8601 with the offset; "" for an instant that no calendar has."""
    if not 0 <= at_ms <= _LAST_MS - 86_400_000:
        return ""
    return datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec="seconds")


def ago(at_ms: int, now_ms: int, texts: Texts) -> str:
    """``3 min ago``; an instant in the future, by a clock that differs, is just now."""
    seconds = max(0, now_ms - at_ms) // 1000
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= size:
            return texts(f"ago.{unit}", n=seconds // size)
    return texts("ago.now")


def stopwatch(duration_s: float) -> str:
    """``0:42``, ``14:05`` or ``1:02:09``."""
    seconds = max(0, int(duration_s))
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def target(duration_s: float, texts: Texts) -> str:
    """``60 s`` or ``15 min``."""
    whole_minutes = duration_s > 90 and duration_s % 60 == 0
    return texts("target.min", n=int(duration_s // 60)) if whole_minutes else texts("target.s", n=int(duration_s))
