"""The figures of `carecircle bench ingest` as one picture: receivers, the broker's queue, cost by devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_RECEIVERS = {"ours": "ours", "paho": "bare paho", "aiomqtt": "aiomqtt"}
_STREAMS = {"motion": "motion, 700 B", "vitals": "vitals, 60 B"}
_STAGES = ("gateway", "processor", "writer")
_COLOURS = {"ours": "C0", "paho": "C1", "aiomqtt": "C2", "mosquitto_sub": "C3"}


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the picture of a result of :func:`bench.ingest.composed`; the suffix of ``path`` says in which format."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (receive, queue, cost) = plt.subplots(1, 3, figsize=(13, 4.6), layout="constrained", width_ratios=(5, 3, 4))
    _receivers(receive, result["firehose"])
    _queue(queue, result["mosquitto"])
    _costs(cost, result["whole_path"])
    for axes in (receive, queue, cost):
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    cores, rate = result["machine"]["cores"], result["whole_path"]["frames_per_cpu_s"]
    figure.suptitle(f"{cores} cores; whole path {rate:,} frames a CPU second at 18,000 devices", fontsize="medium")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _receivers(axes: Any, firehose: dict[str, Any]) -> None:
    for place, (name, label) in enumerate(_RECEIVERS.items()):
        at = [stream + (place - 1) * 0.27 for stream in range(len(_STREAMS))]
        heights = [firehose[stream][f"{name}_per_cpu_s"] for stream in _STREAMS]
        _label(axes, axes.bar(at, heights, 0.25, label=label, color=_COLOURS[name]))
    axes.set_yscale("log")
    axes.set_ylim(1_000, axes.get_ylim()[1] * 2)
    axes.set_xticks(range(len(_STREAMS)), list(_STREAMS.values()))
    axes.set_ylabel("messages a CPU second (log)")
    axes.set_title("Receiving: behind a broker that only sends", fontsize="medium")
    axes.legend(fontsize="small", loc="upper left")


def _queue(axes: Any, queue: dict[str, Any]) -> None:
    names = {"ours": "ours,\nwhole path", "mosquitto_sub": "mosquitto_sub,\ncounting"}
    there = [name for name in names if queue[f"{name}_per_s"] is not None]
    bars = axes.bar(
        [names[name] for name in there],
        [queue[f"{name}_per_s"] for name in there],
        0.6,
        color=[_COLOURS[name] for name in there],
    )
    _label(axes, bars)
    if there:
        axes.set_yscale("log")
        axes.set_ylim(1_000, max(queue[f"{name}_per_s"] for name in there) * 3)
    axes.set_ylabel("frames a second by the clock (log)")
    axes.set_title("Frames that wait in mosquitto", fontsize="medium")


def _costs(axes: Any, whole: dict[str, Any]) -> None:
    counts = list(whole["devices"])
    places = range(len(counts))
    below = [0.0] * len(counts)
    for stage in _STAGES:
        heights = [whole["devices"][count]["us_per_frame"][stage] for count in counts]
        axes.bar(places, heights, 0.6, bottom=below, label=stage)
        below = [low + height for low, height in zip(below, heights, strict=True)]
    for place, height in zip(places, below, strict=True):
        axes.annotate(f"{height:.1f}", (place, height), ha="center", va="bottom", fontsize="small")
    axes.set_ylim(0, max(below) * 1.3)
    axes.set_xticks(places, [f"{int(count):,}" for count in counts])
    axes.set_xlabel("devices")
    axes.set_ylabel("CPU of a frame, µs")
    axes.set_title("Whole path, by the number of devices", fontsize="medium")
    axes.legend(fontsize="small", ncols=3, loc="upper center")


def _label(axes: Any, bars: Any) -> None:
    axes.bar_label(bars, [f"{bar.get_height() / 1000:,.0f}k" for bar in bars], fontsize="small", padding=1)
