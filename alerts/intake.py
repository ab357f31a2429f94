"""Take detections into the database: what is known around each, the core's decision, and writing it down."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, select

from alerts import fusion, models
from alerts.area_intake import is_area_trouble, take_area
from alerts.before import Before, load_prompt, to_prompt
from alerts.calling import Round
from alerts.database import load_incident, pack_window
from alerts.drills import TEST_KIND, channels_of_tests
from alerts.follow_ups import severity_of_others
from alerts.fusion import CANCEL
from alerts.gathering import kept
from alerts.guarding import guarded
from alerts.known import Known, Prompt, Rules, Subject, Taken, Verdict
from alerts.lifecycle import Incident, Note, What
from alerts.nearest import calls_for, look_around
from alerts.policy import Policy, policy_of
from alerts.surroundings import Surroundings
from alerts.writing import queue_record, write_audit, write_change
from detectors.detection import Detection, Stage
from registry import Directory
from registry.silences import silence_of
from telemetry.commands import Outgoing, pack_command
from telemetry.messages import Command

#: Read together. A bite of the backlog is smaller.
_AT_ONCE = 400


def take_detections(
    connection: Connection, detections: Sequence[Detection], directory: Directory, rules: Rules, now_ms: int
) -> Counter[str]:
    """Take each detection that was not seen at its stage before. Returns counts by verdict, and by reason why nobody
    is told.

    One that cannot be handled (a defect of ours) is written to the audit with the reason, and the others go on.
    """
    counts: Counter[str] = Counter()
    for start in range(0, len(detections), _AT_ONCE):
        some = detections[start : start + _AT_ONCE]
        if len(some) > 1:
            with guarded(connection, f"{len(some)} detections together") as outcome:
                taken = _take_some(connection, some, directory, rules, now_ms)
            if outcome.error is None:
                counts += taken
                continue
        for detection in some:
            what = f"detection {detection.id} at stage {detection.stage.value}"
            with guarded(connection, what) as outcome:
                taken = _take_some(connection, [detection], directory, rules, now_ms)
            if outcome.error is not None:
                refuse(connection, f"{what}: {outcome.error!r}", now_ms)
                taken = Counter({"refused": 1})
            counts += taken
    return counts


def _take_some(
    connection: Connection, detections: Sequence[Detection], directory: Directory, rules: Rules, now_ms: int
) -> Counter[str]:
    before = Before(connection, detections, [fusion.subject_of(detection, directory) for detection in detections])
    around = Surroundings(connection, directory, now_ms)
    if len(detections) > 1:
        look_around(around, directory, [_place(detection, directory) for detection in detections], now_ms)
    counts: Counter[str] = Counter()
    for detection in detections:
        key = (detection.id, detection.stage.value)
        if key in before.seen:
            counts["duplicate"] += 1
            continue
        before.seen.add(key)
        taken = _take(connection, detection, directory, rules, now_ms, before, around)
        counts[taken.verdict.value] += 1
        if taken.reason is not None:
            counts[taken.reason.value] += 1
    return counts


def _place(detection: Detection, directory: Directory) -> tuple[str, str | None, Policy | None]:
    """Where a call for a finding would go."""
    subject = fusion.subject_of(detection, directory)
    return subject.area, subject.person, _policy(directory, subject, detection)


def refuse(connection: Connection, detail: str, now_ms: int, record: bytes = b"") -> None:
    """Write down a journal record that cannot be handled, with its first bytes, so that it is neither fatal nor lost
    without a word."""
    data = {"detail": detail, "bytes": len(record), "head": record[:4096].hex()}
    write_audit(connection, Note(What.RECORD_REFUSED, "system", data), now_ms, incident=None)


def calls_of(
    connection: Connection,
    incident: Incident,
    directory: Directory,
    now_ms: int,
    around: Surroundings | None = None,
) -> Round:
    """Who is on call at ``now_ms`` for an incident's area, and who was called in its present round. ``around``: what is
    known in this transaction."""
    around = around or Surroundings(connection, directory, now_ms)
    told = around.called(incident)
    if incident.kind == TEST_KIND:
        return Round(channels_of_tests(directory), told)
    return calls_for(
        connection, directory, incident.area, incident.person, now_ms,
        incident=incident.id, told=told, policy=incident.policy, around=around,
    )  # fmt: skip


def _take(
    connection: Connection,
    detection: Detection,
    directory: Directory,
    rules: Rules,
    now_ms: int,
    before: Before,
    around: Surroundings,
) -> Taken:
    if is_area_trouble(detection):
        detection, subject, taken = take_area(connection, detection, directory, now_ms)
        known = None
    else:
        subject = fusion.subject_of(detection, directory)
        known = _known(connection, detection, subject, directory, rules, now_ms, before, around)
        taken = fusion.take(detection, subject, known, rules, now_ms)
    if taken.change is not None:
        write_change(connection, taken.change, now_ms)
        around.changed(taken.change)
    if known is not None and taken.prompt is not None and taken.prompt != known.prompt:
        _write_prompt(connection, taken.prompt)
    if taken.ask is not None:
        ask = taken.ask
        command = Command(id=ask.command, type="prompt", expires_ms=ask.expires_ms)
        queue_record(connection, "commands", pack_command(Outgoing(device=ask.device, command=command)))
    _write_evidence(connection, detection, subject, taken, now_ms)
    before.took(detection, subject)
    return taken


def _known(
    connection: Connection,
    detection: Detection,
    subject: Subject,
    directory: Directory,
    rules: Rules,
    now_ms: int,
    before: Before,
    around: Surroundings,
) -> Known:
    if detection.kind == CANCEL:
        prompt = load_prompt(connection, models.prompt.c.id == detection.notes.get("re", ""))
        if prompt is not None and fusion.answers(detection, prompt):
            incident = load_incident(connection, prompt.incident) if prompt.incident is not None else None
            settled = incident is None or _settles(connection, prompt, incident)
            return Known(incident, prompt, settled, Round(()))
        near = fusion.choose(detection, before.open_incidents(subject), rules.fuse_s)
        return Known(near, None, False, Round(()))
    prompt = before.prompt(detection)
    incident = before.bound(detection)
    # what came after a finding that is in no incident is no evidence for another one
    if incident is None and detection.stage is Stage.CONFIRMED and not subject.test:
        incident = fusion.choose(detection, before.open_incidents(subject), rules.fuse_s)
    if incident is None and subject.test:  # each test is one of its own
        return Known(None, prompt, False, Round(channels_of_tests(directory)))
    if incident is None:
        policy = _policy(directory, subject, detection)
        calls = calls_for(connection, directory, subject.area, subject.person, now_ms, policy=policy, around=around)
        silence = silence_of(
            directory.silences, area=subject.area, person=subject.person, device=detection.device, kind=detection.kind,
            at_ms=now_ms,
        )  # fmt: skip
        return Known(None, prompt, False, calls, policy=policy, silenced=silence is not None)
    others = severity_of_others(connection, detection, incident.id) if detection.stage is Stage.FOLLOW_UP else None
    return Known(incident, prompt, False, calls_of(connection, incident, directory, now_ms, around), others)


def _policy(directory: Directory, subject: Subject, detection: Detection) -> Policy | None:
    """What the registry has for a new incident; none for what happened hours ago and for visits that were missed."""
    if detection.historical or detection.detector == fusion.VISITS:
        return None
    entry = directory.policies.of(subject.area, detection.kind)
    return None if entry is None else policy_of(entry)


def _settles(connection: Connection, prompt: Prompt, incident: Incident) -> bool:
    table, evidence = models.prompt, models.evidence
    prompts = [
        to_prompt(row) for row in connection.execute(select(table).where(table.c.incident == incident.id)).mappings()
    ]
    query = select(evidence.c.kind).where(
        evidence.c.incident == incident.id,
        evidence.c.verdict.in_([Verdict.OPENED.value, Verdict.JOINED.value]),
    )
    return fusion.settles(prompt, prompts, connection.execute(query).scalars())


def _write_prompt(connection: Connection, prompt: Prompt) -> None:
    with kept(connection) as rows:
        rows.set_prompt({**asdict(prompt), "state": prompt.state.value})


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
    with kept(connection) as rows:
        rows.add(models.evidence, [row])
