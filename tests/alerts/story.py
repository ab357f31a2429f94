"""A district with a clock that only moves when told: events in, and exactly the messages that follow out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

import alerts
import registry
from alerts import queries
from alerts.outbox import next_send_ms
from alerts.queries import IncidentDetail, IncidentView
from alerts.service import AlertService, AlertSettings
from alerts.timers import next_timer_ms
from detectors.detection import Detection, Severity, Stage, Window, pack_detection
from journal import JournalReader, JournalWriter
from telemetry.commands import Outgoing, unpack_command
from telemetry.records import PointBatch, unpack_points
from tests.servers.sink import SECRET, Received, Sink

#: 2026-03-03 14:00:00 in Shanghai.
START_MS = 1_772_517_600_000
KEY = "a key for links, long enough"
SETTINGS = AlertSettings(link_key=KEY, public_url="http://console.example", webhook_timeout_s=2.0)

DISTRICT = """\
areas:
  - {{path: d, name: District}}
  - {{path: d.street, name: Street}}
  - {{path: d.street.station, name: Station}}
  - {{path: d.street.empty, name: Station without anybody}}
people:
  - {{key: wang, name: Wang Xiuying, area: d.street.station, address: 12 Fengqing Road, lat: 34.26, lon: 108.92}}
  - {{key: zhao, name: 赵敏, area: d.street.empty, address: 8 Lake Road, language: zh}}
devices:
  - {{id: w-wang, person: wang, placement: wrist}}
  - {{id: b-wang, person: wang, kind: button}}
  - {{id: w-zhao, person: zhao}}
  - {{id: spare}}
responders:
  - {{id: ann, name: Ann, area: d.street.station, channels: [{{type: webhook, url: "{url}ann", secret: {secret}}}]}}
  - {{id: bob, name: Bob, area: d.street.station,
     channels: [{{type: webhook, url: "{url}bob", secret: {secret}}}, {{type: console}}]}}
  - {{id: mute, name: Mute, area: d.street}}
  - {{id: chen, name: 陈, area: d.street, languages: [zh, en],
     channels: [{{type: webhook, url: "{url}chen", secret: {secret}}}]}}
  - {{id: desk, name: Desk, area: d, channels: [{{type: webhook, url: "{url}desk", secret: {secret}}}]}}
on_call:
  d.street.station: [ann, bob]
  d.street: [mute, chen]
  d: [desk]
"""


def import_district(engine: Engine, folder: Path, url: str) -> None:
    """The example district with all webhooks below ``url``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "district.yaml").write_text(DISTRICT.format(url=url, secret=SECRET), encoding="utf-8")
    diff = registry.import_folder(engine, folder)
    assert not diff.problems, diff.problems


class Story:
    """One service on an example district, the journals around it, and a clock in milliseconds (``now_ms``)."""

    def __init__(self, engine: Engine, folder: Path, sink: Sink, settings: AlertSettings = SETTINGS) -> None:
        alerts.upgrade(engine)
        import_district(engine, folder / "import", sink.url(""))
        self.engine = engine
        self.folder = folder
        self.sink = sink
        self.settings = settings
        self.now_ms = START_MS
        self._looked_at = 0
        self._count = 0
        self._detections = JournalWriter(folder / "journal" / "detections", consumers=["alerts"], reserve_bytes=0)
        self.service = self._start()
        self._readers = {
            name: JournalReader(folder / "journal" / name, consumer)
            for name, consumer in (("commands", "gateway"), ("reports", "writer"))
        }

    def _start(self) -> AlertService:
        return AlertService(self.engine, self.folder / "journal", self.settings, clock=lambda: self.now_ms)

    def restart(self) -> None:
        """A new process on the same database and journals."""
        self.service.close()
        self.service = self._start()

    def detection(self, what: str = "fall", **values: Any) -> Detection:
        """A confirmed finding about Wang that happened two seconds ago, unless said otherwise."""
        self._count += 1
        base = Detection(
            id=f"det-{self._count}",
            stage=Stage.CONFIRMED,
            device="b-wang" if what == "sos" else "w-wang",
            person="wang",
            detector="fall" if what == "fall" else "event",
            version="1",
            kind=what,
            onset_ms=self.now_ms - 2_000,
            decided_ms=self.now_ms,
            recv_ms=self.now_ms,
            severity=Severity.CRITICAL if what == "sos" else Severity.URGENT,
            score=0.9,
            features={"impact_g": 4.2},
            params_hash="abc",
        )
        return replace_struct(base, values)

    def deliver(self, *detections: Detection) -> None:
        """Put findings into the journal and let the service take them."""
        self._detections.append([pack_detection(detection) for detection in detections])
        self._detections.commit()
        self.settle()

    def happens(self, what: str = "fall", **values: Any) -> Detection:
        """A finding is made and taken."""
        detection = self.detection(what, **values)
        self.deliver(detection)
        return detection

    def settle(self) -> None:
        """Let everything that is due now happen, answers of webhooks included."""
        deadline = time.monotonic() + 15
        while self.service.step(self.now_ms) or self.service.in_flight:
            assert time.monotonic() < deadline, "the service does not come to rest"
            if self.service.in_flight:
                time.sleep(0.002)

    def forward(self, seconds: float) -> None:
        """Let the clock run, from one thing that is due to the next."""
        end_ms = self.now_ms + round(seconds * 1000)
        while self.now_ms < end_ms:
            with self.engine.connect() as connection:
                due = [ms for ms in (next_timer_ms(connection), next_send_ms(connection)) if ms is not None]
            self.now_ms = min(end_ms, max(min(due, default=end_ms), self.now_ms + 1))
            self.settle()

    def news(self) -> list[Received]:
        """The webhook requests since this was asked last."""
        found = self.sink.received[self._looked_at :]
        self._looked_at += len(found)
        return found

    def told(self) -> list[str]:
        """Who was called since this was asked last, in order."""
        return [request.path.lstrip("/") for request in self.news() if request.body["type"] == "incident.notify"]

    def incidents(self) -> list[IncidentView]:
        """All incidents, resolved ones too."""
        return queries.open_incidents(self.engine, resolved_since_ms=0)

    def incident(self) -> IncidentView:
        """The one incident there is."""
        (incident,) = self.incidents()
        return incident

    def detail(self) -> IncidentDetail:
        """Everything about the one incident."""
        detail = queries.incident_detail(self.engine, self.incident().id)
        assert detail is not None
        return detail

    def timeline(self) -> list[str]:
        """What the time line of the one incident tells, without words."""
        return [entry.what for entry in self.detail().timeline]

    def commands(self) -> list[Outgoing]:
        """What went into the journal `commands` since this was asked last."""
        return [unpack_command(packed) for packed in self._new_records("commands")]

    def reports(self, measurement: str) -> list[PointBatch]:
        """The points of a measurement in the journal `reports` since this was asked last."""
        batches = [unpack_points(packed) for packed in self._new_records("reports")]
        return [batch for batch in batches if batch.measurement == measurement]

    def _new_records(self, name: str) -> Iterator[bytes]:
        while batches := self._readers[name].read():
            for batch in batches:
                yield from (bytes(packed) for packed in batch.records)

    def close(self) -> None:
        """End the service and let go of the journals."""
        self.service.close()
        self._detections.close()
        for reader in self._readers.values():
            reader.close()


def replace_struct(detection: Detection, values: dict[str, Any]) -> Detection:
    """The detection with other values."""
    import msgspec

    return msgspec.structs.replace(detection, **values)


def motion_window() -> Window:
    """A second of raw motion."""
    return Window(t0_ms=START_MS, fs_hz=50.0, lsb_g=0.001, acc=bytes(range(250)) + bytes(50))


@contextmanager
def telling(engine: Engine, folder: Path, sink: Sink, **settings: Any) -> Iterator[Story]:
    """A story that is closed at the end."""
    story = Story(engine, folder, sink, replace(SETTINGS, **settings))
    try:
        yield story
    finally:
        story.close()
