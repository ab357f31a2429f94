"""Choosing an area by going down its tree: what the component ``area_filter`` shows. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Step:
    """An area to choose: its name ("" for all that the reader may see) and the address that chooses it."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class AreaChoice:
    """``trail``: from everything down to the chosen area; ``within``: those right below, by name."""

    path: str
    trail: tuple[Step, ...]
    within: tuple[Step, ...]


def area_choice(
    names: Mapping[str, str], chosen: str, query: Iterable[tuple[str, str]] = (), *, name: str = "area"
) -> AreaChoice:
    """How to go on from ``chosen`` in the tree of the areas that the reader may see.

    ``names``: name by dotted path, of every such area. An unknown ``chosen`` is as good as none (""). ``query``: what
    else the address asks for and shall go on asking for; what it says of ``name`` and of ``page`` is left out.
    """
    kept = [(key, value) for key, value in query if key not in (name, "page")]

    def step(path: str) -> Step:
        return Step(names.get(path, ""), "?" + urlencode([*kept, (name, path)] if path else kept))

    chosen = chosen if chosen in names else ""
    above = sorted((path for path in names if f"{chosen}.".startswith(f"{path}.")), key=len)
    below = [path for path in names if _nearest(path, names) == chosen]
    below.sort(key=lambda path: (_natural(names[path]), path))
    return AreaChoice(chosen, (step(""), *map(step, above)), tuple(map(step, below)))


def _natural(name: str) -> str:
    """For sorting: Street 2 before Street 10."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(12), name.casefold())


def _nearest(path: str, names: Mapping[str, str]) -> str:
    """The area right above among those in ``names``, "" for none."""
    while "." in path:
        path = path.rpartition(".")[0]
        if path in names:
            return path
    return ""
