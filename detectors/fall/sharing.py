"""The state of a fall bank taken apart by device, and put together again: how many banks share the devices is no part
of what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.errors import DetectorError
from detectors.fall.bank import STATE_FORMAT
from detectors.fall.windows import MISSING

State = dict[str, Any]


def devices_of(state: State) -> list[str]:
    """The ids of the devices that a state of :meth:`detectors.fall.bank.FallBank.state` is of, by row.

    Raises:
        DetectorError: it is of another version.
    """
    if state.get("format") != STATE_FORMAT:
        raise DetectorError(f"fall bank state of format {state.get('format')!r}, not {STATE_FORMAT}: start afresh")
    return [entry[0] for entry in state["devices"]]


def part_of(state: State, rows: Sequence[int]) -> State:
    """The state of a bank that has only these rows of another one, in this order."""
    chosen = np.array(rows, np.intp)
    place = np.full(len(state["devices"]), -1, np.int64)
    place[chosen] = np.arange(len(chosen))
    cascade = {name: column for name, column in state["cascade"].items() if name != "open"}
    return {
        "format": state["format"],
        "devices": [state["devices"][row] for row in chosen],
        "cascade": {**_rows(cascade, chosen), "open": _moved(state["cascade"]["open"], place)},
        "follow_up": _moved(state["follow_up"], place),
        "historical": state["historical"],
        "ring": _rows(state["ring"], chosen),
        "intake": _rows(state["intake"], chosen),
    }


def joined(states: Sequence[State], devices: Sequence[str]) -> State:
    """The state of one bank that has the devices of all of these, each of which is in one of them, in this order."""
    sizes = [len(state["devices"]) for state in states]
    first = np.cumsum([0, *sizes[:-1]])
    rings, intakes = [state["ring"] for state in states], [state["intake"] for state in states]
    cascades = [state["cascade"] for state in states]
    inputs = [intake["resampler"] for intake in intakes]
    together = {
        "format": STATE_FORMAT,
        "devices": [entry for state in states for entry in state["devices"]],
        "cascade": {
            **{name: np.concatenate([one[name] for one in cascades]) for name in cascades[0] if name != "open"},
            "open": _one_table([cascade["open"] for cascade in cascades], first),
        },
        "follow_up": _one_table([state["follow_up"] for state in states], first),
        "historical": any(state["historical"] for state in states),
        "ring": {
            "acc": np.concatenate([ring["acc"] for ring in rings]),
            "gyr": _one_array([ring["gyr"] for ring in rings], sizes, MISSING),
            "head": np.concatenate([ring["head"] for ring in rings]),
            "start": np.concatenate([ring["start"] for ring in rings]),
        },
        "intake": {
            **{name: np.concatenate([one[name] for one in intakes]) for name in intakes[0] if name != "resampler"},
            "resampler": {
                "fs_hz": np.concatenate([one["fs_hz"] for one in inputs]),
                "next": np.concatenate([one["next"] for one in inputs]),
                "kept": _one_array([one["kept"] for one in inputs], sizes, np.nan),
            },
        },
    }
    where = {name: row for row, name in enumerate(devices_of(together))}
    return part_of(together, [where[name] for name in devices])


def _rows(columns: State, chosen: NDArray[np.intp]) -> State:
    """These rows of each column, also of the columns in tables below."""
    return {
        name: _rows(column, chosen) if isinstance(column, dict) else None if column is None else column[chosen]
        for name, column in columns.items()
    }


def _moved(table: State, place: NDArray[np.int64]) -> State:
    """Of a table that names rows, the entries whose rows have a place."""
    to = place[table["row"]]
    stays = to >= 0
    return {name: (to if name == "row" else column)[stays].astype(column.dtype) for name, column in table.items()}


def _one_table(tables: Sequence[State], first: NDArray[Any]) -> State:
    """Tables that name rows of several banks, as one; bank k begins at the row ``first[k]``."""
    return {
        name: np.concatenate(
            [table[name] + (start if name == "row" else 0) if name == "row" else table[name]
             for table, start in zip(tables, first, strict=True)]
        ).astype(column.dtype)
        for name, column in tables[0].items()
    }  # fmt: skip


def _one_array(arrays: Sequence[NDArray[Any] | None], sizes: Sequence[int], empty: float) -> NDArray[Any] | None:
    """Arrays of several banks as one; those that a bank has not needed yet hold ``empty``."""
    known = next((array for array in arrays if array is not None), None)
    if known is None:
        return None
    return np.concatenate(
        [np.full((size, *known.shape[1:]), empty, known.dtype) if array is None else array
         for array, size in zip(arrays, sizes, strict=True)]
    )  # fmt: skip
