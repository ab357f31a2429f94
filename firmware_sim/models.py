"""Models of wearables: what a device makes of the motion it is worn through, and how long its battery lasts."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from firmware_sim.motion import FS_HZ, LSB_DPS, LSB_G, Counts

Samples = NDArray[np.float64]
_AXES = re.compile(r"([+-][xyz])([+-][xyz])([+-][xyz])")


class DeviceModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model.

    Attributes:
        name: of the model.
        share: its weight among the models of a scenario.
        fs: samples a second.
        range_g: full scale; what is beyond it is cut off, axis by axis.
        lsb_g: g per count; by default what 16 bits over the range make.
        noise_g: that its accelerometer adds to each sample (one sigma).
        gyroscope: whether it has one.
        axes: which of our axes its x, y and z are, each with a sign.
        battery_h: from full to empty. At 15 % it is charged, worn, within two hours.
        rests: at rest it says so (``idle_until``) and sends nothing until it moves.
    """

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    share: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    fs: Literal[25, 50, 100] = 50
    range_g: Literal[2, 4, 8, 16] = 16
    lsb_g: Annotated[float, Meta(ge=1e-5, le=0.1)] | None = None
    noise_g: Annotated[float, Meta(ge=0, le=0.2)] = 0.0
    gyroscope: bool = True
    axes: str = "+x+y+z"
    battery_h: Annotated[float, Meta(gt=0, le=100_000)] = 100.0
    rests: bool = False

    def __post_init__(self) -> None:
        match = _AXES.fullmatch(self.axes)
        if match is None or {axis[1] for axis in match.groups()} != set("xyz"):
            raise ValueError(f"axes wants each of x, y and z once with its sign, as in +x+y+z, not {self.axes!r}")

    @property
    def lsb(self) -> float:
        """g per count."""
        return self.lsb_g or self.range_g / 32768


def draw_model(models: list[DeviceModel], rng: np.random.Generator) -> DeviceModel:
    """One of them, by their shares."""
    shares = np.array([model.share for model in models])
    return models[int(rng.choice(len(models), p=shares / shares.sum()))]


class Sensing:
    """What one device of a model makes of motion at :data:`FS_HZ`, second by second.

    25 Hz is the mean of two samples, 100 Hz has the value half way before each, so that it lags by 10 ms.

    Args:
        model: which.
        rng: its noise.
    """

    def __init__(self, model: DeviceModel, rng: np.random.Generator) -> None:
        self.model = model
        self._rng = rng
        parts = _AXES.fullmatch(model.axes)
        assert parts is not None
        self._order = ["xyz".index(axis[1]) for axis in parts.groups()]
        self._signs = np.array([1.0 if axis[0] == "+" else -1.0 for axis in parts.groups()])
        self._last: dict[str, Samples] = {}

    def read(self, acc: Counts, gyr: Counts) -> tuple[Counts, Counts | None]:
        """Counts of the model from ``(FS_HZ, 3)`` counts of :data:`LSB_G` and :data:`LSB_DPS`; None: no gyroscope."""
        model = self.model
        felt = self._sampled("acc", acc.astype(np.float64) * LSB_G)
        if model.noise_g:
            felt = felt + self._rng.normal(0, model.noise_g, felt.shape)
        most = min(32767, int(model.range_g / model.lsb))
        counts: Counts = np.clip(np.rint(felt / model.lsb), -most, most).astype(np.int16)
        if not model.gyroscope:
            return counts, None
        turned = self._sampled("gyr", gyr.astype(np.float64) * LSB_DPS)
        return counts, np.clip(np.rint(turned / LSB_DPS), -32767, 32767).astype(np.int16)

    def _sampled(self, name: str, values: Samples) -> Samples:
        values = values[:, self._order] * self._signs
        if self.model.fs * 2 == FS_HZ:
            return (values[::2] + values[1::2]) / 2
        if self.model.fs == FS_HZ * 2:
            before = np.concatenate([self._last.get(name, values[:1]), values[:-1]])
            self._last[name] = values[-1:]
            return np.stack([(before + values) / 2, values], axis=1).reshape(-1, 3)
        return values
