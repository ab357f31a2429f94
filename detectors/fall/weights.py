"""The weights' file: a model as arrays without code (npz), and where it comes from beside it (json)."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.errors import DetectorError
from detectors.fall.forms import Edges, Embedding, Linear, Quadratic
from detectors.fall.model import OPERATING_POINTS, FallModel, Head, Reasons
from detectors.fall.rocket import Convolutions
from detectors.fall.view import View

FORMAT = 2
SHIPPED = Path(__file__).with_name("weights.npz")

Arrays = dict[str, NDArray[Any]]


def save_model(heads: tuple[Head, ...], views: tuple[View, ...], path: Path, provenance: dict[str, Any]) -> None:
    """Write the weights as ``path`` (npz) and where they come from beside it (json)."""
    arrays: Arrays = {
        "format": np.array(FORMAT),
        "heads": np.array([head.name for head in heads]),
        "views": np.array([view.name for view in views]),
    }
    for view in views:
        arrays |= {f"view {view.name}/{name}": array for name, array in _of_view(view).items()}
    for head in heads:
        if isinstance(head.second, Quadratic):
            arrays |= {
                f"view {views[head.view].name}/{name}": array for name, array in _of_embedding(head.second.embedding)
            }
        arrays |= {f"head {head.name}/{name}": array for name, array in _of_head(head).items()}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # none has the name of its option
    path.with_suffix(".json").write_text(json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")


def load_model(path: Path) -> FallModel:
    """Read weights written by :func:`save_model`.

    Raises:
        DetectorError: there is no such file, or it is no weights file of this version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: Arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise DetectorError(f"cannot read weights {path}: {error}; make them with `make train-falls`") from error
    if int(arrays.get("format", np.array(-1))) != FORMAT:
        raise DetectorError(f"{path} is not of weights format {FORMAT}; make it again with `make train-falls`")
    names = [str(name) for name in arrays["views"]]
    parts = [_part(arrays, f"view {name}") for name in names]
    embeddings = [_embedding(part) for part in parts]
    views = tuple(_view(name, part) for name, part in zip(names, parts, strict=True))
    heads = tuple(_head(str(name), _part(arrays, f"head {name}"), embeddings) for name in arrays["heads"])
    note = path.with_suffix(".json")
    provenance = json.loads(note.read_text()) if note.exists() else {}
    digest = hashlib.blake2b(b"".join(arrays[name].tobytes() for name in sorted(arrays)), digest_size=16).digest()
    return FallModel(heads, views, digest, provenance)


@cache
def shipped_model() -> FallModel:
    """The weights that come with the package."""
    return load_model(SHIPPED)


def _part(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix + "/"): array for name, array in arrays.items() if name.startswith(prefix + "/")}


def _of_view(view: View) -> Arrays:
    return {
        "gyroscope": np.array(view.gyroscope),
        "kernels": view.convolutions.kernels,
        "biases": view.convolutions.biases,
        "share_scale": np.array(view.share_scale),
        "early_edges": np.stack([view.early_edges.low, view.early_edges.high]),
        "edges": np.stack([view.edges.low, view.edges.high]),
        "centre": view.centre,
        "scale": view.scale,
    }


def _view(name: str, part: Arrays) -> View:
    return View(
        name,
        bool(part["gyroscope"]),
        Convolutions(part["kernels"], part["biases"]),
        float(part["share_scale"]),
        Edges(*part["early_edges"]),
        Edges(*part["edges"]),
        part["centre"],
        part["scale"],
    )


def _of_embedding(embedding: Embedding) -> list[tuple[str, NDArray[Any]]]:
    return [("codes", embedding.codes), ("steps", embedding.steps), ("offset", embedding.offset)]


def _embedding(part: Arrays) -> Embedding | None:
    return Embedding.of(part["codes"], part["steps"], part["offset"]) if "codes" in part else None


def _of_head(head: Head) -> Arrays:
    arrays: Arrays = {
        "view": np.array(head.view),
        "first weights": head.first.weights,
        "second weights": head.second.weights,
        "reasons": np.stack([head.reasons.linear.weights, head.reasons.typical]),
        "levels": np.array(
            [
                head.first.bias,
                head.reject_below,
                head.suspect_above,
                head.second.bias,
                head.slope,
                head.intercept,
                head.reasons.linear.bias,
                *(head.thresholds[point] for point in OPERATING_POINTS),
            ]
        ),
    }
    if isinstance(head.second, Quadratic):
        square = head.second.square
        arrays["square"] = square[np.triu_indices(len(square))]  # it is symmetric
    return arrays


def _head(name: str, part: Arrays, embeddings: list[Embedding | None]) -> Head:
    levels = [float(level) for level in part["levels"]]
    first, reject_below, suspect_above, second, slope, intercept, reasons, *thresholds = levels
    view = int(part["view"])
    embedding = embeddings[view]
    form: Linear | Quadratic = Linear(part["second weights"], second)
    if embedding is not None:
        form = Quadratic(embedding, _symmetric(part["square"], len(embedding.offset)), part["second weights"], second)
    return Head(
        name=name,
        view=view,
        first=Linear(part["first weights"], first),
        reject_below=reject_below,
        suspect_above=suspect_above,
        second=form,
        slope=slope,
        intercept=intercept,
        reasons=Reasons(Linear(part["reasons"][0], reasons), part["reasons"][1]),
        thresholds=dict(zip(OPERATING_POINTS, thresholds, strict=True)),
    )


def _symmetric(upper: NDArray[np.float32], d: int) -> NDArray[np.float32]:
    square = np.zeros((d, d), np.float32)
    square[np.triu_indices(d)] = upper
    return np.triu(square) + np.triu(square, 1).T
