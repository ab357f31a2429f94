"""What of the registry's rows is sealed, and how it is sealed anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, bindparam, select, update

from registry.database import KEYS_OPTION, writing
from registry.errors import SealedError
from registry.keys import Keys, is_sealed, key_of, opened
from registry.models import person, responder, revision

#: Texts that are sealed, by table. Of responders all of a channel but its type is sealed too.
SEALED: dict[str, tuple[str, ...]] = {"people": ("phone", "door_code"), "responders": ("phone",)}
_CHANNELS = "channels"
_IN_CHANNEL = "sealed"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class SealCount:
    """How many secrets lie in the database, by the id of the key that sealed them; ``unsealed`` are open."""

    by_key: dict[str, int]
    unsealed: int


def keys_of(connection: Connection) -> Keys | None:
    """The keys that the connection's engine was given."""
    keys: Keys | None = connection.get_execution_options().get(KEYS_OPTION)
    return keys


def seal_row(keys: Keys | None, name: str, key: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row of table ``name`` as it is written. Without keys it stays as it is."""
    if keys is None or name not in SEALED:
        return row
    sealed = dict(row)
    for field in SEALED[name]:
        if field in row:
            sealed[field] = keys.seal(row[field], _place(name, key, field))
    if _CHANNELS in row:
        sealed[_CHANNELS] = [_seal_channel(keys, key, at, channel) for at, channel in enumerate(row[_CHANNELS])]
    return sealed


def open_row(keys: Keys | None, name: str, key: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row as it was before it was sealed; what lies open stays.

    Raises:
        SealedError: something of it cannot be opened.
    """
    for field in SEALED.get(name, ()):
        if field in row:
            row[field] = opened(keys, row[field], _place(name, key, field))
    if name == "responders" and _CHANNELS in row:
        row[_CHANNELS] = [_open_channel(keys, key, at, channel) for at, channel in enumerate(row[_CHANNELS])]
    return row


def without_secrets(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row as it may be known without keys: of channels the type."""
    if name == "responders" and _CHANNELS in row:
        row[_CHANNELS] = [{"type": channel["type"]} for channel in row[_CHANNELS]]
    return row


def phone_of(connection: Connection, key: str, phone: str) -> str:
    """The phone of a person as it stands in their row, opened.

    Raises:
        SealedError: it cannot be.
    """
    return opened(keys_of(connection), phone, _place("people", key, "phone"))


def door_code_of(connection: Connection, key: str) -> str:
    """The door code of a person; "" where there is none. For :mod:`alerts.door` only, which asks who may know it and
    writes down that it was read.

    Raises:
        SealedError: it cannot be opened.
    """
    code: str | None = connection.execute(select(person.c.door_code).where(person.c.key == key)).scalar()
    return opened(keys_of(connection), code or "", _place("people", key, "door_code"))


def count_sealed(connection: Connection) -> SealCount:
    """How many phones, door codes and channels are sealed with which key. It needs no key."""
    by_key: dict[str, int] = {}
    unsealed = 0
    for text in _all_secrets(connection):
        if is_sealed(text):
            by_key[key_of(text)] = by_key.get(key_of(text), 0) + 1
        else:
            unsealed += 1
    return SealCount(by_key, unsealed)


def check_keys(connection: Connection) -> None:
    """See that everything sealed can be opened; it looks at which keys are needed, not at every text.

    Raises:
        SealedError: a key is missing.
    """
    keys = keys_of(connection)
    for key, count in count_sealed(connection).by_key.items():
        if keys is None or not keys.knows(key):
            given = "no key is set" if keys is None else f"the keys given are {', '.join(keys.ids)}"
            advice = "give it in registry.key_file or CARECIRCLE_REGISTRY__KEY, after the newest"
            raise SealedError(f"the registry ({count} phones, door codes, channels)", key, f"and {given}: {advice}")


def reseal(engine: Engine) -> int:
    """Seal everything with the newest key of ``engine``, in one transaction. Returns how much lay open before.

    Raises:
        SealedError: something cannot be opened; nothing was changed.
    """
    with writing(engine) as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete=ON")  # what is overwritten must not stay in the file
        unsealed = count_sealed(connection).unsealed
        for name, table, key, fields in (
            ("people", person, "key", SEALED["people"]),
            ("responders", responder, "id", (*SEALED["responders"], _CHANNELS)),
        ):
            keys = keys_of(connection)
            rows = connection.execute(select(table.c[key], *(table.c[field] for field in fields))).all()
            sealed = []
            for one, *values in rows:
                row = open_row(keys, name, one, dict(zip(fields, values, strict=True)))
                sealed.append({"this": one, **seal_row(keys, name, one, row)})
            if sealed:
                statement = update(table).where(table.c[key] == bindparam("this"))
                connection.execute(statement.values({field: bindparam(field) for field in fields}), sealed)
        connection.execute(update(revision).values(revision=revision.c.revision + 1))
    return unsealed


def scrub(engine: Engine) -> bool:
    """Rewrite the database's file without what was deleted or overwritten in it; False when others kept it busy."""
    if engine.dialect.name == "postgresql":
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM (FULL) person, responder")
        return True
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (busy, *_) = cursor.fetchone() or (1,)
        return not busy
    except engine.dialect.loaded_dbapi.OperationalError:
        return False
    finally:
        raw.close()


def _all_secrets(connection: Connection) -> Iterator[str]:
    for phone, code in connection.execute(select(person.c.phone, person.c.door_code)):
        yield from (text for text in (phone, code) if text)
    for phone, channels in connection.execute(select(responder.c.phone, responder.c.channels)):
        if phone:
            yield phone
        for channel in channels:
            if _rest(channel):
                yield channel.get(_IN_CHANNEL, "open")


def _place(name: str, key: str, field: str) -> str:
    return f"{name} {key}: {field}"


def _rest(channel: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in channel.items() if field != "type" and value not in ("", None, [], {})}


def _seal_channel(keys: Keys, key: str, at: int, channel: dict[str, Any]) -> dict[str, Any]:
    rest = _rest(channel)
    if not rest:
        return channel
    sealed = keys.seal(_encode(rest).decode(), _place("responders", key, f"{_CHANNELS}.{at}"))
    return {"type": channel["type"], _IN_CHANNEL: sealed}


def _open_channel(keys: Keys | None, key: str, at: int, channel: dict[str, Any]) -> dict[str, Any]:
    if _IN_CHANNEL not in channel:
        return channel
    text = opened(keys, channel[_IN_CHANNEL], _place("responders", key, f"{_CHANNELS}.{at}"))
    return {"type": channel["type"], **msgspec.json.decode(text)}
