"""The folder format of fall recordings (index.csv and one npz per data set), and the strict stream made of it.

See the README of the recordings for the columns. A *strict stream* is one subject of one data set: the recordings in
the order of the index, one after another, the last sample of each held for 4 s.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.errors import DetectorError
from detectors.fall.ring import FS_HZ
from detectors.fall.windows import ACC_LSB_G, GYR_LSB_DPS, Counts
from detectors.motion import MotionBatch

HOLD_S = 4.0
#: How far an alarm's impact may lie from the labelled one, and beyond a labelled interval.
NEAR_IMPACT_S = 2.5
NEAR_INTERVAL_S = 0.5


@dataclass(frozen=True, slots=True)
class Recording:
    """One row of index.csv, and where it lies in its stream. Times are seconds from its start."""

    key: str
    dataset: str
    placement: str
    subject: str
    activity: str
    activity_name: str  # "" in a folder that names none
    elderly: bool
    is_fall: bool
    impact_s: float | None
    from_s: float  # an alarm whose impact lies between these is a hit
    until_s: float
    start: int  # sample of the stream
    samples: int

    def holds(self, impact_s: float) -> bool:
        """Whether an alarm for this moment finds the recording's fall."""
        return self.is_fall and self.from_s <= impact_s <= self.until_s


@dataclass(frozen=True, slots=True)
class Stream:
    """One subject of one data set. ``acc`` ``(n, 3)`` in counts of ACC_LSB_G, ``gyr`` in counts of GYR_LSB_DPS."""

    dataset: str
    subject: str
    placement: str
    acc: Counts
    gyr: Counts | None
    recordings: tuple[Recording, ...]

    @property
    def name(self) -> str:
        """``dataset/subject``."""
        return f"{self.dataset}/{self.subject}"

    def recording_at(self, sample: int) -> Recording:
        """The recording that holds a sample (its 4 s of hold included)."""
        starts = [recording.start for recording in self.recordings]
        return self.recordings[max(0, int(np.searchsorted(starts, sample, side="right")) - 1)]


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder of recordings holds."""

    streams: tuple[Stream, ...]
    absent: tuple[str, ...]  # data sets that the index names but whose npz is not there


def read_folder(folder: Path) -> Folder:
    """Read index.csv and the npz files that are there.

    Raises:
        DetectorError: there is no index, or an npz does not fit it.
    """
    index = folder / "index.csv"
    if not index.is_file():
        raise DetectorError(f"no index.csv in {folder}: name the folder that holds the fall recordings")
    with index.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    streams: list[Stream] = []
    absent: list[str] = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        path = folder / f"{dataset}.npz"
        if path.is_file():
            streams += _streams([row for row in rows if row["dataset"] == dataset], path)
        else:
            absent.append(dataset)
    return Folder(tuple(streams), tuple(absent))


def _streams(rows: list[dict[str, str]], path: Path) -> Iterator[Stream]:
    with np.load(path, allow_pickle=False) as file:
        acc, offsets, keys = file["acc"], file["offsets"], [str(key) for key in file["keys"]]
        gyr = file["gyro"] if "gyro" in file.files else None
    place = {key: i for i, key in enumerate(keys)}
    unknown = [row["key"] for row in rows if row["key"] not in place]
    if unknown:
        raise DetectorError(f"{path.name} lacks {len(unknown)} recordings of index.csv, {unknown[0]} first")
    hold = round(HOLD_S * FS_HZ)
    for subject in dict.fromkeys(row["subject"] for row in rows):
        chosen = [row for row in rows if row["subject"] == subject]
        recordings, accs, gyrs, start = [], [], [], 0
        for row in chosen:
            i = place[row["key"]]
            part = slice(int(offsets[i]), int(offsets[i + 1]))
            accs.append(_held(acc[part], hold))
            if gyr is not None:
                gyrs.append(_held(gyr[part], hold))
            samples = part.stop - part.start
            recordings.append(_recording(row, start, samples))
            start += samples + hold
        yield Stream(
            chosen[0]["dataset"],
            subject,
            chosen[0]["placement"],
            np.concatenate(accs),
            np.concatenate(gyrs) if gyrs else None,
            tuple(recordings),
        )


def _held(samples: Counts, hold: int) -> Counts:
    return np.concatenate([samples, np.repeat(samples[-1:], hold, axis=0)])


def _recording(row: dict[str, str], start: int, samples: int) -> Recording:
    impact_s = float(row["impact_s"]) if row["impact_s"] else None
    if row["onset_s"] and row["end_s"]:
        from_s, until_s = float(row["onset_s"]) - NEAR_INTERVAL_S, float(row["end_s"]) + NEAR_INTERVAL_S
    else:
        middle = impact_s if impact_s is not None else 0.0
        from_s, until_s = middle - NEAR_IMPACT_S, middle + NEAR_IMPACT_S
    return Recording(
        key=row["key"],
        dataset=row["dataset"],
        placement=row["placement"],
        subject=row["subject"],
        activity=row["activity"],
        activity_name=row.get("activity_name") or "",
        elderly=row["age_group"] == "elderly",
        is_fall=row["is_fall"] == "1",
        impact_s=impact_s,
        from_s=from_s,
        until_s=until_s,
        start=start,
        samples=samples,
    )


def batches(streams: list[Stream], *, start_ms: int) -> Iterator[list[MotionBatch]]:
    """All streams side by side (row i is ``streams[i]``) second by second, in frames of 1 s at 50 Hz.

    Every second yields one batch of the streams with a gyroscope and one of those without. The last sample is held
    until its frame is full. A stream that has ended sends nothing more.
    """
    seconds = max((-(-len(stream.acc) // FS_HZ) for stream in streams), default=0)
    for second in range(seconds):
        out = []
        for turns in (True, False):
            rows = [
                i
                for i, stream in enumerate(streams)
                if (stream.gyr is not None) is turns and len(stream.acc) > second * FS_HZ
            ]
            if rows:
                t_ms = np.full(len(rows), start_ms + second * 1000, np.int64)
                out.append(
                    MotionBatch(
                        row=np.array(rows, np.int32),
                        boot=np.ones(len(rows), np.uint32),
                        t_ms=t_ms,
                        offset_ms=np.zeros(len(rows), np.int64),
                        recv_ms=t_ms + 1000,
                        fs_hz=float(FS_HZ),
                        acc_g=_frames([streams[i].acc for i in rows], second, ACC_LSB_G),
                        gyr_dps=_frames([g for i in rows if (g := streams[i].gyr) is not None], second, GYR_LSB_DPS)
                        if turns
                        else None,
                    )
                )
        yield out


def _frames(samples: list[Counts], second: int, lsb: float) -> NDArray[np.float32]:
    out = np.empty((len(samples), FS_HZ, 3), np.float32)
    for i, counts in enumerate(samples):
        part = counts[second * FS_HZ : (second + 1) * FS_HZ]
        out[i, : len(part)] = part
        out[i, len(part) :] = part[-1]
    out *= np.float32(lsb)
    return out
