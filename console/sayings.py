"""How each feature of a fall is said: which words from which value on. Data for :mod:`console.explain`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

#: g of variation after the impact below which a wearer lies still (0.08 is what the fall detector calls still), and
#: below which they move little.
STILL_G = 0.08
LITTLE_G = 0.25
#: Below it nobody has fallen freely.
FREEFALL_S = 0.08
#: m/s of speed for each g·s of weightlessness.
_SPEED = 9.81
_END = math.inf


class Saying(NamedTuple):
    """How a feature is said: by the first level that its value lies below.

    Features of one aspect tell a person the same, and are said once.
    """

    aspect: str
    levels: tuple[tuple[float, str], ...]
    digits: str = ".1f"
    convert: Callable[[float], float] = float


def _speed(velocity_g_s: float) -> float:
    return _SPEED * abs(velocity_g_s)


def _angle(distance_g: float) -> float:
    """The angle between two postures whose gravity vectors lie this far apart."""
    return math.degrees(2 * math.asin(min(max(distance_g / 2, 0.0), 1.0)))


_AROUND = ((0.15, "why.before.calm"), (0.6, "why.before.moving"), (_END, "why.before.strong"))
_APPROACH = ((0.35, "why.approach.little"), (0.8, "why.approach.some"), (_END, "why.approach.strong"))
_SETTLE = ((0.2, "why.settle.rest"), (0.5, "why.settle.slow"), (_END, "why.settle.moving"))
_AFTER = ((STILL_G, "why.after.still"), (LITTLE_G, "why.after.little"), (_END, "why.after.moving"))
_TILT = ((30.0, "why.tilt.same"), (_END, "why.tilt.other"))

#: The levels lie between what is usual in falls and in daily life.
SAYINGS: dict[str, Saying] = {
    "peak_g": Saying("knock", ((2.5, "why.knock.light"), (4.0, "why.knock.plain"), (_END, "why.knock.hard"))),
    "range_axis_g": Saying("knock", ((2.2, "why.axis.light"), (_END, "why.axis.hard"))),
    "impact_jerk_g": Saying("knock", ((1.5, "why.jerk.soft"), (_END, "why.jerk.sudden"))),
    "impact_rise_g": Saying("knock", ((2.0, "why.rise.small"), (_END, "why.rise.large"))),
    "impact_width_s": Saying("length", ((0.11, "why.width.short"), (_END, "why.width.long")), ".2f"),
    "impact_energy_g": Saying("knock", ((0.25, "why.energy.small"), (_END, "why.energy.large")), ".2f"),
    "peaks_before": Saying(
        "jolts before",
        ((0.5, "why.jolts_before.none"), (1.5, "why.jolts_before.one"), (_END, "why.jolts_before.many")),
        ".0f",
    ),
    "peaks_after": Saying(
        "jolts after",
        ((0.5, "why.jolts_after.none"), (1.5, "why.jolts_after.one"), (_END, "why.jolts_after.many")),
        ".0f",
    ),
    "second_peak_after_g": Saying("jolts after", ((1.5, "why.second.low"), (_END, "why.second.high"))),
    "freefall_min_g": Saying(
        "falling", ((0.3, "why.light.deep"), (0.6, "why.light.partly"), (_END, "why.light.never")), ".2f"
    ),
    "freefall_s": Saying("falling", ((FREEFALL_S, "why.falling.short"), (_END, "why.falling.long")), ".2g"),
    "freefall_velocity_g_s": Saying("falling", ((0.8, "why.speed.low"), (_END, "why.speed.high")), ".1f", _speed),
    "before_std_g": Saying("before", _AROUND, ".2f"),
    "before_mean_g": Saying("before", ((_END, "why.before_mean"),), ".2f"),
    "before_vector_std_g": Saying("before", _AROUND, ".2f"),
    "before_max_g": Saying("before", ((1.4, "why.before_max.calm"), (_END, "why.before_max.high"))),
    "approach_std_g": Saying("approach", _APPROACH, ".2f"),
    "approach_vector_std_g": Saying("approach", _APPROACH, ".2f"),
    "settle_std_g": Saying("settling", _SETTLE, ".2f"),
    "settle_vector_std_g": Saying("settling", _SETTLE, ".2f"),
    "settle_min_g": Saying("settling", ((0.5, "why.settle_min.light"), (_END, "why.settle_min.steady"))),
    "after_std_g": Saying("after", _AFTER, ".2f"),
    "after_vector_std_g": Saying("after", _AFTER, ".2f"),
    "after_mean_g": Saying("after", ((_END, "why.after_mean"),), ".2f"),
    "after_range_g": Saying(
        "after",
        ((0.2, "why.after_range.still"), (0.8, "why.after_range.little"), (_END, "why.after_range.moving")),
        ".2f",
    ),
    "posture_change_deg": Saying("posture", _TILT, ".0f"),
    "posture_change_early_deg": Saying(
        "posture", ((30.0, "why.tilt_early.same"), (_END, "why.tilt_early.other")), ".0f"
    ),
    "posture_after_drift_deg": Saying("drift", ((15.0, "why.drift.kept"), (_END, "why.drift.changing")), ".0f"),
    "posture_before_drift_deg": Saying(
        "leaning", ((15.0, "why.before_posture.steady"), (_END, "why.before_posture.leaning")), ".0f"
    ),
    "tilt_max_deg": Saying("posture", ((60.0, "why.tilt_max.small"), (_END, "why.tilt_max.large")), ".0f"),
    "rest_error_g": Saying("rest", ((0.06, "why.rest.still"), (_END, "why.rest.moving")), ".2f"),
    "upset_g": Saying("posture", _TILT, ".0f", _angle),
    "turn_max_dps": Saying("turning", ((250.0, "why.turn.slow"), (_END, "why.turn.fast")), ".0f"),
    "turn_approach_dps": Saying("turning", ((70.0, "why.turn_approach.slow"), (_END, "why.turn_approach.fast")), ".0f"),
    "turn_before_dps": Saying(
        "turning before", ((40.0, "why.turn_before.slow"), (_END, "why.turn_before.fast")), ".0f"
    ),
    "turn_settle_dps": Saying("settling", ((50.0, "why.turn_settle.slow"), (_END, "why.turn_settle.fast")), ".0f"),
    "turn_after_dps": Saying("after", ((20.0, "why.turn_after.slow"), (_END, "why.turn_after.fast")), ".0f"),
    "turned_deg": Saying("turning", ((90.0, "why.turned_by.small"), (_END, "why.turned_by.large")), ".0f"),
    "turn_impact_dps": Saying("turning", ((200.0, "why.turn_impact.slow"), (_END, "why.turn_impact.fast")), ".0f"),
    "turn_before_std_dps": Saying(
        "turning before", ((25.0, "why.turn_before_std.even"), (_END, "why.turn_before_std.uneven")), ".0f"
    ),
    "turn_ratio": Saying("turning", ((1.3, "why.turn_ratio.same"), (_END, "why.turn_ratio.more"))),
}
#: What has no number: for and against.
WHOLES: dict[str, tuple[str, str]] = {
    "movement": ("why.movement.for", "why.movement.against"),
    "tilt_course": ("why.tilt_course.for", "why.tilt_course.against"),
    "turning_course": ("why.turning_course.for", "why.turning_course.against"),
}
