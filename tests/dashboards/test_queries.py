"""Every statement of every dashboard on a real InfluxDB that the real writer has filled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import dashboards
from dashboards.macros import ALL, Span, fill_in, panels, variables
from tests.dashboards.conftest import Filled

DAY_MS = 86_400_000
#: Statements that may give no row, and why.
NO_ROWS: dict[str, str] = {}
#: What a reader has chosen, where it is not what the variable's own statement gives first.
CHOSEN = {"person": ["wang"], "area": ["d"]}


def values(dashboard: dict[str, Any], filled: Filled, span: Span) -> dict[str, list[str]]:
    """A choice for every variable, from its own statement: all there is where several can be chosen."""
    found: dict[str, list[str]] = {}
    for variable in variables(dashboard):
        given = rows(filled, fill_in(variable["query"]["query"], span, found))
        names = sorted({row["value"] for row in given})
        assert names, f"variable {variable['name']} has no value"
        wanted = CHOSEN.get(variable["name"])
        assert wanted is None or wanted[0] in names
        every = [ALL] if variable.get("allValue") else names
        found[variable["name"]] = wanted or (every if variable["includeAll"] else names[:1])
    return found


def rows(filled: Filled, query: str) -> list[dict[str, Any]]:
    """The rows of a statement with a value in them, the tags of their series among the columns."""
    (result,) = filled.server.query(query)
    found = []
    for series in result.get("series", []):
        for values in series["values"]:
            row = dict(zip(series["columns"], values, strict=True))
            if any(value is not None for name, value in row.items() if name != "time"):
                found.append(row | series.get("tags", {}))
    return found


def statements() -> Iterator[Any]:
    """(dashboard, where it stands, statement) of everything that is asked; both languages ask the same."""
    for name in dashboards.NAMES:
        loaded = dashboards.load(name, "en")
        for panel in panels(loaded):
            for target in panel["targets"]:
                where = f"{name}: {panel['title']} {target['refId']}"
                yield pytest.param(name, where, target["query"], panel["interval"], id=where.replace("$", ""))
        for annotation in loaded["annotations"]["list"]:
            yield pytest.param(name, f"{name}: annotation", annotation["query"], "10s", id=f"{name}: annotation")


@pytest.mark.parametrize(("name", "where", "query", "shortest"), list(statements()))
def test_every_statement_gives_rows_where_there_are_points(
    name: str, where: str, query: str, shortest: str, filled: Filled
) -> None:
    """A misspelt field is no error to InfluxDB: it shows as no rows only."""
    span = Span(filled.now_ms - 10 * DAY_MS, filled.now_ms + 60_000)
    chosen = values(dashboards.load(name, "en"), filled, span)
    found = rows(filled, fill_in(query, span, chosen, shortest=shortest))
    assert bool(found) != (where in NO_ROWS), NO_ROWS.get(where)
