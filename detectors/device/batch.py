"""What is told of devices, in columns: that they were heard, their status, rests, presses, use, and what they sense."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.errors import DetectorError


class Heard(IntEnum):
    """The streams, as numbers."""

    MOTION = 0
    VITALS = 1
    HOME = 2
    EVENT = 3
    STATUS = 4


@dataclass(frozen=True, slots=True)
class Messages:
    """m messages, in the order in which they arrived: neither retained nor a will nor put back from the quarantine.

    Attributes:
        at_ms: ``(m,)`` int64, when the gateway received it.
        row: ``(m,)`` the device's row in the bank (from ``bank.add``).
        stream: ``(m,)`` uint8, see :class:`Heard`.
        t_ms: ``(m,)`` int64, device clock.
        seq: ``(m,)`` int64.
        boot: ``(m,)`` int64.
        offset_ms: ``(m,)`` int64, what ingest adds to ``t_ms``: 0 unless it takes the clock for wrong.
        live: ``(m,)`` bool, False for what a buffer or the broker had kept.
    """

    at_ms: NDArray[np.int64]
    row: NDArray[np.intp]
    stream: NDArray[np.uint8]
    t_ms: NDArray[np.int64]
    seq: NDArray[np.int64]
    boot: NDArray[np.int64]
    offset_ms: NDArray[np.int64]
    live: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Statuses:
    """m status messages and wills. A status that is no will stands among the :class:`Messages` too.

    Attributes:
        at_ms: ``(m,)`` int64, when the gateway received it.
        row: ``(m,)``.
        online: ``(m,)`` bool, False for a will.
        battery_pct: ``(m,)`` float, NaN where it says nothing.
        heartbeat_s: ``(m,)`` float, NaN where it says nothing.
    """

    at_ms: NDArray[np.int64]
    row: NDArray[np.intp]
    online: NDArray[np.bool_]
    battery_pct: NDArray[np.float64]
    heartbeat_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rests:
    """Announced rests: nothing comes from ``row`` until ``until_ms`` (our clock)."""

    at_ms: NDArray[np.int64]
    row: NDArray[np.intp]
    until_ms: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Presses:
    """Buttons pressed, for help or for a test."""

    at_ms: NDArray[np.int64]
    row: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Wears:
    """Ten-second summaries of live motion. ``worn`` is False after an hour without movement."""

    at_ms: NDArray[np.int64]
    row: NDArray[np.intp]
    worn: NDArray[np.bool_]


class Sense(IntEnum):
    """What a home sensor senses, as a number. Other kinds (temperature, light) are not among the readings."""

    PRESENCE = 0
    CONTACT = 1
    BED = 2
    WATER = 3
    VIBRATION = 4


@dataclass(frozen=True, slots=True)
class Readings:
    """What home sensors that know two states say, live ones only. A device is watched by the first sense it tells of.

    Attributes:
        at_ms: ``(m,)`` int64, when the gateway received it.
        row: ``(m,)``.
        sense: ``(m,)`` uint8, see :class:`Sense`.
        raised: ``(m,)`` bool: somebody is there, it is open, in bed, flows, shakes.
    """

    at_ms: NDArray[np.int64]
    row: NDArray[np.intp]
    sense: NDArray[np.uint8]
    raised: NDArray[np.bool_]


class Trait(IntEnum):
    """What tells wearers apart, as a number."""

    CADENCE = 0  # steps a minute
    BOUNCE = 1  # g, standard deviation of the magnitude while walking
    STEP = 2  # how well a step resembles the one before, 0..1
    STRIDE = 3  # and the one before that
    PULSE = 4  # beats a minute, at rest


@dataclass(frozen=True, slots=True)
class Traits:
    """Measurements of who wears a device, live ones only; see :func:`detectors.device.wearer.gait`.

    Attributes:
        at_ms: ``(m,)`` int64, when the gateway received it.
        row: ``(m,)`` of the wearable.
        trait: ``(m,)`` uint8, see :class:`Trait`.
        value: ``(m,)`` float64; what is not finite is ignored.
    """

    at_ms: NDArray[np.int64]
    row: NDArray[np.intp]
    trait: NDArray[np.uint8]
    value: NDArray[np.float64]


Part = Messages | Statuses | Rests | Presses | Wears | Readings | Traits

_Columns = TypeVar("_Columns")

_TYPES: dict[str, Any] = {
    "row": np.intp, "stream": np.uint8, "live": np.bool_, "online": np.bool_, "worn": np.bool_,
    "battery_pct": np.float64, "heartbeat_s": np.float64, "sense": np.uint8, "raised": np.bool_, "trait": np.uint8,
    "value": np.float64,
}  # fmt: skip


def nothing(kind: type[_Columns]) -> _Columns:
    """An empty :class:`Messages`, :class:`Statuses` ..."""
    make: Any = kind  # whose arguments are its columns, in order
    empty: _Columns = make(*(np.empty(0, _TYPES.get(column, np.int64)) for column in columns_of(make)))
    return empty


#: Looked up every second.
_NAMES: dict[type, tuple[str, ...]] = {
    kind: tuple(one.name for one in fields(kind))
    for kind in (Messages, Statuses, Rests, Presses, Wears, Readings, Traits)
}


def columns_of(kind: type) -> tuple[str, ...]:
    """The names of the columns of :class:`Messages`, :class:`Statuses` ..., in order."""
    return _NAMES[kind]


@dataclass(frozen=True, slots=True)
class LinkBatch:
    """What came since the last batch. Each part is in the order of arrival; nothing in here is changed by a bank."""

    messages: Messages
    statuses: Statuses
    rests: Rests
    presses: Presses
    wears: Wears
    readings: Readings = field(default_factory=lambda: nothing(Readings))
    traits: Traits = field(default_factory=lambda: nothing(Traits))

    def __len__(self) -> int:
        return sum(len(part.at_ms) for part in self.parts())

    def parts(self) -> tuple[Part, ...]:
        """All seven."""
        return (
            self.messages, self.statuses, self.rests, self.presses, self.wears, self.readings, self.traits,
        )  # fmt: skip

    def check(self, rows: int) -> None:
        """Whether every column has as many values as its part, and every row is one of so many.

        Raises:
            DetectorError: it is not so.
        """
        for part in self.parts():
            name = type(part).__name__
            if len({len(getattr(part, column)) for column in columns_of(type(part))}) != 1:
                raise DetectorError(f"{name} whose columns differ in length: give every column m values")
            if len(part.row) and not 0 <= part.row.min() <= part.row.max() < rows:
                wrong = part.row.min() if part.row.min() < 0 else part.row.max()
                raise DetectorError(f"{name} of row {wrong}, the bank has {rows}: add the device first")

    def cut(self, every_ms: int, from_ms: int, to_ms: int) -> Iterator[tuple[int, LinkBatch]]:
        """The batch in pieces that lie between two multiples of ``every_ms``, with the first of the two; a clock that
        is set back, or stands before ``from_ms``, counts as going on, and nothing as coming after ``to_ms``.
        """
        parts: list[tuple[Any, NDArray[np.int64]]] = []
        for part in self.parts():
            if not len(part.at_ms):  # most are, every second
                parts.append((part, part.at_ms))
                continue
            at_ms = np.maximum.accumulate(np.clip(part.at_ms, from_ms, to_ms))
            # how far a clock is off is measured by what was written down
            parts.append((part if isinstance(part, Messages) else replace(part, at_ms=at_ms), at_ms // every_ms))
        for span in np.unique(np.concatenate([of for _, of in parts])).tolist():
            pieces: list[Any] = []  # in the order of LinkBatch
            for part, of in parts:
                if not len(of):
                    pieces.append(part)
                    continue
                where = slice(int(np.searchsorted(of, span)), int(np.searchsorted(of, span, side="right")))
                pieces.append(type(part)(*(getattr(part, column)[where] for column in columns_of(type(part)))))
            yield span * every_ms, LinkBatch(*pieces)


def empty_batch() -> LinkBatch:
    """A tick."""
    return LinkBatch(nothing(Messages), nothing(Statuses), nothing(Rests), nothing(Presses), nothing(Wears))
