"""Findings about devices that stand: kept with their reason, told to nobody, and listed here for whoever maintains."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, exists, func, select

from alerts import models
from alerts.sentences import LANGUAGES
from detectors.detection import Stage

#: The detector of sensors at fault. It tells the end of each of its findings too, as a follow-up.
SENSOR_DETECTOR = "device.motion"
#: Those of links, batteries, clocks, use, home sensors, and of what measures vitals. They tell ends too, and put each
#: finding in words.
DEVICE_DETECTORS = ("device.link", "device.vitals")
#: Findings about a place have these notes; the device does not tell one place from another.
_PLACE = ("area", "home")
#: Devices asked for in one query.
_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class SensorFinding:
    """A motion sensor at fault.

    Attributes:
        device: whose sensor.
        sensor: accelerometer or gyroscope.
        fault: no_data, zero, stuck, saturated or scale.
        axes: those concerned, "" for the whole sensor.
        onset_ms: since when, our clock.
        features: values and limits, named with their units.
    """

    device: str
    sensor: str
    fault: str
    axes: str
    onset_ms: int
    features: dict[str, float]


def standing_sensor_findings(engine: Engine) -> list[SensorFinding]:
    """The sensors that are at fault now, the longest first: reported, and not said to be over."""
    table, later = models.evidence, models.evidence.alias()
    over = exists().where(later.c.detection == table.c.detection, later.c.stage == Stage.FOLLOW_UP.value)
    query = (
        select(table.c.device, table.c.notes, table.c.onset_ms, table.c.features)
        .where(table.c.detector == SENSOR_DETECTOR, table.c.stage == Stage.CONFIRMED.value, ~over)
        .order_by(table.c.onset_ms, table.c.device)
    )
    with engine.connect() as connection:
        return [
            SensorFinding(
                row.device,
                row.notes.get("sensor", ""),
                row.notes.get("fault", ""),
                row.notes.get("axes", ""),
                row.onset_ms,
                row.features,
            )
            for row in connection.execute(query)
        ]


@dataclass(frozen=True, slots=True)
class DeviceFinding:
    """Something is not as it should be with a device, or with what the devices of an area share.

    Attributes:
        device: whose; of an area a name that no device can have.
        person: who has it (pseudonymous key); None where nobody does.
        area: dotted path of an area that is concerned as a whole, else "".
        kind: offline, battery_low, clock, test_overdue ...
        onset_ms: since when, our clock.
        severity: info, warning or urgent.
        said: the finding in words, by language.
        features: values and limits, named with their units.
    """

    device: str
    person: str | None
    area: str
    kind: str
    onset_ms: int
    severity: str
    said: dict[str, str]
    features: dict[str, float]


def standing_device_findings(engine: Engine) -> list[DeviceFinding]:
    """What is wrong with devices now, the longest first: reported, and neither said to be over nor, as after a loss of
    the detector's memory, told anew since."""
    table, later = models.evidence, models.evidence.alias()
    ours = table.c.detector.in_(DEVICE_DETECTORS)
    over = exists().where(later.c.detection == table.c.detection, later.c.stage == Stage.FOLLOW_UP.value)
    query = (
        select(table)
        .where(ours, table.c.stage == Stage.CONFIRMED.value, ~over)
        .order_by(table.c.onset_ms, table.c.device)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
        names = sorted({row.device for row in rows})
        newest: dict[tuple[str, str, str], int] = {}
        for start in range(0, len(names), _AT_ONCE):
            some = table.c.device.in_(names[start : start + _AT_ONCE])
            last = (
                select(table.c.device, table.c.kind, table.c.detector, func.max(table.c.decided_ms))
                .where(ours, some)
                .group_by(table.c.device, table.c.kind, table.c.detector)
            )
            newest |= {(device, kind, detector): at_ms for device, kind, detector, at_ms in connection.execute(last)}
    return [
        DeviceFinding(
            row.device,
            row.person or row.notes.get("home"),
            row.notes.get("area", ""),
            row.kind,
            row.onset_ms,
            row.severity,
            {language: row.notes[language] for language in LANGUAGES if language in row.notes},
            row.features,
        )
        for row in rows
        if any(row.notes.get(name) for name in _PLACE) or row.decided_ms >= newest[row.device, row.kind, row.detector]
    ]
