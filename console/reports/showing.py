"""What the page of reports says beside the figures, in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from urllib.parse import urlencode

from alerts.reporting.texts import duration
from console.area_filter import AreaChoice
from console.reports.periods import Period, Span
from console.texts import Texts


def span_choices(texts: Texts, period: Period, choice: AreaChoice) -> list[tuple[str, str, bool]]:
    """The periods that are one press away."""
    area = [("area", choice.path)] if choice.path else []
    return [
        (texts.of("period", one.value), "?" + urlencode([("period", one.value), *area]), one is period.span)
        for one in Span
        if one is not Span.CUSTOM
    ]


def median_of(times_s: Sequence[float], language: str) -> str:
    """The median of some times, – without any."""
    return duration(median(times_s), language) if times_s else "–"
