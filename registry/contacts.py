"""Contacts as a file has them: who is named there makes a responder of their own. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.entries import LIVES_ALONE, RELATIONS, ContactEntry, PersonEntry, ResponderEntry
from registry.reading import Problem, Row

#: What a row of contacts may say of somebody who is not among the responders.
OF_RESPONDER = frozenset({"name", "area", "phone", "channels", "languages", "lat", "lon", "travel"})
#: Relations of whom the nearest is called first.
NEARBY = frozenset({"neighbour", "volunteer"})


@dataclass(frozen=True, slots=True)
class Home:
    """What somebody who stands by a person has of them, unless their row says otherwise."""

    area: str
    language: str


def split_contacts(rows: Sequence[Row], homes: Mapping[str, Home]) -> tuple[list[Row], list[Row], list[Problem]]:
    """The rows of contacts as links, the rows of responders that they make, and what is wrong with the others.

    A row with a ``name`` makes a responder: in the area and with the language of the person (``homes``, by key) unless
    it says otherwise, with the id in ``responder`` or one made of person and name. Positions become 1, 2, 3 for each
    person and relation: by those that are given, then in the order of the file.
    """
    links: list[Row] = []
    made: list[Row] = []
    problems: list[Problem] = []
    for row in rows:
        inline = {name: value for name, value in row.values.items() if name in OF_RESPONDER}
        link = {name: value for name, value in row.values.items() if name not in OF_RESPONDER}
        person, name = row.values.get("person"), inline.get("name")
        if inline and not name:
            first = min(inline)
            problems.append(row.problem(f"{first} belongs to a responder: give their name too, or leave it", first))
            continue
        if name is None and "responder" not in link:
            problems.append(row.problem("responder is missing: name one, or give a name, and one is made"))
            continue
        if name is not None:
            home = homes.get(person) if isinstance(person, str) else None
            if home is None:
                problems.append(row.problem(f"there is no person {person!r}: add them to people", "person"))
                continue
            link.setdefault("responder", contact_id(str(person), str(name)))
            usual = {"area": home.area, "languages": [home.language]}
            made.append(Row(row.file, row.line, usual | inline | _own(link["responder"], person), row.lines))
        links.append(Row(row.file, row.line, link, row.lines))
    return _numbered(links), made, problems


def _own(responder: Any, person: Any) -> dict[str, Any]:
    return {"id": responder, "contact_of": person}


def contact_id(person: str, name: str) -> str:
    """The id of the responder that a contact of a person is: the same as long as the name is."""
    digest = hashlib.blake2b(f"{person}\0{name}".encode(), digest_size=5).hexdigest()
    return f"{person[:48]}.{digest}"


def _numbered(links: Iterable[Row]) -> list[Row]:
    """With positions as 1, 2, 3; what is no number is left for the types to name."""
    counts: dict[tuple[Any, Any], int] = {}
    numbered = []
    for row in sorted(links, key=_place):
        if _place(row) >= 0:
            of = (row.values.get("person"), row.values.get("relation"))
            counts[of] = counts.get(of, 0) + 1
            row.values["position"] = str(counts[of])
        numbered.append(row)
    return numbered


def _place(row: Row) -> float:
    given = row.values.get("position")
    if given is None:
        return float("inf")
    return int(given) if isinstance(given, str) and given.isdecimal() else -1


def contact_mistakes(
    entry: ContactEntry, people: Mapping[Any, Any], responders: Mapping[Any, Any]
) -> Iterator[tuple[str, str]]:
    """(field, what is wrong) of a contact."""
    if entry.person not in people:
        yield "person", f"there is no person {entry.person!r}: add them to people"
    if entry.responder not in responders:
        yield "responder", f"there is no responder {entry.responder!r}: add them to responders, or give their name here"


def contact_notices(
    people: Mapping[str, PersonEntry],
    responders: Mapping[str, ResponderEntry],
    contacts: Mapping[str, Sequence[ContactEntry]],
) -> Iterator[str]:
    """What is no mistake but should be known: people who live alone and have nobody, and contacts whom we cannot reach
    or of whom we do not know how near they are. ``contacts`` by person."""
    for key, person in people.items():
        if LIVES_ALONE in person.risks and not contacts.get(key):
            yield f"people {key}: lives alone and has no contact"
    for key, ones in contacts.items():
        for one in ones:
            entry = responders.get(one.responder)
            who = f"contacts {key} {one.responder} ({one.relation})"
            if entry is not None and not entry.channels:
                yield f"{who}: has no channel and cannot be told"
            if entry is not None and one.relation in NEARBY and entry.lat is None:
                yield f"{who}: has no coordinates: a step with within_min passes them over"
            if one.relation not in RELATIONS:
                yield f"{who}: this relation is none of {', '.join(RELATIONS)}: policies have to write it like this"
