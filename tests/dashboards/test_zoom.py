"""Raw, minutes or hours: whichever the zoom takes, the reader sees the same, late points included."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dashboards import influxql
from dashboards.macros import Span, fill_in
from ingest.writer import Writer
from store import open_store
from tests.ingest.writer_helpers import Journals, work
from tests.servers.influxdb import InfluxServer
from tests.store.points import T0_MS, batch

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
TAGS = {"device": "w1", "person": "p1", "area": "d.a"}
WHERE = influxql.OF_PERSON
CHOSEN = {"person": ["p1"]}


@pytest.fixture
def now_ms(influx: InfluxServer) -> int:
    """The server's hour: what is too old for a bucket is reckoned from its clock."""
    (result,) = influx.query("SHOW DIAGNOSTICS")
    system = next(series for series in result["series"] if series["name"] == "system")
    now = dict(zip(system["columns"], system["values"][0], strict=True))["currentTime"]
    return int(datetime.fromisoformat(now[:19] + "+00:00").timestamp()) // 3600 * HOUR_MS


@pytest.fixture
def writing(influx: InfluxServer, tmp_path: Path) -> Iterator[tuple[Journals, Writer]]:
    """A writer into empty buckets."""
    journals = Journals(tmp_path / "data")
    store = open_store(influx.url, token=influx.token, org=influx.org)
    writer = journals.open_writer(store)
    yield journals, writer
    writer.close()
    store.close()
    journals.close()


def asked(influx: InfluxServer, query: str, span: Span) -> dict[int, float]:
    """Values by instants (epoch ms) of a statement that has one series."""
    (result,) = influx.query(fill_in(query, span, CHOSEN))
    rows: list[Any] = result["series"][0]["values"] if "series" in result else []
    return {row[0] // 10**6: row[1] for row in rows if row[1] is not None}


@pytest.mark.parametrize("stat", ["mean", "min", "max", "sum", "count"])
def test_the_three_buckets_tell_the_same(
    stat: str, influx: InfluxServer, writing: tuple[Journals, Writer], now_ms: int
) -> None:
    """Uneven readings over six hours; an hour of them comes late, after its windows were rolled up."""
    journals, writer = writing
    start_ms = now_ms - 12 * HOUR_MS
    readings = [(start_ms + 37_000 * n, 60.0 + (n * 7) % 23) for n in range(580)]
    late = [one for one in readings if 2 * HOUR_MS <= one[0] - start_ms < 3 * HOUR_MS and one[1] > 70]
    for part in ([one for one in readings if one not in late], late):
        journals.put(batch("vitals", [t - T0_MS for t, _ in part], TAGS, hr=[v for _, v in part]))
        work(writer, now_ms)
        work(writer, now_ms + 2 * HOUR_MS)
        now_ms += 2 * HOUR_MS
    query = influxql.zoomed("vitals", "hr", WHERE, stat=stat)
    by_hour: dict[str, dict[int, float]] = {}
    for zoom in (9_999, 60_000, HOUR_MS):  # the condition sees the zoom, the steps are hours, so that they compare
        text = query.replace("$__interval_ms", str(zoom)).replace("time($__interval)", "time(1h)")
        by_hour[str(zoom)] = asked(influx, text, Span(start_ms, start_ms + 6 * HOUR_MS - 1))
    how = {"mean": lambda v: sum(v) / len(v), "min": min, "max": max, "sum": sum, "count": len}[stat]
    for hour in range(start_ms, start_ms + 6 * HOUR_MS, HOUR_MS):
        truth = how([v for t, v in readings if hour <= t < hour + HOUR_MS])
        assert {zoom: found[hour] for zoom, found in by_hour.items()} == pytest.approx(dict.fromkeys(by_hour, truth))


def test_the_zoom_chooses_the_bucket(influx: InfluxServer, now_ms: int) -> None:
    """A point in each bucket that is in no other tells which was read."""
    at_ns = (now_ms - HOUR_MS) * 10**6
    influx.write_line(f"vitals,person=p1 hr=1 {at_ns}")
    for bucket, value in (("telem_1m", 2), ("telem_1h", 3)):
        influx.write_line(f"vitals,person=p1 hr_mean={value},hr_count=1,hr_min=0,hr_max=9 {at_ns}", database=bucket)
    query = influxql.zoomed("vitals", "hr", WHERE)
    read = {}
    for name, days in (("an hour", 0.05), ("a day", 1), ("a week", 7), ("two months", 60), ("two years", 730)):
        span = Span(now_ms - round(days * DAY_MS) - HOUR_MS, now_ms)
        read[name] = sorted(set(asked(influx, query, span).values()))
    assert read == {"an hour": [1], "a day": [2], "a week": [2], "two months": [3], "two years": [3]}


def test_what_a_bucket_keeps_no_more_comes_from_the_next(influx: InfluxServer, now_ms: int) -> None:
    """An hour of a hundred days ago is shown by minutes, one of three years ago by hours, and nothing twice."""
    query = influxql.zoomed("vitals", "hr", WHERE, stat="count")
    for days, expected in ((10, [1.0]), (100, [2.0]), (1100, [3.0])):
        at_ms = now_ms - days * DAY_MS
        influx.write_line(f"vitals,person=p1 hr=1 {at_ms * 10**6}")  # not yet expired: shards go as a whole
        for bucket, count in (("telem_1m", 2), ("telem_1h", 3)):
            influx.write_line(f"vitals,person=p1 hr_mean=1,hr_count={count} {at_ms * 10**6}", database=bucket)
        found = asked(influx, query, Span(at_ms - HOUR_MS // 2, at_ms + HOUR_MS // 2))
        assert list(found.values()) == expected, days
