"""Faults that need a connection: what a broker sees of them."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Callable

import pytest

from firmware_sim.clock import Clock
from firmware_sim.faults.disturbance import by_command
from firmware_sim.fleet import Fleet
from firmware_sim.scenario import parse_scenario
from firmware_sim.truth import Truth
from telemetry.codec import decode, decode_motion, decode_status
from telemetry.errors import TelemetryError
from telemetry.topics import Stream
from tests.firmware_sim.test_fleet import address, collector, keys, settle
from tests.servers.mosquitto import Mosquitto

Received = list[tuple[str, bytes, bool]]


def play(broker: Mosquitto, text: str, seconds: float, speed: float, **options: object) -> tuple[Truth, Received]:
    """A run against a broker, and all that a live subscriber got."""
    what = parse_scenario(f"{{name: t, {text}}}", "t")
    with collector(broker) as got:
        fleet = Fleet(what, address(broker), source="synthetic", clock=Clock(speed=speed), **options)
        truth = asyncio.run(fleet.run(seconds, drain_s=0.5))
        settle(lambda: {*truth.keys()} <= set(good_keys(got.received)))
        return truth, list(got.received)


def good_keys(received: Received) -> list[tuple[str, str, int, int]]:
    """Keys of the messages that can be read."""
    good = []
    for topic, payload, retain in list(received):
        try:
            good += keys([(topic, payload, retain)])
        except TelemetryError:
            continue
    return good


def frames(received: Received, device: str) -> list[tuple[int, int, bool]]:
    """(boot, seq, hist) of one device's motion, as it came."""
    motion = [decode_motion(payload) for topic, payload, _ in received if topic == f"care/v1/{device}/motion"]
    return [(frame.boot, frame.seq, frame.hist) for frame in motion]


@pytest.mark.parametrize("kind", ["each", "shared, links: 1"])
def test_lost_links_restarts_and_the_dead_as_a_broker_sees_them(mosquitto: Mosquitto, kind: str) -> None:
    """Nothing comes twice by key, nothing is lost but what the faults lose; a device on its own leaves its will."""
    text = (
        f"seed: 2, connection: {{kind: {kind}}}, "
        "wearers: {count: 3, waist: 0}, vitals: {every_s: 0}, heartbeat_s: 4, "
        "faults: [{kind: link_loss, count: 1, between_s: [8, 8], outage_s: 8}, "
        "{kind: restart, count: 1, between_s: [9, 9], down_s: 4}, "
        "{kind: low_battery, count: 1, between_s: [0, 10], from_pct: 9}]"
    )
    truth, received = play(mosquitto, text, 27, 24.0)
    struck = {fault.kind: fault.device for fault in truth.faults}
    lost, restarted, dead = (struck[one] for one in ("link_loss", "restart", "battery_empty"))
    assert len({lost, restarted, dead}) == 3, "else this shows less than it says"

    seen = list(dict.fromkeys(frames(received, lost)))
    assert [seq for _, seq, _ in seen] == list(range(26))
    assert {seq for _, seq, hist in seen if hist} >= {8, 9, 10, 11, 12, 13, 14}
    assert len(seen) - sum(hist for *_, hist in seen) >= 12

    # what was on its way when the power went is lost, and a machine under load has more of it
    boots = list(dict.fromkeys(boot for boot, *_ in frames(received, restarted)))
    assert {part.boot for part in truth.published if part.device == restarted} >= set(boots)
    seqs = sorted({seq for boot, seq, _ in frames(received, restarted) if boot == boots[-1]})
    assert len(seqs) >= 12
    assert seqs == list(range(len(seqs)))
    assert len(frames(received, dead)) <= 10
    states = {
        device: [decode_status(p).online for t, p, _ in received if t == f"care/v1/{device}/status"]
        for device in (lost, restarted, dead)
    }
    assert states[dead][-1] is (kind != "each"), "the dead leave a will and say no farewell; a hub speaks on"
    if kind == "each":
        assert states[lost].count(False) == states[restarted].count(False) == 2


def test_a_retained_call_is_taken_back_and_a_broker_without_an_acl_is_called_one(mosquitto: Mosquitto) -> None:
    """Whoever subscribes after the run finds no call there."""
    text = (
        "wearers: {count: 0}, buttons: 3, sos: [{at_s: 3, who: 2}], faults: [{kind: retained_sos}, "
        "{kind: stolen_credential, count: 1, between_s: [5, 6]}, {kind: mass_reconnect, at_s: 7}]"
    )
    truth, received = play(mosquitto, text, 10, 20.0)
    calls = [(topic.split("/")[2], payload) for topic, payload, _ in received if topic.endswith("/event")]
    empty = [device for device, payload in calls if not payload]
    assert empty == ["button-00002"]
    forged = [device for device, payload in calls if payload and str(truth.sos[0].boot).encode() not in payload]
    (fault,) = [fault for fault in truth.faults if fault.kind == "stolen_credential"]
    assert "it has no ACL" in fault.detail
    assert [f"in the name of {device}" in fault.detail for device in forged] == [True]
    assert [(one.kind, one.device) for one in truth.happenings] == [("sos", forged[0])]
    assert [(one.reason, one.sha256) for one in truth.spoiled] == [("undecodable", hashlib.sha256(b"").hexdigest())]
    with collector(mosquitto, "care/v1/+/event", "later") as later:
        with collector(mosquitto, "care/v1/+/status", "other") as other:
            settle(lambda: len(other.received) >= 3)
        assert later.received == []


def test_every_message_that_the_truth_calls_spoiled_went_out_as_it_says(mosquitto: Mosquitto) -> None:
    """Byte for byte, over a link that is lost too; what is not in the list can be read."""
    text = (
        "wearers: {count: 3}, vitals: {every_s: 1}, heartbeat_s: 2, faults: [{kind: bad_messages, of_messages: 0.3}, "
        "{kind: link_loss, between_s: [5, 6], outage_s: 5}]"
    )
    truth, received = play(mosquitto, text, 16, 14.0)
    refused = set()
    for topic, payload, _ in received:
        try:
            decode(Stream(topic.rsplit("/", 1)[1]), payload)
        except TelemetryError as error:
            refused.add((topic.split("/")[2], error.reason.value, hashlib.sha256(payload).hexdigest()))
    assert refused == {(one.device, one.reason, one.sha256) for one in truth.spoiled}
    assert len(refused) > 10
    published = set(truth.keys())
    assert published.isdisjoint((one.device, one.stream, one.boot, one.seq) for one in truth.spoiled)


def test_the_broker_is_restarted_by_the_hook_and_without_one_the_truth_says_so(
    start_mosquitto: Callable[..., Mosquitto],
) -> None:
    """A hook that fails does not end the run either."""
    broker = start_mosquitto()

    async def restart() -> None:
        await asyncio.to_thread(broker.restart)

    fail = by_command(f"{sys.executable} -c 'raise SystemExit(3)'")
    text = "wearers: {count: 2}, vitals: {every_s: 0}, faults: [{kind: broker_restart, at_s: 1}]"
    for hook, said in ((restart, "back after"), (fail, "ended with 3"), (None, "left out")):
        truth, _ = play(broker, text, 4, 12.0, on_broker_restart=hook)
        assert [(fault.kind, said in fault.detail) for fault in truth.faults] == [("broker_restart", True)]
        assert sum(key[1] == "motion" for key in list(truth.keys())) == 2 * 3
