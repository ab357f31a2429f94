"""Motion frames of devices that always send the same MessagePack: taken apart many at a time, by column.

A device's encoder writes the same bytes in the same places in every frame, but for ``t``, ``boot``, ``seq`` and the
samples. Such a *layout* is learnt from one payload, and any number of payloads of its length are then compared with its
constant bytes and read at its offsets. What fits a layout is what :func:`telemetry.codec.decode_motion` makes of it;
whatever does not is left to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telemetry.codec import Motion, decode_motion
from telemetry.errors import TelemetryError
from telemetry.messages import MAX_T_MS

Bytes = NDArray[np.uint8]
Counts = NDArray[np.int16]
Longs = NDArray[np.int64]

#: Layouts of one length, and in all: a hostile sender must not make us compare for ever.
_PER_LENGTH, _IN_ALL = 16, 256
_WORD = 8
#: First byte -> bytes of the value behind it.
_UINTS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_FLOATS = {0xCA: 4, 0xCB: 8}
_BINS = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_INTEGERS = ("t", "boot", "seq")
_FALSE, _TRUE, _NIL = 0xC2, 0xC3, 0xC0


class _Value(NamedTuple):
    """Where the bytes of a value lie."""

    start: int
    end: int
    most: int  # a number: the largest that this form of it can be


class Heads(NamedTuple):
    """What m frames say besides their samples."""

    t_ms: Longs
    boot: Longs
    seq: Longs


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where in a payload what stands.

    Attributes:
        number: among those that were learnt.
        length: of the payload in bytes.
        fs: Hz.
        lsb: g per count.
        glsb: deg/s per count, 1.0 without a gyroscope.
        samples: in a frame.
        acc_at: where the acceleration begins.
        gyr_at: where the turning begins, None without a gyroscope.
        hist: whether all of them come from a device's buffer.
    """

    number: int
    length: int
    fs: float
    lsb: float
    glsb: float
    samples: int
    acc_at: int
    gyr_at: int | None
    hist: bool
    _integers: tuple[_Value, _Value, _Value]
    _constant: tuple[tuple[int, NDArray[np.uint64], NDArray[np.uint64]], ...]  # where, which bits, their value

    def fits(self, data: Bytes, start: Longs) -> NDArray[np.bool_]:
        """``(m,)``: which of the payloads, all :attr:`length` long, beginning at ``start`` in ``data``, are of it."""
        found = np.ones(len(start), np.bool_)
        for at, mask, value in self._constant:
            words = rows_of(data, start + at, len(mask) * _WORD).view(np.uint64)
            words &= mask
            found &= (words == value).all(axis=1)
        return found

    def heads(self, data: Bytes, start: Longs) -> Heads:
        """Time, boot and sequence number of each. A number beyond the contract's range is -1."""
        return Heads(*(_integer(data, start, value) for value in self._integers))

    def counts(self, data: Bytes, start: Longs) -> tuple[Counts, Counts | None]:
        """``(m, samples, 3)`` int16: acceleration, and turning where there is a gyroscope."""
        size = self.samples * 6
        acc = rows_of(data, start + self.acc_at, size).view(np.int16).reshape(-1, self.samples, 3)
        if self.gyr_at is None:
            return acc, None
        return acc, rows_of(data, start + self.gyr_at, size).view(np.int16).reshape(-1, self.samples, 3)


class Layouts:
    """The layouts met so far, by the length of the payload."""

    def __init__(self) -> None:
        self._known: dict[int, list[Layout]] = {}
        self._numbered: list[Layout] = []
        #: By number, whether it is of frames from buffers; the last is of none.
        self.history = np.zeros(1, np.bool_)

    def of(self, length: int) -> list[Layout]:
        """Those of payloads of this length, the commonest first as far as they were learnt."""
        return self._known.get(length, [])

    def lengths(self) -> list[int]:
        """Of payloads that may be of a known layout."""
        return list(self._known)

    def __getitem__(self, number: int) -> Layout:
        """The layout that was learnt as this one, from 0."""
        return self._numbered[number]

    def learn(self, payload: bytes) -> Layout | None:
        """The layout of a payload that fits none; None where it has none, or there are too many already."""
        known = self._known.get(len(payload), [])
        if len(known) >= _PER_LENGTH or len(self._numbered) >= _IN_ALL:
            return None
        layout = layout_of(payload, len(self._numbered))
        if layout is not None:
            self._known.setdefault(len(payload), known).append(layout)
            self._numbered.append(layout)
            self.history = np.array([*(one.hist for one in self._numbered), False])
        return layout


def rows_of(data: Bytes, start: Longs, width: int) -> Bytes:
    """``(m, width)``, contiguous: the bytes from each of ``start`` on, all of which lie within ``data``."""
    windows = np.lib.stride_tricks.as_strided(data, (len(data) - width + 1, width), (1, 1), writeable=False)
    return windows[start]


def _integer(data: Bytes, start: Longs, value: _Value) -> Longs:
    width = value.end - value.start
    number = rows_of(data, start + value.start, width).view(f">u{width}")[:, 0].astype(np.uint64)
    number[number > value.most] = np.uint64(2**64 - 1)
    return number.view(np.int64)


def layout_of(payload: bytes, number: int = 0) -> Layout | None:
    """The layout of one motion frame in MessagePack, None where it is not an ordinary one.

    Ordinary is a map with each key once and few kinds of values, and `idle_until` says nothing in it.
    """
    try:
        motion = decode_motion(payload)
        return _layout(payload, motion, _values(payload), number)
    except (TelemetryError, _StrangeError, IndexError):
        return None


def _layout(payload: bytes, motion: Motion, values: dict[str, _Value], number: int) -> Layout | None:
    if motion.acc.dtype != np.int16 or motion.idle_until is not None:
        return None
    integers = [values.get(name) for name in _INTEGERS]
    acc, gyr = values.get("acc"), values.get("gyr")
    if acc is None or (gyr is None) != (motion.gyr is None) or any(one is None or not one.most for one in integers):
        return None
    t, boot, seq = (one for one in integers if one is not None)
    variable = [t, boot, seq, acc] + ([] if gyr is None else [gyr])
    layout = Layout(
        number, len(payload), motion.fs, motion.lsb, motion.glsb, len(motion.acc), acc.start,
        None if gyr is None else gyr.start, motion.hist, (t, boot, seq), _constants(payload, variable),
    )  # fmt: skip
    return layout if _agrees(layout, payload, motion) else None


class _StrangeError(Exception):
    """Not an ordinary frame."""


def _values(payload: bytes) -> dict[str, _Value]:
    """Where the value of each key lies. Raises _StrangeError, IndexError."""
    first = payload[0]
    if not 0x80 <= first <= 0x8F:
        raise _StrangeError
    at = 1
    found: dict[str, _Value] = {}
    for _ in range(first & 0x0F):
        size = payload[at] ^ 0xA0
        if size > 0x1F:
            raise _StrangeError
        key = payload[at + 1 : at + 1 + size].decode("ascii", "replace")
        value = _value(payload, at + 1 + size)
        if key in found:
            raise _StrangeError
        found[key] = value
        at = value.end
    if at != len(payload):
        raise _StrangeError
    return found


def _value(payload: bytes, at: int) -> _Value:
    kind = payload[at]
    if kind in _UINTS:
        size = _UINTS[kind]
        return _Value(at + 1, at + 1 + size, min(2 ** (8 * size) - 1, MAX_T_MS))
    if kind in _FLOATS:
        return _Value(at + 1, at + 1 + _FLOATS[kind], 0)
    if kind in _BINS:
        width = _BINS[kind]
        size = int.from_bytes(payload[at + 1 : at + 1 + width], "big")
        return _Value(at + 1 + width, at + 1 + width + size, 0)
    if kind < 0x80:
        return _Value(at, at + 1, 0x7F)  # the number itself
    if kind in (_FALSE, _TRUE, _NIL):
        return _Value(at, at + 1, 0)
    raise _StrangeError


def _constants(
    payload: bytes, variable: list[_Value]
) -> tuple[tuple[int, NDArray[np.uint64], NDArray[np.uint64]], ...]:
    """The bytes that every frame has, as words that are compared under a mask; long variable parts are left out."""
    fixed = np.full(len(payload), 0xFF, np.uint8)
    for value in variable:
        fixed[value.start : value.end] = 0
    content = np.frombuffer(payload, np.uint8)
    places = np.flatnonzero(fixed)
    spans: list[list[int]] = []
    for place in places.tolist():
        if spans and place - spans[-1][1] < 2 * _WORD:
            spans[-1][1] = place + 1
        else:
            spans.append([place, place + 1])
    out = []
    for start, end in spans:
        size = -(-(end - start) // _WORD) * _WORD
        first = min(start, len(payload) - size)
        if first < 0:
            raise _StrangeError
        mask = np.zeros(size, np.uint8)
        mask[start - first : end - first] = fixed[start:end]
        words = mask.view(np.uint64)
        out.append((first, words, content[first : first + size].copy().view(np.uint64) & words))
    return tuple(out)


def _agrees(layout: Layout, payload: bytes, motion: Motion) -> bool:
    """Whether the layout reads the payload it was made of as the codec does."""
    data, start = np.frombuffer(payload, np.uint8), np.zeros(1, np.int64)
    t, boot, seq = (int(column[0]) for column in layout.heads(data, start))
    acc, gyr = layout.counts(data, start)
    same = bool(layout.fits(data, start)[0]) and (t, boot, seq) == (motion.t, motion.boot, motion.seq)
    same &= np.array_equal(acc[0], motion.acc)
    return same and (motion.gyr is None or (gyr is not None and np.array_equal(gyr[0], motion.gyr)))
