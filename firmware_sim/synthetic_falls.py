"""Falls made from a model: loss of balance, a phase of little support, the impact with its ringing, lying.

Sizes follow the recordings (SisFall, WEDA-FALL and HIFD in these units, median with 5th and 95th percentile): peak at
the waist 5.3 g (2.8-10.6), least |acc| before it 0.36 g (0.11-0.67), |acc| over 1.5 g for 0.18 s (0.10-0.44), posture
changed by 93 degrees (72-112), then 0.01 g of movement. At the wrist the arm hits and bounces: over 1.5 g for 0.4 s.
"""

from __future__ import annotations

import numpy as np

from firmware_sim.kinematics import Body, Samples, fitted, pulse, ringing, smooth, unit, wander
from firmware_sim.motion import FS_HZ

#: Lying still after a fall, made here; a track holds the posture for longer.
_LIES_S = 6.0
_KINDS = ("forward", "backward", "left", "right")
_KIND_SHARES = (0.35, 0.25, 0.2, 0.2)


def _lognormal(rng: np.random.Generator, median: float, sigma: float, low: float, high: float) -> float:
    return float(np.clip(median * np.exp(rng.normal(0, sigma)), low, high))


def _accelerating(n: int, rng: np.random.Generator) -> Samples:
    """``(n,)`` from 0 to 1: a body that tips over turns ever faster until it hits."""
    u = np.linspace(0, 1, n)
    path: Samples = u ** rng.uniform(1.8, 2.6)
    return path


def _impacts(n: int, at: int, up: Samples, peak_g: float, more: int, rng: np.random.Generator) -> Samples:
    """``(n, 3)`` pushes: the impact at ``at``, ``more`` lesser contacts around it, and what rings after each."""
    push = np.zeros((n, 3))
    contacts = [(at, peak_g - 1.0)]
    for _ in range(more):
        gap = int(rng.uniform(0.08, 0.5) * FS_HZ)
        before = rng.random() < 0.35
        contacts.append((max(1, at - gap) if before else at + gap, rng.uniform(0.15, 0.5) * (peak_g - 1.0)))
    for when, size in contacts:
        toward = up + 0.45 * unit(rng)
        toward /= np.linalg.norm(toward)
        push += size * toward * pulse(n, when, rng.uniform(0.035, 0.08))[:, None]
        push += 0.28 * size * unit(rng) * ringing(n, when, rng.uniform(7, 12), rng.uniform(0.05, 0.1))[:, None]
    return push


def _settling(n: int, at: int, size_g: float, seconds: float, rng: np.random.Generator) -> Samples:
    """``(n, 3)``: the movement that dies away after an impact."""
    t = np.maximum(0, np.arange(n) - at) / FS_HZ
    fade = np.where(np.arange(n) >= at, np.exp(-t / seconds), 0.0)
    out: Samples = size_g * fade[:, None] * np.stack([wander(n, 5, rng) for _ in range(3)], axis=1)
    return out


def _up(lean: float, side: float) -> Samples:
    return np.array([-np.sin(lean), np.cos(lean) * np.sin(side), np.cos(lean) * np.cos(side)])


def waist_fall(doing: str, before: Samples, rng: np.random.Generator) -> tuple[str, Body]:
    """A fall as a belt feels it.

    Args:
        doing: ``walking``, ``standing`` or ``sitting``, what it starts from.
        before: ``(n, 3)`` pushes in g up to the loss of balance.
        rng: chance.

    Returns:
        The kind of fall in words and the body's motion.
    """
    kind = str(rng.choice(_KINDS, p=_KIND_SHARES))
    tips = round(rng.uniform(0.45, 0.8) * FS_HZ)
    lost = len(before)
    at = lost + tips
    n = at + round(_LIES_S * FS_HZ)
    end_lean, end_side = {
        "forward": (rng.normal(1.52, 0.12), rng.normal(0, 0.25)),
        "backward": (-rng.normal(1.5, 0.12), rng.normal(0, 0.25)),
        "left": (rng.normal(0, 0.2), rng.normal(1.52, 0.14)),
        "right": (rng.normal(0, 0.2), -rng.normal(1.52, 0.14)),
    }[kind]
    start_lean = 0.05 if doing != "sitting" else rng.uniform(-0.2, 0.1)
    tip = np.zeros(n)
    hit_share = rng.uniform(0.8, 0.95)  # the body lands before it lies flat
    tip[lost:at] = hit_share * _accelerating(tips, rng)
    lands = round(rng.uniform(0.12, 0.3) * FS_HZ)
    tip[at : at + lands] = hit_share + (1 - hit_share) * smooth(lands)
    tip[at + lands :] = 1.0
    calm = np.exp(-np.maximum(0, np.arange(n) - at) / FS_HZ / 0.4)
    body = Body(
        start_lean + (end_lean - start_lean) * tip + 0.012 * calm * wander(n, 0.8, rng),
        end_side * tip + 0.012 * calm * wander(n, 0.8, rng),
        rng.normal(0, 0.5) * tip,
    )
    depth = rng.uniform(0.45, 1.0) if doing != "sitting" else rng.uniform(0.3, 0.85)
    falling = np.zeros(n)
    falling[lost:at] = np.clip(np.linspace(-0.25, 1.0, tips), 0, 1) ** 1.2
    body.support = 1 - depth * falling
    body.push[:lost] = before
    staggers = (np.arange(n) >= lost) & (np.arange(n) < at - 5)
    body.push += 0.1 * staggers[:, None] * np.stack([wander(n, 3, rng) for _ in range(3)], axis=1)
    up = _up(float(body.lean[at]), float(body.side[at]))
    peak = _lognormal(rng, 5.0, 0.40, 2.5, 12.0)
    body.push += _impacts(n, at, up, peak, int(rng.integers(1, 4)), rng)
    body.push += _settling(n, at, 0.35, 0.5, rng)
    spin = rng.uniform(150, 600) * ringing(n, at - 1, rng.uniform(3, 6), 0.09)
    body.spin += spin[:, None] * unit(rng) + 90 * _settling(n, at, 1.0, 0.3, rng)
    return f"fall_{kind}_{doing}", body


def wrist_fall(doing: str, before: Samples, rng: np.random.Generator) -> tuple[str, Body]:
    """A fall as a watch feels it; arguments and result as in :func:`waist_fall`.

    The arm flies up or forward, hits, bounces, and comes to lie in any posture.
    """
    kind = str(rng.choice(_KINDS, p=_KIND_SHARES))
    flies = round(rng.uniform(0.5, 0.9) * FS_HZ)
    lost = len(before)
    at = lost + flies
    n = at + round(_LIES_S * FS_HZ)
    start_lean, start_side = (1.1, 0.1) if doing != "sitting" else (rng.uniform(-0.1, 0.5), rng.uniform(-0.6, 0.6))
    hit_lean, hit_side = rng.uniform(-0.9, 0.5), rng.normal(0, 0.8)
    end_lean, end_side = hit_lean + rng.normal(0, 0.35), hit_side + rng.normal(0, 0.6)
    way = _accelerating(flies, rng)
    settles = round(rng.uniform(0.3, 0.8) * FS_HZ)

    def path(start: float, hit: float, end: float) -> Samples:
        parts = [np.full(lost, start), start + (hit - start) * way, hit + (end - hit) * smooth(settles)]
        return fitted(np.concatenate(parts), n)

    after = np.where(np.arange(n) >= lost, 1.0, 0.3) * np.exp(-np.maximum(0, np.arange(n) - at) / FS_HZ / 0.5)
    body = Body(
        path(start_lean, hit_lean, end_lean) + 0.06 * after * wander(n, 2, rng),
        path(start_side, hit_side, end_side) + 0.06 * after * wander(n, 2, rng),
        path(0.0, rng.normal(0, 0.8), rng.normal(0, 0.8)) + 0.06 * after * wander(n, 2, rng),
    )
    falling = np.zeros(n)
    falling[lost:at] = np.clip(np.linspace(-0.3, 1.0, flies), 0, 1)
    body.support = 1 - rng.uniform(0.3, 0.95) * falling
    body.push[:lost] = 0.8 * before[:, [2, 1, 0]]
    reaches = (np.arange(n) >= lost) & (np.arange(n) < at)
    body.push += 0.25 * reaches[:, None] * np.stack([wander(n, 3, rng) for _ in range(3)], axis=1)
    up = _up(hit_lean, hit_side)
    peak = _lognormal(rng, 5.2, 0.38, 3.0, 16.0)
    body.push += _impacts(n, at, up, peak, int(rng.integers(3, 8)), rng)
    body.push += _settling(n, at, rng.uniform(0.4, 1.5), rng.uniform(0.4, 1.0), rng)
    spin = rng.uniform(400, 1500) * ringing(n, at - 2, rng.uniform(2, 4), 0.14)
    body.spin += spin[:, None] * unit(rng) + 200 * _settling(n, at, 1.0, 0.45, rng)
    return f"fall_{kind}_{doing}", body
