"""The JSON body of a webhook. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from alerts.lifecycle import Incident
from alerts.links import LinkClaims, make_link
from alerts.sentences import Facts, language_of, local_iso, sentence
from alerts.settings import AlertSettings
from registry import Directory, ResponderEntry

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Envelope:
    """What one notification says to whom. ``attempt`` counts from 1; above it the message is a repeat. ``follow_up`` is
    how it went on after the last fall of the incident, "" while that is open; ``said`` what the detector says of it, by
    language."""

    notification: str
    step: int
    round: int
    attempt: int
    follow_up: str = ""
    said: Mapping[str, str] = field(default_factory=dict)


def webhook_body(
    incident: Incident,
    responder: ResponderEntry,
    envelope: Envelope,
    directory: Directory,
    settings: AlertSettings,
    now_ms: int,
) -> bytes:
    """``{"type", "timestamp", "data"}`` as Standard Webhooks has it; the fields of ``data`` are in docs/alerts.md."""
    person = directory.person(incident.person) if incident.person is not None else None
    area = directory.areas.get(incident.area)
    language = language_of(responder.languages)
    facts = Facts(
        kind=incident.kind,
        person=person.name if person is not None else "",
        address=person.address if person is not None else "",
        area=area.name if area is not None else incident.area,
        device=incident.device,
        onset_ms=incident.onset_ms,
        said_ms=incident.said_ms,
        now_ms=now_ms,
        historical=incident.historical,
        follow_up=envelope.follow_up,
        said=envelope.said.get(language, ""),
    )
    expires_ms = now_ms + round(settings.link_valid_s * 1000)
    claims = LinkClaims(incident.id, responder.id, envelope.notification, expires_ms)
    data = {
        "incident": incident.id,
        "notification": envelope.notification,
        "kind": incident.kind,
        "severity": incident.severity.value,
        "historical": incident.historical,
        "follow_up": envelope.follow_up or None,
        "sentence": sentence(facts, language, settings.zone),
        "language": language,
        "person": facts.person,
        "address": facts.address,
        "lat": person.lat if person is not None else None,
        "lon": person.lon if person is not None else None,
        "area": incident.area,
        "area_name": facts.area,
        "device": incident.device,
        "responder": responder.id,
        "onset_ms": incident.onset_ms,
        "said_ms": incident.said_ms,
        "local_time": local_iso(incident.onset_ms, settings.zone),
        "opened_ms": incident.opened_ms,
        "step": envelope.step,
        "round": envelope.round,
        "attempt": envelope.attempt,
        "repeat": envelope.attempt > 1,
        "ack_url": make_link(settings.public_url, settings.link_key, claims),
        "ack_expires_ms": expires_ms,
    }
    return _encode({"type": "incident.notify", "timestamp": local_iso(now_ms, settings.zone), "data": data})
