"""Files of home events, one line each: ``date time room sensor state``, and of collapses; local time without a zone."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.errors import DetectorError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DOOR_STATES = frozenset({"OPEN", "CLOSE", "CLOSED"})


@dataclass(frozen=True, slots=True)
class HomeEvents:
    """n events of one home, in the order of their time.

    ``t_us`` are microseconds since the epoch as if the local time were UTC. Labels, where the file has them, are
    not read.
    """

    t_us: NDArray[np.int64]
    device: list[str]
    kind: list[str]
    room: list[str]
    state: list[str]
    unreadable: int

    def __len__(self) -> int:
        return len(self.device)


def read_events(path: Path) -> HomeEvents:
    """The events of a file (``.gz`` or plain): columns 1 to 5, whatever follows is not looked at.

    ``OPEN`` and ``CLOSE`` make a sensor a contact; one whose name says light tells nothing of a person; any other is
    a presence sensor. Lines that are none are counted.

    Raises:
        DetectorError: there is no such file, or no line of it can be read.
    """
    rows: list[tuple[int, str, str, str]] = []
    bad = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for line in file:
                parts = line.split(maxsplit=5)[:5]
                if not parts:
                    continue
                t_us = _microseconds(f"{parts[0]} {parts[1]}") if len(parts) == 5 else None
                if t_us is None:
                    bad += 1
                else:
                    rows.append((t_us, parts[2], parts[3], parts[4]))
    except (OSError, UnicodeDecodeError) as error:
        raise DetectorError(f"cannot read the home events of {path}: {error}") from error
    if not rows:
        raise DetectorError(f"{path} has no line of the form 'date time room sensor state'")
    rows.sort(key=lambda row: row[0])
    contacts = {(room, sensor) for _, room, sensor, state in rows if state.upper() in _DOOR_STATES}
    kinds = [
        "contact" if (room, sensor) in contacts else "light" if "light" in sensor.lower() else "presence"
        for _, room, sensor, _ in rows
    ]
    return HomeEvents(
        np.array([row[0] for row in rows], np.int64),
        [f"{room}/{sensor}" for _, room, sensor, _ in rows],
        kinds,
        [row[1] for row in rows],
        [row[3] for row in rows],
        bad,
    )


def read_collapses(path: Path) -> tuple[list[str], NDArray[np.int64]]:
    """The column ``t`` of a file as it stands there, and in microseconds.

    Raises:
        DetectorError: there is no such file or column, or an instant cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DetectorError(f"cannot read the collapses of {path}: {error}") from error
    if not rows or "t" not in rows[0]:
        raise DetectorError(f"{path} must have a heading with the column t, and rows")
    texts = [(row["t"] or "").strip() for row in rows]
    found = [_microseconds(text) for text in texts]
    for number, (text, t_us) in enumerate(zip(texts, found, strict=True)):
        if t_us is None:
            raise DetectorError(f"row {number} of {path}: {text!r} is no local time like 2011-07-01T12:30:00.000000")
    return texts, np.array(found, np.int64)


def iso(t_us: int) -> str:
    """Local time as ISO 8601 with microseconds, without a zone."""
    return (_EPOCH + timedelta(microseconds=t_us)).replace(tzinfo=None).isoformat(timespec="microseconds")


def _microseconds(text: str) -> int | None:
    """Microseconds of a local time with any number of digits behind the second; None when it is none."""
    head, dot, tail = text.strip().replace("T", " ").partition(".")
    try:
        at = datetime.strptime(head, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        # 14.2 is 14.200000: digits behind the point, as everywhere
        fraction = int(tail[:6].ljust(6, "0")) if dot else 0
    except ValueError:
        return None
    return (at - _EPOCH) // timedelta(microseconds=1) + fraction
