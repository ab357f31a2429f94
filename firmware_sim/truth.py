"""What really happened in a run, as a file beside it, and what a system made of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from firmware_sim.ranges import Ranges

#: A fall counts as found when its onset was put this close to the impact: the rule of the published evaluations.
HIT_MS = 2_500


class Fall(msgspec.Struct, frozen=True, kw_only=True):
    """A fall that happened. ``motion`` names the recording or the kind of synthetic fall."""

    device: str
    person: str | None
    impact_ms: int
    motion: str
    outcome: str = ""  # gets_up, lies, unconscious; "" where nobody knows


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """An SOS button that was pressed. ``acked_ms`` is when the gateway's acknowledgement reached the button."""

    device: str
    person: str | None
    boot: int
    seq: int
    pressed_ms: int
    acked_ms: int | None = None
    repeats: int = 0


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of one (device, stream, boot), as ranges (first, last) of seq.

    ``seq``: the broker acknowledged them. ``dropped``: the device's buffer overflowed before they could be sent.
    """

    device: str
    stream: str
    boot: int
    seq: list[tuple[int, int]]
    dropped: list[tuple[int, int]] = []


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that the simulator put in, or met: ``kind``, when, and on which device ("" = all)."""

    kind: str
    device: str
    at_ms: int
    detail: str = ""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Anything else that a system may have to find: an illness, a still home, a sensor that sticks.

    ``kind`` is the kind of the detection that is due for it. It begins at ``begin_ms``; ``due_ms`` is by when it should
    be found, None where nothing has to be said about it (it then only explains what is). ``end_ms`` None: it lasts.
    """

    kind: str
    begin_ms: int
    due_ms: int | None = None
    end_ms: int | None = None
    device: str | None = None
    person: str | None = None
    detail: str = ""


class Spoiled(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was sent and that no system may take: it is due in the quarantine, for ``reason``.

    ``reason`` is a value of :class:`telemetry.errors.Reason`, ``device`` the one whose topic it was sent to, ``sha256``
    of the payload, in hex; ``boot`` and ``seq`` where the payload still has them.
    """

    device: str
    stream: str
    at_ms: int
    reason: str
    sha256: str
    fault: str
    boot: int | None = None
    seq: int | None = None


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """The ground truth of a run. Instants are epoch milliseconds by the simulation's clock."""

    scenario: str
    source: str  # recordings or synthetic
    seed: int
    start_ms: int
    end_ms: int
    devices: int
    falls: list[Fall]
    sos: list[Press]
    published: list[Published]
    faults: list[Fault] = []
    happenings: list[Happening] = []
    spoiled: list[Spoiled] = []

    @property
    def messages_published(self) -> int:
        """How many unique messages the broker took."""
        return sum(last - first + 1 for part in self.published for first, last in part.seq)

    def keys(self) -> Iterator[tuple[str, str, int, int]]:
        """(device, stream, boot, seq) of every message that the broker took."""
        for part in self.published:
            for seq in Ranges(part.seq):
                yield part.device, part.stream, part.boot, seq

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read it back. Raises OSError or msgspec.ValidationError."""
        return msgspec.json.decode(path.read_bytes(), type=cls)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a system reported: a detection or an incident.

    ``onset_ms`` is when it says it happened (of an SOS, the button's time), ``notified_ms`` when a responder was told.
    """

    kind: str  # fall, sos; other kinds are left out of the score
    device: str | None = None
    person: str | None = None
    onset_ms: int
    notified_ms: int | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; None where there is nothing to measure."""

    p50: float | None
    p95: float | None
    max: float | None


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How well a system did. ``missed`` name what was not found; ``duplicates`` were found more than once."""

    falls_injected: int
    falls_detected: int
    falls_missed: list[Fall]
    sos_injected: int
    sos_detected: int
    sos_missed: list[Press]
    false_alarms: list[Found]
    duplicates: list[Found]
    impact_to_notified_s: Latency
    press_to_notified_s: Latency


def match(truth: Truth, reported: Sequence[Found]) -> Score:
    """Compare what a system reported with what happened.

    A reported fall hits the nearest fall of the same device or person within :data:`HIT_MS` of its impact; an SOS hits
    the nearest press of the same device or person within as much of the press. What hits nothing is a false alarm,
    what hits something that was found already a duplicate; the earliest notification counts.
    """
    falls = [f for f in reported if f.kind == "fall"]
    presses = [f for f in reported if f.kind == "sos"]
    fall_hits, false_falls, more_falls = _assign([(f.device, f.person, f.impact_ms) for f in truth.falls], falls)
    press_hits, false_presses, more_presses = _assign([(p.device, p.person, p.pressed_ms) for p in truth.sos], presses)
    return Score(
        falls_injected=len(truth.falls),
        falls_detected=len(fall_hits),
        falls_missed=[fall for i, fall in enumerate(truth.falls) if i not in fall_hits],
        sos_injected=len(truth.sos),
        sos_detected=len(press_hits),
        sos_missed=[press for i, press in enumerate(truth.sos) if i not in press_hits],
        false_alarms=[*false_falls, *false_presses],
        duplicates=[*more_falls, *more_presses],
        impact_to_notified_s=_latency((truth.falls[i].impact_ms, hits) for i, hits in fall_hits.items()),
        press_to_notified_s=_latency((truth.sos[i].pressed_ms, hits) for i, hits in press_hits.items()),
    )


_Happened = tuple[str, str | None, int]


def _assign(
    happened: Sequence[_Happened], reported: Sequence[Found]
) -> tuple[dict[int, list[Found]], list[Found], list[Found]]:
    """Index of what happened -> what reported it; reported for nothing; reported again."""
    hits: dict[int, list[Found]] = {}
    nothing: list[Found] = []
    again: list[Found] = []
    for found in sorted(reported, key=lambda f: f.onset_ms):
        near = [
            (abs(found.onset_ms - at_ms), i)
            for i, (device, person, at_ms) in enumerate(happened)
            if abs(found.onset_ms - at_ms) <= HIT_MS
            and (found.device == device or (person is not None and found.person == person))
        ]
        if not near:
            nothing.append(found)
            continue
        _, i = min(near)
        if i in hits:
            again.append(found)
        hits.setdefault(i, []).append(found)
    return hits, nothing, again


def _latency(hits: Iterable[tuple[int, list[Found]]]) -> Latency:
    seconds = []
    for at_ms, found in hits:
        told = [f.notified_ms for f in found if f.notified_ms is not None]
        if told:
            seconds.append((min(told) - at_ms) / 1000)
    if not seconds:
        return Latency(p50=None, p95=None, max=None)
    p50, p95, most = (round(float(x), 3) for x in np.percentile(seconds, [50, 95, 100]))
    return Latency(p50=p50, p95=p95, max=most)
