"""Counts what the time lines say of messages, by name: what was sent and not sent, and why."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, func, select

from alerts import models
from alerts.lifecycle import What

_TOLD = tuple(what.value for what in (What.SENT, What.NOT_SENT, What.NOT_CALLED, What.HELD, What.FAILED_OVER))


def newest_row(connection: Connection) -> int:
    """The number of the newest audit row; 0 when there is none."""
    return int(connection.execute(select(func.coalesce(func.max(models.audit.c.id), 0))).scalar_one())


def count_reasons(connection: Connection, after: int) -> tuple[int, Counter[str]]:
    """How many messages the audit rows after ``after`` tell of, as ``sent:delivered``, and the newest of these rows.

    What other processes wrote is among them (an acknowledgement in the console drops what was not sent yet).
    """
    table = models.audit
    rows = connection.execute(
        select(table.c.id, table.c.what, table.c.data).where(table.c.id > after, table.c.what.in_(_TOLD))
    ).all()
    counts: Counter[str] = Counter()
    for _, what, data in rows:
        if "reason" in data:
            counts[f"{what}:{data['reason']}"] += len(data.get("notifications", ())) or 1
    return max((number for number, _, _ in rows), default=after), counts
