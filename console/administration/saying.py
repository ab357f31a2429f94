"""Changes and mistakes of the registry in the reader's words, without secrets. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from console.texts import Texts
from registry.changing import NOT_SAID, Change
from registry.entries import EntryKey

_SHORT = 120
#: What the checks say -> the id of the text. Groups are filled in.
_KNOWN: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.S), text_id)
    for pattern, text_id in (
        (r"^(?P<field>\w+) is missing$", "mistake.missing"),
        (r"Expected `str` of length >= 1", "mistake.missing"),
        (r"there is no area '(?P<value>[^']*)'", "mistake.area"),
        (r"there is no person '(?P<value>[^']*)'", "mistake.person"),
        (r"there is no responder '(?P<value>[^']*)'", "mistake.responder"),
        (r"there is no device '(?P<value>[^']*)'", "mistake.device"),
        (r"responder is missing: name one", "mistake.contact"),
        (r"matching regex.*\(it is '(?P<value>.*)'\)", "mistake.form"),
        (r"matching regex", "mistake.form_hidden"),
        (r"Expected `(?:float|int)` (?P<value>[<>]=? [-\d.]+)", "mistake.range"),
        (r"Expected `(?:float|int)[^`]*`, got `str`", "mistake.number"),
        (r"of length <= (?P<value>\d+)", "mistake.long"),
        (r"is none of (?P<value>.*)", "mistake.choice"),
        (r"is not in your areas", "mistake.not_yours"),
        (r"may be written by another role", "mistake.not_allowed"),
        (r"is set by clinicians", "mistake.clinicians"),
        (r"door codes are kept encrypted only", "mistake.no_key"),
        (r"a webhook needs a url", "mistake.webhook_url"),
        (r"a webhook needs a secret", "mistake.webhook_secret"),
        (r"is none that Apprise can use", "mistake.apprise"),
        (r"a siren needs the id", "mistake.siren"),
        (r"takes no (?:url and )?secret", "mistake.no_secret"),
        (r"a silence is for one of", "mistake.silence_one"),
        (r"is never silent", "mistake.never_silent"),
        (r"is not within the 92 days", "mistake.silence_end"),
        (r"is for (?P<value>.*) of '.*' already", "mistake.policy_twice"),
        (r"step (?P<value>\d+) calls the role", "mistake.step_role"),
        (r"step (?P<value>\d+) calls '", "mistake.step_responder"),
        (r"step (?P<value>\d+) (?:names|is|has|calls)", "mistake.step"),
        (r"is no time zone", "mistake.zone"),
        (r"is no local time|no time such as", "mistake.moment"),
        (r"must be at least 1|at least `?1`?", "mistake.missing"),
    )
)


@dataclass(frozen=True, slots=True)
class Said:
    """A change as the page shows it: ``fields`` has (field, before, after); None is not said."""

    what: str
    table: str
    key: str
    fields: tuple[tuple[str, str | None, str | None], ...]


def mistake(texts: Texts, message: str) -> str:
    """What is wrong in the reader's words; as the registry says it where there are none (English, exact)."""
    for pattern, text_id in _KNOWN:
        found = pattern.search(message)
        if found:
            return texts(text_id, value=found.groupdict().get("value") or "")
    return message if len(message) < 500 else message[:500] + "…"


def key_text(key: EntryKey) -> str:
    """A key in one word."""
    return key if isinstance(key, str) else " / ".join(str(part) for part in key)


def said(texts: Texts, changes: Iterable[Change]) -> list[Said]:
    """Changes for a page."""
    return [
        Said(
            one.what,
            texts.of("table", one.table),
            key_text(one.key),
            tuple(
                (texts.of("label", name), None, None)
                if name in NOT_SAID
                else (texts.of("label", name), value_text(texts, before), value_text(texts, after))
                for name, (before, after) in one.fields.items()
            ),
        )
        for one in changes
    ]


def value_text(texts: Texts, value: Any) -> str:
    """A value of a field as a person reads it, cut where it is long."""
    plain = msgspec.to_builtins(value)
    if plain is None or plain in ("", [], {}):
        return texts("change.none")
    if isinstance(plain, bool):
        return texts("admin.yes") if plain else texts("admin.no")
    if isinstance(plain, list) and all(isinstance(one, str) for one in plain):
        text = texts("list.comma").join(plain)
    elif isinstance(plain, (list, dict)):
        text = msgspec.json.encode(plain).decode()
    else:
        text = f"{plain}"
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"


def for_audit(change: Change) -> dict[str, Any]:
    """A change as the audit keeps it: of what is secret only that it changed."""

    def cut(value: Any) -> Any:
        plain = msgspec.to_builtins(value)
        text = msgspec.json.encode(plain)
        return plain if len(text) <= 400 else text[:400].decode(errors="replace")

    fields: Mapping[str, Any] = {
        name: None if name in NOT_SAID else [cut(before), cut(after)] for name, (before, after) in change.fields.items()
    }
    return {"what": change.what, "fields": dict(fields)}
