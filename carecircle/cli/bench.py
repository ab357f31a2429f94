"""``carecircle bench``: how fast it is on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.status import Status
from rich.table import Table

from carecircle.cli.common import fail

app = typer.Typer(no_args_is_help=True, help="Measure on this machine. Read ratios rather than absolute figures.")

JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")]


PlotOption = Annotated[Path | None, typer.Option("--plot", help="Draw the figures into this file, e.g. bench.png.")]


@app.command()
def ingest(
    quick: Annotated[bool, typer.Option("--quick", help="A minute instead of about five: rougher figures.")] = False,
    seconds: Annotated[int, typer.Option(min=5, max=300, help="How long the live part publishes.")] = 20,
    rate: Annotated[int, typer.Option(min=100, max=50_000, help="Its frames a second, and wearers.")] = 6000,
    json_file: JsonOption = None,
    plot: PlotOption = None,
) -> None:
    """Motion frames from the socket to the store, side by side with paho, aiomqtt and mosquitto_sub."""
    from bench.ingest import GOALS, BenchError, run
    from bench.ingest_plot import draw

    console = Console()
    try:
        with console.status("") as status:
            result = run(quick=quick, seconds=seconds, rate=rate, say=_sayer(console, status))
    except BenchError as error:
        fail(str(error), code=1)
    _show(console, result)
    table = Table(title="Against the goals", title_justify="left", box=None)
    for heading in ("", "measured", "floor", "goal", "reaches"):
        table.add_column(heading, justify="left" if heading in ("", "reaches") else "right")
    for goal in GOALS:
        value, verdict = goal.verdict(result)
        sign = ">=" if goal.least else "<="
        shown = "-" if value is None else f"{value:,g}"
        table.add_row(goal.what, shown, f"{sign} {goal.floor:,g}", f"{sign} {goal.goal:,g}", verdict)
    console.print(table)
    _write(result, json_file)
    if plot is not None:
        draw(result, plot)


@app.command()
def detect(json_file: JsonOption = None, plot: PlotOption = None) -> None:
    """The fall detector alone: share of a core for a district's wearers, by impacts per hour."""
    from bench.detect import sweep
    from bench.part_plots import draw_detect

    console = Console()
    with console.status("no impacts, 60 and 1,000 per wearer and hour"):
        result = sweep()
    _show(console, result)
    _write(result, json_file)
    if plot is not None:
        draw_detect(result, plot)


@app.command()
def store(json_file: JsonOption = None, plot: PlotOption = None) -> None:
    """Points written and read a second, per store."""
    from bench.part_plots import draw_store
    from bench.store import run

    console = Console()
    with console.status("writing and reading"):
        result = run()
    _show(console, result)
    _write(result, json_file)
    if plot is not None:
        draw_store(result, plot)


@app.command()
def lianhu(
    seconds: Annotated[float, typer.Option(min=20, max=86_400, help="How long to publish.")] = 600,
    wearers: Annotated[int | None, typer.Option(min=10, max=50_000, help="Instead of the scenario's 18,000.")] = None,
    json_file: JsonOption = None,
    plot: Annotated[Path | None, typer.Option(help="Draw processor time, memory and backlog into this file.")] = None,
) -> None:
    """A whole district for ten minutes: broker, gateway, processor, writer, alerts and 18,000 simulated wearers."""
    from bench.lianhu import run
    from bench.lianhu_plot import draw
    from bench.waiting import BenchError

    console = Console()
    try:
        result = run(seconds=seconds, wearers=wearers, say=lambda text: console.print(text, style="dim"))
    except BenchError as error:
        fail(str(error), code=1)
    _show(console, {name: value for name, value in result.items() if name != "series"})
    _write(result, json_file)
    if plot is not None:
        draw(result, plot)


def _sayer(console: Console, status: Status) -> Callable[[str], None]:
    """Says what is going on: in the last line with a spinner, and above it with the time since the start."""
    begun_s = time.monotonic()

    def say(text: str) -> None:
        status.update(text)
        console.print(f"{time.monotonic() - begun_s:4.0f} s  {text}", style="dim", highlight=False)

    return say


def _show(console: Console, result: dict[str, Any], heading: str = "") -> None:
    table = Table(box=None, show_header=False, title=heading or None, title_justify="left")
    table.add_column(style="dim")
    table.add_column(justify="right")
    deeper: list[tuple[str, dict[str, Any]]] = []
    for name, value in result.items():
        if isinstance(value, dict):
            deeper.append((name, value))
        else:
            shown = (
                f"{value:,}" if isinstance(value, int) else f"{value:,.3g}" if isinstance(value, float) else str(value)
            )
            table.add_row(name.replace("_", " "), shown)
    if table.row_count:
        console.print(table)
    for name, value in deeper:
        _show(console, value, f"{heading} {name.replace('_', ' ')}".strip())


def _write(result: dict[str, Any], path: Path | None) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2) + "\n")
