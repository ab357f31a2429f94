"""How well each provider answered, as the last report that was written here has it: among those who are as near the
better one is called first. Nothing written: nobody is preferred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, select

from registry.database import writing
from registry.models import provider_rating as table
from registry.rows import raise_revision


@dataclass(frozen=True, slots=True)
class ProviderRating:
    """``score`` from 0 to 100, the higher the better, and its ``grade``."""

    score: float
    grade: str


def write_ratings(
    engine: Engine, ratings: Mapping[str, ProviderRating], *, from_ms: int, to_ms: int, now_ms: int
) -> None:
    """Put these in the place of all that are there; none: nobody is preferred any more. A running dispatch takes them
    up at its next call."""
    span = {"from_ms": from_ms, "to_ms": to_ms, "written_ms": now_ms}
    rows = [{"provider": name, "score": one.score, "grade": one.grade, **span} for name, one in ratings.items()]
    with writing(engine) as connection:
        raise_revision(connection)
        connection.execute(delete(table))
        if rows:
            connection.execute(insert(table), rows)


def read_ratings(connection: Connection) -> dict[str, float]:
    """The score of each provider that has one."""
    rows = connection.execute(select(table.c.provider, table.c.score))
    return {row.provider: row.score for row in rows}
