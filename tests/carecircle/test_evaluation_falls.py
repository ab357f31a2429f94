"""The report of ``carecircle evaluate falls``: its files, the errors in it, calibration, and what stress does."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits
from typer.testing import CliRunner

from carecircle.cli.evaluate import app
from carecircle.evaluation import falls_report
from carecircle.evaluation.falls_calibration import calibrate
from carecircle.evaluation.falls_report import FALSE_ALARM, MISSED, write_errors
from carecircle.evaluation.falls_run import Heard, alarms_of, listen
from carecircle.evaluation.falls_stress import STRESSES, Alter, clipped, halved, lossy, miscalibrated, rotated
from carecircle.evaluation.falls_tables import figures_table, stress_table
from detectors.detection import Stage
from detectors.fall.bank import FallBank
from detectors.fall.recordings import Stream, batches, read_folder
from detectors.fall.scoring import START_MS, Figures, run
from detectors.motion import MotionBatch
from telemetry.shares import Share
from tests.detectors.signals import fall, walking

COLUMNS = [
    *("key", "dataset", "placement", "subject", "age_group", "activity", "is_fall"),
    *("n_samples", "onset_s", "end_s", "impact_s"),
]
#: Names as nobody should give them. A fall that is found, one that never happened, and a fall that is called a walk.
FOUND, NEVER, CALLED_WALK = "toy/A/F1", "toy/A/<b>F2</b>", 'toy/B/"D1"&'


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people at the waist: a fall, a walk labelled as a fall, and a fall labelled as daily living."""
    folder = tmp_path_factory.mktemp("toys")
    hit = [fall(peak_g=8.0, seed=seed)[0] for seed in (0, 1)]
    parts = {FOUND: hit[0], NEVER: walking(10.3), CALLED_WALK: hit[1]}
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for key, samples in parts.items():
            falls = key != CALLED_WALK
            writer.writerow(
                dict.fromkeys(COLUMNS, "")
                | {"key": key, "dataset": "toy", "placement": "waist", "subject": key.split("/")[1]}
                | {"age_group": "young", "activity": "<i>trip</i>", "is_fall": str(int(falls))}
                | {"n_samples": str(len(samples)), "impact_s": "4.60" if falls else ""}
            )
    everything = np.concatenate(list(parts.values()))
    np.savez(
        folder / "toy.npz",
        acc=np.rint(everything[:, :3] * 1000).astype(np.int16),
        gyro=np.rint(everything[:, 3:] * 10).astype(np.int16),
        offsets=np.cumsum([0, *map(len, parts.values())]),
        keys=np.array(list(parts)),
    )
    return folder


@pytest.fixture(scope="module")
def streams(toys: Path) -> list[Stream]:
    """The two people."""
    return list(read_folder(toys).streams)


def altered(streams: list[Stream], alter: Alter) -> tuple[list[MotionBatch], list[MotionBatch]]:
    """All batches before and after."""
    before = [batch for second in batches(streams, start_ms=START_MS) for batch in second]
    return before, [alter(batch) for batch in before]


def of_row(some: list[MotionBatch], row: int) -> tuple[np.ndarray, np.ndarray]:
    """Everything of both sensors of one person."""
    acc = [batch.acc_g[batch.row == row].reshape(-1, 3) for batch in some]
    gyr = [batch.gyr_dps[batch.row == row].reshape(-1, 3) for batch in some if batch.gyr_dps is not None]
    return np.concatenate(acc), np.concatenate(gyr)


def test_the_report_has_its_files_and_says_where(toys: Path, tmp_path: Path) -> None:
    """One fall of two found, the walk that was none is a false alarm, names are escaped, nothing comes from elsewhere;
    every condition is in figures.json, as recorded the same as without stress."""
    out = tmp_path / "report"
    result = CliRunner().invoke(app, ["falls", "--data", str(toys), "--out", str(out), "--stress"])
    assert result.exit_code == 0, result.output
    plots = {"reliability.png", "errors.png", "latency.png"}
    names = {"figures.json", "alarms.csv", "errors.html", *plots}
    assert {path.name for path in out.iterdir()} == names
    assert all(f"written: {out / name}" in result.output for name in names)
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in plots)
    page = (out / "errors.html").read_text()
    assert page.count("<article ") == page.count('aria-label="acceleration and score over time"') == 2
    assert "Missed falls: 1, false alarms: 1." in page
    assert "toy/A/&lt;b&gt;F2&lt;/b&gt;" in page
    assert "toy/B/&quot;D1&quot;&amp;" in page
    assert "&lt;i&gt;trip&lt;/i&gt;" in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert FOUND not in page
    assert "http://" not in page
    assert "https://" not in page
    assert '<td class="n">1 of 2</td>' in page  # of the falls
    assert '<td class="n">1 of 1</td><td class="n">1</td>' in page  # of the walk
    assert "the alarm begins at" in page
    report = json.loads((out / "figures.json").read_text())
    conditions = report["stress"]["conditions"]
    assert [one["name"] for one in conditions] == ["as recorded", *(one.name for one in STRESSES)]
    assert conditions[0]["figures"] == report["figures"]
    assert report["calibration"][0]["placement"] == "waist"
    assert report["calibration"][0]["candidates"] == 2
    assert report["calibration"][0]["all_scored"]["candidates"] >= 2
    assert "TRAINED" not in report["stress"]["note"]


def test_nothing_is_written_unless_asked(toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No --out, no file, and no word of one."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["falls", "--data", str(toys)])
    assert result.exit_code == 0, result.output
    assert not list(tmp_path.iterdir())
    assert "written" not in result.output


def test_the_alarms_are_those_that_are_scored(streams: list[Stream]) -> None:
    """Whoever keeps everything the bank says finds the alarms of the plain run in it."""
    heard = listen(FallBank(), streams)
    with threadpool_limits(limits=1, user_api="blas"):  # another number of threads rounds otherwise
        assert alarms_of(heard) == run(FallBank(), streams)
    assert {one.stage for one in heard} >= {Stage.SUSPECTED, Stage.CONFIRMED}


def test_the_bank_hears_what_the_change_makes_of_the_frames(streams: list[Stream]) -> None:
    """Of sensors that lie still it says nothing; told are all seconds of all people, half a second at the end too."""
    told: list[int] = []
    still = listen(FallBank(), streams, alter=lambda b: replace(b, acc_g=b.acc_g * 0 + 0.6), tell=told.append)
    assert still == []
    assert sum(told) == sum(-(-len(stream.acc) // 50) for stream in streams)


def test_without_errors_the_page_says_so(streams: list[Stream], tmp_path: Path) -> None:
    """No list and no script; every fall has its alarm."""
    first = streams[0].recordings[0]
    heard = [Heard(first, Stage.CONFIRMED, 4.6, 7.0, 0.9), *_missed_found(streams)]
    page = tmp_path / "errors.html"
    assert not write_errors(page, streams, heard, [], {stream.name: 0.5 for stream in streams}, "strangers")
    assert "No errors" in page.read_text()
    assert "<script" not in page.read_text()


def _missed_found(streams: list[Stream]) -> list[Heard]:
    return [Heard(streams[0].recordings[1], Stage.CONFIRMED, 4.0, 7.0, 0.9)]


def test_of_hundreds_of_errors_the_first_have_plots(
    streams: list[Stream], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are listed, missed falls first; the page says that plots are missing."""
    monkeypatch.setattr(falls_report, "MOST_PLOTS", 3)
    walk = streams[1].recordings[0]
    heard = [Heard(walk, Stage.CONFIRMED, at_s, at_s + 3, 0.9) for at_s in (1.0, 3.0, 5.0)]
    page = tmp_path / "errors.html"
    errors = write_errors(page, streams, heard, [], {stream.name: 0.5 for stream in streams}, "strangers")
    assert [error.kind for error in errors] == [MISSED] * 2 + [FALSE_ALARM] * 3
    assert page.read_text().count("<article ") == 5
    assert page.read_text().count('role="img"') == 3
    assert "the first 3 with a plot" in page.read_text()


def test_the_calibration_error_is_that_of_a_hand_computation() -> None:
    """Bins of a tenth: 0.02 and 0.08 (half falls), 0.55 (no fall), 1.0 (fall): (2*0.45 + 0.55 + 0) / 4."""
    found = calibrate("wrist", [0.02, 0.08, 0.55, 1.0], [True, False, False, True])
    assert [(one.observed.hits, one.observed.total) for one in found.bins] == [(1, 2), (0, 1), (1, 1)]
    assert found.error == pytest.approx((2 * 0.45 + 0.55) / 4)
    assert math.isnan(calibrate("wrist", [], []).error)


def test_clipping_ends_every_axis_at_the_limit(streams: list[Stream]) -> None:
    """What is below stays as it is, turns stay as they are."""
    before, after = altered(streams, clipped(4.0)(streams, 0))
    assert max(np.abs(batch.acc_g).max() for batch in before) > 5
    for one, other in zip(before, after, strict=True):
        assert np.abs(other.acc_g).max() <= 4.0
        small = np.abs(one.acc_g) <= 4.0
        np.testing.assert_array_equal(other.acc_g[small], one.acc_g[small])
        np.testing.assert_array_equal(other.gyr_dps, one.gyr_dps)


def test_half_the_rate_has_half_the_samples_at_the_same_times(streams: list[Stream]) -> None:
    """Every second one of both sensors."""
    before, after = altered(streams, halved(streams, 0))
    assert before
    for one, other in zip(before, after, strict=True):
        assert other.fs_hz == 25
        assert other.gyr_dps is not None
        assert other.acc_g.shape[1] == other.gyr_dps.shape[1] == 25
        np.testing.assert_array_equal(other.acc_g[:, 3], one.acc_g[:, 6])


def test_a_turned_sensor_keeps_the_magnitude_and_its_own_direction(streams: list[Stream]) -> None:
    """The same turn in every frame and for both sensors, another one for another person, no mirror image."""
    before, after = altered(streams, rotated(streams, 0))
    turns = []
    for row in (0, 1):
        taken, seen = (of_row(part, row) for part in (before, after))
        np.testing.assert_allclose(np.linalg.norm(seen[0], axis=1), np.linalg.norm(taken[0], axis=1), rtol=1e-4)
        turn = np.linalg.lstsq(taken[0], seen[0])[0]
        for sensor in (0, 1):
            np.testing.assert_allclose(taken[sensor] @ turn, seen[sensor], atol=2e-3)
        assert np.linalg.det(turn) == pytest.approx(1.0, abs=1e-3)
        turns.append(turn)
    assert np.abs(turns[0] - turns[1]).max() > 0.1


def test_lost_frames_never_come_and_the_others_are_whole(streams: list[Stream]) -> None:
    """About one in twenty over many seeds, the same ones for the same seed."""
    before, after = altered(streams, lossy(streams, 3))
    assert [batch.t_ms.tolist() for batch in after] == [
        batch.t_ms.tolist() for batch in altered(streams, lossy(streams, 3))[1]
    ]
    for one, other in zip(before, after, strict=True):
        kept = np.isin(one.row, other.row)
        np.testing.assert_array_equal(other.acc_g, one.acc_g[kept])
        np.testing.assert_array_equal(other.t_ms, one.t_ms[kept])
    total = sum(map(len, before))
    lost = sum(total - sum(map(len, altered(streams, lossy(streams, seed))[1])) for seed in range(60))
    assert lost / (60 * total) == pytest.approx(0.05, abs=0.012)


def test_a_gain_error_is_five_percent_on_every_axis(streams: list[Stream]) -> None:
    """Too much or too little, the same in every frame of a person."""
    before, after = altered(streams, miscalibrated(streams, 0))
    for row in (0, 1):
        for taken, seen in zip(of_row(before, row), of_row(after, row), strict=True):
            gains = (taken * seen).sum(axis=0) / (taken * taken).sum(axis=0)
            np.testing.assert_allclose(np.abs(gains - 1), 0.05, atol=1e-4)
            np.testing.assert_allclose(taken * gains, seen, rtol=1e-3, atol=1e-4)


def test_no_number_of_the_tables_is_cut_at_80_columns() -> None:
    """The longest that a folder of years would give."""
    from rich.console import Console

    row = Figures("elderly ADL", Share(11987, 12345), Share(98000, 98766), 1234, 1234.56, 2.51, 12.97, 0)
    for table in (figures_table([row], "none"), stress_table([("gain off 5 %", [row])], 0, "none")):
        console = Console(width=80)
        with console.capture() as capture:
            console.print(table)
        text = capture.get()
        for whole in ("11987/12345", "97.1 (96.8-97.4)", "98000/98766", "1234 in 1234.6 h", "1.00", "2.51", "12.97"):
            assert whole in text
        assert "…" not in text
