"""Is a message live or late, when the device's own clock may be wrong?

Per device and boot a running *clock offset* (our clock minus the device's, ms) is kept. Transport delay only ever adds
to ``recv - t``, so the offset is the smallest value seen (a minimum filter, as in NTP's clock filter, RFC 5905 sec.
10). A message is live when its own ``recv - t`` lies within :data:`LIVE_WITHIN_MS` of it.

The offset of a boot is seeded by

1. a birth message that was not replayed from the retain store, unless our own outage explains its delay;
2. otherwise the first message that is within the limit of a right clock, or that claims to come from the future or
   from before any broker could have kept it;
3. otherwise nothing: until ``recv - t`` has stood still for :data:`STEADY_MS` (a backlog drains and shrinks, a wrong
   clock does not) the messages count as late.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Design promise 5: how far ``recv - t`` may lie from the running offset in a live message.
LIVE_WITHIN_MS = 120_000
#: Later than this no broker has kept it: the clock is wrong. Brokers expire sessions within days.
OLDEST_BACKLOG_MS = 7 * 24 * 3_600_000
#: ``recv - t`` that moves less than this ...
STEADY_WITHIN_MS = 2_000
#: ... over this long is a wrong clock, not a backlog that drains.
STEADY_MS = 3_000
#: A device's oscillator drifts; the minimum filter forgets this much a second (50 ppm).
DRIFT_MS_PER_S = 0.05
#: Boots remembered per device: a buffer may still deliver frames of the boots before.
BOOTS_KEPT = 4
_NO_BOOT = -1


@dataclass(slots=True)
class BootClock:
    """What is known of one boot's clock."""

    boot: int
    offset_ms: float | None = None  # running; None until seeded
    first_offset_ms: int = 0  # the offset with which points of a wrong clock are stored; 0 = the clock is right
    last_recv_ms: int = 0
    candidate_offset_ms: int | None = None  # an unseeded boot's recv - t, and since when it stands still
    candidate_since_ms: int = 0

    @property
    def wrong(self) -> bool:
        """Whether the device's clock is off by more than a live message may be late."""
        return self.first_offset_ms != 0

    def values(self) -> tuple[int, float | None, int, int, int | None, int]:
        """Its fields, in order."""
        return (
            self.boot, self.offset_ms, self.first_offset_ms, self.last_recv_ms, self.candidate_offset_ms,
            self.candidate_since_ms,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Timing:
    """Verdict on one message: ``offset_ms`` added to ``t`` gives the instant by our clock."""

    live: bool
    offset_ms: int
    seeded: bool = False  # this very message settled the boot's offset


class DeviceClock(BootClock):
    """The clock of a device's latest boot, and with it those of the boots before: nearly all devices have one."""

    __slots__ = ("_earlier",)

    def __init__(self, boots: list[BootClock] | None = None) -> None:
        *earlier, latest = boots or [BootClock(_NO_BOOT)]
        super().__init__(*latest.values())
        self._earlier: tuple[BootClock, ...] = tuple(earlier)

    @property
    def boots(self) -> list[BootClock]:
        """The clocks of the latest boots, the newest last."""
        return [*self._earlier, self] if self.boot != _NO_BOOT else []

    def judge(
        self, *, boot: int, t_ms: int, recv_ms: int, birth: bool, hist: bool, down_since_ms: int | None = None
    ) -> Timing:
        """Whether a message is live, and the correction of its time.

        Args:
            birth: a status message with ``online`` true that the broker did not replay from its retain store. A will
                or a retained message must not be judged at all (:meth:`peek`).
            hist: the device says it comes from its buffer; it never moves the running offset.
            down_since_ms: set while the broker may be delivering what it kept during an outage of ours that began
                then; a message that was made during the outage is late, whatever else.
        """
        clock = self._of(boot)
        delay_ms = recv_ms - t_ms
        if hist:
            return Timing(False, clock.first_offset_ms)
        if clock.offset_ms is None:
            outage_explains = down_since_ms is not None and down_since_ms <= t_ms <= recv_ms
            if not self._seed(clock, delay_ms, recv_ms, birth=birth, outage_explains=outage_explains):
                return Timing(False, 0)
            return Timing(abs(delay_ms - (clock.offset_ms or 0)) <= LIVE_WITHIN_MS, clock.first_offset_ms, True)
        elapsed_s = max(0, recv_ms - clock.last_recv_ms) / 1000
        running_ms = clock.offset_ms + elapsed_s * DRIFT_MS_PER_S
        if delay_ms < running_ms - LIVE_WITHIN_MS or (
            delay_ms > running_ms + LIVE_WITHIN_MS and _stands_still(clock, delay_ms, recv_ms)
        ):
            # the device's clock was set: what is stored from here on follows the new one
            _settle(clock, delay_ms, recv_ms)
            return Timing(True, clock.first_offset_ms, True)
        clock.offset_ms = min(running_ms, float(delay_ms))
        clock.last_recv_ms = max(clock.last_recv_ms, recv_ms)
        live = delay_ms - clock.offset_ms <= LIVE_WITHIN_MS
        if live:
            clock.candidate_offset_ms = None  # what is late beside it is a backlog, at whatever pace it comes
        return Timing(live, clock.first_offset_ms)

    def peek(self, boot: int) -> Timing:
        """The correction for a message that must not teach us anything (a will, a retained one)."""
        if self.boot == boot:
            return Timing(False, self.first_offset_ms)
        for clock in self._earlier:
            if clock.boot == boot:
                return Timing(False, clock.first_offset_ms)
        return Timing(False, 0)

    def _of(self, boot: int) -> BootClock:
        if self.boot == boot:
            return self
        for clock in self._earlier:
            if clock.boot == boot:
                return clock
        if self.boot != _NO_BOOT:
            self._earlier = (*self._earlier, BootClock(*self.values()))[1 - BOOTS_KEPT :]
        super().__init__(boot)
        return self

    def _seed(self, clock: BootClock, delay_ms: int, recv_ms: int, *, birth: bool, outage_explains: bool) -> bool:
        settled = abs(delay_ms) <= LIVE_WITHIN_MS or delay_ms < 0 or delay_ms > OLDEST_BACKLOG_MS
        if not settled and outage_explains:
            # made while we were away and kept by the broker: the clock is as good as right, the message is late
            clock.offset_ms, clock.last_recv_ms = 0.0, recv_ms
            return True
        if not settled and not birth and not _stands_still(clock, delay_ms, recv_ms):
            return False
        _settle(clock, delay_ms, recv_ms)
        return True


def _settle(clock: BootClock, delay_ms: int, recv_ms: int) -> None:
    clock.offset_ms = float(delay_ms)
    clock.first_offset_ms = delay_ms if abs(delay_ms) > LIVE_WITHIN_MS else 0
    clock.last_recv_ms = recv_ms
    clock.candidate_offset_ms = None


def _stands_still(clock: BootClock, delay_ms: int, recv_ms: int) -> bool:
    """Whether ``recv - t`` has kept its value for long enough to be a clock and not a backlog that drains."""
    if clock.candidate_offset_ms is None or abs(delay_ms - clock.candidate_offset_ms) > STEADY_WITHIN_MS:
        clock.candidate_offset_ms, clock.candidate_since_ms = delay_ms, recv_ms
        return False
    return recv_ms - clock.candidate_since_ms >= STEADY_MS
