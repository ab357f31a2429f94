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
    run_dir: Annotated[
        Path | None, typer.Option("--run", help="Leave scenario, truth and findings here, for `carecircle score`.")
    ] = None,
    scenario: Annotated[
        str, typer.Option(help="Another scenario: a file, or one of `carecircle simulate --list`.")
    ] = "demo",
) -> None:
    """Show everything at work: sensor data going in, falls found, responders called. Nothing to set up.

    Starts a broker, all roles, forty wearers and their responders on 127.0.0.1. Twelve falls and two calls for help
    happen in the first minute; half of them are acknowledged, the others go on to the next responder after ten seconds.
    Exits with 1 when a message was lost or a fall or call missed.
    """
    from carecircle.demo.run import DemoError, Options, run
    from carecircle.score import ScoreError
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

    options = Options(seconds, data, source, seed, data_dir, run_dir, scenario)
    try:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            summary = asyncio.run(run(options, show))
    except (DemoError, ScoreError, SimulationError) as error:
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
    from carecircle.score.table import show

    origin = "real recordings" if summary.source == "recordings" else "synthesised (no recordings found)"
    console.print(f"motion: {origin}", highlight=False)
    console.print(
        f"messages: {summary.messages_published} published, {summary.messages_journaled} journaled,"
        f" {summary.messages_lost} lost",
        highlight=False,
    )
    console.print(
        f"incidents: {summary.incidents}, {summary.notified} notified, {summary.acknowledged} acknowledged,"
        f" {summary.escalated} escalated",
        highlight=False,
    )
    show(console, summary.score, summary.truth)
