"""Windows around every impact of labelled streams, as the bank would look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.fall.peaks import impacts, squared_magnitude
from detectors.fall.recordings import Stream
from detectors.fall.ring import FS_HZ
from detectors.fall.windows import MISSING, Counts
from detectors.parameters import FallParameters


@dataclass(frozen=True, slots=True)
class Candidates:
    """Windows around every impact of some streams, as the bank would look at them, and what they were.

    ``label`` is 1 for a fall, 0 for daily living, -1 for an impact in the recording of a fall but away from it.
    """

    dataset: NDArray[np.str_]
    subject: NDArray[np.str_]  # dataset/subject
    recording: NDArray[np.str_]
    impact_s: NDArray[np.float64]  # from the recording's start
    label: NDArray[np.int8]
    acc: Counts  # (n, before + 1 + after, 3)
    gyr: Counts
    peak: int

    def take(self, chosen: NDArray[Any]) -> Candidates:
        """Some of them."""
        return Candidates(
            self.dataset[chosen],
            self.subject[chosen],
            self.recording[chosen],
            self.impact_s[chosen],
            self.label[chosen],
            self.acc[chosen],
            self.gyr[chosen],
            self.peak,
        )


def find_candidates(streams: Sequence[Stream], parameters: FallParameters) -> Candidates:
    """The impacts of the streams that are decided on: those with no higher one before their decision."""
    radius = round(parameters.peak_radius_s * FS_HZ)
    before, after = round(parameters.before_s * FS_HZ), round(parameters.decide_after_s * FS_HZ)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("dataset", "subject", "recording", "impact_s", "label", "acc", "gyr")
    }
    for stream in streams:
        squared = np.pad(squared_magnitude(stream.acc[None]), ((0, 0), (radius, radius)))
        peaks = np.flatnonzero(impacts(squared, trigger_g=parameters.trigger_g, radius=radius)[0])
        behind = np.pad(squared[0, radius:], (0, after))
        acc = _padded(stream.acc, before, after)
        gyr = np.full_like(acc, MISSING) if stream.gyr is None else _padded(stream.gyr, before, after)
        for peak in peaks:
            if behind[peak] < behind[peak + 1 : peak + 1 + after].max():
                continue
            recording = stream.recording_at(int(peak))
            label = 0
            if recording.is_fall:
                label = 1 if recording.holds((peak - recording.start) / FS_HZ) else -1
            columns["dataset"].append(stream.dataset)
            columns["subject"].append(stream.name)
            columns["recording"].append(recording.key)
            columns["impact_s"].append((peak - recording.start) / FS_HZ)
            columns["label"].append(label)
            columns["acc"].append(acc[peak : peak + before + 1 + after])
            columns["gyr"].append(gyr[peak : peak + before + 1 + after])
    return Candidates(
        np.array(columns["dataset"]),
        np.array(columns["subject"]),
        np.array(columns["recording"]),
        np.array(columns["impact_s"], np.float64),
        np.array(columns["label"], np.int8),
        np.array(columns["acc"], np.int16).reshape(-1, before + 1 + after, 3),
        np.array(columns["gyr"], np.int16).reshape(-1, before + 1 + after, 3),
        before,
    )


def _padded(samples: Counts, before: int, after: int) -> Counts:
    return np.pad(samples, ((before, after), (0, 0)), constant_values=MISSING)


def folds_by_subject(subjects: NDArray[np.str_], folds: int, seed: int) -> NDArray[np.intp]:
    """``(n,)``: the fold of each candidate; all of one subject are in one, each data set is dealt out evenly."""
    rng = np.random.default_rng(seed)
    names = np.unique(subjects)
    order = sorted(rng.permutation(len(names)).tolist(), key=lambda i: str(names[i]).split("/")[0])
    fold = {str(names[i]): at % folds for at, i in enumerate(order)}
    return np.array([fold[str(name)] for name in subjects], np.intp)


def weights_of(candidates: Candidates) -> NDArray[np.float64]:
    """Every data set counts the same, and in it falls as much as daily living; 0 for label -1."""
    weight = np.zeros(len(candidates.label))
    for dataset in np.unique(candidates.dataset):
        for label in (0, 1):
            members = (candidates.dataset == dataset) & (candidates.label == label)
            if members.any():
                weight[members] = 1.0 / members.sum()
    return np.asarray(weight * ((weight > 0).sum() / max(float(weight.sum()), 1e-12)))


def best_per_recording(candidates: Candidates, score: NDArray[np.float64], label: int) -> NDArray[np.float64]:
    """The highest score of each recording, among its candidates of a label."""
    members = candidates.label == label
    _, where = np.unique(candidates.recording[members], return_inverse=True)
    best = np.full(where.max() + 1, -np.inf)
    np.maximum.at(best, where, score[members])
    return best
