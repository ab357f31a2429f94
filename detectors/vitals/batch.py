"""The batch of vitals readings that the bank takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.errors import DetectorError

#: The rows of :attr:`VitalsBatch.values`, in the units of the wire contract. ``o2`` is 1 on oxygen and 0 on air,
#: ``acvpu`` the place of its letter in ACVPU (0 is alert), ``enmo_g`` how much the wearer moved during the reading.
COLUMNS: tuple[str, ...] = (
    "hr", "spo2", "rr", "temp", "sbp", "dbp", "glucose", "weight", "o2", "acvpu", "quality", "enmo_g",
)  # fmt: skip
#: The letters of the consciousness scale; the first is alert.
ACVPU = "ACVPU"
HR, SPO2, RR, TEMP, SBP, DBP, GLUCOSE, WEIGHT, O2, CONSCIOUS, QUALITY, ENMO = range(len(COLUMNS))
#: The first rows are quantities that a device measures; then comes what somebody states.
SIGNS = slice(0, O2)
#: What a chart holds: the quantities and what is stated.
CHARTED = slice(0, QUALITY)

Floats = NDArray[np.float64]
Instants = NDArray[np.int64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class VitalsBatch:
    """m readings, ready for the bank; in any order. Nothing in here is changed by it.

    Attributes:
        row: ``(m,)`` int32, the person's row (from ``bank.add``).
        device: ``(m,)`` int32, who measured (from ``bank.add_device``).
        t_ms: ``(m,)`` int64, when it was measured, our clock (the device's, corrected by its offset).
        recv_ms: ``(m,)`` int64, when the gateway received it.
        values: ``(12, m)`` float64, rows as in :data:`COLUMNS`; NaN for what was not measured.
        historical: ``(m,)`` bool, it comes from the device's buffer.
    """

    row: NDArray[np.int32]
    device: NDArray[np.int32]
    t_ms: Instants
    recv_ms: Instants
    values: Floats
    historical: Flags

    def __post_init__(self) -> None:
        m = len(self.row)
        if self.values.shape != (len(COLUMNS), m):
            raise DetectorError(f"values of shape {self.values.shape} for {m} readings: it is ({len(COLUMNS)}, {m})")
        for name in ("device", "t_ms", "recv_ms", "historical"):
            if len(getattr(self, name)) != m:
                raise DetectorError(f"{len(getattr(self, name))} {name} for {m} readings")

    def __len__(self) -> int:
        return len(self.row)

    def take(self, chosen: NDArray[Any]) -> VitalsBatch:
        """The readings chosen, in that order."""
        return VitalsBatch(
            self.row[chosen],
            self.device[chosen],
            self.t_ms[chosen],
            self.recv_ms[chosen],
            self.values[:, chosen],
            self.historical[chosen],
        )


def conscious_code(letter: str | None) -> float:
    """The place of a letter in ACVPU, NaN for none and for one that is not known (a newer device's is data)."""
    word = (letter or "").strip().upper()
    return float(ACVPU.index(word)) if len(word) == 1 and word in ACVPU else np.nan


class VitalsGatherer:
    """Collects readings one by one and hands them out as a batch. A second's worth costs the bank least."""

    def __init__(self) -> None:
        self._heads: list[tuple[int, int, int, int, bool]] = []
        self._values: list[list[float]] = []

    def add(
        self, row: int, device: int, *, t_ms: int, recv_ms: int, values: Mapping[str, Any], historical: bool
    ) -> None:
        """One reading. ``values`` by name (:data:`COLUMNS`), ``acvpu`` as its letter; None or absent = not measured."""
        numbers = [np.nan] * len(COLUMNS)
        for at, name in enumerate(COLUMNS):
            value = values.get(name)
            if value is not None:
                numbers[at] = conscious_code(value) if at == CONSCIOUS else float(value)
        self._heads.append((row, device, t_ms, recv_ms, historical))
        self._values.append(numbers)

    def take(self) -> VitalsBatch | None:
        """What has been collected since the last call, or None."""
        if not self._heads:
            return None
        heads, values = self._heads, self._values
        self._heads, self._values = [], []
        row, device, t_ms, recv_ms, historical = zip(*heads, strict=True)
        return VitalsBatch(
            np.array(row, np.int32),
            np.array(device, np.int32),
            np.array(t_ms, np.int64),
            np.array(recv_ms, np.int64),
            np.ascontiguousarray(np.array(values, np.float64).T),
            np.array(historical, np.bool_),
        )
