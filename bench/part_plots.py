"""The figures of `carecircle bench detect` and `carecircle bench store` as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw_detect(result: dict[str, Any], path: Path) -> None:
    """Share of a core by impacts per hour, of a result of :func:`bench.detect.sweep`."""
    names = list(result["by_triggers"])
    shares = [100 * one["core_share"] for one in result["by_triggers"].values()]
    _draw(
        [("% of one core", names, shares)],
        f"Fall bank, {result['devices']:,} wearers, by impacts per wearer and hour",
        path,
    )


def draw_store(result: dict[str, Any], path: Path) -> None:
    """Points written a second and what reads take, of a result of :func:`bench.store.run`."""
    stores = {name: result[name] for name in ("sqlite", "influxdb") if isinstance(result[name], dict)}
    written = [("lines only", result["building"]["lines_per_s"])]
    written += [(name, one["points_per_s"]) for name, one in stores.items()]
    reads = [
        (f"{name}\n{label}", one[key])
        for key, label in (("day_to_500_points_ms", "day"), ("latest_of_all_devices_ms", "latest"))
        for name, one in stores.items()
    ]
    _draw(
        [
            ("points a second", [name for name, _ in written], [value for _, value in written]),
            ("ms a read", [name for name, _ in reads], [value for _, value in reads]),
        ],
        "Points written, and read",
        path,
    )


def _draw(panels: list[tuple[str, list[str], list[float]]], title: str, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, all_axes = plt.subplots(
        1, len(panels), figsize=(1 + 4.5 * len(panels), 4), layout="constrained", squeeze=False
    )
    for axes, (label, names, values) in zip(all_axes[0], panels, strict=True):
        shown = [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values]
        axes.bar_label(axes.bar(names, values, 0.6), shown, fontsize="small", padding=1)
        axes.set_yscale("log")
        axes.set_ylim(min(values) / 4, max(values) * 3)
        axes.set_ylabel(f"{label} (log)")
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    figure.suptitle(title, fontsize="medium")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
