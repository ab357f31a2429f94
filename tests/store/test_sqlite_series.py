"""What the embedded store remembers of its series."""

from __future__ import annotations

from store.sqlite_series import UNKNOWN, Key, SeriesIds


def key(number: int) -> Key:
    """One of many."""
    return ("motion", f"w-{number:05d}", f"p-{number % 7}", "d.s", "", "", "", "")


def test_each_series_is_found_again_and_no_other() -> None:
    """However they came: some at once, one by one, some in the middle of others."""
    series = SeriesIds()
    parts = [range(0, 2000, 2), range(1, 2), range(3, 1000, 2), range(0), range(5000, 5003)]
    for part in parts:
        series.remember([key(n) for n in part], [n + 1 for n in part])
    known = sorted(n for part in parts for n in part)
    assert len(series) == len(known)
    assert series.find([key(n) for n in known]) == [n + 1 for n in known]
    assert set(series.find([key(n) for n in range(10_000, 20_000)])) == {UNKNOWN}
    assert series.find([]) == []


def test_of_two_that_agree_in_one_hash_the_first_stays() -> None:
    """The other is asked of the file each time, and never taken for the first."""
    one, other = ("a\nb", "c"), ("a", "b\nc")  # joined they are the same
    for known, new in ((one, other), (other, one)):
        series = SeriesIds()
        series.remember([known], [1])
        assert series.find([known, new]) == [1, UNKNOWN]
        series.remember([new], [2])
        assert series.find([known, new]) == [1, UNKNOWN]
    series = SeriesIds()
    series.remember([one, other, key(1)], [1, 2, 3])
    assert sorted(series.find([one, other])) in ([UNKNOWN, 1], [UNKNOWN, 2])
    assert series.find([key(1)]) == [3]


def test_forgotten_is_forgotten() -> None:
    """Another process has changed the file."""
    series = SeriesIds()
    series.remember([key(1)], [1])
    series.forget()
    assert series.find([key(1)]) == [UNKNOWN]
