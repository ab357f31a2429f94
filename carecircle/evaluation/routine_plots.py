"""The plots of ``evaluate routine`` as PNG: what is normal in each room, and how long alarms took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

_INK, _BLUE, _GREY, _RED = "#1f2933", "#1d5fa8", "#8a949e", "#b3261e"
_SERIES = ("#1d5fa8", "#c2571a", "#2f7d4f", "#7a4fa3", "#8a6d1b", "#52606d", "#b3261e", "#0f8b8d")
_DPI = 110
#: What the goals are drawn at: of all rooms, minutes.
_GOALS_MIN = (30.0, 120.0)


def draw_limits(path: Path, limits: Mapping[str, NDArray[np.float64]], title: str) -> None:
    """A PNG with one small panel per room: the silence that is not normal any more, by the time of day it began.

    Args:
        path: the file to write.
        limits: minutes for each half hour of the day, by room.
        title: what they were learned on.
    """
    columns = min(4, max(1, len(limits)))
    rows = max(1, -(-len(limits) // columns))
    figure = Figure(figsize=(3.4 * columns, 2.6 * rows + 0.6), dpi=_DPI, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    edges_h = np.linspace(0, 24, 49)
    for panel, (room, minutes) in zip(panels.flat, limits.items(), strict=False):
        panel.stairs(minutes, edges_h, color=_BLUE, linewidth=1.8, fill=False)
        panel.stairs(minutes, edges_h, color=_BLUE, alpha=0.12, fill=True)
        panel.set_title(room, fontsize=10, color=_INK, loc="left")
        panel.set_yscale("log")
        panel.set_ylim(8, 700)
        panel.set_yticks([10, 30, 60, 120, 240, 480], ["10 min", "30 min", "1 h", "2 h", "4 h", "8 h"])
        panel.yaxis.minorticks_off()
        panel.set_xlim(0, 24)
        panel.set_xticks([0, 6, 12, 18, 24])
        panel.grid(color=_GREY, alpha=0.25, linewidth=0.6)
        panel.tick_params(labelsize=8, colors=_INK, labelbottom=True)
    for panel in panels.flat[len(limits) :]:
        panel.set_visible(False)
    figure.suptitle(title, fontsize=10, color=_INK, x=0.01, ha="left")
    figure.supxlabel("hour of the day at which the silence began", fontsize=9, color=_INK)
    figure.savefig(path)


def draw_delays(path: Path, minutes: NDArray[np.float64], rooms: Sequence[str], title: str) -> None:
    """A PNG: the share of the collapses that had raised an alarm by each minute, of each room and of all.

    Args:
        path: the file to write.
        minutes: from collapse to alarm, NaN where there was none.
        rooms: where each happened.
        title: what was measured.
    """
    figure = Figure(figsize=(8.6, 4.8), dpi=_DPI, layout="constrained")
    panel = figure.subplots()
    names = sorted(set(rooms))
    which = np.array(rooms)
    for name, color in zip(names, _SERIES * (len(names) // len(_SERIES) + 1), strict=False):
        some = minutes[which == name]
        panel.plot(*_reached(some), color=color, linewidth=1.4, label=f"{name or 'unknown'} ({len(some)})")
    panel.plot(*_reached(minutes), color=_INK, linewidth=2.6, label=f"all ({len(minutes)})")
    for goal_min, share, beside, side in zip(
        _GOALS_MIN, (0.5, 0.9), ((8, -12), (-7, 7)), ("left", "right"), strict=True
    ):
        panel.plot([goal_min], [share], marker="x", markersize=9, markeredgewidth=2, color=_RED, linestyle="none")
        said = f"goal: {share:.0%} within {goal_min:.0f} min"
        panel.annotate(said, (goal_min, share), beside, textcoords="offset points", ha=side, fontsize=8, color=_RED)
    panel.set_xlabel("minutes from the collapse to the alarm", fontsize=9)
    panel.set_ylabel("share with an alarm", fontsize=9)
    panel.set_ylim(0, 1.02)
    panel.set_xlim(0, max(240.0, float(np.nanmax(minutes, initial=0.0)) * 1.02))
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.grid(color=_GREY, alpha=0.25, linewidth=0.6)
    panel.legend(fontsize=8, loc="lower right", frameon=False)
    panel.set_title(title, fontsize=10, color=_INK, loc="left")
    figure.savefig(path)


def _reached(minutes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A step curve: minutes, and the share that had an alarm by then."""
    there = np.sort(minutes[~np.isnan(minutes)])
    share = np.arange(1, len(there) + 1) / max(len(minutes), 1)
    return np.repeat(there, 2), np.concatenate([[0.0], np.repeat(share, 2)[:-1]]) if len(there) else np.empty(0)
