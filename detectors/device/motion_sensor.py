"""Accelerometers and gyroscopes at fault: a finding about the device, never about the person who wears it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import enlarged, kept, lasting
from detectors.detection import Detection, Severity, Stage, detection_id
from detectors.device.evidence import Evidence, Fault, Measured, measure, nothing, probe_step, weigh
from detectors.device.findings import describe, words
from detectors.device.parameters import MotionSensorParameters
from detectors.errors import DetectorError
from detectors.motion import AnyBatch, turns
from detectors.parameters import params_hash

DETECTOR = "device.motion"
KIND = "sensor_fault"
VERSION = "1"
STATE_FORMAT = 1
_NONE = -1
#: The faults of each sensor; a sensor has one finding at a time.
_SENSORS = (slice(Fault.NO_DATA, Fault.GYROSCOPE), slice(Fault.GYROSCOPE, len(Fault)))

Rows = NDArray[np.intp]

#: What is kept per device: name -> (leading shape, type, what a new device has).
_COLUMNS: dict[str, tuple[tuple[int, ...], Any, float]] = {
    # the stretch that is being put together
    "seconds": ((), np.float32, 0.0),
    "start_ms": ((), np.int64, 0),  # device clock
    "low": ((6,), np.float32, np.nan),
    "high": ((6,), np.float32, np.nan),
    "squares": ((), np.float64, 0.0),
    "samples": ((), np.float32, 0.0),
    "at_peak": ((3,), np.float32, 0.0),
    # evidence
    "held": ((6,), np.float32, np.nan),  # the one value that an axis had in the last stretch
    "support_s": ((len(Fault),), np.float32, 0.0),
    "since_ms": ((len(Fault),), np.int64, 0),  # device clock of the first stretch with the fault
    "since_boot": ((len(Fault),), np.uint32, 0),
    "since_offset_ms": ((len(Fault),), np.int64, 0),
    # findings that stand, by sensor
    "standing": ((len(_SENSORS),), np.int8, _NONE),
    "onset_ms": ((len(_SENSORS),), np.int64, 0),
    "onset_boot": ((len(_SENSORS),), np.uint32, 0),
    "onset_offset_ms": ((len(_SENSORS),), np.int64, 0),
    "sound_s": ((len(_SENSORS),), np.float32, 0.0),
}


class _Device(NamedTuple):
    name: str
    person: str | None


class _Frames(NamedTuple):
    """Pieces of frames, of different rows."""

    rows: Rows
    boot: NDArray[np.uint32]
    t_ms: NDArray[np.floating[Any]]
    end_ms: NDArray[np.int64]  # of the frame, device clock
    offset_ms: NDArray[np.int64]
    recv_ms: NDArray[np.int64]

    def take(self, chosen: NDArray[np.bool_]) -> _Frames:
        return _Frames._make(part[chosen] for part in self)


class MotionSensorBank:
    """Finds motion sensors at fault among many devices.

    A fault is *confirmed* when it has lasted (``report_s`` of signal), and has a *follow-up* of severity ``info`` when
    the sensor has been sound for ``sound_s``; both under one id, made of the fault and of the instant since when it has
    been there. ``notes`` say which: ``fault`` is no_data (nothing finite), zero, saturated (an axis stays at its
    limit), stuck (an axis, or all, never change), or scale (gravity is not 1 g); ``sensor`` is accelerometer or
    gyroscope; ``axes`` names those concerned. Each sensor has one finding at a time. ``features`` hold the values and
    the limits. Only signal that comes counts: silence is not a fault of the sensor.

    Args:
        parameters: the thresholds.
    """

    def __init__(self, parameters: MotionSensorParameters | None = None) -> None:
        self.parameters = parameters or MotionSensorParameters()
        self.params_hash = params_hash(self.parameters)
        self._devices: list[_Device] = []
        self._rows: dict[str, int] = {}
        self._historical = False
        self._columns = {name: _column(name, 0) for name in _COLUMNS}
        self._due_s = np.full((len(Fault), 1), self.parameters.report_s, np.float32)
        self._due_s[Fault.SCALE] = self.parameters.report_scale_s

    def __len__(self) -> int:
        return len(self._devices)

    def add(self, device: str, *, placement: str, person: str | None) -> int:  # noqa: ARG002 - as of FallBank
        """The row of a device, made when it is new; a known one takes over the person. The placement does not matter:
        gravity is the same everywhere."""
        row = self._rows.setdefault(device, len(self._devices))
        if row < len(self._devices):
            self._devices[row] = _Device(device, person)
            return row
        self._devices.append(_Device(device, person))
        room = self._columns["seconds"].shape[-1]
        if row == room:
            more = max(64, room // 8)
            for name, column in self._columns.items():
                self._columns[name] = enlarged(column, room + more, _COLUMNS[name][2], axis=-1)
        return row

    def update(self, batch: AnyBatch | None, _now_ms: int) -> list[Detection]:
        """Take in a batch. None or an empty one is a tick and finds nothing: only signal decides, and its own times."""
        if batch is None or not len(batch) or not batch.samples:
            return []
        n, fs_hz = batch.samples, float(batch.fs_hz)
        end_ms = batch.t_ms + round(n * 1000.0 / fs_hz)
        second = max(1, int(fs_hz))
        self._historical = batch.historical
        found: list[Detection] = []
        for turn in turns(batch.row):
            for first in range(0, n, second):
                last = min(n, first + second)
                probes = slice(first, last, probe_step(fs_hz))
                measured = measure(batch.acc_of(turn, probes), batch.gyr_of(turn, probes), self.parameters.pinned_g)
                frames = _Frames(
                    batch.row[turn].astype(np.intp),
                    batch.boot[turn],
                    batch.t_ms[turn] + first * 1000.0 / fs_hz,
                    end_ms[turn],
                    batch.offset_ms[turn],
                    batch.recv_ms[turn],
                )
                found += self._take(frames, measured, (last - first) / fs_hz)
        return found

    def _take(self, frames: _Frames, measured: Measured, seconds: float) -> list[Detection]:
        """Put pieces to the stretches of their devices, and look at those that are long enough."""
        columns, rows = self._columns, frames.rows
        before_s = columns["seconds"][rows]
        start_ms: NDArray[np.int64] = np.rint(frames.t_ms).astype(np.int64)
        if not before_s.any() and seconds >= self.parameters.look_s:
            return self._look(frames, measured, start_ms, np.full(len(rows), seconds, np.float32))
        start_ms = np.where(before_s > 0, columns["start_ms"][rows], start_ms)
        whole = Measured(*(columns[name][..., rows] for name in Measured._fields)).merged(measured)
        total_s = before_s + np.float32(seconds)
        full = total_s >= self.parameters.look_s
        parts: list[NDArray[Any]] = list(whole)
        empty: list[NDArray[Any]] = list(nothing(len(rows)))
        for name, part, none in zip(Measured._fields, parts, empty, strict=True):
            columns[name][..., rows] = np.where(full, none, part)
        columns["seconds"][rows] = np.where(full, 0, total_s)
        columns["start_ms"][rows] = start_ms
        if not full.any():
            return []
        return self._look(frames.take(full), whole.take(full), start_ms[full], total_s[full])

    def _look(
        self, frames: _Frames, measured: Measured, start_ms: NDArray[np.int64], seconds: NDArray[np.float32]
    ) -> list[Detection]:
        """Weigh one stretch of each row."""
        columns, rows = self._columns, frames.rows
        evidence = weigh(measured, columns["held"][:, rows], self.parameters)
        columns["held"][:, rows] = evidence.held
        support_s = columns["support_s"][:, rows]
        standing = columns["standing"][:, rows]
        if not evidence.plus.any() and not support_s.any() and (standing == _NONE).all():
            return []
        fault, which = np.nonzero(evidence.plus & (support_s == 0))
        columns["since_ms"][fault, rows[which]] = start_ms[which]
        columns["since_boot"][fault, rows[which]] = frames.boot[which]
        columns["since_offset_ms"][fault, rows[which]] = frames.offset_ms[which]
        support_s = np.where(evidence.plus, support_s + seconds, np.where(evidence.minus, 0, support_s))
        columns["support_s"][:, rows] = support_s
        due = support_s >= self._due_s
        found: list[Detection] = []
        for sensor, faults in enumerate(_SENSORS):
            found += [self._end(sensor, i, frames) for i in self._over(sensor, rows, evidence, seconds).tolist()]
            for i in np.flatnonzero((standing[sensor] == _NONE) & due[faults].any(axis=0)).tolist():
                fault_due = Fault(int(due[faults, i].argmax()) + faults.start)
                found.append(self._report(sensor, fault_due, i, frames, measured))
        return found

    def _report(self, sensor: int, fault: Fault, i: int, frames: _Frames, measured: Measured) -> Detection:
        columns, row = self._columns, int(frames.rows[i])
        columns["standing"][sensor, row] = fault
        columns["sound_s"][sensor, row] = 0
        for name in ("ms", "boot", "offset_ms"):
            columns[f"onset_{name}"][sensor, row] = columns[f"since_{name}"][fault, row]
        features, notes = describe(fault, measured, i, self.parameters)
        features["lasted_s"] = round(float(columns["support_s"][fault, row]), 3)
        features["limit_lasted_s"] = float(self._due_s[fault, 0])
        severity = Severity.INFO if fault is Fault.GYROSCOPE else Severity.WARNING
        return self._detection(Stage.CONFIRMED, severity, sensor, fault, i, frames, features, notes)

    def _over(self, sensor: int, rows: Rows, evidence: Evidence, seconds: NDArray[np.float32]) -> NDArray[np.intp]:
        """Where a finding stands and the sensor has now been sound for long enough."""
        fault = self._columns["standing"][sensor, rows]
        where = np.arange(len(rows))
        plus, minus = evidence.plus[fault, where], evidence.minus[fault, where]
        sound_s = np.where(plus | (fault == _NONE), 0, self._columns["sound_s"][sensor, rows] + minus * seconds)
        self._columns["sound_s"][sensor, rows] = sound_s
        return np.flatnonzero((fault != _NONE) & (sound_s >= self.parameters.sound_s))

    def _end(self, sensor: int, i: int, frames: _Frames) -> Detection:
        columns, row = self._columns, int(frames.rows[i])
        fault = Fault(int(columns["standing"][sensor, row]))
        columns["standing"][sensor, row] = _NONE
        columns["support_s"][_SENSORS[sensor], row] = 0  # what spoke against it meanwhile is as old as the finding
        sound_s = round(float(columns["sound_s"][sensor, row]), 3)
        features = {"sound_s": sound_s, "limit_sound_s": self.parameters.sound_s}
        notes = words(fault) | {"state": "over"}
        return self._detection(Stage.FOLLOW_UP, Severity.INFO, sensor, fault, i, frames, features, notes)

    def _detection(
        self,
        stage: Stage,
        severity: Severity,
        sensor: int,
        fault: Fault,
        i: int,
        frames: _Frames,
        features: dict[str, float],
        notes: dict[str, str],
    ) -> Detection:
        row = int(frames.rows[i])
        onset_ms, boot, offset_ms = (
            int(self._columns[f"onset_{name}"][sensor, row]) for name in ("ms", "boot", "offset_ms")
        )
        device = self._devices[row]
        return Detection(
            id=detection_id(device.name, f"{DETECTOR}.{fault.name.lower()}", boot, onset_ms),
            stage=stage,
            device=device.name,
            person=device.person,
            detector=DETECTOR,
            version=VERSION,
            kind=KIND,
            onset_ms=onset_ms + offset_ms,
            decided_ms=int(frames.end_ms[i] + frames.offset_ms[i]),
            recv_ms=int(frames.recv_ms[i]),
            severity=severity,
            score=1.0,
            historical=self._historical,
            features=features,
            notes=notes,
            params_hash=self.params_hash,
        )

    def state(self) -> dict[str, Any]:
        """Everything a bank must know to go on as if nothing had happened: arrays (copies) and plain values."""
        n = len(self)
        return {
            "format": STATE_FORMAT,
            "devices": [tuple(device) for device in self._devices],
            "columns": {name: column[..., :n].copy() for name, column in self._columns.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave.

        Raises:
            DetectorError: the state is of another version; start with an empty bank and replay the journal instead.
        """
        if state.get("format") != STATE_FORMAT:
            raise DetectorError(
                f"motion sensor bank state of format {state.get('format')!r}, not {STATE_FORMAT}: start afresh"
            )
        self._devices = [_Device(*entry) for entry in state["devices"]]
        self._rows = {device.name: row for row, device in enumerate(self._devices)}
        self._columns = {name: kept(column, sparse=True) for name, column in state["columns"].items()}


def _column(name: str, rows: int) -> NDArray[Any]:
    shape, kind, new = _COLUMNS[name]
    return lasting((*shape, rows), kind, new)
