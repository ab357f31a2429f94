"""Where a responder stands on an incident, and what they can say of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from alerts.lifecycle import Incident, State


class Meaning(StrEnum):
    """What a responder says, by a button or a reply."""

    ACKNOWLEDGE = "acknowledge"
    CANNOT_COME = "cannot_come"
    NEED_HELP = "need_help"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"


@dataclass(frozen=True, slots=True)
class Stand:
    """A responder and an incident.

    Attributes:
        state: where the incident stands.
        mine: they have it, or come too.
        wanted: nobody has it, more people are needed, or they are asked to take it over; and they have not taken it.
        declined: they said that they cannot come.
        help_called: more people are being called, as somebody has asked for them.
        beside: they were told beside the calls only: what they say is written, and nothing else.
    """

    state: State
    mine: bool
    wanted: bool
    declined: bool
    help_called: bool
    beside: bool = False

    @property
    def over(self) -> bool:
        """Whether it is closed."""
        return self.state is State.RESOLVED


def stand_of(incident: Incident, responder: str, *, beside: bool = False) -> Stand:
    """Where ``responder`` stands, who was told ``beside`` the calls only or not."""
    over = incident.state is State.RESOLVED
    mine = not over and responder in incident.standing
    return Stand(
        state=incident.state,
        mine=mine,
        wanted=(incident.wants_calls or incident.offered_to == responder) and not mine,
        declined=responder in incident.declined,
        help_called=incident.help_asked and incident.is_short,
        beside=beside and not mine,
    )


def offers(stand: Stand) -> tuple[Meaning, ...]:
    """What they can say now, the most likely first."""
    if stand.beside:
        return () if stand.over else (Meaning.ACKNOWLEDGE,)
    if stand.wanted:
        said = () if stand.declined else (Meaning.CANNOT_COME,)
        return (Meaning.ACKNOWLEDGE, *said, Meaning.NEED_HELP)
    if not stand.mine:
        return ()
    ahead: dict[State, tuple[Meaning, ...]] = {
        State.ACKNOWLEDGED: (Meaning.EN_ROUTE, Meaning.ON_SCENE, Meaning.CANNOT_COME),
        State.EN_ROUTE: (Meaning.ON_SCENE, Meaning.CANNOT_COME),
    }
    return ahead.get(stand.state, ()) + (() if stand.help_called else (Meaning.NEED_HELP,))
