"""`carecircle registry coverage`, `ics` and `reach` as a coordinator meets them."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar
import pytest

from tests.registry.folders import RESPONDERS, write_folder
from tests.registry.test_command import _data_dir, run  # noqa: F401
from tests.servers.routes import serve_routes

NEAR = RESPONDERS.replace("area: lianhu.taoyuan.s1\n", "area: lianhu.taoyuan.s1\n  lat: 34.2650\n  lon: 108.9230\n")


def folder_with(path: Path, roster: str = "", *, on_call: str = "lianhu: [r-desk]\n", **files: str) -> Path:
    """A folder whose station has the roster and whose district has the desk."""
    folder = write_folder(path, on_call=on_call, **files)
    if roster:
        (folder / "rosters.yaml").write_text(roster, encoding="utf-8")
    return folder


def roster(hours: str) -> str:
    """Li Na's, of so many hours a day."""
    return (
        "- {id: s1, area: lianhu.taoyuan.s1, zone: Asia/Shanghai, start: 2026-01-05T08:00, turns: [r-li],"
        f' hours: ["{hours}"]}}\n'
    )


def test_somebody_always_is_on_call(tmp_path: Path) -> None:
    """Exit code 0."""
    run("import", folder_with(tmp_path / "in", roster("00:00-24:00")))
    result = run("coverage")
    assert (result.exit_code, "Somebody is on call in every area for the next 7 days" in result.stdout) == (0, True)


def test_gaps_are_named_with_their_hours_and_whose_hands_they_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, for a job that runs every night."""
    monkeypatch.setenv("COLUMNS", "160")
    run("import", folder_with(tmp_path / "in", roster("08:00-20:00")))
    result = run("coverage", "--days", 2)
    assert result.exit_code == 1
    for words in ("lianhu.taoyuan.s1", "s1: outside its hours", "20:00", "24.0 hours in the hands of somebody above"):
        assert words in result.stdout
    assert "0.0 of them with nobody" in result.stdout


def test_coverage_as_json_and_of_one_area(tmp_path: Path) -> None:
    """An area without an order of its own asks the one above it. Only who has a channel counts."""
    silent = RESPONDERS.replace("  channels: [{type: console}]\n", "")
    run("import", folder_with(tmp_path / "in", roster("08:00-20:00"), responders=silent))
    said = json.loads(run("coverage", "--json", "--area", "lianhu.taoyuan").stdout)
    assert {gap["area"] for gap in said["gaps"]} == {"lianhu", "lianhu.taoyuan.s1"}
    desk, *others = said["gaps"]
    assert (desk["reasons"], desk["held_by"]) == ([{"roster": "", "reason": "no_channel"}], "")
    assert desk["end_ms"] - desk["begin_ms"] == 7 * 86_400_000
    assert {(gap["held_by"], gap["people"]) for gap in others} == {("", 1)}
    begin, end = (datetime.fromisoformat(others[1][name]) for name in ("begin", "end"))
    assert (begin.hour, end.hour, end - begin, begin.utcoffset()) == (20, 8, timedelta(hours=12), timedelta(hours=8))
    assert run("coverage", "--area", "lianhu.nowhere").exit_code == 2


def test_coverage_names_people_whom_nobody_reaches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Li Na lives round the corner; at night the desk has no place on the map."""
    monkeypatch.setenv("COLUMNS", "160")
    run("import", folder_with(tmp_path / "in", roster("08:00-20:00"), responders=NEAR))
    said = json.loads(run("coverage", "--reach", "--json", "--days", 3).stdout)
    assert {(one["area"], tuple(one["people"])) for one in said["unreached"]} == {("lianhu.taoyuan.s1", ("p-0001",))}
    assert sum(one["end_ms"] - one["begin_ms"] for one in said["unreached"]) == 36 * 3_600_000
    assert (said["people_without_coordinates"], said["responders_without_coordinates"]) == (["p-0002"], ["r-desk"])
    printed = run("coverage", "--reach", "--days", 1).stdout
    assert "Nobody on call within 15 minutes" in printed
    assert "1 people have no coordinates and are not counted: p-0002" in printed


def test_an_empty_registry_is_no_coverage() -> None:
    """It says what to do."""
    assert run("coverage").exit_code == 2


def test_a_feed_is_a_calendar_file(tmp_path: Path) -> None:
    """Of the next 90 days, or so many; to a file with the line ends of the standard."""
    run("import", folder_with(tmp_path / "in", roster("08:00-20:00")))
    events = icalendar.Calendar.from_ical(run("ics", "r-li", "--days", 3).stdout).walk("VEVENT")
    assert 3 <= len(events) <= 4
    assert {event.start.astimezone(ZoneInfo("Asia/Shanghai")).hour for event in events} == {8}
    out = tmp_path / "li.ics"
    assert run("ics", "r-li", "--out", out).exit_code == 0
    assert out.read_bytes().startswith(b"BEGIN:VCALENDAR\r\n")
    assert run("ics", "r-who").exit_code == 2


def test_who_can_be_at_a_door_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By estimate, and by a server of routes where one is set."""
    monkeypatch.setenv("COLUMNS", "160")
    run("import", folder_with(tmp_path / "in", roster("00:00-24:00"), responders=NEAR))
    result = run("reach", "p-0001")
    assert result.exit_code == 0
    li = next(line for line in result.stdout.splitlines() if "r-li" in line)
    assert "estimate" in li
    assert run("reach", "p-0002").exit_code == 2  # no coordinates
    with serve_routes() as routes:
        routes.speed_mps["foot"] = 0.01
        monkeypatch.setenv("CARECIRCLE_REACH__OSRM_URL", routes.url)
        result = run("reach", "p-0001")
    assert result.exit_code == 1
    li = next(line for line in result.stdout.splitlines() if "r-li" in line)
    assert "route" in li
    assert run("routes").exit_code == 1  # nothing answers there any more
    with serve_routes() as routes:
        monkeypatch.setenv("CARECIRCLE_REACH__OSRM_URL", routes.url)
        assert "1 ways added, 0 removed" in run("routes").stdout
        assert "0 ways added, 0 removed" in run("routes").stdout
    monkeypatch.setenv("CARECIRCLE_REACH__OSRM_URL", "here")
    assert run("reach", "p-0001").exit_code == 2


def test_the_doctor_says_when_nobody_will_be_on_call(tmp_path: Path) -> None:
    """A warning with the first of the gaps, in the time that people read; nothing while there is no registry."""
    from carecircle.doctor.rosters import check_rosters
    from carecircle.settings import load

    assert list(check_rosters(load())) == []
    run("import", folder_with(tmp_path / "in", roster("08:00-20:00")))
    ((ok, what, found, advice),) = check_rosters(load())
    assert (ok, what) == (False, "on call")
    assert re.fullmatch(
        r"nobody [78] times in the next 7 days, first in lianhu\.taoyuan\.s1 from \w{3} \d{4}-\d\d-\d\d \d\d:\d\d,"
        r" in the hands of lianhu",
        found,
    )
    assert "registry coverage" in advice
    run("import", folder_with(tmp_path / "in", roster("00:00-24:00")))
    assert [(ok, found) for ok, _, found, _ in check_rosters(load())] == [
        (True, "somebody in every area for the next 7 days")
    ]
