"""What was found about devices, as the database has it: what stands, and what was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select

from alerts.device_findings import (
    DEVICE_DETECTORS,
    SENSOR_DETECTOR,
    standing_device_findings,
    standing_sensor_findings,
)
from alerts.models import evidence
from alerts.queries import Stage
from console.texts import LANGUAGES

#: Findings that began longer ago and were never said to be over are history.
BACK_MS = 90 * 86_400_000
_SENSOR_KIND = "sensor_fault"
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is not as it should be with a device: what, since when, and in words by language ({} without).
    ``left_days``: of a battery, as of ``onset_ms``."""

    device: str
    kind: str
    onset_ms: int
    severity: str
    said: dict[str, str]
    left_days: float | None = None


@dataclass(frozen=True, slots=True)
class PlaceFault:
    """The same with what the devices of an area share, or of the home of ``person``."""

    area: str
    person: str | None
    kind: str
    onset_ms: int
    severity: str
    said: dict[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding about a device with its end; ``end_ms`` None: it stands, or its end was never told."""

    fault: Fault
    end_ms: int | None
    said_at_end: dict[str, str]


def all_standing(engine: Engine) -> tuple[dict[str, tuple[Fault, ...]], tuple[PlaceFault, ...]]:
    """What stands now against devices, by device, and against areas and homes; the longest first."""
    found: dict[str, list[Fault]] = defaultdict(list)
    places: list[PlaceFault] = []
    for one in standing_device_findings(engine):
        if one.area:
            places.append(PlaceFault(one.area, one.person, one.kind, one.onset_ms, one.severity, one.said))
        else:
            left = one.features.get("left_days")
            found[one.device].append(Fault(one.device, one.kind, one.onset_ms, one.severity, one.said, left))
    for sensor in standing_sensor_findings(engine):
        found[sensor.device].append(Fault(sensor.device, _SENSOR_KIND, sensor.onset_ms, "warning", {}))
    return {device: tuple(faults) for device, faults in found.items()}, tuple(places)


def standing_of(connection: Connection, devices: Sequence[str], since_ms: int) -> tuple[Fault, ...]:
    """What stands against these devices: reported last of its kind, and not said to be over."""
    newest: dict[tuple[str, str], Finding] = {}
    for one in _findings(connection, devices, since_ms):
        newest[one.fault.device, one.fault.kind] = one
    standing = [one.fault for one in newest.values() if one.end_ms is None]
    return tuple(sorted(standing, key=lambda fault: fault.onset_ms))


def history_of(connection: Connection, device: str, since_ms: int) -> list[Finding]:
    """Everything that was found about a device since then, the newest first."""
    found = sorted(_findings(connection, [device], since_ms), key=lambda one: one.fault.onset_ms, reverse=True)
    return found[:_SHOWN]


def _findings(connection: Connection, devices: Sequence[str], since_ms: int) -> list[Finding]:
    """In the order in which they were decided; one that was told anew, as after a loss of the detector's memory, ends
    where the next of its kind begins."""
    c = evidence.c
    query = (
        select(c.device, c.kind, c.detection, c.stage, c.onset_ms, c.decided_ms, c.severity, c.notes, c.features)
        .where(
            c.device.in_(devices), c.detector.in_((*DEVICE_DETECTORS, SENSOR_DETECTOR)), c.decided_ms >= since_ms,
        )
        .order_by(c.decided_ms)
    )  # fmt: skip
    found: dict[str, Finding] = {}
    open_of: dict[tuple[str, str], str] = {}
    for row in connection.execute(query):
        place = row.device, row.kind
        said = {language: row.notes[language] for language in LANGUAGES if language in row.notes}
        if row.stage == Stage.CONFIRMED.value:
            if (before := open_of.get(place)) is not None:
                found[before] = Finding(found[before].fault, row.onset_ms, {})
            fault = Fault(row.device, row.kind, row.onset_ms, row.severity, said, row.features.get("left_days"))
            found[row.detection] = Finding(fault, None, {})
            open_of[place] = row.detection
        elif row.stage == Stage.FOLLOW_UP.value and row.detection in found:
            found[row.detection] = Finding(found[row.detection].fault, row.decided_ms, said)
            if open_of.get(place) == row.detection:
                del open_of[place]
    return list(found.values())
