"""The form page of a row, and the page that asks whether it shall go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from console.access.rules import EVERYWHERE, Permission
from console.access.viewer import Viewer
from console.administration.desk import SUGGESTED, Desk
from console.administration.fields import FORMS, Field, channel_count, masked, name_of
from console.administration.known import BETWEEN
from console.administration.saying import key_text, said
from console.administration.scope import sees_row
from registry.changing import Change
from registry.editing import Edit
from registry.entries import ContactEntry, Entry, PersonEntry, ResponderEntry


@dataclass(frozen=True, slots=True)
class Form:
    """What a form page shows."""

    values: Mapping[str, str]
    entry: Entry | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    changes: tuple[Change, ...] | None = None
    said: str = ""
    status: int = 200


def own_address(table: str, row: str) -> str:
    """The address of a row; that of a new one without."""
    return f"/administration/{table}/{quote(row, safe='') if row else 'new'}"


def phones_shown(viewer: Viewer, entry: Entry | None) -> bool:
    """Whether phones are shown: to who sees them on the page of a person."""
    return viewer.may(Permission.PEOPLE_READ, getattr(entry, "area", None))


def form_page(desk: Desk, request: Request, viewer: Viewer, table: str, row: str, form: Form) -> Response:
    """The form of a row; with ``changes`` what saving would do stands above it."""
    texts = desk.renderer.texts(request)
    directory = desk.known.now().directory
    values = dict(form.values)

    values["seen"] = desk.editor.seen(form.entry)
    channels = form.entry.channels if isinstance(form.entry, ResponderEntry) else ()
    code = isinstance(form.entry, PersonEntry) and bool(form.entry.door_code)
    responders = [one for one in directory.responders.values() if viewer.sees(one.area)][:SUGGESTED]
    areas = [(path, one.name) for path, one in directory.areas.items() if viewer.sees(path)][:SUGGESTED]
    fields = [one for one in FORMS[table] if form.entry is None or not (one.once and not _keeps(one))]
    return desk.page(
        request, viewer, table, "row.html", status=form.status, table=table, fields=fields, values=values,
        errors=form.errors, others=form.others, own=own_address(table, row), row=row, entry=form.entry,
        name=name_of(form.entry) if form.entry is not None else "", said=form.said,
        lines=None if form.changes is None else said(texts, form.changes), looked=desk.editor.looked(values),
        areas=areas, responders=responders, has_code=code, phones=phones_shown(viewer, form.entry),
        channels=_channel_rows(values, [masked(one) for one in channels], [bool(one.secret) for one in channels]),
        kin=_kin(desk, viewer, form.entry), everywhere=EVERYWHERE,
    )  # fmt: skip


def _keeps(one: Field) -> bool:
    """Whether a field that cannot be changed is shown all the same."""
    return one.name in ("key", "id", "person", "responder")


def _channel_rows(values: Mapping[str, str], leads: list[str], secret: list[bool]) -> list[dict[str, Any]]:
    rows = []
    for number in range(channel_count(values)):
        was = values.get(f"channel_{number}_was", "")
        at = int(was) if was.isdecimal() and int(was) < len(leads) else None
        rows.append(
            {
                "number": number, "was": was, "type": values.get(f"channel_{number}_type", ""),
                "url": values.get(f"channel_{number}_url", ""), "secret": values.get(f"channel_{number}_secret", ""),
                "limit": values.get(f"channel_{number}_limit", ""), "off": values.get(f"channel_{number}_off", ""),
                "leads": "" if at is None else leads[at], "has_secret": at is not None and secret[at],
            }
        )  # fmt: skip
    return rows


def _kin(desk: Desk, viewer: Viewer, entry: Entry | None) -> list[tuple[str, str, str]]:
    """The contacts of a person: name, relation, address of their form."""
    if not isinstance(entry, PersonEntry):
        return []
    directory = desk.known.now().directory
    found: list[tuple[str, str, str]] = []
    for one in directory.contacts.get(entry.key, ()):
        assert isinstance(one, ContactEntry)
        responder = directory.responders.get(one.responder)
        if viewer.sees(entry.area):
            address = own_address("contacts", f"{entry.key}{BETWEEN}{one.responder}")
            found.append((responder.name if responder else one.responder, one.relation, address))
    return found


def remove_page(desk: Desk, request: Request, viewer: Viewer, table: str, row: str, was: Entry, edit: Edit) -> Response:
    """What goes with a row, or what keeps it from going."""
    texts = desk.renderer.texts(request)
    places = []
    for one in edit.mistakes:
        entry = edit.before[one.table].get(one.key)
        mine = entry is not None and sees_row(viewer, entry, edit.before)
        places.append(f"{texts.of('table', one.table)} {key_text(one.key) if mine else texts('admin.elsewhere')}")
    return desk.page(
        request, viewer, table, "remove.html", status=422 if edit.mistakes else 200, table=table, name=name_of(was),
        own=own_address(table, row), seen=desk.editor.seen(was), lines=said(texts, edit.changes),
        named=list(dict.fromkeys(places)),
    )  # fmt: skip
