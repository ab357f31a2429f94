"""A message is (device, stream, boot, seq); the broker and the device may deliver it again."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.topics import Stream

#: How far behind the newest sequence number one may be and still be told apart from a repetition. A device that keeps
#: two minutes of frames to send again is well inside.
WINDOW = 512
#: Boots remembered per device and stream.
BOOTS_KEPT = 4
_MASK = (1 << WINDOW) - 1


class SeenSequence:
    """Which sequence numbers of one device's stream have been taken, per boot.

    The newest number and a bit field of the :data:`WINDOW` numbers below it. A number below the window is taken as
    new: what it yields is idempotent by key further down, while dropping it could lose it.
    """

    __slots__ = ("_bits", "_boot", "_earlier", "_newest")

    def __init__(self, boots: list[list[int]] | None = None) -> None:
        # of the latest boot; bit k set = newest - k seen. Nearly all have no other, and there are three for each device
        self._boot, self._newest, self._bits = boots[-1] if boots else (-1, 0, 0)
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

    def run(self, boot: int, count: int) -> None:
        """The ``count`` numbers behind the newest of a boot, of which one was taken before, are taken at once."""
        entry = self._find(boot)
        assert entry is not None, f"no number of boot {boot} was taken"
        entry._newest += count
        entry._keep(((entry._bits << count) | ((1 << count) - 1)) & _MASK if count < WINDOW else _MASK)

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
