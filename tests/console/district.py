"""A small district with incidents in it, made through the code paths of registry and alerts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml
from sqlalchemy import Engine

import alerts.database
import console.access.database
import registry
from alerts.intake import take_detections
from alerts.known import Rules
from alerts.links import LinkClaims, make_token
from alerts.policy import HISTORICAL, IMMEDIATE
from alerts.queries import open_incidents
from alerts.timers import fire_timers
from detectors.detection import Detection, Severity, Stage, Window, detection_id

LINK_KEY = "a key that only tests know"
RULES = Rules(policy=IMMEDIATE, historical=HISTORICAL, fuse_s=600.0, prompt_s=60.0)
ZHANG, WANG = "r-zhang", "r-wang"

_AREAS = [
    {"path": "chongqing", "name": "Chongqing"},
    {"path": "chongqing.yubei", "name": "Yubei"},
    {"path": "chongqing.yubei.longxi", "name": "Longxi street"},
    {"path": "chongqing.yubei.longxi.shimahe", "name": "Shimahe 石马河"},
]
_HOME = "chongqing.yubei.longxi.shimahe"
_WEBHOOK = {
    "type": "webhook",
    "url": "http://127.0.0.1:9/hook",
    "secret": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


def person(key: str, name: str, **values: object) -> dict[str, object]:
    """A row of people.yaml."""
    return {"key": key, "name": name, "area": _HOME, "address": "Building 7, unit 2, 14-3", **values}


PEOPLE = [
    person("p-0001", "Li Guizhen 李桂珍", address="石马河街道 7 栋 2 单元 14-3", phone="+86 138 0000 0001",
           risks=["lives_alone", "very_old"]),
    person("p-0002", "Chen Yumei", address="Building 2, unit 1, 3-1", risks=["dementia"]),
    person("p-0003", "Zhao Dehua", address="Building 11, unit 4, 22-6"),
    person("p-0004", "Sun Xiulan 孙秀兰"),
    person("p-0005", "Wu Jianguo"),
]  # fmt: skip


def build(engine: Engine, folder: Path, people: Sequence[dict[str, object]] = PEOPLE) -> Engine:
    """The tables, and a district with one device per person (``d-`` and the person's number)."""
    registry.upgrade(engine)
    alerts.database.upgrade(engine)
    console.access.database.upgrade(engine)
    folder.mkdir(exist_ok=True)
    district = {
        "areas": _AREAS,
        "people": list(people),
        "devices": [{"id": f"d-{row['key'][2:]}", "person": row["key"], "placement": "waist"} for row in people],
        "responders": [
            {"id": ZHANG, "name": "Zhang Min 张敏", "area": _HOME, "channels": [_WEBHOOK]},
            {"id": WANG, "name": "Wang Fang", "area": _HOME, "channels": [_WEBHOOK]},
        ],
        "on_call": {_HOME: [ZHANG, WANG]},
    }
    (folder / "district.yaml").write_text(yaml.safe_dump(district, allow_unicode=True), encoding="utf-8")
    diff = registry.import_folder(engine, folder)
    assert not diff.problems, diff.problems
    return engine


def fall(
    device: str,
    onset_ms: int,
    *,
    window: Window | None = None,
    severity: Severity = Severity.CRITICAL,
    **values: object,
) -> Detection:
    """A confirmed fall, 3.5 s after its impact."""
    fields: dict[str, object] = {
        "id": detection_id(device, "fall", 1, onset_ms),
        "stage": Stage.CONFIRMED,
        "device": device,
        "person": "p-" + device[2:],
        "detector": "fall",
        "version": "1",
        "kind": "fall",
        "onset_ms": onset_ms,
        "decided_ms": onset_ms + 3500,
        "recv_ms": onset_ms + 3600,
        "severity": severity,
        "score": 0.97,
        "features": {"peak_g": 4.23, "freefall_s": 0.31, "posture_change_deg": 80.4, "after_vector_std_g": 0.02},
        "window": motion(onset_ms) if window is None else window,
    }  # fmt: skip
    return Detection(**{**fields, **values})


def sos(device: str, onset_ms: int, *, person: str | None) -> Detection:
    """A pressed button."""
    return Detection(
        id=detection_id(device, "event", 1, onset_ms),
        stage=Stage.CONFIRMED,
        device=device,
        person=person,
        detector="event",
        version="1",
        kind="sos",
        onset_ms=onset_ms,
        decided_ms=onset_ms,
        recv_ms=onset_ms + 40,
        severity=Severity.CRITICAL,
        score=1.0,
    )


def motion(
    onset_ms: int, *, seconds: float = 9.0, before_s: float = 5.0, gap_s: tuple[float, float] | None = None
) -> Window:
    """Walking, free fall, an impact at ``onset_ms``, lying still; ``gap_s`` counts from the onset."""
    fs_hz, lsb_g = 50.0, 1 / 2048
    t = np.arange(round(seconds * fs_hz)) / fs_hz - before_s
    rng = np.random.default_rng(onset_ms % 1000)
    acc = rng.normal(0, 0.02, (len(t), 3))
    walking, falling, lying = t < -0.4, (t >= -0.4) & (t < 0), t > 0.15
    acc[:, 1] += np.where(walking, 1 + 0.25 * np.sin(2 * np.pi * 1.8 * t), np.where(falling, 0.35, 0.2))
    acc[:, 0] += np.where(walking, 0.12 * np.sin(2 * np.pi * 0.9 * t), 0.05)
    acc[:, 2] += np.where(lying, 0.97, 0.05)
    hit = (t >= 0) & ~lying
    acc[hit] += np.outer(np.exp(-30 * t[hit]) * np.cos(60 * t[hit]), (1.4, 3.6, 1.8))
    counts = np.round(acc / lsb_g).clip(-32767, 32767).astype("<i2")
    if gap_s is not None:
        counts[(t >= gap_s[0]) & (t < gap_s[1])] = -32768
    return Window(t0_ms=onset_ms - round(before_s * 1000), fs_hz=fs_hz, lsb_g=lsb_g, acc=counts.tobytes())


def take(engine: Engine, now_ms: int, *detections: Detection) -> None:
    """What the alerts process does with detections."""
    with registry.writing(engine) as connection:
        take_detections(connection, detections, registry.directory(connection), RULES, now_ms)
        alerts.database.raise_change(connection)


def wait_until(engine: Engine, now_ms: int) -> None:
    """What the alerts process does when time has passed."""
    with registry.writing(engine) as connection:
        fire_timers(connection, registry.directory(connection), now_ms)
        alerts.database.raise_change(connection)


def incident_of(engine: Engine, device: str) -> str:
    """The id of the newest incident of a device."""
    views = [view for view in open_incidents(engine, resolved_since_ms=0) if view.device == device]
    return max(views, key=lambda view: view.opened_ms).id


def token(incident: str, responder: str, expires_ms: int, *, key: str = LINK_KEY) -> str:
    """The token of an acknowledgement link."""
    return make_token(key, LinkClaims(incident, responder, "n-1", expires_ms))
