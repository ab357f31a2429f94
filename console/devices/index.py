"""All devices in memory: from the registry, read again when it changes; how they are and what was found about them,
read again every now and then beside the pages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from console.access.rules import EVERYWHERE
from console.devices.faults import Fault, PlaceFault, all_standing
from console.devices.finding import Entry, Fleet, join
from console.devices.state import DeviceState, read_devices
from registry import current_revision
from registry import models as tables
from store import Store, StoreError

_log = logging.getLogger(__name__)

#: 50,000 devices take the embedded store about two seconds, so not at each look.
REFRESH_S = 20.0
#: How long the first page waits, rather than show nothing.
_FIRST_WAIT_S = 2.0


@dataclass(frozen=True, slots=True)
class _Registered:
    revision: int = -1
    entries: tuple[Entry, ...] = ()
    areas: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Known:
    """``number`` rises with each reading; ``trouble``: as of :attr:`DeviceIndex.trouble`."""

    number: int = 0
    states: Mapping[str, DeviceState] = field(default_factory=dict)
    faults: Mapping[str, tuple[Fault, ...]] = field(default_factory=dict)
    places: tuple[PlaceFault, ...] = ()
    trouble: str = "first"


class DeviceIndex:
    """Safe to be asked from several threads. ``store`` gives the store, or None while there is none."""

    def __init__(self, engine: Engine, store: Callable[[], Store | None], *, refresh_s: float = REFRESH_S) -> None:
        self._engine = engine
        self._store = store
        self._refresh_s = refresh_s
        self._lock = threading.Lock()
        self._registered = _Registered()
        self._known = _Known()
        self._fleet: tuple[tuple[int, int], Fleet] = ((-1, -1), Fleet())
        self._read_at_s = float("-inf")
        self._first = threading.Event()
        self._reading = False

    @property
    def trouble(self) -> str:
        """Why nothing is known of how the devices are: "" where it is, ``none`` without a store, ``away``, ``first``
        while it is being read for the first time."""
        return self._known.trouble

    def fleet(self) -> Fleet:
        """All devices: as the registry has them now, and as they were a moment ago."""
        self._look()
        there = self._now_registered()
        with self._lock:
            place = there.revision, self._known.number
            if self._fleet[0] != place:
                self._fleet = place, _joined(there, self._known)
            return self._fleet[1]

    def areas(self) -> Mapping[str, str]:
        """The names of all areas by path, as the registry has them now."""
        return self._now_registered().areas

    def _now_registered(self) -> _Registered:
        revision = current_revision(self._engine)
        with self._lock:
            if self._registered.revision != revision:
                self._registered = read_registered(self._engine)
            return self._registered

    def _look(self) -> None:
        with self._lock:
            due = not self._reading and time.monotonic() - self._read_at_s >= self._refresh_s
            self._reading = self._reading or due
        if due:
            threading.Thread(target=self._refresh, name="console-devices", daemon=True).start()
        self._first.wait(_FIRST_WAIT_S)

    def _refresh(self) -> None:
        try:
            trouble, states = "none", self._known.states  # as they were, while the store does not answer
            try:
                if (store := self._store()) is not None:
                    trouble, states = "", read_devices(store, None)
            except StoreError as error:
                _log.warning("the store does not tell how devices are: %s", error)
                trouble = "away"
            faults, places = all_standing(self._engine)
            known = _Known(self._known.number + 1, states, faults, places, trouble)
            there = self._now_registered()
            fleet = _joined(there, known)
            fleet.prepare()  # here rather than while somebody waits
            with self._lock:
                self._known, self._fleet = known, ((there.revision, known.number), fleet)
        except DBAPIError as error:  # the page says so itself: it asks the same database
            _log.warning("the database does not tell what was found about devices: %r", error)
        finally:
            self._first.set()
            with self._lock:
                self._read_at_s = time.monotonic()
                self._reading = False


def _joined(there: _Registered, known: _Known) -> Fleet:
    return join(there.entries, there.areas, known.states, known.faults, known.places)


def read_registered(engine: Engine) -> _Registered:
    """All devices with their people's names, and the names of areas."""
    device, person, area = tables.device, tables.person, tables.area
    with engine.connect() as connection:
        revision = current_revision(connection)
        areas = {row.path: row.name for row in connection.execute(select(area.c.path, area.c.name))}
        query = select(
            device.c.id, device.c.kind, device.c.placement, device.c.model, device.c.area, person.c.area, person.c.key,
            person.c.name,
        ).outerjoin(person, person.c.key == device.c.person)  # fmt: skip
        entries = tuple(
            Entry(id_, kind, placement, model, path, areas.get(path, ""), key or "", name or "")
            for id_, kind, placement, model, own, home, key, name in connection.execute(query)
            for path in (own or home or EVERYWHERE,)
        )
    return _Registered(revision, entries, areas)
