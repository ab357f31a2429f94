"""Learns the heads of the model from candidates. Needs scikit-learn (the extra ``train``).

Everything is split by subject: the calibration and the thresholds of a head come from scores of people that the scoring
model had not seen. What is taken from all the recordings without looking at a label is a head's view: where the summary
features are clipped, the biases of the convolutions and the principal components. (Taking the components from the
trained people only moves no figure: WEDA 98.7 % instead of 98.5 at 98 to 99.5 % specificity, HIFD 97.8 both times.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.errors import DetectorError
from detectors.fall import ridge
from detectors.fall.candidates import Candidates, best_per_recording, find_candidates, folds_by_subject, weights_of
from detectors.fall.forms import Embedding, Linear
from detectors.fall.model import OPERATING_POINTS, Head, Reasons, probability
from detectors.fall.recordings import Stream
from detectors.fall.ring import FS_HZ
from detectors.fall.view import View
from detectors.fall.windows import ACC_LSB_G, GYR_LSB_DPS, hold_over_gaps
from detectors.parameters import FallParameters


class Recipe(NamedTuple):
    """How the heads of a view see and learn."""

    per_channel: int  # convolutions for each channel and dilation
    dimensions: int | None  # principal components of the quadratic form; None is a linear form
    alpha: float  # ridge penalty


class Source(NamedTuple):
    """What a head learns from."""

    view: str
    own: tuple[str, ...]  # data sets of its kind of device: they set the calibration and the thresholds
    others: tuple[str, ...] = ()  # data sets of other kinds, which count for OTHERS_WEIGHT
    alarm_cost: float = 2.0  # of a recording with a false alarm, against a missed fall, at the operating point balanced


#: The sensors of ``sfmm_wrist`` end at 2 g, which all but hides an impact: there more convolutions in a linear form
#: find 90 % of the falls at 97 % specificity, the quadratic form of a few hundred components finds 85 %.
VIEWS: dict[str, Recipe] = {
    "turns": Recipe(21, 320, 0.03),
    "accelerates": Recipe(21, 200, 0.03),
    "clips": Recipe(168, None, 30.0),
}
#: A head whose name ends in ``+gyr`` uses the gyroscope.
HEADS: dict[str, Source] = {
    # a waist makes few impacts that are no falls: a missed fall can weigh as much as a false alarm there
    "waist+gyr": Source("turns", ("sisfall",), ("weda", "hifd"), alarm_cost=1.0),
    "waist": Source("accelerates", ("sisfall",), ("weda", "hifd", "sfmm_hip"), alarm_cost=1.0),
    "wrist+gyr": Source("turns", ("weda", "hifd"), ("sisfall",), alarm_cost=2.5),
    "wrist": Source("clips", ("sfmm_wrist",), ("weda", "hifd"), alarm_cost=1.5),
    "hip": Source("accelerates", ("sfmm_hip",), ("sisfall",), alarm_cost=4.0),
    "unknown+gyr": Source("turns", ("sisfall", "weda", "hifd")),
    "unknown": Source("accelerates", ("sisfall", "weda", "hifd", "sfmm_wrist", "sfmm_hip")),
}
#: How much a data set of another kind of device counts: at the wrist, falls at the waist raise the share found at 99 %
#: specificity from 94.4 to 96.4 % (WEDA).
OTHERS_WEIGHT = 0.3
#: A head that lacks a data set of its own kind of device will meet sensors and people further from what it learned
#: from, and falls score lower there. Its thresholds are the lowest at which this share of daily recordings
#: with an impact has an alarm.
LACKING_ALARMS: dict[str, float] = {"sensitive": 0.08, "balanced": 0.035, "quiet": 0.01}
#: And the log-odds by which its first stage turns away less: of WEDA's falls 72 % pass the one that learned from the
#: other data sets, and all but one with this.
LACKING_DOUBT = 6.0
#: Of the quadratic kernel, in units of one over the median squared distance.
GAMMA = 0.3
FOLDS = 5
#: By how much a false alarm weighs more, or less, at an operating point than at balanced, when thresholds are chosen.
ALARM_COST: dict[str, float] = {"sensitive": 0.25, "balanced": 1.0, "quiet": 4.0}
#: C of the first stage's logistic regression, of the one that gives reasons (features that say the same must share
#: their weight there, else some speak against what they are a sign of), and of the calibration.
_FIRST_STRENGTH, _REASONS_STRENGTH, _PLATT_STRENGTH = 0.1, 0.003, 1e3
#: Share of the falls that the first stage may turn away.
REJECT_SHARE = 0.002
#: Share of the falls for which the wearer is not asked before the decision.
SUSPECT_SHARE = 0.05


class Fitted(NamedTuple):
    """A head, and how it did on people it had not seen: data set -> operating point -> counts of recordings."""

    head: Head
    figures: dict[str, dict[str, dict[str, int]]]


class ViewTrainer:
    """What the heads of one view learn from, computed once (up to 2 GB); :meth:`fit` learns one head from any part of
    the people."""

    def __init__(self, name: str, candidates: Candidates, parameters: FallParameters, *, seed: int) -> None:
        recipe = VIEWS[name]
        self.name = name
        self.alpha = recipe.alpha
        self.candidates = candidates = candidates.take(candidates.label >= 0)
        self.seed = seed
        peak = candidates.peak
        early = peak + round(parameters.peak_radius_s * FS_HZ) + 1
        acc, _ = hold_over_gaps(candidates.acc, ACC_LSB_G)
        turns = any(source.view == name and head.endswith("+gyr") for head, source in HEADS.items())
        gyr = hold_over_gaps(candidates.gyr, GYR_LSB_DPS)[0] if turns else None
        self.view = View.fit(name, acc, gyr, peak=peak, early=early, per_channel=recipe.per_channel, seed=seed)
        early_acc, _ = hold_over_gaps(candidates.acc[:, :early], ACC_LSB_G)
        early_gyr = hold_over_gaps(candidates.gyr[:, :early], GYR_LSB_DPS)[0] if turns else None
        self.early, _ = self.view.early(early_acc, early_gyr, peak=peak)
        columns, _ = self.view.columns(acc, gyr, peak=peak)
        self.summary = columns[:, self.view.convolutions.columns :].copy()
        self.kernel: ridge.LinearKernel | ridge.QuadraticKernel
        if recipe.dimensions is None:
            self.kernel = ridge.LinearKernel(columns)
        else:
            embedding = Embedding.fit(columns, recipe.dimensions, _by_dataset(candidates))
            self.kernel = ridge.QuadraticKernel(columns, embedding, gamma=GAMMA)
        self.gram = self.kernel.gram()

    @property
    def heads(self) -> tuple[str, ...]:
        """Those of this view that there is something to learn for."""
        return tuple(
            name
            for name, source in HEADS.items()
            if source.view == self.name
            and {0, 1} <= set(self.candidates.label[self._of(source, self.candidates)].tolist())
        )

    @staticmethod
    def _of(source: Source, candidates: Candidates) -> NDArray[np.bool_]:
        return np.isin(candidates.dataset, source.own + source.others)

    def fit(self, name: str, subjects: Sequence[str] | None = None, *, view: int = 0) -> Fitted:
        """The head ``name``, learned from these subjects (``dataset/subject``) only; from all by default.

        ``view`` is where its view stands in the model.
        """
        source = HEADS[name]
        chosen = self._of(source, self.candidates)
        if subjects is not None:
            chosen &= np.isin(self.candidates.subject, subjects)
        rows = np.flatnonzero(chosen)
        these = self.candidates.take(rows)
        label, weight = these.label, weights_of(these)
        weight[np.isin(these.dataset, source.others)] *= OTHERS_WEIGHT
        own = np.flatnonzero(np.isin(these.dataset, source.own))
        lacks = not set(source.own) <= set(these.dataset.tolist())
        if not {0, 1} <= set(label[own].tolist()):
            own = np.arange(len(rows))  # its own data sets were left out: the others must do
        judged = these.take(own)
        target = 2.0 * label.astype(np.float64) - 1.0
        early = self.early[rows]
        doubt, output = self._unseen(rows, these, target, weight)
        best = best_per_recording(judged, doubt[own], 1)
        reject_below, suspect_above = np.quantile(best, [REJECT_SHARE, SUSPECT_SHARE])
        if lacks:
            reject_below -= LACKING_DOUBT
        outputs = output[own, None].astype(np.float32)
        platt = _logistic(outputs, judged.label, _by_dataset(judged), _PLATT_STRENGTH)
        score = probability(platt.outputs(outputs))
        score[doubt[own] < reject_below] = 0.0
        thresholds = {
            point: threshold_at(judged, score, LACKING_ALARMS[point])
            if lacks
            else choose_threshold(judged, score, source.alarm_cost * ALARM_COST[point])
            for point in OPERATING_POINTS
        }
        summary = self.summary[rows]
        usual = np.flatnonzero((label == 0) & np.isin(np.arange(len(rows)), own))
        head = Head(
            name=name,
            view=view,
            first=_logistic(early, label, weight, _FIRST_STRENGTH),
            reject_below=float(reject_below),
            suspect_above=float(suspect_above),
            second=self.kernel.form(ridge.fit(self.gram, rows, target, weight, alpha=self.alpha)),
            slope=float(platt.weights[0]),
            intercept=platt.bias,
            reasons=Reasons(_logistic(summary, label, weight, _REASONS_STRENGTH), summary[usual].mean(axis=0)),
            thresholds=thresholds,
        )
        return Fitted(head, _figures(judged, score, thresholds))

    def _unseen(
        self,
        rows: NDArray[np.intp],
        these: Candidates,
        target: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The first stage's log-odds and the second's output for ``rows``, each from models without its subject."""
        fold = folds_by_subject(these.subject, FOLDS, self.seed)
        early = self.early[rows]
        doubt, output = np.zeros(len(rows)), np.zeros(len(rows))
        for k in range(FOLDS):
            train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            first = _logistic(early[train], these.label[train], weight[train], _FIRST_STRENGTH)
            doubt[test] = first.outputs(early[test])
            fitted = ridge.fit(self.gram, rows[train], target[train], weight[train], alpha=self.alpha)
            output[test] = ridge.outputs(self.gram, fitted, rows[test])
        return doubt, output


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


def _by_dataset(candidates: Candidates) -> NDArray[np.float64]:
    """Weights that let every data set count the same and leave its share of falls as it is."""
    weight = np.zeros(len(candidates.label))
    for dataset in np.unique(candidates.dataset):
        members = candidates.dataset == dataset
        weight[members] = 1.0 / members.sum()
    return np.asarray(weight * (len(weight) / weight.sum()))


def _logistic(
    design: NDArray[np.float32], label: NDArray[np.int8], weight: NDArray[np.float64], strength: float
) -> Linear:
    """Logistic regression on standardised columns, in the columns' own units."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise DetectorError("training needs scikit-learn: pip install 'carecircle[train]'") from error
    mean, scale = design.mean(axis=0, dtype=np.float64), design.std(axis=0, dtype=np.float64) + 1e-6
    fitted: Any = LogisticRegression(C=strength, max_iter=5_000)
    fitted.fit((design - mean) / scale, label, sample_weight=weight)
    weights = fitted.coef_[0] / scale
    return Linear(weights.astype(np.float32), float(fitted.intercept_[0] - mean @ weights))


def choose_threshold(candidates: Candidates, score: NDArray[np.float64], cost: float) -> float:
    """The probability at which a cost is least: the share of missed falls and ``cost`` times the share of recordings of
    daily living with an alarm, data sets weighing the same. Averaged over neighbouring thresholds, which are even in
    log-odds, so that it does not hang on one recording."""
    levels = _levels()
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


def threshold_at(candidates: Candidates, score: NDArray[np.float64], alarms: float) -> float:
    """The lowest probability from which at most the share ``alarms`` of the recordings of daily living has an alarm.
    Data sets weigh the same."""
    levels = _levels()
    passed = [
        (best_per_recording(candidates.take(here), score[here], 0)[:, None] >= levels).mean(axis=0)
        for here in (candidates.dataset == dataset for dataset in np.unique(candidates.dataset))
        if (candidates.label[here] == 0).any()
    ]
    low_enough = np.mean(passed, axis=0) <= alarms
    return float(levels[int(np.argmax(low_enough))] if low_enough.any() else levels[-1])


def _levels() -> NDArray[np.float64]:
    """Probabilities that are even in log-odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.linspace(-4.0, 5.0, 181))))


def trainers(
    streams: Sequence[Stream], parameters: FallParameters, *, seed: int, heads: Sequence[str] = tuple(HEADS)
) -> Iterator[ViewTrainer]:
    """A trainer for every view of these heads whose data sets are there, at least in part, one after another.

    Raises:
        DetectorError: no head has both falls and daily living to learn from.
    """
    candidates = find_candidates(streams, parameters)
    some = False
    for view in VIEWS:
        names = {d for head in heads if HEADS[head].view == view for d in HEADS[head].own + HEADS[head].others}
        of = candidates.take(np.isin(candidates.dataset, sorted(names)))
        if (of.label == 1).any() and (of.label == 0).any():
            some = True
            yield ViewTrainer(view, of, parameters, seed=seed)
    if not some:
        raise DetectorError("the folder has no falls, or nothing but falls: there is nothing to learn from")


class Learned(NamedTuple):
    """What a model is made of."""

    heads: tuple[Head, ...]
    views: tuple[View, ...]


def cross_validated(
    streams: Sequence[Stream],
    parameters: FallParameters,
    *,
    seed: int,
    folds: int = FOLDS,
    tell: Callable[[str], None] = lambda _: None,
) -> list[tuple[list[Stream], Learned]]:
    """For each fold the streams of its subjects, and what was learned from everybody else."""
    names = np.array([stream.name for stream in streams])
    fold = folds_by_subject(names, folds, seed)
    placements = {(stream.placement, stream.gyr is not None) for stream in streams}
    wanted = [name for name in HEADS if (name.removesuffix("+gyr"), name.endswith("+gyr")) in placements]
    heads: list[list[Head]] = [[] for _ in range(folds)]
    views: list[View] = []
    for trainer in trainers(streams, parameters, seed=seed, heads=wanted):
        for name in trainer.heads:
            if name not in wanted:
                continue
            for k in range(folds):
                subjects = [str(name) for name in names[fold != k]]
                heads[k].append(trainer.fit(name, subjects, view=len(views)).head)
                tell(f"{name}, fold {k + 1} of {folds}")
        views.append(trainer.view)
    return [
        ([stream for stream, f in zip(streams, fold, strict=True) if f == k], Learned(tuple(heads[k]), tuple(views)))
        for k in range(folds)
    ]
