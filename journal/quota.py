"""How much of each device's bad input is kept: one faulty wearer must not push the others' evidence out."""

from __future__ import annotations

#: Devices remembered. Made-up names must not eat memory; whoever is forgotten begins with a fresh quota.
_MAX_DEVICES = 1 << 16


class DeviceQuota:
    """``limit_bytes`` per device, given back evenly over ``window_s`` (a leaky bucket: after that time all is free)."""

    def __init__(self, limit_bytes: int, window_s: float) -> None:
        self._limit = limit_bytes
        self._per_ms = limit_bytes / (window_s * 1000)
        self._used: dict[str, tuple[float, int]] = {}

    def take(self, device: str, size: int, now_ms: int) -> bool:
        """Whether ``size`` more bytes of ``device`` may be kept; if so they are charged.

        A device that has nothing charged may always keep one entry, however large.
        """
        used, then_ms = self._used.pop(device, (0.0, now_ms))
        used = max(used - max(now_ms - then_ms, 0) * self._per_ms, 0.0)
        fits = not used or used + size <= self._limit
        self._used[device] = (used + size if fits else used, now_ms)
        if len(self._used) > _MAX_DEVICES:
            del self._used[next(iter(self._used))]  # the one not heard of for longest
        return fits
