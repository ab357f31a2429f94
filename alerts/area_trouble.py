"""An area whose devices fell silent together: one incident of the area, told to those who coordinate. Pure.

The finding is the device bank's (docs/devices.md). Homes that are silent by themselves, and single devices, stay
findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec

from alerts.calling import call_next
from alerts.fusion import incident_id, recorded
from alerts.known import Known, Subject, Taken, Verdict
from alerts.lifecycle import TAKEN, Change, Incident, Note, Outcome, State, What, resolve
from alerts.policy import Policy, Step, policy_of
from alerts.reasons import Reason
from alerts.sentences import AREA_TROUBLE
from detectors.detection import SEVERITY_ORDER, Detection, Severity, Stage
from registry import Directory
from registry.entries import parent_of

#: A coordinator who is alone can telephone so many people who live alone within the ten minutes of a step. With more
#: behind an outage it is urgent.
ONE_CAN_ASK = 10
COORDINATOR = "coordinator"

#: Whoever is on call in the area and above it as a coordinator, the nearest tier first, then the district desk: ten
#: minutes each, as there is somebody to be telephoned and no door to be reached. Who has taken it is asked after four
#: hours whether it is over.
AREA_POLICY = Policy(
    name="area",
    step_s=600.0,
    repeat_s=1800.0,
    arrival_s=14_400.0,
    ask_wearer=False,
    steps=(Step(role=COORDINATOR, after_s=600.0), Step(tier="desk", after_s=600.0)),
)


@dataclass(frozen=True, slots=True)
class Behind:
    """Whom a silent area leaves without their devices: ``people`` who have any, in so many ``homes`` (addresses), and
    the pseudonymous keys of those among them who live ``alone``."""

    people: int
    homes: int
    alone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What an incident was told of an area: a finding, when it was decided, and whether it is over."""

    detection: str
    area: str
    decided_ms: int
    over: bool


def is_area_trouble(detection: Detection) -> bool:
    """Whether a finding is about an area as a whole."""
    about_area = bool(detection.notes.get("area")) and not detection.notes.get("home")
    return detection.kind == AREA_TROUBLE and detection.person is None and about_area


def subject_of_area(detection: Detection, directory: Directory) -> Subject:
    """The area; the district desk for one that the registry does not have."""
    area = detection.notes["area"]
    known = area in directory.areas
    return Subject(None, detection.device, area if known else directory.root or "", desk=not known)


def behind(directory: Directory, area: str) -> Behind:
    """Who has devices in an area or below it."""
    below = f"{area}."
    there = [one for path, one in directory.equipped.items() if path == area or path.startswith(below)]
    alone = sorted(key for one in there for key in one.alone)
    return Behind(sum(one.people for one in there), sum(one.homes for one in there), tuple(alone))


def with_people(detection: Detection, who: Behind) -> Detection:
    """The finding with who is behind it, in numbers and in the words of every language. The end of one stays as it
    is."""
    if detection.stage is not Stage.CONFIRMED:
        return detection
    numbers = {"people": float(who.people), "homes": float(who.homes), "live_alone": float(len(who.alone))}
    words = {"en": _english(who), "zh": f"涉及{who.homes}户{who.people}人，其中独居{len(who.alone)}人。"}
    said = {
        language: f"{detection.notes[language]}{' ' if language == 'en' else ''}{text}"
        for language, text in words.items()
        if language in detection.notes
    }
    return msgspec.structs.replace(detection, features=detection.features | numbers, notes=detection.notes | said)


def _english(who: Behind) -> str:
    people = f"{who.people} {'person' if who.people == 1 else 'people'}"
    homes = f"{who.homes} {'home' if who.homes == 1 else 'homes'}"
    alone = f"{len(who.alone)} of them {'lives' if len(who.alone) == 1 else 'live'} alone"
    return f"{people} in {homes} cannot call for help; {alone}."


def policy_for(directory: Directory, area: str) -> Policy:
    """The registry's where one names the kind, for the area or one above it; else :data:`AREA_POLICY`. One that is for
    all kinds is about people, and does not count."""
    above: str | None = area
    while above is not None:
        for entry in directory.policies.by_area.get(above, ()):
            if AREA_TROUBLE in entry.kinds:
                return policy_of(entry)
        above = parent_of(above)
    return AREA_POLICY


def incident_of(area: str, open_troubles: Iterable[Incident]) -> Incident | None:
    """The open incident of an area, else the nearest of an area above it."""
    around = [one for one in open_troubles if area == one.area or area.startswith(f"{one.area}.")]
    return max(around, key=lambda one: (len(one.area), one.opened_ms, one.id), default=None)


def still_silent(said: Iterable[Said]) -> bool:
    """Whether any area is silent yet, by the newest finding of each: after a loss of the detector's memory the end of
    an older one never comes."""
    newest: dict[str, Said] = {}
    for one in sorted(said, key=lambda one: one.decided_ms):
        newest[one.area] = one
    return not all(one.over for one in newest.values())


def take_area_trouble(
    detection: Detection, subject: Subject, known: Known, who: Behind, now_ms: int, *, silent: bool
) -> Taken:
    """What a finding about an area leads to. ``known`` has its incident, ``silent`` says for an end whether the rest of
    that incident's findings still stand.

    When all is over the incident is closed as a device fault, if nobody has taken it; otherwise it is written, and
    whoever has it closes it: there may be somebody to be seen.
    """
    incident = known.incident
    if detection.stage is Stage.FOLLOW_UP:
        if incident is None:
            return Taken(Verdict.RECORDED, reason=Reason.DEVICE_FINDING)
        return Taken(Verdict.JOINED, incident.id, _over(detection, incident, now_ms, silent=silent))
    if detection.stage is not Stage.CONFIRMED:
        return Taken(Verdict.RECORDED, reason=Reason.DEVICE_FINDING)
    severity = Severity.URGENT if len(who.alone) > ONE_CAN_ASK else Severity.WARNING
    if incident is not None:
        note = Note(What.EVIDENCE, "system", _told(detection))
        after = incident
        if incident.state is not State.RESOLVED:
            worse = max(incident.severity, severity, key=SEVERITY_ORDER.index)
            last_ms = max(incident.last_evidence_ms, detection.decided_ms)
            after = replace(incident, severity=worse, last_evidence_ms=last_ms)
        return Taken(Verdict.JOINED, incident.id, Change(incident, after, (note,)))
    if known.silenced:
        return Taken(Verdict.RECORDED, reason=Reason.SILENCED)
    return _open(detection, subject, known, severity, now_ms)


def _open(detection: Detection, subject: Subject, known: Known, severity: Severity, now_ms: int) -> Taken:
    policy = known.policy or AREA_POLICY
    incident = Incident(
        id=incident_id(detection.id),
        kind=AREA_TROUBLE,
        severity=severity,
        state=State.OPEN,
        person=None,
        device=detection.device,
        area=subject.area,
        historical=False,
        policy=policy,
        onset_ms=detection.onset_ms,
        opened_ms=now_ms,
        last_evidence_ms=detection.decided_ms,
        needed=policy.acknowledgements,
    )
    opened = Note(What.OPENED, "system", _told(detection) | {"policy": policy.name, "desk": subject.desk})
    change = Change(None, incident, (opened,), (State.OPEN,)).then(call_next(incident, known.calls, now_ms))
    return Taken(Verdict.OPENED, incident.id, change)


def _over(detection: Detection, incident: Incident, now_ms: int, *, silent: bool) -> Change:
    note = Note(What.FOLLOWED_UP, "system", _told(detection) | {"follow_up": "over"})
    change = Change(incident, incident, (note,))
    if silent or incident.state is State.RESOLVED or incident.state in TAKEN:
        return change
    _, closed = resolve(incident, "system", now_ms, outcome=Outcome.DEVICE_FAULT, note="it is over", via="detector")
    return change if closed is None else change.then(closed)


def _told(detection: Detection) -> dict[str, object]:
    counts: Mapping[str, float] = detection.features
    return {
        **recorded(detection),
        "area": detection.notes["area"],
        **{name: round(counts[name]) for name in ("people", "homes", "live_alone") if name in counts},
        **({"wider_area": detection.notes["wider_area"]} if "wider_area" in detection.notes else {}),
    }
