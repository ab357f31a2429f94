"""Runs a bank over strict streams and counts: hits, false alarms, times, with Wilson intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.detection import Detection, Stage
from detectors.fall.bank import FallBank
from detectors.fall.recordings import Recording, Stream, batches
from detectors.fall.ring import FS_HZ
from detectors.motion import MotionBatch
from telemetry.shares import Share

#: When the first sample of every stream was taken: any instant does, a whole second reads well.
START_MS = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class Alarm:
    """A confirmed alarm. Times are seconds from the start of the recording; ``alarm_s`` may lie behind its end."""

    recording: Recording
    impact_s: float
    alarm_s: float
    score: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What an evaluation says about a group of recordings.

    Attributes:
        sensitivity: falls with an alarm whose impact lies near theirs.
        specificity: recordings of daily living with no alarm.
        false_alarms: alarms in recordings of daily living.
        adl_hours: their length, without the hold.
        latency_p50_s: from the labelled impact to the end of the deciding frame, over the hits; NaN without hits.
        latency_p95_s: likewise.
        stray: alarms in recordings of falls, away from the fall: counted, not scored.
    """

    name: str
    sensitivity: Share
    specificity: Share
    false_alarms: int
    adl_hours: float
    latency_p50_s: float
    latency_p95_s: float
    stray: int

    @property
    def false_alarms_per_hour(self) -> float:
        """Per hour of daily living, NaN without any."""
        return self.false_alarms / self.adl_hours if self.adl_hours else math.nan


@dataclass(frozen=True, slots=True)
class Said:
    """A detection of the bank, and the recording that holds its impact. Times as in :class:`Alarm`."""

    detection: Detection
    recording: Recording
    impact_s: float
    decided_s: float


def play(
    bank: FallBank,
    streams: Sequence[Stream],
    *,
    alter: Callable[[MotionBatch], MotionBatch] | None = None,
    tell: Callable[[int], None] | None = None,
) -> Iterator[Said]:
    """Everything that a bank says of streams side by side, in the order in which it says it.

    Args:
        bank: a new bank; row i becomes ``streams[i]``.
        streams: see :mod:`detectors.fall.recordings`.
        alter: what happens to the frames on their way to the bank.
        tell: called with the number of seconds of all streams that were done.
    """
    for stream in streams:
        bank.add(stream.name, placement=stream.placement, person=None)
    named = {stream.name: stream for stream in streams}
    now_ms = START_MS
    for second in batches(list(streams), start_ms=START_MS):
        now_ms += 1000
        for batch in second:
            for one in bank.update(alter(batch) if alter else batch, now_ms):
                yield _said(one, named[one.device])
        if tell is not None:
            tell(sum(map(len, second)))
    # The streams have ended: what is still open is decided when the devices count as silent.
    now_ms += round(bank.parameters.silent_s * 1000)
    for one in bank.update(None, now_ms):
        yield _said(one, named[one.device])


def _said(one: Detection, stream: Stream) -> Said:
    recording = stream.recording_at(round((one.onset_ms - START_MS) / 1000 * FS_HZ))
    start_ms = START_MS + recording.start / FS_HZ * 1000
    return Said(one, recording, (one.onset_ms - start_ms) / 1000, (one.decided_ms - start_ms) / 1000)


def run(bank: FallBank, streams: Sequence[Stream]) -> list[Alarm]:
    """The confirmed alarms of the production bank over streams side by side; ``bank`` is a new one."""
    return [
        Alarm(said.recording, said.impact_s, said.decided_s, said.detection.score)
        for said in play(bank, streams)
        if said.detection.stage is Stage.CONFIRMED
    ]


def figures(name: str, recordings: Sequence[Recording], alarms: Sequence[Alarm]) -> Figures:
    """Count the alarms that lie in ``recordings``."""
    by_key: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        by_key.setdefault(alarm.recording.key, []).append(alarm)
    hits, stray, false_alarms, quiet = 0, 0, 0, 0
    latencies: list[float] = []
    falls = [r for r in recordings if r.is_fall]
    daily = [r for r in recordings if not r.is_fall]
    for recording in falls:
        near = [a for a in by_key.get(recording.key, []) if recording.holds(a.impact_s)]
        stray += len(by_key.get(recording.key, [])) - len(near)
        if near:
            hits += 1
            latencies.append(
                near[0].alarm_s - (recording.impact_s if recording.impact_s is not None else near[0].impact_s)
            )
    for recording in daily:
        here = len(by_key.get(recording.key, []))
        false_alarms += here
        quiet += here == 0
    p50, p95 = np.percentile(latencies, [50, 95]).tolist() if latencies else (math.nan, math.nan)
    return Figures(
        name,
        Share(hits, len(falls)),
        Share(quiet, len(daily)),
        false_alarms,
        sum(r.samples for r in daily) / FS_HZ / 3600,
        p50,
        p95,
        stray,
    )
