"""``carecircle evaluate falls`` on a folder of synthetic recordings: what it counts and what it writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from carecircle.cli.evaluate import app
from telemetry.shares import Share
from tests.detectors.signals import fall, walking

#: The columns that are read.
COLUMNS = [
    *("key", "dataset", "placement", "subject", "age_group", "activity", "is_fall"),
    *("n_samples", "onset_s", "end_s", "impact_s"),
]
#: key -> (subject, age group, fall?)
RECORDINGS = {
    "toy/A/F1": ("A", "young", True),
    "toy/A/D1": ("A", "young", False),
    "toy/B/D2": ("B", "elderly", False),
    "toy/A/F2": ("A", "young", True),
}


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    """Two falls and two walks of two people at the waist, and an index that names a data set that is not there."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    parts, rows = [], []
    for i, (key, (subject, age_group, is_fall)) in enumerate(RECORDINGS.items()):
        samples = fall(peak_g=8.0, seed=i)[0] if is_fall else walking(10.3, seed=i)
        parts.append(samples)
        rows.append(
            dict.fromkeys(COLUMNS, "")
            | {
                "key": key,
                "dataset": "toy",
                "placement": "waist",
                "subject": subject,
                "age_group": age_group,
                "is_fall": str(int(is_fall)),
                "n_samples": str(len(samples)),
                "impact_s": "4.60" if is_fall else "",
            }
        )
    rows.append(rows[0] | {"key": "gone/C/F1", "dataset": "gone"})
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    everything = np.concatenate(parts)
    np.savez(
        folder / "toy.npz",
        acc=np.rint(everything[:, :3] * 1000).astype(np.int16),
        gyro=np.rint(everything[:, 3:] * 10).astype(np.int16),
        offsets=np.cumsum([0, *map(len, parts)]),
        keys=np.array(list(RECORDINGS)),
    )
    return folder


def test_it_counts_falls_and_false_alarms_and_writes_the_alarms(toys: Path, tmp_path: Path) -> None:
    """Both falls found, both walks quiet; times from the recording's start; the deciding frame ends on a whole second
    of the stream."""
    alarms, report = tmp_path / "alarms.csv", tmp_path / "figures.json"
    result = CliRunner().invoke(app, ["falls", "--data", str(toys), "--alarms", str(alarms), "--json", str(report)])
    assert result.exit_code == 0, result.output
    assert "gone.npz is not in" in result.output
    with alarms.open(newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == ["key", "impact_s", "alarm_s", "score"]
        rows = {row["key"]: row for row in reader}
    assert sorted(rows) == ["toy/A/F1", "toy/A/F2"]
    starts = {"toy/A/F1": 0.0, "toy/A/F2": 12.6 + 4 + 10.3 + 4}
    for key, row in rows.items():
        assert float(row["impact_s"]) == pytest.approx(4.6, abs=0.06)
        assert 2.0 <= float(row["alarm_s"]) - float(row["impact_s"]) <= 3.1
        end_s = float(row["alarm_s"]) + starts[key]
        assert end_s == pytest.approx(round(end_s), abs=0.011)
        assert 0.5 < float(row["score"]) <= 1.0
    by_name = {row["name"]: row for row in json.loads(report.read_text())["figures"]}
    assert by_name["toy"]["sensitivity"]["hits"] == by_name["toy"]["sensitivity"]["total"] == 2
    assert by_name["toy"]["specificity"]["hits"] == by_name["toy"]["specificity"]["total"] == 2
    assert by_name["toy"]["false_alarms"] == 0
    assert by_name["elderly ADL"]["specificity"]["total"] == 1


def test_figures_on_people_that_were_trained_on_are_called_so(toys: Path, tmp_path: Path) -> None:
    """By the provenance of the weights; strangers are strangers."""
    from detectors.fall.weights import save_model, shipped_model

    model = shipped_model()
    said = {}
    for name, subjects in (("known", ["A", "B"]), ("strangers", ["X"]), ("half", ["A"])):
        path = tmp_path / f"{name}.npz"
        save_model(model.heads, model.views, path, {"datasets": {"toy": {"subjects": subjects}}})
        report = tmp_path / "figures.json"
        result = CliRunner().invoke(app, ["falls", "--data", str(toys), "--weights", str(path), "--json", str(report)])
        assert result.exit_code == 0, result.output
        said[name] = json.loads(report.read_text())["note"]
    assert said["known"].startswith("TRAINED ON THESE SUBJECTS")
    assert said["half"].startswith("TRAINED ON 1 of these 2")
    assert said["strangers"] == "none of these subjects was trained on"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nowhere"], "no index.csv"),
        (["--data", "TOYS", "--weights", "nowhere.npz"], "make train-falls"),
        (["--data", "TOYS", "--weights", "TOYS/toy.npz"], "format"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_one_line(toys: Path, arguments: list[str], words: str) -> None:
    """Exit code 2 and no traceback."""
    result = CliRunner().invoke(app, ["falls", *[argument.replace("TOYS", str(toys)) for argument in arguments]])
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_wilson_intervals_are_those_of_the_textbook() -> None:
    """35 of 35 proves no more than 90 %; 1 of 2 next to nothing."""
    low, high = Share(35, 35).interval
    assert low == pytest.approx(0.901, abs=0.001)
    assert high == 1.0
    assert Share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=0.0005)
    assert Share(0, 0).interval == (0.0, 1.0)
