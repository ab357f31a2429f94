"""Counts what time lines say of messages, by name: what was sent and not sent, and why. As `pipeline` points."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection, func, insert, select, update

from alerts import models
from alerts.lifecycle import What
from alerts.workers import is_shared
from telemetry.records import PointBatch

STAGE = "alerts"
#: How often the counts are told.
EVERY_MS = 10_000
#: A number that is still missing among the audit rows after this long belongs to a transaction that was rolled back.
_MISSING_MS = 30_000
_TOLD = tuple(what.value for what in (What.SENT, What.NOT_SENT, What.NOT_CALLED, What.HELD, What.FAILED_OVER))
_audit = models.audit
_NO_NAME = re.compile(r"[^a-z0-9_]")


@dataclass(frozen=True, slots=True)
class Counted:
    """Up to which audit row reasons are counted. ``missing`` are numbers below it that no row had when it was looked,
    and since when: on a shared database a row may be committed after one with a higher number."""

    audit: int
    missing: Mapping[int, int] = field(default_factory=dict)


def load_counted(connection: Connection) -> Counted:
    """Up to where the last process told; from now on when none ever did."""
    told = connection.execute(select(models.counted.c.audit)).scalar()
    newest = select(func.coalesce(func.max(_audit.c.id), 0))
    return Counted(int(told if told is not None else connection.execute(newest).scalar_one()))


def keep_counted(connection: Connection, counted: Counted) -> None:
    """Write up to where it was told, in the transaction of what tells it."""
    if connection.execute(update(models.counted).values(audit=counted.audit)).rowcount == 0:
        connection.execute(insert(models.counted).values(id=1, audit=counted.audit))


def count_reasons(connection: Connection, before: Counted, now_ms: int) -> tuple[Counted, Counter[str]]:
    """How many messages the audit rows after ``before`` tell of, as ``sent:delivered``, and up to where they are.

    What other processes wrote is among them (an acknowledgement in the console drops what was not sent yet).
    """
    new = (_audit.c.id > before.audit) | _audit.c.id.in_(before.missing)
    told = select(_audit.c.what, _audit.c.data).where(new, _audit.c.what.in_(_TOLD))
    if not is_shared(connection):
        newest = connection.execute(select(func.max(_audit.c.id)).where(_audit.c.id > before.audit)).scalar()
        after = before if newest is None else Counted(newest)
    else:
        ids = set(connection.execute(select(_audit.c.id).where(new)).scalars())
        after = _after(before, ids, now_ms)
        told = told.where(_audit.c.id.in_(ids))
    if after == before:
        return before, Counter()
    counts: Counter[str] = Counter()
    for what, data in connection.execute(told):
        if "reason" in data:
            counts[f"{what}:{data['reason']}"] += len(data.get("notifications", ())) or 1
    return after, counts


def _after(before: Counted, ids: set[int], now_ms: int) -> Counted:
    newest = max(ids, default=before.audit)
    missing = {number: now_ms for number in range(before.audit + 1, newest + 1) if number not in ids}
    kept = {
        number: since_ms
        for number, since_ms in before.missing.items()
        if number not in ids and abs(now_ms - since_ms) < _MISSING_MS
    }
    return Counted(max(newest, before.audit), kept | missing)


class Meter:
    """Makes the `pipeline` point of this process: what was counted since its last one, every 10 s."""

    def __init__(self, host: str, worker: str) -> None:
        """``worker`` keeps the points of two processes on one host apart, by the nanoseconds within a millisecond."""
        self._host = host
        digest = hashlib.blake2b(worker.encode(), digest_size=8).digest()
        self._fraction_ns = int.from_bytes(digest, "big") % 1_000_000
        self._period: int | None = None
        self._said: Counter[str] = Counter()

    def is_due(self, now_ms: int) -> bool:
        """Whether it is time for a point."""
        return now_ms // EVERY_MS != self._period

    def point(self, counts: Counter[str], now_ms: int, **gauges: float) -> PointBatch:
        """What ``counts`` has more than at the last :meth:`told`, under names such as ``sent_delivered``, and
        ``gauges``. What was ever counted goes on as 0."""
        since = {_NO_NAME.sub("_", name): float(counts[name] - self._said[name]) for name in counts}
        t_ns = np.array([now_ms // EVERY_MS * EVERY_MS * 1_000_000 + self._fraction_ns], dtype=np.int64)
        tags = {"stage": [STAGE], "host": [self._host]}
        return PointBatch("pipeline", t_ns, tags, {name: np.array([n]) for name, n in (since | gauges).items()})

    def told(self, counts: Counter[str], now_ms: int) -> None:
        """A point of ``counts`` was committed."""
        self._period, self._said = now_ms // EVERY_MS, counts.copy()
