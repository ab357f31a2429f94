"""What no device should send and no clock should do: no exception, no flood of findings, and everything goes on."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest

from detectors.device.batch import (
    LinkBatch,
    Messages,
    Presses,
    Readings,
    Rests,
    Statuses,
    Traits,
    Wears,
    empty_batch,
)
from detectors.device.held import Held
from detectors.device.link import DeviceBank
from detectors.device.link_parameters import LinkParameters, WearerParameters
from detectors.errors import DetectorError
from tests.detectors.link_story import DAY, HOUR, LinkStory, ms, said

YEAR = 365 * DAY


def test_an_empty_batch_is_a_tick() -> None:
    """Before and after devices are known."""
    bank = DeviceBank()
    assert bank.update(empty_batch(), ms(0)) == []
    bank.add("w1", person="p")
    assert bank.update(empty_batch(), ms(0)) == []
    assert bank.update(empty_batch(), ms(9 * DAY)) == []


@pytest.mark.parametrize("row", [-1, 1, 2**40])
@pytest.mark.parametrize("part", [one.name for one in fields(LinkBatch)])
def test_a_row_of_no_device_is_refused_before_anything_is_taken(part: str, row: int) -> None:
    """With the number, and what to do."""
    story = LinkStory()
    story.beats(story.device("w1"), 0, 600)
    story.play(600)
    before = story.bank.state()
    kind = type(getattr(empty_batch(), part))
    column = np.zeros(1, np.int64)
    bad = kind(*(column + (row if one.name == "row" else ms(600)) for one in fields(kind)))
    with pytest.raises(DetectorError, match=f"row {row}, the bank has 1: add the device"):
        story.bank.update(replace(empty_batch(), **{part: bad}), ms(610))
    np.testing.assert_equal(story.bank.state(), before)


def wild(rng: np.random.Generator, rows: int, m: int, now_ms: int) -> LinkBatch:
    """Numbers from everywhere, at instants from everywhere, in no order, some twice."""

    def whole(size: int = m) -> np.ndarray:
        ends = np.array([-(2**63), -1, 0, 1, 2**31, 2**53 - 1, 2**62, 2**63 - 1, now_ms], np.int64)
        return np.where(rng.random(size) < 0.5, rng.choice(ends, size), rng.integers(-(2**40), 2**43, size))

    def real() -> np.ndarray:
        ends = np.array([np.nan, np.inf, -np.inf, -1.0, 0.0, 1e-300, 1e300, 50.0, 100.0, 604_800.0])
        return rng.choice(ends, m)

    def row() -> np.ndarray:
        return rng.integers(0, rows, m)

    def flag() -> np.ndarray:
        return rng.random(m) < 0.5

    def small() -> np.ndarray:
        return rng.integers(0, 5, m).astype(np.uint8)

    at_ms = np.where(rng.random(m) < 0.3, whole(), now_ms - rng.integers(0, 60_000, m))
    batch = LinkBatch(
        Messages(at_ms, row(), small(), whole(), whole(), whole(), whole(), flag()),
        Statuses(at_ms, row(), flag(), real(), real()),
        Rests(at_ms, row(), whole()),
        Presses(at_ms, row()),
        Wears(at_ms, row(), flag()),
        Readings(at_ms, row(), small(), flag()),
        Traits(at_ms, row(), rng.integers(0, 256, m).astype(np.uint8), real()),
    )
    return joined(batch, batch) if rng.random() < 0.3 else batch


def joined(*batches: LinkBatch) -> LinkBatch:
    """One after another, as one."""
    held = Held()
    for batch in batches:
        held.put(batch)
    return held.take()


@pytest.mark.parametrize("span", [0, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**63 - 1])
@pytest.mark.parametrize("least", [-(2**63), -1, 0, 1_760_000_000_000])
def test_what_is_held_comes_back_as_it_was(span: int, least: int) -> None:
    """Numbers near each other and far apart, many and few, in their types; and nothing is held after that."""
    held, batches = Held(), []
    for m in (100, 3):
        number = np.linspace(0, 1, m) * span
        t_ms = np.minimum(number, 2.0**62).astype(np.uint64).astype(np.int64) + least
        t_ms[-1] = min(least + span, 2**63 - 1)
        at_ms, flags = np.arange(m) + 1_760_000_000_000, np.arange(m) % 3 == 0
        zeros = np.zeros(m, np.int64)
        messages = Messages(at_ms, np.arange(m), flags.astype(np.uint8), t_ms, zeros, zeros, t_ms, flags)
        batches.append(replace(empty_batch(), messages=messages))
        held.put(batches[-1])
    again = Held()
    again.restore(pickle.loads(pickle.dumps(held.state())))
    for one in (held, again):
        taken = one.take()
        assert not one
        for name in ("at_ms", "row", "stream", "t_ms", "seq", "boot", "offset_ms", "live"):
            wanted = np.concatenate([getattr(batch.messages, name) for batch in batches])
            column = getattr(taken.messages, name)
            assert column.dtype == wanted.dtype
            np.testing.assert_array_equal(column, wanted)
        assert len(taken) == len(taken.messages.at_ms)


def test_wild_numbers_at_wild_instants_raise_nothing_and_a_restart_changes_nothing() -> None:
    """Three days of nonsense from forty devices; afterwards one that behaves is found when it dies (its
    last rest may have been
    announced for a day)."""
    parameters = LinkParameters(wearer=WearerParameters(tells=True))
    banks = [DeviceBank(parameters), DeviceBank(parameters)]
    for bank in banks:
        for k in range(40):
            bank.add(f"d{k}", person=f"p{k // 8}", area=f"city.{k % 3}", kind=("wearable", "button", "sensor")[k % 3])
    rng = np.random.default_rng(7)
    for step in range(250):
        now_ms = ms(step * 1000.0)
        batch = wild(rng, 40, 30, now_ms)
        first, second = (bank.update(batch, now_ms) for bank in banks)
        assert first == second
        assert all(np.isfinite(list(one.features.values())).all() for one in first)
        if step % 40 == 0:
            again = DeviceBank(parameters)
            again.restore(banks[1].state())
            banks[1] = again
    story = LinkStory(parameters)
    story.bank = banks[0]
    start_s = 250 * 1000.0
    story.devices["d0"] = {"person": "p0", "area": "city.0", "kind": "wearable"}
    story.beats("d0", start_s, start_s + 7200)
    found = [one for one in story.play(start_s + 28 * HOUR) if one.device == "d0" and one.kind == "offline"]
    assert said(found)[-1] == ("d0", "offline", "begins")


@pytest.mark.parametrize("years", [1, 40])
def test_our_clock_that_is_years_ahead_for_a_moment_neither_stops_nor_floods_us(years: int) -> None:
    """Two hundred devices go on: nobody is silent, in that moment or after it; who dies later is found."""
    story = LinkStory()
    for k in range(200):
        story.beats(story.device(f"d{k}", person=f"p{k}", area="city"), k % 60, HOUR)
    found = story.play(HOUR)
    found += story.bank.update(None, ms(years * YEAR))
    found += story.bank.update(None, ms(years * YEAR) + 1000)
    found += story.bank.update(None, ms(HOUR + 30))
    for k in range(200):
        story.beats(f"d{k}", HOUR + 60 + k % 60, 3 * HOUR if k else 2 * HOUR)
    found += story.play(2.9 * HOUR)
    assert said(found) == [("d0", "offline", "begins")]
    assert found[0].decided_ms <= ms(2 * HOUR + 260)


def test_our_clock_that_is_set_ahead_for_good_is_one_pause() -> None:
    """It had been wrong by three years; everybody has a whole limit from then."""
    story = LinkStory()
    for k in range(20):
        story.beats(story.device(f"d{k}", person=f"p{k}", area="city"), k, HOUR)
        story.beats(f"d{k}", 3 * YEAR + k, 3 * YEAR + (2 * HOUR if k else 10))
    found = story.play(HOUR)
    found += story.play(3 * YEAR + 1.9 * HOUR)
    assert said(found) == [("d0", "offline", "begins")]


def test_a_boot_counter_that_goes_backwards_is_a_start_like_any_other() -> None:
    """Five starts with falling numbers are none too many, and no message of theirs is lost."""
    story = LinkStory()
    story.device("w1")
    for k in range(5):
        story.streams("w1", k * 700, (k + 1) * 700, every_s=5, boot=5 - k)
    story.streams("w1", 3500, 6 * HOUR, every_s=5, boot=1)
    assert story.play(6 * HOUR) == []


def test_ten_thousand_unknown_devices_find_nothing_and_hold_nothing_up() -> None:
    """Nobody registered them: they come, speak once, and are gone; the one that is known is still found."""
    story = LinkStory()
    story.beats(story.device("w1"), 0, 600)
    bank = story.bank
    rows = np.array([bank.add(f"x{k}", person=None, watched=False) for k in range(10_000)])
    m = len(rows)
    at_ms = np.sort(np.random.default_rng(0).integers(ms(0), ms(600), m))
    zeros = np.zeros(m, np.int64)
    messages = Messages(at_ms, rows, zeros.astype(np.uint8), at_ms, zeros, zeros, zeros, np.ones(m, np.bool_))
    statuses = Statuses(at_ms, rows, np.ones(m, np.bool_), np.full(m, 3.0), np.full(m, 60.0))
    strangers = replace(empty_batch(), messages=messages, statuses=statuses)
    assert bank.update(joined(story.batch(0, ms(600)), strangers), ms(600)) == []
    assert said(bank.update(None, ms(2 * HOUR))) == [("w1", "offline", "begins")]
    assert bank.update(None, ms(40 * HOUR)) == []
