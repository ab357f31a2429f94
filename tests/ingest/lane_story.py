"""A processor on real journals whose time is what is written into them; killed and started again by a test."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from detectors.detection import Detection, Severity, Stage, unpack_detection
from detectors.fall.bank import FallBank
from ingest.adapters.zigbee2mqtt import Zigbee2Mqtt
from ingest.devices import Owner
from ingest.lanes import lanes_of
from ingest.pipeline import Pipeline
from ingest.processor import Processor, ProcessorSettings
from journal import JournalReader, JournalWriter
from telemetry.codec import encode_json
from telemetry.messages import Event, Home, Message, Status, Vitals
from telemetry.records import CONNECTED, LISTENING, Flag, PointBatch, pack_raw, unpack_points

#: 2026-03-03 14:00:00 in Shanghai.
T0_MS = 1_772_517_600_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
_STREAMS: dict[type[Message], str] = {Vitals: "vitals", Home: "home", Status: "status", Event: "event"}


class LaneStory:
    """What a gateway journals, and what the processor makes of it.

    Args:
        folder: for journals and state.
        owners: the registry's devices.
        homes_every_s: how often what is learnt of homes is written.
        on: which lanes are switched on: names as in ``lanes_of``.
    """

    def __init__(self, folder: Path, owners: Mapping[str, Owner], *, homes_every_s: float = 1e9, **on: Any) -> None:
        self.folder = folder
        self.owners = dict(owners)
        self._homes_every_s = homes_every_s
        self._on = on
        self._sent: list[tuple[int, bytes]] = []  # what is not written yet
        self._seq: dict[tuple[str, str], int] = {}
        self._raw = JournalWriter(folder / "journal" / "raw", consumers=("processor",), reserve_bytes=0)
        self._start()
        self._readers = {
            name: JournalReader(folder / "journal" / name, consumer)
            for name, consumer in (("detections", "alerts"), ("points", "writer"))
        }

    def _start(self) -> None:
        settings = ProcessorSettings(
            self.folder / "journal", self.folder / "quarantine", self.folder / "state",
            checkpoint_every_s=1e9, homes_every_s=self._homes_every_s,
        )  # fmt: skip
        lanes = lanes_of(zone=ZoneInfo("Asia/Shanghai"), now_ms=T0_MS, **self._on)
        self.pipeline = Pipeline(FallBank(), FallBank(), zigbee=Zigbee2Mqtt(("zigbee2mqtt/+",)), lanes=lanes)
        # the wall clock stands still: only what is journaled moves the time
        self.processor = Processor(settings, self.pipeline, owners=lambda: self.owners, wall_ms=lambda: 0)

    def says(self, device: str, said: Message, at_ms: int | None = None, *, flags: Flag = Flag.NONE) -> None:
        """A message of the wire contract, received 50 ms after it was made or at ``at_ms``."""
        recv_ms = said.t + 50 if at_ms is None else at_ms
        topic = f"care/v1/{device}/{_STREAMS[type(said)]}".encode()
        self._sent.append((recv_ms, pack_raw(recv_ms, flags, topic, encode_json(said))))

    def hub(self, path: str, said: object, at_ms: int, *, flags: Flag = Flag.NONE) -> None:
        """A message of a Zigbee2MQTT hub."""
        payload = said if isinstance(said, str) else json.dumps(said)
        self._sent.append((at_ms, pack_raw(at_ms, flags, f"zigbee2mqtt/h1/{path}".encode(), payload.encode())))

    def seq(self, device: str, stream: str) -> int:
        """The next sequence number."""
        self._seq[device, stream] = number = self._seq.get((device, stream), -1) + 1
        return number

    def vitals(self, device: str, at_ms: int, *, hist: bool = False, **values: Any) -> None:
        """One reading."""
        said = Vitals(t=at_ms, boot=1, seq=self.seq(device, "vitals"), hist=hist, **values)
        self.says(device, said, T0_MS + 50 if hist else None)

    def home(self, device: str, at_ms: int, kind: str = "presence", value: Any = True, room: str | None = None) -> None:
        """One reading of a home sensor."""
        self.says(device, Home(t=at_ms, boot=1, seq=self.seq(device, "home"), kind=kind, value=value, room=room))

    def status(self, device: str, at_ms: int, *, online: bool = True, flags: Flag = Flag.NONE, **more: Any) -> None:
        """A birth message or heartbeat; with ``online`` False a will."""
        said = Status(t=at_ms, boot=1, seq=self.seq(device, "status"), online=online, **more)
        self.says(device, said, flags=flags)

    def beats(self, device: str, from_ms: int, to_ms: int, every_s: float = 60.0, **more: Any) -> None:
        """Heartbeats as declared."""
        for at_ms in range(from_ms, to_ms, round(every_s * 1000)):
            self.status(device, at_ms, heartbeat_s=every_s, **more)

    def listens(self, from_ms: int, to_ms: int, every_s: float = 10.0) -> None:
        """The gateway says that nothing came."""
        for at_ms in range(from_ms, to_ms + 1, round(every_s * 1000)):
            self._sent.append((at_ms, pack_raw(at_ms, 0, LISTENING, b"")))

    def connects(self, at_ms: int, down_since_ms: int) -> None:
        """The gateway has come back."""
        marker = {"down_since_ms": down_since_ms, "session_present": True, "cause": "connected"}
        self._sent.append((at_ms, pack_raw(at_ms, 0, CONNECTED, json.dumps(marker).encode())))

    def twice(self) -> None:
        """The broker delivers everything again."""
        self._sent = [one for sent in self._sent for one in (sent, sent)]

    def run(self, *, until_ms: int | None = None, pieces: int = 1) -> list[Detection]:
        """Journal what was sent (before ``until_ms``), in ``pieces`` commits, process it, and give the new findings."""
        self._sent.sort(key=lambda one: one[0])
        now = [record for at_ms, record in self._sent if until_ms is None or at_ms < until_ms]
        self._sent = [one for one in self._sent if until_ms is not None and one[0] >= until_ms]
        size = max(1, -(-len(now) // pieces))
        for first in range(0, len(now), size):
            self._raw.append(now[first : first + size])
            self._raw.commit()
            while self.processor.step(0):
                pass
        return self.found()

    def found(self) -> list[Detection]:
        """The findings since this was asked last."""
        return [unpack_detection(record) for record in self._new("detections")]

    def points(self, measurement: str) -> list[PointBatch]:
        """The points of a measurement since this was asked last."""
        batches = [unpack_points(record) for record in self._new("points")]
        return [batch for batch in batches if batch.measurement == measurement]

    def save(self) -> None:
        """A checkpoint."""
        self.processor.save_checkpoint()

    def kill(self) -> None:
        """Nothing more is saved; the next process goes on from the last checkpoint and repeats what came after it."""
        self.processor.close()
        self._start()
        while self.processor.step(0):
            pass

    def close(self) -> None:
        """Let go of everything."""
        self.processor.close()
        self._raw.close()
        for reader in self._readers.values():
            reader.close()

    def _new(self, journal: str) -> Iterable[bytes]:
        while batches := self._readers[journal].read():
            for batch in batches:
                yield from (bytes(record) for record in batch.records)


def said(found: Iterable[Detection]) -> list[tuple[str, str, str]]:
    """``(device, kind, stage)`` of each."""
    return [(one.device, one.kind, one.stage.value) for one in found]


def calls(found: Iterable[Detection]) -> list[Detection]:
    """Those that call somebody."""
    return [one for one in found if one.stage is Stage.CONFIRMED and one.severity is not Severity.INFO]


def keys(found: Iterable[Detection]) -> list[tuple[str, str]]:
    """What makes each the same finding."""
    return [(one.id, one.stage.value) for one in found]
