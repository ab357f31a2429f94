"""The plots of the report as PNG: reliability, what a threshold finds and costs, how long an alarm takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from carecircle.evaluation.falls_calibration import BINS, Calibration, Reliability
from carecircle.evaluation.falls_decisions import Tradeoff
from detectors.fall.scoring import Figures

_INK, _BLUE, _PALE, _GREY, _RED = "#1f2933", "#1d5fa8", "#9dbfe0", "#8a949e", "#b3261e"
_ORANGE = "#c2571a"
_SERIES = ("#1d5fa8", "#c2571a", "#2f7d4f", "#7a4fa3", "#8a6d1b", "#52606d")
_DPI = 110
Floats = NDArray[np.float64]
#: False alarms per hour beyond which nobody asks.
_MOST_HOURLY = 100.0
_POINTS = {"sensitive": "^", "balanced": "o", "quiet": "v"}

_RELIABILITY = (
    "Blue: every impact that was confirmed or withdrawn, at its calibrated probability, with 95 % Wilson intervals.\n"
    "Orange: the same without stray impacts, which lie in the recording of a fall but away from the labelled one,\n"
    "and count as no fall in blue and grey. Grey: every impact that the second stage scored, also what was never\n"
    "suspected and stayed below the threshold. ECE: expected calibration error."
)
_TRADEOFF = (
    "All thresholds of a data set moved together, from the strictest on; the first stage stays as it is, so that\n"
    "the curve ends where everything it lets through is an alarm. Band: 95 % Wilson interval of the falls found.\n"
    "Red: the operating point in use, with the exact 95 % Poisson interval of its false alarms per hour.\n"
    "Dotted: no false alarm in the hours there are. It may fall: an alarm just before a fall stands for both."
)
_LATENCY = (
    "From the labelled impact to the end of the 1-s frame whose arrival allowed the decision, of every fall found.\n"
    "The decision is due 2 s after the impact, then the frame must end. What is quicker or slower was decided on\n"
    "another impact of the same fall than the labelled one."
)


def draw_reliability(path: Path, placements: Sequence[Reliability], note: str) -> None:
    """A PNG with one panel per placement: predicted probability against the share of falls, counts below.

    Args:
        path: the file to write.
        placements: one for each.
        note: whose recordings these are to the weights.
    """
    figure = _figure(max(2, len(placements)) * 4.0, 6.4)
    grid = figure.subplots(2, len(placements), squeeze=False, height_ratios=[3, 1], sharex=True)
    for one, upper, lower in zip(placements, grid[0], grid[1], strict=True):
        upper.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--")
        lower.set_xlabel("predicted probability")
        upper.set_ylim(-0.03, 1.03)
        upper.set_xlim(-0.03, 1.03)
        if not one.told.bins:
            upper.set_title(f"{one.placement}: nothing was confirmed or withdrawn", fontsize=11)
            lower.set_yticks([])
            continue
        stray = one.told.count - one.told_clear.count
        upper.set_title(
            f"{one.placement}: ECE {one.told.error:.3f}, without stray {one.told_clear.error:.3f}\n"
            f"({one.confirmed:,} confirmed + {one.withdrawn:,} withdrawn, {stray:,} stray)\n"
            f"all {one.scored.count:,} scored: {one.scored.error:.3f}, without stray {one.scored_clear.error:.3f}",
            fontsize=9,
        )
        upper.plot(*_line(one.scored), color=_GREY, marker=".", markersize=4, linewidth=1)
        upper.plot(*_line(one.told_clear), color=_ORANGE, marker=".", markersize=5, linewidth=1.2)
        _draw_bins(upper, lower, one.told)
    grid[0][0].set_ylabel("observed share of falls")
    grid[1][0].set_ylabel("confirmed or\nwithdrawn (log)")
    _save(figure, path, f"How far a probability can be taken at its word\n{note}", _RELIABILITY)


def _draw_bins(upper: Any, lower: Any, one: Calibration) -> None:
    p, share = _line(one)
    ends = np.array([b.observed.interval for b in one.bins])
    spread = np.abs(ends - share[:, None]).T
    upper.errorbar(p, share, yerr=spread, color=_BLUE, ecolor=_PALE, marker="o", markersize=5, linewidth=1.5)
    totals = [b.observed.total for b in one.bins]
    places = [(min(int(x * BINS), BINS - 1) + 0.5) / BINS for x in p]
    lower.bar(places, totals, width=0.85 / BINS, color=_PALE)
    for x, total in zip(places, totals, strict=True):
        lower.text(x, total, f"{total:,}", ha="center", va="bottom", fontsize=8, color=_INK)
    lower.set_yscale("log")
    lower.set_ylim(0.7, max(totals) * 6)
    lower.set_yticks([])
    lower.set_yticks([], minor=True)


def _line(one: Calibration) -> tuple[Floats, Floats]:
    return np.array([b.predicted for b in one.bins]), np.array([b.observed.value for b in one.bins])


def draw_tradeoff(
    path: Path, tradeoffs: Sequence[Tradeoff], in_use: Mapping[str, Figures], point: str, note: str
) -> None:
    """A PNG with one panel per data set: falls found against false alarms per hour as the thresholds move.

    Args:
        path: the file to write.
        tradeoffs: one for each data set.
        in_use: the figures of the production bank itself, by data set.
        point: the operating point that it ran at.
        note: whose recordings these are to the weights.
    """
    columns = min(3, max(2, len(tradeoffs)))
    rows = math.ceil(len(tradeoffs) / columns)
    figure = _figure(4.4 * columns, 3.7 * rows + 1.3)
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, one in zip(panels.flat, tradeoffs, strict=False):
        _draw_tradeoff(axes, one, in_use[one.name], point)
    for axes in panels.flat[len(tradeoffs) :]:
        axes.set_axis_off()
    _save(figure, path, f"What a threshold finds, and what it costs\n{note}", _TRADEOFF)


def _draw_tradeoff(axes: Any, one: Tradeoff, now: Figures, point: str) -> None:
    hours = now.adl_hours
    if not now.sensitivity.total or not hours:
        axes.set_title(f"{one.name}: no {'falls' if hours else 'daily living'} to draw a curve of", fontsize=10)
        axes.set_axis_off()
        return
    edge = 0.5 / hours
    found = [f.sensitivity for f in one.curve]
    cost = np.array([max(f.false_alarms / hours, edge) for f in one.curve])
    low, high = (100 * np.array([share.interval[end] for share in found]) for end in (0, 1))
    axes.fill_between(cost, low, high, color=_PALE, alpha=0.45, linewidth=0, step="post")
    axes.step(cost, [100 * share.value for share in found], color=_BLUE, linewidth=1.6, where="post")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    right = min(max(_MOST_HOURLY, 4 * edge), max(10 * edge, float(cost.max())))
    axes.set_xlim(edge * 0.8, right)
    shown = {**one.points, point: now}
    floor = min([100 * f.sensitivity.interval[0] for f in shown.values()] + [100 * now.sensitivity.value - 8])
    axes.set_ylim(max(0.0, 5 * math.floor(floor / 5)), 100.8)
    axes.axvline(edge, color=_GREY, linewidth=0.8, linestyle=":")
    axes.text(edge * 1.06, 0.02, "none", fontsize=8, color=_GREY, transform=axes.get_xaxis_transform())
    for name, at in shown.items():
        x, y = max(at.false_alarms / hours, edge), 100 * at.sensitivity.value
        in_use = name == point
        if in_use:
            few, many = poisson_interval(at.false_alarms)
            bottom, top = (100 * end for end in at.sensitivity.interval)
            axes.errorbar(
                x, y, xerr=[[max(0.0, x - max(few / hours, edge * 0.8))], [max(0.0, many / hours - x)]],
                yerr=[[max(0.0, y - bottom)], [max(0.0, top - y)]], color=_RED, linewidth=1.2, capsize=3, zorder=3,
            )  # fmt: skip
        axes.plot(
            x, y, marker=_POINTS.get(name, "s"), markersize=8, color=_RED if in_use else "white", linestyle="none",
            markeredgecolor=_RED if in_use else _INK, zorder=4, label=f"{name}: {_counts(at)}",
        )  # fmt: skip
    axes.set_title(f"{one.name} ({hours:.1f} h of daily living)", fontsize=11)
    axes.set_xlabel("false alarms per hour")
    axes.set_ylabel("falls found, %")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(color="#e4e8ec", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", fontsize=8, framealpha=0.9)


def _counts(at: Figures) -> str:
    return f"{at.sensitivity.hits}/{at.sensitivity.total}, {at.false_alarms} false"


def poisson_interval(count: int) -> tuple[float, float]:
    """The exact 95 % interval of a Poisson mean of which ``count`` were seen (Garwood, Biometrika 28 (1936))."""
    low = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.ppf(0.975, 2 * count + 2)) / 2


def draw_latency(path: Path, latencies_s: Mapping[str, Sequence[float]], note: str) -> None:
    """A PNG with the time from impact to alarm of all falls found, by data set."""
    figure = _figure(8.8, 4.6)
    axes = figure.subplots()
    every = np.array([value for values in latencies_s.values() for value in values])
    if not len(every):
        axes.text(0.5, 0.5, "No fall was found.", ha="center", transform=axes.transAxes)
        axes.set_axis_off()
    else:
        bins = np.arange(math.floor(every.min() * 10) / 10, every.max() + 0.1, 0.1)
        groups = {name: values for name, values in latencies_s.items() if len(values)}
        colours = [_SERIES[i % len(_SERIES)] for i in range(len(groups))]
        axes.hist(
            list(groups.values()), bins=bins, stacked=True, color=colours,
            label=[f"{name}: {len(values):,} falls, 95 % within {np.percentile(values, 95):.2f} s"
                   for name, values in groups.items()],
        )  # fmt: skip
        for percent, style in ((50, "--"), (95, "-")):
            at_s = float(np.percentile(every, percent))
            axes.axvline(
                at_s, color=_INK, linewidth=1, linestyle=style, label=f"{percent} % of all within {at_s:.2f} s"
            )
        axes.set_xlabel("seconds from the impact to the alarm")
        axes.set_ylabel("falls found")
        axes.legend(fontsize=8, loc="upper left")
    _save(figure, path, f"How long an alarm takes\n{note}", _LATENCY)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path, title: str, caption: str) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=12)
    figure.supxlabel(caption, fontsize=8, color=_INK)
    figure.savefig(path, dpi=_DPI)
