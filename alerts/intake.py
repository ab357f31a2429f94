"""Take detections into the database: what is known around each, the core's decision, and writing it down."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, delete, insert, select, tuple_

from alerts import fusion, models
from alerts.area_intake import is_area_trouble, take_area
from alerts.beside import BESIDE_STEP
from alerts.calling import Round
from alerts.database import load_incident, pack_window, to_incident
from alerts.delivery import Purpose
from alerts.drills import TEST_KIND, channels_of_tests
from alerts.follow_ups import severity_of_others
from alerts.fusion import CANCEL
from alerts.guarding import guarded
from alerts.known import Known, Prompt, PromptState, Rules, Subject, Taken, Verdict
from alerts.lifecycle import Incident, Note, State, What
from alerts.nearest import calls_for
from alerts.policy import Policy, policy_of
from alerts.writing import queue_record, write_audit, write_change
from detectors.detection import Detection, Stage
from registry import Directory
from registry.silences import silence_of
from telemetry.commands import Outgoing, pack_command
from telemetry.messages import Command


def take_detections(
    connection: Connection, detections: Sequence[Detection], directory: Directory, rules: Rules, now_ms: int
) -> Counter[str]:
    """Take each detection that was not seen at its stage before. Returns counts by verdict, and by reason why nobody
    is told.

    One that cannot be handled (a defect of ours) is written to the audit with the reason, and the others go on.
    """
    counts: Counter[str] = Counter()
    seen = _seen(connection, detections)
    for detection in detections:
        key = (detection.id, detection.stage.value)
        if key in seen:
            counts["duplicate"] += 1
            continue
        seen.add(key)
        what = f"detection {detection.id} at stage {detection.stage.value}"
        with guarded(connection, what) as outcome:
            taken = _take(connection, detection, directory, rules, now_ms)
        if outcome.error is not None:
            refuse(connection, f"{what}: {outcome.error!r}", now_ms)
            counts["refused"] += 1
            continue
        counts[taken.verdict.value] += 1
        if taken.reason is not None:
            counts[taken.reason.value] += 1
    return counts


def refuse(connection: Connection, detail: str, now_ms: int, record: bytes = b"") -> None:
    """Write down a journal record that cannot be handled, with its first bytes, so that it is neither fatal nor lost
    without a word."""
    data = {"detail": detail, "bytes": len(record), "head": record[:4096].hex()}
    write_audit(connection, Note(What.RECORD_REFUSED, "system", data), now_ms, incident=None)


def calls_of(connection: Connection, incident: Incident, directory: Directory, now_ms: int) -> Round:
    """Who is on call at ``now_ms`` for an incident's area, and who was called in its present round."""
    rows = models.notification
    query = select(rows.c.responder).where(rows.c.incident == incident.id, rows.c.round == incident.round)
    query = query.where(rows.c.purpose.in_([Purpose.CALL.value, Purpose.BESIDE.value]), rows.c.step > BESIDE_STEP)
    told = frozenset(connection.execute(query).scalars())
    if incident.kind == TEST_KIND:
        return Round(channels_of_tests(directory), told)
    return calls_for(
        connection, directory, incident.area, incident.person, now_ms,
        incident=incident.id, told=told, policy=incident.policy,
    )  # fmt: skip


def _seen(connection: Connection, detections: Iterable[Detection]) -> set[tuple[str, str]]:
    table = models.evidence
    keys = [(detection.id, detection.stage.value) for detection in detections]
    seen: set[tuple[str, str]] = set()
    for start in range(0, len(keys), 400):
        key = tuple_(table.c.detection, table.c.stage)
        some = select(table.c.detection, table.c.stage).where(key.in_(keys[start : start + 400]))
        seen.update((detection, stage) for detection, stage in connection.execute(some))
    return seen


def _take(connection: Connection, detection: Detection, directory: Directory, rules: Rules, now_ms: int) -> Taken:
    if is_area_trouble(detection):
        detection, subject, taken = take_area(connection, detection, directory, now_ms)
        if taken.change is not None:
            write_change(connection, taken.change, now_ms)
        _write_evidence(connection, detection, subject, taken, now_ms)
        return taken
    subject = fusion.subject_of(detection, directory)
    known = _known(connection, detection, subject, directory, rules, now_ms)
    taken = fusion.take(detection, subject, known, rules, now_ms)
    if taken.change is not None:
        write_change(connection, taken.change, now_ms)
    if taken.prompt is not None and taken.prompt != known.prompt:
        _write_prompt(connection, taken.prompt)
    if taken.ask is not None:
        ask = taken.ask
        command = Command(id=ask.command, type="prompt", expires_ms=ask.expires_ms)
        queue_record(connection, "commands", pack_command(Outgoing(device=ask.device, command=command)))
    _write_evidence(connection, detection, subject, taken, now_ms)
    return taken


def _known(
    connection: Connection, detection: Detection, subject: Subject, directory: Directory, rules: Rules, now_ms: int
) -> Known:
    if detection.kind == CANCEL:
        prompt = _load_prompt(connection, models.prompt.c.id == detection.notes.get("re", ""))
        if prompt is not None and fusion.answers(detection, prompt):
            incident = load_incident(connection, prompt.incident) if prompt.incident is not None else None
            settled = incident is None or _settles(connection, prompt, incident)
            return Known(incident, prompt, settled, Round(()))
        near = fusion.choose(detection, _open_incidents(connection, subject), rules.fuse_s)
        return Known(near, None, False, Round(()))
    prompt = _load_prompt(connection, models.prompt.c.detection == detection.id)
    incident = _bound(connection, detection)
    # what came after a finding that is in no incident is no evidence for another one
    if incident is None and detection.stage is Stage.CONFIRMED and not subject.test:
        incident = fusion.choose(detection, _open_incidents(connection, subject), rules.fuse_s)
    if incident is None and subject.test:  # each test is one of its own
        return Known(None, prompt, False, Round(channels_of_tests(directory)))
    if incident is None:
        policy = _policy(directory, subject, detection)
        calls = calls_for(connection, directory, subject.area, subject.person, now_ms, policy=policy)
        silence = silence_of(
            directory.silences, area=subject.area, person=subject.person, device=detection.device, kind=detection.kind,
            at_ms=now_ms,
        )  # fmt: skip
        return Known(None, prompt, False, calls, policy=policy, silenced=silence is not None)
    others = severity_of_others(connection, detection, incident.id) if detection.stage is Stage.FOLLOW_UP else None
    return Known(incident, prompt, False, calls_of(connection, incident, directory, now_ms), others)


def _policy(directory: Directory, subject: Subject, detection: Detection) -> Policy | None:
    """What the registry has for a new incident; none for what happened hours ago and for visits that were missed."""
    if detection.historical or detection.detector == fusion.VISITS:
        return None
    entry = directory.policies.of(subject.area, detection.kind)
    return None if entry is None else policy_of(entry)


def _bound(connection: Connection, detection: Detection) -> Incident | None:
    """The incident that an earlier stage of this detection belongs to."""
    table = models.evidence
    query = select(table.c.incident).where(table.c.detection == detection.id, table.c.incident.is_not(None)).limit(1)
    found = connection.execute(query).scalar()
    return None if found is None else load_incident(connection, found)


def _open_incidents(connection: Connection, subject: Subject) -> list[Incident]:
    table = models.incident
    if subject.person is not None:
        same = table.c.person == subject.person
    else:
        same = table.c.person.is_(None) & (table.c.device == subject.device)
    query = select(table).where(same, table.c.state != State.RESOLVED.value).with_for_update()
    return [to_incident(row) for row in connection.execute(query).mappings()]


def _settles(connection: Connection, prompt: Prompt, incident: Incident) -> bool:
    table, evidence = models.prompt, models.evidence
    prompts = [
        _to_prompt(row) for row in connection.execute(select(table).where(table.c.incident == incident.id)).mappings()
    ]
    query = select(evidence.c.kind).where(
        evidence.c.incident == incident.id,
        evidence.c.verdict.in_([Verdict.OPENED.value, Verdict.JOINED.value]),
    )
    return fusion.settles(prompt, prompts, connection.execute(query).scalars())


def _load_prompt(connection: Connection, wanted: Any) -> Prompt | None:
    row = connection.execute(select(models.prompt).where(wanted)).mappings().first()
    return None if row is None else _to_prompt(row)


def _to_prompt(row: Any) -> Prompt:
    return Prompt(**{**row, "state": PromptState(row["state"])})


def _write_prompt(connection: Connection, prompt: Prompt) -> None:
    connection.execute(delete(models.prompt).where(models.prompt.c.id == prompt.id))
    connection.execute(insert(models.prompt), {**asdict(prompt), "state": prompt.state.value})


def _write_evidence(connection: Connection, detection: Detection, subject: Subject, taken: Taken, now_ms: int) -> None:
    row = {
        "detection": detection.id,
        "stage": detection.stage.value,
        "incident": taken.incident,
        "verdict": taken.verdict.value,
        "reason": None if taken.reason is None else taken.reason.value,
        "device": detection.device,
        "person": subject.person,
        "kind": detection.kind,
        "detector": detection.detector,
        "version": detection.version,
        "severity": detection.severity.value,
        "score": detection.score if math.isfinite(detection.score) else 0.0,
        "historical": detection.historical,
        "onset_ms": detection.onset_ms,
        "decided_ms": detection.decided_ms,
        "recv_ms": detection.recv_ms,
        "taken_ms": now_ms,
        # JSON has no NaN; a feature that could not be computed is left out
        "features": {name: value for name, value in detection.features.items() if math.isfinite(value)},
        "notes": detection.notes,
        "params_hash": detection.params_hash,
        "window": None if detection.window is None else pack_window(detection.window),
    }
    connection.execute(insert(models.evidence), row)
