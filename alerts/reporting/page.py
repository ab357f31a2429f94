"""The report as one HTML file: style and plots in it, nothing from elsewhere, no script. Pure."""

from __future__ import annotations

from datetime import datetime
from statistics import median

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from alerts.reporting.build import Report
from alerts.reporting.layout import TEMPLATE
from alerts.reporting.plots import answer_plot, hour_plot
from alerts.reporting.rating import LEAST_CASES
from alerts.reporting.showing import cells, facts, shown, tiles
from alerts.reporting.texts import KINDS, TEXTS, duration

_PAGE = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
#: The most rows of what nobody answered; the CSV and the console have all.
_MOST_UNREACHED = 100


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
        tiles=tiles(report.total, words),
        facts=facts(report, words, language),
        answer_plot=Markup(answer_plot(report.total, words, language)),
        hour_plot=Markup(hour_plot(report.hours, words)),
        unreached=report.unreached[-_MOST_UNREACHED:][::-1],
        more=max(0, len(report.unreached) - _MOST_UNREACHED),
        least=LEAST_CASES,
        at=at,
        took=took,
        kind=kind,
        share=shown,
        duration=lambda seconds: duration(seconds, language),
        cells=cells,
    )
