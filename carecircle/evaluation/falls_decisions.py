"""Every decision of the second stage with its score, also of what is below the threshold, and what other thresholds
would have made of it.

The production bank says nothing of an impact that was never suspected and stayed below its threshold. Here it runs
with thresholds of 0 and without its refractory time, so that everything the first stage lets through is heard; the
refractory time is applied afterwards, for whatever threshold is asked about.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from detectors.detection import Stage
from detectors.fall.bank import FallBank
from detectors.fall.model import FallModel
from detectors.fall.recordings import Recording, Stream
from detectors.fall.ring import FS_HZ
from detectors.fall.scoring import Alarm, Figures, figures, play
from detectors.parameters import FallParameters

#: A curve goes through each of the first so many false alarms, and through so many thresholds more.
_FIRST, _MORE = 60, 40


@dataclass(frozen=True, slots=True)
class Decision:
    """An impact that the second stage looked at. Times are seconds from the start of the recording.

    ``thresholds`` are those of its operating points: the decision is one of a fall from there on.
    """

    stream: str
    recording: Recording
    impact_s: float
    decided_s: float
    score: float
    features: Mapping[str, float]
    thresholds: Mapping[str, float]

    @property
    def of_fall(self) -> bool:
        """Whether the impact lies where the recording's fall is labelled."""
        return self.recording.holds(self.impact_s)

    @property
    def sample(self) -> int:
        """Of its stream."""
        return self.recording.start + round(self.impact_s * FS_HZ)

    @property
    def margin(self) -> float:
        """Log-odds by which the score lies above the threshold of the operating point that is in use."""
        return _odds(self.score) - _odds(self.thresholds[FallParameters().operating_point])


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """What would be found at which cost if all thresholds were moved together: from the strictest on.

    Attributes:
        name: of the group of recordings.
        curve: figures at one threshold after the other.
        points: at the named operating points.
    """

    name: str
    curve: tuple[Figures, ...]
    points: Mapping[str, Figures]


def decide(model: FallModel, streams: Sequence[Stream], *, tell: Callable[[int], None] | None = None) -> list[Decision]:
    """All decisions of the second stage over streams side by side, in the order of the streams and of time."""
    heads = tuple(dataclasses.replace(head, thresholds=dict.fromkeys(head.thresholds, 0.0)) for head in model.heads)
    bank = FallBank(dataclasses.replace(model, heads=heads), dataclasses.replace(FallParameters(), refractory_s=0.0))
    thresholds = {
        stream.name: model.heads[model.head_for(stream.placement, stream.gyr is not None)].thresholds
        for stream in streams
    }
    found = []
    for said in play(bank, streams, tell=tell):
        one = said.detection
        if one.stage is Stage.CONFIRMED:
            limits = thresholds[one.device]
            features = one.features | {"threshold": limits[FallParameters().operating_point]}
            found.append(
                Decision(one.device, said.recording, said.impact_s, said.decided_s, one.score, features, limits)
            )
    order = {stream.name: i for i, stream in enumerate(streams)}
    return sorted(found, key=lambda decision: (order[decision.stream], decision.sample))


def alarms_at(decisions: Sequence[Decision], above: Callable[[Decision], bool]) -> list[Alarm]:
    """The alarms that a bank raises which confirms what is ``above`` its threshold; ``decisions`` are as of
    :func:`decide`. An impact soon after a confirmed one, and no higher, is the same fall."""
    refractory = round(FallParameters().refractory_s * FS_HZ)
    found: list[Alarm] = []
    last: Decision | None = None
    for one in decisions:
        if not above(one):
            continue
        soon = last is not None and last.stream == one.stream and one.sample - last.sample < refractory
        if soon and last is not None and one.features["peak_g"] <= last.features["peak_g"]:
            continue
        last = one
        found.append(Alarm(one.recording, one.impact_s, one.decided_s, one.score))
    return found


def tradeoff(name: str, recordings: Sequence[Recording], decisions: Sequence[Decision]) -> Tradeoff:
    """What moving the thresholds does to a group of recordings; ``decisions`` of other recordings do not matter."""
    keys = {recording.key for recording in recordings}
    here = [one for one in decisions if one.recording.key in keys]
    margins = sorted((one.margin for one in here), reverse=True)
    false = sorted((one.margin for one in here if not one.recording.is_fall), reverse=True)
    steps = {*false[:_FIRST], *_some(false[_FIRST:])}
    last = {math.nextafter(margin, math.inf) for margin in steps}  # the most that is found before the next false alarm
    levels = sorted({math.inf, *steps, *last, *_some(margins), -math.inf}, reverse=True)

    def at(above: Callable[[Decision], bool]) -> Figures:
        return figures(name, recordings, alarms_at(here, above))

    def at_level(level: float) -> Figures:
        return at(lambda one: one.margin >= level)

    def at_point(point: str) -> Figures:
        return at(lambda one: one.score >= one.thresholds[point])

    names = dict.fromkeys(point for one in here for point in one.thresholds)
    return Tradeoff(name, tuple(map(at_level, levels)), {point: at_point(point) for point in names})


def latencies_s(recordings: Sequence[Recording], alarms: Sequence[Alarm]) -> list[float]:
    """Seconds from the labelled impact (or that of the alarm, without one) to the alarm, of every fall found."""
    first: dict[str, Alarm] = {}
    for alarm in alarms:
        if alarm.recording.holds(alarm.impact_s):
            first.setdefault(alarm.recording.key, alarm)
    found = [first[recording.key] for recording in recordings if recording.key in first]
    return [
        alarm.alarm_s - (alarm.impact_s if alarm.recording.impact_s is None else alarm.recording.impact_s)
        for alarm in found
    ]


def _some(margins: Sequence[float]) -> Sequence[float]:
    return margins[:: max(1, math.ceil(len(margins) / _MORE))]


def _odds(probability: float) -> float:
    edge = 1e-12
    p = min(max(probability, edge), 1.0 - edge)
    return math.log(p / (1.0 - p))
