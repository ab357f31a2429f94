"""The values and limits that go with a finding about a motion sensor, and the words that name it."""

from __future__ import annotations

import numpy as np

from detectors.device.evidence import GYR, Fault, Measured
from detectors.device.parameters import MotionSensorParameters

AXES = "xyz"
_AXIS = {Fault.AXIS_X: 0, Fault.AXIS_Y: 1, Fault.AXIS_Z: 2}


def words(fault: Fault) -> dict[str, str]:
    """``fault`` and ``sensor`` as they stand in a finding's notes, and ``axes`` where the fault is one of an axis."""
    if fault is Fault.GYROSCOPE:
        return {"fault": "stuck", "sensor": "gyroscope"}
    if fault in _AXIS:
        return {"fault": "stuck", "sensor": "accelerometer", "axes": AXES[_AXIS[fault]]}
    return {"fault": fault.name.lower(), "sensor": "accelerometer"}


def describe(
    fault: Fault, one: Measured, which: int, parameters: MotionSensorParameters
) -> tuple[dict[str, float], dict[str, str]]:
    """What column ``which`` of a stretch shows of the fault, beside the limits that it was held against; and the notes.

    A limit's name begins with ``limit_``.
    """
    notes = words(fault)
    low, high = one.low[:, which], one.high[:, which]
    magnitude = {
        "magnitude_g": one.magnitude_g[which],
        "limit_low_g": parameters.low_g,
        "limit_high_g": parameters.high_g,
    }
    span = one.span[:, which]
    moved = {"moved_g": span[:3].max(), "limit_motion_g": parameters.motion_g}
    features: dict[str, float] = {}
    if fault is Fault.ZERO:
        features = magnitude
    elif fault is Fault.SATURATED:
        share_pct = 100.0 * one.at_peak[:, which] / one.samples[which]
        at_limit = (share_pct >= parameters.pinned_pct) & (one.peak_g[:, which] >= parameters.pinned_g)
        notes["axes"] = "".join(name for name, there in zip(AXES, at_limit, strict=True) if there)
        features = {
            "pinned_g": one.peak_g[at_limit, which].max(),
            "pinned_pct": share_pct[at_limit].min(),
            "limit_pinned_g": parameters.pinned_g,
            "limit_pinned_pct": parameters.pinned_pct,
        }
    elif fault is Fault.STUCK:
        features = {f"{name}_g": value for name, value in zip(AXES, low, strict=False)} | magnitude
        if not np.isnan(span[GYR]).any():
            features |= {"turned_dps": span[GYR].max(), "limit_turning_dps": parameters.turning_dps}
    elif fault is Fault.SCALE:
        features = {f"{name}_g": value for name, value in zip(AXES, (low + high) / 2, strict=False)} | magnitude
        features |= {"range_g": span[:3].max(), "limit_moving_high_g": parameters.moving_high_g}
    elif fault in _AXIS:
        features = {"held_g": high[_AXIS[fault]], **moved}
    elif fault is Fault.GYROSCOPE:
        features = {f"{name}_dps": value for name, value in zip(AXES, low[GYR], strict=True)} | moved
    return {name: round(float(value), 4) for name, value in features.items()}, notes
