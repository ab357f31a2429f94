"""Devices empty their buffers after an outage: history by column comes to the same as its messages one by one."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.frames import motion_body, motion_payload, with_hist
from ingest.dedupe import WINDOW, SeenSequence
from ingest.pipeline import Output
from telemetry.codec import encode_json, encode_motion
from telemetry.messages import Status, Vitals
from telemetry.records import Flag, RawMessage
from tests.ingest.test_block_feed import (
    LSB_G,
    NOW,
    Counted,
    Wearer,
    assert_same,
    block_of,
    blocks_of,
    both_ways,
    gathered,
    results,
)

#: How long an outage lasts, in s: shorter than what counts as live, about as long, longer, and longer than the window
#: in which numbers are known as taken.
OUTAGES = (4, 40, 90, 130, 170, 300, 600)
LIVE_S = 5


class Away:
    """A device whose link is lost for a while: what it sends before, from its buffer, and after."""

    def __init__(self, index: int, rng: random.Random, trouble: float) -> None:
        self.name = Wearer(index, random.Random(0), 0.0).name
        self.rng, self.trouble = rng, trouble
        self.off_ms = rng.choice([0, 0, 0, 0, 40_000, -4_000_000])
        self.form = rng.choice(["fixed", "fixed", "gyro", "packed", "slow", "listed"])
        self.boot, self.seq, self.other = rng.getrandbits(32), rng.choice([0, 250, 70_000]), 0
        noise = np.random.default_rng(index).normal((30, 990, 100), 25, (8, 50, 3))
        noise[3, 20:24] *= 4
        self.samples = noise.astype(np.int16)

    def happens(self) -> bool:
        """Something goes wrong."""
        return self.rng.random() < self.trouble

    def sent(self, second: int, *, hist: bool = False) -> list[tuple[str, bytes, Flag]]:
        """What is said of a second: a frame, or what goes wrong with it."""
        rng = self.rng
        if self.happens() and rng.random() < 0.2:
            self.boot, self.seq = rng.getrandbits(32), 0
        if self.happens():
            self.seq += rng.choice([1, 2, 70])
        t_ms = NOW + second * 1000 - self.off_ms
        frame = self.frame(t_ms, hist)
        self.seq += 1
        out = [("motion", frame, Flag.NONE)]
        if self.happens():
            out.append(("motion", frame, rng.choice([Flag.NONE, Flag.DUP])))
        if self.happens():
            out.append(("motion", frame[: rng.randrange(len(frame))], Flag.NONE))
        if self.happens():  # for an instant that was there, or is to come
            out.append(("motion", self.frame(t_ms + rng.choice([0, 0, -1000, 1000]), hist), Flag.NONE))
            self.seq += 1
        if self.happens():
            head = {"t": t_ms, "boot": self.boot, "seq": self.other}
            self.other += 1
            said = Status(**head, online=True, placement="wrist") if rng.random() < 0.3 else Vitals(**head, hr=70.0)
            out.append(("vitals" if isinstance(said, Vitals) else "status", encode_json(said), Flag.NONE))
        return [] if self.happens() else out

    def frame(self, t_ms: int, hist: bool) -> bytes:
        """As its encoder packs it."""
        acc = self.samples[self.seq % 8]
        if self.form in ("fixed", "gyro"):
            gyro = self.form == "gyro"
            payload = motion_payload(t_ms, self.boot, self.seq, motion_body(acc, acc if gyro else None), gyro=gyro)
            return with_hist(payload) if hist else payload
        head = {"t": t_ms, "boot": self.boot, "seq": self.seq, "hist": hist}
        if self.form == "listed":
            return msgspec.json.encode({**head, "fs": 25.0, "acc": (acc[:25] * LSB_G).tolist()})
        n, fs = (25, 25.0) if self.form == "slow" else (50, 50.0)
        return encode_motion(**head, fs=fs, lsb=LSB_G, acc=acc[:n])


def journal(seed: int, trouble: float, devices: int, outages: list[int]) -> list[RawMessage]:
    """What a gateway receives of some devices whose links are lost and come back together."""
    rng = random.Random(seed)
    wearers = [Away(index, rng, trouble) for index in range(devices)]
    out: list[RawMessage] = []
    second, recv_ms = 0, NOW

    def receive(wearer: Away, said: tuple[str, bytes, Flag]) -> None:
        stream, payload, flags = said
        out.append(RawMessage(recv_ms, flags, f"care/v1/{wearer.name}/{stream}".encode(), payload))

    for wearer in wearers:  # rows in the bank of late motion are given in the order of arrival
        late = encode_motion(t=NOW - 900_000, boot=1, seq=0, fs=50.0, lsb=LSB_G, acc=wearer.samples[0], hist=True)
        receive(wearer, ("motion", late, Flag.NONE))
    for away_s in [*outages, 0]:
        for _ in range(LIVE_S):
            for wearer in rng.sample(wearers, devices):
                recv_ms = max(recv_ms + rng.choice([0, 20]), NOW + second * 1000 + 1000)
                for said in wearer.sent(second):
                    receive(wearer, said)
            second += 1
        waiting = {wearer: [said for k in range(away_s) for said in wearer.sent(second + k, hist=True)]
                   for wearer in wearers}  # fmt: skip
        second += away_s
        recv_ms = NOW + second * 1000 + 1000
        longest, together = rng.choice([(1, 1), (40, 3), (10_000, 30)]), rng.choice([3, 60, 2000])
        live_beside, sent = rng.random() < 0.5, 0
        while any(waiting.values()):
            wearer = rng.choice([one for one, queue in waiting.items() if queue])
            for said in waiting[wearer][: rng.randint(1, longest[0])]:
                receive(wearer, said)
                waiting[wearer].pop(0)
                sent += 1
                recv_ms += 20 * (sent % together == 0)
            if live_beside and rng.random() < 0.3:
                for said in wearer.sent((recv_ms - NOW) // 1000 - 1):
                    receive(wearer, said)
        second = max(second, (recv_ms - NOW) // 1000)
    return out


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    trouble=st.sampled_from([0.0, 0.01, 0.05, 0.2]),
    outages=st.lists(st.sampled_from(OUTAGES), min_size=1, max_size=2),
    links=st.booleans(),
)
def test_however_buffers_are_emptied_it_comes_to_the_same(
    seed: int, trouble: float, outages: list[int], links: bool
) -> None:
    """Device by device, in turns, in pieces, with live frames beside; gaps, repetitions, conflicts, restarts."""
    both_ways(journal(seed, trouble, 3, outages), seed, 3, links=links)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**20), away_s=st.sampled_from([40, 90, 170]), most=st.sampled_from([7, 100]))
def test_where_batches_end_makes_no_difference(seed: int, away_s: int, most: int) -> None:
    """One message at a time, or blocks of many: the same falls, and the same ten-second points."""
    messages, rng = journal(seed, 0.0, 2, [away_s]), random.Random(seed)
    single, blocks = Counted(0, 2, links=False), Counted(0, 2, links=False)
    totals = Output(), Output()
    for message in messages:
        single.feed([message])
        gathered(totals[0], single.advance())
    while messages:
        piece, messages = messages[: (size := rng.randint(1, most))], messages[size:]
        blocks.feed_records(blocks_of(piece, rng))
        gathered(totals[1], blocks.advance())
        last_ms = piece[-1].recv_ms
    found = []
    for pipeline, total in zip((single, blocks), totals, strict=True):
        gathered(total, pipeline.advance(last_ms + 30_000))
        everything = results(total)
        points = {key: one for key, one in everything["points"].items() if key[0].startswith("motion")}
        found.append({"points": points, "detections": everything["detections"]})
    assert_same(*found, "found")


@pytest.mark.parametrize("trickle", [False, True], ids=["device by device", "in turns"])
def test_whole_buffers_are_taken_by_column(trickle: bool) -> None:
    """But for the first frames; behind a second outage those are the ones until the numbers between are given up."""
    pipeline, wearers = Counted(0, 6, links=True), [Away(index, random.Random(1), 0.0) for index in range(1, 6)]
    second, away_s = 0, 200
    for wearer in wearers:
        wearer.form, wearer.off_ms = "fixed", 0
    for hist in (False, True) * 2:
        seconds = range(second, second := second + (away_s if hist else LIVE_S))
        told = [(wearer.name, *said) for at in seconds for wearer in wearers for said in wearer.sent(at, hist=hist)]
        if not trickle:
            told.sort(key=lambda one: one[0])
        recv_ms = NOW + second * 1000 + (400_000 if hist else 0)
        messages = [
            RawMessage(recv_ms, flags, f"care/v1/{name}/{stream}".encode(), payload)
            for name, stream, payload, flags in told
        ]
        for first in range(0, len(messages), 250):
            pipeline.feed_records([block_of(messages[first : first + 250])])
            pipeline.advance()
    assert pipeline.counts["late"] == 2 * away_s * len(wearers)
    assert pipeline.by_column > 0.6 * pipeline.counts["messages"]


BODY = motion_body(np.full((50, 3), 333, np.int16), None)
SLOW = motion_body(np.full((25, 3), 333, np.int16), None, fs_hz=25.0)


def frame(
    seq: int, s: float, *, hist: bool = True, device: str = "w1", body: bytes = BODY, came_s: float = 700
) -> RawMessage:
    """Frame ``seq`` of second ``s``, received in second ``came_s``."""
    payload = motion_payload(NOW + round(s * 1000), 7, seq, body, gyro=False)
    topic = f"care/v1/{device}/motion".encode()
    return RawMessage(NOW + round(came_s * 1000), Flag.NONE, topic, with_hist(payload) if hist else payload)


def live(*seqs: int, ahead_s: float = 0.0) -> list[list[RawMessage]]:
    """Each at its time."""
    return [[frame(seq, seq + ahead_s, hist=False, came_s=seq + ahead_s + 1)] for seq in seqs]


def told(*steps: list[RawMessage]) -> tuple[Counted, Output]:
    """What each step, a block, comes to; the same as its messages one by one."""
    single, blocks = Counted(0, 3, links=True), Counted(0, 3, links=True)
    totals = Output(), Output()
    for step in steps:
        single.feed(step)
        blocks.feed_records([block_of(step)])
        for total, pipeline in zip(totals, (single, blocks), strict=True):
            gathered(total, pipeline.advance())
    assert_same(*(results(total) for total in totals), "results")
    assert blocks.counts == single.counts
    states = []
    for pipeline in (single, blocks):
        pipeline.settle()
        states.append({name: pipeline.state()[name] for name in ("devices", "motion")})
    assert_same(*states)
    return blocks, totals[1]


def test_numbers_that_came_live_are_repetitions_in_the_buffer() -> None:
    """The device keeps what it had sent already, too: the run ends before."""
    later = live(*range(10, 14), ahead_s=690)
    pipeline, _ = told(*live(*range(4)), *later, [frame(seq, seq) for seq in range(4, 9)], [
        frame(9, 9), frame(10, 700), frame(11, 701), frame(14, 14)])  # fmt: skip
    assert pipeline.counts["duplicates"] == 2
    assert pipeline.by_column > 5


def test_a_number_that_history_had_is_a_repetition_live() -> None:
    """Nothing live has come since: the next live number is one that history has overtaken."""
    history = [frame(seq, seq) for seq in range(4, 10)]
    again = [frame(4, 700, hist=False, came_s=701), frame(10, 701, hist=False, came_s=702)]
    pipeline, _ = told(*live(*range(4)), history, *([one] for one in again))
    assert pipeline.counts["duplicates"] == 1


def test_a_gap_in_a_buffer_is_filled_by_what_comes_behind() -> None:
    """What waits for it goes the way of single messages."""
    order = (4, 5, 7, 8, 6, 9, 10)
    pipeline, _ = told(*live(*range(4)), [frame(seq, seq) for seq in order], [frame(seq, seq) for seq in (11, 12)])
    assert pipeline.counts["late"] == 9


def test_a_live_frame_for_an_instant_of_history_is_a_conflict() -> None:
    """Also where history is taken beside live frames; the other way round too."""
    body = motion_body(np.full((50, 3), 334, np.int16), None)
    later = live(*range(10, 14), ahead_s=690)
    history = [frame(seq, seq if seq < 8 else 704, came_s=704) for seq in range(4, 9)]
    _, out = told(*live(*range(4)), *later, history, [frame(14, 704, hist=False, body=body, came_s=705)])
    assert [one.reason for one in out.refused] == ["conflict"]
    _, out = told(*live(*range(4)), *later, history[:2], [frame(6, 703, body=body, came_s=704)])
    assert [one.reason for one in out.refused] == ["conflict"]


def test_nobody_is_silent_whose_frames_stand_in_the_next_batch_of_one_look() -> None:
    """Two kinds of frames make two batches; the links of both devices were away for long enough."""
    both = (("w1", BODY), ("w2", SLOW))
    first = [frame(0, 1, hist=False, device=name, body=body, came_s=2) for name, body in both]
    again = [frame(seq, seq + 1, device=name, body=body, came_s=16) for name, body in both for seq in (1, 2, 3)]
    for step in (again, again[::-1][:3][::-1] + again[:3]):
        pipeline, out = told(first, step)
        assert not [batch for batch in out.points if batch.measurement == "motion"]
        assert pipeline.by_column == 6


@given(
    taken=st.lists(st.integers(0, 2 * WINDOW), min_size=1, max_size=60),
    first=st.integers(0, 3 * WINDOW),
    count=st.integers(1, 2 * WINDOW),
)
def test_a_run_of_numbers_is_taken_as_they_are_one_by_one(taken: list[int], first: int, count: int) -> None:
    """Behind the newest, in gaps, far beyond; up to the first that was taken nothing in it is a repetition."""
    one_by_one, at_once = SeenSequence(), SeenSequence()
    for seq in taken:
        assert one_by_one.take(7, seq) == at_once.take(7, seq)
    until = at_once.next_taken(7, first)
    fresh = min(count, until - first)
    assert fresh >= 0
    if fresh:
        at_once.run(7, first, fresh)
        assert all(one_by_one.take(7, first + k) for k in range(fresh))
    assert at_once.state() == one_by_one.state()
    if fresh < count and until > max(taken) - WINDOW:
        assert not one_by_one.take(7, until)
