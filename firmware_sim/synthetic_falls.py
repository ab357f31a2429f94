"""Falls made from a model: unsteady, little support while tipping over, the impact with its ringing, lying.

Sizes follow the recordings (SisFall, WEDA-FALL and HIFD in these units, median with 5th and 95th percentile): peak at
the waist 5.3 g (2.8-10.6), least |acc| before it 0.36 g (0.11-0.67), |acc| over 1.5 g for 0.18 s (0.10-0.44), posture
changed by 93 degrees (72-112), turning at 366 deg/s (199-617), then 0.01 g of movement. At the wrist the arm hits and
bounces: over 1.5 g for 0.4 s, turning at 670 deg/s.
"""

from __future__ import annotations

import numpy as np

from firmware_sim.kinematics import Body, Samples, joined, pulse, ringing, smooth, unit, wander
from firmware_sim.motion import FS_HZ

#: Lying still after a fall, made here; a track holds the posture for longer.
_LIES_S = 6.0
_KINDS = ("forward", "backward", "left", "right")
_KIND_SHARES = (0.35, 0.25, 0.2, 0.2)


def _lognormal(rng: np.random.Generator, median: float, sigma: float, low: float, high: float) -> float:
    return float(np.clip(median * np.exp(rng.normal(0, sigma)), low, high))


def _around(n: int, at: int, rise_s: float, decay_s: float) -> Samples:
    """``(n,)``: rises to 1 at sample ``at`` and dies away after it, each with its time constant."""
    t = (np.arange(n) - at) / FS_HZ
    out: Samples = np.where(t < 0, np.exp(np.minimum(t, 0) / rise_s), np.exp(-np.maximum(t, 0) / decay_s))
    return out


def _three(n: int, hz: float, rng: np.random.Generator) -> Samples:
    return np.stack([wander(n, hz, rng) for _ in range(3)], axis=1)


def _toward(up: Samples, spread: float, rng: np.random.Generator) -> Samples:
    direction = up + spread * unit(rng)
    out: Samples = direction / np.linalg.norm(direction)
    return out


def _impact(n: int, at: int, up: Samples, peak_g: float, rng: np.random.Generator) -> Samples:
    """``(n, 3)`` pushes of the body's impact: a hard blow, the softer landing around it, what rings after."""
    size = peak_g - 1.0
    core, base = rng.uniform(0.018, 0.055), rng.uniform(0.08, 0.18)
    push = 0.8 * size * _toward(up, 0.9, rng) * pulse(n, at, core)[:, None]
    push += min(0.3 * size, 1.6) * _toward(up, 0.7, rng) * pulse(n, at + rng.uniform(-1, 3), base)[:, None]
    hz, decay_s = rng.uniform(8, 14), rng.uniform(0.04, 0.08)
    push += rng.uniform(0.3, 0.6) * size * _toward(up, 2.5, rng) * ringing(n, at, hz, decay_s)[:, None]
    return push


def _contacts(
    n: int, at: int, up: Samples, sizes: list[float], gaps_s: tuple[float, float], rng: np.random.Generator
) -> Samples:
    """``(n, 3)`` pushes of lesser contacts (knee, hand, elbow, head), before the impact and more often after it."""
    push = np.zeros((n, 3))
    for size in sizes:
        gap = round(rng.uniform(*gaps_s) * FS_HZ)
        when = max(1, at - gap) if rng.random() < 0.35 else at + gap
        push += size * _toward(up, 1.0, rng) * pulse(n, when, rng.uniform(0.025, 0.07))[:, None]
    return push


def _up(lean: float, side: float) -> Samples:
    return np.array([-np.sin(lean), np.cos(lean) * np.sin(side), np.cos(lean) * np.cos(side)])


def _tipping(n: int, rng: np.random.Generator) -> Samples:
    """``(n,)`` from 0 to 1: a body that tips over turns ever faster until it hits."""
    path: Samples = np.linspace(0, 1, n) ** rng.uniform(1.7, 2.6)
    return path


def waist_fall(before: Body, rng: np.random.Generator) -> tuple[str, Body]:
    """The kind of a fall as a belt feels it, and the motion, from ``before`` on."""
    kind = str(rng.choice(_KINDS, p=_KIND_SHARES))
    lost, tips = len(before), round(rng.uniform(0.5, 0.9) * FS_HZ)
    at = lost + tips
    n = at + round(_LIES_S * FS_HZ)
    end_lean, end_side = {
        "forward": (rng.normal(1.52, 0.16), rng.normal(0, 0.3)),
        "backward": (-rng.normal(1.5, 0.16), rng.normal(0, 0.3)),
        "left": (rng.normal(0, 0.25), rng.normal(1.52, 0.17)),
        "right": (rng.normal(0, 0.25), -rng.normal(1.52, 0.17)),
    }[kind]
    # The body lands before it lies flat, or rolls beyond it and back.
    hit_share = rng.uniform(0.75, 1.15)
    settles = round(rng.uniform(0.2, 0.6) * FS_HZ)
    tip = np.ones(n)
    tip[:lost] = 0.0
    tip[lost:at] = hit_share * _tipping(tips, rng)
    tip[at : at + settles] = hit_share + (1 - hit_share) * smooth(settles)
    body = joined(before, n)
    body.lean += (end_lean - before.lean[-1]) * tip
    body.side += (end_side - before.side[-1]) * tip
    body.heading += rng.normal(0, 0.6) * tip
    unsteady = _around(n, at, rise_s=rng.uniform(0.5, 1.1), decay_s=rng.uniform(0.25, 0.6))
    restless = 0.05 * _lognormal(rng, 1.0, 0.7, 0.2, 5.0) * (np.arange(n) > at)
    for angle in (body.lean, body.side, body.heading):
        angle += 0.13 * unsteady * wander(n, 2.0, rng) + restless * wander(n, 0.35, rng)

    depth = rng.uniform(0.65, 1.08)
    falling = np.zeros(n)
    falling[lost:at] = np.clip(np.linspace(-0.4, 1.0, tips), 0, 1) ** 1.2
    rebound = rng.uniform(0.0, 0.5) * pulse(n, at + rng.uniform(0.2, 0.45) * FS_HZ, 0.12)
    body.support = 1 - depth * falling - rebound
    body.push += 0.25 * unsteady[:, None] * _three(n, 3, rng)
    up = _up(float(body.lean[at]), float(body.side[at]))
    peak = _lognormal(rng, 5.7, 0.32, 3.7, 14.0)
    body.push += _impact(n, at, up, peak, rng)
    more = [rng.uniform(0.15, 0.5) * (peak - 1) for _ in range(int(rng.integers(1, 5)))]
    body.push += _contacts(n, at, up, more, (0.06, 0.28), rng)
    body.push += _contacts(n, at, up, [rng.exponential(0.5) for _ in range(2)], (0.25, 0.6), rng)
    body.push += 0.35 * _around(n, at, 0.02, rng.uniform(0.3, 0.6))[:, None] * _three(n, 5, rng)
    spin = rng.uniform(150, 650) * ringing(n, at - 1, rng.uniform(3, 6), 0.09)
    body.spin += spin[:, None] * unit(rng) + 90 * _around(n, at, 0.05, 0.35)[:, None] * _three(n, 6, rng)
    return kind, body


def wrist_fall(before: Body, rng: np.random.Generator) -> tuple[str, Body]:
    """As :func:`waist_fall`, as a watch feels it: the arm flies out, hits, bounces, comes to lie anyhow."""
    kind = str(rng.choice(_KINDS, p=_KIND_SHARES))
    lost, flies = len(before), round(rng.uniform(0.45, 0.85) * FS_HZ)
    at = lost + flies
    n = at + round(_LIES_S * FS_HZ)
    hit_lean, hit_side = before.lean[-1] - rng.uniform(1.1, 2.4), before.side[-1] + rng.normal(0, 0.8)
    end_lean, end_side = hit_lean + rng.normal(0, 0.3), hit_side + rng.normal(0, 0.6)
    way = _tipping(flies, rng)
    settles = round(rng.uniform(0.3, 0.9) * FS_HZ)
    body = joined(before, n)
    for angle, hit, end in (
        (body.lean, hit_lean, end_lean),
        (body.side, hit_side, end_side),
        (body.heading, rng.normal(0, 0.9), rng.normal(0, 0.9)),
    ):
        start = angle[lost]
        angle[lost:at] += (hit - start) * way
        angle[at:] += hit - start
        angle[at : at + settles] += (end - hit) * smooth(settles)
        angle[at + settles :] += end - hit
    flails = _around(n, at, rise_s=rng.uniform(0.4, 1.0), decay_s=rng.uniform(0.3, 0.8))
    restless = 0.07 * _lognormal(rng, 1.0, 1.2, 0.03, 6.0) * (np.arange(n) > at)
    for angle in (body.lean, body.side, body.heading):
        angle += 0.16 * flails * wander(n, 2.0, rng) + restless * wander(n, 0.4, rng)

    falling = np.zeros(n)
    falling[lost:at] = np.clip(np.linspace(-0.3, 1.0, flies), 0, 1)
    rebound = rng.uniform(0.5, 1.1) * pulse(n, at + rng.uniform(0.15, 0.5) * FS_HZ, 0.12)
    body.support = 1 - rng.uniform(0.3, 0.95) * falling - rebound
    body.push += 0.8 * flails[:, None] * _three(n, 3, rng)
    up = _up(float(body.lean[at]), float(body.side[at]))
    peak = _lognormal(rng, 6.5, 0.28, 4.4, 16.0)
    body.push += _impact(n, at, up, peak, rng)
    more = [rng.uniform(0.25, 0.6) * (peak - 1) for _ in range(int(rng.integers(3, 7)))]
    body.push += _contacts(n, at, up, more, (0.06, 0.35), rng)
    body.push += _contacts(n, at, up, [rng.exponential(0.9) for _ in range(3)], (0.25, 0.9), rng)
    body.push += rng.uniform(0.4, 1.4) * _around(n, at, 0.02, rng.uniform(0.3, 0.9))[:, None] * _three(n, 5, rng)
    spin = rng.uniform(300, 1300) * ringing(n, at - 2, rng.uniform(2, 4), 0.14)
    body.spin += spin[:, None] * unit(rng) + 220 * _around(n, at, 0.1, 0.45)[:, None] * _three(n, 5, rng)
    return kind, body
