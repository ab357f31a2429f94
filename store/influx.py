"""InfluxDB as the store: line protocol through influxdb-client, reads in InfluxQL.

Retrying is the writer's: here every request is made once, and what went wrong is said so that the caller can decide.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from store import influxql, schema
from store.aggregate import aggregate
from store.errors import StoreError, StoreMisconfigured
from store.influx_http import InfluxHttp, QuerySeries, failure, unreachable
from store.interface import Rejected, Series, Value
from store.lines import build_lines
from store.prepare import RangeQuery, prepare, series_of
from telemetry.records import PointBatch

log = logging.getLogger(__name__)

#: Lines and bytes of one request. 5,000 lines are what InfluxDB recommends; 1 MB is under every default limit.
_MAX_LINES = 5_000
_MAX_BODY = 1_000_000
#: Keys of one query: as many OR conditions. 200 cost 0.06 s, 1,000 cost 0.7 s.
_KEYS_PER_QUERY = 200
#: Points held in memory to be aggregated, some 20 MB.
_ROLLUP_ROWS = 50_000


class InfluxStore:
    """:class:`store.interface.Store` over InfluxDB 2.x (or 1.8, 3 Core), one bucket per retention."""

    def __init__(self, url: str, *, token: str, org: str, timeout_s: float = 10.0) -> None:
        """Nothing is contacted yet. Bodies are not compressed: on a local network gzip costs more than it saves."""
        if not token.isascii() or not token.isprintable():
            raise StoreMisconfigured("the store's token has characters that no token has: check the settings")
        self.empty_points = 0
        self._org = org or "-"
        self._http = InfluxHttp(url, token, timeout_s)
        self._client: Any = InfluxDBClient(
            url=self._http.url, token=token, org=self._org, timeout=int(timeout_s * 1000), enable_gzip=False
        )
        self._write_api: Any = self._client.write_api(write_options=SYNCHRONOUS)

    def check(self) -> None:
        """See Store. A missing bucket must be found here: some servers answer a write to it with a passing 500."""
        there = {row[0] for series in self._http.query("SHOW DATABASES") for row in series.values}
        missing = [name for name in schema.BUCKETS if name not in there]
        if missing:
            raise StoreMisconfigured(
                f"{self._http.url} has no bucket {', '.join(missing)} that InfluxQL can read with this token: "
                "make it, or its DBRP mapping, as docs/store.md shows"
            )

    def write(self, batch: PointBatch, *, bucket: str | None = None) -> list[Rejected]:
        """See Store."""
        ready = prepare(batch, bucket)
        rejected = list(ready.rejected)
        if ready.rows:
            lines = build_lines(ready)
            for start in range(0, len(lines), _MAX_LINES):
                refused = self._send(ready.bucket.name, lines[start : start + _MAX_LINES])
                rejected += [Rejected(ready.rows[start + line], detail) for line, detail in refused]
        self.empty_points += ready.empty
        return sorted(rejected)

    def _send(self, bucket: str, lines: list[str]) -> list[tuple[int, str]]:
        """Write the lines; those refused for good, as (index, why).

        A refused request is sent again in halves until a bad line stands alone. Which lines of a refused request were
        stored differs between servers and versions, so nothing is read into that.
        """
        body = "\n".join(lines).encode()
        detail = "" if len(body) > _MAX_BODY and len(lines) > 1 else self._post(bucket, body)
        if detail is None:
            return []
        if len(lines) == 1:
            return [(0, detail)]
        middle = len(lines) // 2
        left, right = self._send(bucket, lines[:middle]), self._send(bucket, lines[middle:])
        return left + [(middle + line, why) for line, why in right]

    def _post(self, bucket: str, body: bytes) -> str | None:
        """Write one body; None when it was taken, the reason when it holds what cannot be. Raises StoreError."""
        try:
            self._write_api.write(bucket=bucket, org=self._org, record=body)
        except ApiException as error:
            if error.status is None or error.status == 0:
                raise unreachable(self._http.url, urllib3.exceptions.SSLError(str(error.reason))) from error
            failed = failure(self._http.url, error.status, error.body or "", error.headers or {})
            if error.status in (400, 413, 422):
                return str(failed)
            raise failed from error
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(self._http.url, error) from error
        return None

    def range(
        self,
        measurement: str,
        field_names: Sequence[str],
        *,
        tags: dict[str, str],
        start_ms: int,
        end_ms: int,
        points: int = 500,
        bucket: str | None = None,
    ) -> Series:
        """See Store."""
        query = RangeQuery.checked(measurement, field_names, tags, start_ms, end_ms, points, bucket)
        if not query.fields or query.end_ms <= query.start_ms:
            return series_of([], query, None)
        rows = self._rows(influxql.as_stored(query), query)
        if len(rows) <= query.points:
            return series_of(rows, query, None)
        return series_of(self._rows(influxql.downsampled(query), query), query, query.step_ms)

    def _rows(self, text: str, query: RangeQuery) -> list[list[object]]:
        found = self._http.query(text, database=query.bucket.name, params=query.tags)
        return found[0].values if found else []

    def latest(
        self,
        measurement: str,
        field_names: Sequence[str],
        *,
        by: Literal["device", "person"],
        keys: Sequence[str] | None = None,
    ) -> dict[str, dict[str, Value]]:
        """See Store."""
        spec = schema.checked_fields(measurement, field_names)
        schema.check_tags(spec, [by])
        newest: dict[str, dict[str, Value]] = {}
        if not field_names:
            return newest
        for params in _key_params(keys):
            text = influxql.latest(spec, field_names, by, params)
            for series in self._http.query(text, database=spec.bucket.name, params=params):
                key = series.tags[by]
                if key and series.values:
                    newest[key] = _point(spec, field_names, series.values[0])
        return newest

    def delete_person(self, person: str) -> None:
        """See Store. A roll-up that runs at the same moment may bring a window back: call it again a minute later."""
        key = schema.clean_tag(person)
        if not key:
            raise StoreError("delete_person needs a person key, got an empty one")
        for bucket in schema.BUCKETS:
            quoted = key.replace('"', r"\"")
            if not self._http.delete(bucket, self._org, f'person="{quoted}"'):
                self._http.query(influxql.DROP_PERSON, database=bucket, params={"person": key})

    def rollup(
        self,
        measurement: str,
        *,
        start_ms: int,
        end_ms: int,
        step_s: int,
        source_bucket: str,
        target_bucket: str,
        devices: Collection[str] | None = None,
    ) -> int:
        """See Store. The points are read as they stream in and aggregated here, :mod:`store.aggregate` says why."""
        spec = schema.measurement(measurement)
        source = schema.bucket_of(measurement, source_bucket)
        target = schema.rollup_bucket(spec, target_bucket, step_s, start_ms, end_ms)
        fields = spec.numbers if not spec.open_numbers else self._open_fields(spec, source)
        if not fields or end_ms <= start_ms:
            return 0
        written = 0
        for params in _key_params(devices):
            text = influxql.points(spec, fields, start_ms, end_ms, params)
            parts = self._http.query_in_chunks(text, database=source.name, params=params, epoch="ns")
            for whole in _whole_series(parts, _ROLLUP_ROWS):
                written += self._write_rollup(spec, fields, whole, step_s, target)
        return written

    def _write_rollup(
        self,
        spec: schema.Measurement,
        fields: Sequence[str],
        found: list[QuerySeries],
        step_s: int,
        target: schema.Bucket,
    ) -> int:
        rows = [row for series in found for row in series.values]
        of = np.repeat(np.arange(len(found)), [len(series.values) for series in found])
        step_ns = step_s * 1_000_000_000
        window_ns = np.array([row[0] for row in rows], dtype=np.int64) // step_ns * step_ns
        differs = (np.diff(of) != 0) | (np.diff(window_ns) != 0)
        starts = np.concatenate([[0], np.flatnonzero(differs) + 1])
        table = aggregate(np.array([row[1:] for row in rows], dtype=np.float64), starts)
        names = [f"{field}_{statistic}" for field in fields for statistic in schema.STATISTICS]
        owners = [found[i].tags for i in of[starts].tolist()]
        tags = {tag: [owner.get(tag, "") for owner in owners] for tag in spec.tags}
        batch = PointBatch(spec.name, window_ns[starts], tags, {name: table[:, i] for i, name in enumerate(names)})
        for refused in self.write(batch, bucket=target.name):
            log.error("%s refused a roll-up of %s: %s", target.name, spec.name, refused.detail)
        return len(batch)

    def _open_fields(self, spec: schema.Measurement, source: schema.Bucket) -> tuple[str, ...]:
        found = self._http.query(influxql.field_keys(spec), database=source.name)
        names = {row[0] for series in found for row in series.values if row[1] == "float"}
        return tuple(sorted(name for name in names if schema.OPEN_FIELD.fullmatch(name)))

    def expire(self, _now_ms: int) -> int:
        """See Store. Buckets have their retention in the server, by its own clock."""
        return 0

    def close(self) -> None:
        """See Store."""
        self._write_api.close()
        self._client.close()
        self._http.close()


def _key_params(keys: Collection[str] | None) -> list[dict[str, str]]:
    """Keys as bound parameters, in as many queries as it takes; one empty set stands for all."""
    if keys is None:
        return [{}]
    wanted = sorted({schema.clean_tag(key) for key in keys} - {""})
    parts = [wanted[i : i + _KEYS_PER_QUERY] for i in range(0, len(wanted), _KEYS_PER_QUERY)]
    return [{f"k{number}": key for number, key in enumerate(part)} for part in parts]


def _whole_series(parts: Iterable[QuerySeries], rows: int) -> Iterator[list[QuerySeries]]:
    """Groups of about ``rows`` rows; a series that came in several parts is never divided between two groups."""
    group: list[QuerySeries] = []
    held = 0
    for part in parts:
        if group and part.tags == group[-1].tags:
            group[-1].values += part.values
        else:
            if held >= rows:
                yield group
                group, held = [], 0
            group.append(part)
        held += len(part.values)
    if held:
        yield group


def _point(spec: schema.Measurement, field_names: Sequence[str], row: Sequence[Any]) -> dict[str, Value]:
    """``t_ms`` and the fields that this row has. InfluxDB writes 60.0 as 60 in JSON, hence the casts."""
    point: dict[str, Value] = {"t_ms": int(row[0])}
    for name, value in zip(field_names, row[1:], strict=True):
        if value is not None:
            point[name] = str(value) if name in spec.strings else float(value)
    return point
