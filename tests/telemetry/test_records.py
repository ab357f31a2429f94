"""The records of the journals: received messages and columnar points."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.records import MAX_TOPIC, Flag, PointBatch, RawMessage, pack_points, pack_raw, unpack_points, unpack_raw

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    st.integers(-(2**63), 2**63 - 1), st.integers(0, 7), st.binary(max_size=MAX_TOPIC), st.binary(max_size=500)
)  # fmt: skip
def test_a_received_message_comes_back_as_it_was(recv_ms: int, flags: int, topic: bytes, payload: bytes) -> None:
    """Any bytes, from bytes and from a view into a segment."""
    record = pack_raw(recv_ms, flags, topic, payload)
    assert unpack_raw(record) == RawMessage(recv_ms, Flag(flags), topic, payload)
    assert unpack_raw(memoryview(b"head" + record)[4:]) == RawMessage(recv_ms, Flag(flags), topic, payload)


def test_an_overlong_topic_is_cut_and_the_payload_kept() -> None:
    """Such a topic cannot be ours; the quarantine shows its beginning."""
    message = unpack_raw(pack_raw(1, Flag.DUP, b"t" * 60_000, b"payload"))
    assert message.topic == b"t" * MAX_TOPIC
    assert message.payload == b"payload"


def test_a_raw_record_that_ends_early_is_refused() -> None:
    """In the header or in the topic; a payload may be of any length."""
    record = pack_raw(1, 0, b"care/v1/d/event", b"")
    unpack_raw(record)
    for end in range(len(record)):
        with pytest.raises(ValueError, match=f"raw record of {end} bytes"):
            unpack_raw(record[:end])


def batch() -> PointBatch:
    """Three points with a gap in each kind of column."""
    return PointBatch(
        "vitals",
        np.array([3, 1, 2], dtype=np.int64),
        {"device": ["a", "b", "c"], "person": ["", "p-1", ""]},
        {"hr": np.array([70.0, np.nan, -0.0]), "acvpu": ["A", None, ""]},
    )


def assert_same(found: PointBatch, wanted: PointBatch) -> None:
    """Column by column; NaN is NaN."""
    assert found.measurement == wanted.measurement
    np.testing.assert_array_equal(found.t_ns, wanted.t_ns)
    assert found.t_ns.dtype == np.int64
    assert found.tags == wanted.tags
    assert list(found.fields) == sorted(wanted.fields, key=lambda name: isinstance(wanted.fields[name], list))
    for name, column in wanted.fields.items():
        if isinstance(column, list):
            assert found.fields[name] == column
        else:
            np.testing.assert_array_equal(found.fields[name], column)


def test_a_batch_of_points_comes_back_as_it_was() -> None:
    """NaN stays NaN, None stays None, the empty text stays the empty text, the order stays."""
    assert_same(unpack_points(pack_points(batch())), batch())
    assert_same(unpack_points(memoryview(pack_points(batch()))), batch())


@given(st.data(), st.integers(0, 6))
def test_any_batch_comes_back_as_it_was(data: st.DataObject, n: int) -> None:
    """Also one of no points, and one without tags or fields."""

    def columns(values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, list[object]]]:
        return st.dictionaries(_text, st.lists(values, min_size=n, max_size=n), max_size=2)

    numbers = data.draw(columns(st.floats()))
    strings = {f"s{name}": column for name, column in data.draw(columns(st.none() | _text)).items()}
    wanted = PointBatch(
        data.draw(_text),
        np.array(data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=n, max_size=n)), dtype=np.int64),
        data.draw(columns(_text)),
        {**{f"n{name}": np.array(column, dtype=np.float64) for name, column in numbers.items()}, **strings},
    )
    assert_same(unpack_points(pack_points(wanted)), wanted)


def test_points_can_be_picked_by_row() -> None:
    """In the order asked for, every column alike."""
    picked = batch().take([2, 0])
    assert_same(
        picked,
        PointBatch(
            "vitals",
            np.array([2, 3], dtype=np.int64),
            {"device": ["c", "a"], "person": ["", ""]},
            {"hr": np.array([-0.0, 70.0]), "acvpu": ["", "A"]},
        ),
    )
    assert len(batch().take([])) == 0


@pytest.mark.parametrize(
    ("tags", "fields"), [({"device": ["a"]}, {}), ({}, {"hr": np.zeros(1)}), ({}, {"acvpu": ["A", "A", "A"]})]
)
def test_a_column_of_another_length_is_refused(tags: dict[str, list[str]], fields: dict[str, object]) -> None:
    """Named, with both lengths."""
    with pytest.raises(ValueError, match=r"values for 2 points"):
        PointBatch("vitals", np.zeros(2, np.int64), tags, fields)


def test_a_record_that_is_no_batch_is_refused() -> None:
    """Cut anywhere, or of columns that do not fit each other."""
    record = pack_points(batch())
    for end in range(len(record)):
        with pytest.raises(msgspec.DecodeError):
            unpack_points(record[:end])
    torn = msgspec.msgpack.encode(["vitals", bytes(16), {}, {"hr": bytes(12)}, {}])
    uneven = msgspec.msgpack.encode(["vitals", bytes(16), {}, {"hr": bytes(8)}, {}])
    for bad in (torn, uneven):
        with pytest.raises(ValueError):
            unpack_points(bad)
