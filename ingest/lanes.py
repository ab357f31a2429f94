"""The detectors besides falls and events: vitals, the routine at home, the devices themselves.

Their time is the journal's, in whole seconds: what was received within one second is taken together, however the
journal was read, so that a process that is killed and goes on finds the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from detectors.detection import Detection
from ingest.device_lane import DeviceLane
from ingest.devices import Device, Devices
from ingest.routine_lane import RoutineLane
from ingest.vitals_lane import VitalsLane
from telemetry.messages import Home, Status
from telemetry.records import PointBatch

_log = logging.getLogger(__name__)

_STEP_MS = 1000
#: Our clock is set back by more than this: time goes on from there, instead of standing still until it is caught up.
_SET_BACK_MS = 60_000

_T = TypeVar("_T")


class Lanes:
    """Each of them, or None where it is switched off.

    Args:
        devices: all that have spoken.
        vitals: watches the vital signs of people,
        routine: the routine of homes,
        links: links, batteries and clocks of devices.
    """

    def __init__(
        self,
        devices: Devices,
        *,
        vitals: VitalsLane | None = None,
        routine: RoutineLane | None = None,
        links: DeviceLane | None = None,
    ) -> None:
        self.devices = devices
        self.vitals, self.routine, self.links = vitals, routine, links
        on = {"vitals": vitals is not None, "routine": routine is not None, "devices": links is not None}
        #: Steps that failed by a defect of ours, by lane.
        self.failed: dict[str, int] = {f"failed_{name}": 0 for name, is_on in on.items() if is_on}
        self._next_ms = 0

    def is_due(self, recv_ms: int) -> bool:
        """Whether a message that came then is of another second than those before it."""
        return bool(self.failed) and not 0 < self._next_ms - recv_ms <= _SET_BACK_MS

    def adopt(self, device: Device) -> None:
        """Something about the device or its person is new."""
        for lane in (self.vitals, self.routine, self.links):
            if lane is not None:
                lane.adopt(device)

    def home(self, device: Device, said: Home, value: float, t_ms: int, recv_ms: int, *, live: bool) -> None:
        """A reading of a home sensor; ``value`` as a number."""
        if self.routine is not None and device.person:
            self.routine.take(device, said.kind, said.room, said.value, t_ms, recv_ms, live=live)
        if self.links is not None and live:
            self.links.reading(device, said.kind, value > 0, recv_ms)

    def present(self, device: Device) -> None:
        """A device has said something, whatever it is, and just now: neither a buffer nor the broker had kept it."""
        if self.routine is not None:
            self.routine.present(device)

    def status(self, device: Device, said: Status, recv_ms: int) -> None:
        """A status message that is the case now, or a will."""
        if self.links is not None:
            self.links.status(device, said, recv_ms)
        if self.routine is not None and not said.online:
            self.routine.homes.lost(device)

    def rests(self, device: Device, recv_ms: int, from_ms: int, until_ms: int) -> None:
        """A wearable said that it will send no motion for a while, because there is none."""
        if self.links is not None:
            self.links.rests(device, recv_ms, until_ms)
        if self.vitals is not None:
            self.vitals.rests(device, from_ms, until_ms)

    def moved(self, points: Iterable[PointBatch], now_ms: int) -> None:
        """Points of motion were made."""
        for batch in points:
            if batch.measurement == "motion":
                if self.links is not None:
                    self.links.worn(batch, now_ms)
                if self.vitals is not None:
                    self.vitals.moved(batch)

    def missed(self, since_ms: int, until_ms: int) -> list[Detection]:
        """Nobody listened between the two. What was found before that."""
        links, routine = self.links, self.routine
        found: list[Detection] = []
        if links is not None:
            found += self._try("devices", lambda: links.missed(since_ms, until_ms), [])
        if routine is not None:
            routine.homes.told(found)
            self._try("routine", lambda: routine.missed(since_ms, until_ms), None)
        return found

    def step(self, now_ms: int) -> tuple[list[Detection], list[PointBatch]]:
        """Decide on what came before the second that ``now_ms`` lies in."""
        found: list[Detection] = []
        points: list[PointBatch] = []
        if not self.is_due(now_ms):
            return found, points
        at_ms = now_ms // _STEP_MS * _STEP_MS
        self._next_ms = at_ms + _STEP_MS
        links, vitals, routine = self.links, self.vitals, self.routine
        if links is not None:
            found += self._try("devices", lambda: links.step(at_ms), [])
        if vitals is not None:
            nothing: tuple[list[Detection], list[PointBatch]] = ([], [])
            of_vitals, points = self._try("vitals", lambda: vitals.step(at_ms), nothing)
            found += of_vitals
        if routine is not None:
            routine.homes.told(found)
            found += self._try("routine", lambda: routine.step(at_ms), [])
        return found, points

    def state(self) -> dict[str, Any]:
        """For a checkpoint. What is learnt of homes is not in it, see :mod:`ingest.long_memory`."""
        return {
            "next_ms": self._next_ms,
            "vitals": None if self.vitals is None else self.vitals.state(),
            "routine": None if self.routine is None else self.routine.state(),
            "links": None if self.links is None else self.links.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint. A lane that was switched off begins anew."""
        self._next_ms = state["next_ms"]
        if self.vitals is not None:
            self.vitals.restore(state["vitals"])
        if self.routine is not None:
            self.routine.restore(state["routine"])
        if self.links is not None:
            self.links.restore(state["links"])

    def _try(self, name: str, step: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return step()
        except Exception:  # a defect of ours in one detector must not stop falls and calls for help
            self.failed[f"failed_{name}"] += 1
            if self.failed[f"failed_{name}"] == 1:
                _log.exception("processor: a step of the %s detector failed; it goes on with the next", name)
            return otherwise


def lanes_of(
    *, vitals: bool = True, routine: bool = True, devices: bool = True, zone: ZoneInfo | None = None, now_ms: int = 0
) -> Lanes:
    """The lanes that are switched on, for homes in ``zone`` (None: Shanghai's). ``now_ms`` only for the offset of the
    zone, which the time of day of vitals goes by."""
    known = Devices()
    there = zone or ZoneInfo("Asia/Shanghai")
    offset = datetime.fromtimestamp(now_ms / 1000, there).utcoffset()
    return Lanes(
        known,
        vitals=VitalsLane(known, utc_offset_s=round(offset.total_seconds()) if offset else 0) if vitals else None,
        routine=RoutineLane(known, there) if routine else None,
        links=DeviceLane(known) if devices else None,
    )
