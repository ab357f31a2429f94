"""What the template of an incident says, in the reader's language. Pure."""

from __future__ import annotations

import json
from typing import Any

from alerts.queries import IncidentView
from console import times
from console.incident.measured import Measured
from console.incident.strip import rooms_svg
from console.people.showing import and_points, with_unit, written
from console.people.signs import SIGNS, points_of, shown
from console.settings import ConsoleSettings
from console.texts import Texts

#: What the script of the drawings says by itself.
_CHART_WORDS = ("chart.failed", "chart.keys", "chart.usual_is", "chart.marks_in", "chart.nothing")


def incident_words(texts: Texts, settings: ConsoleSettings, view: IncidentView, measured: Measured) -> dict[str, Any]:
    """The words of the script, and the drawing of the rooms."""

    def clock(at_ms: int) -> str:
        return times.clock_time(at_ms, at_ms, settings.zone)[:5]

    label = texts("around.rooms_label", spans=rooms_said(texts, measured, clock) or texts("around.no_rooms"))
    return {
        "chart_words": json.dumps({name: texts(name) for name in _CHART_WORDS}, ensure_ascii=False),
        "written": written,
        "with_unit": with_unit,
        "and_points": and_points(texts),
        "points_of": points_of,
        "hhmm": clock,
        "rooms_drawing": rooms_svg(
            measured.rooms, measured.start_ms, measured.end_ms, view.onset_ms,
            name=lambda room: texts.of("room", room), clock=clock, label=label, mark=texts.of("kind", view.kind),
        )
        if measured.rooms
        else "",
    }  # fmt: skip


def rooms_said(texts: Texts, measured: Measured, clock: Any) -> str:
    """The rooms as a sentence, each with its times."""
    comma = texts("list.comma")
    said = [
        texts("around.room", room=texts.of("room", room.name), times=comma.join(
            f"{clock(first)}–{clock(last)}" for first, last in room.times))
        for room in measured.rooms
    ]  # fmt: skip
    return "; ".join(said)


def vitals_line(texts: Texts, measured: Measured, onset_ms: int) -> str:
    """The signs shortly before an incident in one line, for who reads a referral; "" where nothing was measured."""
    parts = []
    score = measured.score
    if score is not None and score.counts:
        parts.append(f"{texts('sign.score')} {score.lower}" + (f"–{score.upper}" if score.upper > score.lower else ""))
    rows = [row for row in measured.rows if row.start_ms <= onset_ms]
    seen: dict[str, float] = {}
    for row in rows:  # newest first
        for name, (mean, _, _) in row.values.items():
            if name != "score":
                seen.setdefault(name, mean)
    parts += [
        f"{texts.of('sign', name)} {shown(name, seen[name])} {SIGNS[name].unit}" for name in SIGNS if name in seen
    ]
    return texts("list.comma").join(parts)
