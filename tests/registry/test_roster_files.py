"""Rosters, overrides, holidays and calendars as files: in, out, and what is wrong with file and line."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar
import pytest
from sqlalchemy import Engine

import registry
from registry.rosters import How, responder_feed
from registry.rosters.calendars import events_between, known_names
from registry.rosters.hours import parse_local
from tests.registry.folders import ON_CALL, RESPONDERS, write_folder

ZONE = ZoneInfo("Asia/Shanghai")
STATION = "lianhu.taoyuan.s1"
ROSTERS = """\
- id: s1-day
  area: lianhu.taoyuan.s1
  zone: Asia/Shanghai
  start: 2026-03-02T08:00
  turns: [r-li, r-wang + r-zhao]
  hours: ["mon-fri 08:00-18:00", "sat,sun 09:00-12:00"]
- id: s1-night
  area: lianhu.taoyuan.s1
  zone: Asia/Shanghai
  layer: 2
  calendar: night.ics
"""
OVERRIDES = """\
id,roster,begin,end,responders,instead_of,swap,note
spring,s1-day,2026-03-02T08:00,2026-03-16T08:00,,,r-li;r-wang,both want it
doctor,s1-day,2026-03-11T10:00,2026-03-11T12:00,r-desk,r-li,,
"""
HOLIDAYS = """\
- {area: lianhu, date: 2026-10-01, name: National Day}
- {area: lianhu, date: 2026-10-10, workday: true}
"""
NIGHT = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:1
SUMMARY:Night: Li Na (nurse)
DTSTART;TZID=Asia/Shanghai:20260302T180000
DTEND;TZID=Asia/Shanghai:20260303T080000
RRULE:FREQ=DAILY
EXDATE;TZID=Asia/Shanghai:20260304T180000
END:VEVENT
BEGIN:VEVENT
UID:1
RECURRENCE-ID;TZID=Asia/Shanghai:20260305T180000
SUMMARY:r-wang + r-zhao
DTSTART;TZID=Asia/Shanghai:20260305T200000
DTEND;TZID=Asia/Shanghai:20260306T080000
END:VEVENT
END:VCALENDAR
"""
MORE = """\
- {id: r-wang, name: Wang, area: lianhu, travel: ebike, provider: Sunrise Care}
- {id: r-zhao, name: Zhao, area: lianhu}
"""


def folder_of(path: Path, *, rosters: str = ROSTERS, overrides: str = OVERRIDES, night: str = NIGHT) -> Path:
    """A folder with rosters beside the plain orders."""
    plain = "lianhu: [r-desk]\n"
    assert plain in ON_CALL
    folder = write_folder(
        path, responders=RESPONDERS.replace("name: Li Na", "name: Li Na (nurse)") + MORE, on_call=plain
    )
    (folder / "rosters.yaml").write_text(rosters, encoding="utf-8")
    (folder / "roster_overrides.csv").write_text(overrides, encoding="utf-8")
    (folder / "holidays.yaml").write_text(HOLIDAYS, encoding="utf-8")
    (folder / "night.ics").write_text(night, encoding="utf-8")
    return folder


def at(text: str) -> int:
    """A local time in Shanghai."""
    return parse_local(text, ZONE)


def test_the_directory_says_who_is_on_call_at_an_instant(registry_engine: Engine, tmp_path: Path) -> None:
    """Turns, a swap, somebody standing in, the calendar, its exceptions, and the desk above them all."""
    diff = registry.import_folder(registry_engine, folder_of(tmp_path))
    assert not diff.problems, diff.problems
    known = registry.directory(registry_engine)
    for when, expected in {
        "2026-03-03T10:00": ["r-wang", "r-desk"],  # swapped
        "2026-03-11T09:00": ["r-li", "r-zhao", "r-desk"],
        "2026-03-11T11:00": ["r-desk", "r-zhao"],  # stands in, and is not called twice
        "2026-03-18T10:00": ["r-li", "r-desk"],
        "2026-03-18T19:00": ["r-li", "r-desk"],  # of the calendar, by name
        "2026-03-04T19:00": ["r-desk"],  # left out there
        "2026-03-05T21:00": ["r-wang", "r-zhao", "r-desk"],  # moved there
        "2026-03-07T11:00": ["r-wang", "r-desk"],
        "2026-03-07T13:00": ["r-desk"],
    }.items():
        assert [one.id for one in known.escalation_order(STATION, at(when))] == expected, when
    first = known.on_duty(STATION, at("2026-03-11T11:00"))[0]
    assert (first.how, first.by, first.until_ms) == (How.COVER, "doctor", at("2026-03-11T12:00"))
    assert [one.id for one in known.on_call_for(STATION, at("2026-03-07T13:00"))] == ["r-desk"]
    assert known.responders["r-wang"].provider == "Sunrise Care"


def test_a_holiday_holds_below_its_area_unless_an_area_nearer_says_otherwise(
    sqlite_registry: Engine, tmp_path: Path
) -> None:
    """The district has the day off; the station works."""
    folder = folder_of(tmp_path, rosters=ROSTERS.replace("mon-fri 08:00-18:00", "workday 08:00-18:00"))
    registry.import_folder(sqlite_registry, folder)
    noon = at("2026-10-01T12:00")  # a Thursday
    assert [one.id for one in registry.directory(sqlite_registry).on_call_for(STATION, noon)] == ["r-desk"]
    (folder / "holidays.yaml").write_text(HOLIDAYS + f"- {{area: {STATION}, date: 2026-10-01, workday: true}}\n")
    registry.import_folder(sqlite_registry, folder)
    assert [one.id for one in registry.directory(sqlite_registry).on_call_for(STATION, noon)] != ["r-desk"]


def test_what_is_exported_is_imported_without_a_change(registry_engine: Engine, tmp_path: Path) -> None:
    """In both forms, the calendar as a file beside."""
    registry.import_folder(registry_engine, folder_of(tmp_path / "in"))
    for form in ("yaml", "csv"):
        folder = tmp_path / form
        registry.export_folder(registry_engine, folder, form=form)
        assert (folder / "s1-night.ics").read_text() == NIGHT
        diff = registry.import_folder(registry_engine, folder, remove=True)
        assert (diff.problems, diff.changes) == ([], [])


def test_a_changed_calendar_is_a_change_and_is_not_printed(sqlite_registry: Engine, tmp_path: Path) -> None:
    """A file of a thousand lines says nothing in a diff."""
    registry.import_folder(sqlite_registry, folder_of(tmp_path))
    diff = registry.import_folder(sqlite_registry, folder_of(tmp_path, night=NIGHT.replace("T180000", "T190000")))
    assert [str(change) for change in diff.changes] == ["~ rosters s1-night: calendar changed"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("zone: Asia/Shanghai\n  start", "zone: Asia/Xian\n  start", "rosters.yaml:3: zone: 'Asia/Xian' is no"),
        ("  start: 2026-03-02T08:00\n", "", "rosters.yaml:1: start is missing"),
        ("2026-03-02T08:00", "2026-02-30T08:00", "rosters.yaml:4: start: '2026-02-30T08:00' is no time"),
        ("2026-03-02T08:00", "monday", "rosters.yaml:4: start: Expected `str` matching"),
        ("r-wang +", "r-who +", "rosters.yaml:5: turns: there is no responder 'r-who'"),
        ('"sat,sun 09:00', '"sat,so 09:00', "rosters.yaml:6: hours: 'sat,so 09:00-12:00' names the day 'so'"),
        ("hours: [\"mon", "hours: [sat,sun 09:00-12:00, \"mon", "rosters.yaml:6: hours: 'sat' is no hours"),
        ("layer: 2", "layer: 0", "rosters.yaml:10: layer: Expected `int` >= 1"),
        ("night.ics", "day.ics", "rosters.yaml:11: calendar: day.ics cannot be read (No such file"),
        ("night.ics", "../night.ics", "rosters.yaml:11: calendar: '../night.ics' is no file name"),
        ("calendar: night.ics", "calendar: night.ics\n  turns: [r-li]", "rosters.yaml:11: a roster has a calendar, or"),
        ("lianhu.taoyuan.s1", "lianhu.s9", "rosters.yaml:2: there is no area 'lianhu.s9'"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_roster_is_named_with_its_line(
    sqlite_registry: Engine, tmp_path: Path, old: str, new: str, expected: str
) -> None:
    """Nothing is imported then."""
    assert old in ROSTERS
    diff = registry.import_folder(sqlite_registry, folder_of(tmp_path, rosters=ROSTERS.replace(old, new, 1)))
    assert not diff.applied
    assert any(str(problem).startswith(expected) for problem in diff.problems), diff.problems


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("s1-day,2026-03-11", "s9,2026-03-11", "roster_overrides.csv:3: there is no roster 's9'"),
        ("2026-03-11T12:00", "2026-03-11T10:00", "roster_overrides.csv:3: ends (2026-03-11T10:00) no later"),
        ("r-li;r-wang", "r-li;r-li", "roster_overrides.csv:2: swap names 1 of the two who change places"),
        ("r-desk,r-li", "r-desk,r-xu", "roster_overrides.csv:3: instead_of: there is no responder 'r-xu'"),
        ("r-desk,r-li,,", "r-desk,,r-li;r-wang,", "roster_overrides.csv:3: a swap has neither responders nor"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_override_is_named_with_its_line(
    sqlite_registry: Engine, tmp_path: Path, old: str, new: str, expected: str
) -> None:
    """Nothing is imported then."""
    assert old in OVERRIDES
    diff = registry.import_folder(sqlite_registry, folder_of(tmp_path, overrides=OVERRIDES.replace(old, new, 1)))
    assert not diff.applied
    assert any(str(problem).startswith(expected) for problem in diff.problems), diff.problems


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Li Na (nurse)", "Li Nu", "line 6: the event 'Night: Li Nu' names 'Li Nu'"),
        ("SUMMARY:r-wang + r-zhao", "DESCRIPTION:free", "line 12: the event '' names no responder"),
        ("FREQ=DAILY", "FREQ=SECONDLY", "line 9: repeats SECONDLY"),
        ("FREQ=DAILY", "FREQ=OFTEN", "line 9: RRULE: Expected frequency, got: OFTEN"),
        ("20260303T080000", "20260301T080000", "line 8: the event ends before it begins"),
        ("20260303T080000", "tomorrow", "line 8: DTEND: Wrong date format tomorrow"),
        ("DTEND;TZID=Asia/Shanghai:20260303T080000\n", "", "line 7: the event has no end"),
        ("VERSION:2.0", "nothing at all", "line 2: 'BEGIN:VCALENDAR"),
        (NIGHT, "BEGIN:VCALENDAR\nEND:VCALENDAR\n", "has no events"),
        (NIGHT, "not a calendar", "line 1: 'not a calendar' is no calendar"),
    ],
)
def test_a_mistake_in_a_calendar_is_named_with_the_line_of_the_roster_and_of_the_calendar(
    sqlite_registry: Engine, tmp_path: Path, old: str, new: str, expected: str
) -> None:
    """So that the event can be found in the program that it was written in."""
    assert old in NIGHT
    diff = registry.import_folder(sqlite_registry, folder_of(tmp_path, night=NIGHT.replace(old, new, 1)))
    assert not diff.applied
    assert any(str(problem).startswith(f"rosters.yaml:11: calendar: {expected}") for problem in diff.problems), (
        diff.problems
    )


def test_a_responder_in_a_turn_cannot_be_removed(sqlite_registry: Engine, tmp_path: Path) -> None:
    """Else the turn would call nobody."""
    registry.import_folder(sqlite_registry, folder_of(tmp_path))
    path = tmp_path / "responders.yaml"
    path.write_text(path.read_text().replace("id: r-zhao", "id: r-xu"))
    diff = registry.import_folder(sqlite_registry, tmp_path, remove=True)
    assert "turns: there is no responder 'r-zhao'" in str(diff.problems[0])


def test_whole_days_go_from_hand_over_to_hand_over_and_attendees_come_before_the_summary() -> None:
    """As coordinators write them: a bar over three days, and people invited to it. Cancelled ones are none."""
    text = NIGHT.replace("DTSTART;TZID=Asia/Shanghai:20260302T180000", "DTSTART;VALUE=DATE:20260302")
    text = text.replace("DTEND;TZID=Asia/Shanghai:20260303T080000", "DTEND;VALUE=DATE:20260305")
    text = text.replace("RRULE:FREQ=DAILY", 'ATTENDEE;CN="Wang":mailto:x@y.z\nATTENDEE:MAILTO:r-zhao@y.z')
    text = text.replace("EXDATE;TZID=Asia/Shanghai:20260304T180000\n", "").replace(
        "UID:1\nREC", "UID:2\nSTATUS:CANCELLED\nX-REC"
    )
    names = known_names([("r-wang", "Wang"), ("r-zhao", "Zhao"), ("r-li", "Li Na (nurse)")])
    found = events_between(text, names, ZONE, timedelta(hours=8), at("2026-03-01"), at("2026-03-09"))
    assert [(event.begin_ms, event.end_ms, event.responders) for event in found] == [
        (at("2026-03-02T08:00"), at("2026-03-05T08:00"), ("r-wang", "r-zhao"))
    ]


def test_a_feed_has_the_shifts_of_one_responder_and_the_same_ids_each_time(
    sqlite_registry: Engine, tmp_path: Path
) -> None:
    """Read back by another program's rules it is the same hours; asked an hour later each shift keeps its id."""
    registry.import_folder(sqlite_registry, folder_of(tmp_path))
    known = registry.directory(sqlite_registry)
    names = {area: entry.name for area, entry in known.areas.items()}

    def feed(begin: str) -> list[icalendar.Event]:
        text = responder_feed(
            known.rosters, "r-zhao", at(begin), at("2026-03-30"), now_ms=0, title="Zhao", area_names=names
        )
        assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
        return icalendar.Calendar.from_ical(text).walk("VEVENT")

    events = feed("2026-03-02")
    spans = [(round(e.start.timestamp() * 1000), round(e.end.timestamp() * 1000)) for e in events]
    assert spans[0] == (at("2026-03-05T20:00"), at("2026-03-06T08:00"))
    assert (at("2026-03-09T08:00"), at("2026-03-09T18:00")) in spans
    assert all("r-zhao" in [d.responder for d in known.on_duty(STATION, begin_ms)] for begin_ms, _ in spans)
    assert str(events[0]["SUMMARY"]) == "On call: Station 1"
    later = {str(event["UID"]) for event in feed("2026-03-09T09:00")}
    assert later < {str(event["UID"]) for event in events}
    assert len(later) == len(events) - 1


def test_a_roster_that_can_no_longer_be_read_is_a_gap_with_a_name(
    sqlite_registry: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Written by another release, or by hand: its area goes to the desk, and nothing stops."""
    from sqlalchemy import update

    from registry import models
    from registry.rosters import Idle, gaps

    registry.import_folder(sqlite_registry, folder_of(tmp_path))
    with registry.writing(sqlite_registry) as connection:
        connection.execute(update(models.roster).where(models.roster.c.id == "s1-day").values(zone="Mars/Olympus"))
        connection.execute(update(models.roster).where(models.roster.c.id == "s1-night").values(calendar="torn"))
    known = registry.directory(sqlite_registry)
    assert [one.id for one in known.escalation_order(STATION, at("2026-03-11T09:00"))] == ["r-desk"]
    (gap,) = gaps(known.rosters, known.areas, at("2026-03-11"), at("2026-03-12"))
    assert dict(gap.reasons) == {"s1-day": Idle.UNREADABLE, "s1-night": Idle.UNREADABLE}
    assert gap.held_by == "lianhu"
    assert "roster s1-day has nobody: 'Mars/Olympus' is no time zone" in caplog.text


def test_the_examples_of_the_document_can_be_imported(sqlite_registry: Engine, tmp_path: Path) -> None:
    """Each file that docs/rosters.md shows, in a district that has its areas and people."""
    text = (Path(__file__).parents[2] / "docs" / "rosters.md").read_text()
    blocks = re.findall(r"```yaml\n# (\w+\.yaml)[^\n]*\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in blocks] == ["rosters.yaml", "holidays.yaml", "roster_overrides.yaml"]
    names = ["li", "wang", "zhao", "chen", "liu", "sun"]
    paths = ["lianhu", "lianhu.taoyuan", "lianhu.taoyuan.fengqing"]
    files = {
        "areas.yaml": "".join(f"- {{path: {path}, name: {path}}}\n" for path in paths),
        "responders.yaml": "".join(f"- {{id: {name}, name: {name.title()}, area: lianhu}}\n" for name in names),
        "second.ics": NIGHT.replace("Li Na (nurse)", "Li, Chen").replace("r-wang + r-zhao", "liu"),
        **dict(blocks),
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    diff = registry.import_folder(sqlite_registry, tmp_path)
    assert not diff.problems, diff.problems
    known = registry.directory(sqlite_registry)
    fengqing = paths[-1]
    for when, expected in {
        "2026-03-09T10:00": ["wang", "zhao"],
        "2026-03-03T19:00": ["liu", "li", "chen"],  # the night, and the second layer's calendar
        "2026-04-07T10:00": ["li", "zhao"],  # swapped: it would be wang and zhao
        "2026-04-12T10:00": ["sun", "zhao"],  # who is on by the swap is ill
        "2026-05-01T21:00": ["li", "wang", "chen"],  # the festival, outside the hours
        "2026-06-01T10:00": [],  # moving
        "2026-10-01T10:00": ["li"],
        "2026-10-01T17:00": [],  # a holiday ends at noon
        "2026-10-10T17:00": ["wang", "zhao"],  # a Saturday that is worked
    }.items():
        assert [one.id for one in known.escalation_order(fengqing, at(when))] == expected, when
