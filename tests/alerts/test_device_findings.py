"""Sensors at fault: kept, told to nobody, listed until they are over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from alerts.device_findings import SENSOR_DETECTOR, standing_sensor_findings
from detectors.detection import Detection, Stage
from detectors.device.motion_sensor import DETECTOR, MotionSensorBank
from tests.alerts.story import START_MS, Story
from tests.detectors.signals import Samples, frames, walking


def found_on(*devices: str, seconds: float, then: Samples | None = None) -> list[Detection]:
    """What the bank says of devices whose accelerometers hold 0.3 g for ``seconds``."""
    held = np.zeros((round(seconds * 50), 6), np.float32)
    held[:, 1] = 0.3
    signal = held if then is None else np.concatenate([held, then])
    found: list[Detection] = []
    for device in devices:
        bank = MotionSensorBank()
        bank.add(device, placement="wrist", person="wang" if device == "w-wang" else None)
        found += [one for batch in frames(signal, t_ms=START_MS) for one in bank.update(batch, START_MS)]
    return found


def test_the_list_asks_for_the_detector_that_there_is() -> None:
    """The rooms do not import each other; this test does."""
    assert SENSOR_DETECTOR == DETECTOR


def test_a_sensor_at_fault_is_kept_and_nobody_is_called(any_story: Story) -> None:
    """Neither the wearer's responders, nor the desk for a device that nobody wears or the registry does not have."""
    found = found_on("w-wang", "spare", "stranger", seconds=70)
    assert len(found) == 3
    any_story.deliver(*found, *found)
    any_story.forward(600)
    assert (any_story.incidents(), any_story.told(), any_story.commands()) == ([], [], [])
    assert any_story.service.counts["device_finding"] == 3
    listed = standing_sensor_findings(any_story.engine)
    assert [(one.device, one.sensor, one.fault, one.onset_ms) for one in listed] == [
        (device, "accelerometer", "stuck", START_MS) for device in ("spare", "stranger", "w-wang")
    ]
    assert listed[0].features["limit_low_g"] == 0.7


def test_an_open_incident_of_the_wearer_is_left_alone(story: Story) -> None:
    """A broken sensor beside a fall is no evidence about the fall, and its end is none either."""
    story.happens("fall")
    before = story.timeline()
    found = found_on("w-wang", seconds=70, then=walking(320))
    assert [one.stage for one in found] == [Stage.CONFIRMED, Stage.FOLLOW_UP]
    story.deliver(*found)
    assert story.timeline() == before
    assert len(story.detail().incident.evidence) == 1


def test_what_is_over_is_listed_no_more(story: Story) -> None:
    """The sensor has been sound for five minutes."""
    begun, over = found_on("w-wang", seconds=70, then=walking(320))
    story.deliver(begun)
    assert len(standing_sensor_findings(story.engine)) == 1
    story.deliver(over)
    assert standing_sensor_findings(story.engine) == []


def test_the_doctor_names_sensors_at_fault(story: Story, tmp_path: Path) -> None:
    """Those of registered devices, in words, with what to do."""
    story.deliver(*found_on("w-wang", "stranger", seconds=70))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
    environment |= {
        "CARECIRCLE_DATABASE_URL": str(story.engine.url),
        "CARECIRCLE_DATA_DIR": str(tmp_path / "data"),
        "CARECIRCLE_BROKER__URL": "mqtt://127.0.0.1:1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "carecircle", "doctor", "--json"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = {finding["what"]: finding for finding in json.loads(done.stdout)}["motion sensors"]
    assert said["level"] == "warning"
    assert said["found"] == "1 at fault: w-wang: accelerometer never changes, since 2026-03-03 06:00 UTC"
    assert "replace" in said["advice"]
