"""Who was told of an incident and has to learn that they need not go, on which channel. Pure but for one query."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from alerts import models
from alerts.channels import type_of
from alerts.delivery import Purpose, Status

#: How long a siren sounds, unless its alarm is ended before.
SIREN_MS = 60_000
#: The command that ends an alarm is good for so long; a siren that has it later has ended by itself, or soon will.
END_MS = 5_000
_SIREN = "siren"
_CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of an incident: a call that arrived, or a stand-down in whatever state."""

    purpose: Purpose
    step: int
    round: int
    responder: str
    channel: str
    done_ms: int


def to_stand_down(sent: Iterable[Sent], spare: Container[str], now_ms: int, *, over: bool = False) -> list[Sent]:
    """The calls that a stand-down is to follow, each once: of everybody not in ``spare`` the newest that arrived, on
    the channel that it arrived on first; and every siren that may still sound, whosever it is. When it is ``over``,
    also of those who were told beside the calls."""
    messages = list(sent)
    done = {(one.round, one.step, one.responder, one.channel) for one in messages if one.purpose is Purpose.STAND_DOWN}
    chosen: list[Sent] = []
    newest: dict[str, Sent] = {}
    for one in messages:
        kind = type_of(one.channel)
        wanted = one.purpose is Purpose.CALL or (over and one.purpose is Purpose.BESIDE)
        if not wanted or kind == _CONSOLE:
            continue
        if kind == _SIREN:
            chosen += [one] if now_ms < one.done_ms + SIREN_MS else []
        elif one.responder not in spare:
            before = newest.get(one.responder)
            if before is None or _order(one) > _order(before):
                newest[one.responder] = one
    chosen += newest.values()
    return [one for one in chosen if (one.round, one.step, one.responder, one.channel) not in done]


def _order(one: Sent) -> tuple[int, int, int]:
    return one.round, one.step, -one.done_ms


def sent_of(connection: Connection, incident: str) -> list[Sent]:
    """The calls of an incident that arrived, and its stand-downs."""
    rows = models.notification
    query = select(
        rows.c.purpose, rows.c.step, rows.c.round, rows.c.responder, rows.c.channel, rows.c.done_ms, rows.c.created_ms
    ).where(
        rows.c.incident == incident,
        (rows.c.status == Status.SENT.value) | (rows.c.purpose == Purpose.STAND_DOWN.value),
    )
    found: list[Sent] = []
    for row in connection.execute(query.order_by(rows.c.created_ms, rows.c.id)):
        done_ms: Any = row.done_ms if row.done_ms is not None else row.created_ms
        found.append(Sent(Purpose(row.purpose), row.step, row.round, row.responder, row.channel, int(done_ms)))
    return found
