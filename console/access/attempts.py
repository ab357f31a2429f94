"""How often somebody may try: per account and per address, counted in the database for all consoles together.

An attempt is counted before the password is looked at and forgiven when it was right, so that many at once are not
more than many in turn. An account that nobody has is counted in the same way: the answer does not tell which exist.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from console.access.models import attempt

#: So many failures in a row lock an account ...
FAILURES = 10
#: ... for so long; they count in a row within the same time.
LOCKED_S = 15 * 60
#: So many failures from one address: a station with many phones has one.
_FAILURES_OF_ADDRESS = 60
_KEPT_S = 86_400
#: Any constant will do that nobody else locks: attempts are counted one after the other.
_LOCK = 0x4C6F67696E
_FAILED, _OK, _LOCKED = "failed", "ok", "locked"


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt that may be made, or must wait.

    Attributes:
        id: to say how it went; 0 when it must wait.
        wait_s: after which it may be made; 0 when it may be now.
        locks: whether the account is locked if this one fails.
    """

    id: int
    wait_s: int = 0
    locks: bool = False


def begin(connection: Connection, account: str, address: str, now_ms: int) -> Try:
    """Count an attempt as failed, or say how long to wait. ``connection`` must be one that writes."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    connection.execute(delete(attempt).where(attempt.c.at_ms < now_ms - _KEPT_S * 1000))
    since_ms = now_ms - LOCKED_S * 1000
    of_account = select(func.max(attempt.c.at_ms)).where(attempt.c.account == account)
    locked_ms = connection.execute(of_account.where(attempt.c.result == _LOCKED)).scalar()
    if locked_ms is not None and locked_ms > since_ms:
        return Try(0, wait_s=_seconds(locked_ms - since_ms))
    failed = select(func.count(), func.min(attempt.c.at_ms)).where(
        attempt.c.result == _FAILED, attempt.c.at_ms > since_ms
    )
    count, first_ms = connection.execute(failed.where(attempt.c.address == address)).one()
    if count >= _FAILURES_OF_ADDRESS:
        return Try(0, wait_s=_seconds(first_ms - since_ms))
    fresh = select(func.max(attempt.c.id)).where(attempt.c.account == account, attempt.c.result != _FAILED)
    after = connection.execute(fresh).scalar() or 0
    count, _ = connection.execute(failed.where(attempt.c.account == account, attempt.c.id > after)).one()
    locks = count + 1 >= FAILURES
    row = {"at_ms": now_ms, "account": account, "address": address, "result": _LOCKED if locks else _FAILED}
    (made,) = connection.execute(insert(attempt).values(row)).inserted_primary_key or (0,)
    return Try(made, locks=locks)


def forgive(connection: Connection, one: Try) -> None:
    """Say that it was right: what failed before counts no more."""
    connection.execute(update(attempt).where(attempt.c.id == one.id).values(result=_OK))


def _seconds(ms: int) -> int:
    return max(1, -(-ms // 1000))
