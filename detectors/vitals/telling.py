"""From what was decided to the detections that leave the bank."""

from __future__ import annotations

from typing import Any

from detectors.detection import Detection, Severity, Stage, detection_id
from detectors.vitals.alarms import Turn
from detectors.vitals.artefacts import Fault
from detectors.vitals.chart import View
from detectors.vitals.findings import Said, describe, describe_fault, describe_over
from detectors.vitals.late import LateFinding
from detectors.vitals.parameters import VitalsParameters
from detectors.vitals.people import Person
from detectors.vitals.rules import RULES
from detectors.vitals.sentences import in_words

DETECTOR = "vitals"
DEVICE_DETECTOR = "device.vitals"
FAULT_KIND = "reading_fault"
VERSION = "1"


class Teller:
    """Makes detections, each with its values, limits, keys and sentences."""

    def __init__(self, parameters: VitalsParameters, params_hash: str) -> None:
        self._parameters = parameters
        self._hash = params_hash

    def told(
        self, turn: Turn, who: Person, device: str, limits: dict[str, float], view: View, said: Said | None = None
    ) -> Detection:
        """A finding about a person begins or is over; ``said`` of what days have shown."""
        if not turn.begins:
            said = describe_over(turn.rule, None if turn.silent else view, turn.place, self._parameters)
        elif said is None:
            said = describe(turn.rule, view, turn.place, limits, self._parameters)
        features, notes = said
        features = features | {"lasted_s": round(turn.lasted_s, 1)}
        notes = notes | {"rule": turn.rule.name.lower()}
        if turn.begins:
            features["limit_lasted_s"] = RULES[turn.rule].confirm_s
            notes |= {name: "yes" for name in ("alone", "limited") if getattr(turn, name)}
        return self._detection(
            who,
            device,
            of=who.key,
            name=f"{DETECTOR}.{turn.rule.name.lower()}",
            detector=DETECTOR,
            stage=Stage.CONFIRMED if turn.begins else Stage.FOLLOW_UP,
            kind=RULES[turn.rule].kind,
            onset_ms=turn.onset_ms,
            decided_ms=turn.decided_ms,
            recv_ms=turn.recv_ms,
            severity=turn.severity if turn.begins else Severity.INFO,
            score=_confidence(features),
            features=features,
            notes=notes,
        )

    def late(self, one: LateFinding, who: Person, device: str, now_ms: int) -> Detection:
        """Something grave happened, and was told late."""
        return self._detection(
            who,
            device,
            of=who.key,
            name=f"{DETECTOR}.late.{one.rule.name.lower()}",
            detector=DETECTOR,
            stage=Stage.CONFIRMED,
            kind=RULES[one.rule].kind,
            onset_ms=one.onset_ms,
            decided_ms=now_ms,
            recv_ms=one.recv_ms,
            severity=Severity.WARNING,
            score=1.0,
            historical=True,
            features=one.features,
            notes={"text": "historical", "signs": one.signs, "rule": one.rule.name.lower()},
        )

    def fault(
        self,
        fault: Fault,
        who: Person,
        device: str,
        *,
        begins: bool,
        sign: int,
        value: float,
        onset_ms: int,
        decided_ms: int,
        recv_ms: int,
    ) -> Detection:
        """A device makes artefacts again and again, or no more."""
        if begins:
            features, notes = describe_fault(fault, sign, value)
        else:
            features, notes = {}, {"text": "artefact.over", "fault": fault.name.lower(), "outcome": "over"}
        return self._detection(
            who,
            device,
            of=device,
            name=f"{DEVICE_DETECTOR}.{fault.name.lower()}",
            detector=DEVICE_DETECTOR,
            stage=Stage.CONFIRMED if begins else Stage.FOLLOW_UP,
            kind=FAULT_KIND,
            onset_ms=onset_ms,
            decided_ms=decided_ms,
            recv_ms=recv_ms,
            severity=Severity.WARNING if begins and fault is not Fault.MOTION else Severity.INFO,
            score=1.0,
            features=features,
            notes=notes,
        )

    def _detection(
        self,
        who: Person,
        device: str,
        *,
        of: str,
        name: str,
        onset_ms: int,
        features: dict[str, float],
        notes: dict[str, str],
        **rest: Any,
    ) -> Detection:
        return Detection(
            id=detection_id(of, name, 0, onset_ms),
            device=device,
            person=who.person,
            version=VERSION,
            onset_ms=onset_ms,
            features=features,
            notes=notes | in_words(notes, features),
            params_hash=self._hash,
            **rest,
        )


def _confidence(features: dict[str, float]) -> float:
    """How far beyond its limit: a half at it."""
    for value, limit in (("news2_points", "limit_points"), ("shift_sigma", "limit_shift_sigma")):
        if value in features and limit in features:
            return round(features[value] / (features[value] + features[limit]), 3)
    return 1.0
