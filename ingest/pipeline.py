"""From received messages to points and detections: the state machine of the processor, without a clock or a file.

The same messages in the same order from the same state give the same output, so the processor may be killed anywhere
and continue from its last checkpoint: what it emits again has the keys it had before.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from detectors.detection import Detection, Stage
from ingest.adapters.zigbee2mqtt import Zigbee2Mqtt
from ingest.backlog import Backlog
from ingest.banks import UNREADABLE
from ingest.block_feed import BlockFeed, Heard
from ingest.content import FRAMES_COMPARED, contents
from ingest.devices import Device, Devices, FallPoints, Owner
from ingest.events import EventLane
from ingest.express import Express
from ingest.hubs_ahead import HubsAhead
from ingest.lanes import Lanes
from ingest.motion_batches import Run
from ingest.motion_lane import MotionLanes, RowBank
from ingest.outage import Outage, down_since_ms
from ingest.readings import PointBuilder, RecentValues, home_value, status_values, vitals_values
from telemetry.blocks import RawBlock
from telemetry.codec import Motion, decode_home, decode_motion, decode_status, decode_vitals
from telemetry.errors import Reason, TelemetryError
from telemetry.messages import VITALS_NUMBERS, Event, Home, Message, Status
from telemetry.records import CONNECTED, OWN_PREFIX, Flag, PointBatch, RawMessage
from telemetry.topics import Stream, parse_topic
from telemetry.zigbee2mqtt.topics import Address

#: `area_state.devices_online` and the per-device link figures are written this often.
STATE_EVERY_MS = 60_000

_log = logging.getLogger(__name__)

_TAGS = ("device", "person", "area")
#: Nearly every message has the first of these, and to compare is ten times cheaper than to take flags apart.
_NONE, _KEPT = Flag.NONE, Flag.RETAIN | Flag.REPLAY


@dataclass(frozen=True, slots=True)
class Refused:
    """A message for the quarantine."""

    reason: Reason
    detail: str
    message: RawMessage
    device: str | None


@dataclass(slots=True)
class Output:
    """What a stretch of messages has yielded."""

    points: list[PointBatch] = field(default_factory=list)
    detections: list[Detection] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class Pipeline:
    """All per-device state between the journal and the store. One instance serves all devices of a process.

    Args:
        live: the fall detector of what happens now.
        historical: another one, for what devices send from their buffers.
        fall_points: the operating points of both for people who have none of their own.
        zigbee: reads the messages of Zigbee2MQTT hubs; None where there are none.
        lanes: which other detectors there are besides falls and events; None: none.
    """

    def __init__(
        self,
        live: RowBank,
        historical: RowBank,
        fall_points: FallPoints | None = None,
        *,
        zigbee: Zigbee2Mqtt | None = None,
        lanes: Lanes | None = None,
    ) -> None:
        self.lanes = lanes or Lanes(Devices())
        self.devices = self.lanes.devices
        self.counts: dict[str, int] = {"messages": 0, "duplicates": 0, "late": 0, "detections": 0, "points": 0}
        self.counts |= self.lanes.failed
        self._zigbee = zigbee
        if zigbee is not None:
            self.counts |= zigbee.counts
        self._motion = MotionLanes(live, historical, fall_points or FallPoints())
        self._by_column()
        self._served: list[Device] = []
        self._events = EventLane(self.lanes.links)
        self._recent = RecentValues()
        self._outage = Outage()
        self._next_state_ms = 0
        self._now_ms = 0
        self._out = Output()
        self._vitals = PointBuilder("vitals", _TAGS, (*VITALS_NUMBERS, "o2", "hist"), ("acvpu",))
        self._home = PointBuilder("home", (*_TAGS, "kind"), ("value",))
        self._findings = PointBuilder("device_finding", ("device", "area", "kind"), ("standing",))
        self._status = PointBuilder(
            "device",
            ("device", "area"),
            ("battery", "rssi", "lqi", "lag_ms", "seq_gap", "offset_ms", "online"),
            ("fw",),
        )

    def _by_column(self) -> None:
        """Nobody is known by column yet."""
        reported = self.lanes.links is not None
        self._express = Express(self._motion.order, reported=reported)
        self._backlog = Backlog(self._motion.order_of_history, self._express, reported=reported)
        self._blocks = BlockFeed(self.devices, self._express, self._backlog)

    def update_owners(self, owners: Mapping[str, Owner]) -> None:
        """Take a new state of the registry (by device id)."""
        for device in self.devices.update_owners(owners):
            self._backlog.leave(device)
            self._motion.adopt(device)
            self.lanes.adopt(device)
            self._express.enter(device)

    def feed(self, messages: Iterable[RawMessage]) -> None:
        """Take messages in the order of the journal. Their receive times are the clock.

        Nothing in a message can raise out of here: a defect of ours puts the message into the quarantine too.
        """
        for message in messages:
            self._now_ms = max(self._now_ms, message.recv_ms)
            self._feed_one(message, self.counts["messages"] + 1)

    def feed_records(self, records: Iterable[RawMessage | RawBlock]) -> None:
        """Take messages and blocks of them in the order of the journal, to the same effect as :meth:`feed`."""
        together: list[RawBlock] = []
        for record in records:
            block = record if isinstance(record, RawBlock) and _is_of_devices(record) else None
            if together and (block is None or self.lanes.is_due(record.recv_ms)):
                self._feed_together(together)
                together = []
            if block is None:
                self.feed(record.messages() if isinstance(record, RawBlock) else (record,))
                continue
            if self.lanes.is_due(record.recv_ms):
                self._now_ms = max(self._now_ms, record.recv_ms)
                self._listen(block.message(0))
            together.append(block)
        self._feed_together(together)

    def _feed_together(self, blocks: list[RawBlock]) -> None:
        if blocks:
            self._now_ms = self._blocks.take(blocks, self, self.counts["messages"] + 1, self._now_ms)

    def take_one(self, message: RawMessage, number: int, now_ms: int) -> None:
        """See :class:`ingest.block_feed.Taker`."""
        self._now_ms = now_ms
        self._feed_one(message, number)

    def take_run(self, run: Run, heard: Heard) -> None:
        """See :class:`ingest.block_feed.Taker`."""
        self.counts["messages"] += len(run.row)
        self._motion.take_run(run)
        if self.lanes.links is not None:
            self.lanes.links.heard_frames(heard, live=True)

    def take_buffered(self, run: Run, heard: Heard, *, historical: bool) -> None:
        """See :class:`ingest.block_feed.Taker`."""
        self.counts["messages"] += len(run.row)
        self.counts["late"] += len(run.row)
        self._motion.take_run(run, historical=historical)
        if self.lanes.links is not None:
            self.lanes.links.heard_frames(heard, live=False)

    def _feed_one(self, message: RawMessage, number: int) -> None:
        self.counts["messages"] += 1
        if self.lanes.links is not None:
            self.lanes.links.number = number
        own = message.topic.startswith(OWN_PREFIX)
        device_id: str | None = None
        try:
            if (own or self.lanes.is_due(message.recv_ms)) and not message.flags & Flag.REPLAY:
                self._listen(message)
            if own:
                self._own(message)
                return
            if self._zigbee is not None and (address := self._zigbee.address(message.topic)) is not None:
                self._adapt(self._zigbee, address, message)
                return
            device_id, stream = parse_topic(message.topic)
            self._take(device_id, stream, message)
        except TelemetryError as error:
            self._out.refused.append(Refused(error.reason, error.detail, message, device_id))
        except Exception as error:  # our own defect must neither stop the rest nor lose the message
            detail = f"{type(error).__name__}: {error}"
            self._out.refused.append(Refused(Reason.INTERNAL, detail, message, device_id))
        finally:
            for device in self._served:
                self._express.enter(device)
            self._served.clear()

    def _serve(self, device_id: str) -> Device | None:
        """The device as an object that says all there is to it, until the message is dealt with."""
        device = self.devices.find(device_id)
        if device is not None:
            self._backlog.leave(device)
            self._served.append(device)
        return device

    def overtake(self, message: RawMessage) -> list[Detection]:
        """What is found in a call for help whose turn has not come; nothing is changed by it. Never raises."""
        try:
            device_id, stream = parse_topic(message.topic)
            if stream is not Stream.EVENT:
                return []
            return self._events.overtaking(device_id, self.devices, message)
        except Exception:  # in its turn it goes to the quarantine, whatever is wrong with it or with us
            return []

    def hubs_ahead(self) -> HubsAhead | None:
        """The same for hubs, from here on; None where there are none."""
        if self._zigbee is None:
            return None
        return HubsAhead(self._zigbee.ahead(), copy.copy(self._outage), self._events, self.devices)

    def advance(self, now_ms: int | None = None) -> Output:
        """Run the detectors over what was fed and hand out everything that is due.

        Args:
            now_ms: our clock, given when no message has come for a while; never goes back.
        """
        self._now_ms = max(self._now_ms, now_ms or 0)
        detections, points = self._motion.advance(self._now_ms, self.devices)
        out, self._out = self._out, Output()
        out.detections.extend(detections)
        out.detections.extend(self._events.take(self._now_ms))
        out.points.extend(points)
        self.lanes.moved(points, self._now_ms)
        if self._now_ms >= self._next_state_ms:
            if self._next_state_ms:
                out.points.extend(self._device_state())
            self._next_state_ms = (self._now_ms // STATE_EVERY_MS + 1) * STATE_EVERY_MS
        self._note_findings(out.detections)
        out.points.extend(
            batch for b in (self._findings, self._vitals, self._home, self._status) if (batch := b.take()) is not None
        )
        self.counts |= self.lanes.failed
        if self._zigbee is not None:
            self.counts |= self._zigbee.counts
        self.counts["detections"] += len(out.detections)
        self.counts["points"] += sum(len(batch) for batch in out.points)
        return out

    def settle(self) -> None:
        """Write back to the devices what is known of them by column."""
        self._backlog.leave_all(self.devices.rows)

    def state(self) -> dict[str, Any]:
        """Everything that the future depends on, but for what is learnt of homes; call after :meth:`advance`."""
        return {name: part() for name, part in self.parts().items()}

    def parts(self) -> dict[str, Callable[[], Any]]:
        """What makes the parts of :meth:`state`: as a whole it takes as much memory as all else."""
        return {
            "lanes": self.lanes.state,
            "devices": self.devices.state,
            "express": self._express.state,
            "backlog": self._backlog.state,
            "motion": self._motion.state,
            "events": self._events.state,
            "recent": self._recent.state,
            "gateway": lambda: (self._outage.since_ms, self._outage.backlog_until_ms),
            "clock": lambda: (self._now_ms, self._next_state_ms),
            "zigbee": lambda: None if self._zigbee is None else self._zigbee.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`. A detector whose part cannot be read is new and says so in the log."""
        self.devices.restore(state["devices"])
        untouched = copy.deepcopy(self._motion)
        restored = True
        try:
            self._motion.restore(state["motion"], self.devices)
        except UNREADABLE as error:
            _log.error("processor: the state of the fall detector cannot be read (%s): it starts anew", error)
            self._motion, restored = untouched, False
        self._by_column()
        if restored:
            self._express.restore(state["express"])
            self._backlog.restore(state["backlog"])
        self.lanes.restore(state["lanes"])
        self._events.restore(state["events"])
        self._recent.restore(state["recent"])
        self._outage = Outage(*state["gateway"])
        self._now_ms, self._next_state_ms = state["clock"]
        if self._zigbee is not None and state["zigbee"] is not None:
            self._zigbee.restore(state["zigbee"])

    def _own(self, message: RawMessage) -> None:
        if message.topic == CONNECTED:
            self._outage.over(message)

    def _listen(self, message: RawMessage) -> None:
        """The journal has come to another second: the lanes decide on what came before it.

        Their time is what was listened to. While nobody listened it stands still, and then nothing was silent.
        """
        if message.topic == CONNECTED:
            since_ms = down_since_ms(message)
            self._out.detections += self.lanes.missed(
                message.recv_ms if since_ms is None else since_ms, message.recv_ms
            )
        detections, points = self.lanes.step(message.recv_ms)
        self._out.detections += detections
        self._out.points += points

    def _take(self, device_id: str, stream: Stream, message: RawMessage) -> None:
        device = self._serve(device_id)
        if device is not None:
            self._blocks.know(message.topic, device.row, stream)
        if stream is Stream.EVENT:
            refused = self._events.take_event(device_id, device, message, self._outage.of(message.recv_ms))
            if refused is not None:
                self._out.refused.append(Refused(refused.reason, refused.detail, message, device_id))
        elif device is None:
            raise TelemetryError(Reason.UNKNOWN_DEVICE, f"the registry has no device {device_id!r}")
        elif stream is Stream.MOTION:
            self._take_motion(device, message)
        elif stream is Stream.VITALS:
            self._take_vitals(device, message)
        elif stream is Stream.HOME:
            self._take_home(device, decode_home(message.payload), message)
        else:
            self._take_status(device, decode_status(message.payload), message)
        if device is not None:
            self._heard(device, stream, message)

    def _heard(self, device: Device, stream: Stream, message: RawMessage) -> None:
        if message.flags is _NONE or not message.flags & _KEPT:
            device.heard(message.recv_ms)
            if stream is not Stream.STATUS:
                device.says(online=True)

    def _adapt(self, zigbee: Zigbee2Mqtt, address: Address, message: RawMessage) -> None:
        """Take what a hub's message amounts to as if the devices had sent it; the message as it came is kept once."""
        down_since_ms = self._outage.of(message.recv_ms)
        adapted = zigbee.take(
            address,
            message,
            self.devices.owner,
            down_since_ms=self._outage.since_ms,
            backlog=down_since_ms is not None,
        )
        refused = adapted.refused
        # of what the broker has kept an adapter tells only what is the case now
        message_now = message._replace(flags=message.flags & ~Flag.RETAIN)
        for told in adapted.told:
            device = self._serve(told.device)
            try:
                if isinstance(told.said, Event):
                    self._events.take_decoded(told.device, device, told.said, message, down_since_ms, told.notes)
                elif device is None:
                    raise TelemetryError(Reason.UNKNOWN_DEVICE, f"the registry has no device {told.device!r}")
                elif isinstance(told.said, Home):
                    self._take_home(device, told.said, message_now, message)
                else:
                    self._take_status(device, told.said, message_now, message)
            except TelemetryError as error:
                refused = error
        speaker = self._serve(adapted.heard) if adapted.heard is not None else None
        if speaker is not None:
            self._heard(speaker, Stream.HOME, message)
        if refused is not None:
            self._out.refused.append(Refused(refused.reason, refused.detail, message, adapted.device))

    def _timing(
        self, device: Device, stream: Stream, said: Message | Motion, message: RawMessage, *,
        birth: bool = False, of_hub: RawMessage | None = None,
    ) -> tuple[bool, int]:  # fmt: skip
        """``(live, offset_ms)`` of a decoded message, ``of_hub`` as it came where an adapter made it."""
        if message.flags is not _NONE and message.flags & _KEPT:
            return False, device.clock.peek(said.boot).offset_ms
        down_since_ms = self._outage.of(message.recv_ms)
        verdict = device.clock.judge(
            boot=said.boot,
            t_ms=said.t,
            recv_ms=message.recv_ms,
            birth=birth,
            hist=said.hist,
            down_since_ms=down_since_ms,
        )
        # what waited at the broker for us was said live, and is heard as soon as it can be
        waited = down_since_ms is not None and not said.hist and said.t + verdict.offset_ms >= down_since_ms
        new = of_hub is None or not of_hub.flags & Flag.RETAIN
        if new and (verdict.live or waited):
            self.lanes.present(device)
        links = self.lanes.links
        if links is not None:
            if new:
                links.heard(
                    device, stream, said, message.recv_ms, verdict.offset_ms, live=verdict.live, counted=of_hub is None
                )
        elif verdict.offset_ms and device.clock_boot != said.boot:
            device.clock_boot = said.boot
            self._events.wrong_clock(device, said.boot, said.t, verdict.offset_ms, message.recv_ms)
        return verdict.live, verdict.offset_ms

    def _first(self, device: Device, stream: Stream, said: Any, message: RawMessage) -> bool:
        if device.first_time(stream, said.boot, said.seq) or message.flags & Flag.REPLAY:
            return True
        self.counts["duplicates"] += 1
        return False

    def _take_motion(self, device: Device, message: RawMessage) -> None:
        motion = decode_motion(message.payload)
        if not self._first(device, Stream.MOTION, motion, message):
            return
        live, offset_ms = self._timing(device, Stream.MOTION, motion, message)
        if motion.idle_until is not None and live:
            self.lanes.rests(device, message.recv_ms, motion.t + offset_ms, motion.idle_until + offset_ms)
        content = int(contents(motion.acc[None])[0])
        for t_ms, stored in device.recent_frames:
            if t_ms == motion.t:
                if stored == content:
                    self.counts["duplicates"] += 1
                    return
                raise TelemetryError(Reason.CONFLICT, f"another motion frame is stored for {motion.t}")
        device.recent_frames.append((motion.t, content))
        if len(device.recent_frames) > FRAMES_COMPARED:
            del device.recent_frames[0]
        if not live:
            self.counts["late"] += 1
        # by our clock: what is put back from the quarantine arrived long ago, and no device fell silent since
        self._motion.take(device, motion, self._now_ms, offset_ms, live=live)

    def _take_vitals(self, device: Device, message: RawMessage) -> None:
        said = decode_vitals(message.payload)
        if not self._first(device, Stream.VITALS, said, message):
            return
        live, offset_ms = self._timing(device, Stream.VITALS, said, message)
        values = vitals_values(said)
        if not values:
            raise TelemetryError(Reason.INVALID, "no parameter in it: any of hr, spo2, rr, temp, sbp, dbp ...")
        t_ms = said.t + offset_ms
        if self._recent.check((device.id, "vitals"), t_ms, values, self._now_ms):
            if self.lanes.vitals is not None:
                self.lanes.vitals.take(device, dict(values), t_ms, message.recv_ms, live=live)
            values["hist"] = 0.0 if live else 1.0
            self._vitals.add(t_ms, (device.id, device.person, device.area), values)

    def _take_home(self, device: Device, said: Home, message: RawMessage, of_hub: RawMessage | None = None) -> None:
        if not self._first(device, Stream.HOME, said, message):
            return
        live, offset_ms = self._timing(device, Stream.HOME, said, message, of_hub=of_hub)
        value = home_value(said)
        t_ms = said.t + offset_ms
        if self._recent.check((device.id, "home", said.kind), t_ms, value, self._now_ms):
            self._home.add(t_ms, (device.id, device.person, device.area, said.kind), {"value": value})
            self._events.take_home(device, said, message.recv_ms, offset_ms, historical=not live)
            if not (of_hub or message).flags & _KEPT:  # what was kept moved nobody
                self.lanes.home(device, said, value, t_ms, message.recv_ms, live=live)

    def _take_status(self, device: Device, said: Status, message: RawMessage, of_hub: RawMessage | None = None) -> None:
        retained = bool(message.flags & Flag.RETAIN)
        if not self._first(device, Stream.STATUS, said, message) and said.online:
            return  # a will has the boot and seq of the birth that left it, so a death is never a repetition
        offset_ms, lag_ms = device.clock.peek(said.boot).offset_ms, None
        if said.online:
            _, offset_ms = self._timing(device, Stream.STATUS, said, message, birth=not retained, of_hub=of_hub)
            lag_ms = None if retained else message.recv_ms - said.t - offset_ms
        if not retained:
            device.says(online=said.online)
            if not message.flags & Flag.REPLAY:
                self.lanes.status(device, said, message.recv_ms)
        if said.heartbeat_s is not None:
            device.promises(said.heartbeat_s)
        if said.placement is not None and self.devices.said_placement(device, said.placement):
            self._motion.adopt(device)
        # the t of a will was written when the device connected; its death is known only by our clock
        t_ms = said.t + offset_ms if said.online else message.recv_ms
        self._status.add(t_ms, (device.id, device.area), status_values(said, lag_ms=lag_ms, offset_ms=offset_ms))

    def _note_findings(self, detections: Iterable[Detection]) -> None:
        """Findings about devices as points: nobody is called for them, and somebody may look."""
        for one in detections:
            if one.detector.startswith("device.") and one.stage in (Stage.CONFIRMED, Stage.FOLLOW_UP):
                device = self.devices.by_id.get(one.device)
                area = one.notes.get("area", "") if device is None else device.area
                standing = 1.0 if one.stage is Stage.CONFIRMED else 0.0
                self._findings.add(one.decided_ms, (one.device, area, one.kind), {"standing": standing})

    def _device_state(self) -> list[PointBatch]:
        builder = PointBuilder("area_state", ("area",), ("devices_online",))
        at_ms = self._next_state_ms
        for area, online in sorted(self.devices.online_by_area(self._now_ms).items()):
            builder.add(at_ms, (area,), {"devices_online": online})
        for device in self.devices.rows:
            motion = device.seen.get(Stream.MOTION)
            if device.registered and motion is not None:
                gaps = motion.newest_gaps()
                if gaps:  # ordinary frames leave none, and those there were lie further back by them
                    self._backlog.leave(device)
                    gaps = motion.newest_gaps()
                    self._express.enter(device)
                self._status.add(at_ms, (device.id, device.area), {"seq_gap": gaps})
        batch = builder.take()
        return [] if batch is None else [batch]


def _is_of_devices(block: RawBlock) -> bool:
    """Whether neither a message of our own nor one put back from the quarantine is in it."""
    if not len(block):
        return False
    if block.flags.tobytes().strip(b"\0") and (block.flags & Flag.REPLAY).any():
        return False
    first = block.topic_start
    return int(first[-1]) < len(block.data) and OWN_PREFIX[0] not in block.data[first].tobytes()
