"""`carecircle incidents`: what is open, how an incident went, and who else is told of it."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from carecircle.cli.common import SettingsOption, fail, load_settings
from carecircle.cli.registry import open_registry

if TYPE_CHECKING:
    from sqlalchemy import Engine

app = typer.Typer(name="incidents", help="What is open, how an incident went, and referrals.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The incident's id, from `carecircle incidents list`.")]
_HOUR_MS = 3_600_000


@app.command("list")
def list_(
    settings: SettingsOption = None,
    hours: Annotated[float, typer.Option("--resolved", min=0, help="Also those closed in the last so many hours.")] = 0,
) -> None:
    """The open incidents, the most urgent first."""
    from alerts.queries import open_incidents

    engine, zone, now_ms = _opened(settings)
    since_ms = now_ms - round(hours * _HOUR_MS) if hours else None
    found = open_incidents(engine, resolved_since_ms=since_ms)
    out = Console(highlight=False)
    if not found:
        out.print("No open incident.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "opened", "kind", "severity", "state", "person", "area", "by"):
        table.add_column(name)
    for one in found:
        who = one.person_name or one.device
        words = (one.id, _local(one.opened_ms, zone), one.kind, one.severity.value, one.state.value, who, one.area_name)
        table.add_row(*(escape(word) for word in (*words, one.acknowledged_by_name)))
    out.print(table)


@app.command()
def show(incident: Id, settings: SettingsOption = None) -> None:
    """The time line of an incident."""
    from alerts.queries import incident_detail

    engine, zone, _ = _opened(settings)
    detail = incident_detail(engine, incident)
    if detail is None:
        fail(f"there is no incident {incident!r}: `carecircle incidents list --resolved 24` has those of a day")
    one = detail.incident
    out = Console(highlight=False, soft_wrap=True)
    outcome = f", {one.outcome.value}" if one.outcome is not None else ""
    head = f"{one.kind} ({one.severity.value}), {one.person_name or one.device}, {one.area_name}"
    out.print(escape(f"{head}: {one.state.value}{outcome}"))
    for entry in detail.timeline:
        line = f"{_local(entry.at_ms, zone)}  {entry.what}  {entry.who_name}  {_words(entry.data)}"
        out.print(escape(line.rstrip()))


@app.command()
def refer(
    incident: Id,
    to: Annotated[str, typer.Option("--to", help="A relation such as family_doctor, or the id of a responder.")],
    by: Annotated[str, typer.Option("--by", help="Who refers it: the id of a responder, or a name.")],
    settings: SettingsOption = None,
    note: Annotated[str, typer.Option("--note", help="What they should know besides.")] = "",
    vitals: Annotated[str, typer.Option("--vitals", help="What was measured around it, in words.")] = "",
) -> None:
    """Tell the family doctor, a hospital team or a responder of an incident. Exit code 1 when they were told before."""
    from alerts.referral import ReferralAnswer
    from alerts.referral import refer as refer_to

    engine, _, now_ms = _opened(settings)
    result = refer_to(engine, incident, by, to, now_ms, note=note, vitals=vitals, via="command")
    whom = f"{result.name} ({result.responder})"
    if result.answer is ReferralAnswer.UNKNOWN:
        fail(f"there is no incident {incident!r}")
    if result.answer is ReferralAnswer.NOBODY:
        fail(f"there is no responder {to!r}, and the person has no contact of this relation: add one to contacts")
    if result.answer is ReferralAnswer.NO_CHANNEL:
        fail(f"{whom} has no channel: use the phone")
    if result.answer is ReferralAnswer.ALREADY:
        fail(f"{whom} was told the same before, and nothing has changed since", code=1)
    Console(highlight=False).print(escape(f"Referred to {whom}."))


def _opened(path: Path | None) -> tuple[Engine, ZoneInfo, int]:
    import alerts

    engine = open_registry(path)
    alerts.upgrade(engine)
    return engine, ZoneInfo(load_settings(path).console.time_zone), time.time_ns() // 1_000_000


def _local(at_ms: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, zone):%Y-%m-%d %H:%M:%S}"


def _words(data: dict[str, Any]) -> str:
    """What a row of the time line carries, on one line."""
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for key, value in data.items()
    }
    return " ".join(f"{key}={text}" for key, text in texts.items() if text)
