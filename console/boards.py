"""The board for many readers: read once at each revision, and each card put into words once.

After a change every open board asks for its cards at the same moment. What two readers may see and do alike is the same
text, so it is made for the first of them and handed to all others, packed.
"""

from __future__ import annotations

import gzip
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlalchemy import Engine

from console.access.rules import Permission
from console.access.viewer import Viewer
from console.reading import Board, Card, read_board, read_revision
from console.settings import ConsoleSettings

#: From the least on.
_SEVERITIES = ("info", "warning", "urgent", "critical")
#: Stands where each reader's own token goes.
TOKEN = "\x00csrf\x00"
#: What is closed leaves the board without a change: it is read again after so long.
_READ_AGAIN_MS = 60_000
#: A card says how long ago, which a script keeps right; without one a page comes anew every 5 s.
_CARD_MS = 5_000
_PAGES_KEPT = 64


@dataclass(frozen=True, slots=True)
class Sight:
    """What of the board somebody looks at, and what they may do: readers with the same one read the same.

    ``areas`` as a viewer has them; ``area`` and ``severity`` are chosen, "" for all; ``wall``: for a screen on the
    wall, which nobody presses.
    """

    language: str
    areas: tuple[str, ...]
    act: bool
    act_for: bool
    area: str = ""
    severity: str = ""
    wall: bool = False


def sight_of(viewer: Viewer, language: str, area: str, severity: str, *, wall: bool) -> Sight:
    """How a viewer looks at the board. An unknown severity is as good as none."""
    act = viewer.may(Permission.INCIDENTS_ACT) and not wall
    act_for = act and viewer.may(Permission.INCIDENTS_ACT_FOR)
    chosen = severity if severity in _SEVERITIES else ""
    return Sight(language, viewer.areas, act, act_for, area, chosen, wall)


def seen_in(board: Board, sight: Sight, sees: Callable[[str], bool]) -> Board:
    """What of a board a sight shows: in its areas, and at least as severe as chosen. Pure."""
    least = _SEVERITIES.index(sight.severity) if sight.severity else 0

    def shown(card: Card) -> bool:
        area = card.view.area
        chosen = not sight.area or area == sight.area or area.startswith(f"{sight.area}.")
        return chosen and _SEVERITIES.index(card.view.severity.value) >= least and sees(area)

    def of(cards: list[Card]) -> list[Card]:
        return [card for card in cards if shown(card)]

    return replace(board, waiting=of(board.waiting), taken=of(board.taken), recent=of(board.recent))


@dataclass(slots=True)
class _Made:
    card: Card
    at_ms: int
    over: bool
    text: str


@dataclass(slots=True)
class Kept:
    """A page that was made for one reader and is good for all who see the same."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    text: str = ""
    packed: bytes = b""


class Boards:
    """Safe to be asked from several threads."""

    def __init__(self, engine: Engine, settings: ConsoleSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._reading = threading.Lock()
        self._board: tuple[int, Board] | None = None
        self._made: dict[tuple[str, str, bool, bool, bool], _Made] = {}
        self._pages: OrderedDict[tuple[str, int, Sight, str], Kept] = OrderedDict()
        self._keeping = threading.Lock()

    def read(self, now_ms: int) -> Board:
        """Everything on the board, as of the newest revision. Who asks while it is being read waits for that."""
        revision = read_revision(self._engine)
        kept = self._board
        if kept is not None and kept[1].revision == revision and 0 <= now_ms - kept[0] < _READ_AGAIN_MS:
            return kept[1]
        with self._reading:
            kept = self._board
            if kept is not None and kept[1].revision == revision and 0 <= now_ms - kept[0] < _READ_AGAIN_MS:
                return kept[1]
            board = read_board(self._engine, self._settings, now_ms)
            self._board = now_ms, board
            ids = {card.view.id for card in (*board.waiting, *board.taken, *board.recent)}
            for key in [key for key in list(self._made) if key[0] not in ids]:
                self._made.pop(key, None)
            return board

    def ready(self, revision: str, now_ms: int, sight: Sight) -> bytes | None:
        """The packed part of this sight where it has been made already; without a look at the database."""
        page = self._pages.get((revision, now_ms // 1000, sight, "part"))
        return page.packed or None if page is not None else None

    def card(self, card: Card, sight: Sight, now_ms: int, *, over: bool, make: Callable[[], str]) -> str:
        """The text of a card: the one that was made a moment ago where nothing of it has changed."""
        key = card.view.id, sight.language, sight.act, sight.act_for, sight.wall
        made = self._made.get(key)
        if made is not None and made.over == over and 0 <= now_ms - made.at_ms < _CARD_MS and made.card == card:
            return made.text
        text = make()
        self._made[key] = _Made(card, now_ms, over, text)
        return text

    def page(self, revision: str, now_ms: int, sight: Sight, make: Callable[[], str], *, kind: str) -> Kept:
        """What ``make`` gives for this sight, made once in a second; its token is not in it yet."""
        key = revision, now_ms // 1000, sight, kind
        with self._keeping:
            page = self._pages.setdefault(key, Kept())
            self._pages.move_to_end(key)
            while len(self._pages) > _PAGES_KEPT:
                self._pages.popitem(last=False)
        with page.lock:
            if not page.text:
                page.text = make()
        return page

    def packed(self, page: Kept) -> bytes:
        """The same for a browser, with no token: its script puts that in."""
        with page.lock:
            if not page.packed:
                page.packed = gzip.compress(page.text.replace(TOKEN, "").encode(), 5)
            return page.packed
