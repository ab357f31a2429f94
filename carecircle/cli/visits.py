"""``carecircle visits``: who is to be called or visited, and what became of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from carecircle.cli.common import SettingsOption, fail, load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from alerts.visits import VisitView
    from carecircle.settings import Settings

app = typer.Typer(
    name="visits", help="Recurring calls and visits: what is due, done or missed, and by whom.", no_args_is_help=True
)

Plan = Annotated[str, typer.Argument(help="The id of the plan, from `carecircle visits list`.")]
By = Annotated[str, typer.Option("--by", help="Who made it, or tried: the id of a responder.")]
On = Annotated[str, typer.Option("--on", help="The day that it was due, 2026-03-02; default: the last that is open.")]
NoteText = Annotated[str, typer.Option("--note", help="What is to be remembered.")]


@app.command("list")
def list_(
    settings_file: SettingsOption = None,
    since: Annotated[str, typer.Option("--from", help="First day, 2026-03-01; default: a week ago.")] = "",
    until: Annotated[str, typer.Option("--to", help="Last day, it counts too; default: in a week.")] = "",
    open_only: Annotated[bool, typer.Option("--open", help="Only what is neither done nor missed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """The visits of a period by their time: open, done or missed, and by whom."""
    from alerts.visits import visits

    with _opened(settings_file) as (settings, engine, now_ms):
        zone = ZoneInfo(settings.console.time_zone)
        today = datetime.fromtimestamp(now_ms / 1000, zone).date()
        first = _day(since) if since else today - timedelta(days=7)
        last = _day(until) if until else today + timedelta(days=7)
        found = visits(engine, _midnight_ms(first, zone), _midnight_ms(last + timedelta(days=1), zone))
    shown = [one for one in found if not (open_only and one.state)]
    if as_json:
        typer.echo(json.dumps([_plain(one) for one in shown]))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("due", "plan", "kind", "person", "for", "state", "by", "note"):
        table.add_column(name)
    for one in shown:
        state = one.state.value if one.state else "open" if one.deadline_ms > now_ms else "overdue"
        at = datetime.fromtimestamp(one.due_ms / 1000, ZoneInfo(one.plan.zone))
        words = (f"{at:%Y-%m-%d %H:%M}", one.plan.id, one.plan.kind, one.plan.person, one.plan.responder, state)
        table.add_row(*(escape(text) for text in (*words, one.who, one.note)))
    Console().print(table)


@app.command()
def done(plan: Plan, by: By, settings_file: SettingsOption = None, on: On = "", note: NoteText = "") -> None:
    """Write that a visit was made: the last that was due, else the next one; --on names another."""
    from alerts.visits import visit_done

    with _opened(settings_file) as (_, engine, now_ms):
        _check_responder(engine, by)
        _say(visit_done(engine, plan, by, now_ms, on=on, note=note))


@app.command()
def missed(plan: Plan, by: By, settings_file: SettingsOption = None, on: On = "", note: NoteText = "") -> None:
    """Write that nobody was met: an incident of low severity, now. When the time passes it is opened by itself."""
    from alerts.settings import AlertSettings
    from alerts.visits import visit_missed

    with _opened(settings_file) as (settings, engine, now_ms):
        _check_responder(engine, by)
        rules = AlertSettings(link_key=settings.link_key(), public_url=settings.resolved_public_url()).rules
        _say(visit_missed(engine, plan, by, now_ms, rules, on=on, note=note))


@contextmanager
def _opened(settings_file: Path | None) -> Iterator[tuple[Settings, Engine, int]]:
    from alerts.errors import VisitError
    from carecircle.roles import prepare

    settings = load_settings(settings_file)
    engine = prepare(settings)
    try:
        yield settings, engine, time.time_ns() // 1_000_000
    except VisitError as error:
        fail(str(error))
    finally:
        engine.dispose()


def _check_responder(engine: Engine, who: str) -> None:
    import registry

    if registry.directory(engine, secrets=False).responder(who) is None:
        fail(f"there is no responder {who!r} in the registry")


def _say(view: VisitView) -> None:
    at = datetime.fromtimestamp(view.due_ms / 1000, ZoneInfo(view.plan.zone))
    state = view.state.value if view.state else ""
    said = f"{view.plan.id}: the {view.plan.kind} of {at:%Y-%m-%d %H:%M} is {state}, says {view.who}"
    Console().print(said, highlight=False, markup=False)


def _plain(view: VisitView) -> dict[str, object]:
    return {
        "plan": view.plan.id,
        "kind": view.plan.kind,
        "person": view.plan.person,
        "responder": view.plan.responder,
        "due_ms": view.due_ms,
        "deadline_ms": view.deadline_ms,
        "state": view.state.value if view.state else None,
        "by": view.who,
        "at_ms": view.at_ms,
        "note": view.note,
    }


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is no day: write it as 2026-03-01")


def _midnight_ms(day: date, zone: ZoneInfo) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
