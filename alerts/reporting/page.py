"""The report as one HTML file: style and plots in it, nothing from elsewhere, no script. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from alerts.reporting.build import Report
from alerts.reporting.layout import TEMPLATE
from alerts.reporting.measures import GOALS, LATE_S, SOON_S, Calls, Incidents
from alerts.reporting.plots import answer_plot, hour_plot, percent
from alerts.reporting.rating import LEAST_CASES
from alerts.reporting.texts import KINDS, TEXTS, duration
from telemetry.shares import Share

_PAGE = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
#: The most rows of what nobody answered; the CSV and the console have all.
_MOST_UNREACHED = 100


@dataclass(frozen=True, slots=True)
class _Tile:
    """One figure at the top; ``state`` is met, missed or "" where there is no goal."""

    name: str
    value: str
    detail: str
    state: str
    goal: str


def page(report: Report, language: str) -> str:
    """The report in ``en`` or ``zh``."""
    words = TEXTS[language]

    def at(ms: int) -> str:
        return datetime.fromtimestamp(ms / 1000, report.zone).strftime("%Y-%m-%d %H:%M")

    def took(times_s: list[float]) -> str:
        return duration(median(times_s), language) if times_s else "–"

    def kind(name: str) -> str:
        return KINDS[language].get(name, name)

    return _PAGE.from_string(TEMPLATE).render(
        language=language,
        words=words,
        report=report,
        tiles=_tiles(report.total, words),
        facts=_facts(report, words, language),
        answer_plot=Markup(answer_plot(report.total, words, language)),
        hour_plot=Markup(hour_plot(report.hours, words)),
        unreached=report.unreached[-_MOST_UNREACHED:][::-1],
        more=max(0, len(report.unreached) - _MOST_UNREACHED),
        least=LEAST_CASES,
        at=at,
        took=took,
        kind=kind,
        share=_share,
        duration=lambda seconds: duration(seconds, language),
        cells=_cells,
    )


def _share(share: Share) -> dict[str, str]:
    """How a share is shown: its percent, and what it is of."""
    return {"value": percent(share.value), "of": f"{share.hits}/{share.total}" if share.total else ""}


def _cells(counts: Incidents | Calls) -> list[tuple[str, Share, str]]:
    """The three shares of a row with the keys of their headings, and how they stand to the goal."""
    return [
        ("answered_60", counts.soon.share, _state(counts.soon.share, GOALS[SOON_S])),
        ("answered_180", counts.late.share, _state(counts.late.share, GOALS[LATE_S])),
        ("door", counts.door.share, ""),
    ]


def _state(share: Share, goal: float) -> str:
    if not share.total:
        return ""
    return "met" if share.value >= goal else "missed"


def _tiles(total: Incidents, words: dict[str, str]) -> list[_Tile]:
    shares: list[tuple[str, Share, float | None]] = [
        ("answered_60", total.soon.share, GOALS[SOON_S]),
        ("answered_180", total.late.share, GOALS[LATE_S]),
        ("door", total.door.share, None),
        ("false_alarms", total.false_alarms, None),
    ]
    tiles = []
    for name, share, goal in shares:
        low, high = (percent(end) for end in share.interval)
        detail = words["interval"].format(low=low, high=high) if share.total else words["few"]
        counts = f"{share.hits}/{share.total} · " if share.total else ""
        state = _state(share, goal) if goal is not None else ""
        wanted = words["goal"].format(goal=percent(goal)) if goal is not None else ""
        tiles.append(_Tile(words[name], percent(share.value), counts + detail, state, wanted))
    return tiles


def _facts(report: Report, words: dict[str, str], language: str) -> list[tuple[str, Any]]:
    total = report.total
    ordered = sorted(total.answer_s)
    p95 = duration(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], language) if ordered else "–"
    closed = sum(total.outcomes.values())
    outcomes = [f"{count} {words[f'outcome.{name}']}" for name, count in total.outcomes.most_common()]
    outcomes += [f"{total.count - closed} {words['open']}"] if total.count > closed else []
    return [
        (words["incidents"], total.count),
        (words["median"], duration(median(ordered), language) if ordered else "–"),
        (words["p95"], p95),
        (words["unanswered"], total.unanswered),
        (words["outcome"], ("、" if language == "zh" else ", ").join(outcomes) or "–"),
        (words["historical"], total.historical),
        (words["tests"], report.tests),
    ]
