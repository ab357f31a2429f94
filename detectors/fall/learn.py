"""Learns the heads of the model from candidates. Needs scikit-learn (the extra ``train``).

Everything is split by subject: the calibration and the thresholds of a head come from scores of people that the scoring
model had not seen. Two things are taken from all the recordings of the folder without looking at a label: where the
summary features are clipped and the biases of the convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.errors import DetectorError
from detectors.fall import rocket
from detectors.fall.candidates import Candidates, best_per_recording, find_candidates, folds_by_subject, weights_of
from detectors.fall.features import summarise
from detectors.fall.model import OPERATING_POINTS, Head, Linear, convolve, expand, probability
from detectors.fall.recordings import Stream
from detectors.fall.ridge import Ridge
from detectors.fall.ring import FS_HZ
from detectors.fall.windows import ACC_LSB_G, GYR_LSB_DPS, hold_over_gaps
from detectors.parameters import FallParameters


class Source(NamedTuple):
    """What a head learns from."""

    own: tuple[str, ...]  # data sets of its kind of device: they set the calibration and the thresholds
    others: tuple[str, ...] = ()  # data sets of other kinds, which count for OTHERS_WEIGHT
    alarm_cost: float = 2.0  # of a recording with a false alarm, against a missed fall, at the operating point balanced


#: A head whose name ends in ``+gyr`` uses the gyroscope.
HEADS: dict[str, Source] = {
    # a waist makes few impacts that are no falls: a missed fall can weigh as much as a false alarm there
    "waist+gyr": Source(("sisfall",), ("weda", "hifd"), alarm_cost=1.0),
    "waist": Source(("sisfall",), ("weda", "hifd", "sfmm_hip"), alarm_cost=1.0),
    "wrist+gyr": Source(("weda", "hifd"), ("sisfall",)),
    "wrist": Source(("sfmm_wrist",), ("weda", "hifd")),
    "hip": Source(("sfmm_hip",), ("sisfall",)),
    "unknown+gyr": Source(("sisfall", "weda", "hifd")),
    "unknown": Source(("sisfall", "weda", "hifd", "sfmm_wrist", "sfmm_hip")),
}
#: How much a data set of another kind of device counts: at the wrist, falls at the waist raise the share found at 99 %
#: specificity from 94.4 to 96.4 % (WEDA).
OTHERS_WEIGHT = 0.3
FOLDS = 5
#: By how much a false alarm weighs more, or less, at an operating point than at balanced, when thresholds are chosen.
ALARM_COST: dict[str, float] = {"sensitive": 0.25, "balanced": 1.0, "quiet": 4.0}
#: Share of the falls that the first stage may turn away.
REJECT_SHARE = 0.002
#: Share of the falls for which the wearer is not asked before the decision.
SUSPECT_SHARE = 0.05
#: Windows from which the biases of the convolutions are drawn.
_BIAS_WINDOWS = 2_000


class Fitted(NamedTuple):
    """A head, and how it did on people it had not seen: data set -> operating point -> counts of recordings."""

    head: Head
    figures: dict[str, dict[str, dict[str, int]]]


class HeadTrainer:
    """What one head learns from, computed once; :meth:`fit` then learns from any part of the people."""

    def __init__(self, name: str, candidates: Candidates, parameters: FallParameters, *, seed: int) -> None:
        self.name = name
        self.gyroscope = name.endswith("+gyr")
        self.candidates = candidates = candidates.take(candidates.label >= 0)
        self.seed = seed
        peak = candidates.peak
        acc, gyr = self._windows(peak + round(parameters.peak_radius_s * FS_HZ) + 1)
        table = summarise(acc, gyr, peak=peak, fs_hz=FS_HZ).values
        self.first_clip = _edges(table)
        self.first = expand(np.clip(table, *self.first_clip))
        acc, gyr = self._windows(None)
        table = summarise(acc, gyr, peak=peak, fs_hz=FS_HZ).values
        self.second_clip = _edges(table)
        design = expand(np.clip(table, *self.second_clip))
        self.mean, self.scale = design.mean(axis=0), design.std(axis=0) + np.float32(1e-6)
        some = np.sort(np.random.default_rng(seed).permutation(len(acc))[:_BIAS_WINDOWS])
        series = rocket.channels(acc[some], None if gyr is None else gyr[some], peak=peak, fs_hz=FS_HZ)
        self.biases = rocket.fit_biases(series, seed=seed)
        shares = convolve(acc, gyr, self.biases, peak=peak)
        self.wide = shares.shape[1]
        self.ridge = Ridge(np.concatenate([shares, (design - self.mean) / self.scale], axis=1))

    def _windows(self, last: int | None) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        acc, _ = hold_over_gaps(self.candidates.acc[:, :last], ACC_LSB_G)
        return acc, hold_over_gaps(self.candidates.gyr[:, :last], GYR_LSB_DPS)[0] if self.gyroscope else None

    def fit(self, subjects: Sequence[str] | None = None) -> Fitted:
        """A head that learned from these subjects (``dataset/subject``) only; from all by default."""
        rows = np.arange(len(self.candidates.label))
        if subjects is not None:
            rows = rows[np.isin(self.candidates.subject, subjects)]
        these = self.candidates.take(rows)
        source = HEADS[self.name]
        label, weight = these.label, weights_of(these)
        weight[np.isin(these.dataset, source.others)] *= OTHERS_WEIGHT
        own = np.flatnonzero(np.isin(these.dataset, source.own))
        if not {0, 1} <= set(label[own].tolist()):
            own = np.arange(len(rows))  # its own data sets were left out: the others must do
        judged = these.take(own)
        fold = folds_by_subject(these.subject, FOLDS, self.seed)
        target = 2.0 * label.astype(np.float64) - 1.0
        early = self.first[rows]
        doubt, output = np.zeros(len(rows)), np.zeros(len(rows))
        for k in range(FOLDS):
            train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            coefficients, bias = _logistic(early[train], label[train], weight[train], 0.1)
            doubt[test] = early[test] @ coefficients + bias
            output[test] = self.ridge.fit(rows[train], target[train], weight[train]).outputs(rows[test])
        best = best_per_recording(judged, doubt[own], 1)
        reject_below, suspect_above = np.quantile(best, [REJECT_SHARE, SUSPECT_SHARE])
        outputs = output[own, None].astype(np.float32)
        slope, intercept = _logistic(outputs, judged.label, _by_dataset(judged), 1e3)
        score = probability(slope[0] * outputs[:, 0] + np.float32(intercept))
        score[doubt[own] < reject_below] = 0.0
        thresholds = {
            point: choose_threshold(judged, score, source.alarm_cost * ALARM_COST[point]) for point in OPERATING_POINTS
        }
        coefficients, bias = _logistic(early, label, weight, 0.1)
        weights, offset = self.ridge.fit(rows, target, weight).primal()
        summary = weights[self.wide :] / self.scale
        head = Head(
            name=self.name,
            gyroscope=self.gyroscope,
            first=Linear(*self.first_clip, coefficients.astype(np.float32), bias),
            reject_below=float(reject_below),
            suspect_above=float(suspect_above),
            second=Linear(
                *self.second_clip,
                np.concatenate([weights[: self.wide], summary]).astype(np.float32),
                offset - float(self.mean @ summary),
            ),
            biases=self.biases,
            slope=float(slope[0]),
            intercept=intercept,
            thresholds=thresholds,
        )
        return Fitted(head, _figures(judged, score, thresholds))


def _figures(
    candidates: Candidates, score: NDArray[np.float64], thresholds: dict[str, float]
) -> dict[str, dict[str, dict[str, int]]]:
    """Of the recordings that have an impact at all."""
    out: dict[str, dict[str, dict[str, int]]] = {}
    for dataset in np.unique(candidates.dataset):
        here = candidates.dataset == dataset
        of = candidates.take(here)
        best = {label: best_per_recording(of, score[here], label) for label in (0, 1) if (of.label == label).any()}
        fell, lived = best.get(1, np.zeros(0)), best.get(0, np.zeros(0))
        out[str(dataset)] = {
            point: {
                "falls": len(fell),
                "found": int((fell >= limit).sum()),
                "daily": len(lived),
                "false_alarms": int((lived >= limit).sum()),
            }
            for point, limit in thresholds.items()
        }
    return out


def _edges(table: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    low, high = np.quantile(table, [0.002, 0.998], axis=0).astype(np.float32)
    return low, high


def _by_dataset(candidates: Candidates) -> NDArray[np.float64]:
    """Weights that let every data set count the same and leave its share of falls as it is."""
    weight = np.zeros(len(candidates.label))
    for dataset in np.unique(candidates.dataset):
        members = candidates.dataset == dataset
        weight[members] = 1.0 / members.sum()
    return np.asarray(weight * (len(weight) / weight.sum()))


def _logistic(
    design: NDArray[np.float32], label: NDArray[np.int8], weight: NDArray[np.float64], strength: float
) -> tuple[NDArray[np.float64], float]:
    """Weights and intercept of a logistic regression on standardised columns, in the columns' own units."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise DetectorError("training needs scikit-learn: pip install 'carecircle[train]'") from error
    mean, scale = design.mean(axis=0, dtype=np.float64), design.std(axis=0, dtype=np.float64) + 1e-6
    fitted = LogisticRegression(C=strength, max_iter=5_000)
    fitted.fit((design - mean) / scale, label, sample_weight=weight)
    weights = fitted.coef_[0] / scale
    return weights, float(fitted.intercept_[0] - mean @ weights)


def choose_threshold(candidates: Candidates, score: NDArray[np.float64], cost: float) -> float:
    """The probability at which a cost is least: the share of missed falls and ``cost`` times the share of recordings of
    daily living with an alarm, data sets weighing the same. Averaged over neighbouring thresholds, which are even in
    log-odds, so that it does not hang on one recording."""
    odds = np.linspace(-4.0, 5.0, 181)
    levels = 1.0 / (1.0 + np.exp(-odds))
    loss = np.zeros(len(levels))
    for dataset in np.unique(candidates.dataset):
        of = candidates.take(candidates.dataset == dataset)
        here = score[candidates.dataset == dataset]
        for label, weight in ((1, 1.0), (0, cost)):
            if (of.label == label).any():
                passed = (best_per_recording(of, here, label)[:, None] >= levels).mean(axis=0)
                loss += weight * ((1 - passed) if label else passed)
    smooth = np.convolve(np.pad(loss, 10, mode="edge"), np.ones(21) / 21, mode="valid")
    return float(levels[int(np.argmin(smooth))])


def trainers(
    streams: Sequence[Stream], parameters: FallParameters, *, seed: int, heads: Sequence[str] = tuple(HEADS)
) -> Iterator[HeadTrainer]:
    """A trainer for every head whose data sets are there, at least in part, one after another (each holds up to 2 GB).

    Raises:
        DetectorError: no head has both falls and daily living to learn from.
    """
    candidates = find_candidates(streams, parameters)
    some = False
    for name in heads:
        of = candidates.take(np.isin(candidates.dataset, HEADS[name].own + HEADS[name].others))
        if (of.label == 1).any() and (of.label == 0).any():
            some = True
            yield HeadTrainer(name, of, parameters, seed=seed)
    if not some:
        raise DetectorError("the folder has no falls, or nothing but falls: there is nothing to learn from")


def cross_validated_heads(
    streams: Sequence[Stream],
    parameters: FallParameters,
    *,
    seed: int,
    folds: int = FOLDS,
    tell: Callable[[str], None] = lambda _: None,
) -> list[tuple[list[Stream], tuple[Head, ...]]]:
    """For each fold the streams of its subjects, and heads that learned from everybody else."""
    names = np.array([stream.name for stream in streams])
    fold = folds_by_subject(names, folds, seed)
    placements = {(stream.placement, stream.gyr is not None) for stream in streams}
    wanted = [name for name in HEADS if (name.removesuffix("+gyr"), name.endswith("+gyr")) in placements]
    heads: list[list[Head]] = [[] for _ in range(folds)]
    for trainer in trainers(streams, parameters, seed=seed, heads=wanted):
        for k in range(folds):
            heads[k].append(trainer.fit([str(name) for name in names[fold != k]]).head)
            tell(f"{trainer.name}, fold {k + 1} of {folds}")
    return [
        ([stream for stream, f in zip(streams, fold, strict=True) if f == k], tuple(heads[k])) for k in range(folds)
    ]
