"""What somebody who was called is told when they need not go. Pure."""

from __future__ import annotations

import msgspec

from alerts.lifecycle import TAKEN, Incident, Outcome
from alerts.sentences import AREA_TROUBLE, kind_name, language_of, local_iso
from alerts.settings import AlertSettings
from alerts.texts import TextMessage, fitted
from registry import Directory, ResponderEntry

_encode = msgspec.json.Encoder().encode
_OVER = {
    "en": {
        Outcome.TRUE: "it is over",
        Outcome.FALSE_ALARM: "it was a false alarm",
        Outcome.CANCELLED: "the wearer says that all is well",
        Outcome.TEST: "it was a test",
        Outcome.DEVICE_FAULT: "it was a fault of the device",
    },
    "zh": {
        Outcome.TRUE: "事件已处理完毕",
        Outcome.FALSE_ALARM: "为误报",
        Outcome.CANCELLED: "佩戴者表示平安",
        Outcome.TEST: "为测试",
        Outcome.DEVICE_FAULT: "为设备故障",
    },
}


def stand_down_body(
    incident: Incident,
    responder: ResponderEntry,
    notification: str,
    attempt: int,
    directory: Directory,
    settings: AlertSettings,
    now_ms: int,
) -> bytes:
    """``{"type": "incident.stand_down", "timestamp", "data"}``; the fields of ``data`` are in docs/alerts.md."""
    by = _taken_by(incident)
    data = {
        "incident": incident.id,
        "notification": notification,
        "responder": responder.id,
        "kind": incident.kind,
        "state": incident.state.value,
        "outcome": None if incident.outcome is None else incident.outcome.value,
        "taken_by": by,
        "taken_by_name": None if by is None else _name(directory, by),
        "sentence": _sentence(incident, directory, language_of(responder.languages)),
        "language": language_of(responder.languages),
        "attempt": attempt,
        "repeat": attempt > 1,
    }
    return _encode({"type": "incident.stand_down", "timestamp": local_iso(now_ms, settings.zone), "data": data})


def stand_down_text(
    incident: Incident, responder: ResponderEntry, attempt: int, directory: Directory, *, short: bool
) -> TextMessage:
    """The same for people to read; ``short`` fits one text message."""
    language = language_of(responder.languages)
    said = _sentence(incident, directory, language)
    if short:
        return TextMessage("", fitted(said))
    again = {"en": "Sent again: ", "zh": "重发："}[language] if attempt > 1 else ""
    title = {"en": "You need not go", "zh": "无需前往"}[language]
    return TextMessage(again + title, said)


def _sentence(incident: Incident, directory: Directory, language: str) -> str:
    """You need not go, and why; then what it is about."""
    kind = kind_name(incident.kind, language)
    person = directory.person(incident.person) if incident.person is not None else None
    area = directory.areas.get(incident.area)
    where = area.name if area is not None and incident.kind == AREA_TROUBLE else incident.device
    who = person.name if person is not None else where
    by = _taken_by(incident)
    if language == "zh":
        why = f"{_name(directory, by)}已接警" if by is not None else _OVER["zh"].get(_outcome(incident), "")
        return f"您无需前往，{why}：{kind}，{who}。"
    why = f"{_name(directory, by)} has it" if by is not None else _OVER["en"].get(_outcome(incident), "")
    return f"You need not go, {why}: {kind}, {who}."


def _taken_by(incident: Incident) -> str | None:
    return incident.acknowledged_by if incident.state in TAKEN else None


def _outcome(incident: Incident) -> Outcome:
    return incident.outcome or Outcome.TRUE


def _name(directory: Directory, responder: str) -> str:
    entry = directory.responder(responder)
    return entry.name if entry is not None else responder
