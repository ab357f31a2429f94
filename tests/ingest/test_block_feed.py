"""Messages in blocks come to the same as messages one by one: points, detections, quarantine, what is remembered.

The way of single messages is the oracle; it has tests of its own.
"""

from __future__ import annotations

import pickle
import random
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.device.batch import Wears
from detectors.device.held import Held
from detectors.fall.bank import FallBank
from firmware_sim.frames import motion_body, motion_payload
from ingest.block_feed import Heard
from ingest.devices import Owner
from ingest.lanes import lanes_of
from ingest.motion_batches import Run
from ingest.pipeline import Output, Pipeline
from telemetry.blocks import RawBlock
from telemetry.codec import encode_json, encode_motion
from telemetry.messages import Event, Home, Status, Vitals
from telemetry.records import CONNECTED, LISTENING, Flag, RawMessage

NOW = 1_800_000_000_000
DEVICES = 14
SECONDS = 26
LSB_G = 0.001


def block_of(messages: list[RawMessage]) -> RawBlock:
    """Messages that were received together, as the gateway writes them."""
    data, columns = b"", []
    for message in messages:
        data += b"\x32\x00"  # what stands between on the wire
        start = len(data)
        data += message.topic
        middle = len(data)
        data += message.payload
        columns.append((start, middle, middle, len(data)))
    index = np.array(columns, "<u4").T
    flags = np.array([int(message.flags) for message in messages], np.uint8)
    return RawBlock(messages[0].recv_ms, *index, flags, np.frombuffer(data, np.uint8))


def blocks_of(messages: Iterable[RawMessage], rng: random.Random) -> Iterator[RawMessage | RawBlock]:
    """Neighbours of the same receive time as blocks, a few of them single."""
    together: list[RawMessage] = []
    for message in messages:
        alone = message.topic.startswith(b"$") or rng.random() < 0.02
        if together and (alone or message.recv_ms != together[0].recv_ms):
            yield block_of(together)
            together = []
        if alone:
            yield message
        else:
            together.append(message)
    if together:
        yield block_of(together)


class Wearer:
    """One device that mostly behaves: what it does else is drawn."""

    def __init__(self, index: int, rng: random.Random, trouble: float) -> None:
        self.name = f"w{index}" if index % 3 else f"wearable-{index:03}"
        self.rng, self.trouble = rng, trouble
        self.off_ms = rng.choice([0, 0, 0, 0, 30_000, -4_000_000, 900_000_000])
        self.form = rng.choice(["fixed", "fixed", "packed", "listed", "slow", "gyro", "gyro", "coarse"])
        self.boot, self.seq, self.other = rng.getrandbits(32), rng.choice([0, 120, 70_000]), 0
        self.samples = np.random.default_rng(index)
        self.sent: list[tuple[str, bytes]] = []

    def second(self, t_ms: int) -> list[tuple[int, str, bytes, Flag]]:
        """What comes of a second: (delay in ms, stream, payload, flags)."""
        rng, out = self.rng, []
        if rng.random() < 0.04:
            out.append((rng.randrange(1000), "vitals", self.vitals(t_ms), Flag.NONE))
        if rng.random() < 0.03:
            out.append((rng.randrange(1000), "status", self.status(t_ms), rng.choice([Flag.NONE, Flag.RETAIN])))
        if self.happens():
            self.boot, self.seq = rng.getrandbits(32), 0
        if self.happens():
            self.seq += rng.randrange(1, 80)
        if self.happens():
            self.off_ms += rng.choice([-1_000, 1_000, 400_000, -400_000])
        payload = self.motion(t_ms)
        self.seq += 1
        delay = rng.randrange(40)
        if self.happens():
            delay += rng.choice([900, 1_500, 2_500, 6_000])
        if not self.happens():
            out.append((delay, "motion", payload, Flag.NONE))
        if self.happens():
            out.append((delay + rng.randrange(3_000), "motion", payload, rng.choice([Flag.DUP, Flag.NONE])))
        if self.happens():
            out.append((delay + rng.randrange(3_000), "motion", payload[: rng.randrange(len(payload))], Flag.NONE))
        if self.happens():
            again, self.seq = self.motion(t_ms), self.seq + 1  # other samples for the same time
            out.append((delay + rng.randrange(60), "motion", again, Flag.NONE))
        if self.happens():
            out.append((rng.randrange(1000), *self.odd(t_ms)))
        return out

    def happens(self) -> bool:
        return self.rng.random() < self.trouble

    def head(self, t_ms: int) -> dict[str, Any]:
        self.other += 1
        return {"t": t_ms - self.off_ms, "boot": self.boot, "seq": self.other}

    def vitals(self, t_ms: int) -> bytes:
        return encode_json(Vitals(**self.head(t_ms), hr=float(self.rng.randrange(50, 120))))

    def status(self, t_ms: int) -> bytes:
        more = {"placement": self.rng.choice(["waist", "wrist"])} if self.happens() else {}
        return encode_json(Status(**self.head(t_ms), online=self.rng.random() < 0.8, heartbeat_s=30.0, **more))

    def odd(self, t_ms: int) -> tuple[str, bytes, Flag]:
        """Something that a wearable rarely sends."""
        t = t_ms - self.off_ms
        what = self.rng.randrange(6)
        if what == 0:
            return "event", encode_json(Event(**self.head(t_ms), type="sos")), Flag.NONE
        if what == 1:
            return "home", encode_json(Home(**self.head(t_ms), kind="presence", value=True)), Flag.NONE
        if what == 2:
            return "motion", b"\x86\xa1t\xcf" + self.rng.randbytes(60), Flag.NONE
        acc = self.counts(50)
        self.seq += 1
        head = {"t": t + 7, "boot": self.boot, "seq": self.seq - 1, "fs": 50.0, "lsb": LSB_G, "acc": acc}
        if what == 3:
            return "motion", encode_motion(**head, idle_until=t + 60_000), Flag.NONE
        if what == 4:
            return "motion", encode_motion(**head, hist=True), Flag.NONE
        return "motion", encode_motion(**head), Flag.RETAIN

    def counts(self, n: int) -> np.ndarray:
        acc = self.samples.normal((30, 990, 100), 25, (n, 3))
        if self.rng.random() < 0.1:
            acc[self.rng.randrange(n)] *= self.rng.uniform(2, 5)
        if self.rng.random() < 0.02:
            acc[0] = -32768
        return acc.astype(np.int16)

    def motion(self, t_ms: int) -> bytes:
        t = t_ms - self.off_ms
        if self.form == "fixed":
            return motion_payload(t, self.boot, self.seq, motion_body(self.counts(50), None), gyro=False)
        if self.form == "gyro":
            body = motion_body(self.counts(50), self.counts(50))
            return motion_payload(t, self.boot, self.seq, body, gyro=True)
        if self.form == "listed":
            acc = (self.counts(25) * LSB_G).tolist()
            return msgspec.json.encode({"t": t, "boot": self.boot, "seq": self.seq, "fs": 25.0, "acc": acc})
        n, fs, lsb = {"packed": (50, 50.0, LSB_G), "slow": (25, 25.0, LSB_G), "coarse": (50, 50.0, 0.004)}[self.form]
        acc = self.counts(n) if self.form != "coarse" else self.counts(n) // 4
        return encode_motion(t=t, boot=self.boot, seq=self.seq, fs=fs, lsb=lsb, acc=acc)


def journal(seed: int, trouble: float, devices: int = DEVICES, seconds: int = SECONDS) -> list[RawMessage]:
    """What a gateway has received of some devices, in the order of arrival."""
    rng = random.Random(seed)
    wearers = [Wearer(index, rng, trouble) for index in range(devices)]
    commit_ms = rng.choice([20, 50, 200])
    arrived: list[tuple[int, int, RawMessage]] = []
    for wearer in wearers:  # rows in the bank of late motion are given in the order of arrival
        late = encode_motion(t=NOW - 90_000, boot=1, seq=0, fs=50.0, lsb=LSB_G, acc=wearer.counts(50), hist=True)
        arrived.append((NOW, len(arrived), RawMessage(NOW, Flag.NONE, f"care/v1/{wearer.name}/motion".encode(), late)))
    for second in range(seconds):
        for wearer in wearers:
            t_ms = NOW + second * 1000 + 13 * wearer.samples.integers(0, 3)
            for delay_ms, stream, payload, flags in wearer.second(int(t_ms)):
                recv_ms = (int(t_ms) + 1000 + delay_ms) // commit_ms * commit_ms + commit_ms
                topic = f"care/v1/{wearer.name}/{stream}".encode()
                arrived.append((recv_ms, len(arrived), RawMessage(recv_ms, flags, topic, payload)))
        if rng.random() < trouble:
            at_ms = NOW + second * 1000 + 1000
            own = RawMessage(at_ms, Flag.NONE, CONNECTED, msgspec.json.encode({"down_since_ms": at_ms - 5_000}))
            arrived.append((at_ms, len(arrived), own))
            arrived.append((at_ms + 500, len(arrived), RawMessage(at_ms + 500, Flag.NONE, LISTENING, b"")))
            arrived.append((at_ms, len(arrived), RawMessage(at_ms, Flag.NONE, b"care/v1/nobody/motion", b"\x80")))
            nearly = f"care/v1/{wearers[1].name}/motion\0".encode()  # of no device, with what would be its next frame
            frame = wearers[1].motion(NOW + second * 1000 + 1000)
            arrived.append((at_ms + 999, len(arrived), RawMessage(at_ms + 999, Flag.NONE, nearly, frame)))
    messages = [message for _, _, message in sorted(arrived, key=lambda one: one[:2])]
    if rng.random() < trouble * 5:  # our clock is set back for a while
        middle = len(messages) // 2
        messages[middle:] = [message._replace(recv_ms=message.recv_ms - 5_000) for message in messages[middle:]]
    return messages


class Counted(Pipeline):
    """A pipeline that knows all devices but one, and counts the frames that it takes by column.

    What is learnt of homes is not in its state, so nothing is.
    """

    def __init__(self, by_column: int, devices: int, *, links: bool) -> None:
        super().__init__(FallBank(), FallBank(), lanes=lanes_of(devices=links, routine=False))
        self.by_column = by_column
        names = [Wearer(index, random.Random(0), 0.0).name for index in range(devices)]
        self.update_owners(
            {name: Owner(f"p-{name}", "city.street", "waist" if k % 2 else None) for k, name in enumerate(names[1:])}
        )

    def take_run(self, run: Run, heard: Heard) -> None:
        """See Pipeline."""
        self.by_column += len(run.row)
        super().take_run(run, heard)

    def take_buffered(self, run: Run, heard: Heard, *, historical: bool) -> None:
        """See Pipeline."""
        self.by_column += len(run.row)
        super().take_buffered(run, heard, historical=historical)


def pieces(messages: list[RawMessage], seed: int) -> list[list[RawMessage]]:
    """As a processor reads them: whole commits, one or many at a time."""
    rng = random.Random(seed)
    out: list[list[RawMessage]] = [[]]
    for message in messages:
        if out[-1] and message.recv_ms != out[-1][-1].recv_ms and rng.random() < 0.3:
            out.append([])
        out[-1].append(message)
    return out


def results(out: Output) -> dict[str, Any]:
    """What a store, a responder and the quarantine see, in an order that does not matter."""
    points: dict[Any, Any] = {}
    for batch in out.points:
        for row in range(len(batch)):
            tags = tuple(column[row] for column in batch.tags.values())
            key = (batch.measurement, tags, int(batch.t_ns[row]))
            values = {name: column[row] for name, column in batch.fields.items() if column[row] is not None}
            points.setdefault(key, {}).update({k: v for k, v in values.items() if v == v})
    detections = {(one.id, one.stage): one for one in out.detections}
    refused = Counter((one.reason, one.device, one.message) for one in out.refused)
    return {"points": points, "detections": detections, "refused": refused}


def gathered(total: Output, more: Output) -> None:
    total.points += more.points
    total.detections += more.detections
    total.refused += more.refused


def assert_same(one: Any, other: Any, at: str = "state") -> None:
    """Deep equality of checkpoints; what a matrix product has a share in may differ in the last bits."""
    assert type(one) is type(other), at
    if at.endswith("vitals.moved"):  # of points, which have no order
        by_person = [
            dict(zip(people, zip(array("q", at_ms), array("d", enmo_g), strict=True), strict=True))
            for people, at_ms, enmo_g in (one, other)
        ]
        assert_same(*by_person, f"{at} by person")
    elif at.endswith("links.held.wears"):
        one, other = (sorted(zip(*[iter(it)] * 3, strict=True)) for it in (one, other))
        assert one == other, at
    elif isinstance(one, np.ndarray):
        if one.dtype.kind == "f":
            np.testing.assert_allclose(one, other, rtol=1e-6, err_msg=at)
        else:
            np.testing.assert_array_equal(one, other, err_msg=at)
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), at
        for key in one:
            assert_same(one[key], other[key], f"{at}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), at
        for k, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{at}[{k}]")
    elif isinstance(one, Wears):
        rows = [sorted(zip(it.row, it.at_ms, it.worn, strict=True)) for it in (one, other)]
        assert rows[0] == rows[1], at
    elif is_dataclass(one):
        for part in fields(one):
            assert_same(getattr(one, part.name), getattr(other, part.name), f"{at}.{part.name}")
    elif hasattr(one, "__slots__") and not isinstance(one, float | int | str | bytes):
        for name in one.__slots__:
            if hasattr(one, name):
                assert_same(getattr(one, name), getattr(other, name), f"{at}.{name}")
    elif hasattr(one, "__dict__") and not isinstance(one, type):
        assert_same(vars(one), vars(other), at)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-6, nan_ok=True), at
    else:
        assert one == other, at


def compare(seed: int, trouble: float, *, links: bool = True, devices: int = DEVICES, seconds: int = SECONDS) -> int:
    """Both ways on a journal that is drawn; how many frames were taken by column."""
    return both_ways(journal(seed, trouble, devices, seconds), seed, devices, links=links)


def both_ways(messages: list[RawMessage], seed: int, devices: int, *, links: bool = True) -> int:
    """Both ways on the same journal, one of them with a restart in the middle; how many frames were taken by column."""
    single, blocks = Counted(0, devices, links=links), Counted(0, devices, links=links)
    totals = Output(), Output()
    cut = random.Random(seed)
    read = pieces(messages, seed)
    for k, piece in enumerate(read):
        single.feed(piece)
        before = blocks.counts["messages"]
        blocks.feed_records(blocks_of(piece, cut))
        assert blocks.counts["messages"] - before == len(piece)
        gathered(totals[0], single.advance())
        gathered(totals[1], blocks.advance())
        if k == len(read) // 2:
            state = pickle.loads(pickle.dumps(blocks.state()))
            blocks = Counted(blocks.by_column, devices, links=links)
            blocks.restore(state)
    for pipeline, total in zip((single, blocks), totals, strict=True):
        gathered(total, pipeline.advance(messages[-1].recv_ms + 30_000))
    expected, found = results(totals[0]), results(totals[1])
    assert found["refused"] == expected["refused"]
    assert found["points"].keys() == expected["points"].keys()
    assert_same(found["points"], expected["points"], "points")
    assert found["detections"].keys() == expected["detections"].keys()
    for key, one in expected["detections"].items():
        assert_same(found["detections"][key], one, f"detection {key}")
    states = []
    for pipeline in (blocks, single):
        pipeline.settle()
        states.append(pipeline.state())
        for by_column in ("express", "backlog"):  # which frames come next in a row, not what is known
            del states[-1][by_column]
        if links:
            bank = states[-1]["lanes"]["links"]["bank"]
            held = Held()
            held.restore(bank["held"])
            bank["held"] = held.take() if held else None
    assert_same(*states)
    return blocks.by_column


@pytest.mark.parametrize("seed", range(4))
def test_blocks_of_devices_in_trouble_come_to_the_same_as_their_messages(seed: int) -> None:
    """Gaps, repetitions, reordering, restarts, wrong clocks, conflicts, history, torn and strange payloads."""
    assert compare(seed, 0.05) > 0


def test_blocks_of_a_quiet_fleet_are_taken_by_column() -> None:
    """Nearly every frame of a device that the registry knows and that packs its samples."""
    assert compare(11, 0.002) > 0.4 * DEVICES * SECONDS


def test_without_the_bank_of_links_a_wrong_clock_is_still_reported() -> None:
    """Then the lane of events says so."""
    assert compare(5, 0.03, links=False) > 0


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**20), trouble=st.sampled_from([0.01, 0.1, 0.3]))
def test_no_mixture_of_messages_makes_a_difference(seed: int, trouble: float) -> None:
    """Small fleets, drawn anew each time; and no frame is taken by column twice."""
    frames = {(one.topic, one.payload) for one in journal(seed, trouble, 5, 8) if one.topic.endswith(b"/motion")}
    assert compare(seed, trouble, devices=5, seconds=8) <= len(frames)
