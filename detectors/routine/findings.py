"""The findings of the routine bank: what each says of itself, how urgent it is, how sure."""

from __future__ import annotations

from typing import NamedTuple

from detectors.detection import Detection, Severity, Stage, detection_id
from detectors.routine.columns import Finding

DETECTOR = "routine"
VERSION = "1"

#: What a finding is called where it leaves this room.
KINDS: dict[Finding, str] = {
    Finding.COLLAPSE: "collapse",
    Finding.NOT_BACK: "not_back",
    Finding.NOT_OUT_OF_BED: "not_out_of_bed",
    Finding.BED_LEFT: "bed_left",
    Finding.LONG_BATHROOM: "long_bathroom",
    Finding.DOOR_OPEN: "door_open",
    Finding.NO_KITCHEN: "no_kitchen",
    Finding.NO_BATHROOM: "no_bathroom",
    Finding.WANDERING: "wandering",
}
_SEVERITY: dict[Finding, Severity] = {
    Finding.COLLAPSE: Severity.URGENT,
    Finding.NOT_BACK: Severity.WARNING,
    Finding.NOT_OUT_OF_BED: Severity.WARNING,
    Finding.BED_LEFT: Severity.WARNING,
    Finding.LONG_BATHROOM: Severity.WARNING,
    Finding.DOOR_OPEN: Severity.INFO,
    Finding.NO_KITCHEN: Severity.WARNING,
    Finding.NO_BATHROOM: Severity.WARNING,
    Finding.WANDERING: Severity.WARNING,
}
#: How sure a finding is: of a home that is known, and of one that is not.
_KNOWN, _UNKNOWN = 0.9, 0.6


class Where(NamedTuple):
    """What a finding is about and how well that home is known."""

    person: str
    device: str
    room: str
    known: bool
    several: bool  # more people, or a pet, live here
    company: bool
    blind: bool  # a room whose sensors have been mute for a day


def score_of(where: Where) -> float:
    """0..1: less for a home that is not known yet, with others in it, or that cannot be seen everywhere."""
    score = _KNOWN if where.known else _UNKNOWN
    for doubt, share in ((where.several, 0.6), (where.company, 0.7), (where.blind, 0.8)):
        score *= share if doubt else 1.0
    return round(score, 3)


def severity_of(finding: Finding, where: Where, *, night: bool) -> Severity:
    """As urgent as its kind; a front door at night more, what others in the home may have caused or seen less."""
    if finding is Finding.DOOR_OPEN and night:
        return Severity.WARNING
    if finding is Finding.COLLAPSE and (where.several or where.company):
        return Severity.WARNING
    return _SEVERITY[finding]


def begun(
    finding: Finding,
    where: Where,
    *,
    onset_ms: int,
    now_ms: int,
    recv_ms: int,
    features: dict[str, float],
    night: bool,
    historical: bool,
    params_hash: str,
) -> Detection:
    """A finding as it is confirmed."""
    text = f"routine.{KINDS[finding]}" + (".night" if night and finding is Finding.DOOR_OPEN else "")
    notes = {"text": text} | ({"room": where.room} if where.room else {})
    if not where.known:
        notes["basis"] = "routine.basis.default"
    for doubt, name in ((where.several, "several"), (where.company, "company"), (where.blind, "blind")):
        if doubt:
            notes["doubt"] = f"routine.doubt.{name}"
    return Detection(
        id=identity(finding, where.person, onset_ms),
        stage=Stage.CONFIRMED,
        device=where.device,
        person=where.person,
        detector=DETECTOR,
        version=VERSION,
        kind=KINDS[finding],
        onset_ms=onset_ms,
        decided_ms=now_ms,
        recv_ms=recv_ms,
        severity=severity_of(finding, where, night=night),
        score=score_of(where),
        historical=historical,
        features=features,
        notes=notes,
        params_hash=params_hash,
    )


def ended(
    finding: Finding, where: Where, *, onset_ms: int, t_ms: int, recv_ms: int, historical: bool, params_hash: str
) -> Detection:
    """The follow-up of a finding that is over: somebody moved, came back, closed the door."""
    return Detection(
        id=identity(finding, where.person, onset_ms),
        stage=Stage.FOLLOW_UP,
        device=where.device,
        person=where.person,
        detector=DETECTOR,
        version=VERSION,
        kind=KINDS[finding],
        onset_ms=onset_ms,
        decided_ms=t_ms,
        recv_ms=recv_ms,
        severity=Severity.INFO,
        score=score_of(where),
        historical=historical,
        features={"lasted_s": round((t_ms - onset_ms) / 1000, 1)},
        notes={"text": f"routine.{KINDS[finding]}.over", "state": "over"}
        | ({"room": where.room} if where.room else {}),
        params_hash=params_hash,
    )


def identity(finding: Finding, person: str, onset_ms: int) -> str:
    """One per person, kind and onset: the same when it is found again after a restart."""
    return detection_id(person, f"{DETECTOR}.{KINDS[finding]}", 0, onset_ms)
