"""The thresholds that are drawn, taken from where they are decided. Numbers of our own are those of stages that
may not be imported here (a test compares them with theirs): the promises of the service, which ``alerts.reporting``
measures, and what ``ingest`` counts gaps in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detectors.device.link_parameters import BatteryParameters, DeliveryParameters
from detectors.parameters import EventParameters
from detectors.vitals.news2 import EMERGENCY_POINTS, PARTS, URGENT_POINTS, news2

#: Totals that are urgent, and an emergency.
URGENT, EMERGENCY = URGENT_POINTS, EMERGENCY_POINTS
#: Somebody has answered within, and within at most; somebody is at the door within.
ANSWERED_SOON_S, ANSWERED_S, DOOR_S = 60, 180, 900
#: What is promised of each, in percent (TSA code of practice for alarm centres).
ANSWERED_SOON_GOAL_PCT, ANSWERED_GOAL_PCT = 97.5, 99.0

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "text"
_OF_POINTS = {0: GREEN, 1: YELLOW, 2: ORANGE, 3: RED}
#: Where each sign is looked through for its bands: from, to, and the chart's resolution.
_RANGES: dict[str, tuple[float, float, float]] = {
    "rr": (1, 60, 1), "spo2": (60, 100, 1), "sbp": (40, 280, 1), "hr": (20, 220, 1), "temp": (32, 43, 0.1),
}  # fmt: skip


class Step(NamedTuple):
    """From this value on (None: from the lowest) this colour."""

    value: float | None
    color: str


def news2_bands(sign: str) -> tuple[Step, ...]:
    """Where the points of a sign change (saturation: scale 1), coloured by how many there are."""
    first, last, step = _RANGES[sign]
    values = np.round(np.arange(first, last + step / 2, step), 1)
    nothing = np.full(len(values), np.nan)
    signs = dict.fromkeys(PARTS, nothing) | {sign: values, "scale_2": np.zeros(len(values), np.bool_)}
    points = news2(**signs).parts[PARTS.index(sign)]
    changes = np.flatnonzero(np.diff(points)) + 1
    steps = [Step(None, _OF_POINTS[int(points[0])])]
    steps += [Step(float(values[at]), _OF_POINTS[int(points[at])]) for at in changes]
    return tuple(steps)


_battery, _delivery = BatteryParameters(), DeliveryParameters()

NEWS2: tuple[Step, ...] = (
    Step(None, GREEN), Step(1, YELLOW), Step(URGENT_POINTS, ORANGE), Step(EMERGENCY_POINTS, RED),
)  # fmt: skip
BATTERY_PCT: tuple[Step, ...] = (
    # steps begin at their value, and low is "this or less": one percent above it is no longer low
    Step(None, RED), Step(_battery.low_pct + 1, YELLOW), Step(_battery.charged_pct, GREEN),
)  # fmt: skip
LOW_BATTERY_PCT = _battery.low_pct
LOST_PCT: tuple[Step, ...] = (Step(None, GREEN), Step(_delivery.sound_pct, YELLOW), Step(_delivery.lost_pct, RED))
#: `device.seq_gap` counts what is missing of so many numbers (``ingest.dedupe``, a test compares the two).
GAP_WINDOW = 512
#: A message that is older on arrival is no longer about now.
LIVE_S = EventParameters().late_s
LAG_MS: tuple[Step, ...] = (Step(None, GREEN), Step(LIVE_S * 1000 / 2, YELLOW), Step(LIVE_S * 1000, RED))
ANSWER_S: tuple[Step, ...] = (Step(None, GREEN), Step(ANSWERED_SOON_S, YELLOW), Step(ANSWERED_S, RED))
ARRIVAL_S: tuple[Step, ...] = (Step(None, GREEN), Step(DOOR_S, RED))
ANSWERED_SOON_PCT: tuple[Step, ...] = (Step(None, RED), Step(ANSWERED_SOON_GOAL_PCT, GREEN))
ANSWERED_PCT: tuple[Step, ...] = (Step(None, RED), Step(ANSWERED_GOAL_PCT, GREEN))
NONE_WANTED: tuple[Step, ...] = (Step(None, GREEN), Step(1, RED))
PLAIN: tuple[Step, ...] = (Step(None, BLUE),)

#: The platform: a journal that has so much unread is minutes behind (docs/store.md: 18,000 wearers make 1 GB an hour).
LAG_BYTES: tuple[Step, ...] = (Step(None, GREEN), Step(16 * 2**20, YELLOW), Step(64 * 2**20, RED))
BUSY_SHARE: tuple[Step, ...] = (Step(None, GREEN), Step(0.7, YELLOW), Step(0.9, RED))
WRITE_MS: tuple[Step, ...] = (Step(None, GREEN), Step(1_000, YELLOW), Step(5_000, RED))
