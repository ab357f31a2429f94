"""What is chosen at the top of a dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.files import DashboardsError
from dashboards.macros import ALL, Span, fill_in, variables
from dashboards.preview.answers import Ask


def choose(
    dashboard: Mapping[str, Any], ask: Ask, span: Span, given: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """A value for every variable: what is ``given``, else all, else the first that there is.

    Raises:
        DashboardsError: something must be chosen and there is nothing; or what is given is not there.
    """
    chosen: dict[str, list[str]] = {}
    for variable in variables(dashboard):
        name = variable["name"]
        wanted = list(given.get(name, ()))
        if not wanted and variable["includeAll"] and variable.get("allValue"):
            chosen[name] = [ALL]
            continue
        answers = ask(fill_in(variable["query"]["query"], span, chosen))
        there = sorted({row[-1] for answer in answers for row in answer.values})
        missing = sorted(set(wanted) - set(there))
        if missing:
            near = ", ".join(there[:5]) or "none"
            raise DashboardsError(f"InfluxDB knows no {name} {', '.join(missing)} there: it knows {near}")
        if not there and not variable["includeAll"]:
            raise DashboardsError(
                f"InfluxDB has no {name} yet: has the writer written anything, and is the area right?"
            )
        chosen[name] = wanted or (there if variable["multi"] else there[:1])
    return chosen
