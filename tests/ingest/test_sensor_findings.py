"""Sensors at fault on the live lane: found, once, also over a restart of the processor, and nothing else disturbed."""

from __future__ import annotations

import pickle

import numpy as np

from detectors.detection import Detection, Stage
from detectors.fall.bank import FallBank
from ingest.devices import Owner
from ingest.pipeline import Pipeline
from telemetry.codec import encode_motion
from telemetry.records import Flag, RawMessage

NOW = 1_800_000_000_000
OWNERS = {name: Owner(f"p-{name}", "city.street", "waist") for name in ("w1", "w2")} | {
    "spare": Owner(None, "city", None)
}
STUCK = np.tile(np.array([[0, 300, 0]], np.int16), (50, 1))


def fresh() -> Pipeline:
    """A pipeline that knows two devices with people and one without."""
    pipeline = Pipeline(FallBank(), FallBank())
    pipeline.update_owners(OWNERS)
    return pipeline


def send(
    pipeline: Pipeline, device: str, first: int, last: int, *, hist: bool = False, flags: Flag = Flag.NONE
) -> list[Detection]:
    """Seconds ``first`` to ``last`` of a stuck sensor, a frame each."""
    found: list[Detection] = []
    for k in range(first, last):
        payload = encode_motion(t=NOW + k * 1000, boot=7, seq=k, fs=50, lsb=0.001, acc=STUCK, hist=hist)
        pipeline.feed([RawMessage(NOW + k * 1000 + 1050, flags, f"care/v1/{device}/motion".encode(), payload)])
        found += pipeline.advance().detections
    return found


def test_a_stuck_sensor_is_found_beside_the_fall_detector() -> None:
    """A device finding on the way of all detections, for a device without a person too."""
    pipeline = fresh()
    found = [one for device in ("w1", "spare") for one in send(pipeline, device, 0, 70)]
    assert [(one.device, one.person, one.detector, one.kind, one.stage) for one in found] == [
        ("w1", "p-w1", "device.motion", "sensor_fault", Stage.CONFIRMED),
        ("spare", None, "device.motion", "sensor_fault", Stage.CONFIRMED),
    ]
    assert found[0].notes["fault"] == "stuck"


def test_what_devices_buffered_says_nothing_about_their_sensors_now() -> None:
    """Neither marked as history nor put back from the quarantine."""
    pipeline = fresh()
    assert send(pipeline, "w1", 0, 70, hist=True) == []
    assert send(pipeline, "w2", 0, 70, flags=Flag.REPLAY) == []


def test_a_restart_of_the_processor_neither_loses_nor_repeats_a_sensor_finding() -> None:
    """From a checkpoint before the report and from one after it; what is said again has the same id."""
    whole = send(fresh(), "w1", 0, 90)
    for stopped in (40, 75):
        before = fresh()
        found = send(before, "w1", 0, stopped)
        saved = pickle.dumps(before.state())
        lost = send(before, "w1", stopped, 90)  # processed, but killed before the next checkpoint
        after = fresh()
        after.restore(pickle.loads(saved))
        again = send(after, "w1", stopped, 90)
        assert again == lost
        assert found + again == whole
