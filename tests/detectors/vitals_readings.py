"""Vitals that nobody measured: one person's readings, and a bank that hears them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from detectors.detection import Detection, Severity, Stage
from detectors.vitals.bank import VitalsBank
from detectors.vitals.batch import VitalsGatherer

#: A Monday, midnight in China.
T0_MS = 1_759_680_000_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

Reading = tuple[int, dict[str, Any]]


def well(rng: np.random.Generator) -> dict[str, float]:
    """What somebody measures who is well, every sign that is worn."""
    return {
        "hr": round(float(rng.normal(70, 2))),
        "spo2": round(float(rng.normal(97, 0.6))),
        "rr": round(float(rng.normal(16, 0.8))),
        "temp": round(float(rng.normal(36.6, 0.06)), 1),
    }


def every(minutes: float, start_ms: int, hours: float, *, seed: int = 0, **changes: Any) -> list[Reading]:
    """Readings of somebody who is well but for ``changes``: by name a value, or a number added to (``add_hr=30``)."""
    rng = np.random.default_rng(seed)
    out: list[Reading] = []
    for at in range(round(hours * 60 / minutes)):
        values: dict[str, Any] = well(rng)
        for name, change in changes.items():
            if name.startswith("add_"):
                values[name[4:]] = round(values[name[4:]] + change, 1)
            elif change is None:
                values.pop(name, None)
            else:
                values[name] = change
        out.append((start_ms + round(at * minutes * MINUTE_MS), values))
    return out


class Listener:
    """A bank with one person, and everything that it said."""

    def __init__(self, bank: VitalsBank | None = None, **person: Any) -> None:
        self.bank = VitalsBank() if bank is None else bank
        self.row = self.bank.add("p1", person="p1", **person)
        self.found: list[Detection] = []

    def hear(
        self,
        readings: Iterable[Reading],
        *,
        device: str = "w1",
        historical: bool = False,
        delay_ms: int = 0,
        together: bool = False,
    ) -> list[Detection]:
        """What the bank says of these readings, and of the ticks after each."""
        source = self.bank.add_device(device)
        gatherer = VitalsGatherer()
        before = len(self.found)
        now_ms = 0
        for t_ms, values in readings:
            now_ms = max(now_ms, t_ms + delay_ms)
            gatherer.add(self.row, source, t_ms=t_ms, recv_ms=t_ms + delay_ms, values=values, historical=historical)
            if not together:
                self.found += self.bank.update(gatherer.take(), now_ms)
                self.found += self.bank.update(None, now_ms)
        if together:
            self.found += self.bank.update(gatherer.take(), now_ms)
        return self.found[before:]

    def know(self, days: int = 7, *, minutes: float = 10, until_ms: int = T0_MS, **changes: Any) -> Listener:
        """Let the bank learn the person, up to ``until_ms``; nothing is found on the way."""
        found = self.hear(every(minutes, until_ms - days * DAY_MS, days * 24, seed=9, **changes))
        assert not alarms(found), [one.notes.get("en") for one in found]
        return self


def alarms(found: Iterable[Detection]) -> list[Detection]:
    """What calls somebody."""
    return [
        one
        for one in found
        if one.detector == "vitals" and one.stage is Stage.CONFIRMED and one.severity is not Severity.INFO
    ]


def rules(found: Iterable[Detection]) -> list[str]:
    """The rules of some findings, in their order."""
    return [one.notes["rule"] for one in found]


def features(one: Detection, names: Mapping[str, float]) -> dict[str, float]:
    """The features of a finding by these names."""
    return {name: one.features[name] for name in names}
