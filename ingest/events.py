"""Events on their way to detections: an SOS always comes through; only repetitions and retained ones stop here."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from detectors.detection import Detection, Severity, Stage, detection_id
from detectors.event import EventBank, EventIn, HomeIn
from ingest.dedupe import SeenSequence
from ingest.device_lane import DeviceLane
from ingest.devices import Device, Devices, Owner
from telemetry.codec import decode_event, rescue_event
from telemetry.errors import Reason, TelemetryError
from telemetry.messages import Event, Home
from telemetry.records import Flag, RawMessage
from telemetry.topics import Stream

#: Unknown devices whose repetitions are remembered; more than this and the oldest is forgotten (it may then alert
#: twice, which is better than not at all).
UNKNOWN_KEPT = 10_000
#: These open an incident even when the rest of the message breaks the contract.
RESCUED = frozenset({"sos", "fall"})
#: Somebody has pressed the button: for help, or to try it.
PRESSED = frozenset({"sos", "test"})
#: A time further than this from our clock is put on the incident in words.
IMPLAUSIBLE_MS = 120_000


class EventLane:
    """Decodes, de-duplicates and hands events to the event detector."""

    def __init__(self, links: DeviceLane | None = None) -> None:
        self._bank = EventBank()
        self._links = links
        self._pending: list[EventIn] = []
        self._home: list[HomeIn] = []
        self._findings: list[Detection] = []
        self._unknown: OrderedDict[str, SeenSequence] = OrderedDict()

    def take_event(
        self, device_id: str, device: Device | None, message: RawMessage, down_since_ms: int | None
    ) -> TelemetryError | None:
        """Take one message of the stream ``event``; what of it must go to the quarantine, if anything."""
        if message.flags & Flag.RETAIN:
            return TelemetryError(
                Reason.RETAINED, "the broker replayed it from its retain store; events are never retained"
            )
        event, refused = _read(message)
        if event is not None:
            self.take_decoded(device_id, device, event, message, down_since_ms, _contract(refused))
        return refused

    def overtaking(self, device_id: str, devices: Devices, message: RawMessage) -> list[Detection]:
        """What is found in a call for help whose turn has not come: later it is found again, under the same id.

        Nothing is remembered of it. Other events wait: an "I am OK" must not come before what it answers.
        """
        event, refused = _read(message)
        if message.flags & Flag.RETAIN or event is None:
            return []
        return self.overtaking_decoded(device_id, devices, event, message, _contract(refused))

    def overtaking_decoded(
        self, device_id: str, devices: Devices, event: Event, message: RawMessage, notes: dict[str, str]
    ) -> list[Detection]:
        """The same for an event that was read already, with ``notes`` as for :meth:`take_decoded`."""
        if message.flags & Flag.REPLAY or event.type.lower() not in RESCUED:
            return []
        heard = devices.by_id.get(device_id)
        offset_ms = 0 if heard is None else heard.clock.peek(event.boot).offset_ms
        owner = devices.owner(device_id)
        one = _event_in(device_id, owner, event, message, offset_ms, event.hist, notes)
        return self._bank.update([one], message.recv_ms)

    def take_decoded(
        self,
        device_id: str,
        device: Device | None,
        event: Event,
        message: RawMessage,
        down_since_ms: int | None,
        notes: dict[str, str],
    ) -> None:
        """Take an event that was read already; ``notes`` are words that go with its finding."""
        if not self._first_time(device_id, device, event) and not message.flags & Flag.REPLAY:
            return
        offset_ms = 0
        historical = event.hist or bool(message.flags & Flag.REPLAY)
        if device is not None and not message.flags & Flag.REPLAY:
            timing = device.clock.judge(
                boot=event.boot,
                t_ms=event.t,
                recv_ms=message.recv_ms,
                birth=False,
                hist=event.hist,
                down_since_ms=down_since_ms,
            )
            offset_ms = timing.offset_ms
            if self._links is not None:
                self._links.heard(device, Stream.EVENT, event, message.recv_ms, offset_ms, live=timing.live)
                if event.type.lower() in PRESSED:
                    self._links.pressed(device, message.recv_ms)
        self._pending.append(_event_in(device_id, device, event, message, offset_ms, historical, notes))

    def _first_time(self, device_id: str, device: Device | None, event: Event) -> bool:
        if device is not None:
            return device.first_time(Stream.EVENT, event.boot, event.seq)
        seen = self._unknown.setdefault(device_id, SeenSequence())
        self._unknown.move_to_end(device_id)
        if len(self._unknown) > UNKNOWN_KEPT:
            self._unknown.popitem(last=False)
        return seen.take(event.boot, event.seq)

    def take_home(self, device: Device, said: Home, recv_ms: int, offset_ms: int, *, historical: bool) -> None:
        """Take one home reading; the event detector knows which kinds are alarms."""
        self._home.append(
            HomeIn(
                device=device.id,
                person=device.person or None,
                message=said,
                recv_ms=recv_ms,
                offset_ms=offset_ms,
                historical=historical,
            )
        )

    def wrong_clock(self, device: Device, boot: int, t_ms: int, offset_ms: int, recv_ms: int) -> None:
        """A device finding, once per boot: its clock is wrong. It reaches no person's responders."""
        self._findings.append(
            Detection(
                id=detection_id(device.id, "device.clock", boot, 0),
                stage=Stage.CONFIRMED,
                device=device.id,
                person=device.person or None,
                detector="device.clock",
                version="1",
                kind="clock",
                onset_ms=t_ms + offset_ms,
                decided_ms=recv_ms,
                recv_ms=recv_ms,
                severity=Severity.INFO,
                score=1.0,
                features={"offset_s": offset_ms / 1000},
            )
        )

    def take(self, now_ms: int) -> list[Detection]:
        """The detections of what was taken since the last call."""
        pending, self._pending = self._pending, []
        home, self._home = self._home, []
        findings, self._findings = self._findings, []
        return [*self._bank.update(pending, now_ms), *self._bank.update_home(home, now_ms), *findings]

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint; nothing may be pending."""
        return {"unknown": {device: seen.state() for device, seen in self._unknown.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self._unknown = OrderedDict((device, SeenSequence(boots)) for device, boots in state["unknown"].items())


def _read(message: RawMessage) -> tuple[Event | None, TelemetryError | None]:
    """The event of a message, and what of it must go to the quarantine: of a broken call for help there is both."""
    try:
        return decode_event(message.payload), None
    except TelemetryError as error:
        rescued = rescue_event(message.payload, message.recv_ms)
        return rescued if rescued is not None and rescued.type.lower() in RESCUED else None, error


def _contract(refused: TelemetryError | None) -> dict[str, str]:
    return {} if refused is None else {"contract": refused.detail[:200]}


def _event_in(
    device_id: str, whose: Device | Owner | None, event: Event, message: RawMessage, offset_ms: int, historical: bool,
    notes: dict[str, str],
) -> EventIn:  # fmt: skip
    notes = dict(notes)
    if whose is None:
        notes["device"] = "unknown to the registry"
    behind_ms = message.recv_ms - event.t
    if abs(behind_ms) > IMPLAUSIBLE_MS:
        notes["time"] = f"the device says {event.t} (epoch ms), {behind_ms / 1000:+.0f} s before it was received"
        if offset_ms:
            notes["time"] += "; its clock is wrong and the time shown is ours"
    return EventIn(
        device=device_id,
        person=(whose.person or None) if whose else None,
        message=event,
        recv_ms=message.recv_ms,
        offset_ms=offset_ms,
        historical=historical,
        notes=notes,
    )
