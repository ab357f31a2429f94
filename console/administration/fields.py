"""The forms of rows: their fields, from an entry to what a form shows and back to texts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from registry.checking import NO_DOOR_CODE
from registry.entries import (
    RELATIONS,
    ChannelEntry,
    ContactEntry,
    DeviceEntry,
    Entry,
    PersonEntry,
    ResponderEntry,
    SilenceEntry,
)

MOST_CHANNELS = 12
_SEPARATORS = re.compile(r"[,;，；、\n]+")


class Field(NamedTuple):
    """One field of a form. ``kind``: text, number, words, tick, choice, area, person, responder, phone, code, moment,
    channels. ``once``: it cannot be changed later. ``hint``: there is a text ``hint.<name>``."""

    name: str
    kind: str = "text"
    required: bool = False
    once: bool = False
    hint: bool = False
    options: tuple[str, ...] = ()


FORMS: Mapping[str, tuple[Field, ...]] = {
    "people": (
        Field("key", required=True, once=True, hint=True),
        Field("name", required=True),
        Field("area", "area", required=True, hint=True),
        Field("address"),
        Field("phone", "phone"),
        Field("door_code", "code", hint=True),
        Field("language", hint=True),
        Field("risks", "words", hint=True),
        Field("conditions", "words", hint=True),
        Field("lat", "number"),
        Field("lon", "number"),
        Field("residents", "number"),
        Field("pets", "tick"),
    ),
    "responders": (
        Field("id", required=True, once=True, hint=True),
        Field("name", required=True),
        Field("area", "area", required=True, hint=True),
        Field("phone", "phone"),
        Field("languages", "words", hint=True),
        Field("roles", "words", hint=True),
        Field("provider"),
        Field("travel", "choice", options=("", "walk", "bicycle", "ebike", "car")),
        Field("lat", "number"),
        Field("lon", "number"),
        Field("channels", "channels"),
    ),
    "devices": (
        Field("id", required=True, once=True, hint=True),
        Field("person", "person", hint=True),
        Field("area", "area", hint=True),
        Field("kind", hint=True),
        Field("placement", hint=True),
        Field("model"),
    ),
    "contacts": (
        Field("person", "person", required=True, once=True, hint=True),
        Field("responder", "responder", once=True, hint=True),
        Field("name", once=True, hint=True),
        Field("phone", "phone", once=True),
        Field("relation", "choice", required=True, options=RELATIONS),
        Field("position", "number", hint=True),
        Field("notify", "choice", options=("policy", "always")),
        Field("has_key", "tick"),
    ),
    "silences": (
        Field("area", "area", hint=True),
        Field("person", "person"),
        Field("device"),
        Field("kinds", "words", hint=True),
        Field("end", "moment", required=True),
        Field("reason", required=True, hint=True),
    ),
}
#: What a new row starts with.
_FRESH: Mapping[str, Mapping[str, str]] = {
    "people": {"language": "zh", "residents": "1"},
    "responders": {"languages": "zh, en"},
    "devices": {"kind": "wearable"},
    "contacts": {"relation": "family", "position": "1", "notify": "policy"},
}


def fresh(table: str, asked: Mapping[str, str]) -> dict[str, str]:
    """What an empty form shows; what the address asks for (the person of a contact) is filled in."""
    names = {field.name for field in FORMS.get(table, ())}
    return {**_FRESH.get(table, {}), **{name: value for name, value in asked.items() if name in names}}


def shown(table: str, entry: Entry, *, phones: bool) -> dict[str, str]:
    """An entry as its form shows it: no door code, no secret of a channel, and the phone only where ``phones``."""
    row: dict[str, Any] = msgspec.to_builtins(entry)
    values: dict[str, str] = {}
    for field in FORMS[table]:
        value = row.get(field.name)
        if field.kind in ("code", "channels") or (field.kind == "phone" and not phones) or value is None:
            continue
        if isinstance(value, (list, tuple)):
            values[field.name] = ", ".join(value)
        elif isinstance(value, bool):
            values[field.name] = "1" if value else ""
        else:
            values[field.name] = f"{value}"
    if isinstance(entry, ResponderEntry):
        for number, channel in enumerate(entry.channels):
            values[f"channel_{number}_was"] = str(number)
            values[f"channel_{number}_type"] = channel.type
            values[f"channel_{number}_limit"] = "" if channel.per_minute is None else str(channel.per_minute)
        values["channel_count"] = str(len(entry.channels))
    return values


def texts_of(table: str, form: Mapping[str, str], was: Entry | None, *, phones: bool) -> dict[str, Any]:
    """What a form says, as a row of a file would: what it does not show stays as it ``was``."""
    values: dict[str, Any] = {} if was is None else msgspec.to_builtins(was)
    for field in FORMS[table]:
        text = form.get(field.name, "").strip()
        if field.once and was is not None:
            continue
        if field.kind == "channels":
            old = was.channels if isinstance(was, ResponderEntry) else ()
            values[field.name] = _channels(form, old)
        elif field.kind == "code":
            _code(values, field.name, text, remove=form.get(f"{field.name}_off") == "1")
        elif field.kind == "phone":
            if text or phones or form.get(f"{field.name}_off") == "1":
                values[field.name] = text
        elif field.kind == "tick":
            values[field.name] = text == "1"
        elif field.kind == "words":
            values[field.name] = split_words(text)
            if not values[field.name] and field.name == "languages":
                del values[field.name]
        elif text:
            values[field.name] = text
        else:
            values.pop(field.name, None)
    return {name: value for name, value in values.items() if value is not None}


def split_words(text: str) -> list[str]:
    """The words of a field that takes several, with commas between, of either script."""
    return [word.strip() for word in _SEPARATORS.split(text) if word.strip()]


def _code(values: dict[str, Any], name: str, text: str, *, remove: bool) -> None:
    """A door code is never shown: an empty field leaves it as it is."""
    if remove or text == NO_DOOR_CODE:
        values[name] = ""
    elif text:
        values[name] = text


def _channels(form: Mapping[str, str], old: Sequence[ChannelEntry]) -> list[dict[str, Any]]:
    """The channels of a form; an empty address or secret is that of the channel which stood there."""
    found = []
    for number in range(channel_count(form)):
        kind = form.get(f"channel_{number}_type", "")
        if not kind or form.get(f"channel_{number}_off") == "1":
            continue
        was = form.get(f"channel_{number}_was", "")
        before = old[int(was)] if was.isdecimal() and int(was) < len(old) else None
        channel: dict[str, Any] = {"type": kind}
        for name in ("url", "secret"):
            text = form.get(f"channel_{number}_{name}", "").strip()
            if not text and before is not None and before.type == kind:
                text = getattr(before, name)
            channel[name] = text
        if limit := form.get(f"channel_{number}_limit", "").strip():
            channel["per_minute"] = limit
        found.append(channel)
    return found


def channel_count(form: Mapping[str, str]) -> int:
    """How many channels a form has room for."""
    text = form.get("channel_count", "0")
    return min(int(text), MOST_CHANNELS) if text.isdecimal() and len(text) < 4 else 0


def masked(channel: ChannelEntry) -> str:
    """Where a channel leads, without what would let others use it."""
    if channel.type == "siren":
        return channel.url
    scheme, found, rest = channel.url.partition("://")
    if not found:
        return ""
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}://{host}/…" if channel.type == "webhook" else f"{scheme}://…"


def name_of(entry: Entry) -> str:
    """What a row is called."""
    match entry:
        case PersonEntry() | ResponderEntry():
            return entry.name
        case DeviceEntry():
            return entry.id
        case ContactEntry():
            return f"{entry.responder} – {entry.person}"
        case SilenceEntry():
            return entry.reason
        case _:
            return ""
