"""The run of `carecircle bench lianhu` as one picture: processor time, memory and backlog over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_ROLES = ("gateway", "processor", "writer", "alerts")
_OTHERS = ("broker", "simulator")
_JOURNALS = {
    "raw_bytes": "raw to processor",
    "points_bytes": "points to writer",
    "detections_bytes": "detections to alerts",
}
#: Share of a core over this many looks: a single one shows the writer's bursts only.
_LOOKS = 5


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the picture of a result of :func:`bench.lianhu.run`; the suffix of ``path`` says in which format."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    series = result["series"]
    at_s = [look["at_s"] for look in series]
    figure, (cpu, memory, backlog) = plt.subplots(3, 1, figsize=(9, 9), sharex=True, layout="constrained")
    for name in (*_ROLES, *_OTHERS):
        spans = list(zip(series, series[_LOOKS:], strict=False))
        shares = [
            100 * (b["cpu_s"].get(name, 0.0) - a["cpu_s"].get(name, 0.0)) / (b["at_s"] - a["at_s"]) for a, b in spans
        ]
        middles = [(a["at_s"] + b["at_s"]) / 2 for a, b in spans]
        cpu.plot(middles, shares, label=name, linestyle="--" if name in _OTHERS else "-")
    cpu.set_ylabel("% of one core")
    cpu.legend(ncols=3, fontsize="small")
    below = [0.0] * len(series)
    for name in _ROLES:
        above = [low + look["pss_mb"].get(name, 0.0) for low, look in zip(below, series, strict=True)]
        memory.fill_between(at_s, below, above, label=name, alpha=0.7, linewidth=0)
        below = above
    memory.set_ylabel("memory (PSS), MB")
    memory.set_ylim(bottom=0)
    memory.legend(ncols=4, fontsize="small", loc="lower right")
    for key, label in _JOURNALS.items():
        backlog.plot(at_s, [look["backlog"][key] / 2**20 for look in series], label=label)
    backlog.set_ylabel("journal kept for its reader, MB")
    backlog.set_xlabel("s since the first frame")
    backlog.legend(fontsize="small")
    for axes in (cpu, memory, backlog):
        axes.axvspan(0, result["seconds"], color="0.95", zorder=0)
        axes.grid(alpha=0.3)
    waits = result["impact_to_notified_s"]
    figure.suptitle(
        f"{result['wearers']:,} wearers, {result['messages']['per_s']:,} messages/s, {result['cores']} cores, "
        f"{result['broker']}; impact to notified p50 {waits['p50']} s, p99 {waits['p99']} s; "
        f"lost {result['messages']['lost']}",
        fontsize="medium",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
