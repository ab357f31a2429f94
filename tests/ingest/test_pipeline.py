"""Bad input, late input, wrong clocks: the promised result each time, and nothing else disturbed."""

from __future__ import annotations

import pickle

import msgspec
import numpy as np
import pytest

from detectors.fall.bank import FallBank
from firmware_sim.motion import LSB_G
from ingest.devices import Device, FallPoints, Owner
from ingest.pipeline import Output, Pipeline
from telemetry.codec import encode_json, encode_motion
from telemetry.errors import Reason
from telemetry.messages import Event, Home, Status, Vitals
from telemetry.records import CONNECTED, Flag, RawMessage
from tests.ingest.clear_fall import FALL_S, SECONDS, clear_fall, threshold_of

NOW = 1_800_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
OWNERS = {name: Owner(f"p-{name}", "city.street", "waist") for name in ("w1", "w2", "button")} | {
    "spare": Owner(None, "city", None)
}


def fresh(fall_points: FallPoints | None = None) -> Pipeline:
    """A pipeline that knows three devices with people and one without."""
    pipeline = Pipeline(FallBank(), FallBank(), fall_points)
    pipeline.update_owners(OWNERS)
    return pipeline


def raw(device: str, stream: str, payload: bytes, recv_ms: int, flags: Flag = Flag.NONE) -> RawMessage:
    """A message as the gateway journals it."""
    return RawMessage(recv_ms, flags, f"care/v1/{device}/{stream}".encode(), payload)


@pytest.fixture(scope="module")
def fall() -> list[np.ndarray]:
    """One-second frames of walking with a fall at FALL_S that the detector finds at every operating point."""
    return clear_fall()


def play(
    pipeline: Pipeline, frames: list[np.ndarray], *, device: str = "w1", off_ms: int = 0, boot: int = 7,
    late_ms: int = 50, hist: bool = False, birth: bool = False, order: list[int] | None = None, start_ms: int = NOW,
) -> Output:  # fmt: skip
    """Send frames, a second apart (or in ``order``), from a device whose clock is behind by ``off_ms``."""
    total = Output()
    if birth:
        status = Status(t=start_ms - off_ms, boot=boot, seq=0, online=True)
        pipeline.feed([raw(device, "status", encode_json(status), start_ms + 20)])
    for place, k in enumerate(order or range(len(frames))):
        made_ms = start_ms + k * 1000
        payload = encode_motion(
            t=made_ms - off_ms, boot=boot, seq=k, fs=50, lsb=LSB_G, acc=frames[k], hist=hist
        )  # fmt: skip
        pipeline.feed([raw(device, "motion", payload, start_ms + place * 1000 + 1000 + late_ms)])
        add(total, pipeline.advance())
    add(total, pipeline.advance(start_ms + len(frames) * 1000 + late_ms + 30_000))
    return total


def add(total: Output, more: Output) -> None:
    """Put ``more`` behind ``total``."""
    total.points += more.points
    total.detections += more.detections
    total.refused += more.refused


def confirmed(out: Output, kind: str = "fall") -> list[object]:
    """The confirmed detections of a kind."""
    return [d for d in out.detections if d.kind == kind and d.stage == "confirmed"]


def values(out: Output, measurement: str, field: str) -> dict[tuple[str, int], float]:
    """(device, t in ms) -> value; a later point replaces an earlier one, as in a store."""
    found = {}
    for batch in out.points:
        if batch.measurement == measurement and field in batch.fields:
            for device, t_ns, value in zip(batch.tags["device"], batch.t_ns, batch.fields[field], strict=True):
                found[device, int(t_ns) // 1_000_000] = value
    return found


def reasons(out: Output) -> list[str]:
    """Why messages were refused, in order."""
    return [refused.reason.value for refused in out.refused]


# ---- what cannot be taken


def motion_bytes(**changed: object) -> bytes:
    """A motion frame with fields changed against the contract."""
    frame = {"t": NOW, "boot": 1, "seq": 0, "fs": 50, "lsb": 0.001, "acc": bytes(300)} | changed
    return msgspec.msgpack.encode(frame)


@pytest.mark.parametrize(
    ("device", "stream", "payload", "reason"),
    [
        ("w1", "motion", motion_bytes()[:-40], Reason.UNDECODABLE),
        ("w1", "motion", b"", Reason.UNDECODABLE),
        ("w1", "motion", motion_bytes(acc=bytes(301)), Reason.WRONG_LENGTH),
        ("w1", "motion", motion_bytes(gyr=bytes(240), glsb=0.1), Reason.WRONG_LENGTH),
        ("w1", "motion", motion_bytes(lsb=float("nan")), Reason.NOT_FINITE),
        ("w1", "motion", motion_bytes(fs=1e9), Reason.INVALID),
        ("w1", "motion", bytes(10 << 20), Reason.TOO_LARGE),
        (
            "w1",
            "vitals",
            msgspec.msgpack.encode({"t": NOW, "boot": 1, "seq": 0, "hr": float("nan")}),
            Reason.NOT_FINITE,
        ),
        ("w1", "vitals", b'{"t":%d,"boot":1,"seq":0,"hr":-1}' % NOW, Reason.INVALID),
        ("w1", "vitals", b'{"t":%d,"boot":1,"seq":0}' % NOW, Reason.INVALID),
        ("w1", "home", b'{"t":%d,"boot":1,"seq":0,"kind":"bed","value":"purple"}' % NOW, Reason.INVALID),
        ("stranger", "vitals", b'{"t":1,"boot":1,"seq":0,"hr":60}', Reason.UNKNOWN_DEVICE),
        ("w1", "event", b'{"type":"cancel"}', Reason.INVALID),
        ("w1", "nonsense", b"{}", Reason.BAD_TOPIC),
    ],
)
def test_what_cannot_be_taken_is_kept_with_its_reason(device: str, stream: str, payload: bytes, reason: Reason) -> None:
    """One refused message, the reason, and the next good one goes through."""
    pipeline = fresh()
    good = raw("w2", "vitals", encode_json(Vitals(t=NOW, boot=1, seq=0, hr=61.0)), NOW + 30)
    pipeline.feed([raw(device, stream, payload, NOW + 20), good])
    out = pipeline.advance()
    assert reasons(out) == [reason.value]
    assert out.refused[0].message.payload == payload
    assert values(out, "vitals", "hr") == {("w2", NOW): 61.0}
    assert not out.detections


def test_two_values_for_one_time_are_a_conflict_and_the_first_stays() -> None:
    """The second goes to the quarantine; the same value again is only a repetition."""
    pipeline = fresh()
    for seq, hr in ((0, 60.0), (1, 60.0), (2, 99.0)):
        pipeline.feed([raw("w1", "vitals", encode_json(Vitals(t=NOW, boot=1, seq=seq, hr=hr)), NOW + 30 + seq)])
    out = pipeline.advance()
    assert reasons(out) == ["conflict"]
    assert values(out, "vitals", "hr") == {("w1", NOW): 60.0}


def test_two_different_motion_frames_for_one_time_are_a_conflict(fall: list[np.ndarray]) -> None:
    """The same seq again is dropped in silence, another frame for the same instant is not."""
    pipeline = fresh()
    for seq, acc in ((0, fall[0]), (0, fall[0]), (1, fall[1])):
        pipeline.feed(
            [raw("w1", "motion", encode_motion(t=NOW, boot=1, seq=seq, fs=50, lsb=LSB_G, acc=acc), NOW + 1050)]
        )
    out = pipeline.advance()
    assert reasons(out) == ["conflict"]
    assert pipeline.counts["duplicates"] == 1


def test_repeated_vitals_are_stored_once() -> None:
    """The broker delivers a message again."""
    pipeline = fresh()
    message = raw("w1", "vitals", encode_json(Vitals(t=NOW, boot=1, seq=0, spo2=97.0, o2=True, acvpu="A")), NOW + 30)
    pipeline.feed([message, message._replace(flags=Flag.DUP, recv_ms=NOW + 900)])
    out = pipeline.advance()
    (batch,) = (b for b in out.points if b.measurement == "vitals")
    assert len(batch) == 1
    assert batch.fields["o2"][0] == 1.0
    assert batch.fields["acvpu"] == ["A"]


# ---- falls


def test_a_fall_is_confirmed_once_with_its_window_and_raw_points(fall: list[np.ndarray]) -> None:
    """Onset at the impact, decision within three seconds of it, the samples around it stored."""
    out = play(fresh(), fall)
    (found,) = confirmed(out)
    assert abs(found.onset_ms - (NOW + FALL_S * 1000)) < 2_500
    assert found.decided_ms - found.onset_ms <= 4_000
    assert found.person == "p-w1"
    assert found.window is not None
    assert len(values(out, "motion_raw", "ax")) > 150


def test_frames_out_of_order_and_repeated_give_the_same_fall(fall: list[np.ndarray]) -> None:
    """Neighbours swapped around the impact, every third frame twice: same id, same points."""
    reference = play(fresh(), fall)
    order = list(range(SECONDS))
    for k in (3, FALL_S - 1, FALL_S + 1):
        order[k], order[k + 1] = order[k + 1], order[k]
    order = [k for k in order for _ in range(1 + (k % 3 == 0))]
    out = play(fresh(), fall, order=order)
    assert [d.id for d in confirmed(out)] == [d.id for d in confirmed(reference)]
    assert values(out, "motion", "enmo_g") == pytest.approx(values(reference, "motion", "enmo_g"))
    assert not out.refused


@pytest.mark.parametrize("off_ms", [8 * HOUR, -8 * HOUR, NOW - 60_000], ids=["8 h behind", "8 h ahead", "1970"])
def test_a_wrong_clock_is_not_late(fall: list[np.ndarray], off_ms: int) -> None:
    """A live fall alerts at once with our time on it, points lie in our time, and the clock is a device finding."""
    out = play(fresh(), fall, off_ms=off_ms, birth=True)
    (found,) = confirmed(out)
    assert not found.historical
    assert abs(found.onset_ms - (NOW + FALL_S * 1000)) < 2_500
    assert found.decided_ms - found.onset_ms <= 4_000
    times = sorted(t for _, t in values(out, "motion", "enmo_g"))
    assert times[:2] == [NOW, NOW + 10_000]  # our time; transport may push the last samples into a third window
    assert len(times) <= 3
    (clock,) = confirmed(out, "clock")
    assert clock.severity == "info"


def test_history_has_a_lane_of_its_own(fall: list[np.ndarray]) -> None:
    """Buffered frames: found, marked historical, stored; a live wearer beside is not disturbed."""
    pipeline = fresh()
    live = play(pipeline, fall[:8], device="w2", start_ms=NOW + HOUR)
    out = play(pipeline, fall, hist=True, late_ms=HOUR)
    (found,) = confirmed(out)
    assert found.historical
    assert abs(found.onset_ms - (NOW + FALL_S * 1000)) < 2_500
    assert ("w1", NOW) in values(out, "motion", "enmo_g")
    assert not confirmed(live)


def test_frames_from_the_quarantine_are_detected_on_as_history(fall: list[np.ndarray]) -> None:
    """Put back a day later, one by one: their receive time is old, which is no silence of the device."""
    pipeline = fresh()
    pipeline.feed([raw("w2", "vitals", encode_json(Vitals(t=NOW + DAY, boot=1, seq=0, hr=60.0)), NOW + DAY + 20)])
    pipeline.advance()
    out = Output()
    for k, acc in enumerate(fall):
        payload = encode_motion(t=NOW + k * 1000, boot=7, seq=k, fs=50, lsb=LSB_G, acc=acc)
        pipeline.feed([raw("w1", "motion", payload, NOW + k * 1000 + 1050, Flag.REPLAY)])
        add(out, pipeline.advance())
    add(out, pipeline.advance(NOW + DAY + 30_000))
    (found,) = confirmed(out)
    assert found.historical
    assert found.features["missing_pct"] == 0.0


def test_a_backlog_of_the_broker_is_history(fall: list[np.ndarray]) -> None:
    """Known boot, our gateway was away for an hour: what was made meanwhile is late though nobody marked it."""
    pipeline = fresh()
    pipeline.feed([raw("w1", "status", encode_json(Status(t=NOW - DAY, boot=7, seq=0, online=True)), NOW - DAY + 9)])
    pipeline.advance()
    marker = RawMessage(NOW + HOUR, Flag.NONE, CONNECTED, b'{"down_since_ms": %d, "session_present": true}' % NOW)
    pipeline.feed([marker])
    out = Output()
    for k, acc in enumerate(fall):  # delivered within half a second
        payload = encode_motion(t=NOW + k * 1000, boot=7, seq=k, fs=50, lsb=LSB_G, acc=acc)
        pipeline.feed([raw("w1", "motion", payload, NOW + HOUR + 25 * k)])
        add(out, pipeline.advance())
    add(out, pipeline.advance(NOW + HOUR + 30_000))
    (found,) = confirmed(out)
    assert found.historical


def test_a_fall_before_the_store_and_forward_gap_is_stored_without_covering_live_values(fall: list[np.ndarray]) -> None:
    """A window half live, half from the buffer: the point has both halves."""
    whole = values(play(fresh(), fall[:10]), "motion", "enmo_g")
    pipeline = fresh()
    first = play(pipeline, fall[:5])
    rest = Output()
    for k in range(5, 10):
        payload = encode_motion(t=NOW + k * 1000, boot=7, seq=k, fs=50, lsb=LSB_G, acc=fall[k], hist=True)
        pipeline.feed([raw("w1", "motion", payload, NOW + 60_000 + k)])
    add(rest, pipeline.advance())
    add(rest, pipeline.advance(NOW + 100_000))
    stored = values(first, "motion", "enmo_g") | values(rest, "motion", "enmo_g")
    assert stored == pytest.approx(whole)


def test_a_checkpoint_anywhere_changes_nothing(fall: list[np.ndarray]) -> None:
    """Killed after any second and restored from a checkpoint some seconds older, everything comes out the same."""
    reference = play(fresh(), fall)
    messages = [
        raw(
            "w1",
            "motion",
            encode_motion(t=NOW + k * 1000, boot=7, seq=k, fs=50, lsb=LSB_G, acc=fall[k]),
            NOW + k * 1000 + 1050,
        )
        for k in range(SECONDS)
    ]
    for killed in range(2, SECONDS, 3):
        out, first = Output(), fresh()
        saved, at = b"", 0
        for k, message in enumerate(messages[:killed]):
            first.feed([message])
            add(out, first.advance())
            if k == max(0, killed - 3):
                saved, at = pickle.dumps(first.state()), k + 1
        second = fresh()
        second.restore(pickle.loads(saved))
        second.update_owners(OWNERS)
        for message in messages[at:]:
            second.feed([message])
            add(out, second.advance())
        add(out, second.advance(NOW + SECONDS * 1000 + 30_050))
        assert {d.id for d in confirmed(out)} == {d.id for d in confirmed(reference)}
        assert values(out, "motion", "enmo_g") == pytest.approx(values(reference, "motion", "enmo_g"))


# ---- operating points of the fall detector


@pytest.mark.parametrize(
    ("person", "placement", "expected"),
    [
        ("sensitive", "wrist", "sensitive"),
        ("", "wrist", "quiet"),
        ("", "waist", "general"),
        ("", "bathroom", "of the others"),
        ("", "unknown", "of the others"),
        ("balanced", "bathroom", "balanced"),
    ],
)
def test_the_point_of_a_person_counts_before_that_of_the_placement(person: str, placement: str, expected: str) -> None:
    """And that before the general one; a placement that the detector does not know is an unknown one."""
    points = FallPoints("general", {"wrist": "quiet", "unknown": "of the others"})
    assert points.of(Device("w", 0, placement=placement, fall_point=person)) == expected


@pytest.mark.parametrize("hist", [False, True], ids=["live", "history"])
def test_a_fall_is_decided_at_the_point_of_its_person_and_placement(fall: list[np.ndarray], hist: bool) -> None:
    """Live and from the device's buffer; where nothing is configured the detector has its own."""
    for point in ("sensitive", "balanced", "quiet"):
        by_placement = fresh(FallPoints("balanced", {"waist": point}))
        (found,) = confirmed(play(by_placement, fall, hist=hist))
        assert found.features["threshold"] == threshold_of(point)
        by_person = fresh(FallPoints("quiet", {"waist": "balanced"}))
        by_person.update_owners(OWNERS | {"w1": Owner("p-w1", "city.street", "waist", point)})
        (found,) = confirmed(play(by_person, fall, hist=hist))
        assert found.features["threshold"] == threshold_of(point)
    (found,) = confirmed(play(fresh(), fall, hist=hist))
    assert found.features["threshold"] == threshold_of("balanced")


@pytest.mark.parametrize("hist", [False, True], ids=["live", "history"])
def test_a_point_changed_in_the_registry_counts_at_once(fall: list[np.ndarray], hist: bool) -> None:
    """For the next decision, with the device in the middle of its stream; taken away again, the general one counts."""
    pipeline = fresh(FallPoints("sensitive"))
    gap_ms = SECONDS * 1000
    for k, (point, expected) in enumerate((("", "sensitive"), ("quiet", "quiet"), ("", "sensitive"))):
        found = []
        for second, acc in enumerate(fall):
            if second == FALL_S - 2:
                pipeline.update_owners(OWNERS | {"w1": Owner("p-w1", "city.street", "waist", point)})
            t, seq = NOW + k * gap_ms + second * 1000, k * SECONDS + second
            payload = encode_motion(t=t, boot=7, seq=seq, fs=50, lsb=LSB_G, acc=acc, hist=hist)
            pipeline.feed([raw("w1", "motion", payload, t + 1050)])
            found += confirmed(pipeline.advance())
        assert [one.features["threshold"] for one in found] == [threshold_of(expected)]


@pytest.mark.parametrize("hist", [False, True], ids=["live", "history"])
@pytest.mark.parametrize(("person", "expected"), [("", "quiet"), ("balanced", "balanced")])
def test_changed_settings_count_for_devices_that_come_out_of_a_checkpoint(
    fall: list[np.ndarray], hist: bool, person: str, expected: str
) -> None:
    """Restarted two seconds before the fall with another point for the placement. The person's own stays, also while
    the registry does not answer."""
    messages = [
        raw("w1", "motion", encode_motion(t=NOW + k * 1000, boot=7, seq=k, fs=50, lsb=LSB_G, acc=acc, hist=hist),
            NOW + k * 1000 + 1050)
        for k, acc in enumerate(fall)
    ]  # fmt: skip
    before = fresh(FallPoints("sensitive"))
    before.update_owners(OWNERS | {"w1": Owner("p-w1", "city.street", "waist", person)})
    for message in messages[: FALL_S - 2]:
        before.feed([message])
        assert not before.advance().detections
    after = Pipeline(FallBank(), FallBank(), FallPoints("sensitive", {"waist": "quiet"}))
    after.restore(pickle.loads(pickle.dumps(before.state())))
    out = Output()
    for message in messages[FALL_S - 2 :]:
        after.feed([message])
        add(out, after.advance())
    (found,) = confirmed(out)
    assert found.features["threshold"] == threshold_of(expected)
    assert found.features["missing_pct"] == 0.0


# ---- calls for help


def sos(seq: int = 1, boot: int = 5, t: int = NOW, **more: object) -> bytes:
    """The payload of an SOS."""
    return encode_json(Event(t=t, boot=boot, seq=seq, type="sos", **more))


def calls(*messages: RawMessage, pipeline: Pipeline | None = None) -> Output:
    """Feed and advance once."""
    pipeline = pipeline or fresh()
    pipeline.feed(messages)
    return pipeline.advance()


def test_a_retained_sos_is_suppressed_and_kept() -> None:
    """The broker replays it at every subscription: it is not happening now."""
    out = calls(raw("button", "event", sos(), NOW + 10, Flag.RETAIN))
    assert not out.detections
    assert reasons(out) == ["retained"]


def test_a_repeated_sos_is_one_detection_and_after_a_restart_of_the_button_another() -> None:
    """The button repeats until acknowledged; restarted it has a new boot."""
    out = calls(*(raw("button", "event", sos(), NOW + k * 2000) for k in range(4)))
    assert len(confirmed(out, "sos")) == 1
    again = calls(*(raw("button", "event", sos(boot=boot), NOW + k) for k, boot in enumerate((5, 5, 6, 6, 5))))
    assert len({d.id for d in confirmed(again, "sos")}) == 2


@pytest.mark.parametrize(
    ("t", "said"), [(NOW - 9 * HOUR, True), (3_000, True), (NOW + 40 * DAY, True), (NOW - 20_000, False)]
)
def test_an_implausible_time_is_written_down_and_drops_nothing(t: int, said: bool) -> None:
    """An SOS always opens an incident, now."""
    (found,) = confirmed(calls(raw("button", "event", sos(t=t), NOW)), "sos")
    assert not found.historical
    assert ("time" in found.notes) == said


@pytest.mark.parametrize(("device", "person"), [("stranger", None), ("spare", None), ("button", "p-button")])
def test_an_sos_comes_through_whoever_sends_it(device: str, person: str | None) -> None:
    """Unknown and unassigned devices too: the district desk gets them."""
    out = calls(raw(device, "event", sos(), NOW + 10))
    (found,) = confirmed(out, "sos")
    assert found.person == person
    assert not out.refused


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type":"sos"}',
        b'{"type":"sos","t":"yesterday","boot":-3,"seq":null}',
        b'{"type":"sos","t":1e99,"boot":5,"seq":1}',
    ],
)
def test_a_broken_sos_comes_through_and_is_kept_too(payload: bytes) -> None:
    """A call for help does not fail on a missing field."""
    out = calls(raw("button", "event", payload, NOW + 10))
    assert len(confirmed(out, "sos")) == 1
    assert len(out.refused) == 1


def test_an_sos_from_the_quarantine_is_history() -> None:
    """Replayed after a fix: told as something that happened."""
    (found,) = confirmed(calls(raw("button", "event", sos(), NOW + 10, Flag.REPLAY)), "sos")
    assert found.historical


# ---- home and status


def test_smoke_is_a_detection_and_a_point() -> None:
    """Both the alarm and the series."""
    payload = encode_json(Home(t=NOW, boot=1, seq=0, kind="smoke", value=True))
    out = calls(raw("w1", "home", payload, NOW + 10))
    assert len(confirmed(out, "smoke")) == 1
    assert values(out, "home", "value") == {("w1", NOW): 1.0}


def test_a_will_takes_the_device_offline_at_our_time_and_seeds_no_clock() -> None:
    """Its ``t`` was written at the connection, hours ago."""
    pipeline = fresh()
    birth = Status(t=NOW, boot=3, seq=0, online=True, battery=80.0, fw="1.2", heartbeat_s=60.0)
    pipeline.feed([raw("w1", "status", encode_json(birth), NOW + 15)])
    pipeline.feed([raw("w1", "status", encode_json(msgspec.structs.replace(birth, online=False)), NOW + 3 * HOUR)])
    out = pipeline.advance()
    assert values(out, "device", "online") == {("w1", NOW): 1.0, ("w1", NOW + 3 * HOUR): 0.0}
    assert values(out, "device", "lag_ms")["w1", NOW] == 15.0
    assert pipeline.devices.online_by_area(NOW + 3 * HOUR) == {}


def test_online_devices_are_counted_up_the_tree_and_silence_is_offline() -> None:
    """Three missed heartbeats."""
    pipeline = fresh()
    for device in ("w1", "w2"):
        status = encode_json(Status(t=NOW, boot=3, seq=0, online=True, heartbeat_s=60.0))
        pipeline.feed([raw(device, "status", status, NOW + 15)])
    pipeline.advance()
    assert pipeline.devices.online_by_area(NOW + 100_000) == {"city.street": 2, "city": 2}
    assert pipeline.devices.online_by_area(NOW + 181_000) == {}


def test_our_own_defect_puts_the_message_aside_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody foresaw is a reason too."""
    pipeline = fresh()
    monkeypatch.setattr("ingest.pipeline.decode_home", lambda _payload: 1 / 0)
    out = calls(
        raw("w1", "home", b"{}", NOW),
        raw("w1", "vitals", encode_json(Vitals(t=NOW, boot=1, seq=0, hr=60.0)), NOW + 1),
        pipeline=pipeline,
    )
    assert reasons(out) == ["internal"]
    assert values(out, "vitals", "hr") == {("w1", NOW): 60.0}
