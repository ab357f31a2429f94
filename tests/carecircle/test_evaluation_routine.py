"""``carecircle evaluate routine``: the files it reads and writes, and how soon it is on a real home."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from typer.testing import CliRunner

from carecircle.cli.evaluate import app
from carecircle.evaluation.routine_command import figures_of
from carecircle.evaluation.routine_read import HomeEvents, iso, read_collapses, read_events
from carecircle.evaluation.routine_run import run
from detectors.errors import DetectorError
from tests.detectors.routine_story import Said, day
from tests.servers.require import data_folder

ROOMS = ("Bathroom", "Bedroom", "Kitchen", "LivingRoom", "LoungeChair", "WorkArea")
DAY_US = 86_400_000_000
#: What nobody is awake in, by the annotation. The detector never sees it; who draws collapses must.
ASLEEP = {"Sleep", "Sleep_Out_Of_Bed", "Go_To_Sleep"}


def line(said: Said, label: str = "") -> str:
    """One line of the format."""
    at = datetime.fromtimestamp(said.t_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0")
    state = {True: "ON", False: "OFF", "open": "OPEN", "closed": "CLOSE"}[said.value]
    room = {"entry": "OutsideDoor"}.get(said.room or "", (said.room or "").capitalize())
    return f"{at} {room} {said.device} {state} {label}".rstrip()


def story(path: Path, days: range, label: str = "") -> Path:
    """A file of usual days, by the clock of no zone."""
    said = [one for number in days for one in day(number, zone=ZoneInfo("UTC"))]
    path.write_text("".join(line(one, label) + "\n" for one in sorted(said, key=lambda one: one.t_ms)))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Nine days to learn from, two to watch."""
    folder = tmp_path_factory.mktemp("home")
    return story(folder / "train.txt", range(1, 10)), story(folder / "test.txt", range(10, 12))


def test_the_alarms_file_is_as_promised(files: tuple[Path, Path], tmp_path: Path) -> None:
    """``case,t,alarm_t,kind``: t as it stood in the input, alarm_t behind it, in any order of the cases."""
    train, test = files
    texts = ["2026-03-11T17:35:00.000000", "2026-03-10T07:30:00.5", "2026-03-10T09:42:00.000001"]
    collapses = tmp_path / "collapses.csv"
    collapses.write_text("room,t\n" + "".join(f"x,{text}\n" for text in texts))
    alarms, out = tmp_path / "alarms.csv", tmp_path / "out"
    result = CliRunner().invoke(
        app,
        [
            *("routine", "--train", str(train), "--test", str(test), "--collapses", str(collapses)),
            *("--alarms", str(alarms), "--out", str(out)),
        ],
    )
    assert result.exit_code == 0, result.output
    with alarms.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["case", "t", "alarm_t", "kind"]
    assert [row for row in rows if row["case"] == ""] == []
    for case, (text, most_min) in enumerate(zip(texts, (16, 16, 31), strict=True)):
        (row,) = [row for row in rows if row["case"] == str(case) and row["kind"] == "collapse"]
        assert row["t"] == text
        assert len(row["alarm_t"]) == len("2011-07-01T12:30:00.000000")
        minutes = (datetime.fromisoformat(row["alarm_t"]) - datetime.fromisoformat(text)) / timedelta(minutes=1)
        assert 5 < minutes <= most_min
    figures = json.loads((out / "figures.json").read_text())
    assert figures["findings"] == {"collapse": 0}
    assert figures["collapses"]["Kitchen"]["p90_min"] <= 15
    for name in ("limits.png", "delays.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.soak
def test_labels_change_nothing(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Column 6 and what follows is not read, whatever it says."""
    train, test = (read_events(path) for path in files)
    labelled = read_events(story(tmp_path / "labelled.txt", range(10, 12), "Sleep collapse ON"))
    assert labelled.device == test.device
    assert (labelled.t_us == test.t_us).all()
    assert not hasattr(labelled, "label")
    cases = test.t_us[[100, 400]] + 1_000_000
    first, second = (run(train, one, cases, lambda *_: None) for one in (test, labelled))
    assert first.alarms == second.alarms


def test_events_after_a_collapse_are_not_seen(files: tuple[Path, Path]) -> None:
    """A file that ends at the collapse gives the same alarm, whatever is tried before and after it."""
    train, test = (read_events(path) for path in files)
    case_us = int(test.t_us[300]) + 5_000_000
    kept = int(np.searchsorted(test.t_us, case_us, side="right"))
    short = HomeEvents(test.t_us[:kept], *(part[:kept] for part in (test.device, test.kind, test.room, test.state)), 0)
    many = run(train, test, np.array([case_us, case_us + DAY_US // 2, test.t_us[10]]), lambda *_: None)
    alone = run(train, short, np.array([case_us]), lambda *_: None)
    assert many.minutes[0] == alone.minutes[0] > 0
    assert [one[1:] for one in many.alarms if one.case == 0] == [one[1:] for one in alone.alarms if one.case == 0]


def test_gz_other_states_and_broken_lines(tmp_path: Path) -> None:
    """Lines that are none are counted, lights are no presence, a door is a contact, order is by time."""
    path = tmp_path / "home.txt.gz"
    lines = [
        "2026-03-01 10:00:02.5 Kitchen Kitchen OFF Cook",
        "2026-03-01 10:00:01 Kitchen Kitchen ON Cook",
        "2026-03-01 10:00:03.14962 Kitchen KitchenLight ON",
        "2026-03-01 10:00:04 OutsideDoor FrontDoor OPEN Leave_Home",
        "yesterday Kitchen Kitchen ON",
        "2026-03-01 25:00:04 Kitchen Kitchen ON x",
        "",
        "ÿ",
    ]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))
    events = read_events(path)
    assert events.unreadable == 3
    assert events.kind == ["presence", "presence", "light", "contact"]
    assert events.state == ["ON", "OFF", "ON", "OPEN"]
    assert iso(int(events.t_us[2])) == "2026-03-01T10:00:03.149620"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train.txt", "nothing\n", "no line of the form"),
        ("collapses.csv", "when\n2026-03-10T09:00:00\n", "column t"),
        ("collapses.csv", "t\nnoon\n", "row 0"),
        ("train.txt", "2026-03-20 10:00:01 Kitchen Kitchen ON\n", "nothing to learn from"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    files: tuple[Path, Path], tmp_path: Path, name: str, content: str, words: str
) -> None:
    """Exit 2, and what is wrong."""
    train, test = files
    collapses = tmp_path / "collapses.csv"
    collapses.write_text("t\n2026-03-10T09:00:00\n")
    (tmp_path / name).write_text(content)
    train = tmp_path / name if name == "train.txt" else train
    result = CliRunner().invoke(
        app,
        [
            *("routine", "--train", str(train), "--test", str(test), "--collapses", str(collapses)),
            *("--alarms", str(tmp_path / "alarms.csv")),
        ],
    )
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Of events and of collapses."""
    for read in (read_events, read_collapses):
        with pytest.raises(DetectorError, match="nowhere"):
            read(tmp_path / "nowhere.txt")


def test_on_ten_later_days_of_a_real_home() -> None:
    """Learnt on ten days: no false collapse in the ten after them, kitchen and bathroom within the goals."""
    path = data_folder("home") / "casas_al_home.txt.gz"
    events = read_events(path)
    split = int(np.searchsorted(events.t_us, (int(events.t_us[0]) // DAY_US + 10) * DAY_US))
    train, test = part(events, 0, split), part(events, split, len(events))
    with gzip.open(path, "rt", encoding="utf-8") as file:
        labels = [text.split()[5] for text in file][split:]
    outcome = run(train, test, drawn(test, labels, each=15), lambda *_: None)
    found = figures_of(outcome)
    assert found["findings"] == {"collapse": 0}
    collapses = found["collapses"]
    assert collapses["all"]["without_alarm"] == 0
    assert collapses["all"]["p50_min"] <= 30
    assert collapses["all"]["p90_min"] <= 215
    assert collapses["Kitchen"]["p90_min"] <= 15
    assert collapses["Bathroom"]["p90_min"] <= 45


def part(events: HomeEvents, first: int, last: int) -> HomeEvents:
    """Some of the events."""
    lists = (one[first:last] for one in (events.device, events.kind, events.room, events.state))
    return HomeEvents(events.t_us[first:last], *lists, 0)


def drawn(events: HomeEvents, labels: list[str], each: int) -> np.ndarray:
    """Instants uniform over the time at home and awake, equally many after a reading of each room."""
    rng = np.random.default_rng(0)
    gap_us = np.append(np.diff(events.t_us), 0)
    room, label = np.array(events.room), np.array(labels)
    leaves = (label == "Leave_Home") | (room == "OutsideDoor") | (np.append(room[1:], "") == "OutsideDoor")
    awake = ~np.isin(label, list(ASLEEP)) & ~(leaves & (gap_us > 300_000_000))
    out = []
    for name in ROOMS:
        where = np.flatnonzero(awake & (room == name) & (gap_us > 0))
        chosen = rng.choice(where, each, p=gap_us[where] / gap_us[where].sum())
        out.append(events.t_us[chosen] + (rng.random(each) * gap_us[chosen]).astype(np.int64))
    return np.concatenate(out)
