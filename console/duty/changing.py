"""A change of a roster before it is made: what it would do, and what speaks against it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from console.access.rules import Permission
from console.access.viewer import Viewer
from console.duty.knowing import Book
from registry.entries import OverrideEntry
from registry.rosters import Idle, Roster, Shift, shifts
from registry.rosters.duty import duty_of
from registry.rosters.hours import instant_ms
from registry.rosters.values import DAY_MS

#: A change of more days is a new plan, and belongs into the files.
MAX_DAYS = 62
#: It may begin so long ago: somebody fell ill this morning.
BACK_MS = 12 * 3_600_000


class Kind(StrEnum):
    """What a change does."""

    COVER = "cover"  # somebody stands in for somebody
    SWAP = "swap"  # two exchange what they have
    REPLACE = "replace"  # others in the place of the whole shift
    CLOSE = "close"  # nobody


class Fault(StrEnum):
    """Why a change cannot be made."""

    NO_ROSTER = "no_roster"
    NOT_YOURS = "not_yours"
    BAD_TIME = "bad_time"
    ENDS_FIRST = "ends_first"
    TOO_LONG = "too_long"
    TOO_LATE = "too_late"
    NOBODY_CHOSEN = "nobody_chosen"
    SAME_PERSON = "same_person"
    UNKNOWN = "unknown"
    NOT_ON = "not_on"
    NO_EFFECT = "no_effect"


class Doubt(StrEnum):
    """What speaks against a change that can be made."""

    GAP = "gap"  # nobody is on call in the roster
    NO_CHANNEL = "no_channel"  # who comes on cannot be told
    ELSEWHERE = "elsewhere"  # who comes on has another roster then
    TWICE = "twice"  # who comes on is on in this roster already
    OVERRIDDEN = "overridden"  # another change holds in the same time


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody filled in. ``one`` is who gives away (cover, swap), ``other`` who comes."""

    kind: Kind
    roster: str
    begin_ms: int
    end_ms: int
    one: str = ""
    other: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """From ``begin_ms`` to ``end_ms`` these are on in the place of those."""

    begin_ms: int
    end_ms: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    idle: Idle | None


@dataclass(frozen=True, slots=True)
class Worry:
    """A doubt, about whom (an id) and when."""

    doubt: Doubt
    who: str
    begin_ms: int
    end_ms: int
    area: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do. ``seen`` changes whenever the plan that it was made of does."""

    differences: tuple[Difference, ...]
    worries: tuple[Worry, ...]
    seen: str


def may_change(viewer: Viewer, book: Book, roster_id: str) -> bool:
    """Whether somebody may change anything of a roster: in their areas, and as a responder only of their own turns."""
    entry = book.entries.get(roster_id)
    if entry is None or not viewer.may(Permission.ROSTERS_SWAP, entry.area):
        return False
    return viewer.may(Permission.ROSTERS_WRITE, entry.area) or bool(viewer.responder)


def may_write(viewer: Viewer, book: Book, entry: OverrideEntry) -> bool:
    """Whether somebody may make, or take back, this change."""
    roster = book.entries.get(entry.roster)
    if roster is None:
        return False
    if viewer.may(Permission.ROSTERS_WRITE, roster.area):
        return True
    own = viewer.responder in entry.swap or viewer.responder == entry.instead_of
    return bool(viewer.responder) and own and viewer.may(Permission.ROSTERS_SWAP, roster.area)


def people_for(viewer: Viewer, book: Book, roster_id: str) -> list[tuple[str, str]]:
    """(id, name) of who may be put on: who is in the roster, and the responders of areas that the viewer sees.

    Contacts of single people are no staff.
    """
    entry = book.entries.get(roster_id)
    roster = book.roster(roster_id)
    if entry is None or roster is None:
        return []
    named = {name for turn in roster.turns for name in turn} | set(roster.names.values())
    named |= {name for one in roster.overrides for name in (*one.responders, *(one.swap or ()))}
    found = [
        (key, one.name)
        for key, one in book.responders.items()
        if key in named or (not one.contact_of and viewer.sees(one.area))
    ]
    return sorted(found, key=lambda pair: (pair[0] not in named, pair[1], pair[0]))


def entry_of(wanted: Wanted, override: str, zone: ZoneInfo) -> OverrideEntry:
    """The row of the registry; its times with their offset, so that nobody can misread them."""
    swap = (wanted.one, wanted.other) if wanted.kind is Kind.SWAP else ()
    comes = (wanted.other,) if wanted.kind in (Kind.COVER, Kind.REPLACE) else ()
    return OverrideEntry(
        id=override, roster=wanted.roster, begin=_written(wanted.begin_ms, zone), end=_written(wanted.end_ms, zone),
        responders=comes, instead_of=wanted.one if wanted.kind is Kind.COVER else "", swap=swap, note=wanted.note,
    )  # fmt: skip


def faults(book: Book, viewer: Viewer, wanted: Wanted, now_ms: int) -> dict[str, Fault]:
    """What is wrong with a form, by its field; {} when it can be previewed."""
    entry = book.entries.get(wanted.roster)
    if entry is None or not viewer.sees(entry.area):
        return {"roster": Fault.NO_ROSTER}
    found: dict[str, Fault] = {}
    if wanted.begin_ms >= wanted.end_ms:
        found["end"] = Fault.ENDS_FIRST
    elif wanted.end_ms - wanted.begin_ms > MAX_DAYS * DAY_MS:
        found["end"] = Fault.TOO_LONG
    elif wanted.end_ms <= now_ms:
        found["end"] = Fault.TOO_LATE
    elif wanted.begin_ms < now_ms - BACK_MS:
        found["begin"] = Fault.TOO_LATE
    known = {key for key, _ in people_for(viewer, book, wanted.roster)}
    if wanted.kind in (Kind.COVER, Kind.SWAP) and wanted.one not in known:
        found["one"] = Fault.UNKNOWN if wanted.one else Fault.NOBODY_CHOSEN
    if wanted.kind is not Kind.CLOSE and wanted.other not in known:
        found["other"] = Fault.UNKNOWN if wanted.other else Fault.NOBODY_CHOSEN
    if wanted.one and wanted.one == wanted.other and wanted.kind in (Kind.COVER, Kind.SWAP):
        found["other"] = Fault.SAME_PERSON
    if not found and not may_write(viewer, book, entry_of(wanted, "new", ZoneInfo("UTC"))):
        found["kind"] = Fault.NOT_YOURS
    if not found and wanted.kind in (Kind.COVER, Kind.SWAP) and not _is_on(book, wanted):
        found["one"] = Fault.NOT_ON
    return found


def _is_on(book: Book, wanted: Wanted) -> bool:
    roster = book.roster(wanted.roster)
    plan = shifts(roster, wanted.begin_ms, wanted.end_ms) if roster is not None else []
    return any(wanted.one in shift.responders for shift in plan)


def preview(book: Book, wanted: Wanted, zone: ZoneInfo) -> Preview:
    """What the change would do to the plan. The form must have no faults."""
    before = book.roster(wanted.roster)
    new = entry_of(wanted, "new", zone)
    after = book.with_overrides({**book.overrides, "new": new}, wanted.roster)
    if before is None or after is None:
        return Preview((), (), "")
    span = wanted.begin_ms, wanted.end_ms
    differences = tuple(_differences(shifts(before, *span), shifts(after, *span)))
    worries = tuple(_worries(book, before, wanted, differences))
    return Preview(differences, worries, _digest(book, wanted, differences))


def _differences(before: list[Shift], after: list[Shift]) -> Iterable[Difference]:
    cuts = sorted({ms for shift in (*before, *after) for ms in (shift.begin_ms, shift.end_ms)})
    found: list[Difference] = []
    for begin_ms, end_ms in pairwise(cuts):
        was = next(shift for shift in before if shift.begin_ms <= begin_ms < shift.end_ms)
        now = next(shift for shift in after if shift.begin_ms <= begin_ms < shift.end_ms)
        if was.responders == now.responders:
            continue
        last = found[-1] if found else None
        if last and last.end_ms == begin_ms and (last.before, last.after) == (was.responders, now.responders):
            found[-1] = Difference(last.begin_ms, end_ms, last.before, last.after, last.idle)
        else:
            found.append(Difference(begin_ms, end_ms, was.responders, now.responders, now.idle))
    return found


def _worries(book: Book, roster: Roster, wanted: Wanted, differences: Iterable[Difference]) -> Iterable[Worry]:
    able = book.able()
    seen: set[tuple[Doubt, str]] = set()

    def new(doubt: Doubt, who: str) -> bool:
        first = (doubt, who) not in seen
        seen.add((doubt, who))
        return first

    for one in differences:
        if not one.after:
            yield Worry(Doubt.GAP, "", one.begin_ms, one.end_ms)
        for who in set(one.after) - set(one.before):
            if who not in able and new(Doubt.NO_CHANNEL, who):
                yield Worry(Doubt.NO_CHANNEL, who, one.begin_ms, one.end_ms)
            for other, shift in duty_of(book.rosters, who, one.begin_ms, one.end_ms):
                begin_ms, end_ms = max(shift.begin_ms, one.begin_ms), min(shift.end_ms, one.end_ms)
                if other.id != roster.id and new(Doubt.ELSEWHERE, f"{who} {other.id} {begin_ms}"):
                    yield Worry(Doubt.ELSEWHERE, who, begin_ms, end_ms, other.area)
        if len(set(one.after)) < len(one.after) and new(Doubt.TWICE, wanted.other):
            yield Worry(Doubt.TWICE, wanted.other, one.begin_ms, one.end_ms)
    for override in roster.overrides:
        begin_ms, end_ms = max(override.begin_ms, wanted.begin_ms), min(override.end_ms, wanted.end_ms)
        if begin_ms < end_ms:
            yield Worry(Doubt.OVERRIDDEN, override.id, begin_ms, end_ms)


def _digest(book: Book, wanted: Wanted, differences: tuple[Difference, ...]) -> str:
    overrides = sorted((one.id, one.begin, one.end) for one in book.overrides.values() if one.roster == wanted.roster)
    return hashlib.sha256(repr((wanted, differences, overrides)).encode()).hexdigest()[:32]


def _written(at_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec="seconds")


def typed_ms(text: str, zone: ZoneInfo) -> int | None:
    """The instant of what a field of date and time has (``2026-03-02T08:00``), local; None for what is none."""
    try:
        local = datetime.fromisoformat(text)
        return instant_ms(local, zone) if local.tzinfo is None and 1970 < local.year < 9000 else None
    except (ValueError, OverflowError):
        return None
