"""Devices as the writer and the alerts process leave them: how they are in the store, findings in the database."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Engine

from detectors.detection import Detection, Severity, Stage
from store import Store
from telemetry.records import Column, PointBatch
from tests.console import district
from tests.console.person_points import AREA


def write_status(store: Store, device: str, t_ms: int, **values: float | str) -> None:
    """A device told how it is: ``online``, ``battery``, ``lag_ms``, ``fw`` ..."""
    fields: dict[str, Column] = {
        name: [value] if isinstance(value, str) else np.array([value], np.float64) for name, value in values.items()
    }
    t_ns = np.array([t_ms * 1_000_000], np.int64)
    assert store.write(PointBatch("device", t_ns, {"device": [device], "area": [AREA]}, fields)) == []


def finding(
    device: str,
    kind: str,
    onset_ms: int,
    *,
    over_ms: int | None = None,
    severity: Severity = Severity.WARNING,
    detector: str = "device.link",
    said: str = "",
    zh: str = "",
    **notes: str,
) -> Detection:
    """A finding as the detector tells it, or with ``over_ms`` its end."""
    text = said or f"{device} has {kind}"
    return Detection(
        id=f"{device}-{kind}-{onset_ms}",
        stage=Stage.CONFIRMED if over_ms is None else Stage.FOLLOW_UP,
        device=device,
        person=None,
        detector=detector,
        version="1",
        kind=kind,
        onset_ms=onset_ms,
        decided_ms=onset_ms if over_ms is None else over_ms,
        recv_ms=onset_ms if over_ms is None else over_ms,
        severity=severity,
        score=1.0,
        features={"left_days": 9.0} if kind == "battery_low" else {},
        notes={"text": kind, "en": text, "zh": zh or f"问题：{text}", **notes},
    )


def find(engine: Engine, *found: Detection) -> None:
    """What the alerts process does with findings."""
    district.take(engine, max(one.decided_ms for one in found), *found)
