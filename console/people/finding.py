"""Finding people: by words, area and risk, in an order, a page at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple
from unicodedata import normalize

PAGE = 50
#: A score says something of today for so long.
SCORE_STANDS_S = 12 * 3600
_LONGEST = 200
#: Instants of the next thousands of years fit.
_SEEN_BITS = 48


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
    matching: list[Someone] = []  # no pairs yet: thousands of new tuples now and then cost a tenth of a second (gc)
    for one in people:
        may = allowed.get(one.area)
        if may is None:
            here = not asked.area or one.area == asked.area or one.area.startswith(below)
            may = allowed[one.area] = here and sees(one.area)
        if not may or not all(word in one.text for word in words):
            continue
        if asked.risk and asked.risk not in one.risks and asked.risk not in one.conditions:
            continue
        matching.append(one)
    _sort(matching, known, asked.order, now_ms)
    pages = max(1, -(-len(matching) // PAGE))
    page = min(max(1, asked.page), pages)
    rows = [(one, known.get(one.key, NOTHING)) for one in matching[(page - 1) * PAGE : page * PAGE]]
    return Found(rows, len(matching), page, pages)


def standing_score(known: Known, now_ms: int) -> int | None:
    """The score where it still says something; None otherwise."""
    if known.score is None or known.score_ms is None or now_ms - known.score_ms > SCORE_STANDS_S * 1000:
        return None
    return known.score


def _sort(people: list[Someone], known: Mapping[str, Known], order: Order, now_ms: int) -> None:
    """In place; those of the same rank stay in the order of their keys, or are sorted by who was heard of last."""

    def worst(one: Someone) -> int:
        of = known.get(one.key, NOTHING)
        score = standing_score(of, now_ms)
        return (0 if score is None else score + 1) << _SEEN_BITS | max(0, of.seen_ms or 0)

    if order is Order.NAME:
        people.sort(key=lambda one: one.name)
    elif order is Order.SEEN:
        people.sort(key=lambda one: -(known.get(one.key, NOTHING).seen_ms or 0))
    else:
        people.sort(key=worst, reverse=True)
