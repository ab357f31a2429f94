"""``carecircle demo``."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from carecircle.cli.common import fail

if TYPE_CHECKING:
    from carecircle.demo.run import View
    from carecircle.demo.summary import Summary

_SHOWN = 16


def demo(
    seconds: Annotated[
        float | None, typer.Option(min=10, help="Publish this long, then drain and sum up; default: until Ctrl-C.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the summary to this file.")] = None,
    source: Annotated[
        Literal["auto", "recordings", "synthetic"],
        typer.Option(help="Where motion comes from; auto: recordings where there are some."),
    ] = "auto",
    data: Annotated[
        Path, typer.Option(envvar="CARECIRCLE_DATA", help="Folder that has falls/ with the recordings.")
    ] = Path("../shared/data"),
    seed: Annotated[int | None, typer.Option(min=0, help="Who falls, when and how. Same seed, same falls.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Keep journals, databases and logs in this folder; default: thrown away.")
    ] = None,
) -> None:
    """Show everything at work: sensor data going in, falls found, responders called. Nothing to set up.

    Starts a broker, all roles, forty wearers and their responders on 127.0.0.1. Twelve falls and two calls for help
    happen in the first minute; half of them are acknowledged, the others go on to the next responder after ten seconds.
    Exits with 1 when a message was lost or a fall or call missed.
    """
    from carecircle.demo.run import DemoError, Options, run
    from firmware_sim.errors import SimulationError

    console = Console()
    console.print("Starting broker, gateway, processor, writer, alerts and console ...")
    said = False

    def show(view: View) -> None:
        nonlocal said
        if view.stage != "starting" and not said:
            console.print(f"Incident board: [bold link={view.console_url}]{view.console_url}[/]")
            said = True
        live.update(_picture(view))

    options = Options(seconds, data, source, seed, data_dir)
    try:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            summary = asyncio.run(run(options, show))
    except (DemoError, SimulationError) as error:
        fail(str(error), code=1)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(summary.as_json(), indent=2) + "\n")
    _say(console, summary)
    if summary.failed:
        raise typer.Exit(1)


def _picture(view: View) -> Group:
    progress = view.progress
    head = Text(f"{view.stage}: ", style="bold")
    if progress is not None:
        head.append(
            f"{progress.connected} devices connected, {progress.published} messages published,"
            f" {view.journaled} journaled; {progress.falls} falls and {progress.calls} calls for help so far"
        )
    table = Table(box=None, pad_edge=False)
    for column in ("incident", "who", "where", "state", "called"):
        table.add_column(column, overflow="ellipsis", no_wrap=True)
    called: dict[str, list[str]] = {}
    for notice in view.notices:
        names = called.setdefault(notice.incident, [])
        if notice.responder not in names:
            names.append(notice.responder)
    for incident in sorted(view.incidents, key=lambda one: -one.opened_ms)[:_SHOWN]:
        state = (
            "[green]acknowledged[/green]" if incident.acknowledged_ms is not None else f"[red]{incident.state}[/red]"
        )
        table.add_row(
            incident.kind, escape(incident.person_name), escape(incident.area_name), state,
            escape(" → ".join(called.get(incident.id, []))),
        )  # fmt: skip
    if len(view.incidents) > _SHOWN:
        table.caption = f"and {len(view.incidents) - _SHOWN} earlier ones"
    return Group(head, table)


def _say(console: Console, summary: Summary) -> None:
    score, latency = summary.score, summary.score.impact_to_notified_s
    table = Table(title="What happened, and what was made of it", title_justify="left", box=None, show_header=False)
    table.add_column(style="dim")
    table.add_column()
    origin = "real recordings" if summary.source == "recordings" else "synthesised (no recordings found)"
    table.add_row("motion", origin)
    table.add_row(
        "messages",
        f"{summary.messages_published} published, {summary.messages_journaled} journaled, {summary.messages_lost} lost",
    )
    table.add_row("falls", f"{score.falls_detected} of {score.falls_injected} found")
    table.add_row("calls for help", f"{score.sos_detected} of {score.sos_injected} found")
    table.add_row("false alarms", str(len(score.false_alarms)))
    table.add_row(
        "incidents",
        f"{summary.incidents}: {summary.notified} notified, {summary.acknowledged} acknowledged,"
        f" {summary.escalated} escalated",
    )
    if latency.p50 is not None:
        table.add_row(
            "impact to notified", f"p50 {latency.p50:.1f} s, p95 {latency.p95:.1f} s, max {latency.max:.1f} s"
        )
    for fall in score.falls_missed:
        table.add_row("[red]missed fall[/red]", f"{fall.device}, {fall.motion}")
    for press in score.sos_missed:
        table.add_row("[red]missed call[/red]", press.device)
    for found in score.false_alarms:
        table.add_row("[yellow]false alarm[/yellow]", f"{found.kind} of {found.device}")
    console.print(table)
