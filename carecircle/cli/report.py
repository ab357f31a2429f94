"""``carecircle report``: how soon people answered and stood at the door, as a page and as a table."""

from __future__ import annotations

import gc
import time
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from carecircle.cli.common import SettingsOption, fail, load_settings

if TYPE_CHECKING:
    from alerts.reporting import Report
    from registry.ratings import ProviderRating

_DAYS = 30


class Language(StrEnum):
    """What the page is written in."""

    EN = "en"
    ZH = "zh"


def report(
    settings_file: SettingsOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the page (HTML) here.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write all the figures as one table here.")] = None,
    since: Annotated[str, typer.Option("--from", help="First day, 2026-03-01; default: 30 days before the last.")] = "",
    until: Annotated[str, typer.Option("--to", help="Last day, it counts too; default: today.")] = "",
    area: Annotated[str, typer.Option("--area", help="Only this area and all below it: its dotted path.")] = "",
    language: Annotated[Language, typer.Option("--language", help="Of the page: en or zh.")] = Language.EN,
    write: Annotated[
        bool, typer.Option("--write-ratings", help="Have calls prefer the better provider among those as near.")
    ] = False,
    forget: Annotated[bool, typer.Option("--forget-ratings", help="Have calls prefer no provider any more.")] = False,
) -> None:
    """How soon alarms were answered and somebody stood at the door, by area, hour, responder and provider.

    Counts the incidents opened in the period, by local days; tests and drills do not count. How it is counted, and
    how providers are rated, stands at the end of the page. Without --out and --csv only a summary is printed.
    """
    import registry
    from alerts.history import cases
    from alerts.reporting import build, page, write_csv
    from carecircle.roles import prepare
    from registry.ratings import write_ratings

    if write and (forget or area):
        fail("--write-ratings writes those of the whole district: give it without --area and --forget-ratings")
    settings = load_settings(settings_file)
    zone = ZoneInfo(settings.console.time_zone)
    now_ms = time.time_ns() // 1_000_000
    from_ms, to_ms = _period(since, until, zone, now_ms)
    engine = prepare(settings)
    gc.disable()  # what is read here lives to the end: to look for garbage in it takes nearly as long as to read it
    try:
        directory = registry.directory(engine, secrets=False)
        if area and area not in directory.areas:
            near = [path for path in sorted(directory.areas) if area.rpartition(".")[2] in path][:5]
            fail(f"there is no area {area!r} in the registry{': is it ' + ' or '.join(near) + '?' if near else ''}")
        found = cases(engine, from_ms, to_ms, area=area or None)
        made = build(found, directory, from_ms=from_ms, to_ms=to_ms, now_ms=now_ms, zone=zone, area=area or None)
        rated = _ratings(made) if write else {}
        if write or forget:
            write_ratings(engine, rated, from_ms=from_ms, to_ms=to_ms, now_ms=now_ms)
    finally:
        gc.enable()
        engine.dispose()
    console = Console()
    if write or forget:
        names = ", ".join(f"{name} ({one.grade})" for name, one in rated.items())
        said = (
            f"preferred among those who are as near, the best first: {names}" if names else "no provider is preferred"
        )
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    console.print(_summary(made))
    try:
        if out is not None:
            out.write_text(page(made, language.value), encoding="utf-8")
        if csv is not None:
            write_csv(made, csv)
    except OSError as error:
        fail(f"{error.filename} cannot be written: {error.strerror}")
    for path in (out, csv):
        if path is not None:
            console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)


def _ratings(made: Report) -> dict[str, ProviderRating]:
    """The providers with enough cases, the best first."""
    from registry.ratings import ProviderRating

    rated = [(row.name, row.rating) for row in made.providers if row.name and row.rating]
    return {name: ProviderRating(rating.score, rating.grade) for name, rating in rated}


def _period(since: str, until: str, zone: ZoneInfo, now_ms: int) -> tuple[int, int]:
    """Whole local days, the last included, as epoch ms."""
    from alerts.reporting import instants_of

    last = _day(until, "--to") if until else datetime.fromtimestamp(now_ms / 1000, zone).date()
    first = _day(since, "--from") if since else last - timedelta(days=_DAYS - 1)
    if first > last:
        fail(f"--from {first} lies after --to {last}")
    return instants_of(first, last, zone)


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{option} {text!r} is no day: write it as 2026-03-01")


def _summary(made: Report) -> Table:
    from alerts.reporting.plots import percent

    total = made.total
    table = Table(title=f"{total.count} incidents in {made.area_name}, {made.tests} tests not counted", box=None)
    for name in ("", "share", "of", "95 % interval", "goal"):
        table.add_column(name, justify="right" if name else "left")
    lines = (
        ("answered within 60 s", total.soon.share, "97.5 %"),
        ("answered within 180 s", total.late.share, "99 %"),
        ("at the door within 15 min", total.door.share, ""),
        ("false alarms", total.false_alarms, ""),
    )
    for name, share, goal in lines:
        low, high = share.interval
        counts = f"{share.hits}/{share.total}"
        table.add_row(name, percent(share.value), counts, f"{percent(low)} to {percent(high)}", goal)
    table.add_row("never answered", str(total.unanswered), "", "", "")
    return table
