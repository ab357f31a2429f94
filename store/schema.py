"""The one place where measurements, tags, fields, buckets and their retention are named.

Floats are always written as floats. What is true or false (``o2``, ``worn``, ``hist``, ``online``) is a number too, 0.0
or 1.0: a boolean field can be neither averaged nor rolled up by InfluxQL, and the mean of 0/1 is the share of time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from store.errors import SchemaError

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where points live for ``retention_s``. ``step_s`` is the window of its roll-ups, None for points as measured.

    A bucket's name has no slash, so that InfluxDB maps it to a database of that name for InfluxQL.
    """

    name: str
    retention_s: int
    step_s: int | None = None


TELEM_RAW = Bucket("telem_raw", 7 * DAY_S)
TELEM = Bucket("telem", 90 * DAY_S)
TELEM_1M = Bucket("telem_1m", 2 * 365 * DAY_S, step_s=60)
TELEM_1H = Bucket("telem_1h", 10 * 365 * DAY_S, step_s=3600)

BUCKETS: dict[str, Bucket] = {bucket.name: bucket for bucket in (TELEM_RAW, TELEM, TELEM_1M, TELEM_1H)}
ROLLUP_BUCKETS: tuple[Bucket, ...] = (TELEM_1M, TELEM_1H)

#: What a roll-up keeps of each number, as ``<field>_<statistic>``.
STATISTICS: tuple[str, ...] = ("min", "max", "mean", "count")

#: Every tag there is. A tag is the name of something, not text: see :func:`clean_tag`.
TAGS: tuple[str, ...] = ("device", "person", "area", "kind", "detector", "stage", "host")


@dataclass(frozen=True, slots=True)
class Measurement:
    """The tags and fields of one measurement and the bucket its points are written to.

    ``open_numbers``: number fields of any name are taken beside the named ones (names are those of OPEN_FIELD).
    """

    name: str
    tags: tuple[str, ...]
    numbers: tuple[str, ...]
    strings: tuple[str, ...] = ()
    bucket: Bucket = TELEM
    rolled_up: bool = True
    open_numbers: bool = False


MEASUREMENTS: dict[str, Measurement] = {
    m.name: m
    for m in (
        Measurement(
            "vitals",
            ("device", "person", "area"),
            ("hr", "spo2", "rr", "temp", "sbp", "dbp", "glucose", "weight", "o2", "quality", "hist"),
            ("acvpu",),
        ),
        Measurement("motion", ("device", "person", "area"), ("enmo_g", "smv_max_g", "posture_deg", "steps", "worn")),
        Measurement(
            "motion_raw", ("device", "person"), ("ax", "ay", "az", "gx", "gy", "gz"), bucket=TELEM_RAW, rolled_up=False
        ),
        Measurement("home", ("device", "person", "area", "kind"), ("value",)),
        Measurement(
            "device",
            ("device", "area"),
            ("battery", "rssi", "lqi", "lag_ms", "seq_gap", "offset_ms", "online"),
            ("fw",),
        ),
        # Begin (1) and end (0) of each finding about a device or, as device `$area`, about what those of an area share.
        Measurement("device_finding", ("device", "area", "kind"), ("standing",), rolled_up=False),
        # The seven NEWS2 parts are scores 0..3; lower and upper bound the total where parameters are missing.
        Measurement(
            "score",
            ("person", "area", "detector"),
            ("value", "lower", "upper", "rr", "spo2", "o2", "sbp", "hr", "acvpu", "temp"),
        ),
        Measurement("baseline", ("person", "area", "detector"), ("value", "lower", "upper")),
        # Transitions, not a quantity over time: an average of them says nothing.
        Measurement(
            "incident",
            ("person", "area", "kind"),
            ("since_open_s",),
            ("incident", "state", "severity", "outcome"),  # the outcome stands on the last one, `resolved`
            rolled_up=False,
        ),
        Measurement("area_state", ("area",), ("people", "devices_online", "open_incidents", "on_call", "uncovered")),
        # Each stage has rates, lags and counts by reason of its own.
        Measurement("pipeline", ("stage", "host"), (), open_numbers=True),
    )
}

#: Names that an open set of fields takes: lower case, because SQLite's column names ignore case.
OPEN_FIELD = re.compile(r"[a-z][a-z0-9_]{0,62}")
#: Number fields of one open measurement in one batch; far below SQLite's 2,000 columns after the roll-up's four each.
MAX_OPEN_FIELDS = 256

_CONTROL_OR_BACKSLASH = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\\\ud800-\udfff]")


def clean_tag(value: str) -> str:
    """``value`` as it is stored in a tag: control characters, line breaks and backslashes become ``_``.

    Line protocol has no way to write a line break in a tag, nor a backslash at its end. Both stores clean alike, when
    writing and when looking up, so what was written under a strange name is found under that name.
    """
    return _CONTROL_OR_BACKSLASH.sub("_", value)


def measurement(name: str) -> Measurement:
    """The measurement of that name. Raises SchemaError."""
    try:
        return MEASUREMENTS[name]
    except KeyError:
        raise SchemaError(f"unknown measurement {name!r}: store/schema.py has {', '.join(MEASUREMENTS)}") from None


def bucket_of(name: str, bucket: str | None) -> Bucket:
    """The bucket named, or the one where measurement ``name`` lives. Raises SchemaError where it has no place."""
    spec = measurement(name)
    if bucket is None or bucket == spec.bucket.name:
        return spec.bucket
    for place in buckets_of(spec):
        if place.name == bucket:
            return place
    places = ", ".join(place.name for place in buckets_of(spec))
    raise SchemaError(f"{name} has no place in bucket {bucket!r}: it has in {places}")


def buckets_of(spec: Measurement) -> tuple[Bucket, ...]:
    """Where a measurement's points are: its own bucket, then its roll-ups."""
    return (spec.bucket, *(ROLLUP_BUCKETS if spec.rolled_up else ()))


def rollup_bucket(spec: Measurement, bucket: str, step_s: int, start_ms: int, end_ms: int) -> Bucket:
    """The bucket that keeps the measurement's roll-ups over ``step_s``.

    Raises:
        SchemaError: it keeps none, or the instants are not multiples of the step.
    """
    place = bucket_of(spec.name, bucket)
    if place.step_s != step_s:
        raise SchemaError(f"{bucket} keeps no roll-ups over {step_s} s of {spec.name}")
    if start_ms % (step_s * 1000) or end_ms % (step_s * 1000):
        raise SchemaError(f"a roll-up from {start_ms} to {end_ms} ms does not begin and end with windows of {step_s} s")
    return place


def number_fields(spec: Measurement, bucket: Bucket) -> tuple[str, ...]:
    """The named number fields of a measurement as they stand in ``bucket``: in a roll-up four for each."""
    if bucket.step_s is None:
        return spec.numbers
    return tuple(f"{field}_{statistic}" for field in spec.numbers for statistic in STATISTICS)


def string_fields(spec: Measurement, bucket: Bucket) -> tuple[str, ...]:
    """The string fields of a measurement as they stand in ``bucket``: a roll-up has none."""
    return spec.strings if bucket.step_s is None else ()


def check_numbers(spec: Measurement, names: Iterable[str], bucket: Bucket) -> None:
    """Raise SchemaError unless every name is a number field of the measurement in ``bucket``."""
    known = number_fields(spec, bucket)
    strings = string_fields(spec, bucket)
    opened = 0
    for name in names:
        if name in known:
            continue
        if spec.open_numbers and OPEN_FIELD.fullmatch(name) and name != "time":
            opened += 1
        elif name in strings:
            raise SchemaError(f"{spec.name}.{name} is a string field, not a number")
        else:
            raise SchemaError(
                f"unknown field {name!r} of {spec.name} in {bucket.name}: known are {_known(spec, bucket)}"
            )
    if opened > MAX_OPEN_FIELDS * (len(STATISTICS) if bucket.step_s else 1):
        raise SchemaError(f"{spec.name} has {opened} fields in one batch, the limit is {MAX_OPEN_FIELDS}")


def check_strings(spec: Measurement, names: Iterable[str], bucket: Bucket) -> None:
    """Raise SchemaError unless every name is a string field of the measurement in ``bucket``."""
    known = string_fields(spec, bucket)
    for name in names:
        if name not in known:
            wrong = "a number field, not a string" if name in number_fields(spec, bucket) else "not known"
            raise SchemaError(f"{spec.name}.{name} is {wrong}: known are {_known(spec, bucket)}")


def checked_fields(name: str, field_names: Iterable[str]) -> Measurement:
    """The measurement, all of whose fields named are its own, numbers or strings. Raises SchemaError."""
    spec = measurement(name)
    check_numbers(spec, [field for field in field_names if field not in spec.strings], spec.bucket)
    return spec


def check_tags(spec: Measurement, names: Iterable[str]) -> None:
    """Raise SchemaError unless every name is a tag of the measurement."""
    for name in names:
        if name not in spec.tags:
            raise SchemaError(f"unknown tag {name!r} of {spec.name}: known are {', '.join(spec.tags)}")


def _known(spec: Measurement, bucket: Bucket) -> str:
    named = [*number_fields(spec, bucket), *string_fields(spec, bucket)]
    if spec.open_numbers:
        named.append("numbers named [a-z][a-z0-9_]*")
    return ", ".join(named)
