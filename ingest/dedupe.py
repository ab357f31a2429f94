"""A message is (device, stream, boot, seq); the broker and the device may deliver it again."""

from __future__ import annotations

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

    __slots__ = ("_boots",)

    def __init__(self, boots: list[list[int]] | None = None) -> None:
        self._boots = boots or []  # [boot, newest seq, bits]: bit k set = newest - k seen

    def take(self, boot: int, seq: int) -> bool:
        """True the first time; False for a repetition."""
        entry = self._find(boot)
        if entry is None:
            self._boots.append([boot, seq, 1])
            if len(self._boots) > BOOTS_KEPT:
                del self._boots[0]
            return True
        ahead = seq - entry[1]
        if ahead > 0:
            entry[2] = ((entry[2] << ahead) | 1) & _MASK if ahead < WINDOW else 1
            entry[1] = seq
            return True
        bit = 1 << -ahead if -ahead < WINDOW else 0
        if bit and entry[2] & bit:
            return False
        entry[2] |= bit
        return True

    def newest(self, boot: int) -> int | None:
        """The newest number of a boot, None where none was taken."""
        entry = self._find(boot)
        return None if entry is None else entry[1]

    def run(self, boot: int, count: int) -> None:
        """The ``count`` numbers behind the newest of a boot, of which one was taken before, are taken at once."""
        entry = self._find(boot)
        assert entry is not None, f"no number of boot {boot} was taken"
        entry[1] += count
        entry[2] = ((entry[2] << count) | ((1 << count) - 1)) & _MASK if count < WINDOW else _MASK

    def newest_gaps(self) -> int:
        """How many of the last :data:`WINDOW` numbers of the newest boot are missing."""
        if not self._boots:
            return 0
        bits = self._boots[-1][2]
        return bits.bit_length() - bits.bit_count()

    def state(self) -> list[list[int]]:
        """Plain values for a checkpoint."""
        return self._boots

    def _find(self, boot: int) -> list[int] | None:
        for entry in reversed(self._boots):
            if entry[0] == boot:
                return entry
        return None
