"""The plot of one error: the motion, and what the bank made of every impact in it. SVG, for a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from carecircle.evaluation.falls_decisions import Decision
from carecircle.evaluation.falls_run import Heard
from detectors.detection import Stage
from detectors.fall.recordings import HOLD_S, Recording, Stream
from detectors.fall.ring import FS_HZ
from detectors.fall.windows import ACC_LSB_G

_LEFT, _RIGHT, _WIDTH = 52, 848, 860
_TOP, _MIDDLE, _LOWER, _BOTTOM = 16, 196, 228, 308
#: Seconds shown before and behind the moment in question.
_BEFORE_S, _AFTER_S = 6.0, 8.0


def draw_error(
    stream: Stream,
    recording: Recording,
    at_s: float,
    heard: Sequence[Heard],
    decisions: Sequence[Decision],
    threshold: float,
) -> str:
    """An inline SVG: the magnitude with the label, and below it the score of every impact and what the bank said.

    Args:
        stream: that of the recording.
        recording: what is shown.
        at_s: the moment that must be in it.
        heard: what the bank said of the recording.
        decisions: what its second stage scored there; those that it said nothing of are small.
        threshold: from where it raises an alarm.
    """
    end_s = recording.samples / FS_HZ
    first_s, last_s = max(0.0, at_s - _BEFORE_S), min(end_s + HOLD_S, at_s + _AFTER_S)
    part = slice(recording.start + int(first_s * FS_HZ), recording.start + int(last_s * FS_HZ))
    size_g = np.linalg.norm(stream.acc[part].astype(np.float64) * ACC_LSB_G, axis=1)
    step_g = 1 if size_g.max(initial=0.0) <= 4 else 2 if size_g.max() <= 8 else 5
    top_g = max(2.0, step_g * float(np.ceil(size_g.max(initial=0.0) / step_g)))

    def x(t_s: float) -> float:
        return _LEFT + (min(max(t_s, first_s), last_s) - first_s) / (last_s - first_s) * (_RIGHT - _LEFT)

    def y_g(g: float) -> float:
        return _MIDDLE - g / top_g * (_MIDDLE - _TOP)

    def y_p(p: float) -> float:
        return _BOTTOM - p * (_BOTTOM - _LOWER)

    out = [f'<svg viewBox="0 0 {_WIDTH} 340" role="img" aria-label="acceleration and score over time">']
    if recording.is_fall and recording.until_s > first_s and recording.from_s < last_s:
        out.append(_box(x(recording.from_s), x(recording.until_s), "label"))
    if end_s < last_s:
        at, anchor = (x(end_s) + 4, "start") if x(end_s) < _RIGHT - 120 else (x(end_s) - 4, "end")
        out += [_box(x(end_s), x(last_s), "held"), _text(at, _MIDDLE - 6, "end, last sample held", anchor)]
    for g in np.arange(0, top_g + 0.5, step_g):
        out += [_line(_LEFT, y_g(g), _RIGHT, y_g(g), "grid"), _text(_LEFT - 6, y_g(g) + 4, f"{g:g}", "end")]
    for p in (0.0, 0.5, 1.0):
        out += [_line(_LEFT, y_p(p), _RIGHT, y_p(p), "grid"), _text(_LEFT - 6, y_p(p) + 4, f"{p:g}", "end")]
    step = 1 if last_s - first_s <= 15 else 2
    out += [_text(x(t), _BOTTOM + 15, f"{t}", "middle") for t in range(int(np.ceil(first_s)), int(last_s) + 1, step)]
    points = " ".join(f"{x(first_s + i / FS_HZ):.1f},{y_g(g):.1f}" for i, g in enumerate(size_g))
    out.append(f'<polyline class="signal" points="{points}"/>')
    if recording.is_fall and recording.impact_s is not None and first_s <= recording.impact_s <= last_s:
        out += [_line(x(recording.impact_s), _TOP, x(recording.impact_s), _BOTTOM, "impact")]
        out.append(_text(x(recording.impact_s) + 4, _TOP + 10, "labelled impact", "start"))
    out.append(_line(_LEFT, y_p(threshold), _RIGHT, y_p(threshold), "threshold"))
    out.append(_text(_RIGHT, y_p(threshold) - 4, f"threshold {threshold:.2f}", "end"))
    shown = [one for one in heard if first_s <= one.impact_s <= last_s]
    said = {place_of(one) for one in heard if one.stage is not Stage.SUSPECTED}
    silent = [one for one in decisions if first_s <= one.impact_s <= last_s and place_of(one) not in said]
    for quiet in silent:
        a, b, c = x(quiet.impact_s), x(quiet.decided_s), y_p(quiet.score)
        out += [_line(a, c, b, c, "waits"), f'<circle class="silent" cx="{b:.1f}" cy="{c:.1f}" r="3"/>']
    for one in shown:
        a, b, c = x(one.impact_s), x(one.decided_s), y_p(one.score)
        out += [_line(a, c, b, c, f"waits {one.stage.value}"), _mark(one.stage, b, c)]
    if not shown and not silent:
        middle = (_LEFT + _RIGHT) / 2
        out.append(_text(middle, (_LOWER + _BOTTOM) / 2 + 4, "no impact was scored", "middle"))
    out += [_text(_LEFT, 10, "magnitude, g", "start"), _text(_LEFT, _LOWER - 8, "probability of a fall", "start")]
    out.append(_text(_RIGHT, 336, "seconds of the recording", "end"))
    return "".join(out) + "</svg>"


def place_of(one: Heard | Decision) -> tuple[str, int]:
    """The impact that it is about: the recording, and the sample in it."""
    return one.recording.key, round(one.impact_s * FS_HZ)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _box(left: float, right: float, kind: str) -> str:
    width = max(0.0, right - left)
    return f'<rect class="{kind}" x="{left:.1f}" y="{_TOP}" width="{width:.1f}" height="{_BOTTOM - _TOP}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def _mark(stage: Stage, x: float, y: float) -> str:
    if stage is Stage.WITHDRAWN:
        path = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
        return f'<path class="withdrawn" d="{path}"/>'
    return f'<circle class="{stage.value}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
