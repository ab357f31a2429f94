"""Findings about devices that stand: kept with their reason, told to nobody, and listed here for whoever maintains."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, exists, select

from alerts import models
from detectors.detection import Stage

#: The detector of sensors at fault. It tells the end of each of its findings too, as a follow-up.
SENSOR_DETECTOR = "device.motion"


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
