"""Who moves, and how trunk and arm go along with the steps.

Sway and arm swing are those of healthy old people walking slowly to briskly [1]_; sizes were set so that peaks lie
within those of the recordings (a test compares the two where recordings are present).

.. [1] Hollman, McDade and Petersen, Normative spatiotemporal gait parameters in older adults, Gait & Posture 2011,
   34(1), 111-118.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firmware_sim.kinematics import Body, Samples, Sensor, wander
from firmware_sim.motion import FS_HZ
from firmware_sim.people import Traits

#: How far a device sits from where it should, degrees (one sigma). A watch turns around the wrist.
_TILT_DEG = {"waist": 9.0, "wrist": 25.0}
#: What of a step's strike a wrist feels, beyond what the whole body does.
_STRIKE_G = 0.32
#: From the point about which an arm swings (between shoulder and elbow) to the wrist.
_ARM_M = 0.40


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


def seconds(rng: np.random.Generator, low: float, high: float) -> int:
    """A number of samples that last between ``low`` and ``high`` seconds."""
    return int(rng.uniform(low, high) * FS_HZ)


def still(n: int, lean: float, side: float, rng: np.random.Generator, sway: float = 0.012) -> Body:
    return Body(lean + sway * wander(n, 0.4, rng), side + sway * wander(n, 0.4, rng), 2 * sway * wander(n, 0.2, rng))


def gait(n: int, person: Person, rng: np.random.Generator) -> tuple[Samples, Samples]:
    """``(n,)`` phase of the steps in radians and ``(n, 3)`` push of the trunk in body axes, in g."""
    phase = 2 * np.pi * np.cumsum(person.step_hz * (1 + 0.04 * wander(n, 0.5, rng))) / FS_HZ + rng.uniform(0, 6.28)
    size = person.vigour * (1 + 0.2 * wander(n, 0.5, rng))
    strike = np.clip(np.cos(phase), 0, None) ** 8 * (1 + person.asymmetry * np.sign(np.sin(phase / 2 + 0.8)))
    up = 0.20 * np.sin(phase) + 0.09 * np.sin(2 * phase + 0.8) + 0.60 * strike - 0.16
    forward = 0.14 * np.sin(phase + 1.9) + 0.07 * np.sin(2 * phase) - 0.18 * strike
    left = 0.13 * np.sin(phase / 2) + 0.06 * np.sin(1.5 * phase)
    return phase, np.stack([forward, left, up], axis=1) * (size * ramp(n))[:, None]


def ramp(n: int) -> Samples:
    """``(n,)``: 1, less in the first and in the last second: nothing begins or ends at once."""
    out: Samples = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.8 * FS_HZ))
    return out


def waist_steps(n: int, person: Person, rng: np.random.Generator) -> Body:
    """Walking on: the trunk rocks from leg to leg."""
    phase, push = gait(n, person, rng)
    body = still(n, 0.06, 0.0, rng, sway=0.03)
    body.side += 0.08 * person.vigour * np.sin(phase / 2)
    body.lean += 0.04 * person.vigour * np.sin(phase)
    body.heading += 0.12 * person.vigour * np.sin(phase / 2 + 0.4)
    body.push = push
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
    body.push = 0.35 * push[:, [2, 1, 0]] * np.array([-1.0, 1.0, 1.0])
    strike = np.clip(np.cos(phase), 0, None) ** 10 - 0.12  # softened less than the sway
    body.push[:, 0] -= _STRIKE_G * person.vigour * np.exp(0.4 * wander(n, 1.0, rng)) * strike * ramp(n)
    body.push[:, 0] += 0.12 * swing * np.cos(phase)
    # A pendulum takes gravity's pull along with it, and beyond its centre feels the reverse.
    body.push[:, 2] += _ARM_M * (np.pi * person.step_hz) ** 2 / 9.81 * swing * np.sin(phase / 2) * ramp(n)
    if person.holds_stick:  # set down once a stride
        body.push[:, 0] -= rng.uniform(0.2, 0.5) * np.clip(np.sin(phase / 2), 0, None) ** 16
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
