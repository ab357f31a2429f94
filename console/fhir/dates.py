"""Searching by date as FHIR has it (http://hl7.org/fhir/R4/search.html#date): a prefix, and as much of a date. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from console.fhir.outcomes import refuse

_DATE = re.compile(
    r"(?P<how>eq|ge|gt|le|lt)?(?P<date>\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(?P<zone>Z|[+-]\d{2}:\d{2})?)?)?)?)"
)
_ADVICE = "write it like ge2026-03-01 or le2026-03-02T08:00:00Z, with one of eq, ge, gt, le, lt"


def span_of(given: Iterable[str], zone: ZoneInfo) -> tuple[int | None, int | None]:
    """``start_ms <= t < end_ms`` of all the dates together; None where nothing is said. Dates without a zone are local.

    Raises Problem for what is no date.
    """
    start_ms: int | None = None
    end_ms: int | None = None
    for text in given:
        how, begin_ms, over_ms = _read(text, zone)
        if how in ("eq", "ge", "gt"):
            least = over_ms if how == "gt" else begin_ms
            start_ms = least if start_ms is None else max(start_ms, least)
        if how in ("eq", "le", "lt"):
            most = begin_ms if how == "lt" else over_ms
            end_ms = most if end_ms is None else min(end_ms, most)
    return start_ms, end_ms


def _read(text: str, zone: ZoneInfo) -> tuple[str, int, int]:
    """The prefix, and from when to when the date goes."""
    match = _DATE.fullmatch(text.strip().replace(" ", "+"))
    if match is None:
        raise refuse(f"date: {text[:60]!r} is no date: {_ADVICE}")
    date = match["date"]
    try:
        if len(date) == 4:
            begin = datetime(int(date), 1, 1, tzinfo=zone)
            over = begin.replace(year=begin.year + 1)
        elif len(date) == 7:
            begin = datetime.fromisoformat(f"{date}-01").replace(tzinfo=zone)
            over = (begin + timedelta(days=32)).replace(day=1)
        elif len(date) == 10:
            begin = datetime.fromisoformat(date).replace(tzinfo=zone)
            over = begin + timedelta(days=1)
        else:
            begin = datetime.fromisoformat(date)
            begin = begin if begin.tzinfo else begin.replace(tzinfo=zone)
            clock = date.partition("T")[2].removesuffix(match["zone"] or "")
            step = timedelta(milliseconds=1) if "." in clock else timedelta(seconds=1 if clock.count(":") == 2 else 60)
            over = begin + step
        return match["how"] or "eq", round(begin.timestamp() * 1000), round(over.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise refuse(f"date: {text[:60]!r} is no date: {_ADVICE}") from error
