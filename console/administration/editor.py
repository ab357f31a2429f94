"""Writes rows of the registry for somebody, with a row of the audit for each change."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, insert

from console.access.audit import Event
from console.access.models import audit
from console.access.viewer import Viewer
from console.administration.saying import for_audit, key_text
from console.administration.scope import judge_of
from registry.changing import Change
from registry.checking import Tables
from registry.database import writing
from registry.editing import Edit, Mistake, edit_rows, load_entry
from registry.entries import Entry, EntryKey
from registry.placing import places_of

#: Fields of a form that are none of the row.
_OF_THE_FORM = frozenset({"csrf", "step", "seen", "looked"})


class StaleError(Exception):
    """Somebody changed the row meanwhile."""


class _BackError(Exception):
    """Leave the transaction without writing."""

    def __init__(self, edit: Edit) -> None:
        super().__init__()
        self.edit = edit


class Editor:
    """``secret`` makes what a form carries to know what it was shown."""

    def __init__(self, engine: Engine, secret: str) -> None:
        self._engine = engine
        self._secret = secret.encode() or b"console"

    def load(self, table: str, key: EntryKey) -> Entry | None:
        """A row with its secrets. Raises SealedError."""
        with self._engine.connect() as connection:
            return load_entry(connection, table, key)

    def seen(self, entry: Entry | None) -> str:
        """What stands for a row as it is, and says nothing of it."""
        return self._sign(b"" if entry is None else msgspec.json.encode(entry))

    def looked(self, form: Mapping[str, str]) -> str:
        """What stands for what was typed when its changes were shown."""
        typed = sorted((name, value) for name, value in form.items() if name not in _OF_THE_FORM)
        return self._sign(msgspec.json.encode([form.get("seen", ""), typed]))

    def check(self, viewer: Viewer, rows: Sequence[tuple[str, Entry]], gone: Sequence[tuple[str, EntryKey]]) -> Edit:
        """What it would do. Raises SealedError."""
        with self._engine.connect() as connection:
            return edit_rows(
                connection, rows, gone, write=False, who=viewer.who, now_ms=0, judge=judge_of(viewer)
            )  # fmt: skip

    def save(
        self,
        viewer: Viewer,
        rows: Sequence[tuple[str, Entry]],
        gone: Sequence[tuple[str, EntryKey]],
        now_ms: int,
        *,
        was: tuple[str, EntryKey] | None = None,
        seen: str = "",
        new: tuple[str, EntryKey] | None = None,
    ) -> Edit:
        """Write it, and the audit. ``was``: the row that must still be as ``seen``; ``new``: the row that must not be
        there yet.

        Raises:
            StaleError: it is not.
            SealedError: something there cannot be opened.
        """
        try:
            with writing(self._engine) as connection:
                edit = edit_rows(
                    connection, rows, gone, write=True, who=viewer.who, now_ms=now_ms, judge=judge_of(viewer)
                )
                if edit.mistakes:
                    raise _BackError(edit)
                if was is not None and self.seen(edit.before[was[0]].get(was[1])) != seen:
                    raise StaleError
                if new is not None and new[1] in edit.before[new[0]]:
                    raise StaleError
                record_changes(connection, viewer, edit.changes, edit.before, edit.after, now_ms)
                return edit
        except _BackError as back:
            return back.edit

    def _sign(self, content: bytes) -> str:
        return hmac.new(self._secret, content, hashlib.sha256).hexdigest()[:32]


def record_changes(
    connection: Connection,
    viewer: Viewer,
    changes: Iterable[Change],
    before: Tables,
    after: Tables,
    now_ms: int,
    *,
    by: str = "form",
) -> None:
    """A row of the audit for each change: who, when, what was there and what is."""
    rows: list[dict[str, Any]] = []
    for one in changes:
        entry, tables = after[one.table].get(one.key), after
        if entry is None:
            entry, tables = before[one.table][one.key], before
        places = places_of(entry, tables)
        rows.append(
            {
                "at_ms": now_ms, "what": Event.REGISTRY.value, "who": viewer.who[:64], "user": viewer.user,
                "kind": one.table, "subject": key_text(one.key)[:255], "area": places[0] or "", "address": "",
                "data": {**for_audit(one), "by": by},
            }
        )  # fmt: skip
    if rows:
        connection.execute(insert(audit), rows)


def of_row(mistakes: Iterable[Mistake], fields: Iterable[str]) -> tuple[dict[str, str], list[Mistake]]:
    """Mistakes by the fields of a form, and those that belong to none of them."""
    known = set(fields)
    by_field: dict[str, str] = {}
    others: list[Mistake] = []
    for one in mistakes:
        if one.field in known:
            by_field.setdefault(one.field, one.message)
        else:
            others.append(one)
    return by_field, others
