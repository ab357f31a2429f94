"""Refer an incident to the family doctor, a hospital team or anybody else: once, with what they have to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, select
from sqlalchemy.engine import RowMapping

from alerts import models
from alerts.channels import first_channels, type_of
from alerts.database import load_incident, raise_change, to_incident
from alerts.delivery import Purpose, Status
from alerts.emergency_text import key_facts
from alerts.follow_ups import last_outcome, said_by_detector
from alerts.lifecycle import Incident, Note, What
from alerts.messages import Envelope, facts_of
from alerts.reasons import Reason
from alerts.referral_texts import TOLD, Deed, Referral, referral_body, referral_lines, referral_text
from alerts.sentences import language_of
from alerts.settings import AlertSettings
from alerts.texts import TextMessage
from alerts.writing import CONSOLE, queue_notification, write_audit
from registry import ChannelEntry, Directory, ResponderEntry, directory
from registry.database import writing

#: The step of a referral: no place among the calls.
REFERRAL_STEP = -2


class ReferralAnswer(StrEnum):
    """What became of a referral."""

    DONE = "done"
    ALREADY = "already"  # the same was referred to them before, and the incident stands where it stood then
    UNKNOWN = "unknown"  # no such incident
    NOBODY = "nobody"  # no such responder, and no contact of this relation
    NO_CHANNEL = "no_channel"  # nobody of them can be told by us: use the phone


@dataclass(frozen=True, slots=True)
class ReferralResult:
    """The answer, and to whom: the responder's id and name, "" where there is none."""

    answer: ReferralAnswer
    responder: str = ""
    name: str = ""

    @property
    def done(self) -> bool:
        """Whether this very call did it."""
        return self.answer is ReferralAnswer.DONE


def refer(
    engine: Engine,
    incident_id: str,
    who: str,
    to: str,
    now_ms: int,
    *,
    note: str = "",
    vitals: str = "",
    via: str = "console",
) -> ReferralResult:
    """Tell somebody of an incident, open or closed: ``to`` is the id of a responder, or a relation, of which the first
    contact of the person with a channel is told.

    ``who`` refers it (a responder's id, or a name), ``note`` and ``vitals`` (a summary of what was measured) go along.
    The message holds no door code and no link. The same once more, while the incident stands where it stood, is sent
    to nobody.
    """
    known = directory(engine, secrets=False)
    with writing(engine) as connection:
        incident = load_incident(connection, incident_id)
        if incident is None:
            return ReferralResult(ReferralAnswer.UNKNOWN)
        responder, relation = _addressee(known, incident, to)
        if responder is None:
            return ReferralResult(ReferralAnswer.NOBODY)
        channels = [name for name in first_channels(responder) if type_of(name) != "siren"]
        if not channels:
            unsent = {"responder": responder.id, "reason": Reason.NO_CHANNEL.value, "purpose": Purpose.REFERRAL.value}
            write_audit(connection, Note(What.NOT_SENT, "system", unsent), now_ms, incident=incident.id)
            raise_change(connection)
            return ReferralResult(ReferralAnswer.NO_CHANNEL, responder.id, responder.name)
        before = _before(connection, incident.id, responder.id)
        same = {"to": responder.id, "note": note, "vitals": vitals, "transitions": incident.transitions}
        if any(same.items() <= data.items() for data in before):
            return ReferralResult(ReferralAnswer.ALREADY, responder.id, responder.name)
        ids = [_queue(connection, incident, responder.id, channel, len(before), now_ms) for channel in channels]
        data = {**same, "via": via, "notifications": ids} | ({"relation": relation} if relation else {})
        write_audit(connection, Note(What.REFERRED, who, data), now_ms, incident=incident.id)
        raise_change(connection)
    return ReferralResult(ReferralAnswer.DONE, responder.id, responder.name)


@dataclass(frozen=True, slots=True)
class ReferralPreview:
    """What the addressee would read: ``lines`` in their ``language``. ``answer`` is DONE where it can be sent."""

    answer: ReferralAnswer
    responder: str = ""
    name: str = ""
    language: str = ""
    lines: tuple[str, ...] = ()


def preview(
    engine: Engine,
    incident_id: str,
    who: str,
    to: str,
    now_ms: int,
    *,
    zone: ZoneInfo,
    note: str = "",
    vitals: str = "",
) -> ReferralPreview:
    """What :func:`refer` with the same values would send, and to whom; nothing is written."""
    known = directory(engine)
    with engine.connect() as connection:
        row = connection.execute(select(models.incident).where(models.incident.c.id == incident_id)).mappings().first()
        if row is None:
            return ReferralPreview(ReferralAnswer.UNKNOWN)
        incident = to_incident(row)
        responder, _ = _addressee(known, incident, to)
        if responder is None:
            return ReferralPreview(ReferralAnswer.NOBODY)
        language = language_of(responder.languages)
        envelope = Envelope(
            "", REFERRAL_STEP, 0, 1, follow_up=last_outcome(connection, incident.id),
            said=said_by_detector(connection, incident), purpose=Purpose.REFERRAL,
        )  # fmt: skip
        said = {"note": note, "vitals": vitals}
        referral = _referral(connection, who, said, incident, envelope, known, language, now_ms)
    able = any(type_of(name) != "siren" for name in first_channels(responder))
    lines = tuple(referral_lines(incident, referral, language, zone))
    answer = ReferralAnswer.DONE if able else ReferralAnswer.NO_CHANNEL
    return ReferralPreview(answer, responder.id, responder.name, language, lines)


def referral_message(
    connection: Connection,
    row: RowMapping,
    channel: ChannelEntry,
    incident: Incident,
    responder: ResponderEntry,
    envelope: Envelope,
    known: Directory,
    settings: AlertSettings,
    now_ms: int,
) -> bytes | TextMessage:
    """The message of a notification that :func:`refer` has queued."""
    language = language_of(responder.languages)
    audit = models.audit
    query = select(audit.c.who, audit.c.data).where(
        audit.c.incident == incident.id, audit.c.what == What.REFERRED.value
    )
    referred = connection.execute(query.order_by(audit.c.id)).all()
    said = [one for one in referred if one.data["to"] == row["responder"]][row["round"]]
    referral = _referral(connection, said.who, said.data, incident, envelope, known, language, now_ms)
    if channel.type != "apprise":
        return referral_body(
            incident, referral, responder, envelope.notification, envelope.attempt, language, settings, now_ms
        )
    from alerts.apprise_channel import is_short  # many imports, for those who use it

    repeat = envelope.attempt > 1
    return referral_text(incident, referral, language, settings.zone, short=is_short(channel.url), repeat=repeat)


def _addressee(known: Directory, incident: Incident, to: str) -> tuple[ResponderEntry | None, str]:
    responder = known.responder(to)
    if responder is not None:
        return responder, ""
    contacts = known.contacts.get(incident.person, ()) if incident.person is not None else ()
    found = [known.responders[one.responder] for one in contacts if one.relation == to]
    return next((one for one in found if one.channels), next(iter(found), None)), to


def _before(connection: Connection, incident: str, responder: str) -> list[dict[str, Any]]:
    audit = models.audit
    query = select(audit.c.data).where(audit.c.incident == incident, audit.c.what == What.REFERRED.value)
    return [data for data in connection.execute(query.order_by(audit.c.id)).scalars() if data["to"] == responder]


def _queue(connection: Connection, incident: Incident, responder: str, channel: str, number: int, now_ms: int) -> str:
    shown = type_of(channel) == CONSOLE
    return queue_notification(
        connection, incident, REFERRAL_STEP, number, responder, channel, now_ms,
        status=Status.SENT if shown else Status.PENDING, reason=Reason.SHOWN if shown else None,
        purpose=Purpose.REFERRAL,
    )  # fmt: skip


def _referral(
    connection: Connection,
    who: str,
    said: Mapping[str, Any],
    incident: Incident,
    envelope: Envelope,
    known: Directory,
    language: str,
    now_ms: int,
) -> Referral:
    audit = models.audit
    query = select(audit.c.at_ms, audit.c.what, audit.c.who, audit.c.data).where(audit.c.incident == incident.id)
    rows = connection.execute(query.order_by(audit.c.id)).all()
    closed = [one.data.get("note", "") for one in rows if one.what == What.RESOLVED.value]
    told = {what.value for what in TOLD}
    person = known.person(incident.person) if incident.person is not None else None
    return Referral(
        known=key_facts(facts_of(incident, envelope, known, language, now_ms), person, known, now_ms),
        by=_name(known, who),
        note=said["note"],
        vitals=said["vitals"],
        closing_note=closed[-1] if closed else "",
        deeds=[Deed(one.at_ms, What(one.what), _name(known, one.who)) for one in rows if one.what in told],
    )


def _name(known: Directory, who: str) -> str:
    entry = known.responder(who)
    return entry.name if entry is not None else who
