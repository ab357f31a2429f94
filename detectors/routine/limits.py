"""How long a home may be silent, learned: for each room and each half hour in which the silence begins.

Three kinds of place have three kinds of silence.

*Sleep* is told by the half hours of the day that the bedroom's silences cover on many days. *Sitting rooms*, where
somebody sits still for long on most days, share what they know (who sits down is often last seen next door): the
limit is the silence that is expected to be exceeded ``false_per_day`` times a day, from how often long silences begin
about this time of day and from the mean by which they go beyond a threshold (an exponential tail), both shrunk to
those of the whole day. *Other rooms* are left within minutes: theirs is the longest silence seen about this time of
day with a margin, and at other times one for what was seen twice, in no case less than the least of their kind. In
the night, sitting rooms may be slept in as well: who goes to bed past a sensor that misses it sleeps there, as far as
the home can tell. Who is not up yet may lie as long as others sit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.routine.clock import DAY_MIN
from detectors.routine.parameters import LimitParameters
from detectors.routine.rooms import Room

#: Places of a home: the first is "in a bedroom, and up", the others are its rooms as they come.
SLOTS = 12
BEDROOM_UP = 0
BINS = 48
BIN_MIN = DAY_MIN // BINS
CENTRES_MIN = np.arange(BINS) * BIN_MIN + BIN_MIN / 2
_LEAST_NIGHT_MIN = 180.0
Floats = NDArray[np.float64]


class Silences(NamedTuple):
    """n silences of one home, without absences.

    Attributes:
        start_min: ``(n,)``, local minutes since the epoch at which they began.
        length_min: ``(n,)``.
        slot: ``(n,)``, the place where the home was last heard.
    """

    start_min: Floats
    length_min: Floats
    slot: NDArray[np.integer[Any]]

    def take(self, chosen: NDArray[np.bool_]) -> Silences:
        """Some of them."""
        return Silences(self.start_min[chosen], self.length_min[chosen], self.slot[chosen])


class Learned(NamedTuple):
    """What a home's silences say.

    Attributes:
        limit_min: ``(SLOTS, BINS)``, the silence that is not normal any more, by place and by the half hour in which
            it began.
        night: local minutes past midnight at which the home usually sleeps, and wakes.
        sitting: ``(SLOTS,)`` bool, where somebody sits still for long on most days.
    """

    limit_min: Floats
    night: tuple[float, float]
    sitting: NDArray[np.bool_]


def defaults(kinds: NDArray[np.uint8], p: LimitParameters) -> Learned:
    """What holds before a home is known: the four hours of the districts' rule, more at night, less in small rooms."""
    night = (p.night_starts_s / 60, p.night_ends_s / 60)
    asleep = within(CENTRES_MIN, (night[0] - 60) % DAY_MIN, night[1])
    limit = np.where(asleep, p.default_night_s, p.default_silence_s)[None].repeat(SLOTS, axis=0) / 60
    small = np.isin(kinds, (Room.KITCHEN, Room.BATHROOM))
    limit[small] = p.default_small_room_s / 60
    return Learned(limit, night, np.zeros(SLOTS, bool))


def within(minute: Any, start_min: float, end_min: float) -> Any:
    """Whether a time of day lies in a stretch of the day that may pass midnight."""
    return (np.asarray(minute) - start_min) % DAY_MIN < (end_min - start_min) % DAY_MIN


def learn(silences: Silences, kinds: NDArray[np.uint8], days: int, p: LimitParameters) -> Learned:
    """The limits of one home.

    Args:
        silences: those of the last weeks; shorter ones than ``log_s`` may be missing.
        kinds: ``(SLOTS,)``, the :class:`Room` of each place.
        days: on how many days the home was heard.
        p: the parameters.
    """
    plain = defaults(kinds, p)
    beds = np.flatnonzero(kinds == Room.BEDROOM)
    in_bed = silences.take(np.isin(silences.slot, beds))
    night = _night(in_bed, days, p) or plain.night
    limit = np.zeros((SLOTS, BINS))
    for slot in range(SLOTS):
        own = silences.take(silences.slot == slot)
        limit[slot] = _busy(own, int(kinds[slot]), night, p)
    sitting, most_sits = _sitting(silences, kinds, night, days, p)
    if sitting.any():
        limit[sitting] = np.maximum(_seated(most_sits, days, p), _longest_near(most_sits, p.sitting_margin_share, p))
    limit[beds] = np.maximum(limit[beds], _asleep(in_bed, night, p.bedtime_s / 60, p))
    limit[beds[beds != BEDROOM_UP]] = np.maximum(limit[beds[beds != BEDROOM_UP]], p.sitting_least_s / 60)
    limit[sitting] = np.maximum(np.minimum(limit[sitting], _to_bed(night, p)), _asleep(in_bed, night, 0.0, p))
    return Learned(np.minimum(limit, p.most_s / 60), night, sitting)


def _night(in_bed: Silences, days: int, p: LimitParameters) -> tuple[float, float] | None:
    """The stretch of the day in which the bedroom is silent on many days; None where there is none."""
    covered = np.zeros((DAY_MIN // 10,), np.float64)
    long = in_bed.take(in_bed.length_min >= p.sleep_s / 60)
    seen: set[tuple[int, int]] = set()
    for start, length in zip(long.start_min, long.length_min, strict=True):
        for step in range(int(start // 10), int((start + length) // 10) + 1):
            seen.add((step, step % len(covered)))
    for _, at in seen:
        covered[at] += 1
    usual = covered >= p.night_share * days
    if usual.sum() * 10 < _LEAST_NIGHT_MIN or usual.all():
        return None
    # the longest stretch; holes of an hour (somebody is up on many nights) belong to it
    first = int(np.flatnonzero(~usual)[0])
    turned = np.roll(usual, -first)
    best, begun, last = (0, 0), -1, -1
    for at in [*np.flatnonzero(turned).tolist(), 10**6]:
        if begun < 0 or at - last > 7:
            if begun >= 0 and last - begun + 1 > best[1] - best[0]:
                best = (begun, last + 1)
            begun = at
        last = at
    return (float((best[0] + first) * 10 % DAY_MIN), float((best[1] + first) * 10 % DAY_MIN))


def _asleep(in_bed: Silences, night: tuple[float, float], early_min: float, p: LimitParameters) -> Floats:
    """``(BINS,)``: a sleeper may be silent as long as ever with a margin, but not far beyond the usual end of night."""
    longest = max(p.sleep_least_s / 60, p.sleep_margin_share * in_bed.length_min.max(initial=0.0))
    to_end = (night[1] - CENTRES_MIN) % DAY_MIN
    limit = np.minimum(longest, to_end + p.wake_s / 60)
    return np.where(within(CENTRES_MIN, (night[0] - early_min) % DAY_MIN, night[1]), limit, 0.0)


def _to_bed(night: tuple[float, float], p: LimitParameters) -> Floats:
    """``(BINS,)``: who sits in the evening goes to bed, at the usual time or somewhat later."""
    until = (night[0] - CENTRES_MIN) % DAY_MIN + p.late_s / 60
    return np.asarray(np.maximum(until, p.sitting_least_s / 60))


def _sitting(
    silences: Silences, kinds: NDArray[np.uint8], night: tuple[float, float], days: int, p: LimitParameters
) -> tuple[NDArray[np.bool_], Silences]:
    """Which places are sitting rooms, and all their silences outside the night."""
    by_day = silences.take(~within(silences.start_min % DAY_MIN, night[0], night[1]))
    long = by_day.slot[by_day.length_min >= p.sitting_s / 60]
    often = np.bincount(long, minlength=SLOTS)[:SLOTS] >= p.sitting_per_day * days
    sitting = often & (kinds == Room.OTHER)
    return sitting, by_day.take(sitting[by_day.slot])


def _seated(sits: Silences, days: int, p: LimitParameters) -> Floats:
    """``(BINS,)``: the silence of a sitting room that is exceeded ``false_per_day`` times a day, where it is long."""
    threshold = p.tail_s / 60
    sits = sits.take(sits.length_min > threshold)
    excess = sits.length_min - threshold
    prior = p.prior_tail_s / 60
    whole_day = (excess.sum() + p.prior_silences * prior) / (len(excess) + p.prior_silences)
    width = p.sitting_kernel_s / 60
    weight = _tricube(_apart(CENTRES_MIN[:, None], sits.start_min[None]) / width)
    near = weight.sum(axis=1)
    mean = (weight @ excess + p.prior_silences * whole_day) / (near + p.prior_silences)
    per_day = near / (1.157 * width) * (p.awake_s / 60) / max(days, 1)  # were it so the whole waking day
    limit = threshold + mean * np.log(np.maximum(per_day / p.false_per_day, 1.0))
    return np.asarray(np.clip(limit, p.sitting_least_s / 60, p.sitting_most_s / 60))


def _busy(own: Silences, kind: int, night: tuple[float, float], p: LimitParameters) -> Floats:
    """``(BINS,)``: the limit of a place that is usually left soon."""
    least = {Room.KITCHEN: p.kitchen_least_s, Room.BATHROOM: p.bathroom_least_s, Room.BEDROOM: p.bedroom_least_s}
    floor = least.get(Room(kind), p.other_least_s) / 60
    edge = p.bedtime_s / 60
    awake = own
    if kind == Room.BEDROOM:
        ends = own.start_min + own.length_min
        slept = within(own.start_min % DAY_MIN, (night[0] - edge) % DAY_MIN, night[1])
        awake = own.take(~slept & ~within(ends % DAY_MIN, night[0], (night[1] + edge) % DAY_MIN))
    return np.maximum(np.maximum(floor, _seen_twice(awake, p)), _longest_near(own, p.margin_share, p))


def _seen_twice(own: Silences, p: LimitParameters) -> float:
    """The longest silence that was reached on two days, with a margin; up to the least of a sitting room."""
    day = own.start_min // DAY_MIN
    longest = sorted((float(own.length_min[day == one].max()) for one in np.unique(day)), reverse=True)
    second = longest[1] if len(longest) > 1 else 0.0
    return min(p.twice_share * second, p.sitting_least_s / 60)


def _longest_near(own: Silences, margin_share: float, p: LimitParameters) -> Floats:
    """``(BINS,)``: the longest silence that began about each time of day, with a margin. One that begins later than
    what was seen ends no later; one that begins somewhat earlier may be as long."""
    if not len(own.length_min):
        return np.zeros(BINS)
    length = margin_share * own.length_min
    later = (CENTRES_MIN[:, None] - own.start_min[None] + DAY_MIN / 2) % DAY_MIN - DAY_MIN / 2
    early_min = np.minimum(p.near_s / 60, own.length_min)
    lost = np.maximum(later, 0.0) + 2.0 * np.maximum(-later - early_min, 0.0)
    return np.asarray((length - lost).max(axis=1))


def _apart(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """Minutes between times of day, the shorter way round."""
    return np.asarray(np.abs((a - b + DAY_MIN / 2) % DAY_MIN - DAY_MIN / 2))


def _tricube(x: Floats) -> Floats:
    inside = np.clip(np.abs(x), 0.0, 1.0)
    return np.asarray((1.0 - inside**3) ** 3)
