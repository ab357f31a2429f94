"""What of the quarantine a reader may see, a page at a time, and what stands against putting it back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from journal.entry import Entry
from journal.errors import JournalError
from journal.explain import Explanation, explain
from journal.quarantine import Filter, get_entry, iter_entries, read_tally, stages

PAGE = 50
#: As many are put back at once.
MOST_REPLAYED = 200
#: Entries looked at for one page: a filter that nothing fits must not read a quarter of a gigabyte.
_MOST_READ = 20_000


class Browsed(NamedTuple):
    """One page, the newest first; ``more``: there are further ones. ``cut``: older ones were not looked at."""

    entries: list[Entry]
    page: int
    more: bool
    cut: bool


class Count(NamedTuple):
    """Messages of a stage for one reason, since the beginning: kept, and only counted."""

    stage: str
    reason: str
    kept: int
    counted: int


class Planned(NamedTuple):
    """What a replay would do with an entry: "" puts it back, else what stands against it (``cut``, ``points``,
    ``again``); and what is made of it now."""

    entry: Entry
    obstacle: str
    now: Explanation


def browse(folder: Path, wanted: Filter, may_see: Callable[[Entry], bool], page: int) -> Browsed:
    """The page asked for, of what fits; counts from 1."""
    read = 0

    def limited() -> Iterator[Entry]:
        nonlocal read
        for entry in iter_entries(folder, wanted, newest_first=True):
            read += 1
            if may_see(entry):
                yield entry
            if read >= _MOST_READ:
                return

    start = (max(1, page) - 1) * PAGE
    found = list(islice(limited(), start, start + PAGE + 1))
    return Browsed(found[:PAGE], max(1, page), len(found) > PAGE, read >= _MOST_READ)


def counts(folder: Path) -> list[Count]:
    """Messages by stage and reason, the most frequent first."""
    found = []
    for stage in stages(folder):
        tally = read_tally(folder, stage)
        found += [
            Count(stage, reason, tally.kept.get(reason, 0), tally.counted.get(reason, 0)) for reason in tally.total()
        ]
    return sorted(found, key=lambda one: (-one.kept - one.counted, one.stage, one.reason))


def find_entry(folder: Path | None, entry_id: str) -> Entry | None:
    """The entry; None where there is none (any more), or no quarantine."""
    if folder is None:
        return None
    try:
        return get_entry(folder, entry_id)
    except JournalError:
        return None


def plan(
    folder: Path, entry_ids: Iterable[str], may_see: Callable[[Entry], bool], *, again: bool = False
) -> list[Planned]:
    """What a replay of these would do, in the order of their coming; those that are not there are left out."""
    every = [find_entry(folder, entry_id) for entry_id in dict.fromkeys(entry_ids)]
    there = sorted((entry for entry in every if entry is not None and may_see(entry)), key=lambda one: one.recv_ms)
    return [Planned(entry, obstacle(entry, again=again), explain(entry)) for entry in there[:MOST_REPLAYED]]


def obstacle(entry: Entry, *, again: bool = False) -> str:
    """Why it is not put back, "" where it is."""
    if entry.obstacle is not None:
        return "cut" if entry.is_cut else "points"
    return "again" if entry.replayed_ms is not None and not again else ""


def as_text(payload: bytes, limit: int) -> str:
    """The beginning of a payload as text in which nothing moves a cursor or turns the direction of what follows."""
    text = payload[:limit].decode("utf-8", "backslashreplace")
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)
