"""Finding people: by words, area and risk, in an order, a page at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple
from unicodedata import normalize

PAGE = 50
#: A score says something of today for so long.
SCORE_STANDS_S = 12 * 3600
_LONGEST = 200


class Order(StrEnum):
    """How the list is sorted."""

    NEWS2 = "news2"
    NAME = "name"
    SEEN = "seen"


@dataclass(frozen=True, slots=True)
class Someone:
    """A person as the list has them. ``text`` is what words are looked for in."""

    key: str
    name: str
    area: str
    area_name: str
    address: str
    risks: tuple[str, ...]
    conditions: tuple[str, ...]
    text: str = field(init=False)

    def __post_init__(self) -> None:
        words = " ".join((self.name[:_LONGEST], self.key, self.address[:_LONGEST], self.area_name[:_LONGEST]))
        object.__setattr__(self, "text", folded(words))


class Known(NamedTuple):
    """What the store knows of somebody: when they were last heard of, and the newest score."""

    seen_ms: int | None = None
    score: int | None = None
    score_upper: int | None = None
    score_ms: int | None = None


NOTHING = Known()


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for. ``page`` counts from 1."""

    words: str = ""
    area: str = ""
    risk: str = ""
    order: Order = Order.NEWS2
    page: int = 1


class Found(NamedTuple):
    """One page: people with what is known of them, how many there are in all, and the page that it is."""

    rows: list[tuple[Someone, Known]]
    total: int
    page: int
    pages: int


def folded(text: str) -> str:
    """Text as it is compared: without case, and one form for what is written in several."""
    return normalize("NFKC", text).casefold()


def find(
    people: Iterable[Someone],
    known: Mapping[str, Known],
    asked: Question,
    sees: Callable[[str], bool],
    now_ms: int,
) -> Found:
    """The page asked for, of those whose area ``sees`` allows; the last page where there are fewer."""
    words = folded(asked.words[:_LONGEST]).split()
    below = f"{asked.area}."
    allowed: dict[str, bool] = {}
    rows: list[tuple[Someone, Known]] = []
    for one in people:
        may = allowed.get(one.area)
        if may is None:
            here = not asked.area or one.area == asked.area or one.area.startswith(below)
            may = allowed[one.area] = here and sees(one.area)
        if not may or not all(word in one.text for word in words):
            continue
        if asked.risk and asked.risk not in one.risks and asked.risk not in one.conditions:
            continue
        rows.append((one, known.get(one.key, NOTHING)))
    _sort(rows, asked.order, now_ms)
    pages = max(1, -(-len(rows) // PAGE))
    page = min(max(1, asked.page), pages)
    return Found(rows[(page - 1) * PAGE : page * PAGE], len(rows), page, pages)


def standing_score(known: Known, now_ms: int) -> int | None:
    """The score where it still says something; None otherwise."""
    if known.score is None or known.score_ms is None or now_ms - known.score_ms > SCORE_STANDS_S * 1000:
        return None
    return known.score


def _sort(rows: list[tuple[Someone, Known]], order: Order, now_ms: int) -> None:
    if order is Order.NAME:
        rows.sort(key=lambda row: (row[0].name, row[0].key))
    elif order is Order.SEEN:
        rows.sort(key=lambda row: (-(row[1].seen_ms or 0), row[0].key))
    else:
        rows.sort(
            key=lambda row: (-1 if (score := standing_score(row[1], now_ms)) is None else score, row[1].seen_ms or 0),
            reverse=True,
        )


def areas_to_choose(areas: Mapping[str, str], sees: Callable[[str], bool]) -> list[tuple[str, str]]:
    """(path, name with its depth) of the areas that may be seen, in the order of the tree."""
    seen = [path for path in sorted(areas) if sees(path)]
    top = min((path.count(".") for path in seen), default=0)
    return [(path, "\u2003" * (path.count(".") - top) + areas[path][:_LONGEST]) for path in seen]


def shown_areas(path: str, areas: Mapping[str, str]) -> Sequence[str]:
    """The names of an area and those above it, nearest first."""
    parts = path.split(".")
    tiers = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return [areas.get(tier, tier) for tier in tiers]
