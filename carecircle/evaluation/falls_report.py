"""The page of errors: every missed fall and every false alarm, with what the bank said around it and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TypeVar

import numpy as np

from carecircle.evaluation.falls_decisions import Decision
from carecircle.evaluation.falls_error_plot import draw_error, place_of
from carecircle.evaluation.falls_page import HEAD, NOTHING, PAGE
from carecircle.evaluation.falls_run import Heard
from console.explain import explain
from console.texts import TEXTS
from detectors.detection import Stage
from detectors.fall.recordings import Recording, Stream
from detectors.fall.ring import FS_HZ
from detectors.fall.windows import ACC_LSB_G
from detectors.parameters import FallParameters

_Placed = TypeVar("_Placed", Heard, Decision)
#: More plots than this make the page too heavy: the others are listed without one.
MOST_PLOTS = 300
#: A sensor whose magnitude changes by less within a recording lies on a table.
_STILL_G = 0.1
MISSED, FALSE_ALARM, STRAY = "missed fall", "false alarm", "stray alarm"
_MEANING = {
    MISSED: "no alarm near the labelled fall",
    FALSE_ALARM: "an alarm in a recording of daily living",
    STRAY: "an alarm in a recording of a fall, away from the fall: not in the rates",
}


@dataclass(frozen=True, slots=True)
class Error:
    """One entry.

    Attributes:
        kind: MISSED, FALSE_ALARM or STRAY.
        recording: where.
        at_s: the labelled impact or the alarm's.
        score: the highest that the second stage gave at the fall, or the alarm's; None where nothing was scored.
        decision: what that score is of.
    """

    kind: str
    recording: Recording
    at_s: float
    score: float | None
    decision: Decision | None


@dataclass(frozen=True, slots=True)
class Activity:
    """What people did in some recordings of a data set, and in how many of them (``wrong``) there was an error."""

    dataset: str
    code: str
    name: str
    recordings: int
    wrong: int
    errors: int


def errors_of(streams: Sequence[Stream], heard: Sequence[Heard], decisions: Sequence[Decision]) -> list[Error]:
    """Missed falls first, then alarms that nobody needed; each in the order of the recordings."""
    by_key, scored = _by_key(heard), _by_key(decisions)
    missed, false = [], []
    for recording in (r for stream in streams for r in stream.recordings):
        here = scored.get(recording.key, [])
        alarms = [one for one in by_key.get(recording.key, []) if one.stage is Stage.CONFIRMED]
        if recording.is_fall and not any(one.of_fall for one in alarms):
            best = max((one for one in here if one.of_fall), key=lambda one: one.score, default=None)
            at_s = recording.impact_s if recording.impact_s is not None else (recording.from_s + recording.until_s) / 2
            missed.append(Error(MISSED, recording, at_s, best.score if best else None, best))
        kind = STRAY if recording.is_fall else FALSE_ALARM
        at = {place_of(one): one for one in here}
        false += [
            Error(kind, recording, one.impact_s, one.score, at.get(place_of(one))) for one in alarms if not one.of_fall
        ]
    return missed + sorted(false, key=lambda error: error.kind)


def by_activity(streams: Sequence[Stream], errors: Sequence[Error], kind: str) -> list[Activity]:
    """All activities that an error of this kind can happen in, those with most of them first."""
    count = Counter(error.recording.key for error in errors if error.kind == kind)
    groups: dict[tuple[str, str], list[Recording]] = {}
    for recording in (r for stream in streams for r in stream.recordings):
        if recording.is_fall is (kind == MISSED):
            groups.setdefault((recording.dataset, recording.activity), []).append(recording)
    found = [
        Activity(
            dataset,
            code,
            some[0].activity_name.replace("\x92", "’"),  # an apostrophe of the code page that SisFall was written in
            len(some),
            sum(recording.key in count for recording in some),
            sum(count[recording.key] for recording in some),
        )
        for (dataset, code), some in groups.items()
    ]
    return sorted(found, key=lambda one: (-one.wrong, -one.errors, one.recordings))


def write_errors(
    path: Path,
    streams: Sequence[Stream],
    heard: Sequence[Heard],
    decisions: Sequence[Decision],
    thresholds: Mapping[str, float],
    note: str,
) -> list[Error]:
    """Write the page, one file with everything in it; give what it lists.

    Args:
        path: the file to write.
        streams: all that was evaluated.
        heard: what the bank said.
        decisions: everything that its second stage scored, said or not.
        thresholds: the probability from which a stream's falls are confirmed, by its name.
        note: whose recordings these are to the weights.
    """
    errors = errors_of(streams, heard, decisions)
    said, scored = _by_key(heard), _by_key(decisions)
    home = {recording.key: stream for stream in streams for recording in stream.recordings}
    rows, sheets = [], []
    for i, error in enumerate(errors):
        key, stream = error.recording.key, home[error.recording.key]
        rows.append(_row(i, error))
        plot = f"<p>No plot: only the first {MOST_PLOTS} entries have one.</p>"
        if i < MOST_PLOTS:
            plot = draw_error(
                stream, error.recording, error.at_s, said.get(key, []), scored.get(key, []), thresholds[stream.name]
            )
        sheets.append(_sheet(i, error, _why(error, stream), plot))
    kinds = dict.fromkeys(error.kind for error in errors)
    counts = ", ".join(f"{kind}s: {sum(e.kind == kind for e in errors)}" for kind in kinds) or "No errors"
    if len(errors) > MOST_PLOTS:
        counts += f"; the first {MOST_PLOTS} with a plot"
    activities = dict.fromkeys(_activity(error.recording) for error in errors)
    body = PAGE if errors else NOTHING
    for name, words in {
        "NOTE": escape(f"{counts[:1].upper()}{counts[1:]}. {note[:1].upper()}{note[1:]}."),
        "DATASETS": "".join(_option(name) for name in dict.fromkeys(error.recording.dataset for error in errors)),
        "KINDS": "".join(_option(name) for name in kinds),
        "ACTIVITIES": "".join(_option(name) for name in sorted(activities)),
        "SUMMARY": _table("Missed falls", MISSED, by_activity(streams, errors, MISSED))
        + _table("False alarms", FALSE_ALARM, by_activity(streams, errors, FALSE_ALARM)),
        "ROWS": "".join(rows),
        "SHEETS": "".join(sheets),
    }.items():
        body = body.replace(f"<!--{name}-->", words)
    path.write_text(HEAD + body, encoding="utf-8")
    return errors


def _by_key(some: Sequence[_Placed]) -> dict[str, list[_Placed]]:
    out: dict[str, list[_Placed]] = {}
    for one in some:
        out.setdefault(one.recording.key, []).append(one)
    return out


def _activity(recording: Recording) -> str:
    return f"{recording.dataset} {recording.activity}"


def _option(name: str) -> str:
    return f'<option value="{escape(name)}">{escape(name)}</option>'


def _table(title: str, kind: str, activities: Sequence[Activity]) -> str:
    """Which activities the errors of a kind come from; a click lists them."""
    wrong = [one for one in activities if one.wrong]
    others = len(activities) - len(wrong)
    head = f"<section><h2>{title}</h2>"
    if not activities:
        return f"{head}<p>There are no recordings in which one could happen.</p></section>"
    if not wrong:
        return f"{head}<p>None in {len(activities)} activities.</p></section>"
    rows = "".join(_activity_row(kind, one) for one in wrong)
    alarms = '<th class="n">alarms</th>' if kind != MISSED else "<th></th>"
    rest = f"<p>None in the {others} other activities.</p>" if others else ""
    return (
        f'{head}<table><thead><tr><th>activity</th><th>what it is</th><th class="n">recordings</th>{alarms}</tr>'
        f"</thead><tbody>{rows}</tbody></table>{rest}</section>"
    )


def _activity_row(kind: str, one: Activity) -> str:
    place = escape(f"{one.dataset} {one.code}")
    return (
        f'<tr><td><button type="button" data-kind="{escape(kind)}" data-activity="{place}">{place}</button></td>'
        f'<td>{escape(one.name)}</td><td class="n">{one.wrong} of {one.recordings}</td>'
        f'<td class="n">{one.errors if kind != MISSED else ""}</td></tr>'
    )


def _score(error: Error) -> str:
    return "never scored" if error.score is None else f"score {error.score:.3f}"


def _row(i: int, error: Error) -> str:
    it = error.recording
    return (
        f'<li data-dataset="{escape(it.dataset)}" data-kind="{escape(error.kind)}" '
        f'data-activity="{escape(_activity(it))}"><a href="#e{i}">{escape(it.key)}'
        f"<small>{escape(error.kind)}, {_score(error)}</small></a></li>"
    )


def _sheet(i: int, error: Error, why: str, plot: str) -> str:
    it = error.recording
    name = it.activity_name.replace("\x92", "’")
    facts = {
        "data set": it.dataset,
        "worn at": it.placement,
        "subject": f"{it.subject}{' (elderly)' if it.elderly else ''}",
        "activity": f"{it.activity}, {name}" if name else it.activity,
        "labelled impact" if error.kind == MISSED else "impact of the alarm": f"{error.at_s:.2f} s",
        "highest at the fall" if error.kind == MISSED else "said": _score(error),
    }
    listed = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return (
        f'<article id="e{i}"><h2>{escape(it.key)}</h2><p class="kind">{escape(error.kind)}: '
        f'{escape(_MEANING[error.kind])}</p><dl>{listed}</dl>{why}<div class="plot">{plot}</div></article>'
    )


def _why(error: Error, stream: Stream) -> str:
    """What made the decision, in the words of the console; or why there was none."""
    one = error.decision
    if one is None:
        return f"<p>{escape(_unseen(error, stream))}</p>"
    told = explain("fall", "fall", one.features, one.score, TEXTS["en"])
    lists = [
        ("Measured", told.said),
        ("What spoke for a fall", told.speaks_for),
        ("What spoke against it", told.speaks_against),
    ]
    return (
        f'<p class="sure">{escape(told.certainty)}</p><div class="why">'
        + "".join(
            f"<div><h3>{title}</h3><ul>{''.join(f'<li>{escape(words)}</li>' for words in some)}</ul></div>"
            for title, some in lists
            if some
        )
        + "</div>"
    )


def _unseen(error: Error, stream: Stream) -> str:
    """Why the second stage never scored anything where the error is."""
    it = error.recording
    if error.kind != MISSED:
        return "The decision on this impact is not among those of the second stage alone."
    whole = np.linalg.norm(stream.acc[it.start : it.start + it.samples].astype(np.float64) * ACC_LSB_G, axis=1)
    if np.ptp(whole) < _STILL_G:
        return f"The sensor lay still all the time, at {whole.mean():.2f} g: nobody wore it."
    size_g = whole[max(0, int(it.from_s * FS_HZ)) : int(it.until_s * FS_HZ)].max(initial=0.0)
    trigger_g = FallParameters().trigger_g
    if size_g < trigger_g:
        return f"No impact: never more than {size_g:.2f} g at the fall, and nothing below {trigger_g:g} g is looked at."
    return f"Turned away at the first look, a second after the impact ({size_g:.1f} g at most)."
