"""A mapping that keeps its entries as bytes and makes one when it is asked for it.

Of a district's people and devices a process that tells responders needs a few at a time. As objects they take some
kilobyte each; packed, with what a look-up needs, a tenth of that. Nothing is read from anywhere else: what is known is
known while the database is busy, too.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast, get_type_hints

import msgspec
import numpy as np

V = TypeVar("V")
E = TypeVar("E", bound=msgspec.Struct)

_HASH_BITS = (1 << 64) - 1
#: Rows in one piece of memory: one that grew to megabytes would leave holes behind.
_CHUNK = 64
#: Texts of these fields repeat, and so many of them are kept once for all entries.
_ALIKE = frozenset({"area", "kind", "placement", "model", "language", "fall_point", "relation", "notify"})
_TEXTS = 1_000
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Form(Generic[V]):
    """How a value is packed: to a row that begins with its key, and back from a tuple of the type ``row``."""

    row: Any
    pack: Callable[[str, V], list[Any]]
    unpack: Callable[[tuple[Any, ...]], V]


class _Rows(Generic[E]):
    """Entries of one kind as tuples of their values; texts that repeat are numbers in them."""

    def __init__(self, kind: type[E]) -> None:
        self._kind = kind
        self._names = kind.__struct_fields__
        self._alike = [n for n, name in enumerate(self._names) if name in _ALIKE]
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = []
        hints = get_type_hints(kind)  # without patterns and limits: values were checked when they came
        types = [str | int | None if name in _ALIKE else hints[name] for name in self._names]
        self.type: Any = tuple[tuple(types)]  # type: ignore[misc]  # known when it runs

    def pack(self, entry: E) -> list[Any]:
        row = list(msgspec.structs.astuple(entry))
        for n in self._alike:
            row[n] = self._number(row[n])
        return row

    def unpack(self, packed: tuple[Any, ...]) -> E:
        row = list(packed)
        for n in self._alike:
            if isinstance(row[n], int):
                row[n] = self._texts[row[n]]
        return self._kind(**dict(zip(self._names, row, strict=True)))

    def _number(self, text: str | None) -> str | int | None:
        if text is None or text in self._numbers or len(self._texts) == _TEXTS:
            return text if text is None else self._numbers.get(text, text)
        self._texts.append(text)
        return self._numbers.setdefault(text, len(self._numbers))


def form_of(kind: type[E]) -> Form[E]:
    """Entries of one kind, whose first field is their key."""
    rows = _Rows(kind)
    return Form(rows.type, lambda _, entry: rows.pack(entry), rows.unpack)


def form_of_several(kind: type[E]) -> Form[tuple[E, ...]]:
    """Several entries of one kind under a key."""
    rows = _Rows(kind)
    return Form(
        tuple[str, tuple[rows.type, ...]],  # type: ignore[name-defined]  # known when it runs
        lambda key, entries: [key, [rows.pack(one) for one in entries]],
        lambda row: tuple(rows.unpack(one) for one in row[1]),
    )


class Packed(Mapping[str, V]):
    """The values of ``entries`` by their keys, each of which is there once, in the order in which they came."""

    __slots__ = ("_chunks", "_decode", "_hashes", "_rows", "_starts", "_unpack")

    def __init__(self, entries: Iterable[tuple[str, V]], form: Form[V]) -> None:
        hashes, starts = array("Q"), array("I")
        self._chunks: list[bytes] = []
        rows: list[bytes] = []
        for key, value in entries:
            hashes.append(hash(key) & _HASH_BITS)
            starts.append(sum(map(len, rows)))
            rows.append(_encode(form.pack(key, value)))
            if len(rows) == _CHUNK:
                self._chunks.append(b"".join(rows))
                rows.clear()
        self._chunks.append(b"".join(rows))
        order = np.argsort(hashes, kind="stable")
        self._hashes = np.asarray(hashes, dtype=np.uint64)[order].data
        self._rows = order.astype(np.uint32).data
        self._starts = np.asarray(starts, dtype=np.uint32).data
        self._decode = msgspec.msgpack.Decoder(form.row).decode
        self._unpack = form.unpack

    def __getitem__(self, key: str) -> V:
        if isinstance(key, str):
            wanted = hash(key) & _HASH_BITS
            at = bisect_left(self._hashes, wanted)
            while at < len(self._hashes) and self._hashes[at] == wanted:
                row = self._row(self._rows[at])
                if row[0] == key:
                    return self._unpack(row)
                at += 1
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return (self._row(n)[0] for n in range(len(self)))

    def __len__(self) -> int:
        return len(self._rows)

    def values(self) -> ValuesView[V]:
        """As of every mapping, without a look-up for each."""
        return _Values(self)

    def items(self) -> ItemsView[str, V]:
        """As of every mapping, without a look-up for each."""
        return _Items(self)

    def pairs(self) -> Iterator[tuple[str, V]]:
        """Each key with its value, one after another."""
        for n in range(len(self)):
            row = self._row(n)
            yield row[0], self._unpack(row)

    def _row(self, n: int) -> tuple[Any, ...]:
        end = self._starts[n + 1] if n + 1 < len(self) and (n + 1) % _CHUNK else None
        return cast("tuple[Any, ...]", self._decode(memoryview(self._chunks[n // _CHUNK])[self._starts[n] : end]))


class _Values(ValuesView[V]):
    _mapping: Packed[V]

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._mapping.pairs())


class _Items(ItemsView[str, V]):
    _mapping: Packed[V]

    def __iter__(self) -> Iterator[tuple[str, V]]:
        return self._mapping.pairs()
