"""What devices say and when, without any broker."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.device import Device, Identity, Setup, SosButton
from firmware_sim.population import build_devices
from firmware_sim.scenario import parse_scenario
from firmware_sim.session import Message
from firmware_sim.synthetic import Synthetic
from firmware_sim.vitals import VitalSigns
from telemetry.codec import decode_event, decode_motion, decode_status, decode_vitals
from telemetry.messages import Command
from telemetry.topics import Stream

T = 1_790_000_000_000


def button(*presses_ms: int) -> SosButton:
    """A button that is pressed at these instants."""
    rng = np.random.default_rng(1)
    identity = Identity("button-1", "p-1", "neck", 4711)
    return SosButton(identity, Setup(heartbeat_s=10_000), rng, presses_ms=presses_ms, start_ms=T)


def wearers(text: str, seed: int = 1, start_ms: int = T) -> list[Device]:
    """The devices of a scenario, on synthetic motion."""
    return build_devices(parse_scenario(text, "test"), Synthetic(seed), seed, start_ms)


def spoken(device: Device, until_ms: int, take: bool = True) -> list[tuple[int, Message]]:
    """(instant, message) of everything up to ``until_ms``, each taken by the broker at once."""
    said = []
    while device.due_ms is not None and device.due_ms <= until_ms:
        now_ms = device.due_ms
        for message in device.wake(now_ms):
            said.append((now_ms, message))
            message.waits = not take
    return said


def ack(message: Message, boot: int) -> Command:
    """The end-to-end acknowledgement of an event."""
    return Command(id="a", type="ack", expires_ms=T + 10**9, boot=boot, seq=message.seq)


def test_a_press_is_repeated_with_growing_waits_until_it_is_acknowledged() -> None:
    """2 s, 4 s, 8 s ... up to a minute; the same message every time; silence after the ack."""
    device = button(T + 1000)
    said = spoken(device, T + 300_000)
    waits = np.diff([at_ms for at_ms, _ in said]) / 1000
    assert waits[0] == 2.0
    for wait, expected in zip(waits[1:], [4, 8, 16, 32, 60, 60], strict=False):
        assert wait == pytest.approx(expected, rel=0.11)
    assert len({message.payload for _, message in said}) == 1
    event = decode_event(said[0][1].payload)
    assert (event.t, event.type, event.seq, event.boot) == (T + 1000, "sos", 0, device.boot)
    device.command(ack(said[0][1], device.boot), T + 300_500)
    assert spoken(device, T + 900_000) == []
    assert device.calls[0].acked_ms == T + 300_500


def test_only_the_ack_of_this_boot_and_seq_silences_a_button() -> None:
    """Somebody else's acknowledgement does not."""
    device = button(T + 1000)
    message = spoken(device, T + 1000)[0][1]
    device.command(ack(message, device.boot ^ 1), T + 1500)
    device.command(Command(id="a", type="ack", expires_ms=T, boot=device.boot, seq=7), T + 1500)
    device.command(Command(id="a", type="locate", expires_ms=T), T + 1500)
    assert len(spoken(device, T + 3000)) == 1
    device.command(ack(message, device.boot), T + 3500)
    assert spoken(device, T + 60_000) == []


def test_two_presses_are_two_calls() -> None:
    """Each has its seq and its acknowledgement."""
    device = button(T + 1000, T + 1500)
    said = spoken(device, T + 1600)
    assert [m.seq for _, m in said] == [0, 1]
    device.command(ack(said[0][1], device.boot), T + 1700)
    assert {m.seq for _, m in spoken(device, T + 30_000)} == {1}


def test_a_call_that_still_waits_for_the_broker_is_not_queued_twice() -> None:
    """While the link is down, repeats would only pile up; when it comes up, the open call is greeted with."""
    device = button(T + 1000)
    assert len(spoken(device, T + 60_000, take=False)) == 1
    device.calls[0].message.waits = False  # lost on the way
    greeting = device.greet(T + 61_000)
    assert [m.stream for m in greeting] == [Stream.STATUS, Stream.EVENT]


def test_birth_and_will_carry_what_the_contract_asks_for() -> None:
    """Retained, with t, boot and a seq of their own each."""
    device = button()
    topic, payload = device.will(T)
    birth = device.greet(T + 5)[0]
    will, status = decode_status(payload), decode_status(birth.payload)
    assert topic == "care/v1/button-1/status"
    assert (will.online, will.boot, status.online, status.boot) == (False, device.boot, True, device.boot)
    assert will.seq != status.seq
    assert birth.retain
    assert status.battery is not None
    assert (status.fw, status.placement, status.heartbeat_s, status.t) == ("sim-1.0", "neck", 10_000, T + 5)


def test_a_wearer_sends_a_frame_a_second_and_vitals_now_and_then() -> None:
    """Frames follow each other without gap or overlap, seq counts up; each stream counts for itself."""
    device = wearers("{name: t, wearers: {count: 1}, vitals: {every_s: 7}, heartbeat_s: 20}")[0]
    said = [message for _, message in spoken(device, T + 60_999)]
    frames = [decode_motion(m.payload) for m in said if m.stream is Stream.MOTION]
    assert len(frames) == 60
    assert {frame.t - frames[0].t - 1000 * i for i, frame in enumerate(frames)} == {0}
    assert [frame.seq for frame in frames] == list(range(60))
    assert all(len(frame.acc) == 50 and frame.gyr is not None for frame in frames)
    readings = [decode_vitals(m.payload) for m in said if m.stream is Stream.VITALS]
    assert 8 <= len(readings) <= 9
    assert [reading.seq for reading in readings] == list(range(len(readings)))
    assert 1 <= sum(m.stream is Stream.STATUS for m in said) <= 4


def test_a_frame_is_sent_when_it_is_over() -> None:
    """The time of the message is that of its first sample, a second before it goes out."""
    device = wearers("{name: t, wearers: {count: 1}}")[0]
    motion = [(at_ms, one.payload) for at_ms, one in spoken(device, T + 5000) if one.stream is Stream.MOTION]
    assert len(motion) >= 4
    assert {at_ms - decode_motion(payload).t for at_ms, payload in motion} == {1000}


def test_a_well_wearer_answers_a_prompt_and_a_fallen_one_does_not() -> None:
    """The answer is a cancel that names the prompt; an expired prompt is not answered."""
    text = "{name: t, wearers: {count: 2, answers_prompts: true}, falls: [{at_s: 10, who: 2}]}"
    prompt = Command(id="c-1", type="prompt", expires_ms=T + 60_000)
    late = Command(id="c-2", type="prompt", expires_ms=T + 1)
    for device, answers in zip(wearers(text), (True, False), strict=True):
        spoken(device, T + 13_000)
        for command in (prompt, late):
            device.command(command, T + 13_500)
        events = [(at, decode_event(m.payload)) for at, m in spoken(device, T + 20_000) if m.stream is Stream.EVENT]
        assert bool(events) is answers
        if events:
            assert (events[0][1].type, events[0][1].re) == ("cancel", "c-1")
            assert 16_500 <= events[0][0] - T <= 19_500


def test_the_same_seed_is_the_same_message_bit_for_bit() -> None:
    """Motion, vitals, boot, everything; another seed is another world."""
    text = "{name: t, wearers: {count: 4}, buttons: 1, falls: {count: 2, between_s: [6, 9]}, sos: [{at_s: 3, who: 1}]}"

    def everything(seed: int) -> list[bytes]:
        return [m.payload for device in wearers(text, seed) for _, m in spoken(device, T + 15_000)]

    assert everything(1) == everything(1)
    assert not set(everything(1)) & set(everything(2))


def test_another_start_is_another_boot() -> None:
    """A scenario played twice against one system must not look like repeats of the first run's messages."""
    text = "{name: t, wearers: {count: 3}, buttons: 2}"
    boots = [{device.boot for device in wearers(text, start_ms=T + later)} for later in (0, 0, 1)]
    assert boots[0] == boots[1]
    assert not boots[0] & boots[2]


def test_a_halted_device_only_calls() -> None:
    """At the end of a run nothing new is measured, but help is still asked for."""
    device = button(T + 1000, T + 9000)
    spoken(device, T + 1000)
    device.halt()
    said = spoken(device, T + 20_000)
    assert {m.seq for _, m in said} == {0}
    assert said


def test_vital_signs_have_the_rhythm_of_the_day_and_stay_plausible() -> None:
    """Cooler and slower at 5 in the morning than at 5 in the afternoon; effort speeds heart and breath up."""
    midnight_ms = 1_790_006_400_000 // 86_400_000 * 86_400_000 - 8 * 3_600_000  # local midnight at UTC+8
    people = [VitalSigns(np.random.default_rng(seed)) for seed in range(30)]
    mean = {
        hour: np.mean([person.read(midnight_ms + hour * 3_600_000)["temp"] for person in people for _ in range(5)])
        for hour in (5, 17)
    }
    assert mean[17] - mean[5] == pytest.approx(0.7, abs=0.1)
    person = people[0]
    rest, busy = (np.mean([person.read(midnight_ms, effort)["hr"] for _ in range(30)]) for effort in (0.0, 1.0))
    assert busy - rest == pytest.approx(30, abs=6)
    assert all(70 <= person.read(midnight_ms)["spo2"] <= 100 for _ in range(500))
