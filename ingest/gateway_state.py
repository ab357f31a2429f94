"""What the gateway remembers beside the journal. None of it is needed to lose nothing, and all of it may be missing."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path


class GatewayState:
    """Small files in one folder. A full disk fails no call: what cannot be written is written next time."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._beat = directory / "gateway.alive"
        self._subscribed = directory / "gateway.subscribed"
        self._stats = directory / "gateway.json"

    def beat(self, heard_ms: int) -> None:
        """The broker was last heard at ``heard_ms``. Kept as the file's time: that needs no room on the disk."""
        with contextlib.suppress(OSError):
            if not self._beat.exists():
                self._beat.touch()
            os.utime(self._beat, ns=(heard_ms * 1_000_000, heard_ms * 1_000_000))

    def last_beat_ms(self) -> int | None:
        """The last beat of this process or the one before it; None where there was none."""
        try:
            return self._beat.stat().st_mtime_ns // 1_000_000
        except FileNotFoundError:
            return None

    def subscribed(self) -> list[str]:
        """What the broker was last seen to grant; empty where that is not known."""
        try:
            known = json.loads(self._subscribed.read_bytes())
        except (OSError, ValueError):
            return []
        return known if isinstance(known, list) else []

    def note_subscription(self, to: Sequence[str]) -> None:
        """The broker has granted this."""
        self._replace(self._subscribed, json.dumps(list(to)))

    def forget_subscription(self) -> None:
        """What is subscribed is not known."""
        self._subscribed.unlink(missing_ok=True)

    def write_stats(self, stats: Mapping[str, float]) -> None:
        """For `carecircle doctor` and whoever else looks from outside."""
        self._replace(self._stats, json.dumps(dict(stats), indent=1))

    @staticmethod
    def _replace(path: Path, text: str) -> None:
        fresh = path.with_name(path.name + ".new")
        try:
            fresh.write_text(text)
            fresh.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
