"""Points by their key: what the writer is given, what acknowledged messages have to make, what is in the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ingest.devices import Owner
from store.schema import MEASUREMENTS
from telemetry.messages import VITALS_NUMBERS, Vitals
from telemetry.records import unpack_points
from tests.chaos.account import PointKey
from tests.servers.influxdb import InfluxServer

Fields = dict[str, float | str]


def point_key(measurement: str, tags: Mapping[str, str], t_ns: int) -> PointKey:
    """An empty tag is none."""
    return measurement, tuple(sorted((name, value) for name, value in tags.items() if value)), t_ns


def add_built(built: dict[PointKey, Fields], record: bytes) -> None:
    """Take what a record for the writer holds; what is built again replaces what was built before."""
    batch = unpack_points(record)
    for row, t_ns in enumerate(batch.t_ns):
        tags = {name: column[row] for name, column in batch.tags.items()}
        fields: Fields = {}
        for name, column in batch.fields.items():
            value = column[row]
            if isinstance(value, str):
                fields[name] = value
            elif value is not None and not np.isnan(value):
                fields[name] = float(value)
        if fields:
            built.setdefault(point_key(batch.measurement, tags, int(t_ns)), {}).update(fields)


def expected_points(
    readings: Iterable[tuple[str, Vitals]],
    movement: Mapping[tuple[str, int], float],
    owners: Mapping[str, Owner],
) -> dict[PointKey, Fields]:
    """What readings (device, reading) and movement have to leave in the store."""
    expected: dict[PointKey, Fields] = {}
    for (device, t_ns), enmo in movement.items():
        expected[point_key("motion", _tags(device, owners), t_ns)] = {"enmo_g": enmo}
    for device, said in readings:
        values: Fields = {name: float(value) for name in VITALS_NUMBERS if (value := getattr(said, name)) is not None}
        expected[point_key("vitals", _tags(device, owners), said.t * 1_000_000)] = values
    return expected


def _tags(device: str, owners: Mapping[str, Owner]) -> dict[str, str]:
    owner = owners[device]
    return {"device": device, "person": owner.person or "", "area": owner.area or ""}


def stored_points(influx: InfluxServer, measurements: Iterable[str]) -> dict[PointKey, Fields]:
    """All points of these measurements, from the bucket where each is first written."""
    stored: dict[PointKey, Fields] = {}
    for name in measurements:
        bucket = MEASUREMENTS[name].bucket.name
        (result,) = influx.query(f'SELECT * FROM "{name}" GROUP BY *', database=bucket)
        for series in result.get("series", []):
            columns = series["columns"][1:]
            for t_ns, *values in series["values"]:
                stored[point_key(name, series["tags"], int(t_ns))] = {
                    column: value if isinstance(value, str) else float(value)
                    for column, value in zip(columns, values, strict=True)
                    if value is not None
                }
    return stored
