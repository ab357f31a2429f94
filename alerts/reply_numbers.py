"""Whose telephone number it is: the responders of the registry by the numbers at which they are told."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qsl, unquote, urlsplit

import phonenumbers
from sqlalchemy import Engine

from alerts.sentences import language_of
from registry import ResponderEntry, current_revision
from registry.rows import load_table

#: More digits than any number has, with the marks that people write between them.
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Contact:
    """A responder whom a number belongs to, and the language of their messages."""

    id: str
    language: str


class PhoneBook:
    """Responders by number: that of the registry, and those that text messages go to. It holds keyed hashes of the
    numbers, no numbers, and is read anew when the registry has changed. For several threads.

    ``country`` is the ISO 3166 code of numbers that are written without that of a country (``CN``).
    """

    def __init__(self, engine: Engine, *, key: str, country: str) -> None:
        self._engine = engine
        self._key = key.encode()
        self._country = country
        self._lock = threading.Lock()
        self._revision = -1
        self._contacts: dict[str, tuple[Contact, ...]] = {}

    def hash_of(self, number: str) -> str:
        """What stands for a number where the number itself must not; the same however it is written."""
        plain = e164(number, self._country) or number.strip()[:_LONGEST]
        return hmac.digest(self._key, b"carecircle.number.v1\0" + plain.encode(), "sha256").hex()

    def who(self, number: str) -> tuple[Contact, ...]:
        """Whom a number belongs to: nobody, one, or several who share it.

        Raises:
            SealedError: the numbers cannot be opened, as a key of the registry is missing.
        """
        if not self._is_one(number):
            return ()
        with self._lock:
            with self._engine.connect() as connection:
                revision = current_revision(connection)
                if revision != self._revision:
                    responders = load_table(connection, "responders").values()
                    self._contacts = self._by_number(cast("Iterable[ResponderEntry]", responders))
                    self._revision = revision
            return self._contacts.get(self.hash_of(number), ())

    def _is_one(self, number: str) -> bool:
        return e164(number, self._country) is not None

    def _by_number(self, responders: Iterable[ResponderEntry]) -> dict[str, tuple[Contact, ...]]:
        found: dict[str, tuple[Contact, ...]] = {}
        for responder in responders:
            contact = Contact(responder.id, language_of(responder.languages))
            for hashed in {self.hash_of(number) for number in numbers_of(responder) if self._is_one(number)}:
                found[hashed] = (*found.get(hashed, ()), contact)
        return found


def numbers_of(responder: ResponderEntry) -> Iterator[str]:
    """What may be numbers of a responder: the phone, and where their services of text messages send to."""
    if responder.phone:
        yield responder.phone
    for channel in responder.channels:
        if channel.type == "apprise":
            yield from _recipients(channel.url)


def e164(number: str, country: str) -> str | None:
    """A number with its country code (ITU-T E.164), as people write it in ``country``; None when it is none."""
    if len(number) > _LONGEST:
        return None
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def _recipients(url: str) -> Iterator[str]:
    """The recipients at the end of an Apprise url of a service of text messages."""
    from alerts.apprise_channel import is_short  # many imports, for those who use it

    if not is_short(url):
        return
    parts = urlsplit(url)
    targets = [part for part in (parts.netloc.rpartition("@")[2], *parts.path.split("/")) if part]
    yield from (unquote(part) for part in targets[-1:])
    for name, value in parse_qsl(parts.query):
        if name.lower() == "to":
            yield from value.split(",")
