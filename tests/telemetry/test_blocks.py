"""Many messages in one record of the journal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.blocks import RawBlock, is_block, messages_of, pack_block, unpack_block
from telemetry.records import Flag, RawMessage, pack_raw

FLAGS = st.sampled_from([Flag.NONE, Flag.RETAIN, Flag.DUP, Flag.RETAIN | Flag.DUP])
MESSAGES = st.lists(st.tuples(FLAGS, st.binary(max_size=40), st.binary(max_size=60)), max_size=12)


def block_of(messages: list[tuple[Flag, bytes, bytes]], recv_ms: int = 1_760_000_000_000) -> RawBlock:
    """A block with three bytes without meaning before each topic and two before each payload."""
    data, columns = bytearray(), []
    for _, topic, payload in messages:
        topic_start = len(data) + 3
        data += b"???" + topic + b"!!" + payload
        columns.append((topic_start, topic_start + len(topic), len(data) - len(payload), len(data)))
    starts, topic_ends, payloads, ends = np.array(columns, np.uint32).reshape(len(messages), 4).T
    flags = np.array([int(flag) for flag, _, _ in messages], np.uint8)
    return RawBlock(recv_ms, starts, topic_ends, payloads, ends, flags, np.frombuffer(bytes(data), np.uint8))


@given(MESSAGES)
def test_a_block_gives_back_its_messages_in_their_order(messages: list[tuple[Flag, bytes, bytes]]) -> None:
    """Whatever topics and payloads are, empty ones too."""
    record = pack_block(block_of(messages))
    assert is_block(record)
    assert list(messages_of(record)) == [RawMessage(1_760_000_000_000, *message) for message in messages]


def test_a_record_of_one_message_is_told_apart_from_a_block() -> None:
    """All flags that a message can have leave the mark free."""
    record = pack_raw(5, int(Flag.RETAIN | Flag.DUP | Flag.REPLAY), b"care/v1/a/motion", b"x" * 40)
    assert not is_block(record)
    assert list(messages_of(memoryview(record))) == [
        RawMessage(5, Flag.RETAIN | Flag.DUP | Flag.REPLAY, b"care/v1/a/motion", b"x" * 40)
    ]


@pytest.mark.parametrize("kept", [9, 13, 14, 40, 90])
def test_a_block_that_was_cut_is_refused(kept: int) -> None:
    """It never gives other messages than those that were packed."""
    record = pack_block(block_of([(Flag.NONE, b"care/v1/a/motion", b"p" * 30)] * 3))
    with pytest.raises(ValueError, match=r"raw (record|block) of \d+ bytes"):
        list(messages_of(record[:kept]))
    with pytest.raises(ValueError, match="outside"):
        unpack_block(record[:-1])
