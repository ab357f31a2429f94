"""The fall detector of many devices at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.detection import SEVERITY_ORDER, Detection, Severity, Stage, detection_id
from detectors.errors import DetectorError
from detectors.fall.cascade import Cascade, Verdict, score_of
from detectors.fall.follow_up import Ended, FollowUp
from detectors.fall.intake import Intake, Restarted
from detectors.fall.look import plot
from detectors.fall.model import OPERATING_POINTS, FallModel
from detectors.fall.outcome import Outcome
from detectors.fall.ring import FS_HZ, Ring, Rows
from detectors.fall.weights import shipped_model
from detectors.motion import AnyBatch
from detectors.parameters import FallParameters, FollowUpParameters, params_hash

DETECTOR = "fall"
VERSION = "1"
STATE_FORMAT = 4
#: Where gravity turns when the wearer lies down or gets up; a wrist turns by itself.
_POSTURE_TELLS = frozenset({"waist", "hip", "pocket"})
#: What the end of a fall must still know of its beginning.
_KEY: list[tuple[str, Any]] = [
    ("boot", np.uint32),
    ("first_ms", np.int64),
    ("onset_ms", np.int64),  # corrected
    ("severity", np.int8),  # index in SEVERITY_ORDER
    ("odds", np.float64),
    ("threshold", np.float64),
]


class _Device(NamedTuple):
    name: str
    placement: str
    person: str | None
    operating_point: str | None


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
    under one id: of the impact that was suspected, also when a higher one follows and the onset moves there. Up to
    ``watch_s`` after a confirmed impact a follow-up under the same id tells in ``notes["outcome"]`` what became of the
    wearer (:class:`detectors.fall.outcome.Outcome`). What is decided depends on the samples only, not on how they were
    cut into frames.

    Args:
        weights: the learned model, by default the one that comes with the package.
        parameters: the thresholds.
        follow_up: those of the minute after a fall.

    Raises:
        DetectorError: ``parameters`` name an operating point that there is none of.
    """

    def __init__(
        self,
        weights: FallModel | None = None,
        parameters: FallParameters | None = None,
        follow_up: FollowUpParameters | None = None,
    ) -> None:
        self.model = weights or shipped_model()
        self.parameters = parameters or FallParameters()
        follow_up = follow_up or FollowUpParameters()
        self.params_hash = params_hash(self.parameters, self.model.digest, params_hash(follow_up).encode())
        check_point(self.parameters.operating_point)
        self._ring = Ring()
        self._intake = Intake(self._ring, self.parameters)
        self._cascade = Cascade(self._intake, self.model, self.parameters)
        self._follow_up = FollowUp(self._intake, self.parameters, follow_up, _KEY)
        self._devices: list[_Device] = []
        self._rows: dict[str, int] = {}
        self._historical = False

    def __len__(self) -> int:
        return len(self._devices)

    @property
    def waiting(self) -> int:
        """How many impacts have passed the first stage and wait for their decision."""
        return self._cascade.waiting

    def add(self, device: str, *, placement: str, person: str | None, operating_point: str | None = None) -> int:
        """The row of a device, made when it is new; a known one takes over what is given.

        Args:
            device: its id.
            placement: waist, wrist, hip or pocket; anything else is treated as unknown.
            person: the key of its wearer.
            operating_point: sensitive, balanced or quiet; None is the one of the parameters.

        Raises:
            DetectorError: there is no such operating point.
        """
        check_point(operating_point)
        row = self._rows.setdefault(device, len(self._devices))
        entry = _Device(device, placement, person, operating_point)
        if row == len(self._devices):
            self._devices.append(entry)
            self._ring.grow(row + 1)
            self._intake.grow(row + 1)
            self._cascade.grow(row + 1)
        else:
            self._devices[row] = entry
        self._serve(row)
        return row

    def _serve(self, row: int) -> None:
        device = self._devices[row]
        point = device.operating_point or self.parameters.operating_point
        self._cascade.serve(row, placement=device.placement, operating_point=point)

    def update(self, batch: AnyBatch | None, now_ms: int) -> list[Detection]:
        """Take in a batch, or let time pass.

        A batch is decided on by its own times only. None or an empty batch is a tick: of devices that were silent
        for ``silent_s`` before ``now_ms`` what they sent may already tell a fall, and after ``gone_s`` they are decided
        on. Tick only when all that was received has been given to the bank, else a backlog looks like silence.
        """
        if batch is None or not len(batch):
            return self._tick(now_ms)
        found: list[Detection] = []
        self._historical = batch.historical
        for piece in self._intake.feed(batch):
            when = _When(piece.rows, piece.decided_ms, piece.recv_ms)
            if isinstance(piece, Restarted):
                found += self._flush(piece.rows, when)
                found += self._followed_up(self._follow_up.part(piece.rows), when)
            else:
                found += self._told(self._cascade.take(piece.rows, piece.acc), when)
                found += self._followed_up(self._follow_up.take(piece.rows), when)
        return found

    def _tick(self, now_ms: int) -> list[Detection]:
        recv_ms = self._intake.recv_ms[: len(self)]
        silent = np.flatnonzero(recv_ms <= now_ms - round(self.parameters.silent_s * 1000))
        gone = recv_ms[silent] <= now_ms - round(self.parameters.gone_s * 1000)
        found = self._flush(silent[gone], self._at(silent[gone], now_ms))
        waiting = self._cascade.unglanced(silent[~gone])
        if len(waiting):
            found += self._told(self._cascade.glance(waiting), self._at(waiting, now_ms))
        ended, rows = self._follow_up.silent(now_ms)
        return found + self._followed_up(ended, self._at(rows, now_ms))

    def _at(self, rows: Rows, now_ms: int) -> _When:
        return _When(rows, np.full(len(rows), now_ms), self._intake.recv_ms[rows])

    def _flush(self, rows: Rows, when: _When) -> list[Detection]:
        """Decide on everything these rows have, taking what has not come as missing."""
        waiting = self._cascade.undecided(rows)
        return self._told(self._cascade.flush(waiting), when) if len(waiting) else []

    def _told(self, verdicts: Iterable[Verdict], when: _When) -> list[Detection]:
        """The verdicts as detections; whoever fell is watched from now on."""
        found = []
        for verdict in verdicts:
            detection = self._detection(verdict, when)
            if detection.stage is Stage.CONFIRMED:
                found += self._followed_up(self._watch(verdict, detection), when)
            found.append(detection)
        return found

    def _watch(self, verdict: Verdict, confirmed: Detection) -> list[Ended]:
        candidate = verdict.candidate
        key = {
            "boot": candidate["boot"],
            "first_ms": candidate["first_ms"],
            "onset_ms": confirmed.onset_ms,
            "severity": SEVERITY_ORDER.index(confirmed.severity),
            "odds": verdict.odds,
            "threshold": verdict.features["threshold"],
        }
        row = int(candidate["row"])
        return self._follow_up.begin(
            row=row,
            peak=int(candidate["peak"]),
            impact_ms=confirmed.onset_ms,
            posture_tells=self._devices[row].placement in _POSTURE_TELLS,
            key=key,
        )

    def _detection(self, verdict: Verdict, when: _When) -> Detection:
        candidate = verdict.candidate
        row, onset_ms = int(candidate["row"]), int(candidate["onset_ms"]) + int(candidate["offset_ms"])
        before = round(self.parameters.keep_before_s * FS_HZ)
        still = verdict.features["after_vector_std_g"] < self.parameters.still_g
        return self._found(
            row,
            when,
            stage=verdict.stage,
            boot=int(candidate["boot"]),
            first_ms=int(candidate["first_ms"]),
            onset_ms=onset_ms,
            severity=Severity.CRITICAL if still else Severity.URGENT,
            score=score_of(verdict.odds),
            features=verdict.features,
            window=plot(
                self._ring, row, int(candidate["peak"]), before=before, after=self._cascade.after, onset_ms=onset_ms
            ),
        )

    def _followed_up(self, ended: Iterable[Ended], when: _When) -> list[Detection]:
        return [
            self._found(
                one.key["row"],
                when,
                stage=Stage.FOLLOW_UP,
                boot=one.key["boot"],
                first_ms=one.key["first_ms"],
                onset_ms=one.key["onset_ms"],
                severity=_severity(one.outcome, SEVERITY_ORDER[one.key["severity"]]),
                score=score_of(one.key["odds"]),
                features=one.features | {"threshold": one.key["threshold"]},
                notes={"outcome": one.outcome.value},
            )
            for one in ended
        ]

    def _found(
        self, row: int, when: _When, *, boot: int, first_ms: int, notes: dict[str, str] | None = None, **rest: Any
    ) -> Detection:
        device = self._devices[row]
        decided_ms, recv_ms = when.of(row)
        return Detection(
            id=detection_id(device.name, DETECTOR, boot, first_ms),
            device=device.name,
            person=device.person,
            detector=DETECTOR,
            version=VERSION,
            kind="fall",
            decided_ms=decided_ms,
            recv_ms=recv_ms,
            historical=self._historical,
            params_hash=self.params_hash,
            notes=notes or {},
            **rest,
        )

    def state(self, *, copies: bool = True) -> dict[str, Any]:
        """Everything a bank must know to go on as if nothing had happened: arrays (copies) and plain values.

        Without ``copies`` the rings are the bank's own, to be written before it goes on: of a district they are 90 MB.
        """
        n = len(self)
        return {
            "format": STATE_FORMAT,
            "devices": [tuple(device) for device in self._devices],
            "cascade": self._cascade.state(n),
            "follow_up": self._follow_up.state(),
            "historical": self._historical,
            "ring": self._ring.state(copies=copies),
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
        self._ring.restore(state["ring"])
        self._intake.restore(state["intake"])
        self._cascade.restore(state["cascade"])
        self._follow_up.restore(state["follow_up"])
        for row in range(len(self._devices)):
            self._serve(row)
        self._historical = bool(state["historical"])


def _severity(outcome: Outcome, confirmed: str) -> Severity:
    """How urgent a fall is after its follow-up, and was when it was confirmed."""
    if outcome is Outcome.GOT_UP:
        return Severity.WARNING
    if outcome is Outcome.NO_MOVEMENT:
        return Severity.CRITICAL
    return Severity(confirmed)


def check_point(name: str | None) -> None:
    """Raises DetectorError where there is no such operating point; None is that of the parameters."""
    if name is not None and name not in OPERATING_POINTS:
        raise DetectorError(f"no operating point {name!r}: take one of {', '.join(OPERATING_POINTS)}")
