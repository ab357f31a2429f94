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


class Posture(NamedTuple):
    """How gravity lay to the wearers, in degrees, NaN where it was not seen."""

    turned_deg: Floats  # (k,) from before the fall to lying after it
    from_before_deg: Floats  # (k, n)
    from_lying_deg: Floats  # (k, n)
    lay: NDArray[np.bool_]  # (k,) the fall laid the wearer down, as far as posture tells
    upright: NDArray[np.bool_]  # (k, n) as before the fall


def posture(it: Seconds, parameters: FollowUpParameters, *, lying_from: int) -> Posture:
    """The postures. The two seconds from ``lying_from`` on show how somebody came to lie."""
    first = slice(lying_from, lying_from + 2)
    lying_g = _mean(it.gravity_g[:, first], it.seen[:, first])
    turned_deg = _angle_deg(it.before_g, lying_g)
    from_before_deg = _angle_deg(it.gravity_g, it.before_g[:, None])
    return Posture(
        turned_deg,
        from_before_deg,
        _angle_deg(it.gravity_g, lying_g[:, None]),
        it.posture_tells & (turned_deg >= parameters.lay_deg),
        it.seen & (from_before_deg <= parameters.upright_deg),
    )


def walked(it: Seconds, at: Posture, parameters: FollowUpParameters) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """How many seconds each wearer has walked in, and whether that is enough to say that they got up."""
    p = parameters
    away = it.posture_tells[:, None] | (at.from_lying_deg >= p.away_deg)
    walks = it.walks & np.where(at.lay[:, None], at.upright, away)
    beside = np.pad(walks, ((0, 0), (1, 1)))
    count = (walks & (beside[:, :-2] | beside[:, 2:])).sum(axis=1)  # steps of a moment are none
    return count, count >= np.where(at.lay, p.walk_upright_s, p.walk_alone_s)


class Judged(NamedTuple):
    """The outcome of each, and the figures behind it, ``(k,)`` each, NaN where unknown."""

    outcome: list[Outcome]
    features: dict[str, NDArray[np.float64]]


def judge(it: Seconds, parameters: FollowUpParameters, *, lying_from: int) -> Judged:
    """What became of each."""
    p = parameters
    at = posture(it, p, lying_from=lying_from)
    walked_s, got_up = walked(it, at, p)
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
    tells = np.where(it.posture_tells, 0.0, np.nan)
    features = {
        "seen_s": seen_s.astype(np.float64),
        "moved_pct": np.where(rest_s > 0, moved_pct, np.nan),
        "rest_std_g": _median(it.std_g, rest),
        "walked_s": walked_s.astype(np.float64),
        "lying_turned_deg": at.turned_deg + tells,
        "upright_s": np.where(at.lay, at.upright.sum(axis=1), np.nan),
        "end_turned_deg": _last(at.from_before_deg, it.seen) + tells,
    }
    return Judged(outcome, features)


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
