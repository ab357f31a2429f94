"""Line protocol, built by column and ``%``-format: seven times as fast as ``influxdb_client.Point``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from store.prepare import Prepared
from telemetry.records import PointBatch

_TAG = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_STRING = str.maketrans({"\\": r"\\", '"': r"\""})
_TO_ESCAPE = re.compile("[,= ]")


def build_lines(ready: Prepared) -> list[str]:
    """One line for each point, in the batch's order; nanoseconds, numbers always as floats.

    Names need no escaping because they are the schema's, tags hold neither line breaks nor backslashes
    (:func:`store.schema.clean_tag`). A line may have a line break inside a quoted string.
    """
    prefixes = _prefixes(ready.measurement.name, ready.tags, len(ready.rows))
    formats = [f"{name}=%r" for name in ready.numbers] + [f"{name}=%s" for name in ready.strings]
    columns: list[Sequence[object]] = [column.tolist() for column in ready.numbers.values()]
    columns += [[text if text is None else _quoted(text) for text in texts] for texts in ready.strings.values()]

    present = np.column_stack(
        [~np.isnan(column) for column in ready.numbers.values()]
        + [np.array([text is not None for text in texts], dtype=bool) for texts in ready.strings.values()]
    )
    if present.all():
        return _format(formats, prefixes, columns, ready.t_ns)
    lines = [""] * len(prefixes)
    for pattern, rows in _by_pattern(present):
        chosen = np.flatnonzero(pattern).tolist()
        built = _format(
            [formats[i] for i in chosen],
            [prefixes[row] for row in rows],
            [[columns[i][row] for row in rows] for i in chosen],
            [ready.t_ns[row] for row in rows],
        )
        for row, line in zip(rows, built, strict=True):
            lines[row] = line
    return lines


def _format(
    formats: list[str], prefixes: Sequence[str], columns: Sequence[Sequence[object]], t_ns: Sequence[int]
) -> list[str]:
    line = f"%s {','.join(formats)} %d"
    return [line % row for row in zip(prefixes, *columns, t_ns, strict=True)]


def _by_pattern(present: NDArray[np.bool_]) -> list[tuple[NDArray[np.bool_], list[int]]]:
    """Rows that have the same fields, together: each such group is formatted in one go."""
    packed = np.packbits(present, axis=1)
    _, first, group = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    return [(present[row], np.flatnonzero(group == number).tolist()) for number, row in enumerate(first.tolist())]


def _prefixes(measurement: str, tags: Mapping[str, Sequence[str]], rows: int) -> list[str]:
    """Measurement and tags of each line: by column, which costs less than to remember the series of a district."""
    names = sorted(tags)  # sorted tags are what InfluxDB indexes fastest
    if not names:
        return [measurement] * rows
    columns = [tags[name] for name in names]
    if all(map(all, columns)):
        columns = [[v.translate(_TAG) for v in c] if _TO_ESCAPE.search("\n".join(c)) else c for c in columns]
        form = measurement + "".join(f",{name}=%s" for name in names)
        return [form % key for key in zip(*columns, strict=True)]
    return [
        measurement
        + "".join(f",{name}={value.translate(_TAG)}" for name, value in zip(names, key, strict=True) if value)
        for key in zip(*columns, strict=True)
    ]


def _quoted(text: str) -> str:
    return f'"{text.translate(_STRING)}"'


def describe(batch: PointBatch, row: int) -> str:
    """One point as a line for people to read: also one that cannot be stored, with its infinities and odd names."""
    tags = ",".join(f"{name}={column[row].translate(_TAG)}" for name, column in batch.tags.items() if column[row])
    fields = ",".join(
        f"{name}={float(value)!r}" if not isinstance(value, str) else f"{name}={_quoted(value)}"
        for name, value in ((name, column[row]) for name, column in batch.fields.items())
        if value is not None and value == value
    )
    return f"{batch.measurement}{',' if tags else ''}{tags} {fields} {batch.t_ns[row]}"
