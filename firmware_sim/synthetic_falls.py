"""Falls made from a model, in phases: what was done before, losing balance, the impact with its contacts, lying.

The body tips over ever faster and carries itself less; the speed it has gained (drop and kept energy of the kind) is
stopped within the time of contact, which gives the size of the blow. Falls at the wrist: the arm flies out, hits,
bounces, comes to lie anyhow. What was set from recordings is said in `fall_kinds`; docs/simulated-people.md compares
the two.
"""

from __future__ import annotations

import numpy as np

from firmware_sim.fall_kinds import FallKind
from firmware_sim.kinematics import Body, Samples, joined, pulse, ringing, smooth, unit, wander
from firmware_sim.motion import FS_HZ

#: Of the motion before a fall, this much is what it would have gone on with.
GOES_ON_S = 0.6
#: Lying after a fall, made here; what comes then is the outcome's.
_LIES_S = 6.0
_GRAVITY = 9.81
#: Speed of the impact of a fall from standing that nothing dampens much: what a wrist's blow is measured by, m/s.
_WHOLE_M_S = 2.7
#: Which way one falls that may fall any way: forward, backward, sideways.
_ANY = (0.4, 0.2, 0.4)
#: Spread of speed and contact among falls of a kind, as sigma of the logarithm.
_SPEED_SIGMA, _CONTACT_SIGMA = 0.16, 0.38
#: How long a hand or a forearm takes to stop, the median: from a slap to a whole arm that gives way.
_HAND_CONTACT_S = 0.038
#: Least width of a blow that 50 samples a second can hold.
_LEAST_CONTACT_S = 0.014


def _lognormal(rng: np.random.Generator, median: float, sigma: float, low: float, high: float) -> float:
    return float(np.clip(median * np.exp(rng.normal(0, sigma)), low, high))


def _around(n: int, at: int, rise_s: float, decay_s: float) -> Samples:
    """``(n,)``: rises to 1 at sample ``at`` and dies away after it, each with its time constant."""
    t = (np.arange(n) - at) / FS_HZ
    out: Samples = np.where(t < 0, np.exp(np.minimum(t, 0) / rise_s), np.exp(-np.maximum(t, 0) / decay_s))
    return out


def _struggle(n: int, at: int, rise_s: float, lasts_s: float) -> Samples:
    """``(n,)``: rises to 1 at sample ``at``, stays about there for ``lasts_s`` and is soon over then."""
    t = (np.arange(n) - at) / FS_HZ
    out: Samples = np.where(t < 0, np.exp(np.minimum(t, 0) / rise_s), 1 / (1 + (np.maximum(t, 0) / lasts_s) ** 3))
    return out


def _three(n: int, hz: float, rng: np.random.Generator) -> Samples:
    return np.stack([wander(n, hz, rng) for _ in range(3)], axis=1)


def _toward(up: Samples, spread: float, rng: np.random.Generator) -> Samples:
    direction = up + spread * unit(rng)
    out: Samples = direction / np.linalg.norm(direction)
    return out


def _impact(n: int, at: int, up: Samples, size_g: float, core_s: float, rng: np.random.Generator) -> Samples:
    """``(n, 3)`` pushes of the body's impact: a hard blow, the softer landing around it, what rings after."""
    push = 0.8 * size_g * _toward(up, 0.9, rng) * pulse(n, at, core_s)[:, None]
    base_s = rng.uniform(0.08, 0.18)
    push += min(0.3 * size_g, 1.6) * _toward(up, 0.7, rng) * pulse(n, at + rng.uniform(-1, 3), base_s)[:, None]
    hz, decay_s = rng.uniform(7, 13), rng.uniform(0.04, 0.11)
    push += rng.uniform(0.3, 0.6) * size_g * _toward(up, 2.5, rng) * ringing(n, at, hz, decay_s)[:, None]
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


def _tipping(n: int, late: tuple[float, float], rng: np.random.Generator) -> Samples:
    """``(n,)`` from 0 to 1: a body that tips over turns ever faster until it hits; ``late`` are exponents."""
    path: Samples = np.linspace(0, 1, n) ** rng.uniform(*late)
    return path


def _speed_m_s(kind: FallKind, stature: float, rng: np.random.Generator) -> float:
    return kind.speed_m_s * float(stature**0.5) * float(np.exp(rng.normal(0, _SPEED_SIGMA)))


def _lies_down(way: str, rng: np.random.Generator) -> tuple[float, float]:
    """Lean and side, in radians, of somebody who lies there."""
    if way == "any":
        way = str(rng.choice(["forward", "backward", "sideways"], p=_ANY))
    if way == "sideways":
        return rng.normal(0, 0.25), float(rng.choice([-1, 1])) * rng.normal(1.60, 0.17)
    # The pelvis tips beyond the level on the back, and just comes to it on belly and arms.
    return (rng.normal(1.52, 0.16) if way == "forward" else rng.normal(-1.66, 0.18)), rng.normal(0, 0.3)


def _goes_on(before: Body, down: int) -> tuple[Body, int]:
    """A body in which ``before`` dies away, and the sample at which the balance is lost, ``down`` before the impact."""
    dies = round(GOES_ON_S * FS_HZ)
    lost = len(before) - dies
    body = joined(before.head(lost), lost + down + round(_LIES_S * FS_HZ))
    fade = 1 - smooth(dies)
    body.push[lost : lost + dies] += before.push[lost:] * fade[:, None]
    for angle, was in ((body.lean, before.lean), (body.side, before.side), (body.heading, before.heading)):
        angle[lost : lost + dies] += (was[lost:] - was[lost - 1]) * fade
    return body, lost


def _knock(n: int, lost: int, kind: FallKind, rng: np.random.Generator) -> Samples:
    """``(n, 3)``: what the foot that slips or is held does to the trunk, as the balance goes."""
    push = np.zeros((n, 3))
    if kind.cause == "slip":
        push[:, 0] = rng.uniform(0.15, 0.5) * pulse(n, lost + 3, 0.16)
    elif kind.cause == "trip":
        push[:, 0] = -rng.uniform(0.3, 0.8) * pulse(n, lost + 2, 0.12)
        push[:, 2] = rng.uniform(0.0, 0.5) * pulse(n, lost + 3, 0.10)
    return push


def _unloading(n: int, lost: int, at: int, speed_m_s: float, kind: FallKind) -> Samples:
    """``(n,)``: how much less the body is carried on its way down; what it gains by it is the speed."""
    way = np.zeros(n)
    way[lost:at] = np.clip(np.linspace(-0.4, 1.0, at - lost), 0, 1) ** 1.2
    gained_s = kind.unloaded * speed_m_s / _GRAVITY
    out: Samples = way * min(1.05, gained_s * FS_HZ / float(way.sum()))
    return out


def waist_fall(
    kind: FallKind, before: Body, rng: np.random.Generator, *, stature: float = 1.0, still: bool = False
) -> Body:
    """The motion of a fall as a belt feels it, from ``before`` on.

    Args:
        kind: which.
        before: the motion that it interrupts.
        rng: the only source of chance.
        stature: height of the person, 1 in the middle.
        still: nothing moves after the fall.
    """
    tips = round(rng.uniform(*kind.descent_s) * FS_HZ)
    body, lost = _goes_on(before, tips)
    n, at = len(body), lost + tips
    end_lean, end_side = _lies_down(kind.way, rng)
    speed = _speed_m_s(kind, stature, rng)
    # The body lands before it lies flat, rolls beyond it and back.
    landed, rolls = rng.uniform(0.65, 1.05), 1 + abs(rng.normal(0, 0.30))
    over, back = (round(rng.uniform(*span) * FS_HZ) for span in ((0.2, 0.5), (0.4, 1.1)))
    tip = np.ones(n)
    tip[:lost] = 0.0
    tip[lost:at] = landed * _tipping(tips, (1.7, 2.6), rng)
    tip[at : at + over] = landed + (rolls - landed) * smooth(over)
    tip[at + over : at + over + back] = rolls + (1 - rolls) * smooth(back)
    body.lean += (end_lean - before.lean[lost]) * tip
    body.side += (end_side - before.side[lost]) * tip
    body.heading += rng.normal(0, 0.6) * tip
    unsteady = _around(n, at, rise_s=rng.uniform(0.4, 0.9), decay_s=rng.uniform(0.2, 0.5))
    if kind.cause == "faint":
        unsteady *= 0.7
    restless = 0.0 if still else 0.05 * _lognormal(rng, 1.0, 0.7, 0.2, 5.0) * (np.arange(n) > at)
    for angle in (body.lean, body.side, body.heading):
        angle += 0.13 * unsteady * wander(n, 2.0, rng) + restless * wander(n, 0.35, rng)

    rebound = rng.uniform(0.0, 0.5) * pulse(n, at + rng.uniform(0.2, 0.45) * FS_HZ, 0.12)
    body.support = 1 - _unloading(n, lost, at, speed, kind) - rebound
    body.push += _knock(n, lost, kind, rng) + 0.22 * unsteady[:, None] * _three(n, 3, rng)
    up = _up(float(body.lean[at]), float(body.side[at]))
    core_s = _lognormal(rng, kind.contact_s, _CONTACT_SIGMA, _LEAST_CONTACT_S, 0.16)
    size = min(14.0, speed / _GRAVITY / core_s)
    body.push += _impact(n, at, up, size, core_s, rng)
    more = [rng.uniform(0.15, 0.5) * min(size, 5.0) for _ in range(int(rng.integers(1, 4)))]
    body.push += _contacts(n, at, up, more, (0.06, 0.28), rng)
    body.push += _contacts(n, at, up, [rng.exponential(0.4) for _ in range(2)], (0.25, 0.6), rng)
    body.push += 0.4 * _around(n, at, 0.02, rng.uniform(0.25, 0.6))[:, None] * _three(n, 5, rng)
    spin = 60 * speed * rng.uniform(0.7, 3.0) * ringing(n, at - 1, rng.uniform(3, 6), 0.09)
    body.spin += spin[:, None] * unit(rng) + 80 * _around(n, at, 0.05, 0.3)[:, None] * _three(n, 6, rng)
    return body


def wrist_fall(
    kind: FallKind, before: Body, rng: np.random.Generator, *, stature: float = 1.0, still: bool = False
) -> Body:
    """As :func:`waist_fall`, as a watch feels it."""
    flies = round(rng.uniform(*kind.descent_s) * FS_HZ)
    body, lost = _goes_on(before, flies)
    n, at = len(body), lost + flies
    speed = _speed_m_s(kind, stature, rng)
    hit_lean, hit_side = before.lean[lost] - rng.uniform(0.8, 2.1), before.side[lost] + rng.normal(0, 0.8)
    end_lean, end_side = hit_lean + rng.normal(0, 0.3), hit_side + rng.normal(0, 0.6)
    way = _tipping(flies, (1.7, 2.8), rng)
    settles = round(rng.uniform(0.4, 1.2) * FS_HZ)
    for angle, hit, end in (
        (body.lean, hit_lean, end_lean),
        (body.side, hit_side, end_side),
        (body.heading, rng.normal(0, 0.9), rng.normal(0, 0.9)),
    ):
        start = angle[lost - 1]
        angle[lost:at] += (hit - start) * way
        angle[at:] += hit - start
        angle[at : at + settles] += (end - hit) * smooth(settles)
        angle[at + settles :] += end - hit
    reacts = 0.45 if kind.cause == "faint" else 1.0
    flails = reacts * _struggle(n, at, rise_s=rng.uniform(0.2, 0.5), lasts_s=rng.uniform(0.45, 0.95))
    restless = 0.0 if still else 0.07 * _lognormal(rng, 1.0, 1.2, 0.03, 6.0) * (np.arange(n) > at)
    for angle in (body.lean, body.side, body.heading):
        angle += 0.16 * flails * wander(n, 2.0, rng) + restless * wander(n, 0.4, rng)

    falling = np.zeros(n)
    falling[lost:at] = np.clip(np.linspace(-0.3, 1.0, flies), 0, 1)
    bounces_s = rng.uniform(0.15, 0.5)  # the arm is thrown up, and lands once more
    rebound = rng.uniform(0.6, 1.3) * pulse(n, at + bounces_s * FS_HZ, 0.12)
    body.support = 1 - rng.uniform(0.3, 0.95) * falling - rebound
    body.push += 1.1 * flails[:, None] * _three(n, 3, rng)
    up = _up(float(body.lean[at]), float(body.side[at]))
    core_s = _lognormal(rng, _HAND_CONTACT_S, 0.55, _LEAST_CONTACT_S, 0.12)
    size = _lognormal(rng, 5.2 * (speed / _WHOLE_M_S) * (_HAND_CONTACT_S / core_s) ** 0.5, 0.28, 2.2, 15.0)
    body.push += _impact(n, at, up, 0.8 * size, core_s, rng)
    # A watch knocks on the bone, and wobbles on its strap.
    for _ in range(int(rng.integers(2, 5))):
        knock = rng.uniform(0.3, 0.7) * size * pulse(n, at + rng.uniform(-0.08, 0.12) * FS_HZ, rng.uniform(0.016, 0.03))
        body.push += knock[:, None] * _toward(up, 2.0, rng)
    wobble = ringing(n, at - 2, rng.uniform(11, 19), rng.uniform(0.05, 0.10))
    body.push += rng.uniform(0.2, 0.6) * size * wobble[:, None] * unit(rng)
    more = [rng.uniform(0.25, 0.6) * size for _ in range(int(rng.integers(2, 5)))]
    body.push += _contacts(n, at, up, more, (0.10, 0.35), rng)
    body.push += _contacts(n, at, up, [rng.exponential(0.9) for _ in range(3)], (0.25, 0.9), rng)
    lands = at + (bounces_s + rng.uniform(0.12, 0.3)) * FS_HZ
    body.push += rng.exponential(1.2) * _toward(up, 1.0, rng) * pulse(n, lands, rng.uniform(0.03, 0.09))[:, None]
    body.push += rng.uniform(0.3, 1.1) * _struggle(n, at, 0.02, rng.uniform(0.2, 0.7))[:, None] * _three(n, 5, rng)
    spin = rng.uniform(300, 1300) * ringing(n, at - 2, rng.uniform(2, 4), 0.14)
    body.spin += spin[:, None] * unit(rng) + 220 * _around(n, at, 0.1, 0.45)[:, None] * _three(n, 5, rng)
    return body
