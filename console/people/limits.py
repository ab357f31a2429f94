"""The limits that a person may have of their own: units, what may be entered, and what holds where nothing is set.

What holds otherwise is what the vitals detector does (docs/vitals.md); a test keeps both the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from registry.entries import LIMITS


class Limit(NamedTuple):
    """One limit: its unit, what may be entered, and what holds for anybody."""

    name: str
    unit: str
    low: float
    high: float
    step: float
    usual: float


KNOWN: dict[str, Limit] = {
    limit.name: limit
    for limit in (
        Limit("sbp_high_mmhg", "mmHg", 120, 260, 1, 180),
        Limit("dbp_high_mmhg", "mmHg", 70, 160, 1, 120),
        Limit("sbp_mean_mmhg", "mmHg", 110, 200, 1, 145),
        Limit("hr_fast_bpm", "/min", 80, 200, 1, 115),
        Limit("glucose_low_mmol_l", "mmol/L", 2.5, 8, 0.1, 3.9),
        Limit("glucose_very_low_mmol_l", "mmol/L", 2, 6, 0.1, 3.0),
        Limit("glucose_high_mmol_l", "mmol/L", 8, 30, 0.1, 16.7),
        Limit("glucose_very_high_mmol_l", "mmol/L", 12, 40, 0.1, 22.2),
        Limit("weight_gain_kg", "kg", 0.5, 20, 0.1, 3.5),
        Limit("weight_loss_pct", "%", 1, 30, 0.5, 5),
        Limit("resting_hr_rise_bpm", "/min", 3, 60, 1, 12),
        Limit("sbp_rise_mmhg", "mmHg", 5, 80, 1, 15),
    )
}
assert tuple(KNOWN) == LIMITS
#: What conditions set otherwise.
BY_CONDITION: dict[str, dict[str, float]] = {
    "hypertension": {"sbp_mean_mmhg": 135.0, "sbp_rise_mmhg": 12.0},
    "diabetes": {"glucose_high_mmol_l": 13.9},
    "heart_failure": {"weight_gain_kg": 2.0, "resting_hr_rise_bpm": 8.0, "hr_fast_bpm": 110.0},
}
#: The lower of each pair must stay below the higher.
_PAIRS = (
    ("glucose_very_low_mmol_l", "glucose_low_mmol_l"),
    ("glucose_low_mmol_l", "glucose_high_mmol_l"),
    ("glucose_high_mmol_l", "glucose_very_high_mmol_l"),
)


class Holding(NamedTuple):
    """What holds for a person: the value, what it comes from (``own``, a condition, or ``usual``), and what it would be
    without an own one."""

    limit: Limit
    value: float
    source: str
    otherwise: float


class BadLimit(NamedTuple):
    """An entry that cannot be: the limit, and why (``number``, ``range``, ``order``)."""

    name: str
    why: str


def holding(conditions: Iterable[str], own: Mapping[str, float]) -> list[Holding]:
    """Every limit as it holds for a person."""
    by_condition: dict[str, tuple[float, str]] = {}
    for condition in sorted(conditions):
        for name, value in BY_CONDITION.get(condition, {}).items():
            by_condition[name] = value, condition
    found = []
    for limit in KNOWN.values():
        otherwise, source = by_condition.get(limit.name, (limit.usual, "usual"))
        if limit.name in own:
            found.append(Holding(limit, own[limit.name], "own", otherwise))
        else:
            found.append(Holding(limit, otherwise, source, otherwise))
    return found


def entered(form: Mapping[str, str], conditions: Iterable[str]) -> tuple[dict[str, float], list[BadLimit]]:
    """Own limits as somebody typed them (an empty one is none), and what is wrong with them."""
    own: dict[str, float] = {}
    wrong: list[BadLimit] = []
    for name, limit in KNOWN.items():
        text = form.get(name, "").strip().replace(",", ".")
        if not text:
            continue
        try:
            value = float(text)
        except ValueError:
            wrong.append(BadLimit(name, "number"))
            continue
        if not limit.low <= value <= limit.high:  # not a number is in no range
            wrong.append(BadLimit(name, "range"))
        else:
            own[name] = value
    if not wrong:
        values = {one.limit.name: one.value for one in holding(conditions, own)}
        wrong += [BadLimit(low, "order") for low, high in _PAIRS if values[low] >= values[high]]
    return own, wrong
