"""What the pages show beyond alerts' own queries, and how it is put together for them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, func, select

from alerts import models
from alerts.database import unpack_window
from alerts.lifecycle import TAKEN, State
from alerts.queries import (
    EvidenceView,
    IncidentDetail,
    IncidentView,
    Stage,
    Window,
    calls_sent,
    current_change,
    incident_detail,
    open_incidents,
)
from console.settings import ConsoleSettings
from registry import current_revision
from registry import models as people

#: Who acts when nobody on call is named.
CONSOLE = "console"
_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
#: As many resolved incidents stay on the board at most.
RECENT_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Responder:
    """Somebody who can act: an id, and the name to show for it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Clock:
    """A running or stopped clock from ``start_ms``; stopped when ``end_ms`` is given."""

    kind: str  # acknowledge, arrive, done
    start_ms: int
    target_s: int
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One incident, ready to be shown.

    Attributes:
        view: what alerts says of it.
        clock: what it is measured against at present.
        areas: the names of its area and the areas above, nearest first.
        placement: where the device is worn, "" when unknown.
        caller: who acts with the button: the responder called last, else the console.
        closed_by: the name of whoever resolved it.
        motion: changes with the samples of its plot; None without a plot.
    """

    view: IncidentView
    clock: Clock
    areas: tuple[str, ...]
    placement: str
    caller: Responder
    closed_by: str
    motion: str | None

    @property
    def evidence(self) -> tuple[EvidenceView, ...]:
        """What speaks for it: the newest stage of each finding that was not withdrawn."""
        newest = {evidence.detection: evidence for evidence in self.view.evidence}
        return tuple(evidence for evidence in newest.values() if evidence.stage != Stage.WITHDRAWN.value)

    @property
    def taken(self) -> bool:
        """Whether somebody has it and it is not over."""
        return self.view.state in TAKEN

    @property
    def resolved(self) -> bool:
        """Whether it is over."""
        return self.view.state is State.RESOLVED


@dataclass(frozen=True, slots=True)
class Board:
    """The incidents, most urgent first in each group, as of ``revision``."""

    revision: str
    waiting: list[Card] = field(default_factory=list)
    taken: list[Card] = field(default_factory=list)
    recent: list[Card] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """One incident with everything about it. ``actors``: who may be acting, the most likely first."""

    revision: str
    card: Card
    detail: IncidentDetail
    actors: tuple[Responder, ...]
    names: dict[str, str]


def is_key(text: str) -> bool:
    """Whether a text from an address or a form can be an id at all: databases differ in what else they bear."""
    return _KEY.fullmatch(text) is not None


def read_revision(engine: Engine) -> str:
    """What differs whenever anything differs that a page shows: two small reads."""
    return f"{current_change(engine)}.{current_revision(engine)}"


def read_board(engine: Engine, settings: ConsoleSettings, now_ms: int) -> Board:
    """Everything on the board. The revision is read first: a page is never older than it says."""
    revision = read_revision(engine)
    since_ms = now_ms - round(settings.recent_h * 3_600_000)
    with engine.connect() as connection:
        since_ms = max(since_ms, _oldest_shown(connection))
    views = open_incidents(engine, resolved_since_ms=since_ms)
    with engine.connect() as connection:
        cards = _cards(connection, views, settings)
    board = Board(revision)
    for card in cards:
        group = board.recent if card.resolved else board.taken if card.taken else board.waiting
        group.append(card)
    board.recent.sort(key=lambda card: -(card.view.resolved_ms or 0))
    del board.recent[RECENT_SHOWN:]
    return board


def read_page(engine: Engine, settings: ConsoleSettings, incident_id: str) -> Page | None:
    """One incident; None when there is none of this id."""
    if not is_key(incident_id):
        return None
    revision = read_revision(engine)
    detail = incident_detail(engine, incident_id)
    if detail is None:
        return None
    with engine.connect() as connection:
        (card,) = _cards(connection, [detail.incident], settings)
        mentioned = {str(entry.data["responder"]) for entry in detail.timeline if "responder" in entry.data}
        mentioned |= {card.view.acknowledged_by or CONSOLE}
        names = _names(connection, mentioned)
    once = {card.caller.id: card.caller}
    if card.view.acknowledged_by:
        holder = Responder(card.view.acknowledged_by, card.view.acknowledged_by_name)
        once = {holder.id: holder} | once
    for notification in detail.notifications:
        once.setdefault(notification.responder, Responder(notification.responder, notification.responder_name))
    actors = [actor for actor in once.values() if actor.id != CONSOLE]
    return Page(revision, card, detail, (*actors, Responder(CONSOLE, "")), names)


def read_motion(engine: Engine, incident_id: str) -> tuple[Window, int] | None:
    """The motion around the first finding that has any, and that finding's onset; None without."""
    if not is_key(incident_id):
        return None
    table = models.evidence
    query = (
        select(table.c.window, table.c.onset_ms)
        .where(table.c.incident == incident_id, table.c.window.is_not(None))
        .order_by(table.c.taken_ms, table.c.onset_ms)
        .limit(1)
    )
    with engine.connect() as connection:
        row = connection.execute(query).first()
    return None if row is None else (unpack_window(row.window), row.onset_ms)


def responder_name(engine: Engine, responder_id: str) -> str | None:
    """The name of a responder of the registry; None when there is none of this id."""
    if not is_key(responder_id):
        return None
    with engine.connect() as connection:
        return _names(connection, [responder_id]).get(responder_id)


def area_names(engine: Engine) -> dict[str, str]:
    """The name of every area by its path."""
    with engine.connect() as connection:
        return {row.path: row.name for row in connection.execute(select(people.area.c.path, people.area.c.name))}


def clock_of(view: IncidentView, settings: ConsoleSettings) -> Clock:
    """What an incident is measured against: an answer within a minute, then somebody at the door. Both run from the
    moment it was opened, since that is how long a person lies there."""
    if view.state is State.RESOLVED:
        return Clock("done", view.opened_ms, settings.arrival_target_s, view.resolved_ms)
    if view.state is State.ON_SCENE:
        return Clock("done", view.opened_ms, settings.arrival_target_s, view.on_scene_ms)
    if view.state in TAKEN:
        return Clock("arrive", view.opened_ms, settings.arrival_target_s)
    return Clock("acknowledge", view.opened_ms, settings.acknowledge_target_s)


def _oldest_shown(connection: Connection) -> int:
    resolved_ms = models.incident.c.resolved_ms
    query = select(resolved_ms).where(resolved_ms.is_not(None)).order_by(resolved_ms.desc())
    return connection.execute(query.offset(RECENT_SHOWN - 1).limit(1)).scalar() or 0


def _cards(connection: Connection, views: Sequence[IncidentView], settings: ConsoleSettings) -> list[Card]:
    ids = [view.id for view in views]
    callers = _called_last(connection, ids)
    motion = _motion_versions(connection, ids)
    areas = _area_names(connection, {view.area for view in views})
    placements = _placements(connection, {view.device for view in views})
    closers = _names(connection, {view.resolved_by for view in views if view.resolved_by})
    return [
        Card(
            view=view,
            clock=clock_of(view, settings),
            areas=tuple(areas.get(path, path) for path in _upwards(view.area)),
            placement=placements.get(view.device, ""),
            caller=callers.get((view.id, view.round), Responder(CONSOLE, "")),
            closed_by=closers.get(view.resolved_by or "", view.resolved_by or ""),
            motion=motion.get(view.id),
        )
        for view in views
    ]


def _called_last(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, int], Responder]:
    return {
        (call.incident, call.round): Responder(call.responder, call.name)
        for call in calls_sent(connection, ids)
        if call.name is not None
    }


def _motion_versions(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    table = models.evidence
    columns = (table.c.incident, table.c.detection, table.c.stage, func.length(table.c.window))
    found: dict[str, str] = {}
    for some in _chunks(ids):
        query = select(*columns).where(table.c.incident.in_(some), table.c.window.is_not(None))
        for incident, *key in connection.execute(query.order_by(table.c.taken_ms, table.c.onset_ms)):
            if incident not in found:
                found[incident] = hashlib.blake2b(repr(key).encode(), digest_size=6).hexdigest()
    return found


def _area_names(connection: Connection, paths: Iterable[str]) -> dict[str, str]:
    wanted = sorted({tier for path in paths for tier in _upwards(path)})
    area = people.area
    found: dict[str, str] = {}
    for some in _chunks(wanted):
        found.update((path, name) for path, name in connection.execute(select(area).where(area.c.path.in_(some))))
    return found


def _upwards(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]


def _placements(connection: Connection, devices: Iterable[str]) -> dict[str, str]:
    device = people.device
    found: dict[str, str] = {}
    for some in _chunks(sorted(devices)):
        query = select(device.c.id, device.c.placement).where(device.c.id.in_(some))
        found.update((key, placement) for key, placement in connection.execute(query))
    return found


def _names(connection: Connection, ids: Iterable[str]) -> dict[str, str]:
    responder = people.responder
    found: dict[str, str] = {}
    for some in _chunks(sorted(ids)):
        query = select(responder.c.id, responder.c.name).where(responder.c.id.in_(some))
        found.update((key, name) for key, name in connection.execute(query))
    return found


def _chunks(ids: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
