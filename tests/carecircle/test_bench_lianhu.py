"""The account of `carecircle bench lianhu`: what was published, what the journal has, what is drawn."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from bench.lianhu import planned
from bench.lianhu_audit import LianhuAudit
from bench.lianhu_plot import draw
from bench.watching import MACHINE, Watch
from firmware_sim.frames import motion_body, motion_payload
from firmware_sim.scenario import Spread
from firmware_sim.truth import Published, Truth
from journal import JournalWriter
from telemetry.blocks import RawBlock, pack_block
from telemetry.records import Flag, RawMessage, pack_raw

T = 1_790_000_000_000


def record(message: RawMessage) -> bytes:
    """A record of one message."""
    return pack_raw(message.recv_ms, message.flags, message.topic, message.payload)


def block(messages: list[RawMessage]) -> bytes:
    """A record of many."""
    data, columns = b"", []
    for message in messages:
        at = len(data)
        middle = at + len(message.topic)
        columns.append((at, middle, middle, middle + len(message.payload)))
        data += message.topic + message.payload
    parts = [np.array(column, np.uint32) for column in zip(*columns, strict=True)]
    return pack_block(RawBlock(T, *parts, flags=np.zeros(len(messages), np.uint8), data=np.frombuffer(data, np.uint8)))


def messages(device: str, seqs: range) -> list[RawMessage]:
    """Frames and a reading of one wearer."""
    body = motion_body(np.zeros((50, 3), np.int16), None)
    frames = [
        RawMessage(
            T, Flag(0), f"care/v1/{device}/motion".encode(), motion_payload(T + 1000 * seq, 9, seq, body, gyro=False)
        )
        for seq in seqs
    ]
    reading = b'{"t":%d,"boot":9,"seq":4,"hr":70}' % T
    return [*frames, RawMessage(T, Flag(0), f"care/v1/{device}/vitals".encode(), reading)]


def test_the_audit_counts_single_messages_and_blocks_and_names_what_is_missing(tmp_path: Path) -> None:
    """Motion as numbers, the rest by key; what came twice is no more than once."""
    raw = JournalWriter(tmp_path / "raw", consumers=(), segment_bytes=1 << 20, reserve_bytes=0)
    raw.append([record(message) for message in messages("waist-00007", range(5))])
    raw.append([block(messages("wrist-00008", range(6)) + messages("waist-00007", range(3, 8)))])
    raw.append([record(RawMessage(T, Flag(0), b"$carecircle/connected", b""))])
    raw.commit()
    with LianhuAudit(tmp_path / "raw") as audit:
        time.sleep(0.2)
    raw.close()
    published = [
        Published(device="waist-00007", stream="motion", boot=9, seq=[(0, 9)]),
        Published(device="wrist-00008", stream="motion", boot=9, seq=[(0, 5)]),
        Published(device="wrist-00008", stream="vitals", boot=9, seq=[(4, 5)]),
    ]
    truth = Truth(
        scenario="t", source="synthetic", seed=1, start_ms=T, end_ms=T, devices=2, falls=[], sos=[], published=published
    )
    kept = audit.compare(truth)
    assert kept.published == 10 + 6 + 2
    assert kept.journaled == 8 + 6 + 2
    assert kept.lost == 2 + 1  # frames 8 and 9, and a reading
    assert kept.again == 2 + 1


def test_another_number_of_wearers_keeps_the_proportions() -> None:
    """Falls and calls lie within the run, early enough to be told."""
    scenario = planned(120, 900)
    assert scenario.wearers.count == 900
    assert scenario.buttons == 100
    assert isinstance(scenario.falls, Spread)
    assert scenario.falls.count == 60
    assert scenario.falls.between_s == (20.0, 100.0)
    assert planned(600, None).wearers.count == 18_000


def test_a_run_can_be_drawn(tmp_path: Path) -> None:
    """From samples as the watch takes them, of a role that was not up at first too."""
    import os

    with Watch({"gateway": os.getpid()}, {"raw_bytes": lambda: 5.0}) as watch:
        pass
    assert watch.most("gateway", 0) > 1 << 20
    assert watch.samples[-1].cpu_s[MACHINE] > watch.samples[-1].cpu_s["gateway"] > 0
    assert watch.most("gateway", 1) >= watch.most("gateway", 0)
    series = [
        {
            "at_s": 2.0 * i,
            "cpu_s": {"gateway": 0.1 * i},
            "pss_mb": {} if i < 2 else {"gateway": 50.0},
            "backlog": {"raw_bytes": 1e6, "points_bytes": 0.0, "detections_bytes": 0.0},
        }
        for i in range(12)
    ]
    result = {
        "series": series, "seconds": 20, "wearers": 9, "cores": 2, "broker": "mosquitto",
        "messages": {"per_s": 9, "lost": 0}, "impact_to_notified_s": {"p50": 2.0, "p99": 3.0},
    }  # fmt: skip
    draw(result, tmp_path / "plots" / "run.png")
    assert (tmp_path / "plots" / "run.png").read_bytes().startswith(b"\x89PNG")
