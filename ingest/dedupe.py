"""A message is (device, stream, boot, seq); the broker and the device may deliver it again."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from telemetry.topics import Stream

#: How far behind the newest sequence number one may be and still be told apart from a repetition. A device that keeps
#: two minutes of frames to send again is well inside.
WINDOW = 512
#: Boots remembered per device and stream.
BOOTS_KEPT = 4
_MASK = (1 << WINDOW) - 1
#: Beyond every sequence number.
NEVER = 1 << 62


class SeenSequence:
    """Which sequence numbers of one device's stream have been taken, per boot.

    The newest number and a bit field of the :data:`WINDOW` numbers below it. A number below the window is taken as
    new: what it yields is idempotent by key further down, while dropping it could lose it.
    """

    __slots__ = ("_bits", "_boot", "_earlier", "_newest")

    def __init__(self, boots: list[list[int]] | None = None) -> None:
        # of the latest boot; bit k set = newest - k seen. Nearly all have no other, and there are three for each device
        self._boot, self._newest, bits = boots[-1] if boots else (-1, 0, 0)
        self._bits = _MASK if bits == _MASK else bits
        self._earlier: tuple[SeenSequence, ...] = tuple(SeenSequence([one]) for one in (boots or [])[:-1])

    def take(self, boot: int, seq: int) -> bool:
        """True the first time; False for a repetition."""
        entry = self._find(boot)
        if entry is None:
            if self._boot >= 0:
                before = SeenSequence([[self._boot, self._newest, self._bits]])
                self._earlier = (*self._earlier, before)[1 - BOOTS_KEPT :]
            self._boot, self._newest, self._bits = boot, seq, 1
            return True
        ahead = seq - entry._newest
        if ahead > 0:
            entry._keep(((entry._bits << ahead) | 1) & _MASK if ahead < WINDOW else 1)
            entry._newest = seq
            return True
        bit = 1 << -ahead if -ahead < WINDOW else 0
        if bit and entry._bits & bit:
            return False
        entry._keep(entry._bits | bit)
        return True

    def newest(self, boot: int) -> int | None:
        """The newest number of a boot, None where none was taken."""
        entry = self._find(boot)
        return None if entry is None else entry._newest

    def next_taken(self, boot: int, seq: int) -> int:
        """The first number from ``seq`` on that is known to be taken, or may be; :data:`NEVER` where there is none."""
        entry = self._find(boot)
        if entry is None:
            return seq
        behind = entry._newest - seq
        if behind < 0:
            return NEVER
        # the newest is taken, so there is one in the window
        return entry._newest + 1 - (entry._bits & ((2 << min(behind, WINDOW - 1)) - 1)).bit_length()

    def run(self, boot: int, first: int, count: int) -> None:
        """``count`` numbers from ``first`` on, of a boot of which one was taken before, are taken at once."""
        entry = self._find(boot)
        assert entry is not None, f"no number of boot {boot} was taken"
        ahead = first + count - 1 - entry._newest
        bits = entry._bits
        if ahead > 0:
            bits = bits << ahead if ahead < WINDOW else 0
            entry._newest += ahead
        behind = max(0, -ahead)
        if behind < WINDOW:
            bits |= ((1 << min(count, WINDOW)) - 1) << behind
        entry._keep(bits & _MASK)

    def newest_gaps(self) -> int:
        """How many of the last :data:`WINDOW` numbers of the newest boot are missing."""
        return self._bits.bit_length() - self._bits.bit_count()

    def state(self) -> list[list[int]]:
        """Plain values for a checkpoint."""
        boots = (*self._earlier, self) if self._boot >= 0 else ()
        return [[one._boot, one._newest, one._bits] for one in boots]

    def _keep(self, bits: int) -> None:
        """With no number missing, as nearly all are, it is one and the same for all."""
        self._bits = _MASK if bits == _MASK else bits

    def _find(self, boot: int) -> SeenSequence | None:
        if self._boot == boot:
            return self
        return next((one for one in reversed(self._earlier) if one._boot == boot), None)


#: An enum takes its time to say its value.
_NAMES = {stream: stream.value for stream in Stream}
_ORDER = tuple(_NAMES.values())
_PLACES = {name: place for place, name in enumerate(_ORDER)}


class SeenStreams:
    """What was taken of each stream of a device. A dict of the two or three there are takes three times as much."""

    __slots__ = tuple(_NAMES.values())

    def __init__(self, saved: list[tuple[str, list[list[int]]]] | None = None) -> None:
        for name, boots in saved or ():
            setattr(self, name, SeenSequence(boots))

    def get(self, stream: Stream) -> SeenSequence | None:
        """Of a stream, None before its first number."""
        return getattr(self, _NAMES[stream], None)

    def of(self, stream: Stream) -> SeenSequence:
        """Of a stream, begun where it is new."""
        known = self.get(stream)
        if known is None:
            known = SeenSequence()
            setattr(self, _NAMES[stream], known)
        return known

    def state(self) -> Iterator[tuple[str, list[list[int]]]]:
        """Plain values for a checkpoint."""
        for stream, name in _NAMES.items():
            known = self.get(stream)
            if known is not None:
                yield name, known.state()


class PackedSeen(NamedTuple):
    """What was taken of the streams of many devices, as :func:`pack_seen` makes it."""

    devices: int
    boots: bytes  # device, stream, boot, newest number, how many behind it were taken without a gap, or -1
    gaps: list[int]  # with gaps: which were taken, one after another


def pack_seen(devices: Iterable[SeenStreams]) -> PackedSeen:
    """Of devices in order, without an object for each."""
    boots, gaps, at = array("q"), [], -1
    for at, device in enumerate(devices):
        for stream, saved in device.state():
            for boot, newest, bits in saved:
                whole = not bits & (bits + 1)
                boots.extend((at, _PLACES[stream], boot, newest, bits.bit_length() if whole else -1))
                if not whole:
                    gaps.append(bits)
    return PackedSeen(at + 1, boots.tobytes(), gaps)


def unpack_seen(packed: PackedSeen) -> list[SeenStreams]:
    """What :func:`pack_seen` was given."""
    devices = [SeenStreams() for _ in range(packed.devices)]
    numbers, gaps = iter(array("q", packed.boots)), iter(packed.gaps)
    streams: dict[tuple[int, int], list[list[int]]] = {}
    for at, stream, boot, newest, length in zip(*[numbers] * 5, strict=True):
        bits = next(gaps) if length < 0 else (1 << length) - 1
        streams.setdefault((at, stream), []).append([boot, newest, bits])
    for (at, stream), boots in streams.items():
        setattr(devices[at], _ORDER[stream], SeenSequence(boots))
    return devices
