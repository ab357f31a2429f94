"""Everyday motion as a belt feels it, some seconds of each."""

from __future__ import annotations

import numpy as np

from firmware_sim.kinematics import Body, after, fitted, pulse, through, wander
from firmware_sim.motion import FS_HZ
from firmware_sim.synthetic_gait import Person, seconds, still, waist_steps


def waist_walk(person: Person, rng: np.random.Generator) -> Body:
    """Standing, walking with a turn, standing."""
    n = seconds(rng, 8, 18)
    body = waist_steps(n, person, rng)
    body.heading += fitted(through([(n / FS_HZ / 2, 0.0), (2.0, rng.uniform(-2, 2))]), n)
    return body


def waist_chair(person: Person, rng: np.random.Generator) -> Body:
    """Standing, sitting down, sitting a while, getting up."""
    down, sits, up = rng.uniform(1.4, 2.4), rng.uniform(3, 9), rng.uniform(1.4, 2.4)
    bend, back = rng.uniform(0.4, 0.7), rng.uniform(-0.25, 0.1)
    way = [(1.5, 0.0), (down / 2, bend), (down / 2, back), (sits, back), (up / 2, bend), (up / 2, 0.02), (1.5, 0.02)]
    lean = through(way)
    n = len(lean)
    body = still(n, 0.0, 0.0, rng, sway=0.01)
    body.lean += lean
    seated = (1.5 + down) * FS_HZ
    risen = seated + (sits + up / 2) * FS_HZ
    body.push[:, 2] = person.vigour * (
        -0.10 * pulse(n, seated - 0.45 * FS_HZ, 0.4)
        + rng.uniform(0.12, 0.55) * pulse(n, seated, 0.09)
        + 0.13 * pulse(n, risen, 0.4)
        - 0.08 * pulse(n, risen + 0.5 * FS_HZ, 0.4)
    )
    return body


def waist_bed(person: Person, rng: np.random.Generator) -> Body:
    """Sitting, lying down, perhaps turning over, sitting up."""
    turn, lies = rng.uniform(-1.2, 1.2), rng.uniform(4, 9)
    lean = through([(2.0, 0.0), (rng.uniform(2.2, 3.5), -1.45), (lies, -1.5), (rng.uniform(2.2, 3.5), 0.05), (2, 0)])
    n = len(lean)
    body = still(n, 0.0, 0.0, rng, sway=0.01)
    body.lean += lean
    body.side += fitted(through([(6.0, 0.0), (1.6, turn), (lies - 3, turn), (1.2, 0.0)]), n)
    effort = pulse(n, 3 * FS_HZ, 1.0) + pulse(n, n - 3 * FS_HZ, 1.0)
    body.push = 0.06 * person.vigour * effort[:, None] * np.stack([wander(n, 2, rng) for _ in range(3)], axis=1)
    return body


def waist_bend(person: Person, rng: np.random.Generator) -> Body:
    """Standing, bending down for something, up again."""
    deep = rng.uniform(0.5, 1.3)
    lean = through([(2, 0), (rng.uniform(1.2, 2), deep), (rng.uniform(0.5, 2), deep), (rng.uniform(1.2, 2), 0), (2, 0)])
    body = still(len(lean), 0.0, 0.0, rng)
    body.lean += lean
    body.push[:, 2] = 0.05 * person.vigour * wander(len(lean), 1.5, rng)
    return body


def waist_stand(person: Person, rng: np.random.Generator) -> Body:
    """Standing at a table, hands busy."""
    n = seconds(rng, 6, 14)
    body = still(n, 0.08, 0.0, rng, sway=0.03)
    body.push = 0.02 * person.vigour * np.stack([wander(n, 3, rng) for _ in range(3)], axis=1)
    return body


def waist_sit(_person: Person, rng: np.random.Generator) -> Body:
    """Sitting, now and then shifting one's weight."""
    n = seconds(rng, 6, 14)
    body = still(n, rng.uniform(-0.3, 0.1), rng.normal(0, 0.05), rng, sway=0.006)
    body.lean += fitted(through([(rng.uniform(2, 5), 0.0), (1.0, rng.normal(0, 0.1))]), n)
    body.side += fitted(through([(rng.uniform(2, 5), 0.0), (1.2, rng.normal(0, 0.06))]), n)
    return body


def waist_lie(_person: Person, rng: np.random.Generator) -> Body:
    """Lying, turning over once: on the back or on a side, old people hardly ever on the belly."""
    first, second = (float(rng.choice([-1.45, 0.0, 1.45], p=[0.2, 0.45, 0.35])) for _ in range(2))
    side = through([(2.0, first), (rng.uniform(1.5, 3.0), second), (2.0, second)])
    n = len(side)
    body = still(n, -1.5, 0.0, rng, sway=0.006)
    body.side += side
    body.push = 0.05 * pulse(n, n / 2, 1.5)[:, None] * np.stack([wander(n, 2, rng) for _ in range(3)], axis=1)
    return body


def waist_up(person: Person, rng: np.random.Generator) -> Body:
    """From the floor over hands and knees to one's feet, and some steps away."""
    kneels, rises = rng.uniform(3, 7), rng.uniform(2.0, 3.5)
    lean = through([(1.5, 1.3), (kneels, 1.0), (rises / 2, 0.7), (rises / 2, 0.08)])
    n = len(lean)
    body = still(n, 0.0, 0.0, rng, sway=0.06)
    body.lean += lean
    body.side += 0.12 * wander(n, 0.5, rng)
    labour = pulse(n, n - rises * FS_HZ, 2.0)[:, None]
    body.push = 0.10 * person.vigour * labour * np.stack([wander(n, 2, rng) for _ in range(3)], axis=1)
    return after(body, waist_steps(seconds(rng, 8, 14), person, rng))
