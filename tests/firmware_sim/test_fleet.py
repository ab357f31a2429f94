"""Fleets against a real broker."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from firmware_sim.clock import Clock
from firmware_sim.errors import BrokerRefusedError, SimulationError
from firmware_sim.fleet import Fleet
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.progress import Progress
from firmware_sim.scenario import Scenario, parse_scenario
from firmware_sim.truth import Truth
from telemetry.codec import decode, decode_event, decode_motion, decode_status, encode_json
from telemetry.messages import Command
from telemetry.topics import Stream, parse_topic
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice

Key = tuple[str, str, int, int]


def scenario(text: str) -> Scenario:
    """A scenario of a few lines."""
    return parse_scenario(f"{{name: test, {text}}}", "test")


def address(broker: Mosquitto, **login: str) -> BrokerAddress:
    """Where the test's broker listens."""
    return BrokerAddress("127.0.0.1", broker.port, **login)


def fleet(what: str, broker: Mosquitto, **options: object) -> Fleet:
    """A fleet on synthetic motion."""
    return Fleet(scenario(what), address(broker), source="synthetic", **options)


@contextmanager
def collector(broker: Mosquitto, listen: str = "care/v1/#", name: str = "collector") -> Iterator[MqttDevice]:
    """Somebody who receives everything, over restarts of the broker too."""
    device = MqttDevice(broker.port, name, listen=listen, clean_session=False)
    try:
        yield device
    finally:
        device.client.disconnect()
        device.client.loop_stop()


def keys(messages: list[tuple[str, bytes, bool]], stream: Stream | None = None) -> list[Key]:
    """(device, stream, boot, seq) of what came, wills and commands apart."""
    found = []
    for topic, payload, _ in messages:
        if topic.endswith("/cmd"):
            continue
        device, which = parse_topic(topic.encode())
        message = decode(which, payload)
        if stream in (None, which):
            found.append((device, which.value, message.boot, message.seq))
    return found


def taken(truth: Truth, stream: str) -> list[Key]:
    """What the broker took of one stream."""
    return [key for key in list(truth.keys()) if key[1] == stream]


def settle(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def test_everything_that_counts_as_published_arrived_and_nothing_else(mosquitto: Mosquitto) -> None:
    """Motion, vitals, births and farewells of every device, once each, by key; the falls are told."""
    with collector(mosquitto) as got:
        what = "wearers: {count: 12}, vitals: {every_s: 5}, falls: {count: 3, between_s: [6, 14]}"
        run = fleet(what, mosquitto, clock=Clock(speed=12))
        truth = asyncio.run(run.run(20, drain_s=3))
        settle(lambda: len(got.received) >= truth.messages_published)
    arrived = Counter(keys(got.received))
    assert set(arrived) == set(truth.keys())
    assert set(arrived.values()) == {1}
    assert sum(key[1] == "motion" for key in arrived) == 12 * 19  # each starts within the first second
    assert not any(message.hist for message in (decode_motion(p) for t, p, _ in got.received if t.endswith("motion")))
    assert len(truth.falls) == 3
    assert truth.source == "synthetic"
    by_key = {key: payload for key, (_, payload, _) in zip(keys(got.received), got.received, strict=True)}
    for fall in truth.falls:  # the frame that holds the impact holds its largest sample
        frames = [decode_motion(p) for key, p in by_key.items() if key[:2] == (fall.device, "motion")]
        frame = next(f for f in frames if f.t <= fall.impact_ms < f.t + 1000)
        peak = (frame.acc_g() ** 2).sum(1).argmax()
        assert abs(int(peak) * 20 - (fall.impact_ms - frame.t)) <= 20


def test_birth_is_retained_and_death_follows_a_lost_link(mosquitto: Mosquitto) -> None:
    """A live subscriber sees the birth without the retain flag, a later one with it; a broken link brings the will."""

    async def run() -> Truth:
        running = fleet("wearers: {count: 2}", mosquitto)
        task = asyncio.create_task(running.run(60))
        await asyncio.sleep(0.8)
        with collector(mosquitto, "care/v1/+/status", "later") as later:
            await asyncio.to_thread(settle, lambda: len(later.received) >= 2)
            assert {(retain, decode_status(payload).online) for _, payload, retain in later.received} == {(True, True)}
        running.drop_links()
        await asyncio.sleep(1.2)
        running.stop()
        return await task

    with collector(mosquitto, "care/v1/+/status") as got:
        truth = asyncio.run(run())
        settle(lambda: len(got.received) >= 8)
    assert not any(retain for _, _, retain in got.received)
    for device in ("waist-00002", "wrist-00001"):
        states = [decode_status(payload) for topic, payload, _ in got.received if device in topic]
        assert [state.online for state in states] == [True, False, True, False]  # birth, will, birth, farewell
        assert len({state.boot for state in states}) == 1
        assert len({state.seq for state in states}) == 4
    assert [fault.kind for fault in truth.faults] == ["links_dropped"]


def test_a_call_is_repeated_until_acknowledged_and_then_silent(mosquitto: Mosquitto) -> None:
    """The button insists over a reconnect too; after the ack from end to end, nothing more."""

    async def run() -> Truth:
        what = "wearers: {count: 0}, buttons: 1, sos: [{at_s: 2, who: 1}]"
        running = fleet(what, mosquitto, clock=Clock(speed=12))
        task = asyncio.create_task(running.run(300))
        calls = lambda: [p for t, p, _ in got.received if t.endswith("/event")]  # noqa: E731
        await asyncio.to_thread(settle, lambda: len(calls()) >= 2, 8.0)
        running.drop_links()
        await asyncio.to_thread(settle, lambda: len(calls()) >= 3, 8.0)
        event = decode_event(calls()[0])
        assert set(calls()) == {calls()[0]}
        ack = Command(id="a-1", type="ack", expires_ms=event.t + 60_000, boot=event.boot, seq=event.seq)
        got.publish("care/v1/button-00001/cmd", encode_json(ack))
        await asyncio.sleep(0.3)
        before = len(calls())
        await asyncio.sleep(2.0)  # 24 s of its time
        assert len(calls()) == before
        running.stop()
        return await task

    with collector(mosquitto) as got:
        truth = asyncio.run(run())
    press = truth.sos[0]
    assert press.acked_ms is not None
    assert press.repeats >= 1
    assert 2.0 < (press.acked_ms - press.pressed_ms) / 1000 < 60
    assert sum(part.seq == [(0, 0)] for part in truth.published if part.stream == "event") == 1


def test_a_call_while_the_link_is_down_arrives_when_it_is_up_again(start_mosquitto: Callable[..., Mosquitto]) -> None:
    """And it is not marked as history: somebody still waits for help."""
    broker = start_mosquitto()

    async def run() -> Truth:
        running = fleet("wearers: {count: 0}, buttons: 1, sos: [{at_s: 1.0, who: 1}]", broker)
        task = asyncio.create_task(running.run(3, drain_s=0))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(broker.stop)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(broker.start)
        return await task

    with collector(broker, "care/v1/+/event") as got:
        asyncio.run(run())
        settle(lambda: len(got.received) >= 1)
    event = decode_event(got.received[0][1])
    assert (event.type, event.hist) == ("sos", False)


@pytest.mark.parametrize("kind", ["each", "shared, links: 2"])
def test_what_was_measured_while_the_broker_was_away_comes_later(
    start_mosquitto: Callable[..., Mosquitto], kind: str
) -> None:
    """A restart of the broker: every message once by key, in order, those of the gap marked hist."""
    broker = start_mosquitto()

    async def run() -> Truth:
        what = f"wearers: {{count: 20}}, vitals: {{every_s: 4}}, connection: {{kind: {kind}}}"
        running = fleet(what, broker, clock=Clock(speed=9))
        task = asyncio.create_task(running.run(36, drain_s=8))
        await asyncio.sleep(0.8)
        await asyncio.to_thread(broker.stop)
        await asyncio.sleep(1.0)  # 9 s of motion
        await asyncio.to_thread(broker.start)
        return await task

    with collector(broker) as got:
        truth = asyncio.run(run())
        published = set(truth.keys())
        settle(lambda: set(keys(got.received)) >= published)
    motion = [key for key in published if key[1] == "motion"]
    assert len(motion) == 20 * 35
    assert len([key for key in published if key[1] == "vitals"]) >= 20 * 8
    history = 0
    for device in {key[0] for key in motion}:
        frames = [decode_motion(p) for t, p, _ in got.received if t == f"care/v1/{device}/motion"]
        first_seen = list(dict.fromkeys(frame.seq for frame in frames))
        assert first_seen == list(range(35)), device
        stored = [frame.seq for frame in frames if frame.hist]
        assert len(set(stored)) >= 5
        assert sorted(set(stored)) == list(range(min(stored), max(stored) + 1))
        assert not any(frame.hist for frame in frames if frame.seq < 5 or frame.seq > 33)
        history += len(set(stored))
    assert history > 100


def test_a_full_buffer_drops_the_oldest_and_says_so(start_mosquitto: Callable[..., Mosquitto]) -> None:
    """A device's memory is bounded; the truth names what it lost."""
    broker = start_mosquitto()

    async def run() -> Truth:
        running = fleet("wearers: {count: 1}, buffer_s: 10, vitals: {every_s: 0}", broker, clock=Clock(speed=30))
        task = asyncio.create_task(running.run(60, drain_s=8))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(broker.stop)
        await asyncio.sleep(0.8)  # 24 s of motion
        await asyncio.to_thread(broker.start)
        return await task

    truth = asyncio.run(run())
    part = next(part for part in truth.published if part.stream == "motion")
    dropped = {seq for first, last in part.dropped for seq in range(first, last + 1)}
    sent = {key[3] for key in taken(truth, "motion")}
    assert 10 <= len(dropped) <= 45
    assert dropped | sent == set(range(59))
    assert not dropped & sent
    assert len(part.dropped) == 1  # the oldest of the gap, in one piece


def test_the_same_seed_sends_the_same_messages(mosquitto: Mosquitto) -> None:
    """Two runs with the same start: motion, vitals and calls bit for bit the same."""
    sent = []
    what = "wearers: {count: 5}, buttons: 1, vitals: {every_s: 3}, falls: {count: 1, between_s: [5, 6]}"
    start_ms = 1_790_000_000_000
    for _ in range(2):
        with collector(mosquitto) as got:
            run = fleet(
                what + ", sos: [{at_s: 2, who: 1}]",
                mosquitto,
                start_ms=start_ms,
                clock=Clock(speed=16, start_ms=start_ms),
            )
            truth = asyncio.run(run.run(10, drain_s=0.2))
            settle(lambda got=got, truth=truth: len(got.received) >= truth.messages_published)
        sent.append((truth.falls, {(t, p) for t, p, _ in got.received if not t.endswith("status")}))
    assert sent[0] == sent[1]
    streams = Counter(topic.rsplit("/", 1)[1] for topic, _ in sent[0][1])
    assert (streams["motion"], streams["event"]) == (5 * 9, 1)
    assert streams["vitals"] >= 5 * 3


def test_devices_log_in_under_their_own_names(start_mosquitto: Callable[..., Mosquitto]) -> None:
    """With `{device}` in the URL, and with a file of passwords; who is refused is told why."""
    devices = ("wrist-00001", "waist-00002")
    acl = "pattern write care/v1/%u/motion\npattern write care/v1/%u/status\npattern read care/v1/%u/cmd\n"
    broker = start_mosquitto(passwords={d: f"pw-{d}" for d in devices}, acl=acl)
    what = scenario("wearers: {count: 2}, vitals: {every_s: 0}")
    for login in ({"username": "{device}", "password": "pw-{device}"}, {"passwords": {d: f"pw-{d}" for d in devices}}):
        where = BrokerAddress("127.0.0.1", broker.port, **login)
        truth = asyncio.run(Fleet(what, where, source="synthetic", clock=Clock(speed=4)).run(4, drain_s=1))
        assert len(taken(truth, "motion")) == 6
    wrong = BrokerAddress("127.0.0.1", broker.port, username="{device}", password="wrong")
    with pytest.raises(BrokerRefusedError, match=r"not authorised|password is wrong"):
        asyncio.run(Fleet(what, wrong, source="synthetic").run(5))


def test_a_url_that_is_none_is_refused() -> None:
    """The message says what is expected and does not repeat a password."""
    found = BrokerAddress.from_url("mqtts://us%40er:p%2Fw@broker.example:8884")
    assert (found.tls, found.port, found.username, found.password) == (True, 8884, "us@er", "p/w")
    for url in ("http://x", "mqtt://", "broker:1883", "mqtt://u:secret@host:port"):
        with pytest.raises(SimulationError) as caught:
            BrokerAddress.from_url(url)
        assert "secret" not in str(caught.value)


def test_a_fleet_speaks_tls(
    start_mosquitto: Callable[..., Mosquitto], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Against a broker with its own authority."""
    from tests.servers.mosquitto import make_tls

    tls = make_tls(tmp_path_factory.mktemp("tls"))
    broker = start_mosquitto(tls=tls)
    where = BrokerAddress.from_url(broker.url, ca=tls.ca)
    what = scenario("wearers: {count: 3}, vitals: {every_s: 0}")
    truth = asyncio.run(Fleet(what, where, source="synthetic", clock=Clock(speed=4)).run(4, drain_s=2))
    assert len(taken(truth, "motion")) == 9


def test_six_hundred_devices_keep_the_pace_of_real_time(mosquitto: Mosquitto) -> None:
    """One connection each: every frame is taken within moments of its second, with little CPU."""
    reports: list[Progress] = []
    what = "wearers: {count: 600}, vitals: {every_s: 30}"
    running = fleet(what, mosquitto, on_progress=reports.append)
    busy_s = time.process_time()
    truth = asyncio.run(running.run(3, drain_s=5))
    busy_s = time.process_time() - busy_s
    assert len(taken(truth, "motion")) == 600 * 2
    assert max(report.connected for report in reports) == 600
    assert reports[-1].backlog == 0
    assert busy_s < 4  # about 1 s; making the people is most of it


def test_a_bad_command_is_a_fault_in_the_truth_and_harms_nobody(mosquitto: Mosquitto) -> None:
    """What the broker hands down may be anything."""

    def disturb() -> None:
        device = MqttDevice(mosquitto.port, "nuisance")
        for payload in (b"", b"\xff\xfe", b"[]", json.dumps({"id": "x"}).encode()):
            device.publish("care/v1/wrist-00001/cmd", payload)
        time.sleep(0.5)
        device.client.disconnect()
        device.client.loop_stop()

    threading.Timer(0.3, disturb).start()
    what = "wearers: {count: 1, waist: 0}, vitals: {every_s: 0}"
    truth = asyncio.run(fleet(what, mosquitto, clock=Clock(speed=6)).run(8, drain_s=1))
    assert [fault.kind for fault in truth.faults] == ["bad_command"] * 4
    assert len(taken(truth, "motion")) == 7
