"""``carecircle evaluate routine``: how soon a collapse at home is noticed, and what is taken for one that is none."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from carecircle.evaluation.routine_plots import draw_delays, draw_limits
from carecircle.evaluation.routine_read import iso, read_collapses, read_events
from carecircle.evaluation.routine_run import Outcome, run
from detectors.errors import DetectorError

_NONE = np.empty(0, np.int64)


def routine(
    *, train: Path, test: Path, alarms: Path, collapses: Path | None, json_file: Path | None, out: Path | None
) -> None:
    """``carecircle evaluate routine``: the arguments are its options. Raises typer.Exit."""
    console = Console()
    complain = Console(stderr=True)
    try:
        learnt, watched = read_events(train), read_events(test)
        texts, collapses_us = read_collapses(collapses) if collapses else ([], _NONE)
        for path, events in ((train, learnt), (test, watched)):
            if events.unreadable:
                complain.print(f"{path}: {events.unreadable} lines could not be read", style="yellow")
        if learnt.t_us[-1] >= watched.t_us[0]:
            complain.print(
                "the training file overlaps the test: only what is before the test is learnt", style="yellow"
            )
        if len(collapses_us) and (
            collapses_us.min() < watched.t_us[0] or collapses_us.max() > watched.t_us[-1] + 86_400_000_000
        ):
            complain.print("some collapses lie outside the test file", style="yellow")
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ) as progress:
            task = progress.add_task("", total=1.0)
            outcome = run(
                learnt,
                watched,
                collapses_us,
                lambda what, share: progress.update(task, description=what, completed=share),
            )
    except DetectorError as error:
        complain.print(str(error), style="red", highlight=False)
        raise typer.Exit(2) from error
    written = [alarms]
    _write_alarms(alarms, outcome, texts)
    figures = figures_of(outcome)
    console.print(_table(figures, outcome))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        json_file = json_file or out / "figures.json"
        title = f"silence that is not normal, learned on {train.name} and {test.name}"
        draw_limits(out / "limits.png", outcome.limits, title)
        written.append(out / "limits.png")
        if len(outcome.minutes):
            draw_delays(out / "delays.png", outcome.minutes, outcome.rooms, f"collapses in {test.name}")
            written.append(out / "delays.png")
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(json_file)
    for path in written:
        console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)


def figures_of(outcome: Outcome) -> dict[str, Any]:
    """What a run comes to: findings of the unmodified stream by kind, and minutes to the alarm, of all and by room.

    A collapse without an alarm counts as a day.
    """
    minutes = np.where(np.isnan(outcome.minutes), 1440.0, outcome.minutes)
    rooms = np.array(outcome.rooms)
    parts = {"all": np.ones(len(minutes), bool)} | {room: rooms == room for room in sorted(set(outcome.rooms))}
    unmodified = [alarm.kind for alarm in outcome.alarms if alarm.case is None]
    return {
        "days": round(outcome.days, 3),
        "findings": {kind: unmodified.count(kind) for kind in sorted({"collapse", *unmodified})},
        "collapses": {
            name: {
                "cases": int(some.sum()),
                "p50_min": round(float(np.percentile(minutes[some], 50)), 2),
                "p90_min": round(float(np.percentile(minutes[some], 90)), 2),
                "without_alarm": int(np.isnan(outcome.minutes[some]).sum()),
            }
            for name, some in parts.items()
            if some.any()
        },
        "readings_ignored": outcome.ignored,
    }


def _table(figures: dict[str, Any], outcome: Outcome) -> Table:
    found = ", ".join(f"{count} {kind}" for kind, count in figures["findings"].items())
    table = Table(title=f"{outcome.days:.1f} days without a collapse: {found} (collapse: false)")
    for name in ("last seen in", "collapses", "p50 min", "p90 min", "without an alarm"):
        table.add_column(name, justify="left" if name == "last seen in" else "right")
    for name, row in figures["collapses"].items():
        table.add_row(
            name or "unknown", str(row["cases"]), f"{row['p50_min']:.0f}", f"{row['p90_min']:.0f}",
            str(row["without_alarm"]),
        )  # fmt: skip
    return table


def _write_alarms(path: Path, outcome: Outcome, texts: list[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "t", "alarm_t", "kind"])
        for alarm in outcome.alarms:
            case = ["", ""] if alarm.case is None else [alarm.case, texts[alarm.case]]
            writer.writerow([*case, iso(alarm.t_ms * 1000), alarm.kind])
