"""The batch of home readings that the routine bank takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: What a home sensor says: on or off, a number, or a word (``open``, ``OFF``).
Value = bool | float | str


@dataclass(frozen=True, slots=True)
class HomeBatch:
    """m readings of home sensors in the order of their arrival. Nothing in here is changed by a bank.

    Attributes:
        row: ``(m,)`` int32, the home's row in the bank (from ``bank.add``).
        device: m names; a sensor is known by its home and its name.
        kind: m kinds: presence, contact, bed, water, vibration. Any other says that the device lives, not that
            somebody moved.
        room: m names of rooms as a person wrote them, or None.
        value: m values.
        t_ms: ``(m,)`` int64, when it happened, on our clock (the device's, corrected by its offset).
        recv_ms: ``(m,)`` int64, when the gateway received it.
        historical: the readings come from device buffers: the newest sign of life there may be, but minutes old they
            tell of then and not of now.
    """

    row: NDArray[np.int32]
    device: Sequence[str]
    kind: Sequence[str]
    room: Sequence[str | None]
    value: Sequence[Value]
    t_ms: NDArray[np.int64]
    recv_ms: NDArray[np.int64]
    historical: bool = False

    def __len__(self) -> int:
        return len(self.row)
