"""Vitals on their way to the bank that watches them, and its scores and baselines as points."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np

from detectors.detection import Detection
from detectors.errors import DetectorError
from detectors.vitals.bank import UTC_OFFSET_S, VitalsBank
from detectors.vitals.batch import VitalsGatherer
from detectors.vitals.parameters import VitalsParameters
from ingest.banks import restored
from ingest.devices import Device, Devices
from telemetry.records import PointBatch

_log = logging.getLogger(__name__)

_NS_PER_MS = 1_000_000
#: How much somebody moved is known of the ten seconds before; older than this it says nothing of a reading.
_MOVED_MS = 60_000

#: A reading: row of the device, when measured, when received, out of a buffer or not, values by name.
_Reading = tuple[int, int, int, bool, dict[str, Any]]
_NO_ROW = -1


class _Moved:
    """How much somebody, person or device, moved in the newest ten seconds that are known."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._at_ms = array("q")
        self._enmo_g = array("d")

    def put(self, who: str, at_ms: int, enmo_g: float) -> None:
        """Of ten seconds that begin at ``at_ms``, unless newer ones are known."""
        place = self._places.get(who)
        if place is None:
            self._places[who] = len(self._at_ms)
            self._at_ms.append(at_ms)
            self._enmo_g.append(enmo_g)
        elif at_ms >= self._at_ms[place]:
            self._at_ms[place], self._enmo_g[place] = at_ms, enmo_g

    def get(self, who: str) -> tuple[int, float]:
        """When they began, and ENMO in them; NaN where nothing is known."""
        place = self._places.get(who)
        return (0, np.nan) if place is None else (self._at_ms[place], self._enmo_g[place])

    def state(self) -> tuple[list[str], bytes, bytes]:
        """For a checkpoint."""
        return list(self._places), self._at_ms.tobytes(), self._enmo_g.tobytes()

    def restore(self, state: tuple[list[str], bytes, bytes]) -> None:
        """From a checkpoint."""
        names, at_ms, enmo_g = state
        self._places = {who: place for place, who in enumerate(names)}
        self._at_ms, self._enmo_g = array("q", at_ms), array("d", enmo_g)


class VitalsLane:
    """Gathers readings, a second at a time. Rows in the bank are people, or devices that nobody has.

    Args:
        devices: all that have spoken.
        utc_offset_s: of where the people live.
        parameters: the thresholds.
    """

    def __init__(
        self, devices: Devices, *, utc_offset_s: int = UTC_OFFSET_S, parameters: VitalsParameters | None = None
    ) -> None:
        self._devices = devices
        self._utc_offset_s = utc_offset_s
        self._parameters = parameters
        self._bank = VitalsBank(parameters)
        self._rows = (array("i"), array("i"))  # by row of the device: rows in the bank, of person and device
        self._area: dict[str, str] = {}
        self._readings: list[_Reading] = []
        self._moved = _Moved()
        self._rests: dict[str, tuple[int, int]] = {}  # by person or device: from when until when it said to lie still

    @property
    def ignored(self) -> dict[str, int]:
        """Readings that the bank has not taken, by reason."""
        return dict(self._bank.ignored)

    def adopt(self, device: Device) -> None:
        """Something about the device or who has it is new."""
        if self._rows_of(device.row)[0] != _NO_ROW:
            self._place(device)

    def take(self, device: Device, values: dict[str, Any], t_ms: int, recv_ms: int, *, live: bool) -> None:
        """One reading that has not been taken before, in the units of the wire contract."""
        who = device.person or device.id
        moved_ms, enmo_g = self._moved.get(who)
        since_ms, until_ms = self._rests.get(who, (0, -1))
        if 0 <= t_ms - moved_ms <= _MOVED_MS:
            values = values | {"enmo_g": enmo_g}
        elif since_ms <= t_ms <= until_ms:
            values = values | {"enmo_g": 0.0}
        self._readings.append((device.row, t_ms, recv_ms, not live, values))

    def moved(self, motion: PointBatch) -> None:
        """Ten-second points of motion, whoever's wearable it was."""
        people, devices = motion.tags["person"], motion.tags["device"]
        t_ms = (motion.t_ns // _NS_PER_MS).tolist()
        for person, device, at_ms, enmo_g in zip(people, devices, t_ms, motion.fields["enmo_g"], strict=True):
            self._moved.put(person or device or "", at_ms, float(enmo_g or 0.0))

    def rests(self, device: Device, from_ms: int, until_ms: int) -> None:
        """A wearable sends no motion for a while because there is none."""
        self._rests[device.person or device.id] = (from_ms, until_ms)

    def step(self, now_ms: int) -> tuple[list[Detection], list[PointBatch]]:
        """What the bank finds and what of it is to be written; everything before ``now_ms`` was taken."""
        readings, self._readings = self._readings, []
        found: list[Detection] = []
        if readings:
            gatherer = VitalsGatherer()
            for at, t_ms, recv_ms, historical, values in readings:
                rows = self._rows_of(at)
                if rows[0] == _NO_ROW:
                    rows = self._place(self._devices.rows[at])
                gatherer.add(*rows, t_ms=t_ms, recv_ms=recv_ms, values=values, historical=historical)
            found += self._bank.update(gatherer.take(), now_ms)
        found += self._bank.update(None, now_ms)
        return found, list(self._points(now_ms))

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "bank": self._bank.state(),
            "readings": list(self._readings),
            "moved": self._moved.state(),
            "rests": dict(self._rests),
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        """From a checkpoint; a bank that cannot be read learns anew."""
        if state is None:
            return
        self._bank = restored(lambda: VitalsBank(self._parameters), state, self._bank, "vitals")
        self._rows, self._area = (array("i"), array("i")), {}
        self._readings = list(state["readings"])
        self._moved.restore(state["moved"])
        self._rests = dict(state.get("rests", {}))
        for device in self._devices.rows:  # whose points are due
            self._area[device.person] = device.area

    def inherit(self, state: dict[str, Any]) -> None:
        """Take over what is learnt of people, and nothing of the moment, from the checkpoint of another release."""
        self._bank = restored(lambda: VitalsBank(self._parameters), state, self._bank, "vitals")

    def _place(self, device: Device) -> tuple[int, int]:
        profile = device.profile
        about: dict[str, Any] = {"person": device.person or None, "utc_offset_s": self._utc_offset_s}
        key = device.person or device.id
        try:
            row = self._bank.add(
                key, conditions=profile.conditions, spo2_scale=profile.spo2_scale, limits=dict(profile.limits), **about
            )
        except DetectorError as error:
            _log.error("vitals of %s: %s. The usual limits count until the registry is corrected", key, error)
            row = self._bank.add(key, **about)
        self._area[device.person] = device.area
        rows = (row, self._bank.add_device(device.id))
        for known, one in zip(self._rows, rows, strict=True):
            known.extend([_NO_ROW] * (device.row + 1 - len(known)))
            known[device.row] = one
        return rows

    def _rows_of(self, row: int) -> tuple[int, int]:
        """In the bank, of the person and the device; negative before it has measured anything."""
        people, devices = self._rows
        return (people[row], devices[row]) if row < len(people) else (_NO_ROW, _NO_ROW)

    def _points(self, now_ms: int) -> Iterable[PointBatch]:
        for one in self._bank.points(now_ms):
            yield PointBatch(
                one.measurement,
                one.t_ms * _NS_PER_MS,
                {
                    "person": list(one.person),
                    "area": [self._area.get(person, "") for person in one.person],
                    "detector": [one.detector] * len(one.person),
                },
                dict(one.fields),
            )
