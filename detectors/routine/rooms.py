"""What a room and a sensor are, by the names that people give them in English and Chinese."""

from __future__ import annotations

import math
from enum import IntEnum

from detectors.routine.batch import Value


class Room(IntEnum):
    """What somebody does in a room; a home may have several of each."""

    OTHER = 0
    BEDROOM = 1
    BATHROOM = 2
    KITCHEN = 3
    EXIT = 4  # at the front door: whoever was seen there last may have left


class Sensor(IntEnum):
    """What a reading of a sensor means."""

    MOTION = 0  # presence, vibration, water, a cupboard: somebody is there
    BED = 1
    EXIT_DOOR = 2


#: The first that fits: a bathroom at a bedroom is a bathroom.
_NAMES: tuple[tuple[Room, tuple[str, ...]], ...] = (
    (Room.BATHROOM, ("bath", "toilet", "shower", "restroom", "washroom", "卫生间", "洗手间", "浴室", "厕所")),
    (Room.BEDROOM, ("bedroom", "bed room", "sleeping", "卧室", "卧房", "睡房")),
    (Room.KITCHEN, ("kitchen", "厨房")),
    (Room.EXIT, ("outside", "entry", "entrance", "door", "porch", "玄关", "门口", "大门", "入户")),
)
_KINDS: dict[str, Sensor] = {
    "presence": Sensor.MOTION,
    "occupancy": Sensor.MOTION,
    "motion": Sensor.MOTION,
    "vibration": Sensor.MOTION,
    "water": Sensor.MOTION,
    "bed": Sensor.BED,
    "contact": Sensor.MOTION,
}
_ON = frozenset({"on", "open", "opened", "true", "yes", "1", "occupied", "motion", "detected", "present", "active"})
_OFF = frozenset(
    {"off", "close", "closed", "false", "no", "0", "empty", "clear", "none", "absent", "inactive", "unoccupied", ""}
)


def room_of(name: str | None) -> Room:
    """What kind of room a name means; a room that nobody named is another one."""
    text = (name or "").lower().replace("_", " ")
    return next((room for room, words in _NAMES if any(word in text for word in words)), Room.OTHER)


def tells(kind: str) -> bool:
    """Whether readings of this kind say something of a person."""
    return kind.lower() in _KINDS


def sensor_of(kind: str, room: Room, named: bool) -> Sensor:
    """What a reading of a kind that tells something means in this room. A contact of the exit, or of no named room, is
    a front door."""
    if kind.lower() == "contact" and (room is Room.EXIT or not named):
        return Sensor.EXIT_DOOR
    return _KINDS[kind.lower()]


def is_on(value: Value) -> int:
    """1 for on, open, occupied; 0 for off; -1 where the value says neither."""
    if isinstance(value, str):
        word = value.strip().lower()
        return 1 if word in _ON else 0 if word in _OFF else -1
    if isinstance(value, float) and math.isnan(value):
        return -1
    return int(value > 0)
