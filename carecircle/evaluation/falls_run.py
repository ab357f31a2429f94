"""Runs the production fall bank over strict streams and keeps everything it said, not only the alarms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from carecircle.evaluation.falls_stress import Alter
from detectors.detection import Detection, Stage
from detectors.fall.bank import FallBank
from detectors.fall.recordings import Recording, Stream, batches
from detectors.fall.ring import FS_HZ
from detectors.fall.scoring import START_MS, Alarm

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
    """Everything a bank says of impacts in streams side by side, in the order in which it says it.

    Args:
        bank: a new bank; row i becomes ``streams[i]``.
        streams: see :mod:`detectors.fall.recordings`.
        alter: what happens to the frames on their way to the bank.
        tell: called with the number of seconds of all streams that were done.
    """
    for stream in streams:
        bank.add(stream.name, placement=stream.placement, person=None)
    named = {stream.name: stream for stream in streams}
    heard: list[Heard] = []
    now_ms = START_MS
    for second in batches(list(streams), start_ms=START_MS):
        now_ms += 1000
        for batch in second:
            found = bank.update(alter(batch) if alter else batch, now_ms)
            heard += [_heard(one, named[one.device]) for one in found if one.stage in _STAGES]
        if tell is not None:
            tell(sum(map(len, second)))
    # The streams have ended: what is still open is decided when the devices count as silent.
    now_ms += round(bank.parameters.silent_s * 1000)
    found = bank.update(None, now_ms)
    return heard + [_heard(one, named[one.device]) for one in found if one.stage in _STAGES]


def _heard(one: Detection, stream: Stream) -> Heard:
    recording = stream.recording_at(round((one.onset_ms - START_MS) / 1000 * FS_HZ))
    start_ms = START_MS + recording.start / FS_HZ * 1000
    return Heard(
        recording, one.stage, (one.onset_ms - start_ms) / 1000, (one.decided_ms - start_ms) / 1000, float(one.score)
    )


def alarms_of(heard: Iterable[Heard]) -> list[Alarm]:
    """The confirmed ones."""
    return [
        Alarm(one.recording, one.impact_s, one.decided_s, one.score) for one in heard if one.stage is Stage.CONFIRMED
    ]
