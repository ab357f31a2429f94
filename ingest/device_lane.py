"""What every message says beside its content, on its way to the bank that looks after links, batteries and clocks."""

from __future__ import annotations

from array import array
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Detection
from detectors.device.batch import (
    Heard as HeardStream,
)
from detectors.device.batch import (
    LinkBatch,
    Messages,
    Presses,
    Readings,
    Rests,
    Sense,
    Statuses,
    Wears,
    nothing,
)
from detectors.device.link import STEP_MS, DeviceBank
from detectors.device.link_parameters import LinkParameters
from ingest.banks import restored
from ingest.block_feed import Heard
from ingest.devices import Device, Devices
from ingest.memory import in_passing
from telemetry.codec import Motion
from telemetry.messages import Message, Status
from telemetry.records import PointBatch
from telemetry.topics import Stream

_HEARD = {
    Stream.MOTION: int(HeardStream.MOTION),
    Stream.VITALS: int(HeardStream.VITALS),
    Stream.HOME: int(HeardStream.HOME),
    Stream.EVENT: int(HeardStream.EVENT),
    Stream.STATUS: int(HeardStream.STATUS),
}
_SENSE = {sense.name.lower(): int(sense) for sense in Sense}
#: A ten-second summary older than this when it is made is of motion that came late.
_LATE_MS = 120_000
_WINDOW_MS = 10_000
_NS_PER_MS = 1_000_000
#: Columns of each kind of record; the first is when it came, the second the device's row.
_WIDTH = {"messages": 9, "statuses": 5, "rests": 3, "presses": 2, "wears": 3, "readings": 4}
_NO_NUMBER = -(1 << 40)
#: Charge and heartbeat are kept in thousandths.
_MILLI = 1000


class DeviceLane:
    """Gathers what is told of devices, a second at a time. Rows in the bank are those of :class:`Devices`.

    Args:
        devices: all that have spoken.
        parameters: the thresholds.
    """

    def __init__(self, devices: Devices, parameters: LinkParameters | None = None) -> None:
        self._devices = devices
        self._parameters = parameters
        self._bank = DeviceBank(parameters)
        self._held = {name: array("q") for name in _WIDTH}
        self._messages = self._held["messages"]
        self._stepped_ms = 0
        #: Of the message that is being taken, in the order of arrival.
        self.number = 0

    def adopt(self, device: Device) -> None:
        """Something about the device is new."""
        if device.row < len(self._bank):
            self._place(device)

    def heard(
        self, device: Device, stream: Stream, said: Message | Motion, recv_ms: int, offset_ms: int, *, live: bool,
        counted: bool = True,
    ) -> None:  # fmt: skip
        """One message that was neither retained nor a will nor heard before.

        Args:
            device: whose.
            stream: of it.
            said: the message.
            recv_ms: when it came.
            offset_ms: what is added to its time for our clock.
            live: False for what a buffer or the broker had kept.
            counted: False where its sequence numbers do not count messages.
        """
        if device.row >= len(self._bank):
            self._know(device.row)
        # an unchanging number is a sequence in which nothing is ever missing
        seq = said.seq if counted else 0
        self._messages.extend(
            (recv_ms, device.row, _HEARD[stream], said.t, seq, said.boot, offset_ms, live, self.number)
        )

    def heard_frames(self, heard: Heard, *, live: bool) -> None:
        """Many frames of motion, all of them live or none."""
        most = int(heard.row.max())
        if most >= len(self._bank):
            self._know(most)
        every = np.ones(len(heard.row), np.int64)
        columns = (
            heard.recv_ms, heard.row, every * _HEARD[Stream.MOTION], heard.t_ms, heard.seq, heard.boot,
            heard.offset_ms, every * live, heard.number,
        )  # fmt: skip
        records = np.stack(columns, axis=1)
        self._messages.frombytes(records.tobytes())

    def status(self, device: Device, said: Status, recv_ms: int) -> None:
        """A status message, or a will."""
        self._know(device.row)
        battery = _NO_NUMBER if said.battery is None else round(said.battery * _MILLI)
        heartbeat = _NO_NUMBER if said.heartbeat_s is None else round(said.heartbeat_s * _MILLI)
        self._held["statuses"].extend((recv_ms, device.row, said.online, battery, heartbeat))

    def rests(self, device: Device, recv_ms: int, until_ms: int) -> None:
        """The device has announced a rest."""
        self._know(device.row)
        self._held["rests"].extend((recv_ms, device.row, until_ms))

    def pressed(self, device: Device, recv_ms: int) -> None:
        """Somebody has called for help with it, or tried it."""
        self._know(device.row)
        self._held["presses"].extend((recv_ms, device.row))

    def reading(self, device: Device, kind: str, raised: bool, recv_ms: int) -> None:
        """A live reading of a home sensor that knows two states; of other kinds nothing is made."""
        sense = _SENSE.get(kind)
        if sense is not None:
            self._know(device.row)
            self._held["readings"].extend((recv_ms, device.row, sense, raised))

    def worn(self, motion: PointBatch, now_ms: int) -> None:
        """Ten-second points of motion. Those of motion that came late say nothing of now."""
        end_ms = motion.t_ns // _NS_PER_MS + _WINDOW_MS
        recent = np.flatnonzero(now_ms - end_ms <= _LATE_MS)
        if not len(recent):
            return
        by_id = self._devices.by_id
        rows = np.array([by_id[motion.tags["device"][at]].row for at in recent.tolist()], np.int64)
        self._know(int(rows.max()))
        records = np.column_stack([end_ms[recent], rows, np.asarray(motion.fields["worn"])[recent] > 0])
        self._held["wears"].frombytes(np.ascontiguousarray(records, np.int64).tobytes())

    def missed(self, since_ms: int, until_ms: int) -> list[Detection]:
        """Nobody listened between the two. What was found before that."""
        found = self.step(since_ms) if len(self) else []
        self._bank.missed(since_ms, until_ms)
        return found

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    def step(self, now_ms: int) -> list[Detection]:
        """What the bank finds; everything that came before ``now_ms`` was taken."""
        batch = self._batch() if len(self) else None
        decides = now_ms // STEP_MS != self._stepped_ms // STEP_MS
        self._stepped_ms = now_ms
        with in_passing() if decides else nullcontext():  # on all that came in ten seconds
            return self._bank.update(batch, now_ms)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        held = {name: self._in_order(name) for name in self._held}
        held["messages"][:, -1] = 0  # before all that will come
        return {"bank": self._bank.state(), "held": {name: records.tobytes() for name, records in held.items()}}

    def restore(self, state: dict[str, Any] | None) -> None:
        """From a checkpoint; a bank that cannot be read learns anew."""
        if state is None:
            return
        self._bank = restored(lambda: DeviceBank(self._parameters), state, self._bank, "devices")
        for name, held in state["held"].items():
            self._held[name].frombytes(held)

    def _know(self, row: int) -> None:
        for device in self._devices.rows[len(self._bank) : row + 1]:
            self._place(device)

    def _place(self, device: Device) -> None:
        row = self._bank.add(
            device.id, placement=device.placement, person=device.person or None, area=device.area, kind=device.kind,
            watched=device.registered,
        )  # fmt: skip
        assert row == device.row, f"row {row} in the bank, {device.row} of {device.id}"

    def _batch(self) -> LinkBatch:
        m, s = self._take("messages"), self._take("statuses")
        r, p, w, h = (self._take(name) for name in ("rests", "presses", "wears", "readings"))
        w = w[:, np.argsort(w[0], kind="stable")]
        return LinkBatch(
            Messages(m[0], m[1], m[2].astype(np.uint8), m[3], m[4], m[5], m[6], m[7] != 0)
            if m.size
            else nothing(Messages),
            Statuses(s[0], s[1], s[2] != 0, _number(s[3]), _number(s[4])) if s.size else nothing(Statuses),
            Rests(r[0], r[1], r[2]) if r.size else nothing(Rests),
            Presses(p[0], p[1]) if p.size else nothing(Presses),
            Wears(w[0], w[1], w[2] != 0) if w.size else nothing(Wears),
            Readings(h[0], h[1], h[2].astype(np.uint8), h[3] != 0) if h.size else nothing(Readings),
        )

    def _take(self, name: str) -> NDArray[np.int64]:
        """``(columns, m)`` of what was gathered."""
        records = self._in_order(name)
        del self._held[name][:]
        return np.ascontiguousarray(records.T)

    def _in_order(self, name: str) -> NDArray[np.int64]:
        """``(m, columns)``, a copy, as they arrived: ordinary frames are taken before what came between them."""
        records = np.array(self._held[name], np.int64).reshape(-1, _WIDTH[name])
        if name == "messages" and (records[1:, -1] < records[:-1, -1]).any():
            records = records[np.argsort(records[:, -1], kind="stable")]
        return records


def _number(milli: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(milli == _NO_NUMBER, np.nan, milli / _MILLI)
