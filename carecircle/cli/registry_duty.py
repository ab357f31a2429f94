"""`carecircle registry coverage`, `ics` and `reach`: when nobody is on call, one's own duty, and who is nearest."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from carecircle.cli.common import SettingsOption, err, fail, load_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from registry import Directory
    from registry.reach import Reach
    from registry.rosters import Gap

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_SHOWN = 40
#: Nobody waits for a call while ways are asked for beforehand.
_PATIENT_S = 10.0

#: What a roster's having nobody is called.
_WHY = {
    "no_order": "no order at all: give this area one",
    "not_begun": "has not begun",
    "ended": "has ended",
    "outside_hours": "outside its hours",
    "no_event": "nothing in its calendar",
    "closed": "closed by an override",
    "unreadable": "cannot be read",
    "no_channel": "who is on has no channel",
}

Days = Annotated[float, typer.Option("--days", min=0.04, max=400, help="How far ahead.")]


def coverage(
    settings: SettingsOption = None,
    days: Days = 7,
    area: Annotated[str | None, typer.Option("--area", help="Only this area and those below it.")] = None,
    reach: Annotated[bool, typer.Option("--reach", help="Also the people whom nobody on call can reach.")] = False,
    within_min: Annotated[float, typer.Option("--within", min=1, help="With --reach: minutes to the door.")] = 15,
    contacts: Annotated[bool, typer.Option("--contacts", help="Also who lives alone and has nobody.")] = False,
    all_rows: Annotated[bool, typer.Option("--all", help="Print every row, not the first 40.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Hours and areas with nobody on call. Exit code 1 when there are any, 0 when somebody always is."""
    from registry.contacts import contact_notices
    from registry.reach import unreached
    from registry.rosters import gaps
    from registry.rosters.duty import holder

    known, zone = _known(settings)
    if area is not None and area not in known.areas:
        fail(f"there is no area {area!r} in the registry")
    from_ms = time.time_ns() // 60_000_000_000 * 60_000
    to_ms = from_ms + round(days * _DAY_MS)
    able = {responder.id for responder in known.responders.values() if responder.channels}
    held_by = {path: holder(known.rosters, known.tiers(path)) or known.root or "" for path in known.areas}
    wanted = {path for path in known.areas if area is None or path == area or path.startswith(f"{area}.")}
    orders = {held_by[path] for path in wanted}
    found = [gap for gap in gaps(known.rosters, known.areas, from_ms, to_ms, able=able) if gap.area in orders]
    people = Counter(held_by[person.area] for person in known.people.values() if person.area in wanted)
    missed = None
    if reach:
        missed = unreached(
            known.rosters,
            {key: person for key, person in known.people.items() if person.area in wanted},
            known.responders,
            known.areas,
            from_ms,
            to_ms,
            within_s=within_min * 60,
            able=able,
        )
    some = {key: person for key, person in known.people.items() if person.area in wanted}
    of_some = {key: known.contacts[key] for key in some if key in known.contacts}
    notices = list(contact_notices(some, known.responders, of_some)) if contacts else []
    if as_json:
        said = _as_json(found, people, missed, from_ms, to_ms, zone) | ({"notices": notices} if contacts else {})
        typer.echo(json.dumps(said, ensure_ascii=False, indent=1))
    else:
        _print_gaps(found, people, zone, days, all_rows)
        if missed is not None:
            _print_reach(missed, zone, within_min, all_rows)
        for notice in notices if all_rows else notices[:_SHOWN]:
            Console(highlight=False, soft_wrap=True).print(escape(notice))
        _say_more(Console(highlight=False), len(notices), all_rows)
    raise typer.Exit(1 if found or (missed is not None and missed.unreached) else 0)


def ics(
    responder: Annotated[str, typer.Argument(help="The responder's id.")],
    settings: SettingsOption = None,
    days: Days = 90,
    out: Annotated[Path | None, typer.Option("--out", help="Write it to this file.")] = None,
) -> None:
    """The shifts of a responder as an iCalendar file."""
    from registry.rosters import responder_feed

    known, _ = _known(settings)
    entry = known.responder(responder)
    if entry is None:
        fail(f"there is no responder {responder!r} in the registry")
    now_ms = time.time_ns() // 1_000_000
    text = responder_feed(
        known.rosters,
        responder,
        now_ms,
        now_ms + round(days * _DAY_MS),
        now_ms=now_ms,
        title=f"On call: {entry.name}",
        area_names={path: one.name for path, one in known.areas.items()},
    )
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8", newline="")
        typer.echo(out)


def reach(
    person: Annotated[str, typer.Argument(help="The person's key.")],
    settings: SettingsOption = None,
    within_min: Annotated[float, typer.Option("--within", min=1, help="Minutes to the door.")] = 15,
) -> None:
    """Who of those on call now can be at a person's door, nearest first. Exit code 1 when nobody can in time."""
    from registry.presence import presences
    from registry.reach import Osrm, candidate_of, rank

    engine = _open(settings)
    known, _ = _known(settings)
    entry = known.person(person)
    if entry is None:
        fail(f"there is no person {person!r} in the registry")
    if entry.lat is None or entry.lon is None:
        fail(f"{person} has no coordinates in the registry: add lat and lon")
    now_ms = time.time_ns() // 1_000_000
    duties = known.on_duty(entry.area, now_ms)
    with engine.connect() as connection:
        reported = presences(connection, [duty.responder for duty in duties])
    candidates = [
        candidate_of(known.responders[duty.responder], reported.get(duty.responder), now_ms) for duty in duties
    ]
    url = load_settings(settings).reach.osrm_url
    routed: dict[str, float] = {}
    if url:
        routes = Osrm(url, time.monotonic)
        routed = routes.seconds(candidates, entry.lat, entry.lon)
        routes.close()
    arrivals = rank(candidates, entry.lat, entry.lon, routed_s=routed, within_s=within_min * 60)
    table = Table("responder", "minutes", f"within {within_min:g}", "from", "by", "busy")
    for one in arrivals:
        minutes = "unknown" if one.seconds is None else f"{one.seconds / 60:.0f}"
        by = "" if one.seconds is None else "route" if one.routed else "estimate"
        table.add_row(escape(one.responder), minutes, "yes" if one.within else "no", one.where.value, by, one.busy)
    out = Console(highlight=False)
    out.print(table if arrivals else "Nobody is on call.")
    raise typer.Exit(0 if any(one.within and not one.busy for one in arrivals) else 1)


def routes(settings: SettingsOption = None) -> None:
    """Ask the server of routes for the ways from responders to people, which then decide the order of calls.

    Once more asks for what is new. Exit code 1 when the server does not answer to the end.
    """
    from rich.progress import Progress

    from registry.reach import Osrm
    from registry.routes import ask_ways

    url = load_settings(settings).reach.osrm_url
    if not url:
        fail("no server of routes is set: reach.osrm_url, or CARECIRCLE_REACH__OSRM_URL")
    known, _ = _known(settings)
    osrm = Osrm(url, time.monotonic, timeout_s=_PATIENT_S)
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("people", total=len(known.people))
        asked = ask_ways(_open(settings), known, osrm, lambda done: progress.update(task, completed=done))
    osrm.close()
    Console(highlight=False).print(f"{asked.added} ways added, {asked.removed} removed.")
    if not asked.finished:
        fail("the server of routes stopped answering: run it again, it goes on where it stood", code=1)


def _open(path: Path | None) -> Engine:
    from carecircle.cli.registry import open_registry

    return open_registry(path)


def _known(path: Path | None) -> tuple[Directory, ZoneInfo]:
    import registry

    known = registry.directory(_open(path), secrets=False)
    if known.root is None:
        fail("the registry is empty: carecircle registry import FOLDER")
    return known, ZoneInfo(load_settings(path).console.time_zone)


def _print_gaps(found: list[Gap], people: Counter[str], zone: ZoneInfo, days: float, all_rows: bool) -> None:
    out = Console(highlight=False)
    if not found:
        out.print(f"Somebody is on call in every area for the next {days:g} days.")
        return
    table = Table(title="Nobody on call")
    for name in ("area", "nobody from", "to", "hours", "why", "in whose hands", "people"):
        table.add_column(name, overflow="fold")
    for gap in found if all_rows else found[:_SHOWN]:
        why = "; ".join(f"{roster}: {_WHY[idle]}" if roster else _WHY[idle] for roster, idle in gap.reasons)
        held = escape(gap.held_by) or "[bold red]nobody[/]"
        span = _local(gap.begin_ms, zone), _local(gap.end_ms, zone), _hours(gap.end_ms - gap.begin_ms)
        table.add_row(escape(gap.area), *span, escape(why), held, str(people[gap.area]))
    out.print(table)
    _say_more(out, len(found), all_rows)
    lost_ms = sum(gap.end_ms - gap.begin_ms for gap in found if not gap.held_by)
    all_ms = sum(gap.end_ms - gap.begin_ms for gap in found)
    out.print(
        f"{len(found)} gaps, {_hours(all_ms)} hours in the hands of somebody above or of nobody;"
        f" {_hours(lost_ms)} of them with nobody up to the district desk."
    )


def _print_reach(missed: Reach, zone: ZoneInfo, within_min: float, all_rows: bool) -> None:
    out = Console(highlight=False)
    if missed.unreached:
        title = f"Nobody on call within {within_min:g} minutes"
        table = Table(title=title)
        for name in ("area", "from", "to", "hours", "people", "who"):
            table.add_column(name, overflow="fold")
        for one in missed.unreached if all_rows else missed.unreached[:_SHOWN]:
            some = ", ".join(one.people[:4]) + (" ..." if len(one.people) > 4 else "")
            span = _local(one.begin_ms, zone), _local(one.end_ms, zone), _hours(one.end_ms - one.begin_ms)
            table.add_row(escape(one.area), *span, str(len(one.people)), escape(some))
        out.print(table)
        _say_more(out, len(missed.unreached), all_rows)
    else:
        out.print(f"Everybody with coordinates can be reached within {within_min:g} minutes at any hour.")
    for names, what in ((missed.unplaced_people, "people"), (missed.unplaced_responders, "responders on call")):
        if names:
            some = ", ".join(names[:4]) + (" ..." if len(names) > 4 else "")
            out.print(f"{len(names)} {what} have no coordinates and are not counted: {escape(some)}")


def _say_more(out: Console, count: int, all_rows: bool) -> None:
    if count > _SHOWN and not all_rows:
        out.print(f"... and {count - _SHOWN} more (--all prints them)")


def _as_json(
    found: Iterable[Gap], people: Counter[str], missed: Reach | None, from_ms: int, to_ms: int, zone: ZoneInfo
) -> dict[str, Any]:
    def span(begin_ms: int, end_ms: int) -> dict[str, Any]:
        begin, end = (datetime.fromtimestamp(ms / 1000, tz=zone).isoformat() for ms in (begin_ms, end_ms))
        return {"begin_ms": begin_ms, "end_ms": end_ms, "begin": begin, "end": end}

    said: dict[str, Any] = span(from_ms, to_ms)
    said["gaps"] = [
        {
            "area": gap.area,
            **span(gap.begin_ms, gap.end_ms),
            "reasons": [{"roster": roster, "reason": idle.value} for roster, idle in gap.reasons],
            "held_by": gap.held_by,
            "people": people[gap.area],
        }
        for gap in found
    ]
    if missed is not None:
        said["unreached"] = [
            {"area": one.area, **span(one.begin_ms, one.end_ms), "people": list(one.people)} for one in missed.unreached
        ]
        said["people_without_coordinates"] = list(missed.unplaced_people)
        said["responders_without_coordinates"] = list(missed.unplaced_responders)
    return said


def _local(at_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=zone).strftime("%a %Y-%m-%d %H:%M")


def _hours(span_ms: int) -> str:
    return f"{span_ms / _HOUR_MS:.1f}"
