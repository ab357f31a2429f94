"""Runs the production fall bank over strict streams and keeps everything it said, not only the alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from carecircle.evaluation.falls_stress import Alter
from detectors.detection import Stage
from detectors.fall.bank import FallBank
from detectors.fall.recordings import Recording, Stream
from detectors.fall.scoring import Alarm, play

_STAGES = (Stage.SUSPECTED, Stage.CONFIRMED, Stage.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the bank said of an impact. Times are seconds from the start of the recording.

    ``decided_s`` is the end of the deciding frame and may lie behind the recording's end.
    """

    recording: Recording
    stage: Stage
    impact_s: float
    decided_s: float
    score: float

    @property
    def of_fall(self) -> bool:
        """Whether the impact lies where the recording's fall is labelled."""
        return self.recording.holds(self.impact_s)


def listen(
    bank: FallBank,
    streams: Sequence[Stream],
    *,
    alter: Alter | None = None,
    tell: Callable[[int], None] | None = None,
) -> list[Heard]:
    """What a bank says of impacts in streams side by side: :func:`detectors.fall.scoring.play`, kept."""
    with threadpool_limits(limits=1, user_api="blas"):  # the products are small: more threads only wait for each other
        return [
            Heard(said.recording, said.detection.stage, said.impact_s, said.decided_s, said.detection.score)
            for said in play(bank, streams, alter=alter, tell=tell)
            if said.detection.stage in _STAGES
        ]


def alarms_of(heard: Iterable[Heard]) -> list[Alarm]:
    """The confirmed ones."""
    return [
        Alarm(one.recording, one.impact_s, one.decided_s, one.score) for one in heard if one.stage is Stage.CONFIRMED
    ]
