"""Replies of responders by text message and telephone keys: who, about which incident, done once, answered in words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts import actions, models
from alerts.actions import ActionResult
from alerts.database import raise_change, to_incident
from alerts.delivery import Status
from alerts.knowing import is_beside
from alerts.lifecycle import Incident, Note, State, What
from alerts.reply_numbers import Contact, PhoneBook
from alerts.reply_texts import Said, answer_text
from alerts.reply_words import Choice, Told, Understood, choose, code_of, understand
from alerts.sentences import clock_of, kind_name
from alerts.standing import Meaning, Stand, stand_of
from alerts.writing import write_audit
from registry import models as people
from registry.database import writing

#: Somebody who was told longer ago says nothing of it by a bare key.
_TOLD_MS = 24 * 3_600_000
#: More replies than this within a minute from one number are not taken.
PER_MINUTE = 20
_NO_MEANING = "none"
_NOBODY = "unknown"
_DONE = {
    Meaning.ACKNOWLEDGE: Said.YOURS,
    Meaning.EN_ROUTE: Said.EN_ROUTE,
    Meaning.ON_SCENE: Said.ON_SCENE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A reply whose signature was good.

    Attributes:
        provider: by whom it came; ``message`` is their id of it, the same in a repeat.
        sender: the number it came from.
        via: ``sms`` or ``voice``.
        text: what was written or pressed.
        notification: the message that it answers, where the provider knows that.
    """

    provider: str
    message: str
    sender: str
    via: str
    text: str
    notification: str = ""


@dataclass(frozen=True, slots=True)
class Replied:
    """What became of a reply, and the ``answer`` in words in the ``language`` of the responder."""

    said: Said
    answer: str
    language: str
    incident: str | None = None


def carry_out(
    engine: Engine, meaning: Meaning, incident_id: str, responder_id: str, now_ms: int, *, via: str
) -> ActionResult:
    """Do what a responder says, by a reply or a button of a link. Nobody sets out, arrives or calls for help in the
    place of another: who says so takes the incident first, and learns who has it when that does not work."""
    if meaning is Meaning.CANNOT_COME:
        return actions.cannot_come(engine, incident_id, responder_id, now_ms, via=via)
    stand = read_stand(engine, incident_id, responder_id)
    if meaning is Meaning.NEED_HELP and (stand is None or stand.mine or stand.wanted):
        return actions.need_help(engine, incident_id, responder_id, now_ms, via=via)
    if stand is None or not stand.mine or meaning is Meaning.ACKNOWLEDGE:
        taken = actions.acknowledge(engine, incident_id, responder_id, now_ms, via=via)
        stand = read_stand(engine, incident_id, responder_id)
        if stand is None or not stand.mine or meaning not in (Meaning.EN_ROUTE, Meaning.ON_SCENE):
            return taken
    go_on = actions.en_route if meaning is Meaning.EN_ROUTE else actions.on_scene
    return go_on(engine, incident_id, responder_id, now_ms, via=via)


def read_stand(engine: Engine, incident_id: str, responder_id: str) -> Stand | None:
    """Where a responder stands on an incident; None when there is no such incident."""
    with engine.connect() as connection:
        row = connection.execute(select(models.incident).where(models.incident.c.id == incident_id)).mappings().first()
        return None if row is None else _stand(connection, to_incident(row), responder_id)


def reply_code(connection: Connection, incident: str, responder: str, now_ms: int) -> str:
    """The code that a reply about an incident needs: "" where the responder was told of no other that is open."""
    others = any(one.incident != incident and not one.stand.over for one in _told(connection, responder, now_ms))
    return code_of(incident) if others else ""


class Replies:
    """Takes replies. For several threads and processes: a reply that arrives twice is done once."""

    def __init__(self, engine: Engine, book: PhoneBook, *, zone: ZoneInfo, language: str) -> None:
        """``zone`` is that of local times, ``language`` that of answers to numbers that are nobody's."""
        self._engine = engine
        self._book = book
        self._zone = zone
        self._language = language

    def take(self, incoming: Incoming, now_ms: int) -> Replied:
        """Do what a reply says, write it down, and answer. A repeat gets the answer that the first one got.

        Raises:
            SealedError: nobody's number can be read, as a key of the registry is missing. Nothing was changed.
        """
        contacts = self._book.who(incoming.sender)
        language = contacts[0].language if contacts else self._language
        key = _id_of(incoming)
        known = self._answered(key, language)
        if known is not None:
            return known
        sender = self._book.hash_of(incoming.sender)
        if self._count(sender, now_ms - 60_000) >= PER_MINUTE:
            return Replied(Said.TOO_MANY, answer_text(Said.TOO_MANY, language), language)
        understood = understand(incoming.text)
        row = {
            "id": key,
            "provider": incoming.provider,
            "from_hash": sender,
            "responder": contacts[0].id if len(contacts) == 1 else None,
            "meaning": understood.meaning.value if understood.meaning is not None else _NO_MEANING,
            "at_ms": now_ms,
        }
        if len(contacts) != 1:
            said = Said.SHARED_NUMBER if contacts else Said.UNKNOWN_SENDER
            return self._settle(row, incoming, Replied(said, answer_text(said, language), language), now_ms)
        return self._take_from(contacts[0], incoming, understood, row, now_ms)

    def language_of(self, sender: str) -> str:
        """The language of whoever a number belongs to.

        Raises:
            SealedError: as :meth:`take`.
        """
        contacts = self._book.who(sender)
        return contacts[0].language if contacts else self._language

    def _take_from(
        self, contact: Contact, incoming: Incoming, understood: Understood, row: dict[str, Any], now_ms: int
    ) -> Replied:
        if understood.meaning is None:
            replied = Replied(Said.UNCLEAR, answer_text(Said.UNCLEAR, contact.language), contact.language)
            return self._settle(row, incoming, replied, now_ms)
        with self._engine.connect() as connection:
            told = _told(connection, contact.id, now_ms)
            choice = _chosen(connection, told, contact.id, understood, incoming.notification)
            which = tuple((one.code, self._words(connection, one.incident, contact, now_ms)) for one in choice.among)
        if choice.incident is None:
            same_code = len({code for code, _ in which}) < len(which)
            said = Said.SAME_CODE if same_code else Said.WHICH if which else Said.NOTHING_OPEN
            answer = answer_text(said, contact.language, which=which)
            return self._settle(row, incoming, Replied(said, answer, contact.language), now_ms)
        incident = self._claim({**row, "incident": choice.incident.incident})
        result = carry_out(self._engine, understood.meaning, incident, contact.id, now_ms, via=incoming.via)
        said = _said(understood.meaning, read_stand(self._engine, incident, contact.id))
        with self._engine.connect() as connection:
            what = self._words(connection, incident, contact, now_ms)
        answer = answer_text(said, contact.language, what=what, name=result.by_name or result.by or "")
        replied = Replied(said, answer, contact.language, incident)
        return self._settle(row, incoming, replied, now_ms, done=result.done)

    def _answered(self, key: str, language: str) -> Replied | None:
        """The answer to a reply that was taken before."""
        table = models.reply
        query = select(table.c.outcome, table.c.answer, table.c.incident)
        with self._engine.connect() as connection:
            row = connection.execute(query.where(table.c.id == key, table.c.answer.is_not(None))).first()
        return None if row is None else Replied(Said(row.outcome), row.answer, language, row.incident)

    def _count(self, sender: str, since_ms: int) -> int:
        table = models.reply
        query = select(func.count()).where(table.c.from_hash == sender, table.c.at_ms > since_ms)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def _claim(self, row: dict[str, Any]) -> str:
        """Keep which incident a reply is about before anything is done: a repeat after a crash means the same one."""
        with writing(self._engine) as connection:
            incident: str = _kept(connection, row)
        return incident

    def _settle(
        self, row: dict[str, Any], incoming: Incoming, replied: Replied, now_ms: int, *, done: bool = False
    ) -> Replied:
        """Keep the answer, and that there was a reply where no action has written it (``done``)."""
        table = models.reply
        with writing(self._engine) as connection:
            _kept(connection, {"incident": replied.incident, **row})
            this = (table.c.id == row["id"]) & table.c.answer.is_(None)
            values = {"outcome": replied.said.value, "answer": replied.answer}
            first = connection.execute(update(table).where(this).values(values)).rowcount == 1
            if first and not done:
                data = {"via": incoming.via, "meaning": row["meaning"], "said": replied.said.value, "reply": row["id"]}
                note = Note(What.REPLIED, row["responder"] or _NOBODY, data)
                write_audit(connection, note, now_ms, incident=replied.incident)
                if replied.incident is not None:
                    raise_change(connection)
        return replied if first else self._answered(row["id"], replied.language) or replied

    def _words(self, connection: Connection, incident: str, contact: Contact, now_ms: int) -> str:
        """An incident in a few words: what, when, who, where."""
        table, person = models.incident, people.person
        query = select(table.c.kind, table.c.onset_ms, table.c.device, person.c.name, person.c.address)
        query = query.select_from(table.outerjoin(person, person.c.key == table.c.person)).where(table.c.id == incident)
        row = connection.execute(query).one()
        parts = (
            kind_name(row.kind, contact.language),
            clock_of(row.onset_ms, now_ms, self._zone),
            row.name or row.device,
            row.address,
        )
        return " ".join(part for part in parts if part)


def _id_of(incoming: Incoming) -> str:
    return hashlib.blake2b(f"{incoming.provider}\0{incoming.message}".encode(), digest_size=24).hexdigest()


def _kept(connection: Connection, row: dict[str, Any]) -> str:
    """Put a reply into its table unless it is there; returns the incident that it is about."""
    table = models.reply
    kept = select(table.c.incident).where(table.c.id == row["id"])
    found = connection.execute(kept).first()
    if found is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(table), row)
        except IntegrityError:
            pass  # another process was as fast
        found = connection.execute(kept).one()
    return str(found.incident)


def _told(connection: Connection, responder: str, now_ms: int) -> list[Told]:
    """What a responder was told of within a day, or has and is not closed, the newest first."""
    incident, sent, standing = models.incident, models.notification, models.acknowledgement
    was_told = exists().where(
        sent.c.incident == incident.c.id,
        sent.c.responder == responder,
        sent.c.created_ms > now_ms - _TOLD_MS,
        (sent.c.status == Status.SENT.value) | (sent.c.attempts > 0),
    )
    stands = exists().where(standing.c.incident == incident.c.id, standing.c.responder == responder)
    is_open = incident.c.state != State.RESOLVED.value
    query = select(incident).where(was_told | (stands & is_open)).order_by(incident.c.opened_ms.desc(), incident.c.id)
    found = [to_incident(row) for row in connection.execute(query).mappings()]
    return [Told(one.id, _stand(connection, one, responder)) for one in found]


def _stand(connection: Connection, incident: Incident, responder: str) -> Stand:
    return stand_of(incident, responder, beside=is_beside(connection, incident, responder))


def _chosen(
    connection: Connection, told: list[Told], responder: str, understood: Understood, notification: str
) -> Choice:
    if notification:
        sent = models.notification
        query = select(sent.c.incident).where(sent.c.id == notification, sent.c.responder == responder)
        about = connection.execute(query).scalar()
        for one in told:
            if one.incident == about:
                return Choice(one)
    return choose(told, understood)


def _said(meaning: Meaning, stand: Stand | None) -> Said:
    if stand is None:
        return Said.NOTHING_OPEN
    if stand.over:
        return Said.OVER
    if stand.beside:
        return Said.NOTED
    if meaning is Meaning.CANNOT_COME:
        return Said.REFUSED if stand.mine else Said.NOT_COMING if stand.declined else Said.OTHERS
    if not stand.mine:
        return Said.OTHERS
    if meaning is Meaning.NEED_HELP:
        return Said.HELP_CALLED if stand.help_called else Said.YOURS
    return _DONE[meaning]
