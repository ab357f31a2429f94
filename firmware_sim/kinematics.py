"""What an accelerometer and a gyroscope read on a body whose posture and acceleration are known.

Body axes are forward, left, up. Posture is heading, then forward lean, then side lean (an aerospace ZYX sequence);
an accelerometer at rest reads +1 g along what is up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from firmware_sim.motion import FS_HZ, Array, Clip

Samples = NDArray[np.float64]

#: Sensor axes as in SisFall: x right, y down, z forward; about -1 g on y when upright.
_MOUNT: Samples = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
#: Full scale, in g and deg/s: what common wearables are set to.
_RANGE_G = 16.0
_RANGE_DPS = 2000.0


@dataclass(slots=True)
class Body:
    """Posture and acceleration over ``n`` samples.

    ``lean``, ``side`` and ``heading`` are ``(n,)`` radians; ``push`` is ``(n, 3)`` acceleration in body axes, in g;
    ``support`` is ``(n,)``, 1 where something carries the body, 0 in free fall; ``spin`` is ``(n, 3)`` deg/s that the
    sensor turns beyond the body (it wobbles on its strap when hit).
    """

    lean: Samples
    side: Samples
    heading: Samples
    push: Samples = field(default_factory=lambda: np.empty(0))
    support: Samples = field(default_factory=lambda: np.empty(0))
    spin: Samples = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        n = len(self.lean)
        if not len(self.push):
            self.push = np.zeros((n, 3))
        if not len(self.support):
            self.support = np.ones(n)
        if not len(self.spin):
            self.spin = np.zeros((n, 3))

    def __len__(self) -> int:
        return len(self.lean)

    def head(self, n: int) -> Body:
        """The first ``n`` samples."""
        return Body(self.lean[:n], self.side[:n], self.heading[:n], self.push[:n], self.support[:n], self.spin[:n])


@dataclass(frozen=True, slots=True)
class Sensor:
    """One device as it sits on one wearer: ``turn`` is the 3 x 3 rotation of its mounting, the rest its faults."""

    turn: Samples
    offset_g: Samples
    offset_dps: Samples
    noise_g: float
    noise_dps: float

    @classmethod
    def draw(cls, rng: np.random.Generator, tilt_deg: float) -> Sensor:
        """A device mounted within about ``tilt_deg`` of where it should be."""
        return cls(
            turn=rotation(np.radians(rng.normal(0, tilt_deg, 3))) @ _MOUNT,
            offset_g=rng.normal(0, 0.02, 3),
            offset_dps=rng.normal(0, 2.0, 3),
            noise_g=float(rng.uniform(0.004, 0.009)),
            noise_dps=float(rng.uniform(0.15, 0.5)),
        )

    def read(self, key: str, body: Body, rng: np.random.Generator, *, is_fall: bool = False) -> Clip:
        """The clip that this device records; of a fall, the impact is the largest |acc|."""
        n = len(body)
        sin_lean, cos_lean = np.sin(body.lean), np.cos(body.lean)
        sin_side, cos_side = np.sin(body.side), np.cos(body.side)
        up = np.stack([-sin_lean, cos_lean * sin_side, cos_lean * cos_side], axis=1)
        force = up * body.support[:, None] + body.push
        d_lean, d_side, d_heading = (np.gradient(a) * FS_HZ for a in (body.lean, body.side, body.heading))
        rate = np.degrees(
            np.stack(
                [
                    d_side - d_heading * sin_lean,
                    d_lean * cos_side + d_heading * cos_lean * sin_side,
                    -d_lean * sin_side + d_heading * cos_lean * cos_side,
                ],
                axis=1,
            )
        )
        acc = force @ self.turn.T + self.offset_g + rng.normal(0, self.noise_g, (n, 3))
        gyr = (rate + body.spin) @ self.turn.T + self.offset_dps + rng.normal(0, self.noise_dps, (n, 3))
        acc_g: Array = np.clip(acc, -_RANGE_G, _RANGE_G).astype(np.float32)
        impact = int(np.argmax(np.einsum("ij,ij->i", acc_g, acc_g))) if is_fall else None
        return Clip(key, acc_g, np.clip(gyr, -_RANGE_DPS, _RANGE_DPS).astype(np.float32), impact)


def rotation(vector: Samples) -> Samples:
    """The 3 x 3 matrix of a rotation vector in radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-9:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: Samples = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return turned


def smooth(n: int) -> Samples:
    """``(n,)`` from 0 to 1 with the least jerk: how people move from one posture to another."""
    u = np.linspace(0.0, 1.0, n)
    return u**3 * (10 - 15 * u + 6 * u**2)


def through(points: list[tuple[float, float]]) -> Samples:
    """A path of (duration_s, value) key points: from each value to the next within that one's duration."""
    parts = [np.full(max(1, round(points[0][0] * FS_HZ)), points[0][1])]
    for (_, start), (duration_s, end) in pairwise(points):
        parts.append(start + (end - start) * smooth(max(2, round(duration_s * FS_HZ))))
    return np.concatenate(parts)


def joined(before: Body, n: int) -> Body:
    """A body of ``n`` samples that begins with ``before`` and then keeps its last posture, carried and at rest."""

    def held(values: Samples, rest: float | Samples) -> Samples:
        more = np.zeros((n - len(values), *values.shape[1:])) + rest
        return np.concatenate([values, more])

    return Body(
        held(before.lean, before.lean[-1]),
        held(before.side, before.side[-1]),
        held(before.heading, before.heading[-1]),
        held(before.push, 0.0),
        held(before.support, 1.0),
        held(before.spin, 0.0),
    )


def after(first: Body, second: Body, blend_s: float = 1.0) -> Body:
    """``first``, then ``second``, which takes over the posture of its end and lets go of it within ``blend_s``."""
    let_go = 1 - fitted(smooth(max(2, round(blend_s * FS_HZ))), len(second))

    def led(a: Samples, b: Samples) -> Samples:
        return np.concatenate([a, b + (a[-1] - b[0]) * let_go])

    return Body(
        led(first.lean, second.lean),
        led(first.side, second.side),
        led(first.heading, second.heading),
        np.concatenate([first.push, second.push]),
        np.concatenate([first.support, second.support]),
        np.concatenate([first.spin, second.spin]),
    )


def fitted(path: Samples, n: int) -> Samples:
    """``path`` cut to ``n`` samples, or its last value held."""
    return path[:n] if len(path) >= n else np.concatenate([path, np.full(n - len(path), path[-1])])


def pulse(n: int, at: float, width_s: float) -> Samples:
    """``(n,)``: a bell of height 1 around sample ``at``; ``width_s`` is its width at half height."""
    sigma = width_s * FS_HZ / 2.355
    out: Samples = np.exp(-0.5 * ((np.arange(n) - at) / sigma) ** 2)
    return out


def ringing(n: int, at: int, hz: float, decay_s: float) -> Samples:
    """``(n,)``: a damped oscillation of height 1 that starts at sample ``at``."""
    t = (np.arange(n) - at) / FS_HZ
    after: Samples = np.where(t >= 0, np.exp(-np.maximum(t, 0) / decay_s) * np.sin(2 * np.pi * hz * t), 0.0)
    return after


def wander(n: int, hz: float, rng: np.random.Generator) -> Samples:
    """``(n,)``: chance movement of unit height, slower than about ``hz``."""
    knots = max(3, int(n / FS_HZ * hz * 2) + 2)
    values = rng.normal(0, 1, knots)
    u = np.linspace(0, knots - 1.001, n)
    i = u.astype(int)
    f = u - i
    f = f * f * (3 - 2 * f)
    path: Samples = values[i] * (1 - f) + values[i + 1] * f
    return path


def unit(rng: np.random.Generator) -> Samples:
    """A direction, all equally likely."""
    v = rng.normal(0, 1, 3)
    out: Samples = v / np.linalg.norm(v)
    return out
