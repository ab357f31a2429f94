"""Everyday motion as a watch feels it, some seconds of each."""

from __future__ import annotations

import numpy as np

from firmware_sim.kinematics import Body, after, fitted, pulse, smooth, through, wander
from firmware_sim.motion import FS_HZ
from firmware_sim.synthetic_gait import Person, ramp, seconds, still, wrist_steps


def wrist_walk(person: Person, rng: np.random.Generator) -> Body:
    """Standing, walking, standing."""
    return wrist_steps(seconds(rng, 8, 18), person, rng)


def wrist_hands(person: Person, rng: np.random.Generator) -> Body:
    """Something done with the hands: reaching, turning, putting down, at times a knock."""
    n = seconds(rng, 8, 16)
    lean, side = [(0.5, rng.uniform(-0.5, 0.6))], [(0.5, rng.uniform(-0.6, 0.6))]
    push = np.zeros((n, 3))
    at = 0.5
    while at * FS_HZ < n:
        takes, waits = rng.uniform(0.3, 1.1), rng.exponential(0.4)
        for path, low, high in ((lean, -1.0, 1.0), (side, -1.2, 1.2)):
            path.append((takes, float(np.clip(path[-1][1] + rng.normal(0, 0.75), low, high))))
            path.append((waits, path[-1][1]))
        middle, sigma = (at + takes / 2) * FS_HZ, takes / 3
        reach = rng.normal(0, 0.25 * person.vigour / takes, 3)
        push += (
            reach * (pulse(n, middle - sigma * FS_HZ / 2, sigma) - pulse(n, middle + sigma * FS_HZ / 2, sigma))[:, None]
        )
        if rng.random() < 0.15:
            push += (rng.uniform(0.3, 1.2) * rng.normal(0, 0.6, 3)) * pulse(n, (at + takes) * FS_HZ, 0.05)[:, None]
        at += takes + waits
    body = Body(fitted(through(lean), n), fitted(through(side), n), 0.3 * wander(n, 0.6, rng), push * ramp(n)[:, None])
    body.push += 0.02 * person.vigour * np.stack([wander(n, 4, rng) for _ in range(3)], axis=1)
    return body


def wrist_rub(person: Person, rng: np.random.Generator) -> Body:
    """Brushing, washing, wiping: to and fro two to four times a second."""
    n = seconds(rng, 6, 12)
    body = still(n, rng.uniform(-0.9, 0.3), rng.uniform(-0.8, 0.8), rng, sway=0.08)
    hz = rng.uniform(1.8, 3.6)
    busy = np.clip(wander(n, 0.4, rng) + 0.7, 0, 1.3) * ramp(n)
    wave = np.sin(2 * np.pi * hz * np.cumsum(1 + 0.05 * wander(n, 1, rng)) / FS_HZ) * busy
    along = rng.normal(0, 1, 3)
    body.push = rng.uniform(0.15, 0.7) * person.vigour * wave[:, None] * along / np.linalg.norm(along)
    body.heading += rng.uniform(0.05, 0.3) * wave
    return body


def wrist_rest(_person: Person, rng: np.random.Generator) -> Body:
    """The hand on a lap or a table, moved now and then."""
    n = seconds(rng, 6, 14)
    body = still(n, rng.uniform(-0.3, 0.5), rng.uniform(-0.7, 0.7), rng, sway=0.008)
    body.side += fitted(through([(rng.uniform(2, 5), 0.0), (1.0, rng.normal(0, 0.3))]), n)
    return body


def wrist_chair(person: Person, rng: np.random.Generator) -> Body:
    """The arm of somebody who sits down, rests and gets up."""
    hang, lap = 1.2, rng.uniform(-0.1, 0.5)
    sits = rng.uniform(3, 8)
    lean = through([(1.5, hang), (1.3, lap), (sits, lap), (1.3, hang), (1.5, hang)])
    n = len(lean)
    body = still(n, 0.0, 0.0, rng, sway=0.02)
    body.lean += lean
    body.side += fitted(through([(1.8, 0.1), (1.2, rng.uniform(-0.8, 0.8))]), n) * smooth(n)[::-1] ** 0.2
    seated = 2.9 * FS_HZ
    body.push[:, 2] = person.vigour * rng.uniform(0.1, 0.7) * pulse(n, seated, 0.08)
    return body


def wrist_up(person: Person, rng: np.random.Generator) -> Body:
    """The hand on the floor and on furniture, then hanging while one walks away."""
    kneels, rises = rng.uniform(3, 7), rng.uniform(2.0, 3.5)
    lean = through([(1.0, 0.2), (kneels / 2, 1.0), (kneels / 2, 0.5), (rises, 1.2)])
    n = len(lean)
    body = still(n, 0.0, rng.uniform(-0.4, 0.4), rng, sway=0.08)
    body.lean += lean
    body.push = 0.12 * person.vigour * np.stack([wander(n, 2, rng) for _ in range(3)], axis=1)
    return after(body, wrist_steps(seconds(rng, 8, 14), person, rng))
