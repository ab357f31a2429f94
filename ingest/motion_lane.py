"""Motion frames on their two ways: the live lane (reordered, live bank) and the historical one (a bank of its own)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from detectors.detection import Detection, Stage
from detectors.device.motion_sensor import MotionSensorBank
from detectors.motion import AnyBatch, frames_of
from ingest.clock import LIVE_WITHIN_MS
from ingest.devices import Device, Devices, FallPoints
from ingest.motion_batches import Run, batches_of
from ingest.reorder import HELD_MAX, Frame, Reorderer
from ingest.summary import MotionSummary, Windows
from telemetry.codec import Motion
from telemetry.records import PointBatch

_NS_PER_MS = 1_000_000
#: Then nobody counts as silent: the frames of a device that was may stand in the next batch.
_BETWEEN_BATCHES_MS = 0


class RowBank(Protocol):
    """A motion detector over many devices (``detectors.fall``)."""

    def add(self, device: str, *, placement: str, person: str | None, operating_point: str | None = None) -> int:
        """The row of a device; called again it updates placement, person and operating point (None: the bank's)."""

    def update(self, batch: AnyBatch | None, now_ms: int) -> list[Detection]:
        """Take a batch, or a tick. What is found in a batch is returned now or with the next tick."""

    def state(self, *, copies: bool = True) -> dict[str, Any]:
        """For a checkpoint; without ``copies`` to be written before the next batch."""

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""


class _Lane:
    """A bank, the frames on their way to it in order, and the rows its devices have there.

    Beside the bank of the live lane stands one that looks after the sensors, with the same rows. What a device kept in
    its buffer says nothing about its sensors now.
    """

    def __init__(self, bank: RowBank, points: FallPoints, *, historical: bool) -> None:
        self.bank = bank
        self.sensors = None if historical else MotionSensorBank()
        self.points = points
        self.historical = historical
        self.rows: dict[int, int] = {}  # row of the device -> row in this bank
        self._row_of = np.zeros(0, np.int32)  # the same by place
        self.reorder = Reorderer()
        self.ready: list[Frame | Run] = []
        self.late: list[Frame | Run] = []  # their place in the ring has passed: summed up, not detected on

    def add(self, device: Device) -> None:
        """Tell the banks of a device, or what is new about it."""
        person = device.person or None
        row = self.bank.add(
            device.id, placement=device.placement, person=person, operating_point=self.points.of(device)
        )
        if self.sensors is not None:
            beside = self.sensors.add(device.id, placement=device.placement, person=person)
            assert beside == row, f"row {beside} and {row} of {device.id}"
        self._place(device.row, row)

    def _place(self, device: int, row: int) -> None:
        self.rows[device] = row
        if device >= len(self._row_of):
            room = max(device + 1, 64, len(self._row_of) * 3 // 2)
            self._row_of = np.append(self._row_of, np.zeros(room - len(self._row_of), np.int32))
        self._row_of[device] = row

    def batches(self, frames: list[Frame | Run]) -> list[AnyBatch]:
        """Frames as batches; their rows are those of the devices."""
        return batches_of(frames, historical=self.historical)

    def in_bank(self, batch: AnyBatch) -> AnyBatch:
        """The batch with the rows of the bank."""
        return replace(batch, row=self._row_of[batch.row])

    def update(self, batch: AnyBatch, now_ms: int) -> list[Detection]:
        """What the banks find in a batch."""
        found = self.bank.update(batch, now_ms)
        return found if self.sensors is None else found + self.sensors.update(batch, now_ms)

    def state(self) -> tuple[Any, ...]:
        """For a checkpoint."""
        sensors = None if self.sensors is None else self.sensors.state()
        return self.bank.state(copies=False), sensors, dict(self.rows), self.reorder.state()

    def restore(self, state: tuple[Any, ...], devices: Devices) -> None:
        """From a checkpoint, with the operating points of now."""
        bank, sensors, rows, held = state
        self.bank.restore(bank)
        if self.sensors is not None:
            self.sensors.restore(sensors)
        self.reorder.restore(held)
        for device, row in rows.items():
            self._place(device, row)
            self.add(devices.rows[device])


class MotionLanes:
    """From decoded frames to detections (falls, sensors at fault) and ten-second points."""

    def __init__(self, live: RowBank, historical: RowBank, points: FallPoints) -> None:
        self._live = _Lane(live, points, historical=False)
        self._historical = _Lane(historical, points, historical=True)
        self._summary = MotionSummary()
        self._late_summary = MotionSummary()

    def adopt(self, device: Device) -> None:
        """The device has another wearer, placement or operating point from now on."""
        for lane in (self._live, self._historical):
            if device.row in lane.rows:
                lane.add(device)

    def take(self, device: Device, motion: Motion, recv_ms: int, offset_ms: int, *, live: bool) -> None:
        """Take one frame that has not been seen before."""
        lane = self._live if live or self._goes_on(device, motion, recv_ms, offset_ms) else self._historical
        if device.row not in lane.rows:
            lane.add(device)
        frame = Frame(device.row, recv_ms, offset_ms, motion)
        if not lane.reorder.push(frame, lane.ready):
            lane.late.append(frame)

    def _goes_on(self, device: Device, motion: Motion, recv_ms: int, offset_ms: int) -> bool:
        """Whether a frame from the buffer follows the live ones and came within their time.

        A link that breaks and comes back breaks up no fall: its beginning and its end are looked at together.
        """
        lane = self._live.reorder.lane(device.row)
        soon = recv_ms - motion.t - offset_ms <= LIVE_WITHIN_MS
        if not motion.hist or not soon or lane is None or lane.boot != motion.boot:
            return False
        return 0 <= motion.seq - lane.due <= HELD_MAX

    @property
    def order(self) -> Reorderer:
        """Of the live frames."""
        return self._live.reorder

    @property
    def order_of_history(self) -> Reorderer:
        """Of the frames from buffers that do not go on where the live ones stopped."""
        return self._historical.reorder

    def take_run(self, run: Run, *, historical: bool = False) -> None:
        """Take frames that are the next of their devices in one of the two orders, which had some of them before."""
        (self._historical if historical else self._live).ready.append(run)

    def advance(self, now_ms: int, devices: Devices) -> tuple[list[Detection], list[PointBatch]]:
        """Run what is ready through the banks: detections and points that are due."""
        detections: list[Detection] = []
        points: list[PointBatch] = []
        for lane in (self._live, self._historical):
            lane.reorder.expire(now_ms, lane.ready)
            ready, lane.ready = lane.ready, []
            for batch in lane.batches(ready):
                detections += lane.update(lane.in_bank(batch), now_ms)
                points += self._sum_up(batch, devices, historical=lane.historical)
            detections += lane.bank.update(None, now_ms)
            late, lane.late = lane.late, []
            for batch in lane.batches(late):
                points += self._sum_up(batch, devices, historical=True)
        points += self._points(self._summary, now_ms, devices)
        points += self._points(self._late_summary, now_ms, devices)
        points += [_raw_points(d) for d in detections if d.stage is Stage.CONFIRMED and d.window is not None]
        return detections, points

    def state(self) -> dict[str, Any]:
        """For a checkpoint, to be written before the next frames; call after :meth:`advance`."""
        return {
            "lanes": [lane.state() for lane in (self._live, self._historical)],
            "summaries": [self._summary.state(), self._late_summary.state()],
        }

    def restore(self, state: dict[str, Any], devices: Devices) -> None:
        """From a checkpoint, with the operating points of now."""
        for lane, saved in zip((self._live, self._historical), state["lanes"], strict=True):
            lane.restore(saved, devices)
        self._summary.restore(state["summaries"][0])
        self._late_summary.restore(state["summaries"][1])

    def _sum_up(self, batch: AnyBatch, devices: Devices, *, historical: bool) -> list[PointBatch]:
        if not historical:
            self._summary.add(batch)
            return self._points(self._summary, _BETWEEN_BATCHES_MS, devices)
        # a late frame whose window is still open live belongs to that point; the others make points of their own
        open_live = self._summary.covers(batch.row, batch.t_ms + batch.offset_ms)
        for summary, mine in ((self._summary, open_live), (self._late_summary, ~open_live)):
            if mine.any():
                summary.add(frames_of(batch, mine), in_order=False)
        return self._points(self._late_summary, _BETWEEN_BATCHES_MS, devices)

    @staticmethod
    def _points(summary: MotionSummary, now_ms: int, devices: Devices) -> list[PointBatch]:
        return [_motion_points(windows, devices) for windows in summary.collect(now_ms)]


def _motion_points(windows: Windows, devices: Devices) -> PointBatch:
    owners = [devices.rows[row] for row in windows.rows]
    return PointBatch(
        "motion",
        windows.start_ms * _NS_PER_MS,
        {
            "device": [device.id for device in owners],
            "person": [device.person for device in owners],
            "area": [device.area for device in owners],
        },
        dict(windows.fields),
    )


def _raw_points(detection: Detection) -> PointBatch:
    """The window around a detection as `motion_raw` points, so that clinicians see it next to the vitals."""
    window = detection.window
    assert window is not None
    acc = np.frombuffer(window.acc, dtype="<i2").reshape(-1, 3).astype(np.float64)
    gap = (acc == np.iinfo(np.int16).min).all(axis=1)
    columns = dict(zip(("ax", "ay", "az"), (acc * window.lsb_g).T, strict=True))
    if window.gyr:
        gyr = np.frombuffer(window.gyr, dtype="<i2").reshape(-1, 3).astype(np.float64)
        columns |= dict(zip(("gx", "gy", "gz"), (gyr * window.lsb_dps).T, strict=True))
    present = np.flatnonzero(~gap)
    t_ns = np.round(window.t0_ms * _NS_PER_MS + np.arange(len(acc)) * (1e9 / window.fs_hz)).astype(np.int64)
    return PointBatch(
        "motion_raw",
        t_ns[present],
        {"device": [detection.device] * len(present), "person": [detection.person or ""] * len(present)},
        {name: np.ascontiguousarray(column[present]) for name, column in columns.items()},
    )
