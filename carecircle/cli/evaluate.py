"""``carecircle evaluate``: how good the detectors are, on recordings and on people who do not exist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure the detectors on recordings.", no_args_is_help=True)

JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the figures here.")]
OutOption = Annotated[Path | None, typer.Option(help="Write figures.json and the plots (PNG) into this folder.")]


@app.callback()
def _group() -> None:
    """Measure the detectors on recordings."""


@app.command()
def routine(
    train: Annotated[Path, typer.Option(help="Home events to learn from: date time room sensor state, local time.")],
    test: Annotated[Path, typer.Option(help="Later events of the same home.")],
    alarms: Annotated[Path, typer.Option(help="Write case,t,alarm_t,kind here.")],
    collapses: Annotated[
        Path | None,
        typer.Option(help="CSV with a column t: after each, all events are dropped and the clock runs on for 24 h."),
    ] = None,
    json_file: JsonOption = None,
    out: OutOption = None,
) -> None:
    """Run the production routine detector over the events of one home, without looking at a label."""
    from carecircle.evaluation import routine_command

    routine_command.routine(
        train=train, test=test, alarms=alarms, collapses=collapses, json_file=json_file, out=out
    )  # fmt: skip


@app.command()
def vitals(
    people: Annotated[int, typer.Option(help="How many; every other one deteriorates once.")] = 240,
    days: Annotated[int, typer.Option(help="How long, 18 at least.")] = 28,
    seed: Annotated[int, typer.Option(help="Of the cohort. The thresholds were chosen on 101 to 109.")] = 1,
    every_s: Annotated[int, typer.Option(help="How often a watch measures.")] = 120,
    json_file: JsonOption = None,
    out: OutOption = None,
) -> None:
    """Run the production vitals detector over people who do not exist, with labelled deterioration."""
    from carecircle.evaluation import vitals_command

    vitals_command.vitals(people=people, days=days, seed=seed, every_s=every_s, json_file=json_file, out=out)


@app.command()
def falls(
    data: Annotated[Path, typer.Option(help="Folder with index.csv and the npz files.")],
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="Measure on this data set only; may be given again. --cross-validate still trains on all."),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights file instead of the shipped one.")] = None,
    json_file: JsonOption = None,
    alarms_file: Annotated[Path | None, typer.Option("--alarms", help="Write key,impact_s,alarm_s,score here.")] = None,
    cross_validate: Annotated[
        bool, typer.Option("--cross-validate", help="Train anew without each fifth of the people, and measure on it.")
    ] = False,
    stress: Annotated[
        bool, typer.Option("--stress", help="Measure also with turned, clipped, slow, lossy and miscalibrated sensors.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of what --stress draws.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the whole report here: figures.json, alarms.csv, errors.html and the plots (PNG)."),
    ] = None,
) -> None:
    """Run the production fall detector over a folder of recordings, as one continuous stream per person."""
    from carecircle.evaluation import falls_command

    falls_command.falls(
        data=data, dataset=dataset or [], weights=weights, json_file=json_file, alarms_file=alarms_file,
        cross_validate=cross_validate, stress=stress, seed=seed, out=out,
    )  # fmt: skip
