"""What ``carecircle evaluate falls`` does: the production bank over a folder of recordings, tables, plots, files."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from carecircle.evaluation.falls_calibration import Calibration, Reliability, reliability
from carecircle.evaluation.falls_decisions import Decision, decide, latencies_s, tradeoff
from carecircle.evaluation.falls_plots import draw_latency, draw_reliability, draw_tradeoff
from carecircle.evaluation.falls_report import write_errors
from carecircle.evaluation.falls_run import Heard, alarms_of, listen
from carecircle.evaluation.falls_stress import STRESSES, Stress
from carecircle.evaluation.falls_tables import figures_table, stress_table
from carecircle.evaluation.progress import progress_on
from detectors.errors import DetectorError
from detectors.fall.bank import FallBank
from detectors.fall.model import FallModel
from detectors.fall.recordings import Stream, read_folder
from detectors.fall.ring import FS_HZ
from detectors.fall.scoring import Alarm, Figures, figures
from detectors.fall.weights import load_model, shipped_model
from detectors.parameters import FallParameters

#: One to be measured, one to set the thresholds, one to learn from.
_LEAST_PEOPLE = 3
#: Weights, and the people they are measured on.
Part = tuple[list[Stream], FallModel]


def falls(
    *,
    data: Path,
    dataset: Sequence[str],
    weights: Path | None,
    json_file: Path | None,
    alarms_file: Path | None,
    cross_validate: bool,
    stress: bool,
    seed: int,
    out: Path | None,
) -> None:
    """``carecircle evaluate falls``: the arguments are its options. Raises typer.Exit."""
    console = Console()
    complain = Console(stderr=True)
    try:
        folder = read_folder(data)
        model = load_model(weights) if weights else None if cross_validate else shipped_model()
        for absent in folder.absent:
            complain.print(f"{absent}.npz is not in {data}: its recordings are not evaluated", style="yellow")
        if not folder.streams:
            raise DetectorError(f"{data} has none of the npz files that its index.csv names")
        if cross_validate and weights:
            raise DetectorError("--cross-validate trains its own weights: leave --weights away")
        streams = _chosen(folder.streams, dataset)
        parts = _cross_validated(folder.streams, streams, console) if model is None else [(streams, model)]
    except DetectorError as error:
        complain.print(str(error), style="red", highlight=False)
        raise typer.Exit(2) from error
    heard = _heard(parts, console, "evaluating")
    found = alarms_of(heard)
    rows = _figures(streams, found)
    note = "cross-validated by subject" if model is None else _acquaintance(streams, model)
    console.print(figures_table(rows, note))
    report: dict[str, Any] = {
        "data": str(data.name),
        "weights": "cross-validated" if model is None else str(weights.name if weights else "shipped"),
        "note": note,
        "absent": list(folder.absent),
        "figures": [_plain(row) for row in rows],
    }
    if stress:
        conditions = [("as recorded", rows)]
        for one in STRESSES:
            under = _heard(parts, console, one.name, stress=one, seed=seed)
            conditions += [(one.name, _figures(streams, alarms_of(under)))]
        console.print(stress_table(conditions, seed, note))
        report["stress"] = {
            "seed": seed,
            "note": note,
            "conditions": [{"name": name, "figures": [_plain(row) for row in some]} for name, some in conditions],
        }
    written = []
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        json_file, alarms_file = json_file or out / "figures.json", alarms_file or out / "alarms.csv"
    if json_file is not None:
        decisions = _decided(parts, console)
        calibrations = reliability((stream.placement for stream in streams), heard, decisions)
        report["calibration"] = [_plain_reliability(one) for one in calibrations]
        if out is not None:
            draw_reliability(out / "reliability.png", calibrations, note)
            written += [out / "reliability.png", *_write_report(out, streams, parts, heard, decisions, rows, note)]
        json_file.write_text(json.dumps(report, indent=2) + "\n")
        written.append(json_file)
    if alarms_file is not None:
        _write_alarms(alarms_file, found)
        written.append(alarms_file)
    for path in written:
        console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)


def _seconds(streams: Sequence[Stream]) -> int:
    return sum(-(-len(stream.acc) // FS_HZ) for stream in streams)


def _heard(
    parts: Sequence[Part], console: Console, what: str, *, stress: Stress | None = None, seed: int = 0
) -> list[Heard]:
    """What the bank says of every part, each with its own weights."""
    heard: list[Heard] = []
    with progress_on(console) as progress:
        task = progress.add_task(what, total=sum(_seconds(streams) for streams, _ in parts))
        for streams, model in parts:
            alter = stress.prepare(streams, seed) if stress else None
            heard += listen(FallBank(model), streams, alter=alter, tell=lambda seconds: progress.advance(task, seconds))
    return heard


def _decided(parts: Sequence[Part], console: Console) -> list[Decision]:
    """Everything that the second stage scored, with the weights of each part."""
    found: list[Decision] = []
    with progress_on(console) as progress:
        task = progress.add_task("scoring all impacts", total=sum(_seconds(streams) for streams, _ in parts))
        for streams, model in parts:
            found += decide(model, streams, tell=lambda seconds: progress.advance(task, seconds))
    return found


def _chosen(streams: Sequence[Stream], datasets: Sequence[str]) -> list[Stream]:
    there = dict.fromkeys(stream.dataset for stream in streams)
    unknown = [name for name in datasets if name not in there]
    if unknown:
        raise DetectorError(f"there is no data set {', '.join(unknown)} here: there are {', '.join(there)}")
    return [stream for stream in streams if not datasets or stream.dataset in datasets]


def _cross_validated(streams: Sequence[Stream], chosen: Sequence[Stream], console: Console) -> list[Part]:
    """The weights that each of the chosen is measured with; they are the same whoever is chosen.

    Raises:
        DetectorError: there are too few people to learn from.
    """
    from detectors.fall.learn import cross_validated

    if len(streams) < _LEAST_PEOPLE:
        raise DetectorError(f"cross-validation needs three people at least: here are {len(streams)}")
    names = {stream.name for stream in chosen}
    with progress_on(console) as progress:
        training = progress.add_task("training", total=None)
        try:
            parts = cross_validated(
                list(streams), FallParameters(), seed=0, tell=lambda text: progress.update(training, description=text)
            )
        except ValueError as error:  # of scikit-learn: there must be both falls and daily living to learn from
            raise DetectorError(
                f"too few of these {len(streams)} people fell to train without some of them: {error}"
            ) from error
    found = [
        ([one for one in some if one.name in names], FallModel(*learned, digest=b"cross-validation"))
        for some, learned in parts
    ]
    return [(some, model) for some, model in found if some]


def _write_report(
    out: Path,
    streams: Sequence[Stream],
    parts: Sequence[Part],
    heard: Sequence[Heard],
    decisions: Sequence[Decision],
    rows: Sequence[Figures],
    note: str,
) -> list[Path]:
    """The page of errors, and the plots of thresholds and delays."""
    recordings = {
        dataset: [r for stream in streams if stream.dataset == dataset for r in stream.recordings]
        for dataset in dict.fromkeys(stream.dataset for stream in streams)
    }
    thresholds = {stream.name: _threshold(stream, model) for some, model in parts for stream in some}
    write_errors(out / "errors.html", streams, heard, decisions, thresholds, note)
    curves = [tradeoff(name, some, decisions) for name, some in recordings.items()]
    in_use = {row.name: row for row in rows}
    draw_tradeoff(out / "errors.png", curves, in_use, FallParameters().operating_point, note)
    found = alarms_of(heard)
    draw_latency(out / "latency.png", {name: latencies_s(some, found) for name, some in recordings.items()}, note)
    return [out / name for name in ("errors.html", "errors.png", "latency.png")]


def _plain_reliability(one: Reliability) -> dict[str, Any]:
    def plain(calibration: Calibration) -> dict[str, Any]:
        return _without_nan({"error": calibration.error, "candidates": calibration.count})

    return {
        "placement": one.placement,
        "confirmed": one.confirmed,
        "withdrawn": one.withdrawn,
        **plain(one.told),
        "without_stray": plain(one.told_clear),
        "all_scored": plain(one.scored),
        "all_scored_without_stray": plain(one.scored_clear),
    }


def _threshold(stream: Stream, model: FallModel) -> float:
    head = model.heads[model.head_for(stream.placement, stream.gyr is not None)]
    return head.thresholds[FallParameters().operating_point]


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
    if elderly:
        rows.append(figures("elderly ADL", elderly, found))
    return [*rows, figures("all", everything, found)]


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
