"""The second factor: time-based codes (RFC 6238) and, in their place, recovery codes that hold once each."""

from __future__ import annotations

import io
import secrets

import pyotp
import segno
from sqlalchemy import Connection, Engine, delete, insert, select, update

from console.access.models import recovery, session
from console.access.models import user as table
from console.access.rules import Role
from console.access.secret import digest, same
from console.access.users import User, get_user
from registry.database import writing
from registry.keys import is_sealed, key_of, opened
from registry.sealing import keys_of

_STEP_S = 30
#: Steps before and after the present one whose codes hold: phones' clocks differ (RFC 6238, 5.2).
_STEPS_OFF = 1
_CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 4


def is_required(roles: frozenset[Role]) -> bool:
    """Whether users of these roles must have one."""
    return Role.ADMINISTRATOR in roles


def prepare(connection: Connection, one: User) -> str:
    """The secret of a second factor that is being set up: the same until a code of it was given, new afterwards."""
    row = connection.execute(select(table.c.totp_secret, table.c.totp_ready).where(table.c.id == one.id)).one()
    if row.totp_secret and not row.totp_ready:
        return _open(connection, one.id, row.totp_secret)
    if row.totp_ready:
        raise ValueError(f"{one.name} has a second factor: take it off before another is set up")
    secret = pyotp.random_base32()
    connection.execute(update(table).where(table.c.id == one.id).values(totp_secret=_seal(connection, one.id, secret)))
    return secret


def check_code(connection: Connection, user: int, code: str, now_ms: int) -> bool:
    """Whether a code holds at ``now_ms``; each holds once, and none before one that was used."""
    query = select(table.c.totp_secret, table.c.totp_step).where(table.c.id == user).with_for_update()
    row = connection.execute(query).one()
    code = "".join(code.split())
    if not row.totp_secret or len(code) != 6 or not code.isascii() or not code.isdigit():
        return False
    codes = pyotp.TOTP(_open(connection, user, row.totp_secret))
    now = now_ms // 1000 // _STEP_S
    for step in range(now - _STEPS_OFF, now + _STEPS_OFF + 1):
        if same(codes.generate_otp(step), code) and step > row.totp_step:
            connection.execute(update(table).where(table.c.id == user).values(totp_step=step))
            return True
    return False


def finish(connection: Connection, user: int) -> list[str]:
    """A code of the new factor was right: it holds from now on. Returns recovery codes, to be shown once."""
    connection.execute(update(table).where(table.c.id == user).values(totp_ready=True))
    return renew_recovery(connection, user)


def renew_recovery(connection: Connection, user: int) -> list[str]:
    """New recovery codes, 79 random bits each; the old ones are void."""
    codes = [_draw_code() for _ in range(_CODES)]
    connection.execute(delete(recovery).where(recovery.c.user == user))
    connection.execute(insert(recovery), [{"user": user, "hash": digest(_plain(code))} for code in codes])
    return codes


def use_recovery(connection: Connection, user: int, code: str) -> bool:
    """Whether a recovery code holds; it does not a second time."""
    where = (recovery.c.user == user, recovery.c.hash == digest(_plain(code)))
    return connection.execute(delete(recovery).where(*where)).rowcount == 1


def recovery_left(connection: Connection, user: int) -> int:
    """How many recovery codes somebody still has."""
    return len(connection.execute(select(recovery.c.hash).where(recovery.c.user == user)).all())


def take_off(connection: Connection, user: int) -> None:
    """No second factor any more: the phone is lost or replaced. Who must have one can do nothing but set up another."""
    connection.execute(update(table).where(table.c.id == user).values(totp_secret="", totp_ready=False, totp_step=0))
    connection.execute(delete(recovery).where(recovery.c.user == user))
    if is_required(get_user(connection, user).roles):
        connection.execute(update(session).where(session.c.user == user).values(stage="enrol"))


def address_of(secret: str, name: str) -> str:
    """The address that an authenticator reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="CareCircle")


def qr_svg(address: str, title: str) -> str:
    """A QR code to be put into a page: black on white in every theme, with its quiet zone."""
    out = io.BytesIO()
    segno.make(address, error="m").save(
        out, kind="svg", xmldecl=False, svgns=False, scale=4, border=4, light="#ffffff", title=title, svgclass="qr",
        lineclass=None, omitsize=True, nl=False,
    )  # fmt: skip
    return out.getvalue().decode()


def reseal(engine: Engine) -> None:
    """Seal the secrets with the newest key of the registry, like the rest of what is secret."""
    with writing(engine) as connection:
        keys = keys_of(connection)
        if keys is None:
            return
        for number, kept in connection.execute(select(table.c.id, table.c.totp_secret)).all():
            if kept and not (is_sealed(kept) and key_of(kept) == keys.newest):
                sealed = _seal(connection, number, _open(connection, number, kept))
                connection.execute(update(table).where(table.c.id == number).values(totp_secret=sealed))


def _draw_code() -> str:
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def _plain(code: str) -> str:
    return "".join(mark for mark in code.lower() if mark.isalnum())


def _seal(connection: Connection, user: int, secret: str) -> str:
    keys = keys_of(connection)
    return secret if keys is None else keys.seal(secret, _place(user))


def _open(connection: Connection, user: int, kept: str) -> str:
    return opened(keys_of(connection), kept, _place(user))


def _place(user: int) -> str:
    return f"console_user.{user}.totp"
