"""The registry in memory, without secrets, to be listed and searched; read again when it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Engine

from console.people.finding import folded
from registry import Directory, current_revision, directory

PAGE = 50
_LONGEST = 200
#: Between the two halves of the key of a contact in an address.
BETWEEN = "~"


@dataclass(frozen=True, slots=True)
class Line:
    """A row as a list has it. ``places``: the areas that it lies in. ``cells``: what the list says of it."""

    key: str
    name: str
    places: tuple[str, ...]
    cells: tuple[str, ...]
    also: str = ""
    text: str = field(init=False)

    def __post_init__(self) -> None:
        words = (self.name, self.key, self.also, *self.cells)
        object.__setattr__(self, "text", folded(" ".join(word[:_LONGEST] for word in words)))


class Page(NamedTuple):
    """One page of a list, how many rows there are in all, and which page of how many it is."""

    rows: list[Line]
    total: int
    page: int
    pages: int


@dataclass(frozen=True)
class Snapshot:
    """The registry at one revision, and the lists of its tables."""

    directory: Directory
    lines: dict[str, list[Line]] = field(default_factory=dict)


class Known:
    """Safe to be asked from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None

    def now(self) -> Snapshot:
        """The registry as it is now; no phone, no door code, of channels their types."""
        revision = current_revision(self._engine)
        held = self._snapshot
        if held is not None and held.directory.revision == revision:
            return held
        with self._lock:
            held = self._snapshot
            if held is None or held.directory.revision != revision:
                held = self._snapshot = Snapshot(directory(self._engine, secrets=False))
            return held

    def lines(self, table: str) -> list[Line]:
        """All rows of a table, by name."""
        snapshot = self.now()
        if table not in snapshot.lines:
            snapshot.lines[table] = sorted(_LINES[table](snapshot.directory), key=lambda one: (one.name, one.key))
        return snapshot.lines[table]


def find(lines: Iterable[Line], words: str, area: str, sees: Callable[[str], bool], page: int) -> Page:
    """The page asked for, of rows that ``sees`` allows in all their areas; the last where there are fewer."""
    wanted = folded(words[:_LONGEST]).split()
    below = f"{area}."
    allowed: dict[str, bool] = {}

    def may(place: str) -> bool:
        if place not in allowed:
            allowed[place] = (not area or place == area or place.startswith(below)) and sees(place)
        return allowed[place]

    found = [one for one in lines if all(map(may, one.places)) and all(word in one.text for word in wanted)]
    pages = max(1, -(-len(found) // PAGE))
    page = min(max(1, page), pages)
    return Page(found[(page - 1) * PAGE : page * PAGE], len(found), page, pages)


def _people(known: Directory) -> Iterable[Line]:
    for one in known.people.values():
        contacts = len(known.contacts.get(one.key, ()))
        yield Line(one.key, one.name, (one.area,), (one.key, _area(known, one.area), str(contacts)), one.address)


def _responders(known: Directory) -> Iterable[Line]:
    for one in known.responders.values():
        types = ", ".join(sorted({channel.type for channel in one.channels}))
        cells = (one.id, _area(known, one.area), ", ".join(one.roles), types)
        yield Line(one.id, one.name, (one.area,), cells, one.provider)


def _devices(known: Directory) -> Iterable[Line]:
    for one in known.devices.values():
        person = known.person(one.person) if one.person else None
        # one that has an area of its own lies there and with its person
        places = {one.area or "*", *([person.area] if person else [])}
        cells = (person.name if person else "", _area(known, one.area or ""), one.kind, one.placement)
        yield Line(one.id, one.id, tuple(sorted(places)), cells, f"{one.model} {one.person or ''}")


def _contacts(known: Directory) -> Iterable[Line]:
    for key, ones in known.contacts.items():
        person = known.people[key]
        for one in ones:
            responder = known.responders.get(one.responder)
            name = responder.name if responder else one.responder
            cells = (person.name, one.relation, str(one.position), "1" if one.has_key else "")
            yield Line(f"{key}{BETWEEN}{one.responder}", name, (person.area,), cells, f"{key} {one.responder}")


def _area(known: Directory, path: str) -> str:
    entry = known.areas.get(path)
    return entry.name if entry else path


_LINES: dict[str, Callable[[Directory], Iterable[Line]]] = {
    "people": _people,
    "responders": _responders,
    "devices": _devices,
    "contacts": _contacts,
}
