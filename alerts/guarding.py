"""One thing that cannot be handled must not keep the others waiting."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from alerts.gathering import forget_kept, write_kept
from registry import is_retryable

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """What became of a guarded block: ``error`` is the defect that ended it, None when there was none."""

    error: Exception | None = None


@contextmanager
def guarded(connection: Connection, what: str) -> Iterator[Outcome]:
    """A savepoint around the block. An error in it is logged and undoes the block, not the transaction around it.

    Errors of the database that may pass are raised: the whole transaction is to be tried again.
    """
    outcome = Outcome()
    savepoint = connection.begin_nested()
    try:
        yield outcome
        write_kept(connection)
    except Exception as error:
        forget_kept(connection)
        savepoint.rollback()
        if is_retryable(error):
            raise
        _log.exception("%s cannot be handled", what)
        outcome.error = error
    else:
        savepoint.commit()
