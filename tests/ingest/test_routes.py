"""What the gateway remembers of topics."""

from __future__ import annotations

import numpy as np

from ingest.routes import RouteTable

_UNKNOWN = -1


class _Alike(bytes):
    """A topic whose hash differs from others' above the bits that say where it stands."""

    __slots__ = ()

    def __hash__(self) -> int:
        return len(self) << 32


def codes_of(table: RouteTable, topics: list[bytes]) -> list[int]:
    """What the table says of each."""
    found: list[int] = table.find(topics, len(topics)).tolist()
    return found


def test_each_topic_has_its_code_however_many_there_are() -> None:
    """The table is doubled several times on the way; what was never seen has none, and nothing is asked of nothing."""
    topics = [f"care/v1/w-{n}/{stream}".encode() for n in range(6000) for stream in ("motion", "vitals", "event")]
    codes = np.random.default_rng(1).integers(-3, 40, len(topics)).tolist()
    table = RouteTable(_UNKNOWN)
    for n, (topic, code) in enumerate(zip(topics, codes, strict=True)):
        assert codes_of(table, [topic]) == [_UNKNOWN]
        table.learn(topic, code)
        assert n % 500 or codes_of(table, topics[: n + 1]) == codes[: n + 1]
    assert codes_of(table, topics) == codes
    assert set(codes_of(table, [topic + b"x" for topic in topics])) == {_UNKNOWN}
    assert (codes_of(table, []), len(table)) == ([], len(topics))


def test_topics_whose_hashes_want_one_place_stand_side_by_side() -> None:
    """As many as there are, before and after the table is doubled."""
    table = RouteTable(_UNKNOWN)
    alike = [_Alike(b"." * n) for n in range(60)]
    for n, topic in enumerate(alike[:50]):
        table.learn(topic, n)
    expected = [*range(50), *([_UNKNOWN] * 10)]
    assert codes_of(table, [*alike]) == expected
    for n in range(4000):
        table.learn(b"care/v1/w/%d" % n, n % 7)
    assert codes_of(table, [*alike]) == expected


def test_a_table_that_was_emptied_begins_anew() -> None:
    """Its bound was reached."""
    table = RouteTable(_UNKNOWN)
    table.learn(b"a", 5)
    table.clear()
    assert (codes_of(table, [b"a"]), len(table)) == ([_UNKNOWN], 0)
    table.learn(b"a", 6)
    assert codes_of(table, [b"a"]) == [6]
