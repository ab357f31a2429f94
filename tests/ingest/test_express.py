"""What is known by column and what is known of a device as an object are one truth."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from detectors.fall.bank import FallBank
from detectors.motion import CountedBatch, MotionBatch
from ingest.content import contents
from ingest.devices import Devices, Owner
from ingest.express import Express
from ingest.pipeline import Pipeline
from ingest.processor import Processor, ProcessorSettings
from ingest.reorder import Frame, Reorderer
from journal import JournalReader, JournalWriter
from telemetry.codec import Motion, encode_json
from telemetry.messages import Event
from telemetry.records import pack_raw
from telemetry.topics import Stream

NOW = 1_800_000_000_000
BOOT = 7


def known_device() -> tuple[Express, Devices]:
    """One that has sent its frame 0 as an object."""
    devices, order = Devices(), Reorderer()
    devices.update_owners({"w": Owner("p", "a", "waist")})
    device = devices.find("w")
    assert device is not None
    device.first_time(Stream.MOTION, BOOT, 0)
    device.clock.judge(boot=BOOT, t_ms=NOW, recv_ms=NOW + 50, birth=False, hist=False)
    motion = Motion(NOW, BOOT, 0, False, 50.0, 0.001, np.zeros((1, 3), np.int16), 1.0, None, None)
    order.push(Frame(0, NOW + 50, 0, motion), [])
    device.recent_frames.append((NOW, 1))
    express = Express(order, reported=True)
    express.enter(device)
    return express, devices


def take(express: Express, devices: Devices, seq: int, t_ms: int, recv_ms: int, boot: int = BOOT) -> bool:
    """One frame by column; whether it was ordinary."""
    one = np.zeros(1, np.int64)
    taken = express.take(one, one + boot, one + seq, one + t_ms, one + recv_ms, devices.presence)
    if taken.ordinary[0]:
        express.recent.add(one, one + t_ms, one + seq)
    return bool(taken.ordinary[0])


def test_frames_taken_by_column_are_written_back() -> None:
    """Sequence, clock, the frames that a conflict would be told by, and a backlog's clock that is none."""
    express, devices = known_device()
    device = devices.rows[0]
    device.clock.boots[0].candidate_offset_ms = 400_000
    for seq in range(1, 7):
        assert take(express, devices, seq, NOW + seq * 1000, NOW + seq * 1000 + 40)
    express.leave(device)
    assert device.recent_frames == [(NOW + seq * 1000, seq) for seq in (3, 4, 5, 6)]
    for _ in range(2):  # served again with nothing in between
        express.enter(device)
    assert device.recent_frames == [], "they stand in one place only"
    express.leave(device)
    assert device.recent_frames == [(NOW + seq * 1000, seq) for seq in (3, 4, 5, 6)]
    assert [device.first_time(Stream.MOTION, BOOT, seq) for seq in (0, 3, 6, 7)] == [False, False, False, True]
    clock = device.clock.boots[0]
    assert (clock.offset_ms, clock.last_recv_ms, clock.candidate_offset_ms) == (40.0, NOW + 6040, None)
    assert device.last_recv_ms == NOW + 6040
    assert device.online


def test_frames_from_a_buffer_go_on_without_a_word_about_the_clock() -> None:
    """Numbers and times are those of the live ones; what is known of the clock stays as it was."""
    express, devices = known_device()
    device = devices.rows[0]
    clock = device.clock.boots[0]
    clock.candidate_offset_ms = 400_000
    before = clock.values()
    rows = np.zeros(1, np.int64)
    express.go_on(rows, rows + 3, rows + NOW + 3_000)
    express.leave(device)
    assert clock.values() == before
    assert [device.first_time(Stream.MOTION, BOOT, seq) for seq in (0, 3, 4)] == [False, False, True]
    express, devices = known_device()
    express.go_on(rows, rows + 3, rows + NOW + 3_000)
    assert not take(express, devices, 4, NOW + 3_000, NOW + 3_040)
    assert take(express, devices, 4, NOW + 4_000, NOW + 4_040)


def test_what_is_not_the_next_frame_is_not_ordinary_and_changes_nothing() -> None:
    """A gap, a repetition, another boot, a time that was there, one that is late."""
    express, devices = known_device()
    for wrong in ((2, NOW + 1000), (0, NOW + 1000), (1, NOW), (1, NOW - 200_000), (1, NOW + 200_000)):
        assert not take(express, devices, *wrong, NOW + 1040)
    assert not take(express, devices, 1, NOW + 1000, NOW + 1040, boot=8)
    express.leave(devices.rows[0])
    assert devices.rows[0].recent_frames == [(NOW, 1)]
    express.enter(devices.rows[0])
    assert take(express, devices, 1, NOW + 1000, NOW + 1040)


def test_the_content_of_a_frame_is_a_number_that_any_change_changes() -> None:
    """Whatever stands beside it, and whether it is counts or floats."""
    rng = np.random.default_rng(2)
    for samples in (rng.integers(-2000, 2000, (5, 49, 3)).astype(np.int16), rng.normal(size=(5, 49, 3)).astype("<f4")):
        numbers = contents(samples)
        assert [int(contents(one[None])[0]) for one in samples] == numbers.tolist()
        for at in (0, 73, 146):
            changed = samples.copy()
            changed.reshape(5, -1)[:, at] += 1
            assert (contents(changed) != numbers).all()


def test_counts_are_to_the_fall_bank_what_their_values_in_g_are() -> None:
    """The lowest count of all is a sample, not a gap."""
    acc = np.random.default_rng(3).integers(-3000, 3000, (2, 50, 3)).astype(np.int16)
    acc[0, 7] = -32768
    common = {
        "row": np.arange(2, dtype=np.int32), "boot": np.ones(2, np.uint32), "t_ms": np.full(2, NOW),
        "offset_ms": np.zeros(2, np.int64), "recv_ms": np.full(2, NOW), "fs_hz": 50.0,
    }  # fmt: skip
    rings = []
    for batch in (
        CountedBatch(**common, acc=acc, lsb_g=0.001, gyr=acc, lsb_dps=0.1),
        MotionBatch(
            **common, acc_g=acc.astype(np.float32) * np.float32(0.001), gyr_dps=acc.astype(np.float32) * np.float32(0.1)
        ),
    ):
        bank = FallBank()
        for name in "ab":
            bank.add(name, placement="waist", person=None)
        bank.update(batch, NOW)
        rings.append(bank.state()["ring"])
    assert np.array_equal(rings[0]["acc"], rings[1]["acc"])
    assert np.array_equal(rings[0]["gyr"], rings[1]["gyr"])


def test_what_comes_soon_after_is_taken_together_and_a_call_for_help_ends_the_wait(tmp_path: Path) -> None:
    """The second message comes while the first is held back, for half a minute if it were not an event."""
    raw = JournalWriter(tmp_path / "journal" / "raw", consumers=("processor",), reserve_bytes=0)
    pipeline = Pipeline(FallBank(), FallBank())
    settings = ProcessorSettings(tmp_path / "journal", tmp_path / "quarantine", tmp_path / "state")
    processor = Processor(settings, pipeline, owners=dict, wall_ms=lambda: NOW)

    def comes(topic: bytes, payload: bytes) -> None:
        raw.append([pack_raw(NOW, 0, topic, payload)])
        raw.commit()

    comes(b"care/v1/w/vitals", b"{}")
    assert processor.step(0.0, gather_s=15.0)  # nothing was taken just before: at once
    comes(b"care/v1/w/vitals", b"{}")
    sos = encode_json(Event(t=NOW, boot=1, seq=1, type="sos"))
    later = threading.Thread(target=lambda: (time.sleep(0.1), comes(b"care/v1/w/event", sos)))
    later.start()
    assert processor.step(0.0, gather_s=15.0)
    later.join()
    assert pipeline.counts["messages"] == 3
    processor.close()
    raw.close()


def test_a_backlog_is_taken_without_a_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has come already costs no time: with so much waiting, nobody waits for more."""
    raw = JournalWriter(tmp_path / "journal" / "raw", consumers=("processor",), reserve_bytes=0)
    pipeline = Pipeline(FallBank(), FallBank())
    settings = ProcessorSettings(tmp_path / "journal", tmp_path / "quarantine", tmp_path / "state", read_bytes=1000)
    processor = Processor(settings, pipeline, owners=dict, wall_ms=lambda: NOW)

    def come(messages: int) -> None:
        for _ in range(messages):
            raw.append([pack_raw(NOW, 0, b"care/v1/w/vitals", b"{}")])
            raw.commit()

    come(1)
    assert processor.step(0.0, gather_s=15.0)  # from now on what comes soon after is waited for
    come(40)  # 70 bytes each
    monkeypatch.setattr("ingest.processor.time.sleep", lambda _: pytest.fail("it waits beside a backlog"))
    assert processor.step(0.0, gather_s=15.0)
    assert 1000 // 100 < pipeline.counts["messages"] < 1 + 40, "as much as is read at a time"
    processor.close()
    raw.close()


def test_a_call_for_help_ends_the_wait_also_when_something_came_right_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read gives one message here, and the one with the call is not the last."""
    raw = JournalWriter(tmp_path / "journal" / "raw", consumers=("processor",), reserve_bytes=0)
    pipeline = Pipeline(FallBank(), FallBank())
    settings = ProcessorSettings(tmp_path / "journal", tmp_path / "quarantine", tmp_path / "state")
    processor = Processor(settings, pipeline, owners=dict, wall_ms=lambda: NOW)
    read = JournalReader.read
    monkeypatch.setattr(JournalReader, "read", lambda reader, _: read(reader, 1))
    sos = encode_json(Event(t=NOW, boot=1, seq=1, type="sos"))

    def come(*messages: tuple[bytes, bytes]) -> None:
        for message in messages:
            raw.append([pack_raw(NOW, 0, *message)])
            raw.commit()

    come((b"care/v1/w/vitals", b"{}"))
    assert processor.step(0.0, gather_s=0.0)
    come((b"care/v1/w/event", sos), (b"care/v1/w/vitals", b"{}"))
    monkeypatch.setattr("ingest.processor.time.sleep", lambda _: pytest.fail("it waits with a call for help"))
    assert processor.step(0.0, gather_s=15.0)
    assert pipeline.counts["messages"] == 3
    processor.close()
    raw.close()
