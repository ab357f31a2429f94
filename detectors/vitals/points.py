"""What is written of people into the time series: scores, and what is usual. Measurements as in ``store/schema.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.vitals import news2 as chart
from detectors.vitals.batch import Flags, Floats, Instants, Rows
from detectors.vitals.chart import NEVER_MS, Chart, View, scored
from detectors.vitals.columns import Columns
from detectors.vitals.parameters import VitalsParameters
from detectors.vitals.people import People
from detectors.vitals.signs import SIGNS, USUAL
from detectors.vitals.usual import Usual

_COLUMNS: dict[str, tuple[tuple[int, ...], Any, float]] = {
    "written_ms": ((), np.int64, NEVER_MS),
    "newest_ms": ((), np.int64, NEVER_MS),  # of a reading that has something to do with the score
    "learnt": ((), np.bool_, 0),
}
SCORE_DETECTOR = "vitals.news2"


@dataclass(frozen=True, slots=True)
class PersonPoints:
    """Points of one measurement and detector, k of them; the caller knows the areas.

    Attributes:
        measurement: score or baseline.
        detector: the tag: ``vitals.news2``, or ``vitals.<sign>`` for a baseline.
        person: k keys, "" where nobody is known.
        t_ms: ``(k,)``.
        fields: by name ``(k,)`` float64, NaN where there is none. Of a score: ``value`` and ``lower``, the lowest that
            it can be (what was not measured taken as normal), ``upper``, the highest, and the parts.
    """

    measurement: str
    detector: str
    person: list[str]
    t_ms: Instants
    fields: dict[str, Floats]


class Points:
    """Which people have something new to be written."""

    def __init__(self, parameters: VitalsParameters) -> None:
        self._every_ms = round(parameters.score_every_s * 1000)
        self._reach = parameters.usual_sigma
        self.columns = Columns(_COLUMNS)

    def take(self, view: View, learnt: Rows) -> None:
        """There are new readings, and for some people something was learnt."""
        some = view.fresh.any(axis=0)
        self.columns["newest_ms"][view.rows[some]] = view.t_ms[some]
        self.columns["learnt"][learnt] = True

    def due(self, now_ms: int, people: People, charts: Chart, usual: Usual) -> list[PersonPoints]:
        """Everything that is due."""
        newest_ms, written_ms = self.columns["newest_ms"], self.columns["written_ms"]
        out = []
        rows = np.flatnonzero((newest_ms - written_ms >= self._every_ms) & (newest_ms <= now_ms))
        if len(rows):
            t_ms = newest_ms[rows].copy()
            score = scored(charts.valid(rows, t_ms), people.scale_2(rows))
            parts = np.where(score.parts == chart.MISSING, np.nan, score.parts)
            fields = dict(zip(chart.PARTS, parts, strict=True))
            fields |= {"value": score.lower, "lower": score.lower, "upper": score.upper}
            floats = {name: np.asarray(value, np.float64) for name, value in fields.items()}
            scored_at_all = (score.parts != chart.MISSING).any(axis=0)
            out += _of("score", SCORE_DETECTOR, people.keys(rows), t_ms, floats, scored_at_all)
            written_ms[rows] = t_ms
        rows = np.flatnonzero(self.columns["learnt"])
        if len(rows):
            self.columns["learnt"][rows] = False
            t_ms = newest_ms[rows].copy()
            names = people.keys(rows)
            location, scale = usual.at(rows, people.local_ms(rows, t_ms))
            for sign in range(USUAL):
                reach = self._reach * scale[sign]
                fields = {"value": location[sign], "lower": location[sign] - reach, "upper": location[sign] + reach}
                known = np.isfinite(location[sign])
                out += _of("baseline", f"vitals.{SIGNS[sign].name}", names, t_ms, fields, known)
        return out


def _of(
    measurement: str, detector: str, people: list[str], t_ms: Instants, fields: dict[str, Floats], there: Flags
) -> list[PersonPoints]:
    """The points of those who have any and are somebody."""
    kept = np.flatnonzero(there & np.array([bool(name) for name in people]))
    if not len(kept):
        return []
    names = [people[at] for at in kept.tolist()]
    return [PersonPoints(measurement, detector, names, t_ms[kept], {name: f[kept] for name, f in fields.items()})]
