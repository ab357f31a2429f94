"""From a detection to an incident: what it belongs to and what it changes. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from alerts.calling import call_again, call_next
from alerts.drills import TEST_KIND, TEST_POLICY, is_test_device
from alerts.known import Known, Prompt, PromptState, Rules, Subject, Taken, Verdict
from alerts.lifecycle import (
    TAKEN,
    AskWearer,
    Change,
    Effect,
    Incident,
    Note,
    SetTimer,
    State,
    TimerKind,
    What,
    cancel_by_wearer,
)
from alerts.policy import VISIT, Policy
from alerts.reasons import Reason
from alerts.sentences import LANGUAGES
from detectors.detection import SEVERITY_ORDER, Detection, Severity, Stage
from registry import Directory

SOS = "sos"
CANCEL = "cancel"
#: Findings of this detector, and of ``device.*``, are about a device, not about a person.
DEVICE_DETECTOR = "device"
#: Kinds about which the wearer is asked on the device.
ASKED_KINDS = frozenset({"fall"})
#: Of two kinds in one incident the incident is called by the one further right; others stand before them. What
#: endangers those who come is said first.
_KIND_RANK = ("fall", SOS, "gas", "smoke")
#: A live message whose device says that it happened longer ago than this, or so long from now, has a clock or a way
#: here that is not to be trusted: then our receipt is the onset, and what the device says is written beside it.
_IMPLAUSIBLE_MS = 600_000
#: The same for what comes out of a device's buffer, which may be old but not from the future.
_OLDEST_HISTORY_MS = 30 * 86_400_000
#: Findings of these were worked out from many readings, by our clock: they may have begun hours before they were told.
_SLOW_DETECTORS = frozenset({"routine", "vitals", "visits"})
#: What is missed there is an incident of its own policy.
VISITS = "visits"
#: What a follow-up says of somebody who has not moved since.
NO_MOVEMENT = "no_movement"


def subject_of(detection: Detection, directory: Directory) -> Subject:
    """The person and area of a detection; the district desk for an unknown or unassigned device, nobody for a test."""
    device = directory.device(detection.device)
    if is_test_device(directory, detection.device):
        area = device.area if device is not None else None
        return Subject(None, detection.device, area or directory.root or "", desk=False, test=True)
    key = detection.person or (device.person if device is not None else None)
    person = directory.person(key) if key is not None else None
    if person is None:
        return Subject(None, detection.device, directory.root or "", desk=True, askable=False)
    askable = device is not None and device.person is not None
    return Subject(person.key, detection.device, person.area, desk=False, askable=askable)


def onset_of(detection: Detection) -> tuple[int, int | None]:
    """The onset to go by, and what the device says it was where that is implausible (else None)."""
    if detection.detector in _SLOW_DETECTORS:
        return detection.onset_ms, None
    oldest_ms = _OLDEST_HISTORY_MS if detection.historical else _IMPLAUSIBLE_MS
    if -_IMPLAUSIBLE_MS <= detection.recv_ms - detection.onset_ms <= oldest_ms:
        return detection.onset_ms, None
    return detection.recv_ms, detection.onset_ms


def span_of(detection: Detection) -> tuple[int, int]:
    """From when to when a finding speaks: of most an instant, of one that was worked out until it was decided."""
    onset_ms, _ = onset_of(detection)
    slow = detection.detector in _SLOW_DETECTORS and not detection.historical
    return onset_ms, max(onset_ms, detection.decided_ms) if slow else onset_ms


def choose(detection: Detection, open_incidents: Iterable[Incident], fuse_s: float) -> Incident | None:
    """The open incident of the same subject within ``fuse_s`` of whose evidence this lies; the newest of several."""
    (from_ms, to_ms), window_ms = span_of(detection), round(fuse_s * 1000)
    near = [
        incident
        for incident in open_incidents
        if incident.state is not State.RESOLVED
        and incident.onset_ms - window_ms <= to_ms
        and from_ms <= incident.last_evidence_ms + window_ms
    ]
    return max(near, key=lambda incident: (incident.last_evidence_ms, incident.id), default=None)


def answers(detection: Detection, prompt: Prompt) -> bool:
    """Whether a ``cancel`` is the answer to ``prompt``: it names it, and comes from its device or its wearer."""
    if detection.notes.get("re") != prompt.id:
        return False
    return prompt.device == detection.device or (prompt.person is not None and prompt.person == detection.person)


def settles(prompt: Prompt, prompts: Iterable[Prompt], evidence_kinds: Iterable[str]) -> bool:
    """Whether the answer to ``prompt`` covers all that its incident knows: no kind that is not asked about, no later
    question without an answer."""
    later = any(other.asked_ms > prompt.asked_ms and other.state is PromptState.ASKED for other in prompts)
    return not later and all(kind in ASKED_KINDS for kind in evidence_kinds)


def incident_id(detection_id: str) -> str:
    """The id of the incident that a detection opens: the same however often it is delivered."""
    return "i" + hashlib.blake2b(detection_id.encode(), digest_size=8).hexdigest()


def prompt_id(detection_id: str) -> str:
    """The id of the command that asks about a detection."""
    return "p" + hashlib.blake2b(b"prompt\0" + detection_id.encode(), digest_size=8).hexdigest()


def take(detection: Detection, subject: Subject, known: Known, rules: Rules, now_ms: int) -> Taken:
    """What a detection, not seen at this stage before, leads to."""
    if detection.kind == CANCEL:
        return _cancel(detection, known, now_ms)
    if detection.detector.partition(".")[0] == DEVICE_DETECTOR:
        return Taken(Verdict.RECORDED, reason=Reason.DEVICE_FINDING)
    if detection.stage is Stage.SUSPECTED:
        return _suspected(detection, subject, known, rules, now_ms)
    if detection.stage is Stage.WITHDRAWN:
        return _withdrawn(detection, known)
    if detection.stage is Stage.FOLLOW_UP:
        return _follow_up(detection, known, now_ms)
    if detection.severity is Severity.INFO and detection.kind != SOS:
        return Taken(Verdict.RECORDED, reason=Reason.INFO_ONLY)
    if known.incident is None and known.silenced:
        return Taken(Verdict.RECORDED, reason=Reason.SILENCED)
    if known.incident is None:
        return _open(detection, subject, known, rules, now_ms)
    return _join(detection, subject, known, known.incident, rules, now_ms)


def _cancel(detection: Detection, known: Known, now_ms: int) -> Taken:
    prompt, incident = known.prompt, known.incident
    if prompt is None:
        if incident is None:
            return Taken(Verdict.RECORDED)
        data = {"re": detection.notes.get("re", ""), "detection": detection.id}
        note = Note(What.CANCEL_UNMATCHED, "wearer", data)
        return Taken(Verdict.RECORDED, incident.id, Change(incident, incident, (note,)))
    answered = replace(prompt, state=PromptState.CANCELLED)
    if incident is None:
        return Taken(Verdict.CANCELLED, prompt=answered)
    change = cancel_by_wearer(incident, now_ms, prompt=prompt.id, settles=known.settles)
    return Taken(Verdict.CANCELLED, incident.id, change, answered)


def _suspected(detection: Detection, subject: Subject, known: Known, rules: Rules, now_ms: int) -> Taken:
    policy = known.policy or rules.policy if known.incident is None else known.incident.policy
    wanted = detection.kind in ASKED_KINDS and not detection.historical and policy.ask_wearer
    if not wanted or known.prompt is not None:
        return Taken(Verdict.RECORDED, reason=Reason.SUSPECTED_ONLY)
    ask, prompt = _ask(detection, subject, None, _prompt_ms(policy, rules), now_ms)
    return Taken(Verdict.ASKED, prompt=prompt, ask=ask, reason=Reason.SUSPECTED_ONLY)


def _ask(
    detection: Detection, subject: Subject, incident: str | None, prompt_ms: int, now_ms: int
) -> tuple[AskWearer, Prompt]:
    command = prompt_id(detection.id)
    ask = AskWearer(command, detection.device, detection.id, now_ms + prompt_ms)
    prompt = Prompt(command, detection.id, detection.device, subject.person, incident, now_ms, PromptState.ASKED)
    return ask, prompt


def _prompt_ms(policy: Policy, rules: Rules) -> int:
    return round((rules.prompt_s if policy.prompt_s is None else policy.prompt_s) * 1000)


def _withdrawn(detection: Detection, known: Known) -> Taken:
    prompt = known.prompt
    if prompt is not None and prompt.state is PromptState.ASKED:
        prompt = replace(prompt, state=PromptState.WITHDRAWN)
    incident = known.incident
    if incident is None:
        return Taken(Verdict.WITHDRAWN, prompt=prompt, reason=Reason.WITHDRAWN)
    # responders may be on their way: a person decides, not the detector's second thought
    note = Note(What.WITHDRAWN, detection.detector, {"detection": detection.id})
    return Taken(Verdict.WITHDRAWN, incident.id, Change(incident, incident, (note,)), prompt)


def _open(detection: Detection, subject: Subject, known: Known, rules: Rules, now_ms: int) -> Taken:
    policy = rules.historical if detection.historical else known.policy or rules.policy
    if subject.test:
        policy = TEST_POLICY
    elif detection.detector == VISITS:
        policy = VISIT
    onset_ms, said_ms = onset_of(detection)
    incident = Incident(
        id=incident_id(detection.id),
        kind=TEST_KIND if subject.test else detection.kind,
        severity=_at_least_warning(detection.severity),
        state=State.OPEN,
        person=subject.person,
        device=detection.device,
        area=subject.area,
        historical=detection.historical,
        policy=policy,
        onset_ms=onset_ms,
        said_ms=said_ms,
        opened_ms=now_ms,
        last_evidence_ms=span_of(detection)[1],
        needed=policy.acknowledgements,
    )
    opened = Note(What.OPENED, "system", _told(detection) | {"policy": policy.name, "desk": subject.desk})
    change = Change(None, incident, (opened,), (State.OPEN,))
    prompt = known.prompt
    if prompt is not None and prompt.state is PromptState.CANCELLED:
        # asked while it was only suspected, and answered: written down as an incident, and nobody is called
        over = cancel_by_wearer(incident, now_ms, prompt=prompt.id, settles=True)
        bound = replace(prompt, incident=incident.id)
        return Taken(Verdict.CANCELLED, incident.id, change.then(over), bound, reason=Reason.WEARER_CANCELLED)
    ask, prompt = _ask_too(detection, subject, known, incident, rules, now_ms)
    if prompt is not None:
        change = change.then(Change(incident, incident, (_asked(prompt),)))
    if prompt is not None and policy.ask_first and subject.askable:
        answer_ms = prompt.asked_ms + _prompt_ms(policy, rules)
        if answer_ms > now_ms:
            return Taken(Verdict.OPENED, incident.id, change.then(_wait(incident, answer_ms)), prompt, ask)
    change = change.then(call_next(incident, known.calls, now_ms))
    return Taken(Verdict.OPENED, incident.id, change, prompt, ask)


def _wait(incident: Incident, answer_ms: int) -> Change:
    """Nobody is called until ``answer_ms``: the wearer has been asked first."""
    data = {"reason": Reason.ASKED_FIRST.value, "until_ms": answer_ms}
    effects: list[Effect] = [Note(What.NOT_CALLED, "system", data), SetTimer(TimerKind.CALL, answer_ms)]
    if incident.policy.resolve_s is not None:  # somebody may take it before the first call
        effects.append(SetTimer(TimerKind.RESOLVE, incident.opened_ms + round(incident.policy.resolve_s * 1000)))
    return Change(incident, incident, tuple(effects))


def _join(detection: Detection, subject: Subject, known: Known, incident: Incident, rules: Rules, now_ms: int) -> Taken:
    note = Note(What.EVIDENCE, "system", _told(detection))
    if incident.state is State.RESOLVED:  # a later stage of what it was made of: written, and nothing else
        return Taken(Verdict.JOINED, incident.id, Change(incident, incident, (note,)), known.prompt)
    prompt = known.prompt
    if prompt is not None and prompt.state is PromptState.CANCELLED and prompt.incident is None:
        bound = replace(prompt, incident=incident.id)
        answered = Note(What.WEARER_CANCELLED, "wearer", {"prompt": prompt.id, "settles": False})
        change = Change(incident, incident, (note, answered))
        return Taken(Verdict.CANCELLED, incident.id, change, bound, reason=Reason.WEARER_CANCELLED)
    severity = max(incident.severity, detection.severity, key=SEVERITY_ORDER.index)
    from_ms, to_ms = span_of(detection)
    after = replace(
        incident,
        severity=severity,
        kind=max(incident.kind, detection.kind, key=_kind_rank),
        onset_ms=min(incident.onset_ms, from_ms),
        last_evidence_ms=max(incident.last_evidence_ms, to_ms),
    )
    ask, prompt = _ask_too(detection, subject, known, incident, rules, now_ms)
    newly_bound = prompt is not None and (known.prompt is None or known.prompt.incident is None)
    change = Change(incident, after, (note, _asked(prompt)) if prompt is not None and newly_bound else (note,))
    raised = severity is not incident.severity
    if incident.state in TAKEN and (detection.kind == SOS or raised):
        change = change.then(call_again(after, known.calls, now_ms))
    elif _waits(incident) and (detection.kind not in ASKED_KINDS or raised):
        change = change.then(call_next(after, known.calls, now_ms))
    return Taken(Verdict.JOINED, incident.id, change, prompt, ask)


def _waits(incident: Incident) -> bool:
    """Whether nobody is called yet, as the wearer was asked first."""
    return incident.state is State.OPEN and incident.policy.ask_first


def _follow_up(detection: Detection, known: Known, now_ms: int) -> Taken:
    """What came after a finding takes the place of how urgent it was; nothing is closed, and no call is taken back.

    More urgency does not wait: the next responder is called at once, and whoever has taken it is told, also that
    somebody has not moved since. What happened long ago waits, as it was read when it was told. Less urgency is no
    message. After the wearer has answered that all is well, only no movement speaks against it.
    """
    incident = known.incident
    if incident is None:
        return Taken(Verdict.RECORDED, reason=Reason.SUSPECTED_ONLY)
    outcome = detection.notes.get("outcome") or detection.notes.get("state", "")
    said = {name: value for name, value in _told(detection).items() if name not in ("kind", "notes")}
    note = Note(What.FOLLOWED_UP, "system", said | {"follow_up": outcome})
    answered = known.prompt is not None and known.prompt.state is PromptState.CANCELLED and outcome != NO_MOVEMENT
    if incident.state is State.RESOLVED or answered:
        return Taken(Verdict.JOINED, incident.id, Change(incident, incident, (note,)), known.prompt)
    of_finding = _at_least_warning(detection.severity)
    severity = max(of_finding, known.others or of_finding, key=SEVERITY_ORDER.index)
    severity = incident.severity if incident.help_asked else severity
    raised = SEVERITY_ORDER.index(severity) > SEVERITY_ORDER.index(incident.severity)
    after = replace(incident, severity=severity)
    change = Change(incident, after, (note,))
    if not detection.historical:
        more = raised or (outcome == NO_MOVEMENT and _waits(incident))
        if more and incident.state not in TAKEN:
            change = change.then(call_next(after, known.calls, now_ms))
        elif incident.state in TAKEN - {State.ON_SCENE} and (raised or outcome == NO_MOVEMENT):
            change = change.then(call_again(after, known.calls, now_ms))
    return Taken(Verdict.JOINED, incident.id, change, known.prompt)


def _ask_too(
    detection: Detection, subject: Subject, known: Known, incident: Incident, rules: Rules, now_ms: int
) -> tuple[AskWearer | None, Prompt | None]:
    if known.prompt is not None:
        return None, replace(known.prompt, incident=incident.id)
    wanted = detection.stage is Stage.CONFIRMED and detection.kind in ASKED_KINDS and not detection.historical
    if not wanted or not incident.policy.ask_wearer:
        return None, None
    return _ask(detection, subject, incident.id, _prompt_ms(incident.policy, rules), now_ms)


def _asked(prompt: Prompt) -> Note:
    return Note(
        What.ASKED_WEARER, "system", {"prompt": prompt.id, "device": prompt.device, "asked_ms": prompt.asked_ms}
    )


def recorded(detection: Detection) -> dict[str, Any]:
    """What the record of an incident says of any detection."""
    return {
        "detection": detection.id,
        "stage": detection.stage.value,
        "kind": detection.kind,
        "severity": detection.severity.value,
        "device": detection.device,
        "detector": detection.detector,
        "onset_ms": detection.onset_ms,
    }


def _told(detection: Detection) -> dict[str, Any]:
    return (
        recorded(detection)
        | ({"historical": True} if detection.historical else {})
        | ({"notes": notes} if (notes := _without_sentences(detection)) else {})
    )


def _without_sentences(detection: Detection) -> dict[str, str]:
    """The sentences in every language stand with the evidence, once."""
    return {name: value for name, value in detection.notes.items() if name not in LANGUAGES}


def _at_least_warning(severity: Severity) -> Severity:
    return Severity.WARNING if severity is Severity.INFO else severity


def _kind_rank(kind: str) -> int:
    return _KIND_RANK.index(kind) if kind in _KIND_RANK else -1
