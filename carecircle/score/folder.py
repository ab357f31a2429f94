"""The folder of a run: what was played, what really happened, and, once asked for, what was found.

``scenario.yaml`` is the scenario as it was played, ``truth.json`` what happened, ``incidents.json`` what the system
found (:class:`firmware_sim.scoring.Found`), ``quarantine.json`` what it refused, ``score.json`` the comparison.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from carecircle.score.errors import ScoreError
from firmware_sim.scenario import Scenario
from firmware_sim.scenario_schema import to_yaml
from firmware_sim.scoring import Found, Score
from firmware_sim.scoring_quarantine import Quarantined
from firmware_sim.truth import Truth

SCENARIO, TRUTH, INCIDENTS, QUARANTINE, SCORE = (
    "scenario.yaml", "truth.json", "incidents.json", "quarantine.json", "score.json",
)  # fmt: skip


def prepare(folder: Path) -> None:
    """Make the folder of a run that begins.

    Raises:
        ScoreError: it holds an earlier run, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScoreError(f"{folder} cannot be made: {error.strerror}") from None
    if (folder / TRUTH).exists():
        raise ScoreError(f"{folder} holds an earlier run: name another folder")


def save_run(folder: Path, scenario: Scenario, truth: Truth) -> None:
    """Write what was played, with the seed that it was played with, and what happened."""
    head = f"# Played with --source {truth.source} --start {truth.start_ms}\n"
    text = to_yaml(msgspec.structs.replace(scenario, seed=truth.seed))
    (folder / SCENARIO).write_text(head + text, encoding="utf-8")
    truth.save(folder / TRUTH)


def save_found(folder: Path, found: list[Found], refused: list[Quarantined] | None) -> None:
    """Write what the system made of it."""
    _write(folder / INCIDENTS, found)
    if refused is not None:
        _write(folder / QUARANTINE, refused)


def save_score(path: Path, score: Score) -> None:
    """Write the comparison as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, score)


def load_truth(folder: Path) -> Truth:
    """The truth of the run in ``folder``, or of the truth file that it is.

    Raises:
        ScoreError: there is none, or it is not one.
    """
    path = folder / TRUTH if folder.is_dir() else folder
    try:
        return Truth.load(path)
    except OSError as error:
        raise ScoreError(
            f"{path}: {error.strerror}: name the folder that `carecircle simulate ... --run DIR` wrote, or a truth file"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ScoreError(f"{path} is no truth file: {error}") from None


def load_found(path: Path) -> list[Found]:
    """The findings in a JSON or CSV file; columns and fields are those of :class:`firmware_sim.scoring.Found`.

    Raises:
        ScoreError: the file cannot be read, or a field is wrong; says which.
    """
    try:
        if path.suffix.lower() == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows: Iterable[dict[str, Any]] = [_filled(row) for row in csv.DictReader(file)]
                return msgspec.convert(rows, list[Found], strict=False)
        return msgspec.json.decode(path.read_bytes(), type=list[Found])
    except OSError as error:
        raise ScoreError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, csv.Error) as error:
        raise ScoreError(f"{path}: {error}; fields: {', '.join(Found.__struct_fields__)}") from None


def load_refused(path: Path) -> list[Quarantined] | None:
    """The quarantine as it was written; None where it was not.

    Raises:
        ScoreError: it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Quarantined])
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ScoreError(f"{path}: {error}") from None


def _filled(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if name and value not in (None, "")}


def _write(path: Path, what: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(what), indent=1))
