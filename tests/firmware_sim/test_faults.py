"""Each fault alone: what it does to what devices say, and what it writes into the truth."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter

import msgspec
import numpy as np
import pytest

from firmware_sim.errors import ScenarioError
from firmware_sim.faults.afflicted import Do
from firmware_sim.faults.firmware import broken
from firmware_sim.faults.payloads import fields_of
from firmware_sim.faults.settings import BadWay
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.population import build_devices, motion_source
from firmware_sim.scenario import load_scenario, parse_scenario
from firmware_sim.session import Message, Session
from telemetry.codec import decode, decode_motion, decode_status, decode_vitals
from telemetry.errors import TelemetryError
from telemetry.topics import Stream
from tests.firmware_sim.faulty import START_MS, Run, scenario

SECONDS = 40
BUTTONS = "wearers: {count: 0}, buttons: 4, sos: [{at_s: 5, who: 2}]"


@pytest.fixture(scope="module")
def sound() -> Run:
    """The same people without a fault."""
    return Run(scenario(""), SECONDS)


def ids(run: Run, kind: str) -> set[str]:
    """The devices that the truth names for a fault."""
    return {fault.device for fault in run.faults.record.faults if fault.kind == kind}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("{kind: gremlins}", r"'gremlins' - at `\$\.faults\[0\]\.kind`"),
        ("{kind: delay, share: 0.5, count: 2}", r"`count` or `share`, not both - at `\$\.faults\[0\]`"),
        ("{kind: delay, between_s: [9, 3]}", r"start <= end - at `\$\.faults\[0\]`"),
        ("{kind: delay, wrong: 1}", r"unknown field `wrong` - at `\$\.faults\[0\]`"),
        ("{kind: link_loss}", r"needs `between_s`"),
        ("{kind: low_battery}", r"needs `between_s`"),
        ("{kind: bad_messages, ways: []}", r"at least one"),
        ("{kind: mass_reconnect}", r"missing required field `at_s`"),
    ],
)
def test_a_fault_that_cannot_be_is_named_with_its_place(fault: str, said: str) -> None:
    """As any other field of a scenario."""
    with pytest.raises(ScenarioError, match=said):
        scenario(fault)


def test_a_scenario_without_faults_sends_what_it_sent_before(sound: Run) -> None:
    """No device is wrapped, and the messages are those of the devices themselves."""
    assert sound.faults.afflicted == {}
    source = motion_source("synthetic", 1, None)
    plain = [
        message.payload
        for device in build_devices(scenario(""), source, 1, START_MS)
        for message in device.wake(START_MS + SECONDS * 1000)
    ]
    assert sorted(plain) == sorted(one.payload for one in sound.sent)
    assert sound.faults.record.faults_by(2**53) == []


def test_the_same_seed_makes_the_same_messages_with_every_fault_at_once() -> None:
    """However often the fleet looks up; another seed makes others."""
    flaky = load_scenario("flaky")
    first, second, other = (Run(flaky, 20, seed=seed, step_s=step_s) for seed, step_s in ((1, 1), (1, 0.31), (2, 1)))
    said = [sorted((one.device, one.stream, one.payload, one.retain) for one in run.sent) for run in (first, second)]
    assert said[0] == said[1]
    assert first.faults.record.faults_by(2**53) == second.faults.record.faults_by(2**53)
    assert {one.payload for one in first.sent}.isdisjoint(one.payload for one in other.of("motion"))


def test_counts_and_shares_say_how_many_are_struck() -> None:
    """Drawn from those whom the fault can strike; without either, all."""
    rest = "wearers: {count: 10}, buttons: 4"
    for text, many in (("count: 3", 3), ("share: 0.5", 7), ("count: 99", 14), ("share: 0", 0)):
        assert len(Run(scenario(f"{{kind: delay, {text}}}", rest), 1).faults.afflicted) == many
    assert ids(Run(scenario("{kind: stuck_axis}", rest), 1), "stuck_axis") == {
        device.id for device in Run(scenario("", rest), 1).devices if not device.id.startswith("button")
    }


# Links.


def test_what_is_measured_while_the_link_is_lost_comes_afterwards_as_history(sound: Run) -> None:
    """Nothing goes out during the outage; then everything, in order, once, with the mark of the buffer."""
    run = Run(scenario("{kind: link_loss, count: 1, between_s: [10, 20], outage_s: 6}"), SECONDS, step_s=0.1)
    (fault,) = run.faults.record.faults
    begin_s = (fault.at_ms - START_MS) / 1000
    orders = {(device, do): at_s for at_s, device, do in run.orders}
    assert orders[fault.device, Do.CUT] == pytest.approx(begin_s, abs=0.11)
    assert orders[fault.device, Do.MEND] == pytest.approx(begin_s + 6, abs=0.11)
    mine = [one for one in run.sent if one.device == fault.device]
    assert not any(begin_s + 0.1 < one.at_s < begin_s + 6 for one in mine)
    frames = [decode_motion(one.payload) for one in mine if one.stream == "motion"]
    assert [frame.seq for frame in frames] == list(range(len(sound.of("motion", fault.device))))
    kept_s = [(frame.t + 1000 - fault.at_ms) / 1000 for frame in frames if frame.hist]
    assert 6 <= len(kept_s) <= 8
    assert min(kept_s) >= 0
    assert max(kept_s) <= 8
    assert {one.payload for one in run.sent if one.device != fault.device} == {
        one.payload for one in sound.sent if one.device != fault.device
    }


def test_a_long_outage_is_a_silence_that_must_be_found_and_a_short_one_is_not() -> None:
    """The finding is due when a device has been silent for longer than its limit and the wait for its area."""
    for outage_s, due in ((20, []), (100, [None]), (3000, [START_MS + 60_000 + 120_000])):
        run = Run(scenario(f"{{kind: link_loss, count: 1, between_s: [0, 0], outage_s: {outage_s}}}"), 1)
        assert [one.due_ms for one in run.faults.record.happenings_by(2**52) if one.kind == "offline"] == due


def test_many_lost_links_are_a_storm() -> None:
    """Six within an hour, as the detector counts them."""
    run = Run(scenario("{kind: link_loss, count: 1, times: 7, between_s: [0, 700], outage_s: 5}"), 1)
    assert [one.kind for one in run.faults.record.happenings] == ["reconnects"]


def test_all_links_drop_in_the_same_moment() -> None:
    """One line in the truth; frames of the moments after are from the buffer."""
    run = Run(scenario("{kind: mass_reconnect, at_s: 12}"), SECONDS)
    assert [(at_s, do) for at_s, _, do in run.orders] == [(12, Do.DROP)] * 4
    assert [(fault.kind, fault.device) for fault in run.faults.record.faults] == [("mass_reconnect", "")]
    kept = [one.fields["seq"] for one in run.of("motion") if one.fields.get("hist")]
    assert 4 <= len(kept) <= 8


def test_delayed_messages_come_late_and_in_their_order(sound: Run) -> None:
    """All of them, unchanged."""
    run = Run(scenario("{kind: delay, delay_s: [0.5, 3]}"), SECONDS, step_s=0.05)
    late_s = [one.at_s - (one.fields["t"] + 1000 - START_MS) / 1000 for one in run.of("motion")]
    assert min(late_s) >= 0.5
    assert 2 < max(late_s) < 4
    for device in run.devices:
        seqs = [one.fields["seq"] for one in run.of("motion", device.id)]
        assert seqs == list(range(len(seqs)))
    assert {one.payload for one in run.sent} <= {one.payload for one in sound.sent}


def test_duplicates_are_the_same_message_again(sound: Run) -> None:
    """A share of them, later, with the same key and content."""
    run = Run(scenario("{kind: duplicates, of_messages: 0.3, after_s: [0, 2]}"), SECONDS)
    times = Counter(one.payload for one in run.sent)
    assert set(times) == {one.payload for one in sound.sent}
    assert set(times.values()) == {1, 2}
    assert 0.2 < sum(n == 2 for n in times.values()) / len(times) < 0.4


def test_reordered_messages_are_overtaken(sound: Run) -> None:
    """Nothing is lost, nothing comes twice."""
    run = Run(scenario("{kind: reordering, of_messages: 0.2}"), SECONDS, step_s=0.1)
    overtaken = 0
    for device in run.devices:
        seqs = [one.fields["seq"] for one in run.of("motion", device.id)]
        overtaken += sum(b < a for a, b in itertools.pairwise(seqs))
    assert overtaken > 10
    flushed = sum(len(one.flush()) for one in run.faults.afflicted.values())
    assert len(run.sent) + flushed == len(sound.sent)
    assert {one.payload for one in run.sent} <= {one.payload for one in sound.sent}


def test_how_often_a_call_is_repeated_changes_nothing_about_what_is_measured() -> None:
    """It depends on the gateway: chance of its own."""
    faults = "{kind: duplicates, of_messages: 0.5}, {kind: delay, delay_s: [0, 2]}, {kind: reordering}"
    measured = []
    for calls in (False, True):
        run = Run(scenario(faults, "wearers: {count: 1}"), 0)
        (speaker,) = run.faults.afflicted.values()
        if calls:
            device = speaker.device
            device.at(START_MS + 4000, lambda at_ms, device=device: device.call("sos", at_ms))
        said = [speaker.wake(START_MS + at_s * 1000) for at_s in range(40)]
        messages = [[one for one in some if isinstance(one, Message)] for some in said]
        measured.append([[one.payload for one in some if one.stream is not Stream.EVENT] for some in messages])
        assert sum(one.stream is Stream.EVENT for some in messages for one in some) >= 4 * calls
    assert measured[0] == measured[1]


def test_what_a_connection_forgets_it_sends_no_more() -> None:
    """And it goes on with the other devices of the connection."""
    run = Run(scenario(""), 5)
    session = Session(
        "hub", BrokerAddress("127.0.0.1"), greet=list, will=lambda: None, on_message=lambda *_: None, topics=[],
        rng=np.random.default_rng(1),
    )  # fmt: skip
    first, second = (Message(device.outbox, Stream.MOTION, b"t", 0, b"") for device in run.devices[:2])
    for message in (first, second):
        session.send(message)
    assert session.forget(first.outbox) == [first]
    assert session.forget(first.outbox) == []
    assert session.pending == 1
    session.send(first)
    assert session.pending == 2


# Clocks.


@pytest.mark.parametrize(
    ("fault", "low_s", "high_s", "finding"),
    [
        ("{kind: clock_skew, offset_s: [200, 300]}", 200, 300, "clock"),
        ("{kind: clock_skew, offset_s: [-1, 1]}", -1, 1, None),
        ("{kind: time_zone, hours: -5}", -18_000, -18_000, "clock"),
    ],
)
def test_a_wrong_clock_moves_every_time_and_nothing_else(
    sound: Run, fault: str, low_s: float, high_s: float, finding: str | None
) -> None:
    """Of what is measured, of births and of wills; by the same for all messages of a device."""
    run = Run(scenario(fault), SECONDS)
    for device in run.devices:
        pairs = zip(
            [one.fields for one in sound.sent if one.device == device.id],
            [one.fields for one in run.sent if one.device == device.id],
            strict=True,
        )
        offsets = set()
        for right, wrong in pairs:
            offsets.add(wrong.pop("t") - right.pop("t"))
            assert wrong == right
        assert len(offsets) == 1
        offset_ms = offsets.pop()
        assert low_s * 1000 <= offset_ms <= high_s * 1000
        now_ms = START_MS + 1_000_000
        speaker = run.faults.afflicted[device.id]
        payloads = [speaker.greet(now_ms)[0].payload, speaker.will(now_ms)[1], speaker.farewell(now_ms).payload]
        assert [decode_status(payload).t - now_ms for payload in payloads] == [offset_ms] * 3
    assert {one.kind for one in run.faults.record.happenings} == ({finding} if finding else set())


def test_an_announced_rest_ends_by_the_same_wrong_clock() -> None:
    """A frame that promises silence names an instant of the device's clock."""
    rest = "wearers: {count: 1}, models: [{name: m, rests: true}]"
    wrong = Run(scenario("{kind: time_zone, hours: 2}", rest), 1)
    speaker = wrong.faults.afflicted["wrist-00001"]
    payload = msgspec.msgpack.encode({"t": START_MS, "boot": 1, "seq": 1, "idle_until": START_MS + 9})
    message = Message(speaker.device.outbox, Stream.MOTION, b"care/v1/wrist-00001/motion", 1, payload)
    speaker.device.at(START_MS + 2000, lambda _: [message])
    speaker.wake(START_MS + 2000)
    fields = fields_of(message.payload)
    assert (fields["t"], fields["idle_until"]) == (START_MS + 7_200_000, START_MS + 7_200_009)


def test_homes_are_struck_too_and_a_hub_of_another_make_on_its_way_only() -> None:
    """Sensors of homes have clocks that may be wrong; what a Zigbee2MQTT says is left as it is."""
    for output, many in (("home", 1), ("zigbee2mqtt", 0)):
        rest = f"wearers: {{count: 0}}, homes: {{count: 1, output: {output}}}"
        run = Run(scenario("{kind: time_zone}, {kind: restart, between_s: [5, 6]}, {kind: delay}", rest), 30)
        assert (len(ids(run, "time_zone")) > 0) == (len(ids(run, "restart")) > 0) == bool(many)
        assert ids(run, "delay") == {device.id for device in run.devices}


def test_a_call_that_is_repeated_says_the_same_time_each_time() -> None:
    """By the wrong clock, once: the system tells repetitions by boot and seq, and people by the time."""
    run = Run(scenario("{kind: time_zone, hours: 3}", BUTTONS), 30)
    calls = run.of("event", "button-00002")
    assert len(calls) >= 4
    assert {one.fields["t"] for one in calls} == {START_MS + 5000 + 3 * 3_600_000}


def test_what_could_only_be_found_after_the_end_of_a_run_is_not_due() -> None:
    """It explains what is found before; and what had not begun is left out."""
    record = Run(scenario("{kind: low_battery, count: 1, between_s: [0, 400], from_pct: 30}"), 1).faults.record
    told = {
        seconds: [(one.kind, one.due_ms is not None) for one in record.happenings_by(START_MS + seconds * 1000)]
        for seconds in (100, 210, 300, 401)
    }
    assert told == {
        100: [],
        210: [("battery_low", False)],
        300: [("battery_low", True)],
        401: [("battery_low", True), ("offline", False)],
    }
    assert [one.kind for one in record.faults_by(START_MS + 300_000)] == ["low_battery"]


def test_a_drifting_clock_gains_with_time(sound: Run) -> None:
    """By so many millionths; a large drift is a finding that is due after hours."""
    run = Run(scenario("{kind: clock_drift, ppm: [5000, 5000]}"), SECONDS)
    device = run.devices[0].id
    right = [one.fields["t"] for one in sound.of("motion", device)]
    gained = [one.fields["t"] - t_ms for one, t_ms in zip(run.of("motion", device), right, strict=True)]
    assert gained == sorted(gained)
    assert gained[-1] == pytest.approx(5e-3 * (right[-1] - START_MS), abs=1)
    assert {one.kind for one in run.faults.record.happenings} == {"clock_drift"}


def test_a_clock_is_wrong_for_its_span_only(sound: Run) -> None:
    """And right before and after."""
    run = Run(scenario("{kind: clock_skew, count: 1, offset_s: [500, 500], between_s: [10, 20]}"), SECONDS)
    (fault,) = run.faults.record.faults
    pairs = zip(sound.of("motion", fault.device), run.of("motion", fault.device), strict=True)
    shifts = [(b.fields["t"] - a.fields["t"], a.fields["t"] - START_MS) for a, b in pairs]
    assert {shift for shift, t_ms in shifts if 10_000 <= t_ms < 20_000} == {500_000}
    assert {shift for shift, t_ms in shifts if not 10_000 <= t_ms < 20_000} == {0}


# Power.


def test_a_restart_begins_every_sequence_anew_and_loses_what_was_in_the_buffer() -> None:
    """Another boot, seq from 0, a gap; another start of the run is another boot."""
    run = Run(scenario("{kind: restart, count: 1, between_s: [15, 20], down_s: 3}"), SECONDS)
    (fault,) = run.faults.record.faults
    frames = [decode_motion(one.payload) for one in run.of("motion", fault.device)]
    boots = list(dict.fromkeys(frame.boot for frame in frames))
    assert len(boots) == 2
    for boot in boots:
        seqs = [frame.seq for frame in frames if frame.boot == boot]
        assert seqs == list(range(len(seqs)))
    gap_s = max(b.t - a.t for a, b in itertools.pairwise(frames)) / 1000
    assert 3 <= gap_s <= 5
    assert [do for _, _, do in run.orders] == [Do.FORGET, Do.FORGET, Do.CUT, Do.MEND]
    device = next(one for one in run.devices if one.id == fault.device)
    assert list(device.outboxes) == boots
    later = Run(scenario("{kind: restart, count: 1, between_s: [15, 20], down_s: 3}"), SECONDS, start_ms=START_MS + 1)
    assert not set(boots) & {one.fields["boot"] for one in later.of("motion")}


def test_of_two_restarts_at_once_the_device_is_off_until_the_later_is_over() -> None:
    """It measures nothing while one of them lasts, and comes back once."""
    faults = "{kind: restart, between_s: [10, 10], down_s: 10}, {kind: restart, between_s: [15, 15], down_s: 15}"
    run = Run(scenario(faults, "wearers: {count: 1}"), 45)
    frames = [decode_motion(one.payload) for one in run.of("motion")]
    assert [one.at_s for one in run.of("motion") if 10 < one.at_s < 30] == []
    assert len(dict.fromkeys(one.boot for one in frames)) == 2
    assert [do for _, _, do in run.orders].count(Do.MEND) == 1
    assert frames[-1].t > START_MS + 40_000


def test_what_a_restart_finds_held_back_is_lost_but_a_call_for_help() -> None:
    """Devices keep their calls in flash; under the boot in which they were made."""
    rest = "wearers: {count: 1}, buttons: 1, sos: [{at_s: 16, who: 1}], vitals: {every_s: 5}"
    faults = "{kind: link_loss, between_s: [15, 15], outage_s: 20}, {kind: restart, between_s: [20, 20], down_s: 2}"
    run = Run(scenario(faults, rest), SECONDS)
    calls = {(one.fields["boot"], one.fields["seq"]) for one in run.of("event")}
    button = run.devices[-1]
    assert calls == {(next(iter(button.outboxes)), 0)}
    wearer = run.devices[0]
    first, second = wearer.outboxes.values()
    assert len(first.dropped[Stream.MOTION]) == 5
    assert second.dropped == {}
    motion = run.of("motion", wearer.id)
    assert sum(one.fields.get("hist", False) for one in motion) >= 13
    assert [do for _, device, do in run.orders if device == wearer.id] == [Do.CUT, Do.FORGET, Do.FORGET, Do.MEND]


def test_a_battery_sinks_is_reported_and_then_there_is_nothing() -> None:
    """Low and silence are both due; a device that is dead says no farewell."""
    run = Run(scenario("{kind: low_battery, count: 1, between_s: [0, 30], from_pct: 30}"), 60)
    (fault, _) = run.faults.record.faults
    mine = [one for one in run.sent if one.device == fault.device]
    charges = [one.fields["battery"] for one in mine if one.stream == "status"]
    assert len(charges) >= 2
    assert charges == sorted(charges, reverse=True)
    assert 0 < charges[-1] < 15
    assert max(one.at_s for one in mine) <= 30
    speaker = run.faults.afflicted[fault.device]
    assert speaker.is_dead
    assert speaker.due_ms is None
    assert [do for _, _, do in run.orders] == [Do.FORGET, Do.FORGET, Do.CUT]
    assert {one.kind for one in run.faults.record.happenings} == {"battery_low", "offline"}


# Sensors.


def test_a_stuck_axis_repeats_one_value_and_leaves_the_others(sound: Run) -> None:
    """From the moment on at which it fails."""
    run = Run(scenario("{kind: stuck_axis, axis: y, between_s: [10, 30]}"), SECONDS)
    for device in run.devices:
        right, wrong = ([decode_motion(o.payload) for o in r.of("motion", device.id)] for r in (sound, run))
        for a, b in zip(right, wrong, strict=True):
            struck = 10_000 <= a.t + 1000 - START_MS < 30_000
            assert np.array_equal(a.acc[:, [0, 2]], b.acc[:, [0, 2]])
            assert np.array_equal(a.acc, b.acc) != struck
        held = {int(v) for b in wrong if 10_000 <= b.t + 1000 - START_MS < 30_000 for v in b.acc[:, 1]}
        assert len(held) == 1


def test_a_clipped_range_cuts_what_is_beyond_and_nothing_else(sound: Run) -> None:
    """Counts at the limit, in the unit of the frame."""
    run = Run(scenario("{kind: clipped_range, range_g: 0.5}"), SECONDS)
    for a, b in zip(sound.of("motion"), run.of("motion"), strict=True):
        right, wrong = decode_motion(a.payload), decode_motion(b.payload)
        assert np.array_equal(wrong.acc, np.clip(right.acc, -500, 500))
    assert {one.due_ms for one in run.faults.record.happenings} == {None}


@pytest.mark.parametrize("quantity", ["acceleration", "temperature"])
def test_a_wrong_unit_is_the_same_measurement_in_other_numbers(sound: Run, quantity: str) -> None:
    """9.8 m/s2 for 1 g, 98 F for 36.6 C: within the ranges of the wire, so that a detector can tell."""
    run = Run(scenario(f"{{kind: wrong_unit, quantity: {quantity}}}"), SECONDS)
    if quantity == "acceleration":
        for a, b in zip(sound.of("motion"), run.of("motion"), strict=True):
            assert np.allclose(decode_motion(b.payload).acc_g(), decode_motion(a.payload).acc_g() * 9.80665, rtol=1e-5)
        assert {one.kind for one in run.faults.record.happenings} == {"sensor_fault"}
        return
    for a, b in zip(sound.of("vitals"), run.of("vitals"), strict=True):
        right, wrong = decode_vitals(a.payload), decode_vitals(b.payload)
        assert wrong.hr == right.hr
        if right.temp is not None:
            assert wrong.temp == pytest.approx(right.temp * 1.8 + 32, abs=0.06)
    assert {(one.kind, one.due_ms) for one in run.faults.record.happenings} == {("reading_fault", None)}


# Firmware.

WAYS: tuple[BadWay, ...] = ("truncated", "garbage", "wrong_type", "nan", "missing_field", "wrong_length")


@pytest.mark.parametrize(
    ("stream", "way"),
    [
        (stream, way)
        for stream in (Stream.MOTION, Stream.VITALS, Stream.STATUS)
        for way in WAYS
        if way != "wrong_length" or stream is Stream.MOTION
    ],
)
def test_every_broken_message_is_refused_for_the_reason_that_the_truth_names(
    sound: Run, way: BadWay, stream: Stream
) -> None:
    """By the decoder of the system itself."""
    rng = np.random.default_rng(1)
    messages = sound.of(stream.value)[:40]
    assert messages
    for one in messages:
        payload, reason, _ = broken(stream, one.payload, way, rng)
        with pytest.raises(TelemetryError) as refused:
            decode(stream, payload)
        assert refused.value.reason is reason


def test_bad_messages_take_the_place_of_good_ones_and_are_all_in_the_truth(sound: Run) -> None:
    """None of them counts as published; births and calls are left alone."""
    run = Run(scenario("{kind: bad_messages, count: 2, of_messages: 0.3}"), SECONDS)
    struck = ids(run, "bad_messages")
    refused = []
    for one in run.sent:
        try:
            decode(Stream(one.stream), one.payload)
        except TelemetryError as error:
            refused.append((one.device, one.stream, error.reason.value, hashlib.sha256(one.payload).hexdigest()))
    spoiled = run.take_all()
    assert sorted(refused) == sorted((s.device, s.stream, s.reason, s.sha256) for s in spoiled)
    assert {device for device, *_ in refused} == struck
    assert len(run.sent) == len(sound.sent)
    assert len({s.fault for s in spoiled}) >= 5
    outboxes = {id(device.outbox) for device in run.devices}
    good = [one for one in run.sent if id(one.outbox) in outboxes]
    assert len(good) + len(spoiled) == len(run.sent)


# Misuse.


def test_an_sos_is_left_with_the_broker_and_taken_back_at_the_end() -> None:
    """By a button that is pressed; the empty message that takes it back is no event."""
    run = Run(scenario("{kind: retained_sos}", BUTTONS), 20)
    assert {one.device for one in run.of("event")} == {"button-00002"}
    assert all(one.retain for one in run.of("event"))
    assert ids(run, "retained_sos") == {"button-00002"}
    ((device, empty),) = run.faults.taken_back(START_MS + 30_000)
    assert (device, empty.payload, empty.retain) == ("button-00002", b"", True)
    assert run.faults.record.spoiled_taken() == []
    empty.outbox.taken(empty)
    assert [(one.device, one.reason) for one in run.faults.record.spoiled_taken()] == [("button-00002", "undecodable")]


@pytest.mark.parametrize("let_through", [False, True])
def test_a_stolen_login_speaks_for_another_and_the_truth_says_whether_the_broker_let_it(let_through: bool) -> None:
    """An acknowledgement says nothing; it is not tried again at the next connection."""
    run = Run(scenario("{kind: stolen_credential, count: 1, between_s: [3, 9]}", BUTTONS), 10)
    (thief,) = run.faults.afflicted
    (forged,) = [one for one in run.of("event") if one.fields["t"] != START_MS + 5000]
    assert forged.device != thief
    assert forged.outbox.insists is False
    on = f"care/v1/{forged.device}/event"
    assert run.faults.listens_to(thief) == [on]
    assert "did not take it" in run.faults.record.faults_by(2**53)[0].detail
    run.take_forged(forged.outbox)
    run.faults.heard(on, b"something else")
    (fault,) = run.faults.record.faults_by(2**53)
    assert (fault.device, "let nothing through" in fault.detail) == (thief, True)
    if let_through:
        run.faults.heard(on, forged.payload)
        assert "it has no ACL" in run.faults.record.faults_by(2**53)[0].detail
    found = run.faults.record.happenings_by(2**53)
    assert [(one.kind, one.device) for one in found] == ([("sos", forged.device)] if let_through else [])


def test_two_mistakes_about_the_time_are_one_finding() -> None:
    """Of their sum; where they cancel each other out, none."""
    for second, kinds in ((-5, ["clock"]), (-8, [])):
        run = Run(scenario(f"{{kind: time_zone, hours: 8, count: 1}}, {{kind: time_zone, hours: {second}}}"), 1)
        mistaken = ids(run, "time_zone")
        assert len(mistaken) == 4
        (twice,) = [d for d in mistaken if sum(f.device == d for f in run.faults.record.faults) == 2]
        assert [one.kind for one in run.faults.record.happenings if one.device == twice] == kinds


def test_pooled_motion_cannot_be_struck() -> None:
    """Frames that were encoded beforehand do not pass here."""
    with pytest.raises(ScenarioError, match=r"faults.*own"):
        parse_scenario("{name: t, wearers: {count: 3, motion: pool}, faults: [{kind: delay}]}", "t")
