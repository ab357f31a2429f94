"""SOS, falls found on the device, cancels, smoke and gas."""

from __future__ import annotations

import pytest

from detectors.detection import Severity, Stage, detection_id
from detectors.event import EventBank, EventIn, HomeIn
from telemetry.messages import Event, Home

NOW_MS = 1_760_000_000_000


def event(kind: str, *, t: int = NOW_MS - 500, **more: object) -> EventIn:
    """An event of device b-1 that arrived half a second ago."""
    message = Event(t=t, boot=7, seq=3, type=kind, re="cmd-9" if kind == "cancel" else None)
    return EventIn("b-1", "p-1", message, NOW_MS - 100, **more)


@pytest.mark.parametrize(
    ("kind", "severity"),
    [("sos", Severity.CRITICAL), ("fall", Severity.CRITICAL), ("cancel", Severity.INFO), ("dance", Severity.INFO)],
)
def test_an_event_is_confirmed_at_once_under_its_own_name(kind: str, severity: Severity) -> None:
    """Unknown types are data, not errors."""
    (found,) = EventBank().update([event(kind)], NOW_MS)
    assert (found.kind, found.severity, found.stage) == (kind, severity, Stage.CONFIRMED)
    assert found.id == detection_id("b-1", "event", 7, 3)
    assert (found.onset_ms, found.recv_ms, found.decided_ms) == (NOW_MS - 500, NOW_MS - 100, NOW_MS)
    assert "clock" not in found.notes


def test_a_cancel_says_what_it_answers() -> None:
    """The id of the command that asked the wearer."""
    (found,) = EventBank().update([event("cancel")], NOW_MS)
    assert found.notes["re"] == "cmd-9"


def test_a_repeated_event_has_the_same_id() -> None:
    """The button repeats until it is acknowledged."""
    first, second = EventBank().update([event("sos"), event("sos")], NOW_MS)
    assert first.id == second.id


@pytest.mark.parametrize(
    ("t", "offset_ms", "words"),
    [
        (3_600_000, None, "never set"),
        (NOW_MS - 8 * 3_600_000, None, "8 hours before"),
        (NOW_MS + 3 * 86_400_000, 0, "3 days after"),
        (0, None, "never set"),
        (3_600_000, NOW_MS - 3_600_000, ""),
    ],
)
def test_an_sos_with_an_impossible_time_is_still_an_sos(t: int, offset_ms: int | None, words: str) -> None:
    """It says so in words; a known clock offset makes it plausible again."""
    (found,) = EventBank().update([event("sos", t=t, offset_ms=offset_ms)], NOW_MS)
    assert found.severity is Severity.CRITICAL
    assert found.onset_ms == t + (offset_ms or 0)
    assert words in found.notes.get("clock", "")
    assert bool(found.notes) is bool(words)


def test_a_buffered_sos_is_old_without_its_clock_being_blamed() -> None:
    """It happened then."""
    (found,) = EventBank().update([event("sos", t=NOW_MS - 9_000_000, historical=True)], NOW_MS)
    assert found.historical
    assert found.notes == {}


def test_an_sos_of_an_unknown_device_has_no_person() -> None:
    """The district desk takes it."""
    one = event("sos")
    stranger = EventIn("x", None, one.message, one.recv_ms, notes={"device": "not in the registry"})
    (found,) = EventBank().update([stranger], NOW_MS)
    assert found.person is None
    assert found.notes == {"device": "not in the registry"}


@pytest.mark.parametrize(
    ("kind", "value", "raised"),
    [
        ("smoke", True, True),
        ("smoke", False, False),
        ("gas", 1.0, True),
        ("gas", 0.0, False),
        ("gas", float("nan"), False),
        ("smoke", "ALARM", True),
        ("smoke", "off", False),
        ("Smoke", "true", True),
        ("presence", True, False),
        ("water", True, False),
    ],
)
def test_smoke_and_gas_are_findings_when_there_is_some(kind: str, value: bool | float | str, raised: bool) -> None:
    """Other home sensors are left to the routine detector."""
    reading = HomeIn("h-1", "p-1", Home(t=NOW_MS, boot=1, seq=5, kind=kind, value=value, room="kitchen"), NOW_MS)
    found = EventBank().update_home([reading], NOW_MS)
    assert len(found) == raised
    for one in found:
        assert (one.kind, one.severity, one.notes["room"]) == (kind.lower(), Severity.CRITICAL, "kitchen")
        assert one.id != detection_id("h-1", "event", 1, 5), "the home stream counts its own seq"
