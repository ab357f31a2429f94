"""Everyday motion made from a model: what somebody does for some seconds, as body and arm move in it.

Sway and arm swing are those of healthy old people walking slowly to briskly [1]_; sizes were set so that peaks lie
within those of the recordings (a test compares the two where recordings are present).

.. [1] Hollman, McDade and Petersen, Normative spatiotemporal gait parameters in older adults, Gait & Posture 2011,
   34(1), 111-118.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from firmware_sim.day_plan import Doing
from firmware_sim.kinematics import Body, Samples, Sensor, after, fitted, pulse, smooth, through, wander
from firmware_sim.motion import FS_HZ
from firmware_sim.people import Traits

#: How far a device sits from where it should, degrees (one sigma). A watch turns around the wrist.
_TILT_DEG = {"waist": 9.0, "wrist": 25.0}


@dataclass(frozen=True, slots=True)
class Person:
    """One synthetic wearer: device and gait. The rest is as in :class:`firmware_sim.people.Traits`."""

    placement: str
    sensor: Sensor
    step_hz: float
    vigour: float  # scales every acceleration of one's own making
    stature: float = 1.0
    fitness: float = 0.5
    asymmetry: float = 0.0
    holds_stick: bool = False  # the hand of the device does
    tremor_hz: float = 0.0
    tremor_g: float = 0.0

    @classmethod
    def draw(cls, placement: str, rng: np.random.Generator) -> Person:
        """Somebody old: 1.4 to 2.1 steps a second."""
        return cls(
            placement,
            Sensor.draw(rng, _TILT_DEG[placement]),
            float(rng.uniform(1.4, 2.1)),
            float(rng.uniform(0.6, 1.5)),
        )

    @classmethod
    def of(cls, traits: Traits, placement: str, rng: np.random.Generator) -> Person:
        """Somebody of whom more is known; a stick is held in either hand."""
        return cls(
            placement,
            Sensor.draw(rng, _TILT_DEG[placement]),
            traits.step_hz,
            traits.vigour,
            traits.stature,
            traits.fitness,
            traits.asymmetry,
            traits.stick and bool(rng.random() < 0.5),
            traits.tremor_hz,
            traits.tremor_g if placement == "wrist" else 0.0,
        )


def _seconds(rng: np.random.Generator, low: float, high: float) -> int:
    return int(rng.uniform(low, high) * FS_HZ)


def gait(n: int, person: Person, rng: np.random.Generator) -> tuple[Samples, Samples]:
    """``(n,)`` phase of the steps in radians and ``(n, 3)`` push of the trunk in body axes, in g."""
    phase = 2 * np.pi * np.cumsum(person.step_hz * (1 + 0.04 * wander(n, 0.5, rng))) / FS_HZ + rng.uniform(0, 6.28)
    size = person.vigour * (1 + 0.2 * wander(n, 0.5, rng))
    strike = np.clip(np.cos(phase), 0, None) ** 8 * (1 + person.asymmetry * np.sign(np.sin(phase / 2 + 0.8)))
    up = 0.20 * np.sin(phase) + 0.09 * np.sin(2 * phase + 0.8) + 0.60 * strike - 0.16
    forward = 0.14 * np.sin(phase + 1.9) + 0.07 * np.sin(2 * phase) - 0.18 * strike
    left = 0.13 * np.sin(phase / 2) + 0.06 * np.sin(1.5 * phase)
    return phase, np.stack([forward, left, up], axis=1) * (size * _ramp(n))[:, None]


def _ramp(n: int) -> Samples:
    """``(n,)``: 1, less in the first and in the last step."""
    ramp: Samples = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.8 * FS_HZ))
    return ramp


def still(n: int, lean: float, side: float, rng: np.random.Generator, sway: float = 0.012) -> Body:
    return Body(lean + sway * wander(n, 0.4, rng), side + sway * wander(n, 0.4, rng), 2 * sway * wander(n, 0.2, rng))


def waist_steps(n: int, person: Person, rng: np.random.Generator) -> Body:
    """Walking on: the trunk rocks from leg to leg."""
    phase, push = gait(n, person, rng)
    body = still(n, 0.06, 0.0, rng, sway=0.03)
    body.side += 0.08 * person.vigour * np.sin(phase / 2)
    body.lean += 0.04 * person.vigour * np.sin(phase)
    body.heading += 0.12 * person.vigour * np.sin(phase / 2 + 0.4)
    body.push = push
    return body


def waist_walk(person: Person, rng: np.random.Generator) -> Body:
    """Standing, walking with a turn, standing."""
    n = _seconds(rng, 8, 18)
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
    n = _seconds(rng, 6, 14)
    body = still(n, 0.08, 0.0, rng, sway=0.03)
    body.push = 0.02 * person.vigour * np.stack([wander(n, 3, rng) for _ in range(3)], axis=1)
    return body


def wrist_steps(n: int, person: Person, rng: np.random.Generator) -> Body:
    """Walking on: the arm swings once for every two steps."""
    phase, push = gait(n, person, rng)
    swing = rng.uniform(0.2, 0.6) * person.vigour * (0.35 if person.holds_stick else 1.0)
    body = still(n, 1.2, rng.uniform(-0.4, 0.4), rng, sway=0.06)
    body.lean += swing * np.sin(phase / 2)
    body.side += 0.4 * swing * np.sin(phase / 2 + 0.7)
    body.heading += 0.15 * np.sin(phase / 2)
    # The forearm hangs: what is up for the trunk runs along it, towards the elbow.
    body.push = 0.7 * push[:, [2, 1, 0]] * np.array([-1.0, 1.0, 1.0])
    body.push[:, 0] += 0.12 * swing * np.cos(phase)
    if person.holds_stick:  # set down once a stride
        body.push[:, 0] -= rng.uniform(0.2, 0.5) * np.clip(np.sin(phase / 2), 0, None) ** 16
    return body


def wrist_walk(person: Person, rng: np.random.Generator) -> Body:
    """Standing, walking, standing."""
    return wrist_steps(_seconds(rng, 8, 18), person, rng)


def wrist_hands(person: Person, rng: np.random.Generator) -> Body:
    """Something done with the hands: reaching, turning, putting down, at times a knock."""
    n = _seconds(rng, 8, 16)
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
    body = Body(fitted(through(lean), n), fitted(through(side), n), 0.3 * wander(n, 0.6, rng), push)
    body.push += 0.02 * person.vigour * np.stack([wander(n, 4, rng) for _ in range(3)], axis=1)
    return body


def wrist_rub(person: Person, rng: np.random.Generator) -> Body:
    """Brushing, washing, wiping: to and fro two to four times a second."""
    n = _seconds(rng, 6, 12)
    body = still(n, rng.uniform(-0.9, 0.3), rng.uniform(-0.8, 0.8), rng, sway=0.08)
    hz = rng.uniform(1.8, 3.6)
    busy = np.clip(wander(n, 0.4, rng) + 0.7, 0, 1.3)
    wave = np.sin(2 * np.pi * hz * np.cumsum(1 + 0.05 * wander(n, 1, rng)) / FS_HZ) * busy
    along = rng.normal(0, 1, 3)
    body.push = rng.uniform(0.15, 0.7) * person.vigour * wave[:, None] * along / np.linalg.norm(along)
    body.heading += rng.uniform(0.05, 0.3) * wave
    return body


def wrist_rest(_person: Person, rng: np.random.Generator) -> Body:
    """The hand on a lap or a table, moved now and then."""
    n = _seconds(rng, 6, 14)
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


def jogging(n: int, person: Person, rng: np.random.Generator) -> Body:
    """Running slowly: the ground pushes hard and briefly, between the steps one flies."""
    phase = 2 * np.pi * np.cumsum(rng.uniform(2.3, 2.9) * (1 + 0.03 * wander(n, 0.5, rng))) / FS_HZ
    size = rng.uniform(1.9, 2.7) * (1 + 0.1 * wander(n, 0.5, rng))
    stance = np.clip(np.sin(phase), 0, None)
    push = np.zeros((n, 3))
    push[:, 0] = 0.12 * size * np.sin(phase + 1.9)
    push[:, 1] = 0.10 * size * np.sin(phase / 2)
    push[:, 2] = size * (stance - 1 / np.pi) + rng.uniform(0.2, 1.2) * np.clip(np.cos(phase - 0.5), 0, None) ** 12
    if person.placement == "waist":
        body = still(n, 0.12, 0.0, rng, sway=0.03)
        body.side += 0.07 * np.sin(phase / 2)
        body.lean += 0.04 * np.sin(phase)
        body.heading += 0.12 * np.sin(phase / 2 + 0.4)
        body.push = push
        return body
    swing = rng.uniform(0.3, 0.7)
    body = still(n, rng.uniform(-0.2, 0.5), rng.uniform(-0.4, 0.4), rng, sway=0.06)
    body.lean += swing * np.sin(phase / 2)
    body.heading += 0.3 * swing * np.sin(phase / 2 + 0.7)
    body.push = 1.1 * push  # the forearm is level
    return body


def _long(walk: Callable[[int, Person, np.random.Generator], Body]) -> Activity:
    def roam(person: Person, rng: np.random.Generator) -> Body:
        """Walking on for a minute or so."""
        return walk(_seconds(rng, 30, 90), person, rng)

    return roam


def waist_sit(_person: Person, rng: np.random.Generator) -> Body:
    """Sitting, now and then shifting one's weight."""
    n = _seconds(rng, 6, 14)
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
    return after(body, waist_steps(_seconds(rng, 8, 14), person, rng))


def wrist_up(person: Person, rng: np.random.Generator) -> Body:
    """The hand on the floor and on furniture, then hanging while one walks away."""
    kneels, rises = rng.uniform(3, 7), rng.uniform(2.0, 3.5)
    lean = through([(1.0, 0.2), (kneels / 2, 1.0), (kneels / 2, 0.5), (rises, 1.2)])
    n = len(lean)
    body = still(n, 0.0, rng.uniform(-0.4, 0.4), rng, sway=0.08)
    body.lean += lean
    body.push = 0.12 * person.vigour * np.stack([wander(n, 2, rng) for _ in range(3)], axis=1)
    return after(body, wrist_steps(_seconds(rng, 8, 14), person, rng))


Activity = Callable[[Person, np.random.Generator], Body]
#: What a wearer does who has no plan for the day.
MEDLEY: dict[str, tuple[Activity, ...]] = {
    "waist": (waist_walk, waist_chair, waist_bed, waist_bend, waist_stand),
    "wrist": (wrist_walk, wrist_hands, wrist_rub, wrist_rest, wrist_chair),
}
#: What one does, by name (see `day_plan`), and how that is done.
DOINGS: dict[str, dict[Doing, tuple[Activity, ...]]] = {
    "waist": {
        "walk": (waist_walk,),
        "roam": (_long(waist_steps),),
        "stand": (waist_stand,),
        "hands": (waist_stand, waist_bend),
        "chair": (waist_chair,),
        "sit": (waist_sit,),
        "lie": (waist_lie,),
        "get_up": (waist_up,),
    },
    "wrist": {
        "walk": (wrist_walk,),
        "roam": (_long(wrist_steps),),
        "stand": (wrist_hands,),
        "hands": (wrist_hands, wrist_rub),
        "chair": (wrist_chair,),
        "sit": (wrist_rest,),
        "lie": (wrist_rest,),
        "get_up": (wrist_up,),
    },
}
