"""Responders say where they are: by the command, and as the console does it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

import registry
from carecircle.cli.registry import app
from registry.presence import PresenceError, presences, tell_presence
from registry.ratings import ProviderRating, write_ratings
from registry.reach import FRESH_MS, Candidate, Presence, Where, candidate_of, rank
from tests.registry.folders import write_folder

NOW_MS = 1_772_517_600_000
LAT, LON = 34.26, 108.92


@pytest.fixture
def engine(registry_engine: Engine, tmp_path: Path) -> Engine:
    """A registry with the responder r-li."""
    assert registry.import_folder(registry_engine, write_folder(tmp_path / "in")).applied
    return registry_engine


def run(*arguments: object) -> Result:
    """The command's exit code and what it printed."""
    return CliRunner().invoke(app, ["presence", *(str(argument) for argument in arguments)])


def test_the_command_reports_a_place_takes_it_back_and_says_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answers with what holds from now on."""
    monkeypatch.setenv("CARECIRCLE_DATA_DIR", str(tmp_path / "data"))
    assert CliRunner().invoke(app, ["import", str(write_folder(tmp_path / "in"))]).exit_code == 0
    assert (run("r-li").exit_code, run("r-li").stdout) == (1, "r-li has reported nothing\n")
    assert "r-li can come, at 34.26000, 108.92000 (reported 20" in run("r-li", "--lat", LAT, "--lon", LON).stdout
    assert "r-li cannot come" in run("r-li", "--off").stdout
    assert "r-li cannot come" in run("r-li").stdout
    assert "r-li can come, from their base" in run("r-li", "--on").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody", "--off"), "no such responder"),
        (("r-li", "--lat", "34"), "give both"),
        (("r-li", "--lat", "134", "--lon", "8"), "no place in degrees"),
        (("r-li", "--lat", "nan", "--lon", "8"), "no place in degrees"),
        (("r-li", "--off", "--lat", "34", "--lon", "8"), "give it alone"),
    ],
)
def test_what_cannot_be_taken_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    """With the value, and nothing is written."""
    monkeypatch.setenv("CARECIRCLE_DATA_DIR", str(tmp_path / "data"))
    assert CliRunner().invoke(app, ["import", str(write_folder(tmp_path / "in"))]).exit_code == 0
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert run("r-li").exit_code == 1


def test_a_clock_that_is_ahead_does_not_keep_later_reports_away(engine: Engine) -> None:
    """A phone an hour ahead would be where it was for an hour."""
    assert tell_presence(engine, "r-li", NOW_MS, at_ms=NOW_MS + 3_600_000, lat=LAT, lon=LON).at_ms == NOW_MS
    assert tell_presence(engine, "r-li", NOW_MS + 1, available=False) == Presence(NOW_MS + 1, available=False)


def test_an_older_report_leaves_the_newer_one_and_says_so(engine: Engine) -> None:
    """It was on its way for long."""
    newer = tell_presence(engine, "r-li", NOW_MS, lat=LAT, lon=LON)
    assert tell_presence(engine, "r-li", NOW_MS, at_ms=NOW_MS - 1, available=False) == newer


def test_nobody_else_is_reported(engine: Engine) -> None:
    """The error names whom nobody knows."""
    with pytest.raises(PresenceError, match="nobody") as raised:
        tell_presence(engine, "nobody", NOW_MS)
    assert raised.value.responder == "nobody"


def test_a_place_counts_for_half_an_hour_and_decides_who_is_nearest(engine: Engine) -> None:
    """One millisecond longer and the base counts again."""
    tell_presence(engine, "r-li", NOW_MS, lat=LAT, lon=LON)
    known = registry.directory(engine)
    with engine.connect() as connection:
        reported = presences(connection, ["r-li"])
    other = registry.ResponderEntry(id="other", name="O", area="lianhu", lat=LAT + 0.02, lon=LON, travel="walk")

    def order(now_ms: int) -> list[tuple[str, Where]]:
        candidates = [candidate_of(one, reported.get(one.id), now_ms) for one in (other, known.responders["r-li"])]
        return [(one.responder, one.where) for one in rank(candidates, LAT, LON)]

    assert order(NOW_MS + FRESH_MS)[0] == ("r-li", Where.REPORTED)
    assert order(NOW_MS + FRESH_MS + 1)[0] == ("other", Where.BASE)


def test_among_those_within_the_same_minute_the_better_rated_goes_first() -> None:
    """Who has no rating stands in the middle; a minute nearer is nearer whatever the rating; busy stays last."""
    near = [Candidate(name, "ebike", LAT + 0.001, LON) for name in ("worst", "none", "best")]
    far = Candidate("far", "ebike", LAT + 0.02, LON)
    busy = Candidate("busy", "ebike", LAT, LON, busy="i1")
    rated = {"worst": 60.0, "best": 95.0, "far": 99.0, "busy": 70.0}
    assert [one.responder for one in rank([*near, far, busy], LAT, LON, rated=rated)] == [
        "best", "none", "worst", "far", "busy",
    ]  # fmt: skip
    assert [one.responder for one in rank([*near, far], LAT, LON)] == ["worst", "none", "best", "far"]


def test_ratings_are_in_the_directory_until_they_are_forgotten(engine: Engine) -> None:
    """A running dispatch sees a new revision."""
    before = registry.current_revision(engine)
    span = {"from_ms": 0, "to_ms": NOW_MS, "now_ms": NOW_MS}
    write_ratings(engine, {"Red Cross": ProviderRating(91.5, "A"), "B": ProviderRating(70.0, "C")}, **span)
    write_ratings(engine, {"Red Cross": ProviderRating(88.0, "B")}, **span)
    assert dict(registry.directory(engine).ratings) == {"Red Cross": 88.0}
    assert registry.current_revision(engine) == before + 2
    write_ratings(engine, {}, **span)
    assert not registry.directory(engine).ratings
