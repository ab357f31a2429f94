"""What the database knows of how it went on after a finding."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from alerts import models
from alerts.known import Verdict
from alerts.lifecycle import Incident
from alerts.sentences import LANGUAGES
from detectors.detection import SEVERITY_ORDER, Detection, Severity, Stage

_SPEAKS = (Verdict.OPENED.value, Verdict.JOINED.value)
FALL = "fall"


def severity_of_others(connection: Connection, detection: Detection, incident: str) -> Severity | None:
    """The highest severity of what else speaks in an incident, each finding at its newest stage; None without."""
    table = models.evidence
    query = (
        select(table.c.detection, table.c.severity)
        .where(table.c.incident == incident, table.c.detection != detection.id, table.c.verdict.in_(_SPEAKS))
        .order_by(table.c.taken_ms, table.c.decided_ms)
    )
    newest = {row.detection: Severity(row.severity) for row in connection.execute(query)}
    return max(newest.values(), key=SEVERITY_ORDER.index, default=None)


def with_words(connection: Connection, incidents: Iterable[str]) -> set[str]:
    """Of these incidents, those of which a detector says more than that it found something: only of them is there
    anything to read below."""
    table = models.evidence
    query = select(table.c.incident, table.c.notes).where(table.c.incident.in_(list(incidents)))
    return {row.incident for row in connection.execute(query) if row.notes}


def last_outcome(connection: Connection, incident: str) -> str:
    """How it went on after the last fall of an incident; "" while that is not known."""
    table = models.evidence
    query = select(table.c.stage, table.c.onset_ms, table.c.notes).where(
        table.c.incident == incident, table.c.kind == FALL, table.c.verdict.in_(_SPEAKS)
    )
    rows = connection.execute(query).all()
    last_ms = max((row.onset_ms for row in rows), default=0)
    said = [row.notes.get("outcome", "") for row in rows if row.onset_ms == last_ms and row.stage == Stage.FOLLOW_UP]
    return said[0] if said else ""


def said_by_detector(connection: Connection, incident: Incident) -> dict[str, str]:
    """What the newest finding of an incident's kind says of itself, and of its end where it has one, by language;
    {} where findings of the kind say nothing."""
    table = models.evidence
    query = (
        select(table.c.detection, table.c.stage, table.c.notes)
        .where(table.c.incident == incident.id, table.c.kind == incident.kind, table.c.verdict.in_(_SPEAKS))
        .order_by(table.c.taken_ms, table.c.decided_ms)
    )
    stages: dict[str, dict[str, dict[str, str]]] = {}  # the newest last
    for row in connection.execute(query):
        stages.setdefault(row.detection, {})[row.stage] = row.notes
    if not stages:
        return {}
    newest = list(stages.values())[-1]
    order = (Stage.CONFIRMED.value, Stage.FOLLOW_UP.value)
    said = {
        language: [newest[stage][language] for stage in order if language in newest.get(stage, {})]
        for language in LANGUAGES
    }
    return {language: ("" if language == "zh" else " ").join(parts) for language, parts in said.items() if parts}
