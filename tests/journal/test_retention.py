"""What is dropped, and what never is."""

from __future__ import annotations

import time
from pathlib import Path

from journal import JournalReader
from tests.journal.helpers import drain, make_record, open_writer, read_all, segment_names, write


def test_a_segment_goes_when_the_slowest_consumer_has_passed_it(tmp_path: Path) -> None:
    """Not when it was read: when that was committed."""
    with open_writer(tmp_path, ("fast", "slow"), segment_bytes=1500) as writer:
        ends = [writer.append([make_record(0, n)]) for n in range(10)]
        writer.commit()
        with JournalReader(tmp_path, "fast") as fast, JournalReader(tmp_path, "slow") as slow:
            drain(fast), drain(slow)
            fast.commit(fast.position)
            assert writer.drop_consumed() == 0
            slow.commit(ends[2])
            assert writer.drop_consumed() == 1
            slow.commit(ends[3])
            assert writer.drop_consumed() == 1
            slow.commit(slow.position)
            assert writer.drop_consumed() == 2
        assert len(segment_names(tmp_path)) == 1
    assert read_all(tmp_path, "slow") == []


def test_the_segment_being_written_stays(tmp_path: Path) -> None:
    """Even when all of it has been consumed."""
    with open_writer(tmp_path) as writer, JournalReader(tmp_path, "c") as reader:
        for number in range(3):
            writer.append([make_record(0, number)])
            writer.commit()
            assert drain(reader) == [make_record(0, number)]
            reader.commit(reader.position)
            assert writer.drop_consumed() == 0


def test_nothing_is_dropped_before_a_registered_consumer_first_comes(tmp_path: Path) -> None:
    """Named by the writer is enough: the consumer itself may start an hour later."""
    with open_writer(tmp_path, ("early", "later"), segment_bytes=1500) as writer:
        for number in range(10):
            writer.append([make_record(0, number)])
        writer.commit()
        with JournalReader(tmp_path, "early") as early:
            drain(early)
            early.commit(early.position)
        assert writer.drop_consumed() == 0
    assert len(read_all(tmp_path, "later")) == 10


def test_a_consumer_that_nobody_registered_holds_nothing(tmp_path: Path) -> None:
    """It reads what there is, and learns of what it missed."""
    with open_writer(tmp_path, segment_bytes=1500) as writer, JournalReader(tmp_path, "guest") as guest:
        ends = [writer.append([make_record(0, n)]) for n in range(4)]
        guest.commit(guest.read(1)[0].end)
        guest.close()
        with JournalReader(tmp_path, "c") as reader:
            drain(reader)
            reader.commit(reader.position)
        writer.append([make_record(0, 4)])
        assert writer.drop_consumed() == 2
        with JournalReader(tmp_path, "guest") as again:
            assert drain(again) == [make_record(0, 4)]
            assert again.gap_bytes == ends[3] - ends[0]


def test_a_consumer_added_later_begins_at_the_oldest_record(tmp_path: Path) -> None:
    """And holds the journal from then on."""
    write(tmp_path, *([make_record(0, n)] for n in range(10)), segment_bytes=1500)
    with open_writer(tmp_path, ("c", "new")) as writer:
        with JournalReader(tmp_path, "c") as reader:
            drain(reader)
            reader.commit(reader.position)
        assert writer.drop_consumed() == 0
        assert len(read_all(tmp_path, "new")) == 10


def test_a_reader_may_finish_a_segment_that_is_dropped_under_it(tmp_path: Path) -> None:
    """It has the file open; an unlinked file stays readable."""
    with open_writer(tmp_path, segment_bytes=10_000) as writer, JournalReader(tmp_path, "guest") as guest:
        for number in range(20):
            writer.append([make_record(0, number)])
        first = [record for batch in guest.read(1) for record in batch]
        with JournalReader(tmp_path, "c") as reader:
            drain(reader)
            reader.commit(reader.position)
        assert writer.drop_consumed() == 1
        assert [bytes(record) for record in first] + drain(guest) == [make_record(0, n) for n in range(20)]
        assert guest.gap_bytes == 0


def test_a_slow_journal_begins_a_new_segment_after_a_while(tmp_path: Path) -> None:
    """So that it gives its room back though no segment ever fills."""
    with open_writer(tmp_path, segment_age_s=0.05) as writer:
        writer.append([b"a"])
        writer.append([b"b"])
        time.sleep(0.06)
        writer.append([b"c"])
    assert len(segment_names(tmp_path)) == 2
    assert read_all(tmp_path) == [b"a", b"b", b"c"]


def test_the_oldest_go_when_a_journal_is_bounded_by_size(tmp_path: Path) -> None:
    """What the quarantine does: read or not, the newest are kept."""
    with open_writer(tmp_path, (), segment_bytes=1500) as writer:
        for number in range(20):
            writer.append([make_record(0, number)])
        assert writer.drop_consumed() == 0
        assert writer.drop_oldest(4000) == 8
    assert read_all(tmp_path) == [make_record(0, n) for n in range(16, 20)]
