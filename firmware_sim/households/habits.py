"""The numbers of how somebody lives at home, as :mod:`firmware_sim.households.fit` writes them."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from importlib import resources

import msgspec
import yaml

#: Where somebody can be seen. ``chair`` is the armchair in the living room, ``desk`` a place to work or eat at.
PLACES: tuple[str, ...] = ("kitchen", "bathroom", "bedroom", "living", "chair", "desk", "hall")
KITCHEN, BATHROOM, BEDROOM, LIVING, CHAIR, DESK, HALL = range(len(PLACES))
#: Of the tables of lengths: shares of what is shorter.
LEVELS: tuple[float, ...] = (0.0, 0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 0.95, 0.99, 1.0)
#: A silence of this length is a long one: somebody sits, lies, or was not seen to leave.
LONG_S = 180.0
#: The clock hours at which parts of the waking day begin. Before the first it is the last.
PARTS_H: tuple[float, ...] = (5.0, 8.5, 10.0, 11.5, 13.0, 15.0, 17.0, 19.0, 21.0)

#: Lengths differ by time of day, and asleep: the clock hours at which morning, afternoon and evening begin.
TIMES_H: tuple[float, ...] = (4.0, 12.0, 18.0)
ASLEEP = len(TIMES_H)
#: Parts beside those of the clock: while cooking, for so long after rising, on the way to bed, in bed.
COOKING, MORNING, EVENING, NIGHT = range(len(PARTS_H), len(PARTS_H) + 4)
MORNING_S = 2400.0


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the day, by place of the last movement: ``long`` the share of movements that a long silence follows,
    ``goes`` where the next movement is seen after a short one (by place)."""

    long: list[float]
    goes: list[list[float]]


class Mode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time of day or the night, by place of the last movement: lengths of silences at :data:`LEVELS`, s, and where
    the next movement is seen after a long one."""

    stays_s: list[list[float]]  # short, the next movement is seen at the same place
    moves_s: list[list[float]]  # short, at another
    long_s: list[list[float]]
    goes: list[list[float]]


class Meal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cooking: on so many days (share), begun at (local hour), for so long (s), both at :data:`LEVELS`."""

    share: float
    at_h: list[float]
    lasts_s: list[float]


class Habits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How somebody lives.

    Attributes:
        days: so many days of a recording were fitted.
        bed_h, rise_h: local hour of going to bed (may be over 24) and of rising: mean and standard deviation.
        outings_per_h: by local hour, of an hour at home and awake.
        outing_s: lengths of outings at :data:`LEVELS`, by time of day.
        modes: by time of day; the last is the night in bed.
        meals: breakfast, lunch, dinner, as far as there are any.
        to_bed_s: how long before going to bed the last sitting ends, at :data:`LEVELS`.
        parts: those of :data:`PARTS_H`, then :data:`COOKING`, :data:`MORNING`, :data:`EVENING`, :data:`NIGHT`.
        seen_s: by place, how long a sensor sees a movement, at :data:`LEVELS`.
    """

    days: int
    bed_h: tuple[float, float]
    rise_h: tuple[float, float]
    outings_per_h: list[float]
    outing_s: list[list[float]]
    meals: list[Meal]
    to_bed_s: list[float]
    seen_s: list[list[float]]
    parts: list[Part]
    modes: list[Mode]


@cache
def fitted() -> Habits:
    """The habits that come with the package."""
    text = (resources.files("firmware_sim") / "households" / "fitted.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), Habits)


def part_of(hour: float) -> int:
    """The part of the waking day at a local hour."""
    return (bisect_right(PARTS_H, hour) - 1) % len(PARTS_H)


def time_of(hour: float) -> int:
    """The time of day at a local hour."""
    return (bisect_right(TIMES_H, hour) - 1) % len(TIMES_H)


def choice(shares: list[float], at: float) -> int:
    """Which of some shares, which make 1, ``at`` (0 to 1) falls into."""
    for nth, share in enumerate(shares):
        at -= share
        if at < 0:
            return nth
    return max(range(len(shares)), key=lambda nth: shares[nth])  # beyond what rounding has left


def length_s(table: list[float], at: float) -> float:
    """The length at level ``at`` (0 to 1) of a table at :data:`LEVELS`; in between on a logarithmic scale."""
    i = min(bisect_right(LEVELS, at), len(LEVELS) - 1)
    low, high = table[i - 1], table[i]
    share = (at - LEVELS[i - 1]) / (LEVELS[i] - LEVELS[i - 1])
    return low * (high / low) ** share if low > 0 else share * high
