"""What the report of ``carecircle evaluate falls`` says of errors and thresholds, held against the bank itself."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from carecircle.cli.evaluate import app
from carecircle.evaluation import falls_plots
from carecircle.evaluation.falls_calibration import reliability
from carecircle.evaluation.falls_decisions import Decision, alarms_at, decide, latencies_s, tradeoff
from carecircle.evaluation.falls_plots import draw_latency, draw_reliability, draw_tradeoff, poisson_interval
from carecircle.evaluation.falls_report import FALSE_ALARM, MISSED, by_activity, errors_of, write_errors
from carecircle.evaluation.falls_run import Heard, alarms_of, listen
from detectors.detection import Stage
from detectors.fall.bank import FallBank
from detectors.fall.recordings import Recording, Stream, read_folder
from detectors.fall.scoring import Alarm, figures
from detectors.fall.weights import shipped_model
from tests.servers.require import data_folder

#: Four people of one data set, of whom all fall.
PEOPLE = ("P01", "P04", "P10", "P19")


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recordings of four people."""
    data, out = data_folder("falls"), tmp_path_factory.mktemp("four")
    with (data / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == "hifd" and row["subject"] in PEOPLE]
    with (out / "index.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with np.load(data / "hifd.npz") as arrays:
        place = {str(key): i for i, key in enumerate(arrays["keys"])}
        offsets = arrays["offsets"]
        parts = [slice(*offsets[place[row["key"]] :][:2]) for row in rows]
        np.savez(
            out / "hifd.npz",
            acc=np.concatenate([arrays["acc"][part] for part in parts]),
            gyro=np.concatenate([arrays["gyro"][part] for part in parts]),
            offsets=np.cumsum([0, *(part.stop - part.start for part in parts)]),
            keys=np.array([row["key"] for row in rows]),
        )
    return out


@pytest.fixture(scope="module")
def streams(four: Path) -> list[Stream]:
    """The four people."""
    return list(read_folder(four).streams)


@pytest.fixture(scope="module")
def decisions(streams: list[Stream]) -> list[Decision]:
    """Everything that the second stage of the shipped weights scores."""
    return decide(shipped_model(), streams)


def at_point(point: str) -> Callable[[Decision], bool]:
    """Whether a decision is one of a fall at an operating point."""
    return lambda one: one.score >= one.thresholds[point]


def recording(key: str = "d/S/F1", **values: Any) -> Recording:
    """A fall of half a minute whose impact is labelled at 10 s."""
    fields: dict[str, Any] = {
        "key": key, "dataset": "d", "placement": "wrist", "subject": "S", "activity": "F1", "activity_name": "Slip",
        "elderly": False, "is_fall": True, "impact_s": 10.0, "from_s": 7.5, "until_s": 12.5, "start": 0,
        "samples": 1500,
    }  # fmt: skip
    return Recording(**{**fields, **values})


def decision(impact_s: float, score: float, peak_g: float, of: Recording | None = None) -> Decision:
    """One with a threshold of a half, decided 2.5 s after its impact."""
    of = of or recording()
    points = {"sensitive": 0.3, "balanced": 0.5, "quiet": 0.7}
    return Decision(f"d/{of.subject}", of, impact_s, impact_s + 2.5, score, {"peak_g": peak_g}, points)


@pytest.mark.parametrize("point", ["sensitive", "balanced", "quiet"])
def test_what_is_replayed_at_an_operating_point_is_what_the_bank_does_there(
    streams: list[Stream], decisions: list[Decision], point: str
) -> None:
    """The same alarms to the last digit, so that the curve of all thresholds is that of the production bank."""
    from detectors.parameters import FallParameters

    bank = FallBank(None, replace(FallParameters(), operating_point=point))
    alarms = alarms_of(listen(bank, streams))

    def of(some: list[Alarm]) -> list[tuple[str, float, float]]:
        return sorted((one.recording.key, one.impact_s, one.alarm_s) for one in some)

    assert of(alarms_at(decisions, at_point(point))) == of(alarms)
    assert len(decisions) > len(alarms)


def test_the_curve_runs_from_nothing_to_everything_through_the_operating_points(
    streams: list[Stream], decisions: list[Decision]
) -> None:
    """Ever more false alarms; at one in use no fewer falls than the bank finds, and no more where it has no more."""
    recordings = [one for stream in streams for one in stream.recordings]
    found = tradeoff("hifd", recordings, decisions)
    false = [one.false_alarms for one in found.curve]
    assert (found.curve[0].sensitivity.hits, false[0]) == (0, 0)
    assert false == sorted(false)
    assert false[-1] == figures("hifd", recordings, alarms_at(decisions, lambda _: True)).false_alarms
    assert "balanced" in found.points
    for point, there in found.points.items():
        assert there == figures("hifd", recordings, alarms_at(decisions, at_point(point)))
        on = [one.sensitivity.hits for one in found.curve if one.false_alarms == there.false_alarms]
        assert min(on) <= there.sensitivity.hits <= max(on)
    assert found.points.keys() == {"sensitive", "balanced", "quiet"}


@pytest.mark.parametrize(
    ("impacts", "alarmed"),
    [
        ([(10.0, 0.9, 5.0), (11.0, 0.9, 4.0)], [10.0]),
        ([(10.0, 0.9, 5.0), (11.0, 0.9, 6.0)], [10.0, 11.0]),
        ([(10.0, 0.4, 5.0), (11.0, 0.9, 4.0)], [11.0]),
        ([(10.0, 0.9, 5.0), (14.9, 0.9, 4.0), (15.0, 0.9, 4.0)], [10.0, 15.0]),
        ([(10.0, 0.9, 5.0), (12.0, 0.9, 6.0), (16.9, 0.9, 5.5)], [10.0, 12.0]),
    ],
)
def test_an_impact_soon_after_an_alarm_and_no_higher_is_the_same_fall(
    impacts: list[tuple[float, float, float]], alarmed: list[float]
) -> None:
    """As the bank has it: within five seconds, counted from the last alarm."""
    assert [one.impact_s for one in alarms_at([decision(*one) for one in impacts], at_point("balanced"))] == alarmed


def test_an_alarm_of_another_person_hides_nothing() -> None:
    """The same moment in two streams is two falls."""
    other = recording("d/T/F1", subject="T")
    both = [decision(10.0, 0.9, 5.0), decision(10.0, 0.9, 4.0, other)]
    assert len(alarms_at(both, at_point("balanced"))) == 2


@pytest.mark.parametrize(("count", "interval"), [(0, (0.0, 3.689)), (3, (0.619, 8.767)), (40, (28.58, 54.47))])
def test_the_interval_of_a_count_is_that_of_the_tables(count: int, interval: tuple[float, float]) -> None:
    """Garwood's limits."""
    assert poisson_interval(count) == pytest.approx(interval, abs=0.005)


def test_the_delay_is_that_of_the_first_alarm_of_each_fall_found() -> None:
    """From the label, or from the alarm's own impact without one; what is far from the fall counts for nothing."""
    labelled, bare = recording(), recording("d/S/F2", impact_s=None, from_s=0.0, until_s=20.0)
    alarms = [
        Alarm(labelled, 20.0, 22.5, 0.9), Alarm(labelled, 9.0, 11.5, 0.9), Alarm(labelled, 10.0, 12.4, 0.9),
        Alarm(bare, 4.0, 6.25, 0.9),
    ]  # fmt: skip
    assert latencies_s([labelled, bare, recording("d/S/F3")], alarms) == [1.5, 2.25]


def test_errors_are_counted_by_activity() -> None:
    """Of how many recordings, with the name that people know; those without any are there with none."""
    walk, clap = (
        recording(f"d/S/{code}", activity=code, activity_name=name, is_fall=False, impact_s=None)
        for code, name in (("D1", "Walking"), ("D2", "One\x92s hands clap"))
    )
    falls = [recording("d/S/F1"), recording("d/S/F1b")]
    stream = Stream("d", "S", "wrist", np.zeros((1, 3), np.int16), None, (*falls, walk, clap))
    heard = [Heard(clap, Stage.CONFIRMED, at_s, at_s + 3, 0.9) for at_s in (3.0, 9.0)]
    heard.append(Heard(falls[1], Stage.CONFIRMED, 10.0, 12.5, 0.9))
    errors = errors_of([stream], heard, [])
    told = {
        kind: [
            (one.code, one.name, one.wrong, one.recordings, one.errors) for one in by_activity([stream], errors, kind)
        ]
        for kind in (MISSED, FALSE_ALARM)
    }
    assert told == {
        MISSED: [("F1", "Slip", 1, 2, 1)],
        FALSE_ALARM: [("D2", "One’s hands clap", 1, 1, 2), ("D1", "Walking", 0, 1, 0)],
    }


def sheets_of(tmp_path: Path, size_g: float, decisions: list[Decision]) -> str:
    """The page about one missed fall whose motion never exceeds ``size_g``."""
    acc = np.zeros((1700, 3), np.int16)
    acc[:, 2] = 1000
    acc[500, 2] = round(size_g * 1000)
    stream = Stream("d", "S", "wrist", acc, None, (recording(),))
    page = tmp_path / "errors.html"
    write_errors(page, [stream], [], decisions, {"d/S": 0.5}, "strangers")
    return page.read_text()


def test_a_missed_fall_says_why_it_was_missed(tmp_path: Path) -> None:
    """Not worn, too soft to be looked at, turned away at the first look, or scored too low, with what spoke against."""
    assert "The sensor lay still all the time, at 1.00 g" in sheets_of(tmp_path, 1.02, [])
    assert "No impact: never more than 1.40 g at the fall" in sheets_of(tmp_path, 1.4, [])
    assert "Turned away at the first look, a second after the impact (2.5 g at most)" in sheets_of(tmp_path, 2.5, [])
    because = {"peak_g": 2.5, "threshold": 0.5, "because.peak_g": -0.8, "because.posture_change_deg": 0.4}
    one = replace(decision(10.0, 0.31, 2.5), features=because | {"posture_change_deg": 70.0})
    page = sheets_of(tmp_path, 2.5, [replace(one, score=0.2, impact_s=11.0), one])
    assert "certainty 31 % – the alarm begins at 50 %" in page
    assert re.search(r"What spoke for a fall</h3><ul><li>tilted by 70° from before to after</li>", page)
    assert re.search(r"What spoke against it</h3><ul><li>a knock of 2.5 g</li>", page)
    assert page.count('class="silent"') == 3  # both impacts, and the key


def test_a_stray_impact_counts_as_no_fall_or_not_at_all() -> None:
    """It lies in the recording of a fall, away from the label; a suspicion is no decision."""
    fall, walk = recording(), recording("d/S/D1", is_fall=False, impact_s=None)
    heard = [
        Heard(fall, Stage.SUSPECTED, 10.0, 11.5, 0.5), Heard(fall, Stage.CONFIRMED, 10.0, 12.5, 1.0),
        Heard(fall, Stage.CONFIRMED, 20.0, 22.5, 1.0), Heard(walk, Stage.WITHDRAWN, 3.0, 5.5, 0.0),
    ]  # fmt: skip
    quiet = [decision(30.0, 0.0, 2.0, fall), decision(8.0, 0.0, 2.0, walk)]
    (found,) = reliability(["wrist"], heard, [decision(10.0, 1.0, 5.0), decision(20.0, 1.0, 5.0), *quiet])
    assert (found.confirmed, found.withdrawn) == (2, 1)
    assert (found.told.count, found.told.error) == (3, pytest.approx(1 / 3))
    assert (found.told_clear.count, found.told_clear.error) == (2, 0.0)
    assert (found.scored.count, found.scored.error) == (4, pytest.approx(1 / 4))
    assert (found.scored_clear.count, found.scored_clear.error) == (2, 0.0)


class Drawn:
    """The figure that would have been saved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.figure: Any = None
        monkeypatch.setattr(falls_plots, "_save", self._keep)

    def _keep(self, figure: Any, _path: Path, title: str, _caption: str) -> None:
        self.figure, self.title = figure, title

    @property
    def words(self) -> str:
        """Titles and legends."""
        out = [axes.get_title() for axes in self.figure.axes]
        out += [text.get_text() for axes in self.figure.axes if axes.get_legend() for text in axes.get_legend().texts]
        return "\n".join(out)


def test_the_plots_say_how_many_they_are_drawn_from(
    streams: list[Stream], decisions: list[Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The candidates of the calibration, the counts at each operating point, the falls of the delays."""
    drawn, path = Drawn(monkeypatch), Path("nowhere.png")
    heard = listen(FallBank(), streams)
    count = {stage: sum(one.stage is stage for one in heard) for stage in Stage}
    (wrist,) = reliability(["wrist"], heard, decisions)
    draw_reliability(path, [wrist], "strangers")
    stray = sum(one.recording.is_fall and not one.of_fall for one in heard if one.stage is not Stage.SUSPECTED)
    assert f"{count[Stage.CONFIRMED]} confirmed + {count[Stage.WITHDRAWN]} withdrawn, {stray} stray" in drawn.words
    assert f"all {len(decisions)} scored: {wrist.scored.error:.3f}" in drawn.words
    recordings = [one for stream in streams for one in stream.recordings]
    now = figures("hifd", recordings, alarms_of(heard))
    draw_tradeoff(path, [tradeoff("hifd", recordings, decisions)], {"hifd": now}, "balanced", "strangers")
    assert f"balanced: {now.sensitivity.hits}/{now.sensitivity.total}, {now.false_alarms} false" in drawn.words
    assert "strangers" in drawn.title
    delays = latencies_s(recordings, alarms_of(heard))
    draw_latency(path, {"hifd": delays}, "strangers")
    assert f"hifd: {now.sensitivity.hits} falls, 95 % within {now.latency_p95_s:.2f} s" in drawn.words


@pytest.mark.parametrize("kind", ["nothing", "no falls", "no daily living"])
def test_half_a_folder_still_has_plots(kind: str, tmp_path: Path) -> None:
    """Files that can be opened, whatever there is none of."""
    walk = recording("d/S/D1", is_fall=False, impact_s=None)
    some = {"nothing": [], "no falls": [walk], "no daily living": [recording()]}[kind]
    scored = [decision(10.0, 0.9, 5.0, one) for one in some]
    now = figures("d", some, alarms_at(scored, at_point("balanced")))
    draw_tradeoff(tmp_path / "a.png", [tradeoff("d", some, scored)], {"d": now}, "balanced", "strangers")
    draw_latency(tmp_path / "b.png", {"d": latencies_s(some, alarms_at(scored, at_point("balanced")))}, "strangers")
    draw_reliability(tmp_path / "c.png", reliability(["wrist"], [], scored), "strangers")
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("a.png", "b.png", "c.png"))


@pytest.mark.soak
def test_cross_validation_and_stress_go_together(four: Path, tmp_path: Path) -> None:
    """The same weights under every condition, said so; whoever is measured has not been trained on."""
    given = ["falls", "--data", str(four), "--cross-validate", "--stress", "--dataset", "hifd", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert " ".join(result.output.split()).count("Cross-validated by subject.") == 2
    report = json.loads((tmp_path / "figures.json").read_text())
    assert (report["weights"], report["stress"]["note"]) == ("cross-validated", "cross-validated by subject")
    conditions = {one["name"]: one["figures"] for one in report["stress"]["conditions"]}
    assert conditions["as recorded"] == report["figures"]
    assert conditions["5 % lost"] != report["figures"]
    assert [row["name"] for row in report["figures"]] == ["hifd", "all"]
    falls = report["figures"][0]["sensitivity"]
    assert falls["total"] == 20
    assert 10 <= falls["hits"] <= 20  # of strangers, with three people to learn from: 16
    assert math.isfinite(report["calibration"][0]["all_scored"]["error"])
    assert "Cross-validated by subject." in (tmp_path / "errors.html").read_text()


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--dataset", "hifd", "--dataset", "wida"], "there is no data set wida here: there are hifd"),
        (["--cross-validate", "--weights", "w.npz"], "cannot read weights w.npz"),
    ],
)
def test_what_cannot_be_evaluated_is_said(four: Path, more: list[str], complaint: str) -> None:
    """In a sentence, with what there is instead."""
    result = CliRunner().invoke(app, ["falls", "--data", str(four), *more])
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("kept", "complaint"),
    [
        (lambda row: row["subject"] in PEOPLE[:2], "cross-validation needs three people at least: here are 2"),
        pytest.param(
            lambda row: row["subject"] == PEOPLE[0] or row["is_fall"] == "0",
            "too few of these 4 people fell",
            marks=pytest.mark.soak,  # it trains until it finds out
        ),
    ],
    ids=["two people", "one who falls"],
)
def test_cross_validation_of_too_few_people_is_refused(
    four: Path, tmp_path: Path, kept: Callable[[dict[str, str]], bool], complaint: str
) -> None:
    """With the reason, not with a fault of the library that trains."""
    with (four / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if kept(row)]
    with (tmp_path / "index.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "hifd.npz").write_bytes((four / "hifd.npz").read_bytes())
    result = CliRunner().invoke(app, ["falls", "--data", str(tmp_path), "--cross-validate"])
    assert result.exit_code == 2
    assert complaint in " ".join(result.output.split())
