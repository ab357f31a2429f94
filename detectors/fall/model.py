"""The learned part: how likely a window holds a fall. Reads weights from a file, computes with numpy only.

Two stages. The *first* looks at a second of what follows the impact with a logistic model on summary features: it turns
away nearly everything and says when the wearer may be asked. The *second* sees the rest with convolution features and
the same summary, in one linear model whose output is calibrated to a probability.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.errors import DetectorError
from detectors.fall import rocket
from detectors.fall.features import FeatureTable, summarise
from detectors.fall.ring import FS_HZ
from detectors.fall.windows import Floats

FORMAT = 1
SHIPPED = Path(__file__).with_name("weights.npz")
OPERATING_POINTS: tuple[str, ...] = ("sensitive", "balanced", "quiet")
#: Windows given to the convolutions at a time: 16 MB of scratch memory.
_BLOCK = 32


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear model of clipped features and their signed logarithms (and, behind them, of convolution features)."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: float

    def design(self, table: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(k, 2 f)`` from ``(k, f)``: what is further out than anything learned from counts as its edge."""
        return expand(np.clip(table, self.low, self.high))


def expand(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features and their signed logarithms side by side."""
    return np.concatenate([table, np.sign(table) * np.log1p(np.abs(table))], axis=1)


@dataclass(frozen=True, slots=True)
class Head:
    """The model of one kind of device: a placement, with or without a gyroscope."""

    name: str
    gyroscope: bool
    first: Linear
    reject_below: float  # log-odds of the first stage under which nothing more is computed
    suspect_above: float  # log-odds of the first stage from which the wearer may be asked
    second: Linear
    biases: NDArray[np.float32]
    slope: float  # Platt: log-odds = slope * output + intercept
    intercept: float
    thresholds: dict[str, float]  # operating point -> probability


@dataclass(frozen=True, slots=True)
class FallModel:
    """All heads, and where they come from."""

    heads: tuple[Head, ...]
    digest: bytes
    provenance: dict[str, Any] = field(default_factory=dict)

    def head_for(self, placement: str, gyroscope: bool) -> int:
        """The head for a device: of its placement, else of the unknown one; with the gyroscope if it can."""
        names = {head.name: i for i, head in enumerate(self.heads)}
        place = {"pocket": "hip"}.get(placement, placement)
        wanted = [f"{place}+gyr", place] if gyroscope else [place]
        wanted += ["unknown+gyr", "unknown"] if gyroscope else ["unknown"]
        return next((names[name] for name in wanted if name in names), 0)

    def first(
        self, head: int, acc_g: Floats, gyr_dps: Floats | None, *, peak: int
    ) -> tuple[NDArray[np.float32], FeatureTable]:
        """Log-odds ``(k,)`` from windows that end a second after the impact, and their summary features."""
        it = self.heads[head]
        table = summarise(acc_g, gyr_dps if it.gyroscope else None, peak=peak, fs_hz=FS_HZ)
        return it.first.design(table.values) @ it.first.weights + np.float32(it.first.bias), table

    def second(
        self, head: int, acc_g: Floats, gyr_dps: Floats | None, *, peak: int
    ) -> tuple[NDArray[np.float32], FeatureTable]:
        """Calibrated log-odds ``(k,)`` from windows that end at the decision, and their summary features."""
        it = self.heads[head]
        turned = gyr_dps if it.gyroscope else None
        table = summarise(acc_g, turned, peak=peak, fs_hz=FS_HZ)
        shares = convolve(acc_g, turned, it.biases, peak=peak)
        wide = shares.shape[1]
        output = shares @ it.second.weights[:wide] + it.second.design(table.values) @ it.second.weights[wide:]
        return np.float32(it.slope) * (output + np.float32(it.second.bias)) + np.float32(it.intercept), table


def convolve(acc_g: Floats, gyr_dps: Floats | None, biases: NDArray[np.float32], *, peak: int) -> NDArray[np.float32]:
    """Convolution features of k windows, some at a time."""
    parts = []
    for i in range(0, len(acc_g), _BLOCK):
        block = slice(i, i + _BLOCK)
        series = rocket.channels(acc_g[block], None if gyr_dps is None else gyr_dps[block], peak=peak, fs_hz=FS_HZ)
        parts.append(rocket.transform(series, biases))
    return np.concatenate(parts)


def probability(log_odds: NDArray[np.float32]) -> NDArray[np.float64]:
    """The logistic function, safe for any input."""
    return 1.0 / (1.0 + np.exp(-np.clip(log_odds.astype(np.float64), -40.0, 40.0)))


def save_model(heads: tuple[Head, ...], path: Path, provenance: dict[str, Any]) -> None:
    """Write the weights as ``path`` (npz) and where they come from beside it (json)."""
    arrays: dict[str, NDArray[Any]] = {"format": np.array(FORMAT), "heads": np.array([head.name for head in heads])}
    for head in heads:
        for stage, linear in (("first", head.first), ("second", head.second)):
            arrays[f"{head.name}/{stage}/clip"] = np.stack([linear.low, linear.high]).astype(np.float32)
            arrays[f"{head.name}/{stage}/weights"] = linear.weights.astype(np.float32)
        arrays[f"{head.name}/biases"] = head.biases.astype(np.float32)
        arrays[f"{head.name}/levels"] = np.array(
            [head.first.bias, head.second.bias, head.reject_below, head.suspect_above, head.slope, head.intercept]
            + [head.thresholds[point] for point in OPERATING_POINTS]
        )
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    path.with_suffix(".json").write_text(json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")


def load_model(path: Path) -> FallModel:
    """Read weights written by :func:`save_model`.

    Raises:
        DetectorError: there is no such file, or it is no weights file of this version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise DetectorError(f"cannot read weights {path}: {error}; make them with `make train-falls`") from error
    if int(arrays.get("format", np.array(-1))) != FORMAT:
        raise DetectorError(f"{path} is not of weights format {FORMAT}; make it again with `make train-falls`")
    heads = []
    for name in (str(n) for n in arrays["heads"]):
        levels = [float(v) for v in arrays[f"{name}/levels"]]
        first, second = (
            Linear(
                arrays[f"{name}/{stage}/clip"][0],
                arrays[f"{name}/{stage}/clip"][1],
                arrays[f"{name}/{stage}/weights"],
                bias,
            )
            for stage, bias in (("first", levels[0]), ("second", levels[1]))
        )
        heads.append(
            Head(
                name,
                name.endswith("+gyr"),
                first,
                levels[2],
                levels[3],
                second,
                arrays[f"{name}/biases"],
                levels[4],
                levels[5],
                dict(zip(OPERATING_POINTS, levels[6:], strict=True)),
            )
        )
    note = path.with_suffix(".json")
    provenance = json.loads(note.read_text()) if note.exists() else {}
    digest = hashlib.blake2b(b"".join(arrays[name].tobytes() for name in sorted(arrays)), digest_size=16).digest()
    return FallModel(tuple(heads), digest, provenance)


@cache
def shipped_model() -> FallModel:
    """The weights that come with the package."""
    return load_model(SHIPPED)
