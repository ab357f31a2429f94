"""What a dashboard consists of, as values; :mod:`dashboards.generate` turns them into Grafana's JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dashboards.limits import PLAIN, Step
from dashboards.words import Words


@dataclass(frozen=True, slots=True)
class Query:
    """One statement of a panel.

    Attributes:
        alias: the name of its series in legends; may hold ``$tag_area`` and the like.
        table: rows instead of series.
        look: properties of its series that differ from the panel's: ``color``, ``custom.lineWidth`` ...
        fill_to: the alias of the series down to which the space below this one is filled.
    """

    text: str
    alias: Words | None = None
    table: bool = False
    look: dict[str, Any] = field(default_factory=dict)
    fill_to: Words | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name in the answer, its title, and how it is shown."""

    name: str
    title: Words
    unit: str = ""
    thresholds: tuple[Step, ...] = ()
    decimals: int | None = None
    link: str = ""
    width: int | None = None
    gauge: bool = False
    sparkline: bool = False
    words: dict[str, tuple[Words, str]] = field(default_factory=dict)
    hidden: bool = False


_OPEN = Words("Open", "打开")


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        about: what it shows and what to make of it, for whoever points at the (i).
        kind: timeseries, stat, table, barchart.
        draw: line, bars, points or steps.
        band: the thresholds are drawn as coloured bands behind, not only as lines.
        words: what stands for a value, with its colour.
        sort: column and whether descending, of a table.
        repeat: one panel for each value of this variable.
        link: address that a click leads to.
    """

    title: Words
    about: Words
    kind: str
    queries: tuple[Query, ...]
    unit: str
    w: int
    h: int = 8
    thresholds: tuple[Step, ...] = PLAIN
    decimals: int | None = None
    least: float | None = None
    most: float | None = None
    soft: tuple[float, float] | None = None
    draw: str = "line"
    stack: bool = False
    band: bool = False
    columns: tuple[Column, ...] = ()
    sort: tuple[str, bool] | None = None
    transformations: tuple[dict[str, Any], ...] = ()
    words: dict[str, tuple[Words, str]] = field(default_factory=dict)
    repeat: str = ""
    link: str = ""
    link_title: Words = _OPEN
    shortest_step: str = "10s"
    color: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Panels under a heading."""

    title: Words
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """Something to choose.

    Attributes:
        every: all may be chosen.
        several: more than one may be.
        listed: to choose all is to choose each that is listed, and not anything (which is shorter to ask for).
    """

    name: str
    label: Words
    query: str
    every: bool = False
    several: bool = False
    listed: bool = False
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard. ``refresh``: how often by itself; ``since``: the range that is shown at first, up to now."""

    name: str
    title: Words
    about: Words
    variables: tuple[Variable, ...]
    sections: tuple[Section, ...]
    since: str
    refresh: str
    events: str = ""
    notes: tuple[str, ...] = ()


def to(name: str, more: str) -> str:
    """An address of another dashboard in the same language, with the same time range."""
    return f"/d/carecircle-{name}-$LANGUAGE?{more}&${{__url_time_range}}&var-datasource=${{datasource}}"
