"""Ids of resources. FHIR allows letters, digits, ``-`` and ``.``, 64 at most; ours may hold more. Pure, but for finding
a key again."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from sqlalchemy import Column, Connection, select

from console.fhir.codes import CODED

_PLAIN = re.compile(r"(?!h-)[A-Za-z0-9\-.]{1,40}")
_HASHED = re.compile(r"h-[0-9a-f]{32}")
_OBSERVATION = re.compile(r"(?P<name>[a-z0-9]{1,8})\.(?P<t>[0-9a-f]{1,12})\.(?P<person>[A-Za-z0-9\-.]{1,40})")


def to_id(key: str) -> str:
    """The id of what has this key: the key where FHIR allows it, else a hash of it."""
    if _PLAIN.fullmatch(key):
        return key
    return "h-" + hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


def to_key(connection: Connection, column: Column[str], resource_id: str) -> str | None:
    """The key again; None where there is none of this id in ``column``."""
    if _PLAIN.fullmatch(resource_id):
        return connection.execute(select(column).where(column == resource_id)).scalar()
    if _HASHED.fullmatch(resource_id):
        return next((key for key in connection.execute(select(column)).scalars() if to_id(key) == resource_id), None)
    return None


class ObservationId(NamedTuple):
    """What of whom, and when."""

    name: str
    t_ms: int
    person: str

    def __str__(self) -> str:
        return f"{self.name}.{self.t_ms:x}.{self.person}"


def observation_id(text: str) -> ObservationId | None:
    """The parts of an Observation's id; None for what is none."""
    match = _OBSERVATION.fullmatch(text)
    if match is None or match["name"] not in CODED:
        return None
    return ObservationId(match["name"], int(match["t"], 16), match["person"])
