"""Topics of the wire contract: ``care/v1/<device>/<stream>``."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

from telemetry.errors import Reason, TelemetryError

PREFIX = "care/v1"

DEVICE_PATTERN = r"[A-Za-z0-9_.:-]{1,64}"
_DEVICE = re.compile(DEVICE_PATTERN)
_TOPIC = re.compile(rf"{PREFIX}/({DEVICE_PATTERN})/([a-z]+)")

#: Distinct topics kept parsed, of those who speak often: to parse one takes 2 us, to keep it 300 bytes.
_CACHED_TOPICS = 1 << 12


class Stream(StrEnum):
    """The five upward streams of a device and its one downward topic."""

    MOTION = "motion"
    VITALS = "vitals"
    HOME = "home"
    EVENT = "event"
    STATUS = "status"
    CMD = "cmd"


UPWARD: tuple[Stream, ...] = (Stream.MOTION, Stream.VITALS, Stream.HOME, Stream.EVENT, Stream.STATUS)


def is_device_id(text: str) -> bool:
    """Whether ``text`` may stand for ``<device>`` in a topic (and as an MQTT user name)."""
    return _DEVICE.fullmatch(text) is not None


def topic(device: str, stream: Stream) -> str:
    """The topic of one stream of one device.

    Raises:
        TelemetryError: ``device`` has characters that a topic level must not have.
    """
    if not is_device_id(device):
        raise TelemetryError(Reason.BAD_TOPIC, f"device id {device!r} does not match {DEVICE_PATTERN}")
    return f"{PREFIX}/{device}/{stream.value}"


def subscriptions() -> list[str]:
    """The filters under which the gateway receives everything that devices publish."""
    return [f"{PREFIX}/+/{stream.value}" for stream in UPWARD]


@lru_cache(maxsize=_CACHED_TOPICS)
def parse_topic(raw: bytes) -> tuple[str, Stream]:
    """``(device, stream)`` of an upward topic.

    Raises:
        TelemetryError: not a topic of the contract, or the downward one.
    """
    try:
        found = _TOPIC.fullmatch(raw.decode("ascii"))
    except UnicodeDecodeError:
        found = None
    if found is None:
        raise TelemetryError(Reason.BAD_TOPIC, f"{raw[:120]!r} is not {PREFIX}/<device>/<stream>")
    device, name = found.groups()
    if name not in _UPWARD_BY_NAME:
        raise TelemetryError(Reason.BAD_TOPIC, f"stream {name!r} is none of {', '.join(_UPWARD_BY_NAME)}")
    return device, _UPWARD_BY_NAME[name]


_UPWARD_BY_NAME = {stream.value: stream for stream in UPWARD}
