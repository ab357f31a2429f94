"""Which homes cannot be heard: all of their sensors are away, or the whole area is. Silence there is nobody's fall."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from detectors.detection import Detection, Stage
from detectors.device.area import AREA_OFFLINE
from detectors.device.silence import OFFLINE
from ingest.devices import Device, Devices

#: A device of an area that was heard so long after the others fell silent is not among them.
_APART_MS = 120_000


class Homes:
    """Follows last wills, and what is found of devices and areas.

    Args:
        devices: all that have spoken.
    """

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.dark: set[str] = set()  # people whose homes cannot be heard
        self._sensors: dict[str, set[int]] = {}  # of each person, rows of devices
        self._person: dict[int, str] = {}
        self._offline: set[str] = set()
        self._areas: dict[tuple[str, str], int] = {}  # (area, person of the home or "") -> silent since
        self._look: set[str] = set()

    def sensor(self, device: Device) -> None:
        """A device has told something of its person's home."""
        before = self._person.get(device.row)
        if before == device.person:
            return
        if before is not None:
            self._sensors[before].discard(device.row)
            self._look.add(before)
        self._person[device.row] = device.person
        self._sensors.setdefault(device.person, set()).add(device.row)
        self._look.add(device.person)

    def person_of(self, device: Device) -> str | None:
        """Of whose home it is a sensor; None where it is of none, or has told nothing of its home yet."""
        person = self._person.get(device.row)
        return person if person == device.person else None

    def lost(self, device: Device) -> None:
        """Its last will has come."""
        if device.row in self._person:
            self._look.add(self._person[device.row])

    def told(self, found: Iterable[Detection]) -> None:
        """What is found of devices."""
        for one in found:
            begins = one.stage is Stage.CONFIRMED
            if one.kind == OFFLINE:
                (self._offline.add if begins else self._offline.discard)(one.device)
                device = self._devices.by_id.get(one.device)
                if device is not None:
                    self.lost(device)
            elif one.kind == AREA_OFFLINE:
                place = (one.notes.get("area", ""), one.notes.get("home", ""))
                if begins:
                    self._areas[place] = one.onset_ms
                    self._look |= {person for person in self._sensors if self._is_in(person, place)}
                else:
                    self._areas.pop(place, None)

    def changes(self) -> tuple[list[str], list[str]]:
        """The people whose homes cannot be heard any more, and those whose homes can again, since the last call."""
        if not (self._look or self.dark):
            return [], []
        look, self._look = self._look, set()
        gone = sorted(person for person in look - self.dark if self._is_dark(person))
        back = sorted(person for person in self.dark if not self._is_dark(person))
        self.dark = (self.dark | set(gone)) - set(back)
        return gone, back

    def _is_dark(self, person: str) -> bool:
        rows = self._sensors.get(person)
        return bool(rows) and all(self._is_out(self._devices.rows[row], person) for row in rows or ())

    def _is_out(self, device: Device, person: str) -> bool:
        if not device.online or device.id in self._offline:
            return True
        return any(
            self._is_in(person, place) and device.last_recv_ms <= since_ms + _APART_MS
            for place, since_ms in self._areas.items()
        )

    def _is_in(self, person: str, place: tuple[str, str]) -> bool:
        area, home = place
        if home:
            return home == person
        rows = self._sensors.get(person) or ()
        return any(f"{self._devices.rows[row].area}.".startswith(f"{area}.") for row in rows)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "dark": set(self.dark),
            "person": dict(self._person),
            "offline": set(self._offline),
            "areas": dict(self._areas),
            "look": set(self._look),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.dark, self._person = set(state["dark"]), dict(state["person"])
        self._offline, self._areas, self._look = set(state["offline"]), dict(state["areas"]), set(state["look"])
        self._sensors = {}
        for row, person in self._person.items():
            self._sensors.setdefault(person, set()).add(row)
