"""What somebody does up to the loss of balance, as body and arm move in it."""

from __future__ import annotations

import numpy as np

from firmware_sim.fall_kinds import FallKind
from firmware_sim.kinematics import Body, Samples, pulse, smooth, wander
from firmware_sim.motion import FS_HZ
from firmware_sim.synthetic_falls import GOES_ON_S
from firmware_sim.synthetic_gait import Person, jogging, still, waist_steps, wrist_steps


def before_fall(kind: FallKind, person: Person, rng: np.random.Generator) -> Body:
    """Three to six seconds of what ``kind`` interrupts, and what it would have gone on with."""
    n = int((rng.uniform(3, 6) + GOES_ON_S) * FS_HZ)
    at_waist = person.placement == "waist"
    if kind.doing == "walking":
        steps = waist_steps if at_waist else wrist_steps
        return steps(n + FS_HZ, person, rng).head(n)
    if kind.doing == "jogging":
        return jogging(n + FS_HZ, person, rng).head(n)
    body = _waist(kind, n, rng) if at_waist else _wrist(kind, n, rng)
    if not at_waist:
        body.push += 0.03 * person.vigour * np.stack([wander(n, 3, rng) for _ in range(3)], axis=1)
    return body


def _at_the_end(n: int, takes_s: float) -> Samples:
    """``(n,)``: 0, and in the last ``takes_s`` seconds up to 1."""
    way = np.zeros(n)
    k = min(n, round(takes_s * FS_HZ))
    way[n - k :] = smooth(k)
    return way


def _waist(kind: FallKind, n: int, rng: np.random.Generator) -> Body:
    if kind.doing == "sitting":
        body = still(n, float(rng.uniform(-0.4, 0.05)), 0.0, rng, sway=0.012)
        body.lean += rng.normal(0, 0.1) * _at_the_end(n, float(rng.uniform(1.0, 2.0)))  # nodding off, or fainting
        return body
    rises = kind.doing == "rising"
    body = still(n, float(rng.uniform(-0.25, 0.05)) if rises else 0.03, 0.0, rng, sway=0.02)
    takes_s = float(rng.uniform(0.5, 1.0))
    bend = float(rng.uniform(0.25, 0.6))
    body.lean += bend * _at_the_end(n, takes_s)
    push = 0.12 if rises else -0.10  # the seat is left, or the knees give way
    body.push[:, 2] = push * pulse(n, n - 0.4 * takes_s * FS_HZ, 0.5 * takes_s)
    return body


def _wrist(kind: FallKind, n: int, rng: np.random.Generator) -> Body:
    lap = float(rng.uniform(-0.1, 0.5)), float(rng.uniform(-0.6, 0.6))
    hangs = 1.1, 0.1
    (lean, side), to = (hangs, lap) if kind.doing == "sitting_down" else (lap, (0.8, 0.2))
    sway = 0.02 if kind.doing == "sitting" else 0.06
    body = still(n, lean, side, rng, sway=sway)
    if kind.doing != "sitting":  # reaching for the seat, or leaning on it
        way = _at_the_end(n, float(rng.uniform(0.6, 1.2)))
        body.lean += 0.7 * (to[0] - lean) * way
        body.side += 0.7 * (to[1] - side) * way
    return body
