"""The plots of ``evaluate vitals`` as PNG: how early deteriorations were found, and what raised false alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from carecircle.evaluation.vitals_score import Case
from firmware_sim.cohort_events import DETERIORATIONS

_INK, _BLUE, _GREY, _RED = "#1f2933", "#1d5fa8", "#8a949e", "#b3261e"
_DPI = 110
#: Hours, on an axis that is linear below the first.
_TICKS_H = (0, 0.5, 1, 2, 4, 8, 24, 72, 168)


def draw_leads(path: Path, cases: Sequence[Case], figures: Mapping[str, Any], title: str) -> None:
    """A PNG: each deterioration as a dot at the hours from its first alarm to the event, by kind, the unfound beside.

    Args:
        path: the file to write.
        cases: all deteriorations.
        figures: ``figures_of(...)["deteriorations"]``, for the shares.
        title: what was measured.
    """
    kinds = [kind for kind in DETERIORATIONS if kind in figures]
    figure = Figure(figsize=(9.2, 1.2 + 0.75 * len(kinds)), dpi=_DPI, layout="constrained")
    panel = figure.subplots()
    rng = np.random.default_rng(0)
    for place, kind in enumerate(reversed(kinds)):
        lead = np.array([case.lead_h for case in cases if case.span.kind == kind])
        found = lead[lead >= 0]
        panel.scatter(found, place + rng.uniform(-0.22, 0.22, len(found)), s=9, color=_BLUE, alpha=0.5, linewidths=0)
        if len(found):
            panel.plot([np.median(found)] * 2, [place - 0.34, place + 0.34], color=_INK, linewidth=2.2)
        one = figures[kind]["by_the_event"]
        low, high = one["wilson_95"]
        said = f"{one['hits']} of {one['of']}: {one['share']:.0%} ({low:.0%} to {high:.0%})"
        if measured := figures[kind]["measured_by_the_event"]:
            said += f"\nmeasured beyond a limit: {measured['hits']}"
        panel.text(1.01, place, said, fontsize=8, color=_INK, va="center", transform=panel.get_yaxis_transform())
    panel.set_yticks(range(len(kinds)), [kind.replace("_", " ") for kind in reversed(kinds)])
    panel.set_xscale("symlog", linthresh=1.0)
    panel.set_xticks(_TICKS_H, [f"{tick:g}" for tick in _TICKS_H])
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xlim(0, 240)
    panel.set_ylim(-0.6, len(kinds) - 0.4)
    panel.set_xlabel("hours from the first alarm to the event (line: median); beside: found by the event", fontsize=9)
    panel.grid(axis="x", color=_GREY, alpha=0.25, linewidth=0.6)
    panel.tick_params(labelsize=9, colors=_INK)
    panel.set_title(title, fontsize=10, color=_INK, loc="left")
    figure.savefig(path)


def draw_alarms(path: Path, figures: Mapping[str, Any], title: str) -> None:
    """A PNG: how often each rule calls for somebody to whom nothing happens, and how often an artefact does.

    Args:
        path: the file to write.
        figures: of :func:`carecircle.evaluation.vitals_score.figures_of`.
        title: what was measured.
    """
    well = figures["without_deterioration"]["the_well"]
    rules, artefacts = well["by_rule_per_person_week"], figures["artefacts"]
    height = 1.4 + 0.27 * max(len(rules), 2 * len(artefacts))
    figure = Figure(figsize=(10.4, height), dpi=_DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    names = list(reversed(rules))
    left.barh(range(len(names)), [rules[name] for name in names], color=_BLUE, height=0.68)
    left.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    plain = figures["plain_chart"]["alarms_per_person_week"]
    severities = ", ".join(f"{rate:.2f} {name}" for name, rate in well["by_severity_per_person_week"].items())
    left.set_title(
        f"alarms a person and week without a deterioration: {well['alarms_per_person_week']:.2f}\n"
        f"({severities}; the plain chart: {plain:.1f})",
        fontsize=9, color=_INK, loc="left",
    )  # fmt: skip
    kinds = list(reversed(artefacts))
    for beside, (name, color, said) in enumerate(
        (("alarm_about_the_person", _RED, "an alarm about the person"), ("device_finding", _GREY, "a device finding"))
    ):
        shares = [artefacts[kind][name].get("share", 0.0) for kind in kinds]
        right.barh(np.arange(len(kinds)) + 0.38 * beside - 0.19, shares, color=color, height=0.36, label=said)
    labels = [f"{kind.replace('_', ' ')} ({artefacts[kind]['spans']})" for kind in kinds]
    right.set_yticks(range(len(kinds)), labels)
    right.set_xlim(0, 1)
    right.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    right.set_title("artefacts that raised", fontsize=9, color=_INK, loc="left")
    right.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, reverse=True)
    for panel in (left, right):
        panel.grid(axis="x", color=_GREY, alpha=0.25, linewidth=0.6)
        panel.tick_params(labelsize=8, colors=_INK)
    figure.suptitle(title, fontsize=10, color=_INK, x=0.01, ha="left")
    figure.savefig(path)
