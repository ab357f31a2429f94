"""Everything that is seen of a run from outside, and the evidence that it makes in the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time_ns

from carecircle.roles import owners_of
from firmware_sim.truth import Truth
from ingest.devices import Owner
from journal.quarantine import list_entries
from telemetry.blocks import messages_of
from telemetry.codec import Motion, decode
from telemetry.messages import Vitals
from telemetry.topics import parse_topic
from tests.chaos.account import Delivery, Evidence, Frame, PointKey, Reported, Sent
from tests.chaos.disturber import Disturber
from tests.chaos.followers import Follower
from tests.chaos.ledger import Ledger, digest_of
from tests.chaos.points import Fields, add_built, expected_points, stored_points
from tests.chaos.undisturbed import undisturbed
from tests.e2e.system import System
from tests.servers.influxdb import InfluxServer
from tests.servers.sink import Sink

#: Points of these measurements are made of messages, detections or incidents; the others are of the roles themselves.
_MEASUREMENTS = (
    "motion", "motion_raw", "vitals", "device", "device_finding", "area_state", "incident", "score", "baseline",
)  # fmt: skip


@dataclass(slots=True)
class Witness:
    """What passed over both links, and what stood in the journals."""

    from_devices: Ledger = field(default_factory=lambda: Ledger(by_client=True))
    to_gateway: Ledger = field(default_factory=lambda: Ledger(by_client=False))
    journaled: set[bytes] = field(default_factory=set)
    built: dict[PointKey, Fields] = field(default_factory=dict)

    def followers(self, journals: Path) -> list[Follower]:
        """Of the journals that are read along; not yet begun."""
        take: dict[str, Callable[[bytes], None]] = {"raw": self._raw, "points": self._points, "reports": self._points}
        return [Follower(journals / name, what) for name, what in take.items()]

    def _raw(self, record: bytes) -> None:
        self.journaled.update(digest_of(message.topic, message.payload) for message in messages_of(record))

    def _points(self, record: bytes) -> None:
        add_built(self.built, record)

    def kept(self) -> set[bytes]:
        """What the gateway has, by its word or by its journal."""
        return self.to_gateway.acked().keys() | self.journaled


@dataclass(slots=True)
class _Said:
    """What devices sent, decoded, by digest."""

    sent: dict[bytes, Sent] = field(default_factory=dict)
    motion: dict[bytes, tuple[bytes, Motion]] = field(default_factory=dict)
    frames: dict[str, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    readings: dict[bytes, tuple[str, Vitals]] = field(default_factory=dict)


class Case:
    """The evidence of a run whose messages have all arrived; what follows from them may still change."""

    def __init__(
        self, witness: Witness, truth: Truth, disturber: Disturber, system: System, influx: InfluxServer, sink: Sink
    ) -> None:
        self._witness, self._truth, self._disturber = witness, truth, disturber
        self._system, self._influx, self._sink = system, influx, sink
        self._said = _decoded(witness.from_devices)
        owners: Mapping[str, Owner] = owners_of(system.engine)() or {}
        kept = witness.kept()
        self._falls = undisturbed(self._said.motion.values(), owners).falls
        moved = undisturbed((frame for digest, frame in self._said.motion.items() if digest in kept), owners)
        readings = (reading for digest, reading in self._said.readings.items() if digest in kept)
        self._expected = expected_points(readings, moved.movement, owners)

    def evidence(self) -> Evidence:
        """All of it, as it stands now."""
        return Evidence(
            sent=self._said.sent,
            acked=self._witness.to_gateway.acked(),
            journaled=set(self._witness.journaled),
            refused=[
                f"{one.reason} ({one.stage}): {one.detail}"
                for one in list_entries(self._system.settings.quarantine_dir)
            ],
            published=set(self._truth.keys()),
            broker_kills_ms=self._disturber.broker_kills_ms,
            alerts_kills_ms=self._disturber.alerts_kills_ms,
            presses=self._truth.sos,
            falls=self._falls,
            frames=self._said.frames,
            reported=_reported(self._system),
            deliveries=_deliveries(self._sink),
            expected=self._expected,
            built={key: fields for key, fields in list(self._witness.built.items()) if key[0] in _MEASUREMENTS},
            stored=stored_points(self._influx, _MEASUREMENTS),
        )


def _decoded(ledger: Ledger) -> _Said:
    said = _Said()
    for digest, one in ledger.messages.items():
        device, stream = parse_topic(one.topic)
        message = decode(stream, one.payload)
        said.sent[digest] = Sent((device, stream.value, message.boot, message.seq), one.acked_ms)
        if isinstance(message, Motion):
            said.motion[digest] = one.topic, message
            said.frames[device].append(Frame(message.t, digest))
        elif isinstance(message, Vitals):
            said.readings[digest] = device, message
    return said


def _reported(system: System) -> list[Reported]:
    return [
        Reported(incident.id, one.kind, one.device, one.detection, one.onset_ms)
        for incident in system.incidents()
        for one in incident.evidence
        if one.stage == "confirmed"
    ]


def _deliveries(sink: Sink) -> list[Delivery]:
    to_epoch_ms = time_ns() // 1_000_000 - round(monotonic() * 1000)
    return [
        Delivery(
            id=one.id,
            incident=one.data["incident"],
            step=(one.data["round"], one.data["step"], one.data["beside"]),
            at_ms=round(one.at_s * 1000) + to_epoch_ms,
            is_repeat=one.data["repeat"],
            is_genuine=one.genuine,
        )
        for one in list(sink.received)
        if one.body["type"] == "incident.notify"
    ]
