"""The figures of a report as text: what the page, and whoever else shows it, have in common. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from alerts.reporting.build import Report
from alerts.reporting.measures import GOALS, LATE_S, SOON_S, Calls, Incidents
from alerts.reporting.plots import percent
from alerts.reporting.texts import duration
from telemetry.shares import Share


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure at the top; ``state`` is met, missed or "" where there is no goal."""

    name: str
    value: str
    detail: str
    state: str
    goal: str


def shown(share: Share) -> dict[str, str]:
    """How a share is shown: its percent, and what it is of."""
    return {"value": percent(share.value), "of": f"{share.hits}/{share.total}" if share.total else ""}


def cells(counts: Incidents | Calls) -> list[tuple[str, Share, str]]:
    """The three shares of a row with the keys of their headings, and how they stand to the goal."""
    return [
        ("answered_60", counts.soon.share, state_of(counts.soon.share, GOALS[SOON_S])),
        ("answered_180", counts.late.share, state_of(counts.late.share, GOALS[LATE_S])),
        ("door", counts.door.share, ""),
    ]


def state_of(share: Share, goal: float) -> str:
    """How it stands to its goal: met, missed, "" where nothing counts."""
    if not share.total:
        return ""
    return "met" if share.value >= goal else "missed"


def tiles(total: Incidents, words: dict[str, str]) -> list[Tile]:
    """The four figures at the top."""
    shares: list[tuple[str, Share, float | None]] = [
        ("answered_60", total.soon.share, GOALS[SOON_S]),
        ("answered_180", total.late.share, GOALS[LATE_S]),
        ("door", total.door.share, None),
        ("false_alarms", total.false_alarms, None),
    ]
    found = []
    for name, share, goal in shares:
        low, high = (percent(end) for end in share.interval)
        detail = words["interval"].format(low=low, high=high) if share.total else words["few"]
        counts = f"{share.hits}/{share.total} · " if share.total else ""
        state = state_of(share, goal) if goal is not None else ""
        wanted = words["goal"].format(goal=percent(goal)) if goal is not None else ""
        found.append(Tile(words[name], percent(share.value), counts + detail, state, wanted))
    return found


def facts(report: Report, words: dict[str, str], language: str) -> list[tuple[str, Any]]:
    """What else is said of all incidents: name and value."""
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
