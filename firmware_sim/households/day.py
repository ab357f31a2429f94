"""A day of one person: until when they are up, and when they eat."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from firmware_sim.households.fate import DAY_MS, HOUR_MS
from firmware_sim.households.habits import Habits, length_s


@dataclass(slots=True)
class Day:
    """From somewhere in a day to the end of the night that follows. Instants are epoch ms.

    Attributes:
        evening_ms: from then on everything leads to bed.
        bed_ms: when the person goes there.
        rise_ms: when they get up again.
        meals: when each is cooked, and how long that takes, ms; those that are still to come.
    """

    evening_ms: int
    bed_ms: int
    rise_ms: int
    meals: list[tuple[int, int]]


def day_of(habits: Habits, rng: Random, t_ms: int, offset_ms: int) -> Day:
    """The night that has not ended at ``t_ms``, and what comes before it from then on.

    Args:
        habits: how people live.
        rng: draws it.
        t_ms: epoch ms.
        offset_ms: what the person's clock is ahead of UTC.
    """

    def about(of: tuple[float, float]) -> float:
        return of[0] + of[1] * max(-2.0, min(2.0, rng.gauss(0, 1)))

    # the local midnight after which the day began; a night counts to the day before
    midnight_ms = (t_ms + offset_ms - 12 * HOUR_MS) // DAY_MS * DAY_MS - offset_ms
    bed_h, rise_h = about(habits.bed_h), about(habits.rise_h)
    if t_ms >= midnight_ms + DAY_MS + round(rise_h * HOUR_MS):
        midnight_ms += DAY_MS
    bed_ms = midnight_ms + round(bed_h * HOUR_MS)
    rise_ms = midnight_ms + DAY_MS + round(rise_h * HOUR_MS)
    evening_ms = bed_ms - round(length_s(habits.to_bed_s, rng.random()) * 1000)
    meals = [
        (
            midnight_ms + round(length_s(meal.at_h, rng.random()) * HOUR_MS),
            round(length_s(meal.lasts_s, rng.random()) * 1000),
        )
        for meal in habits.meals
        if rng.random() < meal.share
    ]
    return Day(evening_ms, bed_ms, rise_ms, sorted(meal for meal in meals if t_ms - HOUR_MS // 2 <= meal[0]))
