"""``carecircle doctor``."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from carecircle.cli.common import SettingsOption, load_settings

_MARKS = {"ok": "[green]ok[/green]", "warning": "[yellow]look[/yellow]", "problem": "[red]wrong[/red]"}


def doctor(
    settings_file: SettingsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check every connection and setting, and say what to do.

    Changes nothing and does not disturb a running system. Exits with 1 when something is wrong.
    """
    from carecircle.doctor import Level, examine

    settings = load_settings(settings_file)
    findings = list(examine(settings))
    if as_json:
        typer.echo(
            json.dumps([{"level": f.level, "what": f.what, "found": f.found, "advice": f.advice} for f in findings])
        )
    else:
        table = Table(box=None, pad_edge=False)
        table.add_column("")
        table.add_column("what", no_wrap=True)
        table.add_column("found", overflow="fold")
        for finding in findings:
            text = finding.found if not finding.advice else f"{finding.found}\n→ {finding.advice}"
            table.add_row(_MARKS[finding.level], finding.what, text)
        Console().print(table)
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(1)
