"""One message of a Zigbee device: whose it is, what is new in it, and whether somebody calls for help."""

from __future__ import annotations

import hashlib
from typing import Any

from ingest.adapters.memory import Memory, digest_of
from ingest.adapters.network import Network, OwnerOf
from ingest.adapters.told import BOOT, Adapted, Told, seq_of, status_of
from ingest.devices import Owner
from telemetry.errors import Reason, TelemetryError
from telemetry.messages import Event, Home
from telemetry.records import Flag, RawMessage
from telemetry.topics import Stream
from telemetry.zigbee2mqtt.bridge import decode_online, is_ieee
from telemetry.zigbee2mqtt.report import FALL, Report, decode_report, is_press
from telemetry.zigbee2mqtt.topics import Address

#: Battery and link quality are told this often, a changed battery at once.
STATUS_EVERY_MS = 600_000
#: After a (re)connection a hub sends what it has cached and, 2 s later, what it had published with retain.
REPEATS_MS = 10_000
#: An action comes again under ``<name>/action``, even twice, where Home Assistant is served or attributes are sent.
ECHO_MS = 5_000
#: Where no object is sent at all, these two are that close together.
TWIN_MS = 1_000
#: The kinds of registered device whose every press is a call for help, and whose presence is a bed's.
CALL_BUTTON, BED = "button", "bed"
#: Names of a hub whose availability came before its list of devices.
_WAITING_KEPT = 1_000
_FALL_SAID = "the radar says so"


class DeviceMessage:
    """One message on its way; see :meth:`ingest.adapters.zigbee2mqtt.Zigbee2Mqtt.take`."""

    def __init__(
        self,
        network: Network,
        address: Address,
        message: RawMessage,
        owner_of: OwnerOf,
        down_since_ms: int | None,
        *,
        backlog: bool,
    ) -> None:
        self._network, self._address, self._message = network, address, message
        self._hub = network.hub(address.hub)
        self._owner_of, self._down_since_ms, self._backlog = owner_of, down_since_ms, backlog
        self._part = 0

    def adapt(self) -> Adapted:
        """What it amounts to. Raises TelemetryError where nothing of it can be taken."""
        path = self._address.path
        ieee = self._device_named(path)
        if ieee is not None:
            return self._report(ieee)
        name, _, last = path.rpartition("/")
        if path in self._hub.groups or _is_order(path):
            return self._ignored()
        ieee = self._device_named(name)
        if ieee is not None:
            return self._availability(ieee) if last == "availability" else self._attribute(ieee, last)
        if name in self._hub.groups:
            return self._ignored()
        if last == "availability":  # the list of devices may come after it
            if len(self._hub.waiting) < _WAITING_KEPT:
                self._hub.waiting[name] = decode_online(self._message.payload)
            return self._ignored()
        if last == "action" and not self._message.payload.lstrip().startswith(b"{"):
            return self._attribute(self._stranger(name), last)
        return self._report(None)

    # ---- which device

    def _device_named(self, name: str) -> str | None:
        return self._hub.names.get(name) or (name if is_ieee(name) else None)

    def _stranger(self, name: str) -> str:
        """An id for a name that no list of devices has: the same for the same name of the same hub."""
        return "z2m." + hashlib.blake2b(f"{self._address.hub}/{name}".encode(), digest_size=8).hexdigest()

    # ---- what was said

    def _report(self, ieee: str | None) -> Adapted:
        report = decode_report(self._message.payload)
        device = ieee or report.ieee or self._stranger(self._address.path)
        owner = self._owner_of(device)
        adapted = Adapted(device=device)
        if report.problems:
            adapted.refused = TelemetryError(Reason.INVALID, "; ".join(report.problems))
        rival = self._network.rival(device, self._address.hub)
        if rival is None:
            memory = self._network.memory(device, registered=owner is not None)
        else:
            memory = self._network.memory(f"{device} {self._address.hub}", registered=False)
        if self._stale(memory, report, owner, adapted):
            return adapted
        call = self._call(report, memory, owner)
        fall = (report.fall or "") if self._replayed else memory.take_fall(report)
        if owner is None or rival is not None:
            if call:
                adapted.told.append(self._event(device, report, memory, "sos", call))
            elif fall == FALL:
                adapted.told.append(self._event(device, report, memory, FALL, _FALL_SAID))
            if owner is None and (report.used or call):
                adapted.refused = TelemetryError(Reason.UNKNOWN_DEVICE, self._who(device))
            elif owner is None:
                self._ignored()
            else:
                detail = f"{device} is in the list of devices of {rival} too: remove it there"
                adapted.refused = TelemetryError(Reason.CONFLICT, detail)
            return adapted
        adapted.heard = device
        if call:
            adapted.told.append(self._event(device, report, memory, "sos", call))
        if fall:
            adapted.told.append(self._event(device, report, memory, fall, _FALL_SAID))
        adapted.told += self._status(device, report, memory)
        adapted.told += self._readings(device, report, memory, owner)
        if not report.used:
            self._network.counts["zigbee2mqtt_ignored"] += 1
        return adapted

    def _stale(self, memory: Memory, report: Report, owner: Owner | None, adapted: Adapted) -> bool:
        """Whether this says nothing about now: the broker or the hub repeats what was said before."""
        message, counts = self._message, self._network.counts
        digest = digest_of(message)
        if self._replayed:
            return False
        call_button = owner is not None and owner.kind == CALL_BUTTON
        if message.flags & Flag.RETAIN:
            counts["zigbee2mqtt_retained"] += 1
            memory.retained = True
            if report.action:
                memory.action_digest = digest
            if report.is_alarm or is_press(report.action, call_button=call_button):
                adapted.refused = TelemetryError(
                    Reason.RETAINED, "an alarm that the broker has kept: set `retain: false` for this device"
                )
            return True
        if message.flags & Flag.DUP and memory.sent_again(message, self._down_since_ms):
            counts["zigbee2mqtt_repeated"] += 1
            return True
        if memory.retained and report.action and digest == memory.action_digest and self._hub_repeats:
            counts["zigbee2mqtt_repeated"] += 1
            adapted.refused = TelemetryError(
                Reason.RETAINED, "an action that the hub published again after it reconnected: set `retain: false`"
            )
            return True
        memory.note(message)
        if report.action:
            memory.action_digest = digest
        return False

    def _call(self, report: Report, memory: Memory, owner: Owner | None) -> str:
        """Why this is a call for help, in words; "" where it is none."""
        call_button = owner is not None and owner.kind == CALL_BUTTON
        if self._replayed:
            set_now = bool(report.calls)
        else:
            set_now = memory.take_calls(report, self._message.recv_ms, repeats=self._hub_repeats)
        if is_press(report.action, call_button=call_button):
            if not self._replayed:
                memory.echo_action, memory.echo_until_ms = report.action, self._message.recv_ms + ECHO_MS
            return f"action {report.action}"
        return "the call attribute is set" if set_now else ""

    def _status(self, device: str, report: Report, memory: Memory) -> list[Told]:
        message = self._message
        if self._replayed:
            return []
        changed = report.battery_pct is not None and report.battery_pct != memory.battery_pct
        changed |= memory.online is False
        memory.online = True
        if memory.available is False:
            memory.available = None
        if memory.status_ms and not changed and message.recv_ms - memory.status_ms < STATUS_EVERY_MS:
            return []
        if report.battery_pct is not None:
            memory.battery_pct = report.battery_pct
        memory.status_ms = message.recv_ms
        said = status_of(
            message, self._next_part(), online=True, battery_pct=memory.battery_pct, link_quality=report.link_quality
        )
        return [Told(device, Stream.STATUS, said)]

    def _readings(self, device: str, report: Report, memory: Memory, owner: Owner) -> list[Told]:
        changed = report.readings if self._replayed else memory.take_readings(report)
        said = [(kind, value) for kind, value in changed.items()] + [(kind, True) for kind in report.pulses]
        in_bed = owner.kind == BED or device in self._hub.beds
        told = []
        for kind, value in said:
            if kind == "presence" and in_bed and BED not in report.readings:
                kind = BED
            home = Home(**self._head(report, memory), kind=kind, value=value)
            told.append(Told(device, Stream.HOME, home))
        return told

    def _availability(self, ieee: str) -> Adapted:
        available = decode_online(self._message.payload)
        if self._owner_of(ieee) is None or self._replayed:
            return self._ignored()
        memory = self._network.memory(ieee, registered=True)
        memory.available = available
        told = self._network.availability(ieee, self._hub, memory, self._message)
        return Adapted(told=told, heard=ieee if available else None, device=ieee)

    def _attribute(self, device: str, name: str) -> Adapted:
        """An attribute under a topic of its own: the object has it too, except where a hub is told to send no object.

        Only a call for help is taken from there, and not a second time.
        """
        action = self._message.payload.decode("utf-8", errors="replace").strip().lower()[:64]
        owner = self._owner_of(device)
        call_button = owner is not None and owner.kind == CALL_BUTTON
        if name != "action" or not is_press(action, call_button=call_button):
            return self._ignored()
        memory = self._network.memory(device, registered=owner is not None)
        report = Report(action=action, used=1)
        adapted = Adapted(device=device)
        if self._stale(memory, report, owner, adapted):
            return adapted
        if not self._replayed:
            if memory.echo_action == action and self._message.recv_ms <= memory.echo_until_ms:
                return self._ignored()
            memory.echo_action, memory.echo_until_ms = action, self._message.recv_ms + TWIN_MS
        adapted.told.append(self._event(device, report, memory, "sos", f"action {action}"))
        if owner is None:
            adapted.refused = TelemetryError(Reason.UNKNOWN_DEVICE, self._who(device))
        else:
            adapted.heard = device
        return adapted

    def _ignored(self) -> Adapted:
        self._network.counts["zigbee2mqtt_ignored"] += 1
        return Adapted()

    # ---- as the wire contract has it

    def _event(self, device: str, report: Report, memory: Memory, kind: str, why: str) -> Told:
        notes = {"zigbee2mqtt": f"{self._address.hub}/{self._address.path}: {why}"[:200]}
        if self._backlog and report.last_seen_ms is None and self._down_since_ms is not None:
            waited_s = max(self._message.recv_ms - self._down_since_ms, 0) / 1000
            notes["sent"] = f"it may have waited at the broker for up to {waited_s:.0f} s"
        return Told(device, Stream.EVENT, Event(**self._head(report, memory), type=kind), notes)

    def _head(self, report: Report, memory: Memory) -> dict[str, Any]:
        recv_ms, t_ms = self._message.recv_ms, self._message.recv_ms
        waited = self._backlog and self._down_since_ms is not None
        if waited and report.last_seen_ms is not None and (self._down_since_ms or 0) <= report.last_seen_ms <= recv_ms:
            t_ms = report.last_seen_ms
        later_ms = 0 if self._replayed else memory.instant(t_ms) - t_ms
        seq = seq_of(self._message, self._next_part(), later_ms)
        return {"t": t_ms + later_ms, "boot": BOOT, "seq": seq}

    def _next_part(self) -> int:
        self._part += 1
        return self._part - 1

    def _who(self, device: str) -> str:
        where = f"{self._address.hub}/{self._address.path}"
        if is_ieee(device):
            return f"the registry has no device {device!r} ({where})"
        return f"no list of devices has the name of {where}: its id would be {device!r}"

    @property
    def _replayed(self) -> bool:
        return bool(self._message.flags & Flag.REPLAY)

    @property
    def _hub_repeats(self) -> bool:
        return 0 <= self._message.recv_ms - self._hub.online_ms <= REPEATS_MS


def _is_order(path: str) -> bool:
    """Whether somebody told a device something, under ``<name>/set``, ``<name>/get`` or ``<name>/set/<attribute>``."""
    return any(word in ("set", "get") for word in path.split("/")[-2:])
