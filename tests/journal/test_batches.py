"""The frame of a batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal import batch as batch_module
from journal.batch import HEADER_BYTES, Verdict, encode, parse
from journal.errors import BatchTooLargeError

RECORDS = st.lists(st.binary(max_size=50), min_size=1, max_size=20)


@given(RECORDS, st.integers(0, 2**63), st.binary(max_size=30))
def test_a_batch_comes_back_as_it_was(records: list[bytes], position: int, before: bytes) -> None:
    """Records, lengths, data and positions survive the way through bytes, wherever in the buffer they stand."""
    buffer = before + b"".join(encode(records, position)) + b"what follows"
    found = parse(buffer, len(before), position).batch
    assert found is not None
    assert [bytes(record) for record in found] == records
    assert found.lengths.dtype == np.uint32
    assert found.lengths.tolist() == [len(record) for record in records]
    assert bytes(found.data) == b"".join(records)
    assert (found.start, found.end) == (position, position + len(buffer) - len(before) - len(b"what follows"))


@given(RECORDS, st.data())
def test_one_flipped_bit_anywhere_makes_it_invalid(records: list[bytes], data: st.DataObject) -> None:
    """No batch with a wrong checksum is ever given out."""
    whole = bytearray(b"".join(encode(records, 64)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    verdict = parse(bytes(whole), 0, 64).verdict
    assert verdict is (Verdict.DAMAGED_HEADER if at < HEADER_BYTES else Verdict.DAMAGED_PAYLOAD)


@given(RECORDS, st.data())
def test_a_shorter_one_is_incomplete(records: list[bytes], data: st.DataObject) -> None:
    """What a reader sees while the writer is in the middle of it."""
    whole = b"".join(encode(records, 0))
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert parse(whole[:cut], 0, 0).verdict is Verdict.INCOMPLETE


def test_a_batch_is_valid_only_where_it_was_written() -> None:
    """A payload that contains a batch, or an old block of the disk, is not taken for one."""
    assert parse(b"".join(encode([b"x"], 100)), 0, 200).verdict is Verdict.DAMAGED_HEADER


def test_lengths_that_do_not_add_up_are_refused_though_the_checksum_fits() -> None:
    """A reader takes the data apart by the lengths, so they must agree with it."""
    payload = np.array([5, 9], dtype="<u4").tobytes() + b"hello"
    header = _header_for(payload, 2)
    assert parse(header + payload, 0, 0).verdict is Verdict.DAMAGED_PAYLOAD
    assert parse(_header_for(b"\0\0\0", 2) + b"\0\0\0", 0, 0).verdict is Verdict.DAMAGED_PAYLOAD


def _header_for(payload: bytes, count: int) -> bytes:
    crc = batch_module.google_crc32c.value
    before = batch_module._BEFORE_CRC.pack(batch_module.MAGIC, len(payload), count, crc(payload), 0)
    return bytes(before + crc(before).to_bytes(4, "little"))


def test_a_batch_that_no_reader_would_take_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error carries both sizes."""
    monkeypatch.setattr(batch_module, "MAX_PAYLOAD_BYTES", 1000)
    with pytest.raises(BatchTooLargeError) as caught:
        encode([bytes(997)], 0)
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (1001, 1000)
