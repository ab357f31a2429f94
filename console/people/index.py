"""Everybody in memory, to be found by a few letters: names and areas from the registry, read again when it changes, and
the newest score and sign of life of each from the store, read again every now and then beside the pages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sqlalchemy import Engine, select

from console.people.finding import Known, Someone
from registry import current_revision
from registry import models as registry_tables
from store import Store, StoreError

_log = logging.getLogger(__name__)

#: The newest values of everybody: 18,000 people take the embedded store about a second, so not at each look.
REFRESH_S = 30.0
#: How long the first page waits for them, rather than show nothing.
_FIRST_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Everybody:
    """All people at one revision of the registry, by key, the names of areas by path, and which risks people of an area
    have."""

    revision: int = -1
    people: tuple[Someone, ...] = ()
    areas: Mapping[str, str] = field(default_factory=dict)
    risks: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def risks_of(self, sees: Callable[[str], bool]) -> list[str]:
        """Those of the areas that somebody sees, sorted: what people elsewhere have is nothing to choose from."""
        return sorted(frozenset[str]().union(*(risks for area, risks in self.risks.items() if sees(area))))


class PeopleIndex:
    """Safe to be asked from several threads. ``store`` gives the store, or None while there is none."""

    def __init__(self, engine: Engine, store: Callable[[], Store | None], *, refresh_s: float = REFRESH_S) -> None:
        self._engine = engine
        self._store = store
        self._refresh_s = refresh_s
        self._lock = threading.Lock()
        self._everybody = Everybody()
        self._known: Mapping[str, Known] = MappingProxyType({})
        self._read_at_s = float("-inf")
        self._first = threading.Event()
        self._reading = False

    def everybody(self) -> Everybody:
        """All people, as the registry has them now."""
        if current_revision(self._engine) == self._everybody.revision:
            return self._everybody
        with self._lock:
            if current_revision(self._engine) != self._everybody.revision:
                self._everybody = read_everybody(self._engine)
            return self._everybody

    def known(self) -> Mapping[str, Known]:
        """What the store knew of each a moment ago; {} without one."""
        with self._lock:
            due = not self._reading and time.monotonic() - self._read_at_s >= self._refresh_s
            self._reading = self._reading or due
        if due:
            threading.Thread(target=self._refresh, name="console-people", daemon=True).start()
        self._first.wait(_FIRST_WAIT_S)
        return self._known

    def _refresh(self) -> None:
        try:
            store = self._store()
            self._known = MappingProxyType(read_known(store) if store is not None else {})
        except StoreError as error:
            _log.warning("the store does not tell how people are: %s", error)
        finally:
            self._first.set()
            with self._lock:
                self._read_at_s = time.monotonic()
                self._reading = False


def read_everybody(engine: Engine) -> Everybody:
    """Names, areas and risks of all people; no phone and no door code."""
    person, area = registry_tables.person, registry_tables.area
    with engine.connect() as connection:
        revision = current_revision(connection)
        areas = {row.path: row.name for row in connection.execute(select(area.c.path, area.c.name))}
        query = select(
            person.c.key, person.c.name, person.c.area, person.c.address, person.c.risks, person.c.conditions
        )
        people = tuple(
            Someone(key, name, path, areas.get(path, path), address, tuple(risks or ()), tuple(conditions or ()))
            for key, name, path, address, risks, conditions in connection.execute(query.order_by(person.c.key))
        )
    risks: dict[str, set[str]] = {}
    for one in people:
        risks.setdefault(one.area, set()).update(one.risks, one.conditions)
    return Everybody(revision, people, MappingProxyType(areas), {area: frozenset(of) for area, of in risks.items()})


def read_known(store: Store) -> dict[str, Known]:
    """The newest score, and when each was last heard of, by person. Raises StoreError."""
    seen: dict[str, int] = {}
    for measurement, fields in (
        ("vitals", ["hr", "spo2", "rr", "temp", "sbp", "glucose", "weight"]),
        ("motion", ["enmo_g", "worn"]),
        ("home", ["value"]),
    ):
        for person, point in store.latest(measurement, fields, by="person").items():
            seen[person] = max(seen.get(person, 0), int(point["t_ms"]))
    scores = store.latest("score", ["value", "upper"], by="person")
    return {
        person: Known(
            seen.get(person),
            int(float(scores[person]["value"])) if "value" in scores.get(person, {}) else None,
            int(float(scores[person]["upper"])) if "upper" in scores.get(person, {}) else None,
            int(scores[person]["t_ms"]) if person in scores else None,
        )
        for person in seen.keys() | scores.keys()
    }
