"""What every store promises, tried on each of them."""

from __future__ import annotations

import numpy as np
import pytest

from store import SchemaError, Store, schema
from telemetry.records import PointBatch
from tests.store.points import T0_MS, batch, noise

HOUR_MS = 3_600_000
ALL = {"start_ms": T0_MS, "end_ms": T0_MS + HOUR_MS}


def test_what_is_written_is_read_back_in_the_order_of_time(store: Store) -> None:
    """Points written out of order, in two batches, come back sorted."""
    tags = {"device": "d1", "person": "p-1", "area": "a.b"}
    assert store.write(batch("vitals", [3000, 1000], tags, hr=[63.0, 61.0])) == []
    assert store.write(batch("vitals", [2000, 0], tags, hr=[62.5, 60.0])) == []
    series = store.range("vitals", ["hr"], tags={"device": "d1"}, **ALL)
    assert series.t_ms.dtype == np.int64
    assert (series.t_ms - T0_MS).tolist() == [0, 1000, 2000, 3000]
    assert series.columns["hr"].tolist() == [60.0, 61.0, 62.5, 63.0]
    assert series.step_ms is None
    assert series.minimum == {}


def test_a_point_written_again_replaces_itself(store: Store) -> None:
    """The same key twice is one point with the later value, across batches and within one."""
    tags = {"device": "d1", "person": "p-1"}
    first = batch("vitals", [0, 1000], tags, hr=[60.0, 61.0])
    for _ in range(2):
        store.write(first)
    store.write(batch("vitals", [1000, 1000], tags, hr=[70.0, 71.0]))
    assert store.range("vitals", ["hr"], tags=tags, **ALL).columns["hr"].tolist() == [60.0, 71.0]


def test_a_point_keeps_the_fields_that_the_new_one_has_not(store: Store) -> None:
    """Two producers write different fields of one point (area_state does so)."""
    store.write(batch("area_state", [0], {"area": "a"}, people=[40.0], on_call=[2.0]))
    store.write(batch("area_state", [0], {"area": "a"}, devices_online=[38.0], on_call=[3.0]))
    series = store.range("area_state", ["people", "on_call", "devices_online"], tags={"area": "a"}, **ALL)
    assert [series.columns[name].tolist() for name in ("people", "on_call", "devices_online")] == [
        [40.0],
        [3.0],
        [38.0],
    ]


def test_the_later_of_two_rows_wins_whatever_fields_they_have(store: Store) -> None:
    """Rows with different fields present are built in groups; their order must not change."""
    tags = {"device": "d1"}
    store.write(batch("vitals", [0, 0, 0], tags, hr=[1.0, 2.0, 3.0], spo2=[90.0, None, None]))
    store.write(batch("vitals", [1, 1, 1], tags, hr=[1.0, 2.0, 3.0], spo2=[None, 90.0, None]))
    assert store.range("vitals", ["hr"], tags=tags, **ALL).columns["hr"].tolist() == [3.0, 3.0]


def test_nan_and_none_are_absent(store: Store) -> None:
    """An absent value is NaN where another field of the point is there, and no row where none is."""
    store.write(batch("vitals", [0, 1000, 2000], {"device": "d1"}, hr=[60.0, None, 62.0], acvpu=[None, "A", "V"]))
    assert np.isnan(store.range("vitals", ["spo2"], tags={}, **ALL).columns["spo2"]).tolist() == []
    assert store.range("vitals", ["hr"], tags={}, **ALL).columns["hr"].tolist() == [60.0, 62.0]
    store.write(batch("vitals", [1000], {"device": "d1"}, spo2=[97.0]))
    both = store.range("vitals", ["hr", "spo2"], tags={}, **ALL)
    np.testing.assert_array_equal(both.columns["hr"], [60.0, np.nan, 62.0])
    np.testing.assert_array_equal(both.columns["spo2"], [np.nan, 97.0, np.nan])


def test_a_point_without_a_field_is_dropped_and_counted(store: Store) -> None:
    """Neither an error nor a silent loss."""
    refused = store.write(batch("vitals", [0, 1000, 2000], {"device": "d1"}, hr=[None, 61.0, None]))
    assert refused == []
    assert store.empty_points == 2
    assert store.range("vitals", ["hr"], tags={}, **ALL).t_ms.tolist() == [T0_MS + 1000]


def test_an_infinite_number_is_rejected_alone(store: Store) -> None:
    """The row is named, the others are stored."""
    refused = store.write(batch("vitals", [0, 1000, 2000], {"device": "d1"}, hr=[60.0, np.inf, 62.0]))
    assert [row.row for row in refused] == [1]
    assert "hr is inf" in refused[0].detail
    assert store.range("vitals", ["hr"], tags={}, **ALL).columns["hr"].tolist() == [60.0, 62.0]


def test_an_empty_batch_is_nothing(store: Store) -> None:
    """No rows, with and without columns."""
    assert store.write(batch("vitals", [])) == []
    assert store.write(batch("vitals", [], {"device": []}, hr=[])) == []
    assert store.write(batch("vitals", [0], {"device": "d1"})) == []
    assert store.empty_points == 1


def test_a_huge_batch_arrives_whole(store: Store) -> None:
    """More than one request of 5,000 lines, with the gaps that real data has."""
    points = noise(devices=7, points=3000, step_ms=1000)
    assert store.write(points) == []
    series = store.range("motion", ["enmo_g"], tags={"device": "d3"}, **ALL, points=10_000)
    column = points.fields["enmo_g"]
    assert isinstance(column, np.ndarray)
    expected = column[3::7]
    np.testing.assert_array_equal(series.columns["enmo_g"], expected[~np.isnan(expected)])


STRINGS = [
    "plain",
    'a "quoted" word',
    "it's",
    "a, b=c d",
    "two\nlines\r\nand\ttab",
    "back\\slash and at the end\\",
    '\\"',
    "\\\\",
    "重庆市渝北区",
    "🧓🏽 fell 🚑",
    "' OR 1=1 --",
    "",
    " ",
    "# no comment",
    "%s %d %r",
]


def test_strings_come_back_as_they_were(store: Store) -> None:
    """String fields hold any text."""
    devices = [f"d{i}" for i in range(len(STRINGS))]
    assert store.write(batch("device", [0] * len(STRINGS), {"device": devices}, fw=STRINGS)) == []
    latest = store.latest("device", ["fw"], by="device")
    assert [latest[device]["fw"] for device in devices] == STRINGS


TAGS = [
    "plain",
    'a "quoted" word',
    "it's",
    "a, b=c d",
    " both ends ",
    "equals=",
    "重庆市渝北区",
    "🧓🏽",
    "' OR '1'='1",
    "x'; DROP SERIES FROM /.*/ --",
    '" OR person !~ /x/',
    "$device",
    "/.*/",
    "%s",
    "line\nbreak",
    "carriage\rreturn",
    "a\\",
    "a\\b\\\\",
    "tab\there",
    "nul\x00",
    "separator\u2028",
    "t hr=1 1\nvitals,device=evil hr=2",
]


def test_a_tag_may_hold_anything_and_finds_its_own_points_only(store: Store) -> None:
    """Whatever a device calls itself: one series each, found under the name it was written with, nothing injected."""
    assert store.write(batch("vitals", [0] * len(TAGS), {"device": TAGS}, hr=list(map(float, range(len(TAGS)))))) == []
    for number, tag in enumerate(TAGS):
        assert store.range("vitals", ["hr"], tags={"device": tag}, **ALL).columns["hr"].tolist() == [float(number)], tag
        latest = store.latest("vitals", ["hr"], by="device", keys=[tag])
        assert [point["hr"] for point in latest.values()] == [float(number)], tag
    assert len(store.latest("vitals", ["hr"], by="device")) == len(TAGS)


def test_line_breaks_and_backslashes_in_a_tag_become_underscores(store: Store) -> None:
    """Line protocol cannot write them; both stores clean alike."""
    store.write(batch("home", [0], {"device": "d1", "person": "p\\1", "kind": "a\nb\\"}, value=[1.0]))
    assert list(store.latest("home", ["value"], by="person")) == ["p_1"]


def test_an_injection_in_a_person_key_deletes_nothing_else(store: Store) -> None:
    """delete_person compares, it never interprets."""
    store.write(batch("vitals", [0, 0], {"device": ["d1", "d2"], "person": ["p-1", "p-2"]}, hr=[60.0, 61.0]))
    for evil in ("' OR '1'='1", "x' OR person =~ /.*/ --", '" OR person="p-1', "p-1'", "p-", "/.*/"):
        store.delete_person(evil)
    assert sorted(store.latest("vitals", ["hr"], by="person")) == ["p-1", "p-2"]


def test_few_points_are_raw_and_many_are_downsampled(store: Store) -> None:
    """Exactly `points` come as stored; one more and they are steps whose extremes are kept."""
    n = 360
    random = np.random.default_rng(3)
    values = random.normal(1.0, 0.1, n)
    values[137] = 9.5  # one spike in an hour: it must not be averaged away
    values[200] = -4.0
    store.write(batch("motion", [10_000 * i for i in range(n)], {"device": "d1"}, enmo_g=values.tolist()))

    raw = store.range("motion", ["enmo_g"], tags={"device": "d1"}, **ALL, points=n)
    assert raw.step_ms is None
    np.testing.assert_array_equal(raw.columns["enmo_g"], values)

    few = store.range("motion", ["enmo_g"], tags={"device": "d1"}, **ALL, points=36)
    assert few.step_ms == 100_000
    assert few.t_ms.tolist() == [T0_MS + 100_000 * i for i in range(36)]
    steps = values.reshape(36, 10)
    np.testing.assert_allclose(few.columns["enmo_g"], steps.mean(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(few.minimum["enmo_g"], steps.min(axis=1))
    np.testing.assert_array_equal(few.maximum["enmo_g"], steps.max(axis=1))
    assert few.maximum["enmo_g"].max() == 9.5


def test_steps_begin_at_the_start_of_the_range_and_empty_ones_are_left_out(store: Store) -> None:
    """A range that starts at an odd instant; a gap in the data."""
    t_ms = [i * 1000 for i in range(100)] + [i * 1000 for i in range(500, 600)]
    store.write(batch("vitals", t_ms, {"device": "d1"}, hr=[float(i) for i in range(200)]))
    start = T0_MS + 7_777
    series = store.range("vitals", ["hr"], tags={}, start_ms=start, end_ms=start + 600_000, points=20)
    assert series.step_ms == 30_000
    assert ((series.t_ms - start) % 30_000 == 0).all()
    # 7.777 s .. 99 s are four steps; 500 s lies in the 17th step, 599 s in the 20th.
    assert ((series.t_ms - start) // 30_000).tolist() == [0, 1, 2, 3, 16, 17, 18, 19]
    assert series.columns["hr"][0] == pytest.approx(np.mean(range(8, 38)))


def test_a_range_is_half_open_and_an_empty_one_is_empty(store: Store) -> None:
    """start <= t < end; end before start; nothing there."""
    store.write(batch("vitals", [0, 1000, 2000], {"device": "d1"}, hr=[60.0, 61.0, 62.0]))
    some = store.range("vitals", ["hr"], tags={}, start_ms=T0_MS, end_ms=T0_MS + 2000)
    assert some.columns["hr"].tolist() == [60.0, 61.0]
    for start, end in ((0, 0), (2000, 1000), (5000, 9000)):
        none = store.range("vitals", ["hr", "spo2"], tags={}, start_ms=T0_MS + start, end_ms=T0_MS + end)
        assert len(none) == 0
        assert {name: len(column) for name, column in none.columns.items()} == {"hr": 0, "spo2": 0}


def test_tags_choose_series_and_their_points_are_merged(store: Store) -> None:
    """A person with two devices: all points by person, one device's by both tags."""
    tags: dict[str, str | list[str]] = {"device": ["d1", "d2", "d3"], "person": ["p-1", "p-1", "p-2"]}
    store.write(batch("vitals", [0, 0, 0], tags, hr=[60.0, 70.0, 80.0]))
    assert sorted(store.range("vitals", ["hr"], tags={"person": "p-1"}, **ALL).columns["hr"]) == [60.0, 70.0]
    both = store.range("vitals", ["hr"], tags={"person": "p-1", "device": "d2"}, **ALL)
    assert both.columns["hr"].tolist() == [70.0]
    assert len(store.range("vitals", ["hr"], tags={"person": "p-1", "device": "d3"}, **ALL)) == 0
    assert len(store.range("vitals", ["hr"], tags={}, **ALL)) == 3


def test_nanoseconds_keep_points_apart_within_a_millisecond(store: Store) -> None:
    """Incident transitions: the same millisecond, told apart by a hash in the nanoseconds."""
    t_ns = np.array([T0_MS * 1_000_000 + 17, T0_MS * 1_000_000 + 18], dtype=np.int64)
    tags = {"person": ["p-1"] * 2, "area": ["a"] * 2, "kind": ["fall"] * 2}
    fields = {"incident": ["i-1", "i-2"], "state": ["open", "open"], "since_open_s": np.array([0.0, 4.0])}
    store.write(PointBatch("incident", t_ns, tags, fields))
    series = store.range("incident", ["since_open_s"], tags={}, **ALL)
    assert series.columns["since_open_s"].tolist() == [0.0, 4.0]
    assert series.t_ms.tolist() == [T0_MS, T0_MS]


def test_latest_is_the_newest_point_with_any_of_the_fields(store: Store) -> None:
    """Per device and per person, with the fields of that point only."""
    tags: dict[str, str | list[str]] = {"device": ["d1", "d1", "d2", "d3"], "person": ["p-1", "p-1", "p-1", ""]}
    store.write(
        batch(
            "vitals",
            [0, 5000, 3000, 9000],
            tags,
            hr=[60.0, None, 62.0, 63.0],
            temp=[None, 36.5, None, None],
            acvpu=[None, "A", None, None],
        )
    )
    assert store.latest("vitals", ["hr", "temp", "acvpu"], by="device") == {
        "d1": {"t_ms": T0_MS + 5000, "temp": 36.5, "acvpu": "A"},
        "d2": {"t_ms": T0_MS + 3000, "hr": 62.0},
        "d3": {"t_ms": T0_MS + 9000, "hr": 63.0},
    }
    assert store.latest("vitals", ["hr"], by="device")["d1"] == {"t_ms": T0_MS, "hr": 60.0}
    assert store.latest("vitals", ["hr"], by="person") == {"p-1": {"t_ms": T0_MS + 3000, "hr": 62.0}}
    assert store.latest("vitals", ["hr"], by="device", keys=["d2", "nobody"]) == {
        "d2": {"t_ms": T0_MS + 3000, "hr": 62.0}
    }
    assert store.latest("vitals", ["hr"], by="device", keys=[]) == {}


def test_latest_of_many_keys_is_complete(store: Store) -> None:
    """More keys than one query takes."""
    n = 1_200
    devices = [f"d{i}" for i in range(n)]
    store.write(batch("device", [0] * n, {"device": devices}, battery=[i / 100 for i in range(n)]))
    found = store.latest("device", ["battery"], by="device", keys=devices)
    assert {device: found[device]["battery"] for device in devices} == {f"d{i}": i / 100 for i in range(n)}


def test_numbers_are_floats_whatever_came_first(store: Store) -> None:
    """A whole number, then a fraction, tiny, huge and negative ones: no type is taken from the first value."""
    values = [60.0, 0.0, -0.5, 1e-300, 1.7976931348623157e308, 0.1 + 0.2, 2**53 + 2.0, -1e22, 123456789.123456789]
    store.write(PointBatch("vitals", np.array([(T0_MS - 1) * 1_000_000]), {}, {"hr": np.array([60])}))
    assert store.write(batch("vitals", [1000 * i for i in range(len(values))], {}, hr=values)) == []
    assert store.range("vitals", ["hr"], tags={}, **ALL).columns["hr"].tolist() == values
    assert isinstance(store.latest("vitals", ["hr"], by="device", keys=["d"]), dict)


UNKNOWN = [
    (batch("vital", [0], {}, hr=[1.0]), None, "unknown measurement 'vital'"),
    (batch("vitals", [0], {}, pulse=[1.0]), None, "unknown field 'pulse'"),
    (batch("vitals", [0], {"room": "x"}, hr=[1.0]), None, "unknown tag 'room'"),
    (batch("vitals", [0], {}, hr=["60"]), None, "number field, not a string"),
    (batch("vitals", [0], {}, acvpu=[1.0]), None, "string field, not a number"),
    (batch("vitals", [0], {}, hr=[1.0]), "telem_raw", "no place in bucket 'telem_raw'"),
    (batch("vitals", [0], {}, hr=[1.0]), "nowhere", "no place in bucket 'nowhere'"),
    (batch("vitals", [0], {}, hr=[1.0]), "telem_1m", "unknown field 'hr'"),
    (batch("incident", [0], {}, since_open_s=[1.0]), "telem_1m", "no place in bucket"),
    (batch("pipeline", [0], {}, **{"Bad Name": [1.0]}), None, "unknown field 'Bad Name'"),
    (batch("pipeline", [0], {}, **{"a); DROP TABLE series; --": [1.0]}), None, "unknown field"),
    (batch("pipeline", [0], {}, time=[1.0]), None, "unknown field 'time'"),
    (batch("pipeline", [0], {}, **{f"f{i}": [1.0] for i in range(300)}), None, "300 fields"),
    (PointBatch("vitals", np.array([0]), {}, {"hr": np.array([True])}), None, "no column of numbers"),
]


@pytest.mark.parametrize(("points", "bucket", "words"), UNKNOWN, ids=[case[2] for case in UNKNOWN])
def test_a_name_that_the_schema_has_not_is_an_error_that_says_which(
    store: Store, points: PointBatch, bucket: str | None, words: str
) -> None:
    """Nothing is written."""
    with pytest.raises(SchemaError) as caught:
        store.write(points, bucket=bucket)
    assert words in str(caught.value)


def test_reads_take_names_of_the_schema_only(store: Store) -> None:
    """Identifiers never come from outside."""
    with pytest.raises(SchemaError):
        store.range("vitals", ['hr" FROM "motion'], tags={}, **ALL)
    with pytest.raises(SchemaError):
        store.range("vitals", ["acvpu"], tags={}, **ALL)
    with pytest.raises(SchemaError):
        store.range("vitals", ["hr"], tags={"device' OR 1=1": "x"}, **ALL)
    with pytest.raises(SchemaError):
        store.latest("vitals", ["hr; DROP"], by="device")
    with pytest.raises(SchemaError):
        store.latest("device", ["battery"], by="person")
    with pytest.raises(SchemaError):
        store.range("vitals", ["hr"], tags={}, **ALL, points=0)


def test_the_pipeline_takes_numbers_of_any_name(store: Store) -> None:
    """Each stage has its own; a name seen for the first time later is taken too."""
    tags = {"stage": "processor", "host": "h1"}
    store.write(batch("pipeline", [0], tags, frames_per_s=[5000.0]))
    store.write(batch("pipeline", [10_000], tags, frames_per_s=[5100.0], quarantine_not_finite=[1.0]))
    series = store.range("pipeline", ["frames_per_s", "quarantine_not_finite"], tags=tags, **ALL)
    assert series.columns["frames_per_s"].tolist() == [5000.0, 5100.0]
    np.testing.assert_array_equal(series.columns["quarantine_not_finite"], [np.nan, 1.0])
    assert len(store.range("pipeline", ["never_written"], tags={}, **ALL)) == 0
    assert store.rollup("pipeline", **ALL, step_s=3600, source_bucket="telem", target_bucket="telem_1h") == 1
    hour = store.range("pipeline", ["frames_per_s"], tags={}, **ALL, bucket="telem_1h")
    assert (hour.columns["frames_per_s"][0], hour.maximum["frames_per_s"][0]) == (5050.0, 5100.0)


def test_a_person_is_deleted_everywhere_and_others_stay(store: Store) -> None:
    """All measurements and buckets, roll-ups included, also under a name with quotes; writing again works."""
    gone = "p-'1\" or"
    for person in (gone, "p-2"):
        tags: dict[str, str | list[str]] = {"device": "d", "person": person}
        store.write(batch("vitals", [0, 1000], tags, hr=[60.0, 61.0], acvpu=["A", "A"]))
        store.write(batch("motion", [0], tags, steps=[3.0]))
        store.write(batch("motion_raw", [0], tags, ax=[0.1]))
        store.write(batch("home", [0], {**tags, "kind": "door"}, value=[1.0]))
        store.write(batch("score", [0], {"person": person, "detector": "news2"}, value=[5.0]))
        store.write(batch("incident", [0], {"person": person, "kind": "fall"}, state=["open"], since_open_s=[0.0]))
    for bucket in schema.ROLLUP_BUCKETS:
        assert bucket.step_s is not None
        span = {"step_s": bucket.step_s, "source_bucket": "telem", "target_bucket": bucket.name}
        assert store.rollup("vitals", **ALL, **span) == 2
    store.delete_person(gone)
    everywhere = [
        ("vitals", "hr", None),
        ("vitals", "hr", "telem_1m"),
        ("vitals", "hr", "telem_1h"),
        ("motion", "steps", None),
        ("motion_raw", "ax", None),
        ("home", "value", None),
        ("score", "value", None),
        ("incident", "since_open_s", None),
    ]
    for measurement, field, bucket_name in everywhere:
        found = {
            person: len(store.range(measurement, [field], tags={"person": person}, **ALL, bucket=bucket_name))
            for person in (gone, "p-2")
        }
        assert found[gone] == 0, measurement
        assert found["p-2"] > 0, measurement
    store.write(batch("vitals", [2000], {"device": "d", "person": gone}, hr=[70.0]))
    assert store.range("vitals", ["hr"], tags={"person": gone}, **ALL).columns["hr"].tolist() == [70.0]
    store.delete_person("p-nobody")


def test_deleting_nobody_is_refused(store: Store) -> None:
    """An empty key would mean everything that has no person."""
    store.write(batch("vitals", [0], {"device": "d1"}, hr=[60.0]))
    with pytest.raises(Exception, match="person key"):
        store.delete_person("")
    assert len(store.range("vitals", ["hr"], tags={}, **ALL)) == 1


def test_a_roll_up_is_what_numpy_makes_of_the_raw_points(store: Store) -> None:
    """Min, max, mean and count of each field, series and minute, gaps and all; and again, it is the same."""
    points = noise(devices=3, points=120, step_ms=7_000)
    store.write(points)
    span = {"start_ms": T0_MS, "end_ms": T0_MS + 15 * 60_000, "step_s": 60}
    for _ in range(2):
        written = store.rollup("motion", **span, source_bucket="telem", target_bucket="telem_1m")
        assert written == 3 * 14
    minute = (points.t_ns // 1_000_000 - T0_MS) // 60_000
    for device in range(3):
        mine = np.arange(len(points)) % 3 == device
        for field in ("enmo_g", "worn"):
            column = points.fields[field]
            assert isinstance(column, np.ndarray)
            series = store.range("motion", [field], tags={"device": f"d{device}"}, **ALL, bucket="telem_1m")
            assert series.t_ms.tolist() == [T0_MS + 60_000 * i for i in range(14)]
            windows = [column[mine & (minute == i)] for i in range(14)]
            np.testing.assert_allclose(series.columns[field], [np.nanmean(w) for w in windows], rtol=1e-12)
            np.testing.assert_array_equal(series.minimum[field], [np.nanmin(w) for w in windows])
            np.testing.assert_array_equal(series.maximum[field], [np.nanmax(w) for w in windows])


def test_a_downsampled_roll_up_weighs_its_windows_by_their_counts(store: Store) -> None:
    """Mean over the raw points, not the mean of means, also where a window has one point and the next has many."""
    t_ms = [0] + [60_000 + i * 1000 for i in range(50)] + [120_000]
    values = [100.0, *np.linspace(1, 2, 50).tolist(), 40.0]
    spo2 = [None] * 51 + [97.0]
    store.write(batch("vitals", t_ms, {"device": "d1", "person": "p-1"}, hr=values, spo2=spo2))
    store.rollup("vitals", **ALL, step_s=60, source_bucket="telem", target_bucket="telem_1m")
    series = store.range("vitals", ["hr", "spo2"], tags={"person": "p-1"}, **ALL, points=1, bucket="telem_1m")
    assert series.t_ms.tolist() == [T0_MS]
    assert series.columns["hr"][0] == pytest.approx(np.mean(values), rel=1e-12)
    assert (series.minimum["hr"][0], series.maximum["hr"][0]) == (1.0, 100.0)
    assert (series.columns["spo2"][0], series.minimum["spo2"][0]) == (97.0, 97.0)


def test_late_points_change_a_roll_up_that_is_made_again(store: Store) -> None:
    """The window is recomputed from all its points; its neighbour stays."""
    tags = {"device": "d1", "person": "p-1"}
    store.write(batch("vitals", [0, 61_000], tags, hr=[60.0, 80.0]))
    store.rollup("vitals", **ALL, step_s=60, source_bucket="telem", target_bucket="telem_1m")
    store.write(batch("vitals", [5_000], tags, hr=[70.0]))
    minute = {"start_ms": T0_MS, "end_ms": T0_MS + 60_000, "step_s": 60}
    assert store.rollup("vitals", **minute, source_bucket="telem", target_bucket="telem_1m") == 1
    series = store.range("vitals", ["hr"], tags=tags, **ALL, bucket="telem_1m")
    assert series.columns["hr"].tolist() == [65.0, 80.0]
    assert series.maximum["hr"].tolist() == [70.0, 80.0]


def test_a_roll_up_of_some_devices_leaves_the_others(store: Store) -> None:
    """Only their series are read and written; none of them is none."""
    tags: dict[str, str | list[str]] = {"device": ["d1", "it's", "d3"], "person": "p-1"}
    store.write(batch("vitals", [0, 0, 0], tags, hr=[60.0, 70.0, 80.0]))
    span = {"step_s": 60, "source_bucket": "telem", "target_bucket": "telem_1m"}
    assert store.rollup("vitals", **ALL, **span, devices=[]) == 0
    assert store.rollup("vitals", **ALL, **span, devices={"it's", "d3", "d4' OR 1=1"}) == 2
    assert sorted(store.range("vitals", ["hr"], tags={}, **ALL, bucket="telem_1m").columns["hr"]) == [70.0, 80.0]


def test_a_long_series_is_rolled_up_whole(store: Store) -> None:
    """25,000 points of one series in one hour, more than a server hands out at once."""
    n = 25_000
    values = np.random.default_rng(5).normal(70, 5, n)
    t_ns = (T0_MS * 1_000_000 + np.arange(n, dtype=np.int64) * (3_600_000_000_000 // n)).astype(np.int64)
    for name in ("d1", "d2"):
        store.write(PointBatch("vitals", t_ns, {"device": [name] * n}, {"hr": values}))
    assert store.rollup("vitals", **ALL, step_s=3600, source_bucket="telem", target_bucket="telem_1h") == 2
    series = store.range("vitals", ["hr"], tags={"device": "d2"}, **ALL, bucket="telem_1h")
    assert series.columns["hr"][0] == pytest.approx(values.mean(), rel=1e-12)
    assert (series.minimum["hr"][0], series.maximum["hr"][0]) == (values.min(), values.max())


def test_a_roll_up_of_nothing_writes_nothing_and_a_wrong_one_is_refused(store: Store) -> None:
    """No points; a measurement without roll-ups; a window that is not one."""
    nothing = {"step_s": 60, "source_bucket": "telem", "target_bucket": "telem_1m"}
    for measurement in ("vitals", "pipeline"):
        assert store.rollup(measurement, **ALL, **nothing) == 0
    with pytest.raises(SchemaError):
        store.rollup("incident", **ALL, **nothing)
    with pytest.raises(SchemaError, match="3600"):
        store.rollup("vitals", **ALL, step_s=3600, source_bucket="telem", target_bucket="telem_1m")
    with pytest.raises(SchemaError, match="windows of 60 s"):
        store.rollup("vitals", start_ms=T0_MS + 1, end_ms=T0_MS + HOUR_MS, **nothing)


def test_a_store_that_is_ready_passes_its_check(store: Store) -> None:
    """And can be used by several threads at once."""
    from concurrent.futures import ThreadPoolExecutor

    store.check()
    with ThreadPoolExecutor(4) as pool:

        def work(number: int) -> int:
            store.write(batch("vitals", [1000 * i for i in range(50)], {"device": f"d{number}"}, hr=[60.0] * 50))
            return len(store.range("vitals", ["hr"], tags={"device": f"d{number}"}, **ALL))

        assert list(pool.map(work, range(16))) == [50] * 16
