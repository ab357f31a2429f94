"""What a doctor or hospital team reads of an incident that is referred to them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from alerts.emergency_text import KeyFacts, known_words
from alerts.lifecycle import Incident, Outcome, What
from alerts.sentences import clock_of, kind_name, local_iso, sentence
from alerts.settings import AlertSettings
from alerts.texts import TextMessage, fitted
from registry import ResponderEntry

_encode = msgspec.json.Encoder().encode
_OUTCOMES = {
    "en": {
        Outcome.TRUE: "it was real",
        Outcome.FALSE_ALARM: "false alarm",
        Outcome.CANCELLED: "the wearer said that all is well",
        Outcome.TEST: "a test",
        Outcome.DEVICE_FAULT: "a fault of the device",
    },
    "zh": {
        Outcome.TRUE: "真实警情",
        Outcome.FALSE_ALARM: "误报",
        Outcome.CANCELLED: "佩戴者表示平安",
        Outcome.TEST: "测试",
        Outcome.DEVICE_FAULT: "设备故障",
    },
}
_DID = {
    "en": {
        What.ACKNOWLEDGED: "took it",
        What.EN_ROUTE: "set out",
        What.ON_SCENE: "was at the door",
        What.RESOLVED: "closed it",
        What.KNOWN_BESIDE: "said that they know",
    },
    "zh": {
        What.ACKNOWLEDGED: "接警",
        What.EN_ROUTE: "出发",
        What.ON_SCENE: "到达现场",
        What.RESOLVED: "结束警情",
        What.KNOWN_BESIDE: "已知晓",
    },
}
#: What somebody did about an incident, as far as a doctor has to know.
TOLD: frozenset[What] = frozenset(_DID["en"])


@dataclass(frozen=True, slots=True)
class Deed:
    """Somebody did something about the incident; ``who`` is their name."""

    at_ms: int
    what: What
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """What is referred. ``by`` is the name of who did, ``note`` what they write to the doctor, ``vitals`` a summary of
    what was measured around it; ``closing_note`` is what stands in the incident since it was closed."""

    known: KeyFacts
    by: str
    note: str = ""
    vitals: str = ""
    closing_note: str = ""
    deeds: Sequence[Deed] = ()


def referral_lines(incident: Incident, referral: Referral, language: str, zone: ZoneInfo) -> list[str]:
    """A line for each thing that is known, what happened first."""
    zh = language == "zh"
    comma, colon = ("、", "：") if zh else (", ", ": ")
    facts = referral.known.facts
    risks = comma.join(known_words(referral.known.risks, language))
    conditions = comma.join(known_words(referral.known.conditions, language))
    names = ("说明", "体征", "结果", "经过", "须知", "疾病", "电话", "转介人") if zh else (
        "Note", "Vital signs", "Outcome", "Who answered", "Risks", "Conditions", "Phone", "Referred by"
    )  # fmt: skip
    texts = (
        referral.note, referral.vitals, _outcome(incident, referral, language),
        ("；" if zh else "; ").join(_did(deed, language, facts.now_ms, zone) for deed in referral.deeds),
        risks, conditions, referral.known.phone, referral.by,
    )  # fmt: skip
    lines = [f"{name}{colon}{text}" for name, text in zip(names, texts, strict=True) if text]
    return [sentence(facts, language, zone), *lines]


def referral_text(
    incident: Incident, referral: Referral, language: str, zone: ZoneInfo, *, short: bool, repeat: bool
) -> TextMessage:
    """For people to read; ``short`` fits one text message. There is no link: nothing is asked of who reads it."""
    zh, facts = language == "zh", referral.known.facts
    again = ("重发：" if zh else "Sent again: ") if repeat else ""
    title = f"{again}{'转介' if zh else 'Referral: '}{'：' if zh else ''}{kind_name(facts.kind, language)}"
    title += f"，{facts.person}" if zh else f", {facts.person or facts.device}"
    if not short:
        return TextMessage(title, "\n".join(referral_lines(incident, referral, language, zone)))
    parts = (
        title, clock_of(facts.onset_ms, facts.now_ms, zone), _outcome(incident, referral, language),
        referral.known.phone, referral.note,
    )  # fmt: skip
    return TextMessage("", fitted(" ".join(part for part in parts if part)))


def referral_body(
    incident: Incident,
    referral: Referral,
    responder: ResponderEntry,
    notification: str,
    attempt: int,
    language: str,
    settings: AlertSettings,
    now_ms: int,
) -> bytes:
    """``{"type": "incident.referral", "timestamp", "data"}``; the fields of ``data`` are in docs/alerts.md."""
    known, facts = referral.known, referral.known.facts
    data: dict[str, Any] = {
        "incident": incident.id,
        "notification": notification,
        "responder": responder.id,
        "kind": incident.kind,
        "severity": incident.severity.value,
        "state": incident.state.value,
        "outcome": None if incident.outcome is None else incident.outcome.value,
        "outcome_note": referral.closing_note,
        "follow_up": facts.follow_up or None,
        "sentence": sentence(facts, language, settings.zone),
        "text": "\n".join(referral_lines(incident, referral, language, settings.zone)),
        "language": language,
        "person": facts.person,
        "address": facts.address,
        "area": incident.area,
        "area_name": facts.area,
        "phone": known.phone,
        "risks": list(known.risks),
        "conditions": list(known.conditions),
        "note": referral.note,
        "vitals": referral.vitals,
        "by": referral.by,
        "onset_ms": incident.onset_ms,
        "local_time": local_iso(incident.onset_ms, settings.zone),
        "opened_ms": incident.opened_ms,
        "resolved_ms": incident.resolved_ms,
        "answered": [{"at_ms": deed.at_ms, "what": deed.what.value, "who": deed.who} for deed in referral.deeds],
        "attempt": attempt,
        "repeat": attempt > 1,
    }
    return _encode({"type": "incident.referral", "timestamp": local_iso(now_ms, settings.zone), "data": data})


def _outcome(incident: Incident, referral: Referral, language: str) -> str:
    if incident.outcome is None:
        return "尚未结束" if language == "zh" else "still open"
    parts = (_OUTCOMES[language][incident.outcome], referral.closing_note)
    return ("，" if language == "zh" else ", ").join(part for part in parts if part)


def _did(deed: Deed, language: str, now_ms: int, zone: ZoneInfo) -> str:
    at = clock_of(deed.at_ms, now_ms, zone)
    did = _DID[language][deed.what]
    return f"{at} {deed.who}{did}" if language == "zh" else f"{at} {deed.who} {did}"
