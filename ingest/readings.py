"""Vitals, home and status messages become points; a differing value for one series and time does not overwrite."""

from __future__ import annotations

import hashlib
import math
from array import array
from bisect import bisect_left
from typing import Any, NamedTuple

import numpy as np

from telemetry.errors import Reason, TelemetryError
from telemetry.messages import VITALS_NUMBERS, Home, Status, Vitals
from telemetry.records import Column, PointBatch

#: Design promise 3: a differing value for the same series and time within this long is a conflict.
CONFLICT_MS = 600_000
_GENERATION_MS = 60_000
#: So many are kept as they came, in a dict that takes ten times as much, before they are put away.
_AT_HAND = 4096


class PointBuilder:
    """Collects points of one measurement row by row and hands them out as one columnar batch."""

    def __init__(self, measurement: str, tags: tuple[str, ...], numbers: tuple[str, ...], texts: tuple[str, ...] = ()):
        self.measurement = measurement
        self._tags, self._numbers, self._texts = tags, numbers, texts
        self._rows: list[tuple[int, tuple[str, ...], dict[str, Any]]] = []

    def add(self, t_ms: int, tags: tuple[str, ...], values: dict[str, Any]) -> None:
        """One point: ``tags`` in the builder's order, ``values`` by field name (None or absent = not there)."""
        self._rows.append((t_ms, tags, values))

    def take(self) -> PointBatch | None:
        """What has been collected since the last call, or None."""
        rows, self._rows = self._rows, []
        if not rows:
            return None
        fields: dict[str, Column] = {}
        for name in self._numbers:
            values = [row[2].get(name) for row in rows]
            if any(value is not None for value in values):
                fields[name] = np.array([np.nan if value is None else float(value) for value in values])
        for name in self._texts:
            texts = [row[2].get(name) for row in rows]
            if any(text is not None for text in texts):
                fields[name] = texts
        return PointBatch(
            self.measurement,
            np.array([row[0] for row in rows], dtype=np.int64) * 1_000_000,
            {name: [row[1][i] for row in rows] for i, name in enumerate(self._tags)},
            fields,
        )


class _Past(NamedTuple):
    """A minute, as far as it is put away. It is looked through only for times that were in it."""

    since_ms: int
    earliest_ms: int
    latest_ms: int
    keys: array[int]  # sorted
    contents: array[int]

    def content(self, key: int, t_ms: int) -> int | None:
        if not self.earliest_ms <= t_ms <= self.latest_ms:
            return None
        at = bisect_left(self.keys, key)
        return self.contents[at] if at < len(self.keys) and self.keys[at] == key else None


class RecentValues:
    """What was stored for (series, time) in the last ten minutes, to tell a repetition from a conflict.

    Kept in generations of one minute of receive time, so that forgetting costs nothing per entry. A district's ten
    minutes of vitals are 360,000 entries: all but the newest few thousand take 16 bytes each.
    """

    def __init__(self) -> None:
        self._past: list[_Past] = []
        self._since_ms: int | None = None  # of the generation that grows
        self._now: dict[int, int] = {}  # what of it is not put away
        self._span_ms = (0, 0)  # earliest and latest time in it

    def check(self, series: object, t_ms: int, value: object, now_ms: int) -> bool:
        """True for a new point, False for a repetition of the same value.

        Raises:
            TelemetryError: ``CONFLICT``, another value is already stored for this series and time.
        """
        while self._past and now_ms - self._past[0].since_ms >= CONFLICT_MS + _GENERATION_MS:
            del self._past[0]
        if self._since_ms is not None and now_ms - self._since_ms >= CONFLICT_MS + _GENERATION_MS:
            self._since_ms, self._now = None, {}
        key, content = _hash(series, t_ms), _hash(value)
        stored = self._now.get(key)
        if stored is None:
            stored = next((one for past in self._past if (one := past.content(key, t_ms)) is not None), None)
        if stored is not None:
            if stored == content:
                return False
            raise TelemetryError(Reason.CONFLICT, f"another value is stored for {series} at {t_ms}")
        if self._since_ms is None or now_ms - self._since_ms >= _GENERATION_MS:
            self._begin(now_ms)
        earliest_ms, latest_ms = self._span_ms if self._now else (t_ms, t_ms)
        self._span_ms = (min(earliest_ms, t_ms), max(latest_ms, t_ms))
        self._now[key] = content
        if len(self._now) == _AT_HAND:
            self._put_away()
        return True

    def _begin(self, now_ms: int) -> None:
        """Another minute."""
        self._put_away()
        self._since_ms, self._now = now_ms, {}

    def _put_away(self) -> None:
        """What is at hand, beside what of its minute was put away before."""
        if self._since_ms is None or not self._now:
            return
        span_ms = self._span_ms
        keys = np.fromiter(self._now, np.int64, len(self._now))
        contents = np.fromiter(self._now.values(), np.int64, len(self._now))
        if self._past and self._past[-1].since_ms == self._since_ms:
            before = self._past.pop()
            span_ms = (min(span_ms[0], before.earliest_ms), max(span_ms[1], before.latest_ms))
            keys, contents = np.append(before.keys, keys), np.append(before.contents, contents)
        order = np.argsort(keys)
        ordered = (array("q", column[order].tobytes()) for column in (keys, contents))
        self._past.append(_Past(self._since_ms, *span_ms, *ordered))
        self._now = {}

    def state(self) -> tuple[Any, ...]:
        """Plain values for a checkpoint."""
        return [tuple(past) for past in self._past], self._since_ms, self._now, self._span_ms

    def restore(self, state: tuple[Any, ...]) -> None:
        """Continue from a checkpoint."""
        past, self._since_ms, self._now, self._span_ms = state
        self._past = [_Past(*one) for one in past]


def _hash(*parts: object) -> int:
    """A 60-bit hash that is the same in every process (``hash`` of a string is not)."""
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "little") >> 4


def vitals_values(message: Vitals) -> dict[str, Any]:
    """The fields of a vitals point; only what was measured."""
    values: dict[str, Any] = {name: getattr(message, name) for name in VITALS_NUMBERS}
    values["o2"] = None if message.o2 is None else float(message.o2)
    values["acvpu"] = message.acvpu
    return {name: value for name, value in values.items() if value is not None}


#: Words that home sensors use for on and off; anything else that is not a number has no numeric value.
_WORDS = {"on": 1.0, "open": 1.0, "true": 1.0, "detected": 1.0, "occupied": 1.0, "wet": 1.0,
          "off": 0.0, "closed": 0.0, "close": 0.0, "false": 0.0, "clear": 0.0, "empty": 0.0, "dry": 0.0}  # fmt: skip


def home_value(message: Home) -> float:
    """The reading as a number.

    Raises:
        TelemetryError: ``INVALID``, a text that is neither a number nor a known word.
    """
    if not isinstance(message.value, str):
        return float(message.value)
    word = message.value.strip().lower()
    if word in _WORDS:
        return _WORDS[word]
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise TelemetryError(
            Reason.INVALID, f"value {message.value!r} of kind {message.kind!r} is neither a number nor on/off"
        )
    return number


def status_values(message: Status, *, lag_ms: int | None, offset_ms: int) -> dict[str, Any]:
    """The fields of a device point."""
    return {
        "battery": message.battery,
        "rssi": message.rssi,
        "lqi": message.lqi,
        "fw": message.fw,
        "online": float(message.online),
        "lag_ms": lag_ms,
        "offset_ms": offset_ms,
    }
