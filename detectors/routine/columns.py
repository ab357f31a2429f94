"""What the routine bank keeps of each home and each sensor, as columns."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import enlarged, lasting
from detectors.arrays import kept as lasting_copy
from detectors.routine.limits import BINS, SLOTS

NEVER_MS = np.iinfo(np.int64).max
KEPT_DAYS = 28
LOG = 400
Columns = dict[str, NDArray[Any]]
#: name -> (leading shape, type, what a new one has)
Layout = dict[str, tuple[tuple[int, ...], Any, float]]


class Finding(IntEnum):
    """What may be found, one of each in a home at a time; also its timer."""

    COLLAPSE = 0
    NOT_BACK = 1
    NOT_OUT_OF_BED = 2
    BED_LEFT = 3
    LONG_BATHROOM = 4
    DOOR_OPEN = 5
    NO_KITCHEN = 6
    NO_BATHROOM = 7
    WANDERING = 8


#: One more timer: the day is summed up and the limits are learned again.
DAILY = len(Finding)


class Habit(IntEnum):
    """What is kept of each day: the largest value, in minutes (of RISE: past midnight; of the last two: how many)."""

    RISE = 0
    BED_LEFT = 1
    BATHROOM = 2
    DOOR = 3
    NO_KITCHEN = 4
    NO_BATHROOM = 5
    AWAY = 6
    WANDERING = 7
    NIGHT_DOOR = 8


HOME: Layout = {
    # the last sign of life
    "last_ms": ((), np.int64, 0),
    "recv_ms": ((), np.int64, 0),
    "sensor": ((), np.int32, -1),
    "slot": ((), np.int8, -1),
    "context": ((), np.int8, 0),
    "settled_ms": ((), np.int64, 0),  # the last one that was no blip
    "news": ((), np.int16, 0),  # readings elsewhere since
    "news_ms": ((), np.int64, 0),
    "since_ms": ((), np.int64, 0),  # the silence that the limit in force counts from
    "since_limit_min": ((), np.float32, 0.0),
    "began_ms": ((), np.int64, 0),  # the first
    "past": ((), np.bool_, False),  # it told of a while ago: the home's clock stands there
    "readings": ((), np.int32, 0),  # today
    # out?
    "at_exit": ((), np.bool_, False),
    "away": ((), np.bool_, False),
    "away_ms": ((), np.int64, 0),
    # up, or in bed?
    "up": ((), np.bool_, True),
    "up_readings": ((), np.int16, 0),
    "slept": ((), np.bool_, False),
    "out_of_bed_ms": ((), np.int64, 0),
    "changes": ((), np.float32, 0.0),
    "changes_ms": ((), np.int64, 0),
    # stays, doors, visits
    "stay_slot": ((), np.int8, -1),
    "stay_ms": ((), np.int64, 0),
    "open_doors": ((), np.int16, 0),
    "door_ms": ((), np.int64, 0),
    "visit_ms": ((2,), np.int64, 0),
    # who else, and what is stuck
    "alone": ((), np.int32, -1),
    "alone_ms": ((), np.int64, 0),
    "company_ms": ((), np.int64, 0),
    "several": ((), np.bool_, False),
    # findings
    "timer_ms": ((len(Finding) + 1,), np.int64, NEVER_MS),
    "standing_ms": ((len(Finding),), np.int64, 0),
    "begun_ms": ((len(Finding),), np.int64, 0),  # when what may become a finding began
    # what is learnt
    "days": ((), np.int32, 0),
    "today": ((len(Habit),), np.float32, np.nan),
    "habits": ((len(Habit), KEPT_DAYS), np.float16, np.nan),
    "out_days": ((BINS,), np.uint16, 0),
    "log_min": ((LOG,), np.int32, 0),
    "log_length_min": ((LOG,), np.float16, 0.0),
    "log_slot": ((LOG,), np.int8, -1),
    "logged": ((), np.int32, 0),
    "kind": ((SLOTS,), np.uint8, 0),
    "limit_min": ((SLOTS, BINS), np.float16, 0.0),
    "night_min": ((2,), np.float32, 0.0),
    "sitting": ((SLOTS,), np.bool_, False),
    "allowed_min": ((len(Habit),), np.float32, 0.0),
    "first_rise_min": ((), np.float32, 0.0),
    "not_back_min": ((BINS,), np.float32, 0.0),
}
SENSOR: Layout = {
    "row": ((), np.int32, -1),
    "slot": ((), np.int8, 0),
    "room": ((), np.uint8, 0),
    "what": ((), np.uint8, 0),
    "on": ((), np.int8, -1),
    "on_ms": ((), np.int64, 0),  # since when
    "goes_off": ((), np.bool_, False),
    "heard_ms": ((), np.int64, 0),
}


def column(layout: Layout, name: str, count: int) -> NDArray[Any]:
    """``(*leading, count)`` of new ones."""
    shape, kind, new = layout[name]
    return lasting((*shape, count), kind, new, sparse=not new)


def columns(layout: Layout, count: int = 0) -> Columns:
    """All of them."""
    return {name: column(layout, name, count) for name in layout}


def filled(kept: Columns, layout: Layout, count: int) -> Columns:
    """What a state has, copied, and what it does not know as new ones have it."""
    return {
        name: lasting_copy(kept[name], sparse=True) if name in kept else column(layout, name, count) for name in layout
    }


def grown(kept: Columns, layout: Layout, count: int) -> Columns:
    """With room for ``count`` more."""
    larger = {}
    for name, one in kept.items():
        new = layout[name][2]
        larger[name] = enlarged(one, one.shape[-1] + count, new, axis=-1, sparse=not new)
    return larger
