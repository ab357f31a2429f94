"""Rows that a transaction writes, kept and written together: what a storm costs on a server is its round trips.

Any other statement on the same connection has what was kept before it written first, a savepoint too. So each reads and
changes what it would if every row had been written at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, event, insert, update

from alerts import models

Row = dict[str, Any]

_OPTION = "alerts_gathered"
#: What refers to a row comes after it.
_ORDER = (
    models.acknowledgement,
    models.notification,
    models.attempt,
    models.evidence,
    models.audit,
    models.journal_outbox,
)
_INSERTS = {table: insert(table) for table in (models.incident, models.timer, models.prompt, *_ORDER)}
_incident, _timer, _prompt, _notification = models.incident, models.timer, models.prompt, models.notification
_CHANGE = (
    update(_incident)
    .where(_incident.c.id == bindparam("to_id"))
    .values({column.name: bindparam(f"to_{column.name}") for column in _incident.c if column.name != "id"})
)
_CLEAR = delete(_timer).where(_timer.c.incident == bindparam("of"), _timer.c.kind == bindparam("which"))
_FORGET = delete(_prompt).where(_prompt.c.id == bindparam("of"))
_BEGIN = update(_notification).where(_notification.c.id == bindparam("of")).values(attempts=bindparam("number"))


class Gathered:
    """What is to be written. Rows of a table are written in the order in which they were kept."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing of it is to be written."""
        self._new: dict[str, Row] = {}
        self._changed: dict[str, Row] = {}
        self._timers: dict[tuple[str, str], int | None] = {}
        self._prompts: dict[str, Row] = {}
        self._begun: dict[str, int] = {}
        self._rows: dict[Table, list[Row]] = {}
        self._any = False

    def add(self, table: Table, rows: list[Row]) -> None:
        """Rows of acknowledgement, notification, attempt, evidence, audit or journal_outbox."""
        self._rows.setdefault(table, []).extend(rows)
        self._any = True

    def add_incident(self, row: Row, *, new: bool) -> None:
        """An incident as it is from now on, all columns."""
        kept = self._new if new or row["id"] in self._new else self._changed
        kept[row["id"]] = row
        self._any = True

    def set_timer(self, incident: str, kind: str, due_ms: int | None) -> None:
        """When a timer is due, in the place of what it was; None: never."""
        self._timers[incident, kind] = due_ms
        self._any = True

    def set_prompt(self, row: Row) -> None:
        """A question to a wearer as it is from now on, all columns."""
        self._prompts[row["id"]] = row
        self._any = True

    def begin(self, notification: str, attempt: Row) -> None:
        """An attempt of a notification, which is its newest."""
        self._begun[notification] = attempt["number"]
        self.add(models.attempt, [attempt])

    def write(self, connection: Connection) -> None:
        """Write it; nothing is kept afterwards."""
        if not self._any:
            return
        new, changed, rows = self._new, self._changed, self._rows
        timers, prompts, begun = self._timers, self._prompts, self._begun
        self.forget()  # each statement below comes here again
        if new:
            connection.execute(_INSERTS[_incident], list(new.values()))
        if changed:
            renamed = [{f"to_{name}": value for name, value in row.items()} for row in changed.values()]
            connection.execute(_CHANGE, renamed)
        old = [{"of": incident, "which": kind} for incident, kind in timers if incident not in new]
        if old:
            connection.execute(_CLEAR, old)
        due = [
            {"incident": incident, "kind": kind, "due_ms": due_ms}
            for (incident, kind), due_ms in timers.items()
            if due_ms is not None
        ]
        if due:
            connection.execute(_INSERTS[_timer], due)
        if prompts:
            connection.execute(_FORGET, [{"of": one} for one in prompts])
            connection.execute(_INSERTS[_prompt], list(prompts.values()))
        if begun:
            connection.execute(_BEGIN, [{"of": one, "number": number} for one, number in begun.items()])
        for table in _ORDER:
            if table in rows:
                connection.execute(_INSERTS[table], rows[table])


@contextmanager
def gathering(connection: Connection) -> Iterator[None]:
    """Rows that are :func:`kept` in the block are written together, at its end at the latest; when it raises, those
    that were not written yet never are."""
    gathered = Gathered()

    def write_first(*_arguments: object) -> None:
        gathered.write(connection)

    event.listen(connection, "before_execute", write_first)
    connection.execution_options(**{_OPTION: gathered})
    try:
        yield
        gathered.write(connection)
    finally:
        gathered.forget()
        connection.execution_options(**{_OPTION: None})


@contextmanager
def kept(connection: Connection) -> Iterator[Gathered]:
    """Where to put rows: they are written at the end of the block unless the transaction is :func:`gathering`."""
    gathered = _of(connection)
    if gathered is not None:
        yield gathered
        return
    gathered = Gathered()
    yield gathered
    gathered.write(connection)


def write_kept(connection: Connection) -> None:
    """Have what is kept for a connection written now."""
    gathered = _of(connection)
    if gathered is not None:
        gathered.write(connection)


def forget_kept(connection: Connection) -> None:
    """What is kept for a connection is not to be written: its savepoint is rolled back."""
    gathered = _of(connection)
    if gathered is not None:
        gathered.forget()


def _of(connection: Connection) -> Gathered | None:
    gathered: Gathered | None = connection.get_execution_options().get(_OPTION)
    return gathered
