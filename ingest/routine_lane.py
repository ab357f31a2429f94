"""Readings of home sensors on their way to the bank that knows what is normal in each home.

What the bank has learnt of a district is a hundred megabytes, too much for every checkpoint. So it is saved seldom,
and what it was told since is kept beside it (:mod:`ingest.long_memory`): told again in the same order, it knows the
same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from detectors.detection import Detection
from detectors.routine.bank import RoutineBank
from detectors.routine.batch import HomeBatch, Value
from detectors.routine.sentences import sentence
from ingest.banks import UNREADABLE
from ingest.devices import Device, Devices
from ingest.homes import Homes

_log = logging.getLogger(__name__)

#: After an outage of ours of this length nothing of what was not heard is taken for silence. A shorter one changes a
#: silence by less than the shortest limit that a home has.
OUTAGE_MS = 300_000
#: After a reconnection what had waited at the broker comes first: only then is it known who was silent.
_BACKLOG_MS = 15_000
LANGUAGES: tuple[str, ...] = ("en", "zh")


class Reading(NamedTuple):
    """One reading: row of the home in the bank, device, kind, room, value, when it was, when it came."""

    home: int
    device: str
    kind: str
    room: str | None
    value: Value
    t_ms: int
    recv_ms: int


class Add(NamedTuple):
    """A home, or what is new about it."""

    person: str
    residents: int
    pets: bool


class Hear(NamedTuple):
    """Readings up to ``now_ms``; none: a tick."""

    now_ms: int
    readings: list[Reading]
    historical: bool


class Interrupt(NamedTuple):
    """Nothing was heard of some homes (None: of all) until then."""

    people: list[str] | None
    until_ms: int


class Withhold(NamedTuple):
    """A finding was told to nobody."""

    found: Detection


#: What a bank is told; all that its state depends on.
Told = Add | Hear | Interrupt | Withhold


class RoutineLane:
    """Gathers readings, a second at a time. Rows in the bank are people.

    Args:
        devices: all that have spoken.
        zone: the homes' time zone.
        make: a bank that knows nothing; None: that of the zone.
    """

    def __init__(self, devices: Devices, zone: ZoneInfo, make: Callable[[], RoutineBank] | None = None) -> None:
        self.homes = Homes(devices)
        #: What the bank was told since this was taken last; see :mod:`ingest.long_memory`.
        self.told: list[Told] = []
        self._make = make or (lambda: RoutineBank(zone))
        self._bank = self._make()
        self._known: dict[str, tuple[int, int, bool]] = {}  # person -> row, residents, pets
        self._live: list[Reading] = []
        self._late: list[Reading] = []
        self._spoke: set[str] = set()  # people a sensor of whose home has said something just now
        self._hold_until_ms = 0  # what had waited at the broker is coming
        self._gap = False  # something was not heard since what the bank was told last

    @property
    def ignored(self) -> dict[str, int]:
        """Readings that told the bank nothing, by reason."""
        return dict(self._bank.ignored)

    def take(
        self, device: Device, kind: str, room: str | None, value: Value, t_ms: int, recv_ms: int, *, live: bool
    ) -> None:
        """One reading of a sensor in somebody's home."""
        known = self._known.get(device.person)
        if known is None or known[1:] != (device.profile.residents, device.profile.pets):
            known = self._add(Add(device.person, device.profile.residents, device.profile.pets))
        self.homes.sensor(device)
        room = room or (device.placement if device.placement != "unknown" else None)
        (self._live if live else self._late).append(Reading(known[0], device.id, kind, room, value, t_ms, recv_ms))

    def adopt(self, device: Device) -> None:
        """Something about the device or its person is new."""
        if device.person in self._known:
            self._add(Add(device.person, device.profile.residents, device.profile.pets))

    def present(self, device: Device) -> None:
        """A device is there: it said something just now, be it a heartbeat."""
        person = self.homes.person_of(device)
        if person is not None:
            self._spoke.add(person)

    def missed(self, since_ms: int, until_ms: int) -> None:
        """Nobody listened between the two."""
        self._hold_until_ms = until_ms + _BACKLOG_MS
        if until_ms - since_ms >= OUTAGE_MS:
            self._tell(Interrupt(None, until_ms))

    def step(self, now_ms: int) -> list[Detection]:
        """What the bank finds; everything that came before ``now_ms`` was taken.

        Nothing is told of a home that cannot be heard. When it can be again, its silence counts from then. So does that
        of a home that told of the past, once one of its sensors has said anything that is not of the past.
        """
        if now_ms < self._hold_until_ms:
            return []
        if self._gap:
            self._gap = False
            self._tell(Interrupt(None, now_ms))
        _, back = self.homes.changes()
        if back:
            self._tell(Interrupt([person for person in back if person in self._known], now_ms))
        found: list[Detection] = []
        if self._late:
            self._late, late = [], self._late
            found += self._tell(Hear(now_ms, late, True))
        if self._spoke:
            self._spoke, spoke = set(), self._spoke
            here = [person for person in self._bank.in_the_past() if person in spoke]
            if here:  # never of others: a heartbeat is no sign of life, and ends no silence
                self._tell(Interrupt(here, now_ms))
        due_ms = self._bank.next_due_ms()
        if self._live or (due_ms is not None and due_ms <= now_ms):
            self._live, live = [], self._live
            found += self._tell(Hear(now_ms, live, False))
        told = []
        for one in found:
            if one.person in self.homes.dark and one.stage == "confirmed" and not one.historical:
                _log.info("%s of %s is not told: none of the home's sensors can be heard", one.kind, one.person)
                self._tell(Withhold(one))
            else:
                told.append(_in_words(one))
        return told

    def state(self) -> dict[str, Any]:
        """For a checkpoint: all but what the bank knows, which is :meth:`snapshot` and :attr:`told`."""
        return {
            "homes": self.homes.state(),
            "live": list(self._live),
            "late": list(self._late),
            "spoke": sorted(self._spoke),
            "hold_until_ms": self._hold_until_ms,
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        """From a checkpoint."""
        if state is None:
            return
        self.homes.restore(state["homes"])
        self._live, self._late = list(state["live"]), list(state["late"])
        self._spoke = set(state["spoke"])
        self._hold_until_ms = state["hold_until_ms"]

    def snapshot(self) -> dict[str, Any]:
        """What the bank knows: large."""
        return {"bank": self._bank.state(), "known": dict(self._known)}

    def recall(self, snapshot: dict[str, Any] | None, told: list[Told], *, exact: bool) -> None:
        """Take over a snapshot (None: nothing was known), and be told again what came after it.

        Args:
            snapshot: of :meth:`snapshot`.
            told: what :attr:`told` was since.
            exact: nothing came after that. Else what was not heard is no silence.

        Raises:
            DetectorError: the snapshot is of another release; what else may be, see :data:`ingest.banks.UNREADABLE`.
        """
        bank, known = self._make(), {}
        if snapshot is not None:
            bank.restore(snapshot["bank"])
            known = dict(snapshot["known"])
        self._bank, self._known = bank, known
        for one in told:
            self._apply(one)
        self._gap = not exact

    def forget(self) -> None:
        """Begin anew: readings that wait have rows that nobody knows any more."""
        self._bank, self._known = self._make(), {}
        self._live, self._late, self.told = [], [], []

    def _add(self, home: Add) -> tuple[int, int, bool]:
        if self._known.get(home.person, ())[1:] != home[1:]:
            self._tell(home)
        return self._known[home.person]

    def _tell(self, what: Told) -> list[Detection]:
        self.told.append(what)
        return self._apply(what)

    def _apply(self, what: Told) -> list[Detection]:
        if isinstance(what, Hear):
            return self._bank.update(_batch(what) if what.readings else None, what.now_ms)
        if isinstance(what, Add):
            row = self._bank.add(what.person, residents=what.residents, pets=what.pets)
            self._known[what.person] = (row, what.residents, what.pets)
        elif isinstance(what, Interrupt):
            self._bank.interrupted(what.people, what.until_ms)
        else:
            self._bank.withheld(what.found)
        return []


def _batch(heard: Hear) -> HomeBatch:
    home, device, kind, room, value, t_ms, recv_ms = zip(*heard.readings, strict=True)
    return HomeBatch(
        row=np.array(home, np.int32),
        device=device,
        kind=kind,
        room=room,
        value=value,
        t_ms=np.array(t_ms, np.int64),
        recv_ms=np.array(recv_ms, np.int64),
        historical=heard.historical,
    )


def _in_words(found: Detection) -> Detection:
    words = {language: sentence(found, language) for language in LANGUAGES}
    return msgspec.structs.replace(found, notes=found.notes | words)


__all__ = ["LANGUAGES", "OUTAGE_MS", "UNREADABLE", "RoutineLane", "Told"]
