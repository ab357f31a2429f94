"""What the database knew around detections before they were taken, read for all of a transaction at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select

from alerts import models
from alerts.database import load_incident, to_incident
from alerts.known import Prompt, PromptState, Subject
from alerts.lifecycle import Incident, State
from detectors.detection import Detection


class Before:
    """Most findings of a storm are the first about somebody, of whom nothing more needs to be read.

    What a detection changed is read anew by the next about the same: say with :meth:`took` what was taken.
    """

    def __init__(self, connection: Connection, detections: Sequence[Detection], subjects: Iterable[Subject]) -> None:
        self._connection = connection
        self._touched: set[str | tuple[str | None, str]] = set()
        ids = list(dict.fromkeys(detection.id for detection in detections))
        table, prompts = models.evidence, models.prompt
        rows = connection.execute(
            select(table.c.detection, table.c.stage, table.c.incident).where(table.c.detection.in_(ids))
        ).all()
        self.seen = {(detection, stage) for detection, stage, _ in rows}
        self._bound = {detection: incident for detection, _, incident in rows if incident is not None}
        found = connection.execute(select(prompts).where(prompts.c.detection.in_(ids))).mappings()
        self._prompts = {row["detection"]: to_prompt(row) for row in found}
        keys = {_key(subject) for subject in subjects}
        self._open = _with_open(connection, keys)

    def prompt(self, detection: Detection) -> Prompt | None:
        """The question about a detection."""
        if detection.id in self._touched:
            return load_prompt(self._connection, models.prompt.c.detection == detection.id)
        return self._prompts.get(detection.id)

    def bound(self, detection: Detection) -> Incident | None:
        """The incident that an earlier stage of a detection belongs to, locked."""
        found = self._bound.get(detection.id)
        if detection.id in self._touched:
            table = models.evidence
            earlier = (table.c.detection == detection.id) & table.c.incident.is_not(None)
            found = self._connection.execute(select(table.c.incident).where(earlier).limit(1)).scalar()
        return None if found is None else load_incident(self._connection, found)

    def open_incidents(self, subject: Subject) -> list[Incident]:
        """The incidents of a subject that are not closed, locked."""
        if _key(subject) not in self._open | self._touched:
            return []
        table = models.incident
        if subject.person is not None:
            same = table.c.person == subject.person
        else:
            same = table.c.person.is_(None) & (table.c.device == subject.device)
        query = select(table).where(same, table.c.state != State.RESOLVED.value).with_for_update()
        return [to_incident(row) for row in self._connection.execute(query).mappings()]

    def took(self, detection: Detection, subject: Subject) -> None:
        """A detection was taken."""
        self._touched |= {detection.id, _key(subject)}


def _key(subject: Subject) -> tuple[str | None, str]:
    return (None, subject.device) if subject.person is None else (subject.person, "")


def _with_open(connection: Connection, keys: Iterable[tuple[str | None, str]]) -> set[tuple[str | None, str]]:
    """Those of the subjects that have an incident that is not closed."""
    table = models.incident
    persons = [person for person, _ in keys if person is not None]
    devices = [device for person, device in keys if person is None]
    found: set[tuple[str | None, str]] = set()
    is_open = table.c.state != State.RESOLVED.value
    if persons:
        query = select(table.c.person).where(table.c.person.in_(persons), is_open)
        found.update((person, "") for person in connection.execute(query).scalars())
    if devices:
        query = select(table.c.device).where(table.c.person.is_(None), table.c.device.in_(devices), is_open)
        found.update((None, device) for device in connection.execute(query).scalars())
    return found


def load_prompt(connection: Connection, wanted: Any) -> Prompt | None:
    """The question that fits a condition."""
    row = connection.execute(select(models.prompt).where(wanted)).mappings().first()
    return None if row is None else to_prompt(row)


def to_prompt(row: Any) -> Prompt:
    """The question of a row that has all columns of the table."""
    return Prompt(**{**row, "state": PromptState(row["state"])})
