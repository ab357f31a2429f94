"""``carecircle users``: who may log in to the console."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from carecircle.cli.common import SettingsOption, fail, load_settings
from carecircle.settings_groups import ConsoleRole

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from carecircle.settings import Settings

app = typer.Typer(
    name="users", help="Who may log in to the console: roles, areas, passwords, API tokens.", no_args_is_help=True
)
_BY = "command line"

Name = Annotated[str, typer.Argument(help="The login name.")]
Roles = Annotated[list[str], typer.Option("--role", help=f"{', '.join(get_args(ConsoleRole))}; several: repeat it.")]
Areas = Annotated[
    list[str], typer.Option("--area", help="Dotted path, seen with all below it; '*' is everything; several: repeat.")
]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", help="Take the password from this file, '-' from the terminal.")
]


@app.command()
def add(
    name: Name,
    roles: Roles,
    areas: Areas,
    settings_file: SettingsOption = None,
    full_name: Annotated[str, typer.Option("--full-name", help="As others read it.")] = "",
    responder: Annotated[str, typer.Option("--responder", help="The id of the responder that they are.")] = "",
    password_file: PasswordFile = None,
) -> None:
    """Add somebody, and print the link with which they choose a password."""
    from console.access import users
    from console.access.rules import Role

    if wrong := [role for role in roles if role not in set(Role)]:
        fail(f"there is no role {wrong[0]!r}: take one of {', '.join(Role)}")
    password = _password(password_file)
    with _opened(settings_file) as (settings, connection, now_ms):
        one = users.add_user(
            connection, name, roles=[Role(role) for role in roles], areas=areas, now_ms=now_ms, by=_BY,
            full_name=full_name, responder=responder, password=password,
        )  # fmt: skip
        link = "" if password else _link(settings, users.invite(connection, one.id, now_ms))
    _say_link(one.name, link)


@app.command("list")
def list_(
    settings_file: SettingsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """Everybody who may log in, or might."""
    from console.access import users

    with _opened(settings_file) as (settings, connection, _):
        every = users.list_users(connection)
    if as_json:
        rows = [
            {
                "name": one.name, "full_name": one.full_name, "roles": sorted(one.roles), "areas": list(one.areas),
                "responder": one.responder, "second_factor": one.second_factor, "disabled": one.disabled,
                "issuer": one.issuer, "password": one.password,
            }
            for one in every
        ]  # fmt: skip
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not every:
        typer.echo("Nobody yet. `carecircle users add NAME --role administrator --area '*'` makes the first.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "full name", "roles", "areas", "responder", "logs in with", "since"):
        table.add_column(column)
    zone = ZoneInfo(settings.console.time_zone)
    for one in every:
        means = one.issuer or ("password" if one.password else "not yet")
        how = "disabled" if one.disabled else means + (" + code" if one.second_factor else "")
        since = datetime.fromtimestamp(one.created_ms / 1000, zone).strftime("%Y-%m-%d")
        words = (one.name, one.full_name, ", ".join(sorted(one.roles)), ", ".join(one.areas), one.responder, how, since)
        table.add_row(*map(escape, words))
    Console().print(table)


@app.command()
def passwd(
    name: Name,
    settings_file: SettingsOption = None,
    password_file: PasswordFile = None,
    no_second: Annotated[
        bool, typer.Option("--no-second", help="Take the second factor off too: the phone is lost.")
    ] = False,
) -> None:
    """Print a link with which somebody chooses a new password; the present one holds until then."""
    from console.access import audit, second, users

    password = _password(password_file)
    with _opened(settings_file) as (settings, connection, now_ms):
        one = users.find_user(connection, name)
        if one.issuer:
            fail(f"{one.name!r} logs in with the account at {one.issuer}: the password is changed there")
        if no_second:
            second.take_off(connection, one.id)
            audit.record(
                connection, audit.Event.SECOND_FACTOR, who=_BY, now_ms=now_ms, kind="user", subject=one.name,
                data={"on": False},
            )  # fmt: skip
        if password:
            users.set_password(connection, one.id, password, now_ms=now_ms, by=_BY)
        link = "" if password else _link(settings, users.invite(connection, one.id, now_ms))
    _say_link(one.name, link)


@app.command()
def disable(
    name: Name,
    settings_file: SettingsOption = None,
    undo: Annotated[bool, typer.Option("--undo", help="Let them in again.")] = False,
) -> None:
    """Let somebody in no more: they are logged out everywhere, and their tokens are void."""
    from console.access import users

    with _opened(settings_file) as (_, connection, now_ms):
        one = users.find_user(connection, name)
        users.change_user(connection, one.id, now_ms=now_ms, by=_BY, disabled=not undo)
    typer.echo(f"{one.name} can log in again." if undo else f"{one.name} is logged out everywhere and stays so.")


@app.command()
def token(
    name: Name,
    label: Annotated[str, typer.Option("--name", help="What it is for.")],
    scopes: Annotated[list[str], typer.Option("--scope", help="read:incidents ...; several: repeat it.")],
    settings_file: SettingsOption = None,
    days: Annotated[int, typer.Option(min=1, max=730, help="How long it holds.")] = 90,
) -> None:
    """Print a new API token of somebody. It is shown once."""
    from console.access import sessions, users
    from console.access.rules import Scope

    if wrong := [scope for scope in scopes if scope not in set(Scope)]:
        fail(f"there is no scope {wrong[0]!r}: take one of {', '.join(Scope)}")
    with _opened(settings_file) as (_, connection, now_ms):
        one = users.find_user(connection, name)
        if one.disabled:
            fail(f"{one.name!r} is disabled: `carecircle users disable {one.name} --undo` first")
        made = sessions.make_token(connection, one, label, map(Scope, scopes), days=days, now_ms=now_ms)
    typer.echo(made)


@contextmanager
def _opened(settings_file: Path | None) -> Iterator[tuple[Settings, Connection, int]]:
    """Settings, a transaction in the database that holds the users, and now."""
    from sqlalchemy.exc import OperationalError

    import registry
    from console.access.database import upgrade
    from console.access.errors import AccessError

    settings = load_settings(settings_file)
    try:
        engine = registry.create_engine(settings.resolved_database_url(), keys=settings.registry_keys())
        registry.upgrade(engine)
        upgrade(engine)
        with registry.writing(engine) as connection:
            yield settings, connection, time.time_ns() // 1_000_000
        engine.dispose()
    except (AccessError, registry.RegistryError) as error:
        fail(str(error))
    except OperationalError as error:
        fail(f"the database does not answer: {error.orig}")


def _password(file: Path | None) -> str:
    if file is None:
        return ""
    if str(file) == "-":
        return typer.prompt("Password", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        return file.read_text().strip()
    except OSError as error:
        fail(f"the password file {file} cannot be read: {error.strerror}")


def _link(settings: Settings, secret: str) -> str:
    return f"{settings.resolved_public_url()}/welcome/{secret}"


def _say_link(name: str, link: str) -> None:
    if not link:
        typer.echo(f"{name} can log in.")
        return
    typer.echo(f"{name} chooses a password here, once and within three days:")
    typer.echo(link)
