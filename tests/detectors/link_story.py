"""Timelines of many devices for the bank of links: what they send is written down first, then played."""

from __future__ import annotations

import pickle
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

import numpy as np

from detectors.detection import Detection, Stage
from detectors.device.batch import (
    Heard,
    LinkBatch,
    Messages,
    Presses,
    Readings,
    Rests,
    Sense,
    Statuses,
    Trait,
    Traits,
    Wears,
)
from detectors.device.link import DeviceBank
from detectors.device.link_parameters import LinkParameters
from detectors.device.sentences import LANGUAGES, TEXTS

#: A full hour; Tuesday midnight, UTC.
T0_MS = 1_767_657_600_000
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0

_PARTS: tuple[tuple[type[Any], dict[str, Any]], ...] = (
    (Messages, {"row": np.intp, "stream": np.uint8, "live": np.bool_}),
    (Statuses, {"row": np.intp, "online": np.bool_, "battery_pct": np.float64, "heartbeat_s": np.float64}),
    (Rests, {"row": np.intp}),
    (Presses, {"row": np.intp}),
    (Wears, {"row": np.intp, "worn": np.bool_}),
    (Readings, {"row": np.intp, "sense": np.uint8, "raised": np.bool_}),
    (Traits, {"row": np.intp, "trait": np.uint8, "value": np.float64}),
)


def ms(seconds: float) -> int:
    """An instant of the story as epoch ms."""
    return T0_MS + round(seconds * 1000)


def _received(record: tuple[Any, ...]) -> int:
    return int(record[0])


class LinkStory:
    """Devices and what they send. Instants are seconds from :data:`T0_MS`."""

    def __init__(self, parameters: LinkParameters | None = None) -> None:
        self.parameters = parameters
        self.bank = DeviceBank(parameters)
        self.found: list[Detection] = []
        self.devices: dict[str, dict[str, Any]] = {}
        self._seq: dict[tuple[str, Heard], int] = {}
        self._records: list[list[tuple[Any, ...]]] = [[] for _ in _PARTS]

    def device(self, name: str, *, person: str | None = "p", area: str = "city.street", **more: Any) -> str:
        """A device of the registry; its name."""
        self.devices[name] = {"person": person, "area": area, **more}
        self.bank.add(name, **self.devices[name])
        return name

    def says(
        self, name: str, at_s: float, stream: Heard = Heard.MOTION, *, boot: int = 1, seq: int | None = None,
        clock_s: float = 0.0, offset_s: float = 0.0, live: bool = True,
    ) -> None:  # fmt: skip
        """One message, received 50 ms after it was made by a clock that is ``clock_s`` ahead."""
        key = (name, stream)
        seq = self._seq.get(key, -1) + 1 if seq is None else seq
        self._seq[key] = seq
        t_ms, row = ms(at_s + clock_s) - 50, self.bank.add(name, **self.devices[name])
        self._records[0].append((ms(at_s), row, stream, t_ms, seq, boot, round(offset_s * 1000), live))

    def streams(
        self, name: str, from_s: float, to_s: float, *, every_s: float = 1.0, stream: Heard = Heard.MOTION, **more: Any
    ) -> None:
        """Messages at a steady pace."""
        for at_s in np.arange(from_s, to_s, every_s).tolist():
            self.says(name, at_s, stream, **more)

    def status(
        self, name: str, at_s: float, *, online: bool = True, battery: float = np.nan, heartbeat_s: float = np.nan,
        **more: Any,
    ) -> None:  # fmt: skip
        """A birth message, a heartbeat, or (``online`` False) a will."""
        if online:
            self.says(name, at_s, Heard.STATUS, **more)
        row = self.bank.add(name, **self.devices[name])
        self._records[1].append((ms(at_s), row, online, battery, heartbeat_s))

    def beats(self, name: str, from_s: float, to_s: float, *, heartbeat_s: float = 60.0, battery: float = 80.0) -> None:
        """Heartbeats as declared."""
        for at_s in np.arange(from_s, to_s, heartbeat_s).tolist():
            self.status(name, at_s, heartbeat_s=heartbeat_s, battery=battery)

    def rests(self, name: str, at_s: float, until_s: float) -> None:
        """A frame that announces a rest."""
        self.says(name, at_s)
        self._records[2].append((ms(at_s), self.bank.add(name, **self.devices[name]), ms(until_s)))

    def presses(self, name: str, at_s: float) -> None:
        """SOS, or a test."""
        self._records[3].append((ms(at_s), self.bank.add(name, **self.devices[name])))

    def wears(self, name: str, from_s: float, to_s: float, *, worn: bool) -> None:
        """Ten-second summaries."""
        row = self.bank.add(name, **self.devices[name])
        self._records[4] += [(ms(at_s), row, worn) for at_s in np.arange(from_s, to_s, 10.0).tolist()]

    def senses(self, name: str, at_s: float, raised: bool, sense: Sense = Sense.PRESENCE) -> None:
        """A reading of a home sensor."""
        self.says(name, at_s, Heard.HOME)
        self._records[5].append((ms(at_s), self.bank.add(name, **self.devices[name]), sense, raised))

    def trait(self, name: str, at_s: float, trait: Trait, value: float) -> None:
        """What a wearer is like."""
        self._records[6].append((ms(at_s), self.bank.add(name, **self.devices[name]), trait, value))

    def batch(self, from_ms: int, to_ms: int) -> LinkBatch:
        """What is received within."""
        parts = []
        for (kind, types), records in zip(_PARTS, self._records, strict=True):
            records.sort(key=_received)
            mine = records[bisect_left(records, from_ms, key=_received) : bisect_left(records, to_ms, key=_received)]
            columns = list(zip(*mine, strict=True)) if mine else [()] * len(kind.__dataclass_fields__)
            parts.append(
                kind(
                    *(
                        np.array(column, types.get(name, np.int64))
                        for name, column in zip(kind.__dataclass_fields__, columns, strict=True)
                    )
                )
            )
        return LinkBatch(*parts)

    def play(self, to_s: float, *, cuts_s: Iterable[float] = (), restart: bool = False) -> list[Detection]:
        """What is found up to ``to_s``, in batches that end at ``cuts_s``; with ``restart`` each into a new bank that
        takes over the state of the last."""
        found: list[Detection] = []
        for cut_s in [*sorted(cut for cut in cuts_s if cut < to_s), to_s]:
            if restart:
                state = pickle.loads(pickle.dumps(self.bank.state()))
                self.bank = DeviceBank(self.parameters)
                self.bank.restore(state)
            found += self.bank.update(self.batch(0, ms(cut_s)), ms(cut_s))
            for records in self._records:
                del records[: bisect_left(records, ms(cut_s), key=_received)]
        for one in found:
            assert one.notes["text"] in TEXTS["en"], one.notes
            assert one.notes.get("state") or any(name.startswith("limit_") for name in one.features), one.features
            assert not set("{}") & set(one.notes["en"] + one.notes["zh"]), one.notes
        self.found += found
        return found


def said(found: Iterable[Detection]) -> list[tuple[str, str, str]]:
    """``(device, kind, begins | over)`` of each."""
    return [(one.device, one.kind, "begins" if one.stage is Stage.CONFIRMED else one.notes["state"]) for one in found]


def signs(one: Detection) -> dict[str, str]:
    """The notes of a finding without its sentences."""
    return {name: note for name, note in one.notes.items() if name not in ("text", *LANGUAGES)}
