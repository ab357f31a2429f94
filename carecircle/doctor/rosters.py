"""Will somebody be on call in the coming week?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.exc import SQLAlchemyError

import registry
from carecircle.settings import Settings
from registry.rosters import gaps

_DAYS = 7
_Result = tuple[bool, str, str, str]


def check_rosters(settings: Settings) -> Iterator[_Result]:
    """``(ok, what, found, advice)``; nothing without areas, or where the database does not answer, which another check
    says."""
    engine = registry.create_engine(settings.resolved_database_url())
    try:
        known = registry.directory(engine, secrets=False)
    except SQLAlchemyError:
        return
    finally:
        engine.dispose()
    if known.root is None:
        return
    now_ms = time.time_ns() // 1_000_000
    able = {responder.id for responder in known.responders.values() if responder.channels}
    found = gaps(known.rosters, known.areas, now_ms, now_ms + _DAYS * 86_400_000, able=able)
    if not found:
        yield True, "on call", f"somebody in every area for the next {_DAYS} days", ""
        return
    first = min(found, key=lambda gap: gap.begin_ms)
    begin = datetime.fromtimestamp(first.begin_ms / 1000, ZoneInfo(settings.console.time_zone))
    where = f"{first.area} from {begin:%a %Y-%m-%d %H:%M}"
    held = f"in the hands of {first.held_by}" if first.held_by else "in nobody's hands"
    yield (
        False,
        "on call",
        f"nobody {len(found)} times in the next {_DAYS} days, first in {where}, {held}",
        "`carecircle registry coverage` lists them all.",
    )
