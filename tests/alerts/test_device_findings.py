"""Sensors at fault: kept, told to nobody, listed until they are over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from alerts.device_findings import (
    DEVICE_DETECTORS,
    SENSOR_DETECTOR,
    standing_device_findings,
    standing_sensor_findings,
)
from carecircle.doctor.devices import ADVICE
from detectors.detection import Detection, Severity, Stage
from detectors.device import link
from detectors.device import sentences as of_devices
from detectors.device.motion_sensor import DETECTOR, MotionSensorBank
from detectors.vitals import telling
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


def of_links(story: Story, kind: str, device: str = "w-wang", **values: Any) -> Detection:
    """What the device bank says of Wang's wearable."""
    notes = {"en": f"It is {kind}.", "zh": "设备异常。"} | values.pop("notes", {})
    about: dict[str, Any] = {"kind": kind, "device": device, "detector": "device.link", "onset_ms": START_MS}
    return story.detection(kind, **about | {"severity": Severity.WARNING, "notes": notes} | values)


def test_links_batteries_and_clocks_reach_no_responder_and_are_listed_until_they_are_over(any_story: Story) -> None:
    """Also those of homes and of what measures vitals; each place by itself. Those of areas: test_area_trouble.py."""
    silent = of_links(any_story, "offline", notes={"sign": "will"})
    low = of_links(any_story, "battery_low", features={"battery_pct": 9.0, "left_days": 3.0})
    fault = of_links(any_story, "reading_fault", detector="device.vitals")
    areas = [
        of_links(any_story, "area_offline", "$area", person=f"h-{k}", notes={"area": f"d.{k}", "home": f"h-{k}"})
        for k in ("a", "b")
    ]
    any_story.deliver(silent, low, fault, *areas)
    any_story.forward(600)
    assert (any_story.incidents(), any_story.told()) == ([], [])
    listed = standing_device_findings(any_story.engine)
    assert sorted((one.device, one.kind, one.area) for one in listed) == [
        ("$area", "area_offline", "d.a"), ("$area", "area_offline", "d.b"), ("w-wang", "battery_low", ""),
        ("w-wang", "offline", ""), ("w-wang", "reading_fault", ""),
    ]  # fmt: skip
    assert {one.said["zh"] for one in listed} == {"设备异常。"}
    any_story.deliver(*(msgspec.structs.replace(one, stage=Stage.FOLLOW_UP) for one in (silent, fault, areas[0])))
    listed = standing_device_findings(any_story.engine)
    assert sorted((one.kind, one.area) for one in listed) == [("area_offline", "d.b"), ("battery_low", "")]


def test_what_was_told_anew_after_a_loss_of_memory_is_listed_once(story: Story) -> None:
    """The end of the first one never comes; the end of the second is the end of both."""
    first, second = of_links(story, "offline"), of_links(story, "offline", decided_ms=START_MS + 9_000_000)
    story.deliver(first, second)
    assert len(standing_device_findings(story.engine)) == 1
    story.deliver(msgspec.structs.replace(second, stage=Stage.FOLLOW_UP))
    assert standing_device_findings(story.engine) == []


def doctor(story: Story, tmp_path: Path) -> dict[str, dict[str, str]]:
    """What ``carecircle doctor`` finds, by what it is about."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
    environment |= {
        "CARECIRCLE_DATABASE_URL": str(story.engine.url),
        "CARECIRCLE_DATA_DIR": str(tmp_path / "data"),
        "CARECIRCLE_BROKER__URL": "mqtt://127.0.0.1:1",
        "CARECIRCLE_VITALS__ENABLED": "false",
    }
    done = subprocess.run(
        [sys.executable, "-m", "carecircle", "doctor", "--json"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return {finding["what"]: finding for finding in json.loads(done.stdout)}


def test_the_doctor_says_what_is_wrong_with_devices_in_sentences(story: Story, tmp_path: Path) -> None:
    """By kind, with who, since when and what to do; not of devices that the registry does not have."""
    story.deliver(
        of_links(story, "offline", notes={"en": "The device has said nothing for 4 min."}),
        of_links(story, "battery_low", "b-wang", notes={"en": "The battery will be empty in about 3 days."}),
        of_links(story, "area_offline", "$area", person=None, notes={"area": "d.street", "en": "7 of 8 fell silent."}),
        of_links(story, "offline", "stranger"),
    )
    said = doctor(story, tmp_path)
    silent = said["devices: device silent"]
    assert silent["level"] == "warning"
    assert silent["found"] == "1: w-wang: The device has said nothing for 4 min (since 2026-03-03 06:00 UTC)."
    assert "charged" in silent["advice"]
    assert "in about 3 days" in said["devices: battery low"]["found"]
    assert said["devices: area or home without connection"]["found"].startswith("1: d.street: 7 of 8 fell silent")
    assert said["detectors"]["found"] == "switched off: vitals"


def test_the_doctor_has_words_and_advice_for_every_kind() -> None:
    """Of all that the banks can find."""
    kinds = set(of_devices.KINDS["en"]) | {telling.FAULT_KIND}
    assert kinds - ADVICE.keys() == set()
    assert set(DEVICE_DETECTORS) == {link.DETECTOR, telling.DEVICE_DETECTOR}


def test_the_doctor_names_sensors_at_fault(story: Story, tmp_path: Path) -> None:
    """Those of registered devices, in words, with what to do."""
    story.deliver(*found_on("w-wang", "stranger", seconds=70))
    said = doctor(story, tmp_path)["motion sensors"]
    assert said["level"] == "warning"
    assert said["found"] == "1 at fault: w-wang: accelerometer never changes, since 2026-03-03 06:00 UTC"
    assert "replace" in said["advice"]
