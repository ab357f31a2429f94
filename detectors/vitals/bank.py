"""The vitals of many people: :class:`VitalsBank`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Detection, Severity
from detectors.errors import DetectorError
from detectors.motion import turns
from detectors.parameters import params_hash
from detectors.vitals.alarms import Alarms, Turn
from detectors.vitals.artefacts import N_SIGNS, REST_ONLY, Fault, Screen
from detectors.vitals.batch import CHARTED, O2, SBP, WEIGHT, Flags, Floats, Instants, Rows, VitalsBatch
from detectors.vitals.chart import Chart, View
from detectors.vitals.findings import describe_trend
from detectors.vitals.late import Late
from detectors.vitals.limits import BY_CONDITION
from detectors.vitals.parameters import VitalsParameters
from detectors.vitals.people import People, person_of
from detectors.vitals.points import PersonPoints, Points
from detectors.vitals.rules import RULES, TRENDS, judge, judge_trends
from detectors.vitals.signs import SIGNS, USUAL
from detectors.vitals.telling import Teller
from detectors.vitals.trends import Trends
from detectors.vitals.usual import Folded, Usual

STATE_FORMAT = 2
#: China, where the first users are; for the time of day only.
UTC_OFFSET_S = 8 * 3600
#: No value of any sign is larger.
_MOST = 1e6


class _Readings(NamedTuple):
    """One reading of each of m people."""

    rows: Rows
    devices: Rows
    t_ms: Instants
    recv_ms: Instants
    values: Floats

    def take(self, chosen: NDArray[Any]) -> _Readings:
        return _Readings(
            self.rows[chosen], self.devices[chosen], self.t_ms[chosen], self.recv_ms[chosen], self.values[:, chosen]
        )


class VitalsBank:
    """Watches over the vital signs of many people.

    Rows are people: what several devices of a person measure flows into one row, and a reading names its device. A
    finding is *confirmed* when it has held long enough (persistence, or a second sign), and has a *follow-up* of
    severity ``info`` when it is over; both under one id. ``onset_ms`` is the reading that decided, ``lasted_s`` among
    the features since when the readings had said so. A finding of severity ``info`` is to be written down only: among
    them what somebody was called for only just before (``notes["limited"]``).

    A reading that is no measurement enters nothing; a device that makes such again and again is a finding of detector
    ``device.vitals``. What comes late (``historical``) never touches what is live, see :mod:`detectors.vitals.late`.
    Readings that are not taken at all are counted in :attr:`ignored`.

    Args:
        parameters: the thresholds.
    """

    def __init__(self, parameters: VitalsParameters | None = None) -> None:
        self.parameters = parameters or VitalsParameters()
        self.params_hash = params_hash(self.parameters, _tables().encode())
        #: Readings not taken, by reason: unknown (row or device), empty, future, repeated (or older than the newest of
        #: the device).
        self.ignored: Counter[str] = Counter()
        self._people = People()
        self._devices: list[str] = []
        self._device_rows: dict[str, int] = {}
        self._screen = Screen(self.parameters)
        self._chart = Chart(self.parameters)
        self._usual = Usual(self.parameters)
        self._trends = Trends()
        self._alarms = Alarms(self.parameters)
        self._late = Late(self.parameters)
        self._points = Points(self.parameters)
        self._teller = Teller(self.parameters, self.params_hash)
        self._next_tick_ms = 0

    def __len__(self) -> int:
        return len(self._people)

    def add(
        self,
        key: str,
        *,
        person: str | None,
        conditions: Iterable[str] = (),
        spo2_scale: int = 1,
        limits: Mapping[str, float] | None = None,
        utc_offset_s: int = UTC_OFFSET_S,
    ) -> int:
        """The row of a person, made when it is new; a known one takes over what is given.

        Args:
            key: who it is: the person's key, or the device's id where nobody is known.
            person: the person's key, None where nobody is known.
            conditions: hypertension, diabetes, heart_failure set limits (:mod:`detectors.vitals.limits`); others none.
            spo2_scale: 1, or 2 for whom a clinician has set a target of 88 to 92 %.
            limits: own limits of the person, by the names of :class:`detectors.vitals.limits.PersonLimits`.
            utc_offset_s: of where the person lives, for the time of day.

        Raises:
            DetectorError: no such scale or limit.
        """
        entry = person_of(
            key,
            person=person,
            conditions=conditions,
            spo2_scale=spo2_scale,
            limits=limits or {},
            utc_offset_s=utc_offset_s,
        )
        row = self._people.put(entry)
        for columns in (self._chart.columns, self._usual, self._trends.columns, self._alarms):
            columns.grow(row + 1)
        self._points.columns.grow(row + 1)
        return row

    def add_device(self, device: str) -> int:
        """The row of a device, made when it is new."""
        row = self._device_rows.setdefault(device, len(self._devices))
        if row == len(self._devices):
            self._devices.append(device)
            self._screen.columns.grow(row + 1)
        return row

    def update(self, batch: VitalsBatch | None, now_ms: int) -> list[Detection]:
        """Take in readings, or let time pass.

        Readings are decided on by their own times. None or an empty batch is a tick: what was measured once and not
        again, and what has fallen silent, is decided on with ``now_ms``. A second of readings at a time costs least.
        """
        if batch is None or not len(batch):
            return self._tick(now_ms)
        late = batch.historical | (batch.recv_ms - batch.t_ms > self.parameters.late_s * 1000)
        taken, future = self._sifted(batch)
        found: list[Detection] = []
        if (late & taken).any():
            found += self._take_late(batch.take(np.flatnonzero(late & taken)), now_ms)
        live = np.flatnonzero(taken & ~late)
        ordered = batch.take(live[np.argsort(batch.t_ms[live], kind="stable")])
        for turn in turns(ordered.row):
            part = ordered if isinstance(turn, slice) else ordered.take(turn)
            found += self._take(_readings(part))
        if future.any():
            ahead = batch.take(np.flatnonzero(future))
            for turn in turns(ahead.device):
                found += self._from_future(_readings(ahead if isinstance(turn, slice) else ahead.take(turn)))
        return found

    def _sifted(self, batch: VitalsBatch) -> tuple[Flags, Flags]:
        """Which readings are taken at all, and which are from the future."""
        known = (batch.row >= 0) & (batch.row < len(self)) & (batch.device >= 0) & (batch.device < len(self._devices))
        something = ~np.isnan(batch.values[CHARTED]).all(axis=0)
        future = batch.t_ms - batch.recv_ms > self.parameters.future_s * 1000
        for reason, wrong in (
            ("unknown", ~known),
            ("empty", known & ~something),
            ("future", known & something & future),
        ):
            if wrong.any():
                self.ignored[reason] += int(np.count_nonzero(wrong))
        return known & something & ~future, known & something & future

    def _take(self, now: _Readings) -> list[Detection]:
        newer = now.t_ms > self._screen.columns["last_ms"][now.devices]
        if not newer.all():
            self.ignored["repeated"] += int(np.count_nonzero(~newer))
            now = now.take(np.flatnonzero(newer))
            if not len(now.rows):
                return []
        screened = self._screen.take(now.devices, now.t_ms, now.values, self._chart.columns["value"][WEIGHT, now.rows])
        resting = self._chart.resting(now.rows, now.t_ms, screened.at_rest, screened.motion_told)
        tried = np.isfinite(now.values[CHARTED])
        fresh = tried.copy()
        fresh[:N_SIGNS] = screened.sound & (resting | ~REST_ONLY)
        fresh = self._chart.newer(now.rows, now.t_ms, fresh)
        lively = fresh.copy()
        lively[:N_SIGNS] &= screened.lively
        local_ms = self._people.local_ms(now.rows, now.t_ms)
        usual, scale = self._usual.at(now.rows, local_ms)
        self._chart.take(now.rows, now.t_ms, now.values[CHARTED], fresh, usual, scale)
        view = self._view(now.rows, now.t_ms, tried, fresh, lively)
        verdict = judge(view, self._people.limits(now.rows), self.parameters)
        told = self._alarms.take(now.rows, now.devices, now.t_ms, now.recv_ms, verdict)
        found = [self._told(turn, view) for turn in told if _worth_telling(turn)]
        folded = self._usual.learn(now.rows, local_ms, now.values[:USUAL], fresh[:USUAL])
        found += self._of_days(now, view, self._trends.take(now.rows, local_ms, now.values, fresh), folded)
        self._points.take(view, folded.rows)
        return found + self._of_devices(now, screened.plus, screened.sign, screened.value)

    def _view(self, rows: Rows, t_ms: Instants, tried: Flags, fresh: Flags, lively: Flags) -> View:
        usual, scale = self._usual.at(rows, self._people.local_ms(rows, t_ms))
        scale_2 = self._people.scale_2(rows)
        return self._chart.view(
            rows, t_ms, tried=tried, fresh=fresh, lively=lively, usual=usual, scale=scale, scale_2=scale_2
        )

    def _of_days(self, now: _Readings, view: View, measured: Flags, folded: Folded) -> list[Detection]:
        """What changes over days is looked at when one of its quantities has come."""
        self._trends.fold(folded)
        learnt = np.isin(now.rows, folded.rows) if len(folded.rows) else np.zeros(len(now.rows), np.bool_)
        places = np.flatnonzero(measured | learnt)
        if not len(places):
            return []
        some, part = now.take(places), view.part(places)
        trend = self._trends.of(some.rows)
        looked = np.stack([part.fresh[WEIGHT], part.fresh[SBP], learnt[places]])
        verdict = judge_trends(trend, self._people.limits(some.rows), looked)
        return [
            self._told(turn, part, describe_trend(turn.rule, trend, turn.place, self._people.limits_of(turn.row)))
            for turn in self._alarms.take(some.rows, some.devices, some.t_ms, some.recv_ms, verdict)
            if _worth_telling(turn)
        ]

    def _told(self, turn: Turn, view: View, said: tuple[dict[str, float], dict[str, str]] | None = None) -> Detection:
        limits = self._people.limits_of(turn.row)
        return self._teller.told(turn, self._people[turn.row], self._devices[turn.device], limits, view, said)

    def _of_devices(self, now: _Readings, plus: Flags, sign: NDArray[np.intp], value: Floats) -> list[Detection]:
        """Devices that make artefacts again and again, or no more."""
        faults, places, begins = self._screen.tally(now.devices, plus, now.t_ms)
        found = []
        for fault, at, begin in zip(faults.tolist(), places.tolist(), begins.tolist(), strict=True):
            device = int(now.devices[at])
            found.append(
                self._teller.fault(
                    Fault(fault),
                    self._people[int(now.rows[at])],
                    self._devices[device],
                    begins=begin,
                    sign=int(sign[fault, at]),
                    value=float(value[fault, at]),
                    onset_ms=int(self._screen.columns["onset_ms"][fault, device]),
                    decided_ms=int(now.t_ms[at]),
                    recv_ms=int(now.recv_ms[at]),
                )
            )
        return found

    def _from_future(self, ahead: _Readings) -> list[Detection]:
        """Readings of a clock that runs ahead are not taken, but the device hears of it. Time is when they came."""
        plus = np.zeros((len(Fault), len(ahead.rows)), np.bool_)
        plus[Fault.FUTURE] = True
        nothing = np.zeros(plus.shape)
        return self._of_devices(ahead._replace(t_ms=ahead.recv_ms), plus, nothing.astype(np.intp), nothing)

    def _take_late(self, batch: VitalsBatch, now_ms: int) -> list[Detection]:
        rows = batch.row.astype(np.intp)
        usual = self._usual.at(rows, self._people.local_ms(rows, batch.t_ms))
        return [
            self._teller.late(one, self._people[one.row], self._devices[one.device], now_ms)
            for one in self._late.take(batch, self._people.limits(rows), self._people.scale_2(rows), usual)
        ]

    def _tick(self, now_ms: int) -> list[Detection]:
        if now_ms < self._next_tick_ms:
            return []
        self._next_tick_ms = now_ms + round(self.parameters.tick_s * 1000)
        self._late.forget(now_ms)
        found = []
        for turn in filter(_worth_telling, self._alarms.tick(now_ms)):
            row, nothing = np.array([turn.row], np.intp), np.zeros((CHARTED.stop, 1), np.bool_)
            view = self._view(row, np.array([now_ms], np.int64), nothing, nothing, nothing)
            said = None
            if turn.rule in TRENDS:
                said = describe_trend(turn.rule, self._trends.of(row), 0, self._people.limits_of(turn.row))
            found.append(self._told(turn._replace(place=0), view, said))
        return found

    def points(self, now_ms: int) -> list[PersonPoints]:
        """What is to be written of people since the last call: scores, and what is usual for them now.

        A score is written at the instant of the reading that made it, for each person every ``score_every_s`` at most;
        what is usual when it was learnt anew, with what holds for the part of the day that begins.
        """
        return self._points.due(now_ms, self._people, self._chart, self._usual)

    def state(self) -> dict[str, Any]:
        """Everything a bank must know to go on as if nothing had happened: arrays (copies) and plain values."""
        n = len(self)
        return {
            "format": STATE_FORMAT,
            "people": self._people.state(),
            "devices": list(self._devices),
            "ignored": dict(self.ignored),
            "tick": self._next_tick_ms,
            "screen": self._screen.columns.state(len(self._devices)),
            "chart": self._chart.columns.state(n),
            "usual": self._usual.state(n),
            "trends": self._trends.columns.state(n),
            "alarms": self._alarms.state(n),
            "points": self._points.columns.state(n),
            "late": self._late.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave.

        Raises:
            DetectorError: the state is of another version; start with an empty bank and replay the journal instead.
        """
        if state.get("format") == 1:
            state = _of_format_1(state)
        elif state.get("format") != STATE_FORMAT:
            raise DetectorError(
                f"vitals bank state of format {state.get('format')!r}, not {STATE_FORMAT}: start afresh"
            )
        self._people = People()
        self._people.restore(state["people"])
        self._devices = list(state["devices"])
        self._device_rows = {device: row for row, device in enumerate(self._devices)}
        self.ignored = Counter(state["ignored"])
        self._next_tick_ms = state["tick"]
        n = len(self)
        self._screen.columns.restore(state["screen"], len(self._devices))
        self._chart.columns.restore(state["chart"], n)
        self._usual.restore(state["usual"], n)
        self._trends.columns.restore(state["trends"], n)
        self._alarms.restore(state["alarms"], n)
        self._points.columns.restore(state["points"], n)
        self._late.restore(state["late"])


def _readings(part: VitalsBatch) -> _Readings:
    """What is infinite becomes beyond any range, so that arithmetic stays silent; stated, it was not."""
    values = np.clip(part.values, -_MOST, _MOST)
    values[O2:][np.isinf(part.values[O2:])] = np.nan
    return _Readings(part.row.astype(np.intp), part.device.astype(np.intp), part.t_ms, part.recv_ms, values)


def _of_format_1(state: dict[str, Any]) -> dict[str, Any]:
    """In that the lowest number stood in a ring where nothing was known."""
    out = dict(state)
    for name in ("usual", "trends"):
        ring = state[name]["ring"]
        if isinstance(ring, np.ndarray):  # else as the places of what is known
            known = np.where(ring == np.iinfo(np.int16).min, np.int16(0), ring)
            out[name] = state[name] | {"ring": known}
    return out


def _worth_telling(turn: Turn) -> bool:
    """That it is over is no news where nobody was called."""
    return turn.begins or turn.severity is not Severity.INFO


def _tables() -> str:
    """The thresholds that stand in tables, for the hash."""
    rules = [(rule.name, dataclasses.asdict(of) | {"signs": sorted(of.signs)}) for rule, of in RULES.items()]
    return repr((SIGNS, rules, sorted(BY_CONDITION.items())))
