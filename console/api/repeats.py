"""Requests that are sent again under the same key, because their answer was lost: answered, and not done again.

As in draft-ietf-httpapi-idempotency-key-header: the key is the program's own, and belongs to one request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Header
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from console.access.models import repeat
from console.access.viewer import Viewer
from console.api.problems import MEDIA_TYPE, Problem, body_of
from registry.database import writing

#: What was done so long ago is not remembered.
KEPT_MS = 24 * 3_600_000
#: Who died while doing it has given no answer by then; all actions bear to be done twice.
_DOING_MS = 60_000
_BEING_DONE = "The first request of this Idempotency-Key is being done: ask again in a moment."

IdempotencyKey = Annotated[
    str, Header(alias="Idempotency-Key", max_length=128, description="drawn anew by the program for each thing it does")
]


def once(
    engine: Engine, viewer: Viewer, key: str, asked: tuple[Any, ...], now_ms: int, do: Callable[[], Any]
) -> JSONResponse:
    """What ``do`` returns as JSON; under a ``key`` that was here before, the answer of then.

    A problem that ``do`` raises is an answer too. Raises Problem where the key was used for something else, or the
    first request is still being done.
    """
    if not key:
        return JSONResponse(jsonable_encoder(do()))
    name = _digest(viewer.user, viewer.name, key)
    what = _digest(*asked)
    known = _claim(engine, name, what, now_ms)
    if known is not None:
        return known
    try:
        body, status = jsonable_encoder(do()), 200
    except Problem as problem:
        body, status = body_of(problem), problem.status
    except BaseException:
        with writing(engine) as connection:  # nothing was answered: the next one does it
            connection.execute(delete(repeat).where(repeat.c.id == name, repeat.c.status.is_(None)))
        raise
    with writing(engine) as connection:
        values = {"status": status, "answer": json.dumps(body, ensure_ascii=False)}
        connection.execute(update(repeat).where(repeat.c.id == name).values(values))
    return JSONResponse(body, status, media_type=_type(status))


def _claim(engine: Engine, name: str, what: str, now_ms: int) -> JSONResponse | None:
    try:
        with writing(engine) as connection:
            connection.execute(delete(repeat).where(repeat.c.at_ms < now_ms - KEPT_MS))
            row = connection.execute(select(repeat).where(repeat.c.id == name)).first()
            if row is None:
                connection.execute(insert(repeat).values(id=name, asked=what, at_ms=now_ms))
                return None
            if row.asked != what:
                raise Problem("conflict", "This Idempotency-Key was used for another request: draw a new one.")
            if row.status is not None:
                headers = {"idempotency-replayed": "true"}
                return JSONResponse(json.loads(row.answer), row.status, headers, _type(row.status))
            if row.at_ms > now_ms - _DOING_MS:
                raise Problem("conflict", _BEING_DONE)
            connection.execute(update(repeat).where(repeat.c.id == name).values(at_ms=now_ms))
            return None
    except IntegrityError:
        raise Problem("conflict", _BEING_DONE) from None


def _type(status: int) -> str:
    return "application/json" if status < 400 else MEDIA_TYPE


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()
