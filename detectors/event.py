"""What a person or a device says outright: SOS, a fall found on the device, a cancel, smoke, gas.

Nothing here is ever suppressed for its time: an SOS with an impossible clock is an SOS, and says so in its notes.
Repeats of one event (same device, boot, seq) have one id, so that they are one finding for whoever takes them in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from detectors.detection import Detection, Severity, Stage, detection_id
from detectors.errors import DetectorError
from detectors.parameters import EventParameters, params_hash
from telemetry.messages import Event, Home

DETECTOR = "event"
VERSION = "1"
STATE_FORMAT = 1

#: What each known event type and home sensor kind means; anything else is passed on as information.
SEVERITIES: dict[str, Severity] = {
    "sos": Severity.CRITICAL,
    "fall": Severity.CRITICAL,
    "smoke": Severity.CRITICAL,
    "gas": Severity.CRITICAL,
    "cancel": Severity.INFO,
}
#: Kinds of home sensors that are findings by themselves.
HOME_KINDS: tuple[str, ...] = ("smoke", "gas")
#: What home sensors send for "nothing": as text, lower case.
_QUIET_WORDS = frozenset({"", "0", "0.0", "off", "false", "no", "none", "ok", "clear", "normal"})


@dataclass(frozen=True, slots=True)
class EventIn:
    """One event message, with what its way here says about it.

    Attributes:
        device: who sent it.
        person: pseudonymous key; None for an unknown or unassigned device.
        message: as decoded.
        recv_ms: when the gateway received it, our clock.
        offset_ms: add it to ``message.t`` for our clock; None when the device's clock was never compared.
        historical: it comes from the device's buffer.
        notes: words that go with the finding.
    """

    device: str
    person: str | None
    message: Event
    recv_ms: int
    offset_ms: int | None = None
    historical: bool = False
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HomeIn:
    """One message of a home sensor; the attributes are those of :class:`EventIn`."""

    device: str
    person: str | None
    message: Home
    recv_ms: int
    offset_ms: int | None = None
    historical: bool = False
    notes: dict[str, str] = field(default_factory=dict)


class EventBank:
    """Turns events into findings, confirmed at once. Keeps nothing: the state is the version of its format."""

    def __init__(self, parameters: EventParameters | None = None) -> None:
        self.parameters = parameters or EventParameters()
        self.params_hash = params_hash(self.parameters)

    def update(self, events: Sequence[EventIn], now_ms: int) -> list[Detection]:
        """One finding per event, in their order; an empty sequence is a tick and finds nothing.

        An unknown type is passed on under its own name with severity ``info``. ``notes`` carries ``re`` (the command
        that a cancel answers) and ``clock`` (in words, when the time is implausible).
        """
        return [
            self._finding(
                one, one.message.type.lower(), DETECTOR, {"re": one.message.re} if one.message.re else {}, now_ms
            )
            for one in events
        ]

    def update_home(self, readings: Sequence[HomeIn], now_ms: int) -> list[Detection]:
        """A finding for every reading of a smoke or gas sensor that says there is some; none for any other."""
        return [
            self._finding(one, one.message.kind.lower(), "event.home", _room(one.message), now_ms)
            for one in readings
            if one.message.kind.lower() in HOME_KINDS and is_raised(one.message.value)
        ]

    def _finding(self, one: EventIn | HomeIn, kind: str, stream: str, notes: dict[str, str], now_ms: int) -> Detection:
        message = one.message
        onset_ms = message.t + (one.offset_ms or 0)
        clock = self._clock_note(message.t, onset_ms, one)
        return Detection(
            id=detection_id(one.device, stream, message.boot, message.seq),
            stage=Stage.CONFIRMED,
            device=one.device,
            person=one.person,
            detector=DETECTOR,
            version=VERSION,
            kind=kind,
            onset_ms=onset_ms,
            decided_ms=now_ms,
            recv_ms=one.recv_ms,
            severity=SEVERITIES.get(kind, Severity.INFO),
            score=1.0,
            historical=one.historical,
            notes={**one.notes, **notes, **({"clock": clock} if clock else {})},
            params_hash=self.params_hash,
        )

    def _clock_note(self, t_ms: int, onset_ms: int, one: EventIn | HomeIn) -> str:
        behind_s = (one.recv_ms - onset_ms) / 1000
        if t_ms < self.parameters.earliest_ms and not one.offset_ms:
            return "the device's clock was never set: its time says nothing"
        if behind_s > self.parameters.late_s and not one.historical:
            return f"the device's time lies {_words(behind_s)} before the arrival"
        if behind_s < -self.parameters.early_s:
            return f"the device's time lies {_words(-behind_s)} after the arrival"
        return ""

    def state(self) -> dict[str, Any]:
        """The format only: events carry all they need."""
        return {"format": STATE_FORMAT}

    def restore(self, state: dict[str, Any]) -> None:
        """Accept what :meth:`state` gave.

        Raises:
            DetectorError: the state is of another version.
        """
        if state.get("format") != STATE_FORMAT:
            raise DetectorError(f"event bank state of format {state.get('format')!r}, not {STATE_FORMAT}: start afresh")


def is_raised(value: bool | float | str) -> bool:
    """Whether a home sensor's value says that there is something. An unknown word does: better one look too many."""
    if isinstance(value, str):
        return value.strip().lower() not in _QUIET_WORDS
    return bool(value > 0)  # NaN is no reading


def _room(message: Home) -> dict[str, str]:
    return {"room": message.room} if message.room else {}


def _words(seconds: float) -> str:
    for name, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} seconds"
