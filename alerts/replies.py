"""Replies of responders by text message and telephone keys: who, about which incident, done once, answered in words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts import actions, models
from alerts.actions import ActionResult
from alerts.database import raise_change
from alerts.lifecycle import Note, What
from alerts.reply_numbers import Contact, PhoneBook
from alerts.reply_texts import Said, answer_text
from alerts.reply_words import Choice, Told, Understood, choose, understand
from alerts.sentences import clock_of, kind_name
from alerts.standing import Meaning, Stand
from alerts.told import read_stand, told_to
from alerts.writing import write_audit
from registry import models as people
from registry.database import writing

#: More replies than this within a minute from one number are not taken.
PER_MINUTE = 20
#: After so many text messages in ten minutes that say nothing there is no answer: a machine may be answering ours.
_NOTHINGS, _NOTHINGS_MS = 3, 600_000
_NOTHING = (Said.UNCLEAR, Said.UNKNOWN_SENDER, Said.SHARED_NUMBER)
#: An answer, which has names in it, is kept for gateways that repeat a message, and no longer.
_ANSWERS_MS = 24 * 3_600_000
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
        if len(contacts) == 1 and understood.meaning is not None:
            return self._take_from(contacts[0], understood.meaning, incoming, understood, row, now_ms)
        said = Said.SHARED_NUMBER if contacts[1:] else Said.UNCLEAR if contacts else Said.UNKNOWN_SENDER
        silent = incoming.via == "sms" and self._count(sender, now_ms - _NOTHINGS_MS, _NOTHING) >= _NOTHINGS
        answer = "" if silent else answer_text(said, language)
        return self._settle(row, incoming, Replied(said, answer, language), now_ms)

    def language_of(self, sender: str) -> str:
        """The language of whoever a number belongs to.

        Raises:
            SealedError: as :meth:`take`.
        """
        contacts = self._book.who(sender)
        return contacts[0].language if contacts else self._language

    def _take_from(
        self,
        contact: Contact,
        meaning: Meaning,
        incoming: Incoming,
        understood: Understood,
        row: dict[str, Any],
        now_ms: int,
    ) -> Replied:
        language = contact.language
        with self._engine.connect() as connection:
            told = told_to(connection, contact.id, now_ms)
            choice = _chosen(connection, told, contact.id, understood, incoming.notification)
            among = [
                (one.code, self._words(connection, one.incident, incoming, language, now_ms)) for one in choice.among
            ]
        if choice.incident is None:
            same_code = len({code for code, _ in among}) < len(among)
            said = Said.SAME_CODE if same_code else Said.WHICH if among else Said.NOTHING_OPEN
            answer = answer_text(said, language, which=among)
            return self._settle(row, incoming, Replied(said, answer, language), now_ms)
        incident = self._claim({**row, "incident": choice.incident.incident})
        result = carry_out(self._engine, meaning, incident, contact.id, now_ms, via=incoming.via)
        said = _said(meaning, read_stand(self._engine, incident, contact.id))
        with self._engine.connect() as connection:
            what = self._words(connection, incident, incoming, language, now_ms)
        answer = answer_text(said, language, what=what, name=result.by_name or result.by or "")
        return self._settle(row, incoming, Replied(said, answer, language, incident), now_ms, done=result.done)

    def _answered(self, key: str, language: str) -> Replied | None:
        """The answer to a reply that was taken before."""
        table = models.reply
        query = select(table.c.outcome, table.c.answer, table.c.incident)
        with self._engine.connect() as connection:
            row = connection.execute(query.where(table.c.id == key, table.c.answer.is_not(None))).first()
        return None if row is None else Replied(Said(row.outcome), row.answer, language, row.incident)

    def _count(self, sender: str, since_ms: int, said: tuple[Said, ...] = ()) -> int:
        table = models.reply
        query = select(func.count()).where(table.c.from_hash == sender, table.c.at_ms > since_ms)
        if said:
            query = query.where(table.c.outcome.in_([one.value for one in said]))
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
            old = (table.c.at_ms < now_ms - _ANSWERS_MS) & (table.c.answer != "")
            connection.execute(update(table).where(old).values(answer=""))
            if first and not done:
                data = {"via": incoming.via, "meaning": row["meaning"], "replied": replied.said.value, "id": row["id"]}
                note = Note(What.REPLIED, row["responder"] or _NOBODY, data)
                write_audit(connection, note, now_ms, incident=replied.incident)
                if replied.incident is not None:
                    raise_change(connection)
        return replied if first else self._answered(row["id"], replied.language) or replied

    def _words(self, connection: Connection, incident: str, incoming: Incoming, language: str, now_ms: int) -> str:
        """An incident in a few words: what and when; in a text message who and where too. A call says neither: a caller
        can show a number that is not theirs, and a text message goes to the number itself."""
        table, person = models.incident, people.person
        query = select(table.c.kind, table.c.onset_ms, table.c.device, person.c.name, person.c.address)
        query = query.select_from(table.outerjoin(person, person.c.key == table.c.person)).where(table.c.id == incident)
        row = connection.execute(query).one()
        parts = [kind_name(row.kind, language), clock_of(row.onset_ms, now_ms, self._zone)]
        if incoming.via == "sms":
            parts += [row.name or row.device, row.address]
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
