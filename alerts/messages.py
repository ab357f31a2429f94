"""What goes out on a channel: the JSON body of a webhook, or texts for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from alerts.delivery import Purpose
from alerts.emergency_text import emergency_data, emergency_text, is_emergency, key_facts
from alerts.lifecycle import Incident
from alerts.links import LinkClaims, make_link, make_short_link, short_code
from alerts.reply_texts import reply_hint
from alerts.sentences import Facts, language_of, local_iso, sentence
from alerts.settings import AlertSettings
from alerts.standing import Meaning
from alerts.texts import TextMessage, long_text, short_text, title_text
from registry import Directory, ResponderEntry

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Envelope:
    """What one notification says to whom. ``attempt`` counts from 1; above it the message is a repeat. ``follow_up`` is
    how it went on after the last fall of the incident, "" while that is open; ``said`` what the detector says of it, by
    language. ``purpose``: a call, or a word to somebody beside the calls."""

    notification: str
    step: int
    round: int
    attempt: int
    follow_up: str = ""
    said: Mapping[str, str] = field(default_factory=dict)
    purpose: Purpose = Purpose.CALL


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
    facts = _for_whom(facts_of(incident, envelope, directory, language, now_ms), incident, responder, directory)
    claims = claims_of(incident, responder, envelope, settings, now_ms)
    link = make_link(settings.public_url, settings.link_key, claims)
    data: dict[str, Any] = {
        "incident": incident.id,
        "notification": envelope.notification,
        "kind": incident.kind,
        "severity": incident.severity.value,
        "historical": incident.historical,
        "follow_up": envelope.follow_up or None,
        "taken_by": incident.acknowledged_by if facts.helped or facts.hands_over else None,
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
        "beside": envelope.purpose is Purpose.BESIDE,
        "ack_url": link,
        "cannot_come_url": f"{link}/{Meaning.CANNOT_COME.value}",
        "need_help_url": f"{link}/{Meaning.NEED_HELP.value}",
        "ack_expires_ms": claims.expires_ms,
    }
    if is_emergency(responder.roles):
        data["emergency"] = emergency_data(key_facts(facts, person, directory, now_ms), language, settings.zone)
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
    reply_code: str = "",
) -> TextMessage:
    """The same for people to read; ``short`` fits one text message and has the short link, which leads nowhere until
    its code is kept (:func:`alerts.short_links.keep_code`). ``reply_code``: by which a reply says that it is about this
    incident, where it must."""
    language = language_of(responder.languages)
    facts = _for_whom(facts_of(incident, envelope, directory, language, now_ms), incident, responder, directory)
    repeat = envelope.attempt > 1
    if short:
        link = make_short_link(settings.public_url, short_code(settings.link_key, envelope.notification))
    else:
        claims = claims_of(incident, responder, envelope, settings, now_ms)
        link = make_link(settings.public_url, settings.link_key, claims)
    if is_emergency(responder.roles):
        person = directory.person(incident.person) if incident.person is not None else None
        known = key_facts(facts, person, directory, now_ms)
        return emergency_text(known, language, settings.zone, link, short=short, repeat=repeat)
    if short:
        hint = reply_hint(language, reply_code) if settings.replies and envelope.purpose is Purpose.CALL else ""
        text = short_text(facts, language, settings.zone, link, repeat=repeat, hint=hint, must_hint=bool(reply_code))
        return TextMessage("", text)
    title = title_text(facts, language, incident.severity.value, repeat=repeat)
    beside = envelope.purpose is Purpose.BESIDE
    return TextMessage(title, long_text(facts, language, settings.zone, link, beside=beside))


def claims_of(
    incident: Incident, responder: ResponderEntry, envelope: Envelope, settings: AlertSettings, now_ms: int
) -> LinkClaims:
    """What the link of a message says."""
    expires_ms = now_ms + round(settings.link_valid_s * 1000)
    return LinkClaims(incident.id, responder.id, envelope.notification, expires_ms)


def _for_whom(facts: Facts, incident: Incident, responder: ResponderEntry, directory: Directory) -> Facts:
    """The facts with the name of whoever has it, where they need more people or ask this responder to take it over."""
    if incident.acknowledged_by is None or responder.id in incident.standing:
        return facts
    entry = directory.responder(incident.acknowledged_by)
    name = entry.name if entry is not None else incident.acknowledged_by
    if responder.id == incident.offered_to:
        return replace(facts, hands_over=name)
    return replace(facts, helped=name) if incident.is_short else facts


def facts_of(incident: Incident, envelope: Envelope, directory: Directory, language: str, now_ms: int) -> Facts:
    """What the sentences of an incident are made of."""
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
