"""Links, batteries, clocks and use of many devices: findings about devices, never about the people who have them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Detection, Stage, detection_id
from detectors.device.area import NO_ROW
from detectors.device.batch import LinkBatch, Messages
from detectors.device.battery import Batteries
from detectors.device.clock import WINDOW_MS, Clocks
from detectors.device.columns import Finding, Touched
from detectors.device.delivery import Delivery
from detectors.device.held import Held
from detectors.device.link_parameters import LinkParameters
from detectors.device.sentences import told
from detectors.device.silence import Silence
from detectors.device.stuck import HomeSensors
from detectors.device.use import Use
from detectors.device.wearer import Wearers
from detectors.errors import DetectorError
from detectors.parameters import params_hash

DETECTOR = "device.link"
VERSION = "1"
STATE_FORMAT = 3
#: The device of a finding about an area: a name that no device can have.
AREA_DEVICE = "$area"
#: Decisions fall on multiples of this, so that they do not depend on how messages were cut into batches.
STEP_MS = 10_000
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
#: Without a message from any device, time does not go on by more: a clock of ours was set, or nobody was listening.
_FAR_MS = 2 * _DAY_MS


class _Device(NamedTuple):
    name: str
    person: str | None
    area: str
    kind: str
    watched: bool


class DeviceBank:
    """Looks after many devices by what their messages say beside their content.

    Kinds: ``offline``, ``area_offline``, ``messages_lost``, ``reconnects``, ``battery_low``, ``clock``,
    ``clock_drift``, ``not_worn``, ``test_overdue``, ``sensor_stuck``, ``other_wearer``. Each is *confirmed* once and
    has a *follow-up* with the note ``state`` = over under the same id, made of device, kind and onset. ``features``
    hold the values and, under names that begin with ``limit_``, what they were held against; the notes ``text``,
    ``en`` and ``zh`` say it in words (:mod:`detectors.device.sentences`). Instants are ours, ``now_ms`` is until when
    messages have been listened for: with the gateway away it stands still, and nobody is silent.

    A finding about an area has the device :data:`AREA_DEVICE` and the notes ``area`` (dotted path) and, for a home,
    ``home`` (pseudonymous key of the person).

    Args:
        parameters: the thresholds.
    """

    def __init__(self, parameters: LinkParameters | None = None) -> None:
        self.parameters = parameters or LinkParameters()
        self.params_hash = params_hash(self.parameters)
        self._devices: list[_Device] = []
        self._rows: dict[str, int] = {}
        p = self.parameters
        self._silence = Silence(p.silence, p.area)
        self._delivery = Delivery(p.delivery)
        self._batteries = Batteries(p.battery)
        self._clocks = Clocks(p.clock)
        self._use = Use(p.use)
        self._sensors = HomeSensors(p.sensor)
        self._wearers = Wearers(p.wearer)
        self._found: list[Finding] = []
        self._held = Held()  # of the step that begins at
        self._held_ms = 0
        self._decided_ms = 0  # everything before is decided; 0 before the first batch
        self._now_ms = 0
        self._wake_ms = 0

    def __len__(self) -> int:
        return len(self._devices)

    def add(
        self, device: str, *, placement: str = "", person: str | None, area: str = "", kind: str = "",
        watched: bool = True,
    ) -> int:  # fmt: skip
        """The row of a device, made when it is new; a known one takes over what is given.

        Args:
            device: its id.
            placement: where it is worn; does not matter here.
            person: pseudonymous key, None where nobody has it.
            area: dotted path.
            kind: of the registry (wearable, button, hub, ...); the first two are to be tested weekly.
            watched: False for a device that the registry does not have any more.
        """
        del placement
        row = self._rows.setdefault(device, len(self._devices))
        entry = _Device(device, person, area, kind, watched)
        if row == len(self._devices):
            self._devices.append(entry)
        elif self._devices[row] == entry:
            return row
        before = self._devices[row]
        self._devices[row] = entry
        self._place(row, anew=before.person != person)
        return row

    def _place(self, row: int, *, anew: bool) -> None:
        one = self._devices[row]
        for columns in (self._delivery.columns, self._clocks.columns, self._use.columns):
            columns.reserve(row + 1)
        assigned = one.watched and one.person is not None
        self._silence.add(row, area=one.area, person=one.person, watched=one.watched)
        self._batteries.assign(row, kind=one.kind)
        self._use.assign(row, kind=one.kind, assigned=assigned, anew=anew)
        self._wearers.assign(row, assigned=assigned, anew=anew)
        self._sensors.place(row, self._silence.areas.tree.of_row[row] if assigned else None)
        self._wake_ms = 0

    def correction_ms(self, rows: NDArray[np.intp], at_ms: int) -> NDArray[np.int64]:
        """``(m,)``: what to add at ``at_ms`` to the times that devices state for the time by our clock.

        Estimated from what came live within two hours, with the drift. 0 where it is not known, and for a clock that is
        off by more than ``clock.off_s``: that is a finding, and ingest corrects it.
        """
        return self._clocks.correction_ms(rows, at_ms)

    def update(self, batch: LinkBatch | None, now_ms: int) -> list[Detection]:
        """Take what came since the last call, and decide what is due by ``now_ms``. None is a tick.

        Nothing counts as coming after ``now_ms``. When that goes back by less than two days it counts as standing; by
        more, the bank goes on from there.

        Raises:
            DetectorError: columns of one part differ in length, or a row is of no device. Nothing was taken then.
        """
        if batch is not None:
            batch.check(len(self))
        if not self._devices:
            return []
        out: list[Detection] = []
        if batch is not None and len(batch):
            if not self._decided_ms:
                first_ms = min(int(part.at_ms[0]) for part in batch.parts() if len(part.at_ms))
                self._start(min(first_ms, now_ms))
            self._set_back(now_ms)
            for span_ms, piece in batch.cut(STEP_MS, self._decided_ms, max(now_ms, self._decided_ms)):
                if span_ms > self._held_ms:
                    self._take_held()
                    out += self._advance(span_ms)
                self._held.put(piece)
                self._held_ms = span_ms
                self._now_ms = max(self._now_ms, span_ms)
        elif not self._decided_ms:
            return []
        else:
            self._set_back(now_ms)
        self._now_ms = max(self._now_ms, now_ms)
        until_ms = self._now_ms // STEP_MS * STEP_MS
        if until_ms > self._held_ms:
            self._take_held()
        return out + self._advance(until_ms)

    def missed(self, since_ms: int, until_ms: int) -> None:
        """Nobody listened between the two: no silence is counted from before ``until_ms``. A short pause, or one that
        another had covered, changes nothing."""
        if until_ms - since_ms < STEP_MS or not self._decided_ms:
            return
        self._take_held()
        self._silence.missed(until_ms)
        self._wake_ms = 0

    def _start(self, at_ms: int) -> None:
        self._decided_ms = self._now_ms = at_ms // STEP_MS * STEP_MS
        self._delivery.start(at_ms // _HOUR_MS * _HOUR_MS)

    def _set_back(self, now_ms: int) -> None:
        """Our clock had been years ahead: nothing that is remembered lies after now."""
        if now_ms >= self._decided_ms - _FAR_MS:
            return
        self._take_held()
        at_ms = now_ms // STEP_MS * STEP_MS
        self._silence.set_back(at_ms)
        for part in (self._delivery, self._batteries, self._use, self._sensors, self._wearers):
            part.columns.set_back(at_ms)
        self._clocks.set_back(at_ms)
        self._delivery.start(at_ms // _HOUR_MS * _HOUR_MS)
        self._decided_ms = self._now_ms = self._held_ms = at_ms
        self._wake_ms = 0

    def _take_held(self) -> None:
        """What came within one step is taken together, however it was cut."""
        if self._held:
            self._take(self._held.take())

    def _take(self, piece: LinkBatch) -> None:
        messages = replace(piece.messages, at_ms=np.minimum(piece.messages.at_ms, self._held_ms + STEP_MS))
        heard = self._touched(messages)
        self._silence.take(heard, messages, piece.statuses, piece.rests)
        restarted, present = self._delivery.take(messages, piece.statuses)
        self._found += self._delivery.storms(np.union1d(restarted, piece.statuses.row[~piece.statuses.online]))
        self._found += self._batteries.take(piece.statuses)
        self._found += self._clocks.take(messages, restarted, present)
        self._found += self._use.take(piece.wears, self._batteries)
        self._found += self._use.press(piece.presses)
        self._found += self._sensors.take(piece.readings)
        self._wearers.take(piece.traits)
        self._wake_ms = 0

    def _touched(self, messages: Messages) -> Touched:
        """The rows heard; instants of a clock that is set back count as those before them."""
        at_ms = np.maximum.accumulate(np.maximum(messages.at_ms, self._decided_ms))
        last_ms = np.zeros(len(self), np.int64)
        last_ms[messages.row] = at_ms
        rows = np.flatnonzero(last_ms)
        first_ms = np.zeros(len(self), np.int64)
        first_ms[messages.row[::-1]] = at_ms[::-1]
        return Touched(rows, first_ms[rows], last_ms[rows])

    def _advance(self, until_ms: int) -> list[Detection]:
        """Decide at every step until then at which something may be due."""
        out: list[Detection] = []
        if until_ms - self._decided_ms > _FAR_MS:
            self._decided_ms = until_ms - STEP_MS
            self._silence.missed(self._decided_ms)
            self._wake_ms = 0
        while self._decided_ms < until_ms:
            hour_ms = (self._decided_ms // WINDOW_MS + 1) * WINDOW_MS
            wake_ms = -(-min(self._wake_ms, hour_ms) // STEP_MS) * STEP_MS
            at_ms = max(self._decided_ms + STEP_MS, wake_ms)
            if at_ms > until_ms:
                self._decided_ms = until_ms
                break
            self._decided_ms = at_ms
            found, self._found = self._found, []
            if at_ms % WINDOW_MS == 0:
                found += self._clocks.next_window(at_ms, len(self))
            if at_ms % _HOUR_MS == 0:
                found += self._delivery.new_hour(at_ms)
                self._silence.new_hour(at_ms)
                silent = self._silence.silent()
                found += self._use.new_hour(at_ms, silent, self._silence.heard())
                found += self._sensors.new_hour(at_ms, silent)
            if at_ms % _DAY_MS == 0:
                found += self._wearers.new_day(at_ms)
            found += self._silence.decide(at_ms)
            self._wake_ms = self._silence.next_ms(at_ms, STEP_MS)
            out += [self._detection(one, at_ms) for one in found if self._tells(one)]
        return out

    def _tells(self, one: Finding) -> bool:
        return one.row == NO_ROW or one.over or self._devices[one.row].watched

    def _detection(self, one: Finding, at_ms: int) -> Detection:
        if one.row == NO_ROW:
            device, person = AREA_DEVICE, one.notes.get("home")
            about = f"{one.notes['area']}\0{person or ''}"
        else:
            about = device = self._devices[one.row].name
            person = self._devices[one.row].person
        return Detection(
            id=detection_id(about, f"{DETECTOR}.{one.kind}", 0, one.onset_ms),
            stage=Stage.FOLLOW_UP if one.over else Stage.CONFIRMED,
            device=device,
            person=person,
            detector=DETECTOR,
            version=VERSION,
            kind=one.kind,
            onset_ms=one.onset_ms,
            decided_ms=at_ms,
            recv_ms=at_ms,
            severity=one.severity,
            score=one.score,
            features=one.features,
            notes=one.notes
            | ({"state": "over"} if one.over else {})
            | told(one.kind, one.notes, one.features, over=one.over),
            params_hash=self.params_hash,
        )

    def state(self) -> dict[str, Any]:
        """Everything a bank must know to go on as if nothing had happened: arrays (copies) and plain values."""
        n = len(self)
        return {
            "format": STATE_FORMAT,
            "devices": [list(column) for column in zip(*self._devices, strict=True)],
            "silence": self._silence.state(),
            "delivery": self._delivery.state(n),
            "batteries": self._batteries.state(n),
            "clocks": self._clocks.state(n),
            "use": self._use.state(n),
            "sensors": self._sensors.state(n),
            "wearers": self._wearers.state(n),
            "found": list(self._found),
            "held": self._held.state(),
            "times": (self._decided_ms, self._now_ms, self._wake_ms, self._held_ms),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave.

        Raises:
            DetectorError: the state is of another version; start with an empty bank and replay the journal instead.
        """
        if state.get("format") != STATE_FORMAT:
            raise DetectorError(
                f"device bank state of format {state.get('format')!r}, not {STATE_FORMAT}: start afresh"
            )
        self._devices = [_Device(*entry) for entry in zip(*state["devices"], strict=True)]
        self._rows = {device.name: row for row, device in enumerate(self._devices)}
        n = len(self)
        self._delivery.restore(state["delivery"], n)
        self._batteries.restore(state["batteries"], n)
        self._clocks.restore(state["clocks"], n)
        self._use.restore(state["use"], n)
        self._sensors.restore(state["sensors"], n)
        self._wearers.restore(state["wearers"], n)
        self._silence.restore(state["silence"], [(one.area, one.person) for one in self._devices])
        for row, one in enumerate(self._devices):
            assigned = one.watched and one.person is not None
            self._sensors.place(row, self._silence.areas.tree.of_row[row] if assigned else None)
            self._wearers.assign(row, assigned=assigned, anew=False)
        self._found = list(state["found"])
        self._held.restore(state["held"])
        self._decided_ms, self._now_ms, self._wake_ms, self._held_ms = state["times"]
