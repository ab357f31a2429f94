"""Pages of long lists: a cursor says where the last one ended. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated

from fastapi import Query

from console.api.problems import Problem

MOST = 200
Limit = Annotated[int, Query(ge=1, le=MOST, description="entries of a page at most")]
Cursor = Annotated[str, Query(max_length=400, description="`next` of the page before; empty for the first")]


def pack(*place: int | str) -> str:
    """The cursor of a place in the order of a list. Only its reader knows what is in it."""
    text = json.dumps(place, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unpack(cursor: str, *kinds: type) -> list[int | str] | None:
    """The place again, of these ``kinds``; None for no cursor. Raises Problem for one that is none of ours."""
    if not cursor:
        return None
    try:
        place = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        place = None
    if not isinstance(place, list) or [type(one) for one in place] != list(kinds) or not _bears(place):
        raise Problem("bad-request", "`cursor` is none of ours: take it from `next` of the page before.")
    return place


def _bears(place: list[int | str]) -> bool:
    """Whether a database bears it."""
    return all(one.isprintable() if isinstance(one, str) else abs(one) < 1 << 62 for one in place)
