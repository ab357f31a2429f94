"""What the templates of people say, in the reader's language. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from console.people.finding import Question
from console.people.routine import DAYS
from console.people.series import SPANS
from console.people.signs import shown
from console.texts import Texts
from registry.thresholds import ThresholdChange

#: What the script says by itself.
_CHART_WORDS = ("chart.failed", "chart.keys", "chart.usual_is", "chart.marks_in", "chart.nothing")
_LEVELS = 4
_SHORT = 60


def written(name: str, value: float) -> str:
    """A value of a sign, of the score too."""
    return shown(name, value)


def with_unit(text: str, unit: str) -> Markup:
    """A value and its unit, which is smaller."""
    return Markup('{} <span class="unit">{}</span>').format(text, unit)


def and_points(texts: Texts) -> Callable[[Markup, int | None], Markup]:
    """A note with what the value gives in the score, where it gives anything: the colour says the same."""

    def note(text: Markup, points: int | None) -> Markup:
        return text + Markup(" · {}").format(texts("sign.points", n=points)) if points else text

    return note


def heat_level(count: int, days: int) -> int:
    """How dark a cell of the heat map is: 0 never, 4 on nearly every day."""
    return 0 if not count or not days else min(_LEVELS, 1 + (_LEVELS * count - 1) // max(days, 1))


def list_words(
    texts: Texts, asked: Question, orders: Sequence[str], sorted_address: Mapping[str, str], *, health: bool
) -> dict[str, Any]:
    """The columns of the list, and how it may be sorted."""
    columns = [texts("people.name"), *([texts("people.score")] if health else [])]
    columns += [texts("people.risk"), texts("people.area"), texts("people.seen")]
    choices = [(texts.of("order", name), sorted_address[name], name == asked.order.value) for name in orders]
    return {"columns": columns, "sort_choices": choices}


def page_words(texts: Texts, span: str, days: int) -> dict[str, Any]:
    """The choices of the page of a person, and the words of its script."""

    def address(chosen_span: str, chosen_days: int) -> str:
        return f"?range={chosen_span}&days={chosen_days}"

    return {
        "span_choices": [(texts.of("span", one), address(one, days) + "#course", one == span) for one in SPANS],
        "day_choices": [(texts("routine.last", n=one), address(span, one) + "#routine", one == days) for one in DAYS],
        "chart_words": json.dumps({name: texts(name) for name in _CHART_WORDS}, ensure_ascii=False),
        "written": written,
        "with_unit": with_unit,
        "and_points": and_points(texts),
        "heat_level": heat_level,
    }


def form_words(texts: Texts, fall_points: Sequence[str]) -> dict[str, Any]:
    """The options of the form of thresholds."""
    return {
        "point_options": [(point, texts.of("point", point or "usual")) for point in fall_points],
        "scale_options": [("1", texts("thresholds.scale_1")), ("2", texts("thresholds.scale_2"))],
    }


def bidi(text: str) -> Markup:
    """A text from outside: escaped, and apart from the direction of the text around it."""
    return Markup("<bdi>{}</bdi>").format(text)


def change_line(texts: Texts, name_of: Callable[[str], Markup]) -> Callable[[ThresholdChange], Markup]:
    """Says one change of a threshold: what, from what to what, by whom."""

    def value(change: ThresholdChange, text: str) -> str:
        if change.name == "fall_point":
            return texts.of("point", text or "usual")
        if change.name == "conditions" and text:
            return texts("list.comma").join(texts.of("risk", one) for one in text[:_SHORT].split(", "))
        return text[:_SHORT] or texts("change.none")

    def line(change: ThresholdChange) -> Markup:
        known = {
            "fall_point": "thresholds.fall_point",
            "spo2_scale": "thresholds.scale",
            "conditions": "change.conditions",
        }
        what = texts(known[change.name]) if change.name in known else texts.of("limit", change.name)
        who = texts("change.import") if change.who == "import" else texts.of("actor", change.who)
        values = {
            "what": escape(what), "before": name_of(value(change, change.before)),
            "after": name_of(value(change, change.after)), "who": name_of(who),
        }  # fmt: skip
        return Markup(escape(texts("change.line"))).format_map(values)

    return line
