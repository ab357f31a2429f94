"""The report as rows of one CSV table. Pure, but for the file that they are written to."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from alerts.reporting.build import Report
from alerts.reporting.measures import Calls, Incidents
from telemetry.shares import Share

HEADER = (
    "by", "key", "name", "cases", "soon_hits", "soon_of", "soon_share", "late_hits", "late_of", "late_share",
    "door_hits", "door_of", "door_share", "median_answer_s", "unanswered", "closed", "true", "false_alarm",
    "cancelled", "device_fault", "historical", "taken", "not_delivered", "rating", "grade",
)  # fmt: skip
#: What a spreadsheet would take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_OUTCOMES = ("true", "false_alarm", "cancelled", "device_fault")


def rows(report: Report) -> Iterator[dict[str, str | int | float]]:
    """One row for all, then for each area, hour, responder and provider; what does not apply is absent.

    ``soon`` is answered within 60 s, ``late`` within 180 s, ``door`` at the door within 15 min: how many, of how many
    that count, and the share. ``cases`` are incidents, for responders and providers calls.
    """
    yield {"by": "all", "key": report.area, "name": report.area_name, **_incidents(report.total)}
    for area in report.areas:
        by = "station" if area.leaf else "area"
        yield {"by": by, "key": area.path, "name": area.name, **_incidents(area.incidents)}
    for hour, incidents in enumerate(report.hours):
        yield {"by": "hour", "key": hour, "name": f"{hour:02d}:00", **_incidents(incidents)}
    for responder in report.responders:
        yield {"by": "responder", "key": responder.id, "name": responder.name, **_calls(responder.calls)}
    for provider in report.providers:
        rated: dict[str, str | int | float] = {}
        if provider.rating:
            rated = {"rating": round(provider.rating.score, 1), "grade": provider.rating.grade}
        yield {"by": "provider", "key": provider.name, "name": provider.name, **_calls(provider.calls), **rated}


def write_csv(report: Report, path: Path) -> None:
    """Write :func:`csv_text` to a file."""
    path.write_text(csv_text(report), encoding="utf-8", newline="")


def csv_text(report: Report) -> str:
    """:func:`rows` as CSV, with a mark at the beginning by which spreadsheets know UTF-8."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, HEADER, restval="")
    writer.writeheader()
    writer.writerows({name: harmless(value) for name, value in row.items()} for row in rows(report))
    return "\ufeff" + buffer.getvalue()


def harmless(value: str | int | float) -> str | int | float:
    """A value that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _incidents(incidents: Incidents) -> dict[str, int | float]:
    return {
        "cases": incidents.count,
        **_shares(incidents),
        "unanswered": incidents.unanswered,
        "closed": sum(incidents.outcomes.values()),
        **{name: incidents.outcomes[name] for name in _OUTCOMES},
        "historical": incidents.historical,
    }


def _calls(calls: Calls) -> dict[str, int | float]:
    return {"cases": calls.count, **_shares(calls), "taken": calls.taken, "not_delivered": calls.unreached}


def _shares(counts: Incidents | Calls) -> dict[str, int | float]:
    found: dict[str, int | float] = {}
    for name, share in (("soon", counts.soon.share), ("late", counts.late.share), ("door", counts.door.share)):
        found |= {f"{name}_hits": share.hits, f"{name}_of": share.total} | _value(f"{name}_share", share)
    return found | ({"median_answer_s": round(median(counts.answer_s), 1)} if counts.answer_s else {})


def _value(name: str, share: Share) -> dict[str, float]:
    return {} if math.isnan(share.value) else {name: round(share.value, 4)}
