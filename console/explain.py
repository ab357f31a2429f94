"""What made a decision, in words that can be checked on the plot. Pure.

A detection carries the numbers that were decided on (``peak_g``) and, for most of them, what they made of it:
``because.<name>`` is the change of the log-odds that this made against an ordinary impact of daily life, positive
towards a fall.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from console.sayings import FREEFALL_S, LITTLE_G, SAYINGS, STILL_G, WHOLES
from console.texts import Texts

BECAUSE = "because."
#: How many reasons stand in one line.
_IN_LINE = 4
#: Log-odds below which a contribution is no reason: a probability of 50 % becomes 52 %.
_TELLING = 0.1
#: Below these a feature says nothing to a person, where no contribution tells what it is worth.
_POSTURE_DEG = 30.0
_TURNED_DEG = 60.0
_MISSING_PCT = 5.0
_MISSING = "missing"
#: Names of features end in their unit.
_UNITS = (("_g_s", "g·s"), ("_dps", "°/s"), ("_deg", "°"), ("_pct", "%"), ("_g", "g"), ("_s", "s"))


class Explanation(NamedTuple):
    """A decision in words, most telling first.

    Attributes:
        said: what was found out, of a detection that does not say what spoke for it.
        speaks_for: what spoke for a fall.
        speaks_against: what spoke against one.
        certainty: how sure it is, and from where an alarm is raised; "" when it does not say.
        missing: that much of the motion never came, in one of the others too; "" when little or nothing is missing.
    """

    said: tuple[str, ...]
    speaks_for: tuple[str, ...]
    speaks_against: tuple[str, ...]
    certainty: str
    missing: str

    @property
    def line(self) -> tuple[str, ...]:
        """The few that fit into one line."""
        short = self.said or self.speaks_for[:_IN_LINE]
        return (*short, self.missing) if self.missing and self.missing not in short else short


class Number(NamedTuple):
    """A row of the table of a decision: in words, by its name, its value with the unit, what it made of it."""

    words: str
    name: str
    value: str
    weight: str


def explain(kind: str, detector: str, features: Mapping[str, float], score: float, texts: Texts) -> Explanation:
    """A decision in words. What is absent, not finite or unheard of is passed over."""
    weights = _contributions(features)
    speaks_for, speaks_against = _reasons(features, weights, texts)
    said = () if speaks_for else tuple(in_words(kind, detector, features, texts))
    missing = _missing(features, texts)
    if missing and speaks_for and missing not in speaks_against:
        speaks_against += (missing,)
    certainty = "" if detector == "event" else _certainty(score, features, texts)  # a button is not more or less sure
    return Explanation(said, speaks_for, speaks_against, certainty, missing)


def in_words(kind: str, detector: str, features: Mapping[str, float], texts: Texts) -> list[str]:
    """The numbers of a decision that does not say what spoke for it; ``[]`` when they hold nothing that has words."""
    said: list[str] = []

    def value(name: str) -> float | None:
        return _finite(features.get(name))

    if kind == "sos":
        said.append(texts("why.sos"))
    elif kind == "fall" and detector == "event":
        said.append(texts("why.device_fall"))
    if (peak := value("peak_g")) is not None:
        said.append(texts("why.peak", n=f"{peak:.1f}"))
    if (freefall := value("freefall_s")) is not None and freefall >= FREEFALL_S:
        said.append(texts("why.freefall", n=f"{freefall:.1f}"))
    if (after := value("after_vector_std_g")) is not None:
        said.append(texts("why.still" if after < STILL_G else "why.little" if after < LITTLE_G else "why.moved"))
    if (posture := value("posture_change_deg")) is not None and posture >= _POSTURE_DEG:
        said.append(texts("why.posture", n=f"{posture:.0f}"))
    if (turned := value("turned_deg")) is not None and turned >= _TURNED_DEG:
        said.append(texts("why.turned", n=f"{turned:.0f}"))
    if missing := _missing(features, texts):
        said.append(missing)
    return said


def _missing(features: Mapping[str, float], texts: Texts) -> str:
    share = _finite(features.get("missing_pct"))
    return "" if share is None or share < _MISSING_PCT else texts("why.missing", n=f"{share:.0f}")


def numbers(features: Mapping[str, float], texts: Texts) -> list[Number]:
    """All numbers of a decision for a table; what has most weight first, then in the order of the detection."""
    weights = _contributions(features)
    rows = [name for name in features if not name.startswith(BECAUSE)]
    rows += [name for name in weights if name not in features and not (name == _MISSING and "missing_pct" in features)]
    if "missing_pct" in features and _MISSING in weights:
        weights["missing_pct"] = weights[_MISSING]
    rows.sort(key=lambda name: -abs(weights.get(name, 0.0)))
    out = []
    for name in rows:
        words = texts.of("feature", name)
        weight = f"{weights[name]:+.1f}".replace("-", "−") if name in weights else ""
        out.append(Number(words, "" if words == name else name, _amount(name, features.get(name)), weight))
    return out


def tilt_deg(features: Mapping[str, float]) -> float | None:
    """The angle between the postures before and after; None where it was not measured."""
    return _finite(features.get("posture_change_deg"))


def _contributions(features: Mapping[str, float]) -> dict[str, float]:
    found = {name.removeprefix(BECAUSE): _finite(value) for name, value in features.items() if name.startswith(BECAUSE)}
    return {name: value for name, value in found.items() if value is not None}


def _reasons(
    features: Mapping[str, float], weights: Mapping[str, float], texts: Texts
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What spoke for and what against: of each aspect the sum counts, and the member that made most of it is said."""
    aspects: dict[str, list[tuple[float, str]]] = {}
    for name, weight in weights.items():
        if name in SAYINGS:
            aspects.setdefault(SAYINGS[name].aspect, []).append((weight, name))
        elif name in WHOLES or name == _MISSING:
            aspects[name] = [(weight, name)]
    told: dict[bool, list[tuple[float, str]]] = {True: [], False: []}
    for members in aspects.values():
        total = math.fsum(weight for weight, _ in members)
        if abs(total) >= _TELLING:
            _, name = max(members) if total > 0 else min(members)
            told[total > 0].append((abs(total), _say(name, total > 0, features, texts)))
    for_it, against = (tuple(words for _, words in sorted(told[side], key=lambda one: -one[0])) for side in told)
    return for_it, against


def _say(name: str, speaks_for: bool, features: Mapping[str, float], texts: Texts) -> str:
    if name in WHOLES:
        return texts(WHOLES[name][0 if speaks_for else 1])
    if name == _MISSING:
        share = _finite(features.get("missing_pct"))
        return texts("why.gaps") if share is None else texts("why.missing", n=f"{share:.0f}")
    saying, number = SAYINGS[name], _finite(features.get(name))
    value = None if number is None else _finite(saying.convert(number))
    if value is None:  # the contribution came without its number
        return texts.of("feature", name)
    text = next(text for limit, text in saying.levels if value < limit)
    return texts(text, n=_digits(value, saying.digits))


def _certainty(score: float, features: Mapping[str, float], texts: Texts) -> str:
    sure = _finite(score)
    if sure is None:
        return ""
    threshold = _finite(features.get("threshold"))
    if threshold is None:
        return texts("why.score", n=_percent(sure))
    n, limit = _percent(sure), _percent(threshold)
    if n == limit:  # not to say "55 %, begins at 55 %" of what lies below
        n, limit = _percent(sure, 1), _percent(threshold, 1)
    return texts("why.score_of", n=n, limit=limit)


def _percent(share: float, digits: int = 0) -> str:
    """A probability that is neither certain nor impossible, unless it is."""
    edge = 10.0**-digits
    if 100 - edge / 2 < 100 * share < 100:
        return f"> {100 - edge:.{digits}f}"
    if 0 < 100 * share < edge / 2:
        return f"< {edge:.{digits}f}"
    return f"{100 * share:.{digits}f}"


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _digits(value: float, digits: str) -> str:
    return f"{value:{digits}}" if abs(value) < 1e6 else f"{value:.3g}"


def _amount(name: str, value: object) -> str:
    if not isinstance(value, int | float):
        return ""
    if name == "threshold" and math.isfinite(value):
        return f"{_percent(value)} %"
    unit = next((unit for end, unit in _UNITS if name.endswith(end)), "")
    return f"{value:.3g}{'' if unit in ('', '°', '°/s') else ' '}{unit}"
