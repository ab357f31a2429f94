"""What stands around every page: where one can go, and how its reader likes to read. Pure.

A place appears in the navigation once its page exists and the reader may open it, so that no entry leads nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from console.texts import LANGUAGES


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation: its text is ``nav.<id>``; ``below`` are further addresses that belong to it."""

    id: str
    address: str
    icon: str
    below: tuple[str, ...] = ()


#: In the order of the navigation.
PLACES = (
    Place("board", "/", "siren", ("/incidents",)),
    Place("people", "/people", "users"),
    Place("coverage", "/coverage", "map"),
    Place("on_call", "/on-call", "calendar-days"),
    Place("devices", "/devices", "watch", ("/quarantine",)),
    Place("reports", "/reports", "chart-column"),
    Place("administration", "/administration", "settings"),
)
#: On a phone these stand in the bar at the bottom, everything else behind "more".
AT_HAND = ("board", "on_call", "people")

#: What a reader chooses: name in the address and of the cookie -> values, the default first.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "lang": LANGUAGES,
    "theme": ("system", "light", "dark"),
    "type": ("normal", "large"),
}
#: What an address says once: choices, and the answer to a form.
_PASSING = (*CHOICES, "said", "about")
#: An address with more parameters is none of ours, and its links lose them.
_MANY = 50


@dataclass(frozen=True, slots=True)
class Entry:
    """A place as one page shows it."""

    id: str
    address: str
    icon: str
    current: bool


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame of one page.

    Attributes:
        entries: the navigation, without what does not exist or may not be opened.
        name: of the account, "" while nobody is signed in.
        theme, type: what the reader chose, see ``CHOICES``.
        home: whether there is a board to go back to: not for who came by a link from a message.
        query: what the address of this page asks for, without what it says once.
    """

    entries: tuple[Entry, ...]
    name: str
    theme: str
    type: str
    home: bool
    query: tuple[tuple[str, str], ...]

    @property
    def at_hand(self) -> tuple[Entry, ...]:
        """What a phone shows in its bar."""
        return tuple(entry for name in AT_HAND for entry in self.entries if entry.id == name)

    @property
    def further(self) -> tuple[Entry, ...]:
        """What a phone shows behind "more"."""
        return tuple(entry for entry in self.entries if entry.id not in AT_HAND)

    def choose(self, name: str, value: str) -> str:
        """This page with another choice, as an address relative to it."""
        return "?" + urlencode([*self.query, (name, value)])


def navigation(path: str, may_open: Callable[[str], bool]) -> tuple[Entry, ...]:
    """The places that ``may_open`` lets through, by address; the one that ``path`` belongs to is marked."""
    return tuple(
        Entry(place.id, place.address, place.icon, _belongs(path, place)) for place in PLACES if may_open(place.address)
    )


def chosen(name: str, query: Mapping[str, str], cookies: Mapping[str, str]) -> str:
    """A choice other than the language: asked for in the address, else remembered, else the default."""
    values = CHOICES[name]
    return next((value for value in (query.get(name), cookies.get(name)) if value in values), values[0])


def lasting(query: str) -> tuple[tuple[str, str], ...]:
    """The parameters of an address without what it says once."""
    pairs = parse_qsl(query, keep_blank_values=True) if query.count("&") < _MANY else []
    return tuple((name, value) for name, value in pairs if name not in _PASSING)


def _belongs(path: str, place: Place) -> bool:
    if path == place.address:
        return True
    return any(path.startswith(f"{root}/") or path == root for root in (*place.below, place.address) if root != "/")
