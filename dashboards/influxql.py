"""The InfluxQL of the dashboards: names checked against ``store.schema``, Grafana's macros left in.

**Zoom.** A datasource is bound to one database, but a statement may name others (``"telem_1m".."vitals"``). So a panel
asks all of raw points, minutes and hours at once, each under a condition that is a constant once Grafana has put in its
interval (``$__interval_ms < 60000``): one of them holds, the others give no rows. Points that are older than a bucket
keeps come from the next coarser one, at any zoom. Sums and counts make means that are the same from either.
"""

from __future__ import annotations

from collections.abc import Sequence

from store import schema

#: The chosen area and all below it.
IN_AREA = r'"area" =~ /^${area:regex}(\.|$)/'
#: The chosen area alone: for what is counted with all below it already (`area_state.devices_online`).
AREA_ITSELF = '"area" =~ /^${area:regex}$/'
#: One person, the chosen devices, the chosen machines.
OF_PERSON = '"person" =~ /^${person:regex}$/'
OF_DEVICE = '"device" =~ /^${device:regex}$/'
ON_HOST = '"host" =~ /^${host:regex}$/'

_DAY_S = schema.DAY_S
#: statistic -> what is taken of a raw point and of a roll-up (``f``: the field), and what is made of them in a step.
_STATISTICS: dict[str, tuple[str, str, str]] = {
    "mean": (
        '"{f}" AS "total", "{f}" * 0 + 1 AS "n"',
        '"{f}_mean" * "{f}_count" AS "total", "{f}_count" AS "n"',
        'sum("total") / sum("n")',
    ),
    "sum": ('"{f}" AS "total"', '"{f}_mean" * "{f}_count" AS "total"', 'sum("total")'),
    "count": ('"{f}" * 0 + 1 AS "n"', '"{f}_count" AS "n"', 'sum("n")'),
    "min": ('"{f}" AS "least"', '"{f}_min" AS "least"', 'min("least")'),
    "max": ('"{f}" AS "most"', '"{f}_max" AS "most"', 'max("most")'),
}


def zoomed(
    measurement: str, field: str, where: str, *, stat: str = "mean", by: Sequence[str] = (), named: str = "",
    fill: str = "null", scale: str = "",
) -> str:  # fmt: skip
    """One number per step of the zoom, from whichever bucket fits.

    Args:
        stat: mean, sum, count, min or max, over all points of a step.
        by: tags that make series of their own.
        named: the column's name; the field's without it.
        fill: of steps without a point; null tells Grafana that there is a gap, which it bridges up to an hour.
        scale: what the number is multiplied by or so, ``* 100``.
    """
    spec = schema.checked_fields(measurement, [field])
    schema.check_tags(spec, by)
    raw, rolled_up, outer = _STATISTICS[stat]
    parts = []
    buckets = schema.buckets_of(spec)
    for at, bucket in enumerate(buckets):
        columns = (raw if bucket.step_s is None else rolled_up).format(f=field)
        source = f'SELECT {columns} FROM "{bucket.name}".."{measurement}" WHERE $timeFilter AND {where}'
        conditions = []
        if bucket.step_s is not None:
            conditions.append(f"$__interval_ms >= {bucket.step_s * 1000}")
        if at + 1 < len(buckets):
            coarser = buckets[at + 1]
            conditions.append(f"$__interval_ms < {(coarser.step_s or 0) * 1000}")
            conditions.append(f"time >= now() - {bucket.retention_s // _DAY_S}d")
        parts.append(" AND ".join([source, *conditions]))
        if at:  # what the finer one keeps no more
            finer = buckets[at - 1]
            aged = [f"$__interval_ms < {(bucket.step_s or 0) * 1000}", f"time < now() - {finer.retention_s // _DAY_S}d"]
            if at + 1 < len(buckets):
                aged.append(f"time >= now() - {bucket.retention_s // _DAY_S}d")
            parts.append(" AND ".join([source, *aged]))
    inner = ", ".join(f"({part})" for part in parts)
    groups = ", ".join(["time($__interval)", *(f'"{tag}"' for tag in by)])
    return (
        f'SELECT {outer}{" " + scale if scale else ""} AS "{named or field}" FROM {inner} '
        f"WHERE $timeFilter GROUP BY {groups} fill({fill})"
    )


def newest(measurement: str, fields: Sequence[str], where: str, *, by: Sequence[str], named: Sequence[str] = ()) -> str:
    """The newest value of each field as measured, per value of the tags ``by``. The time is the point's for one field;
    for several it is the range's begin, and says nothing."""
    spec = schema.checked_fields(measurement, fields)
    schema.check_tags(spec, by)
    names = named or fields
    columns = ", ".join(f'last("{field}") AS "{name}"' for field, name in zip(fields, names, strict=True))
    source = f'SELECT {columns} FROM "{spec.bucket.name}".."{measurement}" WHERE $timeFilter AND {where}'
    return source + (" GROUP BY " + ", ".join(f'"{tag}"' for tag in by) if by else "")


def over_newest(aggregate: str, measurement: str, field: str, where: str, *, by: Sequence[str], having: str = "",
                named: str = "", within: Sequence[str] = ()) -> str:  # fmt: skip
    """A sum or count over the newest values: ``sum`` of the people of all areas, ``count`` of the devices ``having``
    ``"v" <= 15``; one for each value of the tags ``within``."""
    inner = newest(measurement, [field], where, by=by, named=["v"])
    outer = f'SELECT {aggregate}("v") AS "{named or field}" FROM ({inner}) WHERE $timeFilter'
    return (
        outer
        + (f" AND {having}" if having else "")
        + (" GROUP BY " + ", ".join(f'"{tag}"' for tag in within) if within else "")
    )


def incidents(select: str, where: str, *, state: str = "", by: Sequence[str] = (), step: str = "") -> str:
    """Something about transitions of incidents: they are events, never rolled up, and kept as long as ``telem`` is."""
    spec = schema.measurement("incident")
    schema.check_tags(spec, by)
    conditions = f"$timeFilter AND {where}" + (f" AND {state}" if state else "")
    text = f'SELECT {select} FROM "{spec.bucket.name}".."incident" WHERE {conditions}'
    groups = [*([f"time({step})"] if step else []), *(f'"{tag}"' for tag in by)]
    return text + (" GROUP BY " + ", ".join(groups) if groups else "") + (" fill(none)" if step else "")


def incident_share(hit: str, total: str, where: str, *, named: str, by: Sequence[str] = (), step: str = "") -> str:
    """How many percent of the transitions that are ``total`` are ``hit`` too, both conditions on fields. No row where
    there is none to count; a share of 0 where none is hit."""
    spec = schema.measurement("incident")
    schema.check_tags(spec, by)
    source = f'FROM "{spec.bucket.name}".."incident" WHERE $timeFilter AND {where}'
    groups = [*([f"time({step})"] if step else []), *(f'"{tag}"' for tag in by)]
    # what is hit weighs 1 and what is counted 0, so that a share of none is 0 and not nothing
    return (
        f'SELECT 100 * sum("hit") / sum("n") AS "{named}" FROM '
        f'(SELECT "since_open_s" * 0 + 1 AS "hit" {source} AND {hit} AND {total}), '
        f'(SELECT "since_open_s" * 0 AS "hit", "since_open_s" * 0 + 1 AS "n" {source} AND {total}) WHERE $timeFilter'
        + (" GROUP BY " + ", ".join(groups) if groups else "")
        + (" fill(none)" if step else "")
    )


def pipeline(select: str, stage: str, *, by: Sequence[str] = ("host",), step: str = "$__interval") -> str:
    """Something that a stage says of itself. Fields of any name, so not checked here but by running it."""
    text = f'SELECT {select} FROM "telem".."pipeline" WHERE $timeFilter AND "stage" = \'{stage}\' AND {ON_HOST}'
    groups = ", ".join([f"time({step})", *(f'"{tag}"' for tag in by)])
    return f"{text} GROUP BY {groups} fill(none)"


def values_of(tag: str, measurements: Sequence[str], where: str = "") -> str:
    """For a variable: the values that a tag has in these measurements."""
    for name in measurements:
        schema.check_tags(schema.measurement(name), [tag])
    source = f'"{measurements[0]}"' if len(measurements) == 1 else f"/^({'|'.join(measurements)})$/"
    return f'SHOW TAG VALUES FROM {source} WITH KEY = "{tag}"' + (f" WHERE {where}" if where else "")
