"""What really happened in a run, as a file beside it. :mod:`firmware_sim.scoring` holds a system against it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from firmware_sim.ranges import Ranges


class Fall(msgspec.Struct, frozen=True, kw_only=True):
    """A fall that happened. ``motion`` names the recording or the kind of synthetic fall."""

    device: str
    person: str | None
    impact_ms: int
    motion: str
    outcome: str = ""  # gets_up, lies, unconscious; "" where nobody knows


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """An SOS button that was pressed. ``acked_ms`` is when the gateway's acknowledgement reached the button."""

    device: str
    person: str | None
    boot: int
    seq: int
    pressed_ms: int
    acked_ms: int | None = None
    repeats: int = 0


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of one (device, stream, boot), as ranges (first, last) of seq.

    ``seq``: the broker acknowledged them. ``dropped``: the device's buffer overflowed before they could be sent.
    """

    device: str
    stream: str
    boot: int
    seq: list[tuple[int, int]]
    dropped: list[tuple[int, int]] = []


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that the simulator put in, or met: ``kind``, when, and on which device ("" = all)."""

    kind: str
    device: str
    at_ms: int
    detail: str = ""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Anything else that a system may have to find: an illness, a still home, a sensor that sticks.

    ``kind`` is the kind of the detection that is due for it. It begins at ``begin_ms``; ``due_ms`` is by when it should
    be found, None where nothing has to be said about it (it then only explains what is). ``end_ms`` None: it lasts.
    """

    kind: str
    begin_ms: int
    due_ms: int | None = None
    end_ms: int | None = None
    device: str | None = None
    person: str | None = None
    detail: str = ""


class Spoiled(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was sent and that no system may take: it is due in the quarantine, for ``reason``.

    ``reason`` is a value of :class:`telemetry.errors.Reason`, ``device`` the one whose topic it was sent to, ``sha256``
    of the payload, in hex; ``boot`` and ``seq`` where the payload still has them.
    """

    device: str
    stream: str
    at_ms: int
    reason: str
    sha256: str
    fault: str
    boot: int | None = None
    seq: int | None = None


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """The ground truth of a run. Instants are epoch milliseconds by the simulation's clock."""

    scenario: str
    source: str  # recordings or synthetic
    seed: int
    start_ms: int
    end_ms: int
    devices: int
    falls: list[Fall]
    sos: list[Press]
    published: list[Published]
    faults: list[Fault] = []
    happenings: list[Happening] = []
    spoiled: list[Spoiled] = []

    @property
    def messages_published(self) -> int:
        """How many unique messages the broker took."""
        return sum(last - first + 1 for part in self.published for first, last in part.seq)

    def keys(self) -> Iterator[tuple[str, str, int, int]]:
        """(device, stream, boot, seq) of every message that the broker took."""
        for part in self.published:
            for seq in Ranges(part.seq):
                yield part.device, part.stream, part.boot, seq

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read it back. Raises OSError or msgspec.ValidationError."""
        return msgspec.json.decode(path.read_bytes(), type=cls)
