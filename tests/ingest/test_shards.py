"""The fall detector in several processes finds what it finds in one, also when their number changes in between."""

from __future__ import annotations

import os
import pickle
import random
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

import tests.ingest.test_block_feed as feed
from detectors.detection import Stage
from detectors.errors import DetectorError
from detectors.fall.bank import FallBank
from detectors.fall.sharing import devices_of, joined, part_of
from firmware_sim.motion import LSB_G
from ingest.devices import Owner
from ingest.lanes import lanes_of
from ingest.motion_lane import RowBank
from ingest.pipeline import Output, Pipeline
from ingest.shards import FallShards, ShardLostError, shard_of
from telemetry.records import Flag, RawMessage
from tests.ingest.clear_fall import SECONDS, clear_fall

DEVICES = 12
TROUBLE = 0.02


class Faller(feed.Wearer):
    """A wearer as in the tests of blocks, who walks and falls, each at another time."""

    at = 0

    def second(self, t_ms: int) -> list[tuple[int, str, bytes, Flag]]:
        """See Wearer."""
        self.at += 1
        return super().second(t_ms)

    def counts(self, n: int) -> np.ndarray:
        """See Wearer; the same for what turns, which is no matter here."""
        frame = clear_fall()[(self.at + 3 * (sum(map(ord, self.name)) % 5)) % SECONDS]
        return np.clip(frame[:: 50 // n] * (LSB_G / feed.LSB_G), -32767, 32767).astype(np.int16)


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[RawMessage]:
    """What a gateway has received: gaps, repetitions, new boots, history, vitals, home sensors, calls for help."""
    monkeypatch.setattr(feed, "Wearer", Faller)
    return feed.journal(5, TROUBLE, DEVICES, SECONDS + 8)


def pipeline_of(live: RowBank, historical: RowBank) -> Pipeline:
    """Over these banks, or shared ones; it knows all devices but one."""
    pipeline = Pipeline(live, historical, lanes=lanes_of(routine=False))
    names = [feed.Wearer(index, random.Random(0), 0.0).name for index in range(1, DEVICES)]
    pipeline.update_owners({name: Owner(f"p-{name}", "city.street", "waist") for name in names})
    return pipeline


def pieces(messages: list[RawMessage]) -> list[list[RawMessage]]:
    """About half a second of messages at a time, in whole commits."""
    out: list[list[RawMessage]] = [[]]
    for message in messages:
        if out[-1] and message.recv_ms != out[-1][-1].recv_ms and abs(message.recv_ms - out[-1][0].recv_ms) >= 500:
            out.append([])
        out[-1].append(message)
    return out


def run(messages: list[RawMessage], counts: list[int]) -> tuple[Output, Any]:
    """Everything that comes out, and the state at the end, with so many processes one after the other."""
    total = Output()
    read = pieces(messages)
    state: bytes | None = None
    cut = random.Random(3)
    for turn, count in enumerate(counts):
        with ExitStack() as stack:
            banks: tuple[RowBank, RowBank] = FallBank(), FallBank()
            if count > 1:
                shards = stack.enter_context(FallShards(FallBank(), count))
                banks = shards.bank(), shards.bank()
            pipeline = pipeline_of(*banks)
            if state is not None:
                pipeline.restore(pickle.loads(state))
            for piece in read[turn * len(read) // len(counts) : (turn + 1) * len(read) // len(counts)]:
                pipeline.feed_records(feed.blocks_of(piece, cut))
                feed.gathered(total, pipeline.advance())
            if turn == len(counts) - 1:
                feed.gathered(total, pipeline.advance(messages[-1].recv_ms + 30_000))
                pipeline.settle()
            state = pickle.dumps(pipeline.state())
    assert state is not None
    return total, pickle.loads(state)


def test_shards_find_what_one_process_finds_and_their_number_may_change(messages: list[RawMessage]) -> None:
    """Two, then three from a checkpoint of one, back to one: detections, points, quarantine, all that is known."""
    expected, known = run(messages, [1, 1, 1, 1])
    falls = [one for one in expected.detections if one.detector == "fall" and one.stage is Stage.CONFIRMED]
    where = [{shard_of(one.device, count) for one in falls} for count in (2, 3)]
    assert [len(shards) for shards in where] == [2, 3], where  # every process finds one
    assert any(one.stage is Stage.FOLLOW_UP for one in expected.detections)
    assert expected.refused
    found, state = run(messages, [1, 2, 3, 1])
    assert len(found.detections) == len(expected.detections)
    left, right = feed.results(found), feed.results(expected)
    assert left["refused"] == right["refused"]
    assert left["points"].keys() == right["points"].keys()
    feed.assert_same(left["points"], right["points"], "points")
    assert left["detections"].keys() == right["detections"].keys()
    for key, one in right["detections"].items():
        feed.assert_same(left["detections"][key], one, f"detection {key}")
    feed.assert_same(of_banks(state), of_banks(known))


def of_banks(state: Any) -> list[Any]:
    """What the fall banks know, their tables of impacts and watches in an order of their own."""
    return [in_order(lane[0]) for lane in state["motion"]["lanes"]]


def in_order(tree: Any) -> Any:
    """The same with every table that names rows sorted by row and sample."""
    if not isinstance(tree, dict):
        return tree
    if "row" in tree:
        order = np.lexsort((tree["peak"], tree["row"]))
        return {name: column[order] for name, column in tree.items()}
    return {name: in_order(part) for name, part in tree.items()}


def test_a_state_taken_apart_and_put_together_is_the_same(messages: list[RawMessage]) -> None:
    """Of both banks, one of which has historical frames; whatever the parts and their order."""
    _, known = run(messages, [1])
    for lane in known["motion"]["lanes"]:
        whole = lane[0]
        devices = devices_of(whole)
        parts = [part_of(whole, range(start, len(devices), 3)) for start in (2, 0, 1)]
        feed.assert_same(in_order(joined(parts, devices)), in_order(whole))


def test_a_device_has_the_same_shard_in_every_run() -> None:
    """Written down: Python's own hash differs from process to process."""
    assert [shard_of(f"w-{k}", 4) for k in range(8)] == [0, 2, 0, 2, 1, 3, 1, 3]


def test_a_lost_process_ends_the_work_and_says_so() -> None:
    """No tick passes as if nothing had been found."""
    with FallShards(FallBank(), 2) as shards:
        bank = shards.bank()
        bank.add("w-1", placement="waist", person=None)
        assert bank.update(None, 1) == []
        os.kill(shards.process_ids[1], signal.SIGKILL)
        with pytest.raises(ShardLostError, match=r"process 2 of the 2 .* ended with -9"):
            bank.update(None, 2)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "waits",
    [
        pytest.param(lambda shards: shards.bank().update(None, 1), id="it does not answer"),
        pytest.param(lambda shards: shards.tell(0, bytes(2_000_000)), id="it does not take what it is sent"),
    ],
)
def test_a_process_that_hangs_is_killed_and_counts_as_lost(
    waits: Callable[[FallShards], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It lives, as after SIGSTOP, and nobody waits for it for ever."""
    with FallShards(FallBank(), 2, answer_within_s=0.5) as shards:
        os.kill(shards.process_ids[0], signal.SIGSTOP)
        with pytest.raises(ShardLostError, match=r"process 1 of the 2 .* has not answered for 0.5 s and was killed"):
            waits(shards)
        assert f"(pid {shards.process_ids[0]})" in caplog.text
        assert shards._processes[0].wait(10) == -signal.SIGKILL


def test_a_state_that_no_process_can_read_is_learnt_anew(caplog: pytest.LogCaptureFixture) -> None:
    """As with one process: the log says so, and the detector goes on."""
    with FallShards(FallBank(), 2) as shards:
        pipeline = pipeline_of(shards.bank(), shards.bank())
        pipeline.feed(feed.journal(1, 0.0, DEVICES, 1))
        pipeline.advance()
        saved = pipeline.state()
        watches = saved["motion"]["lanes"][0][0]["follow_up"]
        watches["seen"] = watches["seen"][:, :-1]
        again = pipeline_of(shards.bank(), shards.bank())
        again.restore(saved)
        assert "cannot read its part of the fall bank's state" in caplog.text
        assert again.state()["motion"]["lanes"][0][0]["devices"] == []
        again.feed(feed.journal(2, 0.0, DEVICES, 1))
        again.advance()
        assert again.state()["motion"]["lanes"][0][0]["devices"] != []


def test_what_fails_in_a_process_fails_here() -> None:
    """With its reason."""
    with FallShards(FallBank(), 2) as shards:
        bank = shards.bank()
        with pytest.raises(DetectorError, match="format 3"):
            bank.restore({"format": 3})
        with pytest.raises(DetectorError, match="no operating point"):
            bank.add("w-1", placement="waist", person=None, operating_point="loud")
        bank.add("w-1", placement="waist", person=None)
        shards.tell(0, ("take", 0, "no batch", 1))
        with pytest.raises(ShardLostError, match=r"process 1 of the 2 .* failed"):
            bank.update(None, 2)
