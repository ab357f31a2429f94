"""The schedule of a chaos run: from its seed alone, everything in it, over in time."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from tests.chaos.disturbances import LEAD_S, ROLES, Disturbance, Kind, schedule

SEEDS = range(200)


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    """Nothing but the seed decides."""
    assert schedule(7, 110.0) == schedule(7, 110.0)
    assert schedule(7, 110.0) != schedule(8, 110.0)


@pytest.mark.parametrize("seconds", [110.0, 1200.0])
def test_every_kind_comes_and_all_of_it_is_over_in_time(seconds: float) -> None:
    """Whatever the seed: each kind at least once, nothing in the first seconds, nothing after the end."""
    for seed in SEEDS:
        plan = schedule(seed, seconds, longer=3.0)
        assert {one.kind for one in plan} == set(Kind), seed
        assert min(one.at_s for one in plan) >= LEAD_S
        assert max(one.at_s + one.lasts_s for one in plan) <= seconds + 0.01, seed
        assert [one.at_s for one in plan] == sorted(one.at_s for one in plan)


def test_no_kind_meets_itself() -> None:
    """Two of one kind would undo each other: one link is mended while the other cut still lasts."""
    pairs = 0
    for seed in SEEDS:
        by_kind: dict[Kind, list[Disturbance]] = defaultdict(list)
        for one in schedule(seed, 600.0, longer=4.0):
            by_kind[one.kind].append(one)
        for all_of_it in by_kind.values():
            for before, after in pairwise(all_of_it):
                assert after.at_s > before.at_s + before.lasts_s, seed
                pairs += 1
    assert pairs > len(SEEDS) * len(Kind)


def test_kinds_come_about_equally_often() -> None:
    """In twenty minutes none is forgotten."""
    counts = Counter(one.kind for one in schedule(3, 1200.0))
    assert max(counts.values()) <= 2 * min(counts.values())


def test_what_lasts_lasts_and_what_is_killed_does_not() -> None:
    """A role is killed in an instant; everything else has an end of its own."""
    plan = schedule(5, 300.0)
    assert {one.kind for one in plan} == set(Kind)
    assert all(one.lasts_s == 0 for one in plan if one.kind in ROLES)
    assert all(one.lasts_s > 0 for one in plan if one.kind not in ROLES)
    assert all((one.delay_s > 0) == one.kind.startswith("slow") for one in plan)
