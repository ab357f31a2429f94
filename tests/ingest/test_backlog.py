"""Devices empty their buffers after an outage: history by column comes to the same as its messages one by one."""

from __future__ import annotations

import random

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.frames import motion_body, motion_payload, with_hist
from telemetry.codec import encode_json, encode_motion
from telemetry.messages import Status, Vitals
from telemetry.records import Flag, RawMessage
from tests.ingest.test_block_feed import (
    LSB_G,
    NOW,
    Wearer,
    both_ways,
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


@settings(max_examples=25, deadline=None)
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
