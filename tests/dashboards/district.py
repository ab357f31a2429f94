"""A district of the last ten days in a real InfluxDB: messages through the real processor, findings through the real
alert service, everything written and rolled up by the real writer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Engine

from alerts import actions
from alerts.lifecycle import Outcome
from detectors.fall.bank import FallBank
from firmware_sim.motion import LSB_G
from ingest.devices import Owner
from ingest.lanes import lanes_of
from ingest.pipeline import Pipeline
from ingest.processor import Processor, ProcessorSettings
from ingest.writer import WriterSettings, open_writer
from journal import JournalWriter
from store import Store
from telemetry.codec import encode_json, encode_motion
from telemetry.messages import Home, Message, Status, Vitals
from telemetry.records import pack_raw
from tests.alerts.story import Story
from tests.servers.sink import Sink

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
#: Wang is ill, Zhao is well; both live in the district of the alerts' stories.
OWNERS = {
    "w-wang": Owner("wang", "d.street.station", "wrist"),
    "bed-wang": Owner("wang", "d.street.station", None, kind="bed"),
    "pir-wang": Owner("wang", "d.street.station", None, kind="presence"),
    "w-zhao": Owner("zhao", "d.street.empty", "wrist"),
}
_STREAMS: dict[type[Message], str] = {Vitals: "vitals", Home: "home", Status: "status"}
_Sent = tuple[int, bytes]


class District:
    """What devices send, in the order of time."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self._seq: dict[tuple[str, str], int] = {}
        self.sent: list[_Sent] = []
        # a reading twice a day for nine days, and every five minutes for two hours
        sparse = range(now_ms - 9 * DAY_MS, now_ms - 4 * HOUR_MS, 12 * HOUR_MS)
        dense = range(now_ms - 2 * HOUR_MS, now_ms - 5 * MINUTE_MS, 5 * MINUTE_MS)
        for number, at_ms in enumerate([*sparse, *dense]):
            self._readings(at_ms, ill=(now_ms - at_ms) / (2 * HOUR_MS), number=number)
        for second in range(120):
            self._moves("w-wang", now_ms - HOUR_MS + second * 1000, second)
        self._put(now_ms - 50 * MINUTE_MS, "care/v1/w-wang/vitals", b"{not json")
        self._put(now_ms - 49 * MINUTE_MS, "care/v1/stranger/vitals", encode_json(Vitals(t=1, boot=1, seq=1, hr=60.0)))
        self.sent.sort(key=lambda one: one[0])

    def _readings(self, at_ms: int, *, ill: float, number: int) -> None:
        wave = math.sin(number / 5)
        worse = max(0.0, 1.0 - ill)
        self._says("w-wang", Vitals(
            t=at_ms, boot=1, seq=self._next("w-wang", "vitals"), hr=78 + 4 * wave + 50 * worse, spo2=96 - 6 * worse,
            rr=16 + wave + 9 * worse, temp=36.7 + 1.4 * worse, sbp=132 - 30 * worse + 3 * wave, dbp=80 - 15 * worse,
            glucose=5.8 + wave, o2=False, acvpu="A",
        ))  # fmt: skip
        self._says("w-zhao", Vitals(
            t=at_ms + 1000, boot=1, seq=self._next("w-zhao", "vitals"), hr=66 + 3 * wave, spo2=97.0, rr=15.0, temp=36.5,
        ))  # fmt: skip
        self._says("bed-wang", Home(t=at_ms, boot=1, seq=self._next("bed-wang", "home"), kind="bed", value=wave > 0))
        self._says("pir-wang", Home(t=at_ms, boot=1, seq=self._next("pir-wang", "home"), kind="presence", value=True))
        for device, charge, firmware in (("w-wang", 60, "2.1.0"), ("bed-wang", 90, "1.0.3"), ("w-zhao", 14, "2.0.9")):
            self._says(device, Status(
                t=at_ms + 2000, boot=1, seq=self._next(device, "status"), online=True,
                battery=max(charge - number / 10, 2), rssi=-60 - 5 * wave, fw=firmware, heartbeat_s=300.0,
            ), delay_ms=50 if device == "w-wang" else 40_000)  # fmt: skip
        if number == 0:
            self._says(
                "pir-wang", Status(t=at_ms, boot=1, seq=self._next("pir-wang", "status"), online=False, battery=40.0)
            )

    def _moves(self, device: str, at_ms: int, second: int) -> None:
        t = second + np.arange(50) / 50
        axes = np.stack(
            [0.3 * np.sin(2 * np.pi * 1.8 * t), 0.1 * np.cos(2 * np.pi * 1.8 * t), 1 + 0.2 * np.sin(11 * t)], 1
        )
        seq = self._next(device, "motion")
        payload = encode_motion(
            t=at_ms, boot=1, seq=seq + (3 if second > 60 else 0), fs=50, lsb=LSB_G, acc=(axes / LSB_G).astype("<i2")
        )
        self._put(at_ms + 1050, f"care/v1/{device}/motion", payload)

    def _next(self, device: str, stream: str) -> int:
        self._seq[device, stream] = number = self._seq.get((device, stream), -1) + 1
        return number

    def _says(self, device: str, said: Message, delay_ms: int = 50) -> None:
        self._put(said.t + delay_ms, f"care/v1/{device}/{_STREAMS[type(said)]}", encode_json(said))

    def _put(self, at_ms: int, topic: str, payload: bytes) -> None:
        self.sent.append((at_ms, pack_raw(at_ms, 0, topic.encode(), payload)))


def _processed(folder: Path, district: District) -> None:
    """Everything through the processor, whose wall clock goes with the messages."""
    wall_ms = district.sent[0][0]
    lanes = lanes_of(zone=ZoneInfo("Asia/Shanghai"), now_ms=wall_ms)
    processor = Processor(
        ProcessorSettings(folder / "journal", folder / "quarantine", folder / "state", checkpoint_every_s=1e9),
        Pipeline(FallBank(), FallBank(), lanes=lanes),
        owners=lambda: OWNERS,
        wall_ms=lambda: wall_ms,
    )
    raw = JournalWriter(folder / "journal" / "raw", consumers=("processor",), reserve_bytes=0)
    try:
        for stretch in _stretches(district.sent, 5 * MINUTE_MS):
            wall_ms = stretch[-1][0] + 1000
            raw.append([record for _, record in stretch])
            raw.commit()
            processor.step(0.0)
        wall_ms = district.now_ms
        processor.step(0.0)
    finally:
        processor.close()
        raw.close()


def _stretches(sent: list[_Sent], length_ms: int) -> Iterator[list[_Sent]]:
    stretch: list[_Sent] = []
    for one in sent:
        if stretch and one[0] - stretch[0][0] > length_ms:
            yield stretch
            stretch = []
        stretch.append(one)
    yield stretch


def _called(story: Story, now_ms: int) -> None:
    """Incidents of four days: answered soon, late, and false; the last one is open."""
    for day, (answer_s, door_s, outcome) in enumerate(
        (
            (20, 400, Outcome.TRUE), (95, 1_100, Outcome.FALSE_ALARM), (240, 700, Outcome.DEVICE_FAULT),
            (45, 300, Outcome.TEST), (15, 250, Outcome.CANCELLED),
        )
    ):  # fmt: skip
        story.now_ms = now_ms - (5 - day) * DAY_MS + day * 3 * HOUR_MS - 5 * HOUR_MS
        story.settle()
        story.happens("fall" if day % 2 else "sos")
        incident = next(one.id for one in story.incidents() if one.state.value != "resolved")
        for _ in range(5):
            _later(story, answer_s / 5)
        actions.acknowledge(story.engine, incident, "ann", story.now_ms)
        _later(story, door_s - answer_s)
        actions.on_scene(story.engine, incident, "ann", story.now_ms)
        _later(story, 120)
        actions.resolve(story.engine, incident, "ann", story.now_ms, outcome=outcome)
        _later(story, 1)
    for before_min in (180, 120, 60, 10):
        story.now_ms = now_ms - before_min * MINUTE_MS
        story.settle()
    story.happens("fall")
    _later(story, 60)


def _later(story: Story, seconds: float) -> None:
    """In one leap: what was due on the way is done at its end."""
    story.now_ms += round(seconds * 1000)
    story.settle()


def fill(store: Store, folder: Path, engine: Engine, now_ms: int) -> None:
    """Ten days up to ``now_ms``, in all buckets."""
    with Sink() as sink:
        story = Story(engine, folder, sink)
        try:
            _called(story, now_ms)
        finally:
            story.close()
    _processed(folder, District(now_ms))
    writer = open_writer(store, folder, host="machine-1", settings=WriterSettings(grace_s=60, late_grace_s=300))
    try:
        for at_ms in (
            now_ms,
            now_ms + 1_000,
            now_ms + 15_000,
            now_ms + 26_000,
            now_ms + 2 * HOUR_MS,
            now_ms + 3 * HOUR_MS,
        ):
            for _ in range(20_000):
                if not writer.step(at_ms):
                    break
    finally:
        writer.close()


__all__ = ["OWNERS", "District", "fill"]
