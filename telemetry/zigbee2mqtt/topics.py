"""Topics of Zigbee2MQTT hubs: ``<base>/bridge/...`` and ``<base>/<friendly name>[/...]``.

A friendly name may hold slashes, spaces and any script, so that only the base is taken apart here. A base topic may
have ``+`` for a level, and then stands for as many hubs as there are: ``zigbee2mqtt/+``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from telemetry.errors import Reason, TelemetryError
from telemetry.topics import PREFIX

STATE = "bridge/state"
DEVICES = "bridge/devices"
GROUPS = "bridge/groups"
_BRIDGE = "bridge/"

#: A list of devices carries everything that each of them can do: some 10 KiB a device.
_MAX_DEVICES = 8 << 20
_MAX_GROUPS = 1 << 20
#: A device's state; a call for help is not refused for what stands beside it.
_MAX_REPORT = 64 << 10

_LEVEL = re.compile(r"[A-Za-z0-9_.:-]{1,64}|\+")


class Address(NamedTuple):
    """Where a message belongs. ``hub`` is the base topic with every ``+`` filled in, ``path`` what stands below it."""

    hub: str
    path: str

    @property
    def wanted(self) -> bool:
        """Whether anything is read out of it. Logs, map and definitions of a hub are nobody's concern here."""
        return not self.path.startswith(_BRIDGE) or self.path in (STATE, DEVICES, GROUPS)

    @property
    def limit(self) -> int:
        """The largest payload that is looked at, in bytes."""
        return {DEVICES: _MAX_DEVICES, GROUPS: _MAX_GROUPS}.get(self.path, _MAX_REPORT)


def check_base(base: str) -> tuple[str, ...]:
    """The levels of a base topic.

    Raises:
        TelemetryError: it cannot be one.
    """
    levels = tuple(base.split("/"))
    if not all(_LEVEL.fullmatch(level) for level in levels) or levels[0] == "+":
        raise TelemetryError(
            Reason.BAD_TOPIC,
            f"base topic {base!r}: give levels of A-Z a-z 0-9 _ . : - with / between them, like zigbee2mqtt; a level"
            " after the first may be + for any",
        )
    if _overlap(levels, tuple(PREFIX.split("/"))):
        raise TelemetryError(Reason.BAD_TOPIC, f"base topic {base!r} lies over {PREFIX}, the devices' own topics")
    return levels


class BaseTopics:
    """The base topics that are listened to.

    Raises:
        TelemetryError: one of them cannot be one, or two of them could both mean the same topic.
    """

    def __init__(self, bases: Iterable[str]) -> None:
        self.bases = tuple(bases)
        self._levels = [check_base(base) for base in self.bases]
        for k, levels in enumerate(self._levels):
            for other in self._levels[:k]:
                if _overlap(levels, other):
                    raise TelemetryError(
                        Reason.BAD_TOPIC, f"base topics {'/'.join(other)} and {'/'.join(levels)} overlap: give one"
                    )

    def filters(self) -> list[str]:
        """What to subscribe to."""
        return [f"{base}/#" for base in self.bases]

    def split(self, topic: str) -> Address | None:
        """Where a topic belongs; None where it is below none of the bases."""
        for levels in self._levels:
            parts = topic.split("/", len(levels))
            if len(parts) > len(levels) and parts[-1] and _fits(levels, parts):
                return Address("/".join(parts[:-1]), parts[-1])
        return None


def _fits(levels: tuple[str, ...], parts: list[str]) -> bool:
    return all(level in ("+", part) and part for level, part in zip(levels, parts, strict=False))


def _overlap(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """Whether some topic lies below both."""
    return all(x == y or "+" in (x, y) for x, y in zip(a, b, strict=False))
