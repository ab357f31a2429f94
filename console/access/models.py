"""The tables of users and access, in the registry's database. No foreign key leads into the registry."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

_Serial = BigInteger().with_variant(Integer, "sqlite")

#: ``name`` is in lower case. ``password`` is an Argon2 hash, "" for who cannot log in with one. ``issuer`` and
#: ``subject`` are those of OpenID Connect. ``totp_step`` is the last time step whose code was used.
user = Table(
    "console_user",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False),
    Column("full_name", Text, nullable=False),
    Column("password", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("areas", JSON, nullable=False),
    Column("responder", String(64), nullable=False),
    Column("issuer", String(255)),
    Column("subject", String(255)),
    Column("totp_secret", Text, nullable=False),
    Column("totp_ready", Boolean, nullable=False),
    Column("totp_step", BigInteger, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    UniqueConstraint("name", name="uq_console_user_name"),
    UniqueConstraint("issuer", "subject", name="uq_console_user_subject"),
    sqlite_autoincrement=True,
)

#: ``id`` is the SHA-256 of what the browser holds. ``stage``: full; code or enrol before the second factor.
session = Table(
    "console_session",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user", ForeignKey(user.c.id), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("remember", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("idle_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", Text, nullable=False),
    Index("ix_console_session_user", "user"),
)

#: For programs. ``hash`` is the SHA-256 of what the program holds.
token = Table(
    "console_token",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("user", ForeignKey(user.c.id), nullable=False),
    Column("name", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    UniqueConstraint("hash", name="uq_console_token_hash"),
    Index("ix_console_token_user", "user"),
    sqlite_autoincrement=True,
)

#: In the place of a code of the second factor, each once.
recovery = Table(
    "console_recovery",
    metadata,
    Column("user", ForeignKey(user.c.id), primary_key=True),
    Column("hash", String(64), primary_key=True),
)

#: A link with which somebody gives themselves a password, once; without a user the first administrator.
invitation = Table(
    "console_invitation",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("user", ForeignKey(user.c.id)),
    Column("expires_ms", BigInteger, nullable=False),
)

#: Attempts to log in, for a day. ``result``: failed, until it is known to be ok; locked.
attempt = Table(
    "console_attempt",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("account", String(80), nullable=False),
    Column("address", String(64), nullable=False),
    Column("result", String(16), nullable=False),
    Index("ix_console_attempt_account", "account", "at_ms"),
    Index("ix_console_attempt_address", "address", "at_ms"),
    sqlite_autoincrement=True,
)

#: What a program asked for with an ``Idempotency-Key``, for a day. ``id`` is the SHA-256 of who asked and their key,
#: ``asked`` that of what they asked for; without a ``status`` it is being done.
repeat = Table(
    "console_repeat",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("asked", String(64), nullable=False),
    Column("status", Integer),
    Column("answer", Text),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_console_repeat_at", "at_ms"),
)

#: Append-only; the database itself refuses to change or delete a row. ``who`` is a responder's id or a login name,
#: ``kind`` and ``subject`` what it was about: person, p-0001.
audit = Table(
    "console_audit",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("what", String(32), nullable=False),
    Column("who", String(64), nullable=False),
    Column("user", BigInteger),
    Column("kind", String(32), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("area", String(255), nullable=False),
    Column("address", String(64), nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_console_audit_subject", "kind", "subject", "id"),
    Index("ix_console_audit_at", "at_ms"),
    sqlite_autoincrement=True,
)
