"""From "it holds now" to "somebody has to look": confirmation, ending, and who was called only just now."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.detection import SEVERITY_ORDER, Severity
from detectors.vitals.batch import Flags, Instants, Rows
from detectors.vitals.chart import NEVER_MS
from detectors.vitals.columns import Columns
from detectors.vitals.parameters import VitalsParameters
from detectors.vitals.rules import RULES, R, Rule, Verdict

#: So much of the readings since it began must say so.
_SHARE = 0.7
#: And when it is less than this, it did not begin.
_LOST_SHARE = 0.5
_NO_ALARM = -1
_NOWHERE = _NOBODY = -1
_SWEEP_MS = 3_600_000
_COUNT = len(R)
_LEVELS = len(SEVERITY_ORDER)

_COLUMNS: dict[str, tuple[tuple[int, ...], Any, float]] = {
    # what may become a finding
    "since_ms": ((_COUNT,), np.int64, NEVER_MS),
    "last_ms": ((_COUNT,), np.int64, NEVER_MS),  # of the newest reading that said so
    "last_recv_ms": ((_COUNT,), np.int64, NEVER_MS),
    "yes": ((_COUNT,), np.int32, 0),
    "seen": ((_COUNT,), np.int32, 0),
    "several": ((_COUNT,), np.bool_, 0),
    "strained": ((_COUNT,), np.bool_, 0),
    "agrees": ((_COUNT,), np.bool_, 0),  # and so did the newest, believed or not
    "device": ((_COUNT,), np.int32, -1),
    # what is one
    "standing": ((_COUNT,), np.int8, _NO_ALARM),  # severity it was told with
    "onset_ms": ((_COUNT,), np.int64, NEVER_MS),
    "calm_ms": ((_COUNT,), np.int64, NEVER_MS),
    "looked_ms": ((_COUNT,), np.int64, NEVER_MS),
    "told_ms": ((_COUNT,), np.int64, NEVER_MS),  # with a severity that calls somebody
    "called_ms": ((_LEVELS,), np.int64, NEVER_MS),  # by severity
}


def _of(attribute: str) -> NDArray[np.float64]:
    return np.array([[float(getattr(RULES[rule], attribute))] for rule in R])


_CONFIRM_MS = _of("confirm_s") * 1000
_SEVERAL_MS = np.where(_of("several_s") >= 0, _of("several_s") * 1000, _CONFIRM_MS)
_READINGS = _of("readings")
_WITHIN_MS, _CLEAR_MS, _STALE_MS = (_of(name) * 1000 for name in ("within_s", "clear_s", "stale_s"))
_ALONE_MS = np.where(_of("alone_s") > 0, _of("alone_s") * 1000, np.inf)


class Turn(NamedTuple):
    """A finding begins or is over.

    Attributes:
        rule: which one.
        row: the person's.
        place: where the person stands among those looked at; -1 when time alone has decided.
        begins: or is over.
        severity: with what it is told; of what is over, with what it was told.
        onset_ms: of the reading that decided it; of what is over, of the one that had.
        decided_ms: of the reading that decided, or the tick.
        recv_ms: when that was received, or the newest that said so.
        device: who measured it, its row.
        lasted_s: since when the readings have said so, or the finding has stood.
        alone: it was measured once and not again.
        limited: it would be more urgent, but the person was called for only just now.
        silent: it ends because nothing has come any more.
    """

    rule: R
    row: int
    place: int
    begins: bool
    severity: Severity
    onset_ms: int
    decided_ms: int
    recv_ms: int
    device: int
    lasted_s: float
    alone: bool = False
    limited: bool = False
    silent: bool = False


class Alarms:
    """What stands, and what may come to, for every person and rule.

    It takes 1.7 KB, and nearly nobody has any of it at a time: a person has a place for it from the first reading that
    says something until it is long over.
    """

    def __init__(self, parameters: VitalsParameters) -> None:
        self.columns = Columns(_COLUMNS)  # by place
        self._place = np.zeros(0, np.int32)  # of each person; _NOWHERE without one
        self._person = np.zeros(0, np.intp)  # of each place; _NOBODY where it is free
        self._sweep_ms = 0
        self._strained_ms = parameters.unseen_confirm_s * 1000
        self._quiet_ms = {
            Severity.WARNING: parameters.quiet_warning_s * 1000,
            Severity.URGENT: parameters.quiet_urgent_s * 1000,
            Severity.CRITICAL: parameters.quiet_critical_s * 1000,
        }
        self._remembered_ms = max(float(_of("again_s").max()) * 1000, *self._quiet_ms.values())

    @property
    def open(self) -> int:
        """How many people have a place."""
        return int(np.count_nonzero(self._person != _NOBODY))

    def grow(self, people: int) -> None:
        """Make room for so many people."""
        if people > len(self._place):
            more = max(people, len(self._place) + len(self._place) // 8, 64) - len(self._place)
            self._place = np.append(self._place, np.full(more, _NOWHERE, np.int32))

    def take(self, rows: Rows, devices: Rows, t_ms: Instants, recv_ms: Instants, verdict: Verdict) -> list[Turn]:
        """One reading of each of m people."""
        begins = verdict.holds.any(axis=0)
        some = np.flatnonzero(begins | (self._place[rows] != _NOWHERE))
        if not len(some):
            return []
        self._seat(rows[begins])
        part = Verdict(*(flags[:, some] for flags in verdict))
        turns = self._take(self._place[rows[some]].astype(np.intp), devices[some], t_ms[some], recv_ms[some], part)
        return [turn._replace(row=int(self._person[turn.row]), place=int(some[turn.place])) for turn in turns]

    def _seat(self, people: Rows) -> None:
        """Those of different people who have no place get one."""
        new = people[self._place[people] == _NOWHERE]
        if not len(new):
            return
        free = np.flatnonzero(self._person == _NOBODY)[: len(new)]
        lack = len(new) - len(free)
        if lack:
            used = len(self._person)
            more = max(lack, used // 8, 64)
            self.columns.grow(used + more)
            self._person = np.append(self._person, np.full(more, _NOBODY))
            free = np.append(free, np.arange(used, used + lack))
        self._person[free], self._place[new] = new, free

    def _sweep(self, now_ms: int) -> None:
        """Places of people whose findings are so long over that nothing depends on them any more become free."""
        columns = self.columns
        taken = np.flatnonzero(self._person != _NOBODY)
        said_ms = np.maximum(columns["told_ms"][:, taken].max(axis=0), columns["called_ms"][:, taken].max(axis=0))
        idle = (columns["since_ms"][:, taken] == NEVER_MS).all(axis=0) & (said_ms < now_ms - self._remembered_ms)
        idle &= (columns["standing"][:, taken] == _NO_ALARM).all(axis=0)
        free = taken[idle]
        self._place[self._person[free]] = _NOWHERE
        self._person[free] = _NOBODY
        columns.renew(free)

    def _take(self, rows: Rows, devices: Rows, t_ms: Instants, recv_ms: Instants, verdict: Verdict) -> list[Turn]:
        """The same by place."""
        columns = self.columns
        standing = columns["standing"][:, rows]
        stands = standing != _NO_ALARM
        columns["looked_ms"][:, rows] = np.where(verdict.looked & stands, t_ms, columns["looked_ms"][:, rows])
        turns = self._begin(rows, devices, t_ms, recv_ms, verdict, ~stands)
        if stands.any():
            turns += self._end(rows, t_ms, recv_ms, verdict, standing)
        return turns

    def _begin(
        self, rows: Rows, devices: Rows, t_ms: Instants, recv_ms: Instants, verdict: Verdict, free: Flags
    ) -> list[Turn]:
        columns = self.columns
        last_ms, yes, seen = (columns[name][:, rows] for name in ("last_ms", "yes", "seen"))
        since_ms = columns["since_ms"][:, rows]
        several = columns["several"][:, rows]
        lapsed = (since_ms > NEVER_MS) & (t_ms - last_ms > _WITHIN_MS)
        since_ms = np.where(lapsed, NEVER_MS, since_ms)
        says = verdict.holds & free
        new = says & (since_ms == NEVER_MS)
        since_ms = np.where(new, t_ms, since_ms)
        going = since_ms > NEVER_MS
        yes = np.where(new, 1, yes + (says & going))
        seen = np.where(new, 1, seen + (going & (says | (verdict.looked & ~verdict.stays))))
        several = np.where(new, verdict.several, np.where(says, verdict.several, several))
        lost = going & (yes < _LOST_SHARE * seen)
        since_ms = np.where(lost, NEVER_MS, since_ms)
        last_ms = np.where(says, t_ms, last_ms)
        due = np.where(several, _SEVERAL_MS, _CONFIRM_MS)
        due = np.where(verdict.strained, np.maximum(due, self._strained_ms), due)
        sure = (t_ms - since_ms >= due) & (yes >= _READINGS) & (yes >= _SHARE * seen)
        sure = says & ((sure & ~lost) | verdict.certain)
        columns["since_ms"][:, rows], columns["last_ms"][:, rows] = since_ms, last_ms
        columns["yes"][:, rows], columns["seen"][:, rows], columns["several"][:, rows] = yes, seen, several
        columns["strained"][:, rows] = np.where(says, verdict.strained, columns["strained"][:, rows])
        columns["agrees"][:, rows] = np.where(verdict.tried | verdict.looked, says, columns["agrees"][:, rows])
        columns["last_recv_ms"][:, rows] = np.where(says, recv_ms, columns["last_recv_ms"][:, rows])
        columns["device"][:, rows] = np.where(says, devices, columns["device"][:, rows])
        found = []
        for at, place in zip(*(index.tolist() for index in np.nonzero(sure)), strict=True):
            rule, row = R(at), int(rows[place])
            found.append(self._tell(rule, row, place, int(t_ms[place]), int(t_ms[place]), int(recv_ms[place])))
        return found

    def _tell(
        self, rule: R, row: int, place: int, onset_ms: int, decided_ms: int, recv_ms: int, *, alone: bool = False
    ) -> Turn:
        """It begins. More urgent rules come first, so that what they call for is known to the others."""
        columns = self.columns
        of = RULES[rule]
        alone = alone and int(columns["yes"][rule, row]) == 1
        severity = Severity.WARNING if alone and not columns["several"][rule, row] else of.severity
        severity = min(severity, of.severity, key=SEVERITY_ORDER.index)
        limited = severity is not Severity.INFO and self._only_just(rule, of, row, severity, decided_ms)
        if limited:
            severity = Severity.INFO
        if severity is not Severity.INFO:
            columns["told_ms"][rule, row] = decided_ms
            columns["called_ms"][SEVERITY_ORDER.index(severity), row] = decided_ms
        lasted_s = (onset_ms - int(columns["since_ms"][rule, row])) / 1000
        columns["standing"][rule, row] = SEVERITY_ORDER.index(severity)
        columns["onset_ms"][rule, row] = onset_ms
        columns["looked_ms"][rule, row] = onset_ms
        columns["calm_ms"][rule, row] = columns["since_ms"][rule, row] = NEVER_MS
        device = int(columns["device"][rule, row])
        return Turn(
            rule, row, place, True, severity, onset_ms, decided_ms, recv_ms, device, lasted_s, alone, limited
        )  # fmt: skip

    def _only_just(self, rule: R, of: Rule, row: int, severity: Severity, now_ms: int) -> bool:
        columns = self.columns
        if now_ms - int(columns["told_ms"][rule, row]) < of.again_s * 1000:
            return True
        least = SEVERITY_ORDER.index(severity)
        return bool(now_ms - int(columns["called_ms"][least:, row].max()) < self._quiet_ms[severity])

    def _end(
        self, rows: Rows, t_ms: Instants, recv_ms: Instants, verdict: Verdict, standing: NDArray[np.int8]
    ) -> list[Turn]:
        columns = self.columns
        stands = standing != _NO_ALARM
        calm_ms = columns["calm_ms"][:, rows]
        calm = verdict.looked & ~verdict.stays
        calm_ms = np.where(stands & calm & (calm_ms == NEVER_MS), t_ms, calm_ms)
        calm_ms = np.where(verdict.holds, NEVER_MS, calm_ms)
        columns["calm_ms"][:, rows] = calm_ms
        over = stands & calm & (calm_ms > NEVER_MS) & (t_ms - calm_ms >= _CLEAR_MS)
        return [
            self._over(R(at), int(rows[place]), place, int(t_ms[place]), int(recv_ms[place]))
            for at, place in zip(*(index.tolist() for index in np.nonzero(over)), strict=True)
        ]

    def _over(self, rule: R, row: int, place: int, decided_ms: int, recv_ms: int, *, silent: bool = False) -> Turn:
        columns = self.columns
        severity = Severity(SEVERITY_ORDER[columns["standing"][rule, row]])
        onset_ms = int(columns["onset_ms"][rule, row])
        columns["standing"][rule, row] = _NO_ALARM
        columns["since_ms"][rule, row] = columns["calm_ms"][rule, row] = NEVER_MS
        lasted_s = (decided_ms - onset_ms) / 1000
        device = int(columns["device"][rule, row])
        return Turn(
            rule, row, place, False, severity, onset_ms, decided_ms, recv_ms, device, lasted_s, silent=silent
        )  # fmt: skip

    def tick(self, now_ms: int) -> list[Turn]:
        """Let time pass: what was measured once and not again, and what has fallen silent."""
        columns = self.columns
        used = len(self._person)
        since_ms, standing = columns["since_ms"][:, :used], columns["standing"][:, :used]
        turns = []
        rules, rows = self._in_order(*np.nonzero((since_ms > NEVER_MS) & (standing == _NO_ALARM)))
        if len(rules):
            last_ms = columns["last_ms"][rules, rows]
            waited_ms = now_ms - since_ms[rules, rows]
            young = now_ms - last_ms <= _WITHIN_MS[rules, 0]
            agreed = columns["yes"][rules, rows] >= _SHARE * columns["seen"][rules, rows]
            # nothing has been measured since that says otherwise
            agreed &= columns["agrees"][rules, rows] & ~columns["strained"][rules, rows]
            due = young & agreed & (waited_ms >= _ALONE_MS[rules, 0])
            for rule, row in zip(rules[due].tolist(), rows[due].tolist(), strict=True):
                onset_ms = int(columns["last_ms"][rule, row])
                recv_ms = int(columns["last_recv_ms"][rule, row])
                turns.append(self._tell(R(rule), row, -1, onset_ms, now_ms, recv_ms, alone=True))
            gone = ~young
            columns["since_ms"][rules[gone], rows[gone]] = NEVER_MS
        rules, rows = self._in_order(*np.nonzero(standing != _NO_ALARM))
        if len(rules):
            silent = now_ms - columns["looked_ms"][rules, rows] >= _STALE_MS[rules, 0]
            for rule, row in zip(rules[silent].tolist(), rows[silent].tolist(), strict=True):
                recv_ms = int(columns["last_recv_ms"][rule, row])
                turns.append(self._over(R(rule), row, -1, now_ms, recv_ms, silent=True))
        told = [turn._replace(row=int(self._person[turn.row])) for turn in turns]
        if not self._sweep_ms <= now_ms < self._sweep_ms + _SWEEP_MS:
            self._sweep_ms = now_ms
            self._sweep(now_ms)
        return told

    def _in_order(self, rules: Rows, places: Rows) -> tuple[Rows, Rows]:
        """By rule, then by person."""
        order = np.lexsort((self._person[places], rules))
        return rules[order], places[order]

    def state(self, people: int) -> dict[str, Any]:
        """For a checkpoint: of every person, whoever has a place."""
        taken = np.flatnonzero(self._person != _NOBODY)
        return self.columns.saved(self.columns.spread(taken, self._person[taken], people))

    def restore(self, state: dict[str, Any], people: int) -> None:
        """Take over what :meth:`state` gave for so many people."""
        everybody = Columns(_COLUMNS)
        everybody.restore(state, people)
        some = np.flatnonzero(everybody.used(people))
        self._place = np.full(people, _NOWHERE, np.int32)
        self._place[some], self._person = np.arange(len(some)), some
        self.columns = everybody.of(some)
