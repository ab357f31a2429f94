"""Motion from recorded people: everyday stretches and falls of the public data sets, where they are on this machine.

Folder format: ``index.csv`` beside one ``<dataset>.npz`` each (milli-g, 0.1 deg/s, 50 Hz). SisFall stands for the
waist [1]_, WEDA-FALL [2]_ and HIFD [3]_ for the wrist. SmartFallMM is left out: it is cropped to the activity and its
range is 2 g. Recordings are read where they are and never shipped.

.. [1] Sucerquia et al., SisFall: A Fall and Movement Dataset, Sensors 2017, 17(1), 198.
.. [2] Marques and Moreno, Online Fall Detection Using Wrist Devices, Sensors 2023, 23(3), 1146.
.. [3] Nho et al., Cluster-Analysis-Based User-Adaptive Fall Detection, IEEE Access 2020, 8970371.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware_sim.day_plan import Doing
from firmware_sim.errors import NoRecordingsError
from firmware_sim.motion import FS_HZ, Clip
from firmware_sim.people import Traits

#: Data sets that stand for a placement.
DATASETS: dict[str, tuple[str, ...]] = {"waist": ("sisfall",), "wrist": ("weda", "hifd")}

#: What an old person does at home and in the street. Left out of "everyday": jogging, jumping, stumbling, collapsing
#: into a chair, sitting down and lying down as quickly as one can, running on stairs, hitting a table, clapping and
#: hitting the sensor. ``activities="all"`` plays those too.
EVERYDAY: dict[str, frozenset[str]] = {
    "sisfall": frozenset({"D01", "D02", "D05", "D07", "D09", "D12", "D14", "D15", "D16", "D17"}),
    "weda": frozenset({"D01", "D03", "D04", "D06", "D11"}),
    "hifd": frozenset({"bed", "chair", "cloth", "eat", "hair", "shoe", "stair", "teeth", "walk", "wash", "write"}),
}
#: Which recordings show what a plan of the day asks for; where a data set has none, any everyday recording does.
DOINGS: dict[Doing, frozenset[str]] = {
    "walk": frozenset({"D01", "D05", "walk", "stair"}),
    "roam": frozenset({"D01", "D02", "walk"}),
    "stand": frozenset({"D15", "D16", "D11", "hair", "teeth", "write"}),
    "hands": frozenset({"D15", "D16", "D11", "cloth", "eat", "shoe", "wash", "teeth"}),
    "chair": frozenset({"D07", "D09", "D04", "chair"}),
    "sit": frozenset({"D17", "D04", "write", "eat"}),
    "lie": frozenset({"D14", "bed"}),
    "get_up": frozenset({"D15", "D06", "shoe"}),
}
#: Samples from the impact to lying there; what recorded people do later, they do because they are well.
_COMES_TO_LIE = round(2.5 * FS_HZ)
#: A walk of 100 s is not ten times as likely as sitting down once.
_LONGEST = 25 * FS_HZ


@dataclass(frozen=True, slots=True)
class _Recording:
    key: str
    subject: str
    activity: str
    is_fall: bool
    start: int
    stop: int
    impact: int | None


class _Dataset:
    """One npz: samples and the table of its recordings."""

    def __init__(self, folder: Path, name: str, rows: list[dict[str, str]]) -> None:
        with np.load(folder / f"{name}.npz") as arrays:
            self.acc: NDArray[np.int16] = arrays["acc"]
            self.gyro: NDArray[np.int16] = arrays["gyro"]
            offsets = arrays["offsets"].tolist()
        if len(offsets) != len(rows) + 1:
            raise NoRecordingsError(f"{folder}: index.csv has {len(rows)} rows of {name}, the npz {len(offsets) - 1}")
        self.recordings = [
            _Recording(
                row["key"],
                row["subject"],
                row["activity"],
                row["is_fall"] == "1",
                offsets[i],
                offsets[i + 1],
                round(float(row["impact_s"]) * FS_HZ) if row["impact_s"] else None,
            )
            for i, row in enumerate(rows)
        ]

    def clip(self, recording: _Recording) -> Clip:
        """One recording in g and deg/s."""
        span = slice(recording.start, recording.stop)
        return Clip(
            recording.key,
            self.acc[span].astype(np.float32) * np.float32(1e-3),
            self.gyro[span].astype(np.float32) * np.float32(0.1),
            recording.impact if recording.is_fall else None,
        )


class _Subject:
    """The repertoire of one recorded person: own everyday stretches, own falls."""

    def __init__(self, dataset: _Dataset, everyday: list[list[_Recording]], falls: list[_Recording]) -> None:
        self._dataset = dataset
        self._everyday = everyday
        self._falls = falls

    def everyday(self, rng: np.random.Generator, doing: Doing | None = None) -> Clip:
        """A recording of an activity drawn evenly among this person's activities, 25 s of it at most.

        Of those that show ``doing``, where there are any.
        """
        among = self._everyday
        if doing is not None:
            among = [of for of in among if of[0].activity in DOINGS[doing]] or among
        of_activity = among[int(rng.integers(len(among)))]
        clip = self._dataset.clip(of_activity[int(rng.integers(len(of_activity)))])
        start = int(rng.integers(0, max(1, len(clip) - _LONGEST + 1)))
        return clip.cut(start, start + _LONGEST)

    def fall(self, rng: np.random.Generator, *, still: bool = False) -> Clip:
        """One of this person's falls, as it was recorded; ``still``: up to where the body has come to lie."""
        clip = self._dataset.clip(self._falls[int(rng.integers(len(self._falls)))])
        return clip if not still or clip.impact is None else clip.cut(0, clip.impact + _COMES_TO_LIE)


class Recordings:
    """Recorded motion from ``folder``.

    Who wears a device is drawn by chance: for a wearer who will fall, evenly over all falls of the placement's data
    sets (the wearer then is that fall's subject), otherwise evenly over the subjects.

    Args:
        folder: has ``index.csv`` and the npz files.
        activities: ``everyday`` or ``all``, see :data:`EVERYDAY`.

    Raises:
        NoRecordingsError: the folder or one of its files is missing or does not fit its index.
    """

    name = "recordings"

    def __init__(self, folder: Path, *, activities: str = "everyday") -> None:
        self._folder = folder
        self._activities = activities
        try:
            with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
                self._rows = list(csv.DictReader(file))
        except OSError as error:
            raise NoRecordingsError(f"no recordings in {folder} ({error.strerror}): use the synthetic source") from None
        self._loaded: dict[str, _Dataset] = {}

    def wearer(
        self,
        placement: str,
        rng: np.random.Generator,
        *,
        falls: bool,
        traits: Traits | None = None,  # noqa: ARG002 - of MotionSource
    ) -> _Subject:
        """A recorded person for ``placement`` (``waist`` or ``wrist``); they have their own traits."""
        if placement not in DATASETS:
            raise NoRecordingsError(f"no recordings for placement {placement!r}: there are {', '.join(DATASETS)}")
        people: list[tuple[str, str]] = []
        for name in DATASETS[placement]:
            if falls:
                people += [(name, r.subject) for r in self._dataset(name).recordings if r.is_fall]
            else:
                people += [(name, s) for s in sorted({r.subject for r in self._dataset(name).recordings})]
        dataset, subject = people[int(rng.integers(len(people)))]
        return self._subject(dataset, subject)

    def falls(self, placement: str) -> list[Clip]:
        """All falls of a placement, for comparisons."""
        found = []
        for name in DATASETS[placement]:
            dataset = self._dataset(name)
            found += [dataset.clip(r) for r in dataset.recordings if r.is_fall]
        return found

    def everyday(self, placement: str) -> list[Clip]:
        """All everyday recordings of a placement, for comparisons."""
        found = []
        for name in DATASETS[placement]:
            dataset = self._dataset(name)
            found += [dataset.clip(r) for r in dataset.recordings if not r.is_fall and self._played(name, r)]
        return found

    def _played(self, dataset: str, recording: _Recording) -> bool:
        return self._activities == "all" or recording.activity in EVERYDAY[dataset]

    def _subject(self, name: str, subject: str) -> _Subject:
        dataset = self._dataset(name)
        own = [r for r in dataset.recordings if r.subject == subject]
        quiet = [r for r in own if not r.is_fall and self._played(name, r)]
        if not quiet:  # a person of whom only falls were recorded does what the others do
            quiet = [r for r in dataset.recordings if not r.is_fall and self._played(name, r)]
        by_activity: dict[str, list[_Recording]] = {}
        for recording in quiet:
            by_activity.setdefault(recording.activity, []).append(recording)
        return _Subject(dataset, list(by_activity.values()), [r for r in own if r.is_fall])

    def _dataset(self, name: str) -> _Dataset:
        if name not in self._loaded:
            rows = [row for row in self._rows if row["dataset"] == name]
            try:
                self._loaded[name] = _Dataset(self._folder, name, rows)
            except OSError as error:
                raise NoRecordingsError(f"{self._folder / name}.npz: {error.strerror}") from None
        return self._loaded[name]
