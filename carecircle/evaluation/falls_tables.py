"""The tables of ``carecircle evaluate falls``: whole numbers at 80 columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.table import Table

from detectors.fall.scoring import Figures
from telemetry.shares import Share


def figures_table(rows: Sequence[Figures], note: str) -> Table:
    """A row of two lines for each group of recordings."""
    table = _table("Falls on the strict stream, operating point balanced", "")
    table.caption = (
        "Second lines: percent with its 95 % interval (Wilson). Quiet: recordings of daily living without an alarm. "
        f"Delay: seconds from the labelled impact to the alarm, half of them and 95 % of them below. {_sentence(note)}"
    )
    for row in rows:
        _add(table, row.name, row)
    return table


def stress_table(conditions: Sequence[tuple[str, Sequence[Figures]]], seed: int, note: str) -> Table:
    """A section for each group of recordings, a row in it for each condition."""
    table = _table("Falls under stress, operating point balanced", "condition")
    table.caption = (
        f"Same recordings and weights; turned, lost and gain drawn per person with seed {seed}; "
        f"25 Hz: every other sample. {_sentence(note)}"
    )
    names = [row.name for row in conditions[0][1]] if conditions else []
    for i, name in enumerate(names):
        table.add_row(f"[bold]{name}", end_section=False)
        for condition, rows in conditions:
            _add(table, condition, rows[i])
        table.add_section()
    return table


def _table(title: str, first: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption_justify="left")
    table.add_column(first, overflow="fold")
    for name in ("falls found\n% (interval)", "quiet\n% (interval)", "false alarms\nper hour", "delay\n50/95%"):
        table.add_column(name, justify="right", overflow="fold")
    return table


def _add(table: Table, name: str, row: Figures) -> None:
    delay = "" if math.isnan(row.latency_p95_s) else f"{row.latency_p50_s:.2f}\n{row.latency_p95_s:.2f}"
    hourly = "" if math.isnan(row.false_alarms_per_hour) else f"{row.false_alarms} in {row.adl_hours:.1f} h"
    if hourly:
        hourly += f"\n{row.false_alarms_per_hour:.2f}"
    table.add_row(name, _share(row.sensitivity), _share(row.specificity), hourly, delay)


def _share(share: Share) -> str:
    if not share.total:
        return ""
    low, high = share.interval
    return f"{share.hits}/{share.total}\n{_percent(share.value)} ({_percent(low)}-{_percent(high)})"


def _percent(share: float) -> str:
    return "100" if share > 1.0 - 1e-9 else f"{100 * share:.1f}"


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}."
