"""All on-call orders in memory, read again when the registry changes: what both pages, on-call and coverage, ask."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import cast

from sqlalchemy import Connection, Engine

from registry import current_revision
from registry.entries import (
    AreaEntry,
    HolidayEntry,
    OnCallEntry,
    OverrideEntry,
    ResponderEntry,
    RosterEntry,
    parent_of,
)
from registry.errors import RosterError
from registry.rosters.compiling import compile_rosters, days_by_area, days_of, zone_of
from registry.rosters.duty import Rosters
from registry.rosters.hours import parse_local
from registry.rosters.values import Roster
from registry.rows import load_table


@dataclass(frozen=True, slots=True)
class Book:
    """Everything about on-call orders at one revision of the registry; responders without phones and addresses.

    ``entries`` are the rosters as they were written, ``overrides`` what differs from them, by id.
    """

    revision: int = -1
    areas: Mapping[str, AreaEntry] = field(default_factory=dict)
    responders: Mapping[str, ResponderEntry] = field(default_factory=dict)
    on_call: tuple[OnCallEntry, ...] = ()
    entries: Mapping[str, RosterEntry] = field(default_factory=dict)
    overrides: Mapping[str, OverrideEntry] = field(default_factory=dict)
    holidays: tuple[HolidayEntry, ...] = ()
    rosters: Rosters = field(default_factory=Rosters)

    def name(self, responder: str) -> str:
        """What somebody is called; their id where the registry does not know them."""
        entry = self.responders.get(responder)
        return entry.name if entry is not None else responder

    def names(self, responders: Iterable[str]) -> list[str]:
        """What several are called."""
        return [self.name(one) for one in responders]

    def area_name(self, path: str) -> str:
        """What an area is called."""
        entry = self.areas.get(path)
        return entry.name if entry is not None else path

    def roster(self, roster_id: str) -> Roster | None:
        """The roster as it is asked; None for an id that there is none of."""
        entry = self.entries.get(roster_id)
        if entry is None:
            return None
        return next((one for one in self.rosters.by_area.get(entry.area, ()) if one.id == roster_id), None)

    def able(self) -> set[str]:
        """Who has a channel: the others are on call in name only."""
        return {key for key, one in self.responders.items() if one.channels}

    def with_overrides(self, overrides: Mapping[str, OverrideEntry], roster_id: str) -> Roster | None:
        """A roster as it would be with other overrides."""
        entry = self.entries.get(roster_id)
        if entry is None:
            return None
        compiled = compile_rosters(
            responders=self.responders, on_call=(), rosters=[entry],
            overrides=[one for one in overrides.values() if one.roster == roster_id], holidays=self.holidays,
        )  # fmt: skip
        return compiled.by_area[entry.area][0]

    def days(self, area: str) -> dict[date, bool]:
        """The days of an area that are not as their weekday says: whether they are working days."""
        return days_of(days_by_area(self.holidays), area)

    def span_ms(self, override: OverrideEntry) -> tuple[int, int]:
        """From when to when a change holds; (0, 0) for one whose times mean nothing."""
        roster = self.entries.get(override.roster)
        try:
            zone = zone_of(roster.zone if roster is not None else "UTC")
            return parse_local(override.begin, zone), parse_local(override.end, zone)
        except RosterError:
            return 0, 0

    def parent(self, area: str) -> str | None:
        """The nearest area above; None at the top."""
        above = parent_of(area)
        while above is not None and above not in self.areas:
            above = parent_of(above)
        return above


def read_book(connection: Connection) -> Book:
    """The book as the database has it."""
    areas = cast("dict[str, AreaEntry]", load_table(connection, "areas"))
    responders = cast("dict[str, ResponderEntry]", load_table(connection, "responders", secrets=False))
    order = tuple(cast("dict[str, OnCallEntry]", load_table(connection, "on_call")).values())
    rosters = cast("dict[str, RosterEntry]", load_table(connection, "rosters"))
    overrides = cast("dict[str, OverrideEntry]", load_table(connection, "roster_overrides"))
    holidays = tuple(cast("dict[str, HolidayEntry]", load_table(connection, "holidays")).values())
    return Book(
        revision=current_revision(connection), areas=areas, responders=responders, on_call=order, entries=rosters,
        overrides=overrides, holidays=holidays,
        rosters=compile_rosters(
            responders=responders, on_call=order, rosters=rosters.values(), overrides=overrides.values(),
            holidays=holidays,
        ),
    )  # fmt: skip


class BookKeeper:
    """Has the book at hand. Safe to be asked from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._book = Book()

    def book(self) -> Book:
        """The book as the registry has it now."""
        if current_revision(self._engine) == self._book.revision:
            return self._book
        with self._lock, self._engine.connect() as connection:
            if current_revision(connection) != self._book.revision:
                self._book = read_book(connection)
            return self._book
