"""What became of people who fell, from what was seen of them second by second. Pure.

The rest after a fall, and its end, is the last of its phases: Noury et al., "A proposal for the classification and
evaluation of fall detectors", IRBM 29 (2008).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.fall.windows import Floats
from detectors.parameters import FollowUpParameters

_EPS = np.float32(1e-6)


class Outcome(StrEnum):
    """What became of somebody in the minute after a fall."""

    GOT_UP = "got_up"  # walks again
    STILL_LYING = "still_lying"  # moves, and was not seen to get up
    NO_MOVEMENT = "no_movement"
    UNKNOWN = "unknown"  # too little was seen


class Seconds(NamedTuple):
    """k people in the seconds since their impact, the first at 0. What was not looked at is not seen.

    A second ``walks`` when the time before its end is walking (see :mod:`detectors.fall.gait`).
    """

    seen: NDArray[np.bool_]  # (k, n)
    std_g: Floats  # (k, n) how much the acceleration varies
    gravity_g: Floats  # (k, n, 3) its mean
    walks: NDArray[np.bool_]  # (k, n)
    before_g: Floats  # (k, 3) mean acceleration before the fall, NaN when it was not seen
    posture_tells: NDArray[np.bool_]  # (k,) the device is worn where it turns with the body


class Judged(NamedTuple):
    """The outcome of each, whether it is sure already, and the figures behind it, ``(k,)`` each, NaN where unknown."""

    outcome: list[Outcome]
    sure: NDArray[np.bool_]
    features: dict[str, NDArray[np.float64]]


def judge(it: Seconds, parameters: FollowUpParameters, *, lying_from: int) -> Judged:
    """What became of each. ``lying_from``: the two seconds from this one on show how somebody came to lie."""
    p = parameters
    lying_g = _mean(it.gravity_g[:, lying_from : lying_from + 2], it.seen[:, lying_from : lying_from + 2])
    turned_deg = _angle_deg(it.before_g, lying_g)
    from_before_deg = _angle_deg(it.gravity_g, it.before_g[:, None])
    from_lying_deg = _angle_deg(it.gravity_g, lying_g[:, None])
    lay = it.posture_tells & (turned_deg >= p.lay_deg)
    upright = it.seen & (from_before_deg <= p.upright_deg)
    away = it.posture_tells[:, None] | (from_lying_deg >= p.away_deg)
    walks = it.walks & np.where(lay[:, None], upright, away)
    beside = np.pad(walks, ((0, 0), (1, 1)))
    walked_s = (walks & (beside[:, :-2] | beside[:, 2:])).sum(axis=1)  # steps of a moment are none
    got_up = walked_s >= np.where(lay, p.walk_upright_s, p.walk_alone_s)

    rest = it.seen.copy()
    rest[:, : round(p.settle_s)] = False
    rest_s = rest.sum(axis=1)
    moved_pct = 100.0 * (rest & _moved(it, p)).sum(axis=1) / np.maximum(rest_s, 1)
    seen_s = it.seen.sum(axis=1)
    outcome = [
        Outcome.GOT_UP
        if up
        else Outcome.UNKNOWN
        if seconds < p.seen_s
        else Outcome.NO_MOVEMENT
        if share <= p.moved_pct
        else Outcome.STILL_LYING
        for up, seconds, share in zip(got_up.tolist(), seen_s.tolist(), moved_pct.tolist(), strict=True)
    ]
    nothing = np.where(rest_s > 0, 0.0, np.nan)
    posture = np.where(it.posture_tells, 0.0, np.nan)
    features = {
        "seen_s": seen_s.astype(np.float64),
        "moved_pct": moved_pct + nothing,
        "rest_std_g": _median(it.std_g, rest),
        "walked_s": walked_s.astype(np.float64),
        "lying_turned_deg": turned_deg + posture,
        "upright_s": np.where(lay, upright.sum(axis=1), np.nan),
        "end_turned_deg": _last(from_before_deg, it.seen) + posture,
    }
    return Judged(outcome, got_up, features)


def _moved(it: Seconds, p: FollowUpParameters) -> NDArray[np.bool_]:
    turned = np.zeros(it.seen.shape, np.bool_)
    turned[:, 1:] = _angle_deg(it.gravity_g[:, 1:], it.gravity_g[:, :-1]) >= p.moved_deg
    turned[:, 1:] &= it.seen[:, 1:] & it.seen[:, :-1]
    return (it.std_g >= p.moved_g) | turned


def _angle_deg(a: Floats, b: Floats) -> Floats:
    """NaN where one of them is."""
    cosine = (a * b).sum(axis=-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1) + _EPS)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))), np.float32)


def _mean(values: Floats, where: NDArray[np.bool_]) -> Floats:
    count = where.sum(axis=1, keepdims=True)
    total = (values * where[..., None]).sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), np.float32)


def _median(values: Floats, where: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.array(
        [float(np.median(row[mine])) if mine.any() else np.nan for row, mine in zip(values, where, strict=True)]
    )


def _last(values: Floats, where: NDArray[np.bool_]) -> NDArray[np.float64]:
    at = where.shape[1] - 1 - np.argmax(where[:, ::-1], axis=1)
    last = np.take_along_axis(values, at[:, None], axis=1)[:, 0].astype(np.float64)
    return np.where(where.any(axis=1), last, np.nan)
