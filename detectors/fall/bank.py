"""The fall detector of many devices at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Detection, Severity, Stage, Window, detection_id
from detectors.errors import DetectorError
from detectors.fall.intake import Intake, Restarted
from detectors.fall.model import FallModel, probability, shipped_model
from detectors.fall.peaks import has_trigger, impacts, squared_magnitude
from detectors.fall.ring import FS_HZ, STEP_MS, Ring, Rows
from detectors.fall.windows import ACC_LSB_G, GYR_LSB_DPS, hold_over_gaps, missing_samples
from detectors.motion import MotionBatch
from detectors.parameters import FallParameters, params_hash

DETECTOR = "fall"
VERSION = "1"
STATE_FORMAT = 2
_NEVER = -(10**9)
#: More samples than a stream ever has: 700 years.
_PLACES = 1 << 40
#: Log-odds of what cannot be a fall: the sensor is at fault.
_SURE = np.float32(20.0)

#: An impact that waits for its decision.
_CANDIDATE = np.dtype(
    [
        ("row", np.int64),
        ("peak", np.int64),  # sample number
        ("size_g", np.float32),  # its magnitude
        ("onset_ms", np.int64),  # device clock
        ("first_ms", np.int64),  # onset of the impact under which it was suspected: what its id is made of
        ("offset_ms", np.int64),
        ("boot", np.uint32),
        ("head", np.int16),  # of the model
        ("suspected", np.bool_),
    ]
)

#: Features that go with a detection: what a person can check on the plot.
EXPLAINED: tuple[str, ...] = (
    "peak_g",
    "freefall_min_g",
    "freefall_s",
    "posture_change_deg",
    "after_vector_std_g",
    "before_vector_std_g",
    "impact_width_s",
    "turned_deg",
)


class _Device(NamedTuple):
    name: str
    placement: str
    person: str | None


class _When(NamedTuple):
    """The end of the deciding frame, and its arrival; by row."""

    rows: Rows
    decided_ms: NDArray[np.int64]
    recv_ms: NDArray[np.int64]

    def of(self, row: int) -> tuple[int, int]:
        at = np.flatnonzero(self.rows == row)[0]
        return int(self.decided_ms[at]), int(self.recv_ms[at])


class FallBank:
    """Finds falls in the motion of many devices.

    An impact is suspected ``peak_radius_s`` after its peak and confirmed or withdrawn ``decide_after_s`` after it, both
    under one id: of the impact that was suspected, also when a higher one follows and the onset moves there. What is
    decided depends on the samples only, not on how they were cut into frames.

    Args:
        weights: the learned model, by default the one that comes with the package.
        parameters: the thresholds.
    """

    def __init__(self, weights: FallModel | None = None, parameters: FallParameters | None = None) -> None:
        self.model = weights or shipped_model()
        self.parameters = parameters or FallParameters()
        self.params_hash = params_hash(self.parameters, self.model.digest)
        self._ring = Ring()
        self._intake = Intake(self._ring, self.parameters)
        self._devices: list[_Device] = []
        self._rows: dict[str, int] = {}
        self._heads = np.zeros((0, 2), np.int16)  # of the model, without and with a gyroscope
        self._hot = np.zeros(0, np.int64)  # sample number behind the last piece that may hold an impact
        self._searched = np.zeros(0, np.int64)  # impacts before this sample number were found ahead of time
        self._alarm = np.zeros(0, np.int64)  # sample number of the last confirmed impact
        self._alarm_g = np.zeros(0, np.float32)  # and its magnitude
        self._open = np.zeros(0, _CANDIDATE)
        self._historical = False
        self._radius = round(self.parameters.peak_radius_s * FS_HZ)
        self._before = round(self.parameters.before_s * FS_HZ)
        self._after = round(self.parameters.decide_after_s * FS_HZ)
        self._refractory = round(self.parameters.refractory_s * FS_HZ)

    def __len__(self) -> int:
        return len(self._devices)

    @property
    def waiting(self) -> int:
        """How many impacts have passed the first stage and wait for their decision."""
        return len(self._open)

    def add(self, device: str, *, placement: str, person: str | None) -> int:
        """The row of a device, made when it is new; a known one takes over the placement and person.

        ``placement`` is waist, wrist, hip or pocket; anything else is treated as unknown.
        """
        row = self._rows.setdefault(device, len(self._devices))
        entry = _Device(device, placement, person)
        if row == len(self._devices):
            self._devices.append(entry)
            self._grow(row + 1)
        else:
            self._devices[row] = entry
        self._heads[row] = [self.model.head_for(placement, gyroscope) for gyroscope in (False, True)]
        return row

    def _grow(self, rows: int) -> None:
        self._ring.grow(rows)
        self._intake.grow(rows)
        if rows > len(self._hot):
            more = max(rows, 64, len(self._hot) * 3 // 2) - len(self._hot)
            self._heads = np.append(self._heads, np.zeros((more, 2), np.int16), axis=0)
            never = np.full(more, _NEVER)
            self._hot = np.append(self._hot, never)
            self._searched = np.append(self._searched, never)
            self._alarm = np.append(self._alarm, never)
            self._alarm_g = np.append(self._alarm_g, np.zeros(more, np.float32))

    def update(self, batch: MotionBatch | None, now_ms: int) -> list[Detection]:
        """Take in a batch, or let time pass.

        A batch is decided on by its own times only. None or an empty batch is a tick: devices that were silent for
        ``silent_s`` before ``now_ms`` are then decided on with what they sent. Tick only when all that was received has
        been given to the bank, else a backlog looks like silence.
        """
        if batch is None or not len(batch):
            return self._tick(now_ms)
        found: list[Detection] = []
        self._historical = batch.historical
        for piece in self._intake.feed(batch):
            when = _When(piece.rows, piece.decided_ms, piece.recv_ms)
            if isinstance(piece, Restarted):
                found += self._flush(piece.rows, when)
                continue
            rows, n = piece.rows, piece.acc.shape[1]
            head = self._ring.head[rows]
            hot = has_trigger(piece.acc, self.parameters.trigger_g)
            self._hot[rows[hot]] = head[hot]
            first = head - self._radius - n
            active = self._hot[rows] > first
            # Decisions first: whatever is found now lies more than a second behind what is decided now.
            if len(self._open):
                due = self._ring.head[self._open["row"]] > self._open["peak"] + self._after
                found += self._decide(due, when)
            if active.any():
                found += self._search(rows[active], first[active], n, when)
        return found

    def _tick(self, now_ms: int) -> list[Detection]:
        n = len(self)
        late = self._intake.recv_ms[:n] <= now_ms - round(self.parameters.silent_s * 1000)
        silent = np.flatnonzero(late & (self._hot[:n] > self._searched[:n]))
        if not len(silent):
            return []
        return self._flush(silent, _When(silent, np.full(len(silent), now_ms), self._intake.recv_ms[silent]))

    def _flush(self, rows: Rows, when: _When) -> list[Detection]:
        """Decide on everything these rows have, taking what has not come as missing."""
        waiting = rows[self._hot[rows] > self._searched[rows]]
        if not len(waiting):
            return []
        head = self._ring.head[waiting]
        found = self._decide(np.isin(self._open["row"], waiting), when, last=True)
        found += self._search(waiting, head - self._radius, self._radius, when)
        self._searched[waiting] = head
        return found + self._decide(np.isin(self._open["row"], waiting), when, last=True)

    def _search(self, rows: Rows, first: NDArray[np.int64], n: int, when: _When) -> list[Detection]:
        """Look for impacts among n samples of each row from ``first`` on, and open the ones worth it."""
        counts, _ = self._ring.window(rows, first - self._radius, n + 2 * self._radius)
        squared = squared_magnitude(counts)
        where = impacts(squared, trigger_g=self.parameters.trigger_g, radius=self._radius)
        which, offset = np.nonzero(where)
        size_g = (np.sqrt(squared[which, self._radius + offset]) * ACC_LSB_G).astype(np.float32)
        peak = first[which] + offset
        row = rows[which]
        new = (peak >= self._searched[row]) & ~self._same_fall(row, peak, size_g)
        if len(self._open):
            new &= ~np.isin(row * _PLACES + peak, _place(self._open))
        row, peak = row[new], peak[new]
        if not len(row):
            return []
        candidates = np.zeros(len(row), _CANDIDATE)
        candidates["row"], candidates["peak"], candidates["size_g"] = row, peak, size_g[new]
        since_ms = (self._ring.head[row] - peak) * STEP_MS
        candidates["onset_ms"] = np.rint(self._intake.head_ms(row) - since_ms).astype(np.int64)
        candidates["first_ms"] = candidates["onset_ms"]
        candidates["offset_ms"] = self._intake.offset_ms[row]
        candidates["boot"] = self._intake.boot[row]
        looks = self._look(candidates, self._radius)
        candidates["head"] = self._heads[row, looks.turns.astype(np.intp)]
        found: list[Detection] = []
        keep = np.zeros(len(candidates), np.bool_)
        for head, members in _groups(candidates["head"]):
            members = members[looks.plausible[members]]
            if not len(members):
                continue
            doubt, table = self.model.first(
                head, looks.acc[members], None if looks.gyr is None else looks.gyr[members], peak=self._before
            )
            doubt = doubt - self._penalty(looks.missing[members])
            keep[members] = doubt >= self.model.heads[head].reject_below
            for i in np.flatnonzero(doubt >= self.model.heads[head].suspect_above).tolist():
                one = candidates[members[i]]
                if self._suspected(int(one["row"])) or (candidates["suspected"] & (row == one["row"])).any():
                    continue
                candidates["suspected"][members[i]] = True
                features = table.row(i, EXPLAINED) | {"missing_pct": _pct(looks.missing[members[i]])}
                found.append(self._detection(candidates[members[i]], Stage.SUSPECTED, float(doubt[i]), features, when))
        self._open = np.concatenate([self._open, candidates[keep]])
        return found

    def _suspected(self, row: int) -> bool:
        return bool((self._open["suspected"] & (self._open["row"] == row)).any())

    def _decide(self, due: NDArray[np.bool_], when: _When, *, last: bool = False) -> list[Detection]:
        """Confirm or drop the open impacts that ``due`` marks.

        An impact with a higher one behind it (a stumble, then the floor) gives way to that one; what was suspected
        of it goes on there, and waits with it unless this is the ``last`` look.
        """
        if not due.any():
            return []
        candidates = np.sort(self._open[due], order=["row", "peak"])
        self._open = self._open[~due]
        climbed = self._climb(candidates)
        if climbed.any():
            candidates, climbed = (part[~climbed | candidates["suspected"]] for part in (candidates, climbed))
            taken = np.isin(_place(self._open), _place(candidates[climbed]))
            early = climbed & (self._ring.head[candidates["row"]] <= candidates["peak"] + self._after) & (not last)
            self._open = np.concatenate([self._open[~taken], candidates[early]])
            candidates = candidates[~early]
        if not len(candidates):
            return []
        looks = self._look(candidates, self._after)
        verdicts: list[tuple[int, float, dict[str, float]]] = []
        for head, members in _groups(candidates["head"]):
            log_odds, table = self.model.second(
                head, looks.acc[members], None if looks.gyr is None else looks.gyr[members], peak=self._before
            )
            log_odds = log_odds - self._penalty(looks.missing[members])
            log_odds[~looks.plausible[members]] = -_SURE
            limit = self.model.heads[head].thresholds[self.parameters.operating_point]
            for i, score in enumerate(probability(log_odds).tolist()):
                if score >= limit or candidates["suspected"][members[i]]:
                    features = table.row(i, EXPLAINED) | {
                        "missing_pct": _pct(looks.missing[members[i]]),
                        "threshold": limit,
                    }
                    verdicts.append((int(members[i]), float(log_odds[i]), features))
        found = []
        for i, odds, features in sorted(verdicts, key=lambda verdict: verdict[0]):
            row, peak, size_g = candidates[["row", "peak", "size_g"]][i].item()
            fell = _sigmoid(odds) >= features["threshold"] and not bool(self._same_fall(row, peak, size_g))
            if fell:
                self._alarm[row], self._alarm_g[row] = peak, size_g
            if fell or candidates["suspected"][i]:
                stage = Stage.CONFIRMED if fell else Stage.WITHDRAWN
                found.append(self._detection(candidates[i], stage, odds, features, when))
        return found

    def _climb(self, candidates: NDArray[Any]) -> NDArray[np.bool_]:
        """Move candidates to the highest sample of the time until their decision; which were moved.

        Those that even then are due are not the last of their climb, and move on.
        """
        rows = candidates["row"].astype(np.intp)
        counts, _ = self._ring.window(rows, candidates["peak"].copy(), self._after + 1)
        squared = squared_magnitude(counts)
        step = squared.argmax(axis=1)
        climbed = np.asarray(step > 0)
        candidates["peak"] += step
        candidates["onset_ms"] += np.rint(step * STEP_MS).astype(np.int64)
        candidates["size_g"][climbed] = np.sqrt(squared[climbed, step[climbed]]) * ACC_LSB_G
        on = climbed & (self._ring.head[rows] > candidates["peak"] + self._after)
        if on.any():
            further = candidates[on]
            self._climb(further)
            candidates[on] = further
        return climbed

    def _same_fall(self, row: Any, peak: Any, size_g: Any) -> Any:
        """Whether an impact is one more of the fall that was last confirmed: soon after it, and no higher."""
        return (peak - self._alarm[row] < self._refractory) & (size_g <= self._alarm_g[row])

    def _penalty(self, missing: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.float32(self.parameters.missing_penalty) * missing

    def _look(self, candidates: NDArray[Any], after: int) -> _Looks:
        """What the model sees of the candidates: from ``before_s`` in front of the peak to ``after`` samples behind."""
        rows = candidates["row"].astype(np.intp)
        length = self._before + after + 1
        counts, turns = self._ring.window(rows, candidates["peak"] - self._before, length)
        acc, gaps = hold_over_gaps(counts, ACC_LSB_G)
        magnitude = np.sqrt(np.einsum("...i,...i->...", acc, acc))
        plausible = np.ones(len(rows), np.bool_)
        for part in (magnitude[:, : self._before], magnitude[:, self._before :]):
            middle = np.median(part, axis=1)
            plausible &= (middle >= self.parameters.plausible_low_g) & (middle <= self.parameters.plausible_high_g)
        missing = gaps.mean(axis=1, dtype=np.float32)
        if turns is None:
            return _Looks(acc, None, missing, np.zeros(len(rows), np.bool_), plausible)
        gyr, still = hold_over_gaps(turns, GYR_LSB_DPS)
        # A gyroscope that sent as much as the accelerometer is there; what was lost is then lost for both.
        return _Looks(acc, gyr, missing, (still & ~gaps).mean(axis=1) < 0.1, plausible)

    def _detection(
        self, candidate: Any, stage: Stage, odds: float, features: dict[str, float], when: _When
    ) -> Detection:
        row, onset_ms, offset_ms = int(candidate["row"]), int(candidate["onset_ms"]), int(candidate["offset_ms"])
        first_ms = int(candidate["first_ms"])
        device = self._devices[row]
        decided_ms, recv_ms = when.of(row)
        still = features["after_vector_std_g"] < self.parameters.still_g
        return Detection(
            id=detection_id(device.name, DETECTOR, int(candidate["boot"]), first_ms),
            stage=stage,
            device=device.name,
            person=device.person,
            detector=DETECTOR,
            version=VERSION,
            kind="fall",
            onset_ms=onset_ms + offset_ms,
            decided_ms=decided_ms,
            recv_ms=recv_ms,
            severity=Severity.CRITICAL if still else Severity.URGENT,
            score=_sigmoid(odds),
            historical=self._historical,
            features=features,
            params_hash=self.params_hash,
            window=self._plot(row, int(candidate["peak"]), onset_ms + offset_ms),
        )

    def _plot(self, row: int, peak: int, onset_ms: int) -> Window:
        """The samples from ``keep_before_s`` in front of the impact to the decision, without what never came."""
        before = round(self.parameters.keep_before_s * FS_HZ)
        n = min(before + self._after + 1, int(self._ring.head[row]) - peak + before)
        acc, gyr = self._ring.window(np.array([row]), np.array([peak - before]), n)
        turned = b"" if gyr is None or missing_samples(gyr).all() else gyr[0].astype("<i2").tobytes()
        return Window(
            t0_ms=onset_ms - round(before * STEP_MS),
            fs_hz=float(FS_HZ),
            lsb_g=ACC_LSB_G,
            acc=acc[0].astype("<i2").tobytes(),
            lsb_dps=GYR_LSB_DPS,
            gyr=turned,
        )

    def state(self) -> dict[str, Any]:
        """Everything a bank must know to go on as if nothing had happened: arrays (copies) and plain values."""
        n = len(self)
        return {
            "format": STATE_FORMAT,
            "devices": [tuple(device) for device in self._devices],
            "hot": self._hot[:n].copy(),
            "searched": self._searched[:n].copy(),
            "alarm": self._alarm[:n].copy(),
            "alarm_g": self._alarm_g[:n].copy(),
            "open": {name: self._open[name].copy() for name in _CANDIDATE.names or ()},
            "historical": self._historical,
            "ring": self._ring.state(),
            "intake": self._intake.state(n),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave.

        Raises:
            DetectorError: the state is of another version; start with an empty bank and replay the journal instead.
        """
        if state.get("format") != STATE_FORMAT:
            raise DetectorError(f"fall bank state of format {state.get('format')!r}, not {STATE_FORMAT}: start afresh")
        self._devices = [_Device(*entry) for entry in state["devices"]]
        self._rows = {device.name: row for row, device in enumerate(self._devices)}
        self._heads = np.array(
            [[self.model.head_for(device.placement, turns) for turns in (False, True)] for device in self._devices],
            np.int16,
        ).reshape(-1, 2)
        self._hot, self._searched, self._alarm = (
            np.array(state[name], np.int64) for name in ("hot", "searched", "alarm")
        )
        self._alarm_g = np.array(state["alarm_g"], np.float32)
        self._open = np.zeros(len(state["open"]["row"]), _CANDIDATE)
        for name, column in state["open"].items():
            self._open[name] = column
        self._historical = bool(state["historical"])
        self._ring.restore(state["ring"])
        self._intake.restore(state["intake"])


class _Looks(NamedTuple):
    acc: NDArray[np.float32]
    gyr: NDArray[np.float32] | None
    missing: NDArray[np.float32]  # share of the window
    turns: NDArray[np.bool_]  # there is a gyroscope
    plausible: NDArray[np.bool_]


def _place(candidates: NDArray[Any]) -> NDArray[np.int64]:
    """One number for each candidate's sample of its device."""
    return np.asarray(candidates["row"] * _PLACES + candidates["peak"])


def _groups(heads: NDArray[np.int16]) -> list[tuple[int, NDArray[np.intp]]]:
    return [(int(head), np.flatnonzero(heads == head)) for head in np.unique(heads)]


def _pct(share: np.float32) -> float:
    return round(float(share) * 100.0, 1)


def _sigmoid(odds: float) -> float:
    return float(probability(np.array([odds]))[0])
