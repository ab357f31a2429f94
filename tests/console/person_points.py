"""Points of a person as the writer leaves them: a week of vitals with a night without, scores, what is usual, and the
sensors of a home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from store import Store
from telemetry.records import Column, PointBatch

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
AREA = "chongqing.yubei.longxi.shimahe"


def write(
    store: Store, measurement: str, t_ms: Sequence[int], fields: Mapping[str, Sequence[float]], **tags: str
) -> None:
    """Points of one series."""
    n = len(t_ms)
    columns: dict[str, Column] = {name: np.asarray(values, np.float64) for name, values in fields.items()}
    t_ns = np.asarray(t_ms, np.int64) * 1_000_000
    assert store.write(PointBatch(measurement, t_ns, {tag: [value] * n for tag, value in tags.items()}, columns)) == []


def roll_up(store: Store, measurement: str, start_ms: int, end_ms: int) -> None:
    """By the hour, as the writer does after each."""
    start_ms, end_ms = start_ms // HOUR_MS * HOUR_MS, end_ms // HOUR_MS * HOUR_MS
    store.rollup(
        measurement, start_ms=start_ms, end_ms=end_ms, step_s=3600, source_bucket="telem", target_bucket="telem_1h"
    )


def write_vitals(
    store: Store, person: str, device: str, now_ms: int, *, days: float = 7, every_s: int = 30, seed: int = 1
) -> None:
    """Pulse, saturation, breathing at every step, temperature every hour, pressure twice a day; eight hours without
    anything two nights ago; the last reading is at ``now_ms``."""
    t_ms = np.arange(now_ms - round(days * DAY_MS), now_ms + 1, every_s * 1000, dtype=np.int64)
    random = np.random.default_rng(seed)
    hour = (t_ms / HOUR_MS + 8) % 24
    day = np.sin((hour - 9) / 24 * 2 * np.pi)
    fields = {
        "hr": 70 + 8 * day + random.normal(0, 2.5, len(t_ms)),
        "spo2": np.minimum(100, 96.5 + random.normal(0, 0.7, len(t_ms))),
        "rr": 15 + day + random.normal(0, 0.8, len(t_ms)),
    }
    ill = t_ms > now_ms - 5 * HOUR_MS
    grows = np.where(ill, (t_ms - (now_ms - 5 * HOUR_MS)) / (5 * HOUR_MS), 0.0)
    fields["hr"] += 38 * grows
    fields["rr"] += 9 * grows
    fields["spo2"] -= 5 * grows
    gap = (t_ms > now_ms - 40 * HOUR_MS) & (t_ms < now_ms - 32 * HOUR_MS)
    t_ms, grows = t_ms[~gap], grows[~gap]
    fields = {name: np.round(values[~gap], 1) for name, values in fields.items()}
    warm = np.where(np.arange(len(t_ms)) % (3600 // every_s) == 0, 36.6 + random.normal(0, 0.1, len(t_ms)), np.nan)
    fields["temp"] = np.round(warm + 1.6 * grows, 1)
    pressed = np.arange(len(t_ms)) % (12 * 3600 // every_s) == 60
    fields["sbp"] = np.where(pressed, np.round(random.normal(138, 6, len(t_ms))), np.nan)
    fields["dbp"] = np.where(pressed, np.round(random.normal(82, 4, len(t_ms))), np.nan)
    write(store, "vitals", t_ms.tolist(), fields, device=device, person=person, area=AREA)
    start_ms = int(t_ms[0])
    roll_up(store, "vitals", start_ms, now_ms + HOUR_MS)


def write_scores(store: Store, person: str, now_ms: int, *, days: float = 7) -> None:
    """Every five minutes, rising over the last hours; consciousness is never stated."""
    t_ms = np.arange(now_ms - round(days * DAY_MS), now_ms + 1, 5 * MINUTE_MS, dtype=np.int64)
    grows = np.clip((t_ms - (now_ms - 5 * HOUR_MS)) / (5 * HOUR_MS), 0, 1)
    parts = {"hr": np.round(2 * grows), "rr": np.round(2 * grows), "spo2": np.round(2 * grows), "temp": 0 * grows}
    total = sum(parts.values())
    fields = {**parts, "sbp": 0 * grows, "value": total, "lower": total, "upper": total + 5}
    write(store, "score", t_ms.tolist(), fields, person=person, area=AREA, detector="vitals.news2")
    roll_up(store, "score", int(t_ms[0]), now_ms + HOUR_MS)


def write_usual(store: Store, person: str, now_ms: int, *, days: float = 7) -> None:
    """What is usual, at the end of each of the six parts of a day."""
    t_ms = np.arange(now_ms - round(days * DAY_MS), now_ms + 1, 4 * HOUR_MS, dtype=np.int64)
    for sign, middle, reach in (("hr", 71, 8), ("spo2", 96.5, 2), ("rr", 15, 3), ("temp", 36.6, 0.5), ("sbp", 138, 14)):
        value = np.full(len(t_ms), float(middle)) + (np.arange(len(t_ms)) % 6 - 2.5) * reach / 10
        fields = {"value": value, "lower": value - reach, "upper": value + reach}
        write(store, "baseline", t_ms.tolist(), fields, person=person, area=AREA, detector=f"vitals.{sign}")


def write_home(
    store: Store, person: str, now_ms: int, sensors: Mapping[str, tuple[str, Sequence[float]]], *, days: int = 28
) -> None:
    """Sensors by device: their kind, and the local hours (UTC+8) at which they turn on, each for ten minutes;
    a bed from the first hour to the second."""
    midnight_ms = (now_ms + 8 * HOUR_MS) // DAY_MS * DAY_MS - 8 * HOUR_MS
    for device, (kind, hours) in sensors.items():
        t_ms: list[int] = []
        values: list[float] = []
        for day in range(days):
            start_ms = midnight_ms - day * DAY_MS
            if kind == "bed":
                t_ms += [start_ms - round((24 - hours[0]) * HOUR_MS), start_ms + round(hours[1] * HOUR_MS)]
                values += [1.0, 0.0]
            else:
                for hour in hours:
                    t_ms += [start_ms + round(hour * HOUR_MS), start_ms + round(hour * HOUR_MS) + 10 * MINUTE_MS]
                    values += [1.0, 0.0]
        kept = [(at, value) for at, value in sorted(zip(t_ms, values, strict=True)) if at <= now_ms]
        write(store, "home", [at for at, _ in kept], {"value": [v for _, v in kept]}, device=device, person=person,
              area=AREA, kind=kind)  # fmt: skip


def write_status(store: Store, device: str, t_ms: int, *, online: bool, battery_pct: float) -> None:
    """A device told how it is."""
    fields = {"online": [float(online)], "battery": [battery_pct]}
    write(store, "device", [t_ms], fields, device=device, area=AREA)
