"""The part of mosquitto's ACL that lets a Zigbee2MQTT in: it has what is below its base topic, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from telemetry.errors import Reason, TelemetryError
from telemetry.zigbee2mqtt.topics import BaseTopics

_MARK = "# zigbee2mqtt "


def parse_zigbee(text: str) -> tuple[str, str]:
    """``USER``, whose base topic is then ``zigbee2mqtt/USER``, or ``USER=BASE``; ``USER=`` ends it."""
    user, separator, base = text.partition("=")
    return user, base if separator else f"zigbee2mqtt/{user}"


def check_zigbee(zigbee: Mapping[str, str]) -> None:
    """Raises TelemetryError where a base topic of these users cannot be one, or two of them overlap."""
    BaseTopics(zigbee.values())
    for user, base in zigbee.items():
        if "+" in base:
            raise TelemetryError(Reason.BAD_TOPIC, f"{user}={base}: with + it could write for others; give one topic")


def zigbee_lines(zigbee: Mapping[str, str]) -> list[str]:
    """The lines of the ACL for these users and their base topics."""
    lines = []
    for user, base in sorted(zigbee.items()):
        lines += ["", f"{_MARK}{user} has {base}", f"user {user}", f"topic readwrite {base}/#"]
    return lines


def zigbee_of(acl: str) -> dict[str, str]:
    """The users and base topics of an ACL that :func:`zigbee_lines` is in."""
    lines = (line.removeprefix(_MARK) for line in acl.splitlines() if line.startswith(_MARK))
    return {user: base for user, _, base in (line.partition(" has ") for line in lines)}


def zigbee_bases(acl: str) -> tuple[str, ...]:
    """What CareCircle has to listen to for the users of an ACL: where it can be, one base topic with ``+`` for all."""
    bases = sorted(zigbee_of(acl).values())
    joined = sorted({f"{head}/+" if head else base for base, head in ((b, b.rpartition("/")[0]) for b in bases)})
    try:
        return BaseTopics(joined).bases
    except TelemetryError:  # they lie at different depths
        return tuple(bases)
