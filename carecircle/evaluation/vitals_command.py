"""``carecircle evaluate vitals``: how early deteriorations of simulated people are found, and alarms for nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from carecircle.cli.common import fail
from carecircle.evaluation.progress import progress_on
from carecircle.evaluation.vitals_plots import draw_alarms, draw_leads
from carecircle.evaluation.vitals_run import run
from carecircle.evaluation.vitals_score import cases, figures_of
from firmware_sim.cohort import Cohort
from firmware_sim.errors import SimulationError


def vitals(*, people: int, days: int, seed: int, every_s: int, json_file: Path | None, out: Path | None) -> None:
    """``carecircle evaluate vitals``: the arguments are its options. Raises typer.Exit."""
    console = Console()
    try:
        cohort = Cohort(people=people, days=days, seed=seed, every_s=every_s)
    except SimulationError as error:
        fail(str(error))
    with progress_on(console) as progress:
        task = progress.add_task(f"{people} people, {days} days", total=1.0)
        outcome = run(cohort, lambda share: progress.update(task, completed=share))
    figures = {"seed": seed} | figures_of(outcome)
    for table in tables_of(figures):
        console.print(table)
    written = []
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        json_file = json_file or out / "figures.json"
        title = f"{people} simulated people, {days} days, seed {seed}"
        draw_leads(out / "leads.png", cases(outcome), figures["deteriorations"], title)
        draw_alarms(out / "alarms.png", figures, title)
        written += [out / "leads.png", out / "alarms.png"]
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        written.append(json_file)
    for path in written:
        console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)


def tables_of(figures: dict[str, Any]) -> list[Table]:
    """Found by kind, alarms for nothing, artefacts."""
    found = _table(
        "Deteriorations found by the event",
        *("kind", "found % (interval)", "urgent %", "by chance %", "hours before\n10/50/90 %", "alarms\neach"),
    )
    for kind, row in figures["deteriorations"].items():
        lead = row["lead_h"]
        hours = "/".join(f"{lead[name]:.1f}" for name in ("p10", "p50", "p90")) if lead else ""
        urgent, chance = _percent(row["urgent_by_the_event"]), f"{100 * row['by_chance']:.0f}"
        found.add_row(_words(kind), _share(row["by_the_event"]), urgent, chance, hours, f"{row['alarms_each']:.1f}")
    measured = [
        f"{_words(kind).capitalize()}: {row['measured_by_the_event']['hits']} measured a value beyond a limit by then."
        for kind, row in figures["deteriorations"].items()
        if kind != "all" and row["measured_by_the_event"]
    ]
    found.caption = (
        "Found: an alarm of a rule that fits the kind. By chance: how many would have had one without any reason. "
        + " ".join(measured)
    )
    calm = _table(
        "Alarms a person and week without a deterioration", "who", "weeks", "all", "critical", "urgent", "warning"
    )
    for name, row in figures["without_deterioration"].items():
        rates = row["by_severity_per_person_week"]
        parts = [f"{rates[severity]:.3f}" for severity in ("critical", "urgent", "warning")]
        calm.add_row(
            name.replace("_", " "), f"{row['person_weeks']:.0f}", f"{row['alarms_per_person_week']:.3f}", *parts
        )
    plain = figures["plain_chart"]
    calm.caption = (
        f"NEWS2 as on paper, every value taken as it comes: {plain['alarms_per_person_week']:.1f} a person and week, "
        f"{_percent(plain['by_the_event'])} % found by the event."
    )
    wrong = _table("Artefacts", "kind", "how many", "device finding %", "alarm about the person %", "by chance %")
    for kind, row in figures["artefacts"].items():
        shares = (_share(row["device_finding"]), _share(row["alarm_about_the_person"]))
        wrong.add_row(_words(kind), str(row["spans"]), *shares, f"{100 * row['by_chance']:.1f}")
    wrong.caption = f"Device findings a person and week: {figures['device_findings_per_person_week']:.2f}."
    return [found, calm, wrong]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption_justify="left")
    for nth, name in enumerate(columns):
        table.add_column(name, justify="right" if nth else "left", overflow="fold")
    return table


def _percent(share: dict[str, Any]) -> str:
    return f"{100 * share['share']:.0f}" if share["of"] else ""


def _share(share: dict[str, Any]) -> str:
    if not share["of"]:
        return ""
    low, high = share["wilson_95"]
    return f"{_percent(share)} ({100 * low:.0f}-{100 * high:.0f})"


def _words(name: str) -> str:
    return name.replace("_", " ")
