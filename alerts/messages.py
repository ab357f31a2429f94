"""What goes out on a channel: the JSON body of a webhook, or texts for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from alerts.lifecycle import Incident
from alerts.links import LinkClaims, make_link, make_short_link, short_code
from alerts.sentences import Facts, language_of, local_iso, sentence
from alerts.settings import AlertSettings
from alerts.texts import TextMessage, long_text, short_text, title_text
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
    language = language_of(responder.languages)
    facts = _facts(incident, envelope, directory, language, now_ms)
    claims = claims_of(incident, responder, envelope, settings, now_ms)
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
        "ack_expires_ms": claims.expires_ms,
    }
    return _encode({"type": "incident.notify", "timestamp": local_iso(now_ms, settings.zone), "data": data})


def text_message(
    incident: Incident,
    responder: ResponderEntry,
    envelope: Envelope,
    directory: Directory,
    settings: AlertSettings,
    now_ms: int,
    *,
    short: bool,
) -> TextMessage:
    """The same for people to read; ``short`` fits one text message and has the short link, which leads nowhere until
    its code is kept (:func:`alerts.short_links.keep_code`)."""
    language = language_of(responder.languages)
    facts = _facts(incident, envelope, directory, language, now_ms)
    repeat = envelope.attempt > 1
    if short:
        link = make_short_link(settings.public_url, short_code(settings.link_key, envelope.notification))
        return TextMessage("", short_text(facts, language, settings.zone, link, repeat=repeat))
    link = make_link(settings.public_url, settings.link_key, claims_of(incident, responder, envelope, settings, now_ms))
    title = title_text(facts, language, incident.severity.value, repeat=repeat)
    return TextMessage(title, long_text(facts, language, settings.zone, link))


def claims_of(
    incident: Incident, responder: ResponderEntry, envelope: Envelope, settings: AlertSettings, now_ms: int
) -> LinkClaims:
    """What the link of a message says."""
    expires_ms = now_ms + round(settings.link_valid_s * 1000)
    return LinkClaims(incident.id, responder.id, envelope.notification, expires_ms)


def _facts(incident: Incident, envelope: Envelope, directory: Directory, language: str, now_ms: int) -> Facts:
    person = directory.person(incident.person) if incident.person is not None else None
    area = directory.areas.get(incident.area)
    return Facts(
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
