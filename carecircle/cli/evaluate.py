"""``carecircle evaluate``: how good the detectors are, on recordings."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from detectors.errors import DetectorError
from detectors.fall.bank import FallBank
from detectors.fall.model import FallModel, load_model, shipped_model
from detectors.fall.recordings import Stream, read_folder
from detectors.fall.ring import FS_HZ
from detectors.fall.scoring import Alarm, Figures, Share, figures, run
from detectors.parameters import FallParameters

app = typer.Typer(help="Measure the detectors on recordings.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure the detectors on recordings."""


@app.command()
def falls(
    data: Annotated[Path, typer.Option(help="Folder with index.csv and the npz files.")],
    weights: Annotated[Path | None, typer.Option(help="Weights file instead of the shipped one.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    alarms_file: Annotated[Path | None, typer.Option("--alarms", help="Write key,impact_s,alarm_s,score here.")] = None,
    cross_validate: Annotated[
        bool, typer.Option("--cross-validate", help="Train anew without each fifth of the people, and measure on it.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write figures.json and alarms.csv into this folder.")] = None,
) -> None:
    """Run the production fall detector over a folder of recordings, as one continuous stream per person."""
    console = Console()
    complain = Console(stderr=True)
    try:
        folder = read_folder(data)
        model = load_model(weights) if weights else None if cross_validate else shipped_model()
        for dataset in folder.absent:
            complain.print(f"{dataset}.npz is not in {data}: its recordings are not evaluated", style="yellow")
        if not folder.streams:
            raise DetectorError(f"{data} has none of the npz files that its index.csv names")
        if cross_validate and weights:
            raise DetectorError("--cross-validate trains its own weights: leave --weights away")
        streams = list(folder.streams)
        found = _cross_validated(streams, console) if model is None else _evaluated(streams, model, console)
    except DetectorError as error:
        complain.print(str(error), style="red", highlight=False)
        raise typer.Exit(2) from error
    rows = _figures(streams, found)
    note = "cross-validated by subject" if model is None else _acquaintance(streams, model)
    console.print(_table(rows, note))
    report = {
        "data": str(data.name),
        "weights": "cross-validated" if model is None else str(weights.name if weights else "shipped"),
        "note": note,
        "absent": list(folder.absent),
        "figures": [_plain(row) for row in rows],
    }
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        json_file, alarms_file = json_file or out / "figures.json", alarms_file or out / "alarms.csv"
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n")
    if alarms_file is not None:
        _write_alarms(alarms_file, found)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console, transient=True
    )


def _seconds(streams: Sequence[Stream]) -> int:
    return sum(-(-len(stream.acc) // FS_HZ) for stream in streams)


def _evaluated(streams: list[Stream], model: FallModel, console: Console) -> list[Alarm]:
    with _progress(console) as progress:
        task = progress.add_task("evaluating", total=_seconds(streams))
        return run(FallBank(model), streams, tell=lambda seconds: progress.advance(task, seconds))


def _cross_validated(streams: list[Stream], console: Console) -> list[Alarm]:
    from detectors.fall.learn import cross_validated_heads

    found: list[Alarm] = []
    with _progress(console) as progress:
        training = progress.add_task("training", total=None)
        parts = cross_validated_heads(
            streams, FallParameters(), seed=0, tell=lambda text: progress.update(training, description=text)
        )
        progress.update(training, description="trained", total=1, completed=1)
        task = progress.add_task("evaluating", total=_seconds(streams))
        for some, heads in parts:
            model = FallModel(heads, b"cross-validation")
            found += run(FallBank(model), some, tell=lambda seconds: progress.advance(task, seconds))
    return found


def _acquaintance(streams: Sequence[Stream], model: FallModel) -> str:
    """Whether the weights were trained on these people, by their provenance."""
    datasets: dict[str, Any] = model.provenance.get("datasets", {})
    if not datasets:
        return "the weights say nothing of where they come from: these people may have been trained on"
    known = sum(stream.subject in datasets.get(stream.dataset, {}).get("subjects", []) for stream in streams)
    if known == len(streams):
        return "TRAINED ON THESE SUBJECTS: not a measure of how it does on other people"
    if known:
        return f"TRAINED ON {known} of these {len(streams)} subjects: not a measure of how it does on other people"
    return "none of these subjects was trained on"


def _figures(streams: Sequence[Stream], found: Sequence[Alarm]) -> list[Figures]:
    rows = []
    for dataset in dict.fromkeys(stream.dataset for stream in streams):
        recordings = [r for stream in streams if stream.dataset == dataset for r in stream.recordings]
        rows.append(figures(dataset, recordings, found))
    everything = [r for stream in streams for r in stream.recordings]
    elderly = [r for r in everything if r.elderly and not r.is_fall]
    return [*rows, figures("elderly ADL", elderly, found), figures("all", everything, found)]


def _table(rows: Sequence[Figures], note: str) -> Table:
    table = Table(title="Falls on the strict stream, operating point balanced", caption=note)
    for name in ("", "falls found", "sensitivity %", "ADL files quiet", "specificity %", "false alarms", "per hour"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_column("latency p50 / p95 s", justify="right")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.sensitivity.hits}/{row.sensitivity.total}",
            _percent(row.sensitivity),
            f"{row.specificity.hits}/{row.specificity.total}",
            _percent(row.specificity),
            f"{row.false_alarms} in {row.adl_hours:.2f} h",
            "" if math.isnan(row.false_alarms_per_hour) else f"{row.false_alarms_per_hour:.2f}",
            "" if math.isnan(row.latency_p95_s) else f"{row.latency_p50_s:.2f} / {row.latency_p95_s:.2f}",
        )
    return table


def _percent(share: Share) -> str:
    if not share.total:
        return ""
    low, high = share.interval
    return f"{100 * share.value:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def _plain(row: Figures) -> dict[str, Any]:
    """For JSON: NaN is null, and the derived numbers are there."""
    plain: dict[str, Any] = dataclasses.asdict(row)
    plain["false_alarms_per_hour"] = row.false_alarms_per_hour
    for name, share in (("sensitivity", row.sensitivity), ("specificity", row.specificity)):
        plain[name] |= {"value": share.value, "wilson_95": list(share.interval)}
    return _without_nan(plain)


def _without_nan(plain: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in plain.items():
        if isinstance(value, dict):
            out[name] = _without_nan(value)
        else:
            out[name] = None if isinstance(value, float) and math.isnan(value) else value
    return out


def _write_alarms(path: Path, found: Sequence[Alarm]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "impact_s", "alarm_s", "score"])
        for alarm in sorted(found, key=lambda one: (one.recording.key, one.impact_s)):
            writer.writerow(
                [alarm.recording.key, f"{alarm.impact_s:.2f}", f"{alarm.alarm_s:.2f}", f"{alarm.score:.4f}"]
            )
