"""What Zigbee2MQTT says, and what becomes of it: readings, calls for help, and what must not become one.

Payloads and habits as documented on zigbee2mqtt.io (guide "MQTT topics and messages" and the device pages named with
each case) and in Koenkk/zigbee2mqtt (`lib/controller.ts`, `lib/state.ts`, `lib/mqtt.ts`).
"""

from __future__ import annotations

import json
import pickle
import random
from typing import Any

import pytest

from detectors.detection import Severity
from detectors.fall.bank import FallBank
from ingest.adapters.told import Told
from ingest.adapters.zigbee2mqtt import Zigbee2Mqtt
from ingest.devices import Owner
from ingest.pipeline import Output, Pipeline
from telemetry.errors import TelemetryError
from telemetry.messages import Event
from telemetry.records import CONNECTED, Flag, RawMessage

NOW = 1_800_000_000_000
HUB = "zigbee2mqtt/home-1"
DOOR, PIR, BUTTON, SOS, RADAR, SMOKE, BED, LEAK, SHAKE = (f"0x00158d000000000{k}" for k in range(1, 10))
STRANGER = "0x00158d00000000ff"
NAMES = {
    DOOR: "门/大门", PIR: "卧室 人体", BUTTON: "bath/button", SOS: "sos", RADAR: "radar", SMOKE: "smoke", BED: "bed",
    LEAK: "leak", SHAKE: SHAKE, STRANGER: "plug",
}  # fmt: skip
MODELS = {BED: "TS0601_bed_presence_sensor"}
OWNERS = {ieee: Owner("p-1", "city.street", None, kind="sensor") for ieee in NAMES if ieee != STRANGER} | {
    BUTTON: Owner("p-1", "city.street", None, kind="button")
}


def devices(names: dict[str, str] = NAMES) -> bytes:
    """The list of devices as a hub publishes it."""
    listed: list[dict[str, Any]] = [
        {"ieee_address": ieee, "friendly_name": name, "type": "EndDevice",
         "definition": {"model": MODELS.get(ieee, "any"), "exposes": [{"type": "binary"}]}}
        for ieee, name in names.items()
    ]  # fmt: skip
    coordinator = {"ieee_address": "0x0", "friendly_name": "Coordinator", "type": "Coordinator", "definition": None}
    return json.dumps([*listed, coordinator]).encode()


class Home:
    """A pipeline that hears one hub; time goes on by a second with each message unless told otherwise."""

    def __init__(self, *, bases: tuple[str, ...] = ("zigbee2mqtt/+",), listed: bool = True) -> None:
        self.pipeline = Pipeline(FallBank(), FallBank(), zigbee=Zigbee2Mqtt(bases))
        self.pipeline.update_owners(OWNERS)
        self.now_ms = NOW
        if listed:
            self.hear("bridge/devices", devices(), Flag.RETAIN)

    def hear(
        self, path: str, payload: object, flags: Flag = Flag.NONE, *, hub: str = HUB, at_ms: int | None = None
    ) -> Output:
        """One message below the base topic; what came out of it."""
        self.now_ms = self.now_ms + 1_000 if at_ms is None else at_ms
        content = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
        self.pipeline.feed([RawMessage(self.now_ms, flags, f"{hub}/{path}".encode(), content)])
        return self.pipeline.advance()

    def reconnect(self, down_since_ms: int, *, at_ms: int) -> None:
        """The gateway lost the broker and has it again."""
        marker = {"down_since_ms": down_since_ms, "session_present": True, "cause": "connected"}
        self.now_ms = at_ms
        self.pipeline.feed([RawMessage(at_ms, Flag.NONE, CONNECTED, json.dumps(marker).encode())])
        self.pipeline.advance()


def readings(out: Output) -> list[tuple[str, str, float]]:
    """(device, kind, value) of the home points, in order."""
    return [
        (device, kind, float(value))
        for batch in out.points if batch.measurement == "home"
        for device, kind, value in zip(batch.tags["device"], batch.tags["kind"], batch.fields["value"], strict=True)
    ]  # fmt: skip


def field(out: Output, name: str) -> list[float]:
    """A field of the device points."""
    return [
        float(value)
        for batch in out.points if batch.measurement == "device" and name in batch.fields
        for value in batch.fields[name]
    ]  # fmt: skip


def found(out: Output) -> list[tuple[str, str]]:
    """(device, kind) of the detections."""
    return [(d.device, d.kind) for d in out.detections]


def reasons(out: Output) -> list[str]:
    """Why messages went to the quarantine."""
    return [refused.reason.value for refused in out.refused]


# ---- what devices say


@pytest.mark.parametrize(
    ("ieee", "said", "expected"),
    [
        (DOOR, {"contact": False}, [("contact", 1.0)]),
        (DOOR, {"contact": True}, [("contact", 0.0)]),
        (PIR, {"occupancy": True, "illuminance": 12}, [("presence", 1.0)]),
        (RADAR, {"presence": True, "presence_event": "enter"}, [("presence", 1.0)]),
        (RADAR, {"presence": False, "occupancy": True}, [("presence", 1.0)]),
        (LEAK, {"water_leak": True, "battery_low": False}, [("water", 1.0)]),
        (SHAKE, {"action": "tilt", "strength": 12}, [("vibration", 1.0)]),
        (SHAKE, {"vibration": True, "action": "vibration"}, [("vibration", 1.0)]),
        (BED, {"occupancy": True}, [("bed", 1.0)]),
        (RADAR, {"status": "on_the_bed", "breathing_rate": 14}, [("presence", 1.0), ("bed", 1.0)]),
        (RADAR, {"status": "unoccupied"}, [("presence", 0.0), ("bed", 0.0)]),
        (SMOKE, {"smoke": False}, [("smoke", 0.0)]),
        (SMOKE, {"gas": False, "carbon_monoxide": True}, [("gas", 1.0)]),
        (DOOR, {"contact": "OFF"}, [("contact", 1.0)]),
        (SMOKE, {"gas": 1}, []),  # the meter of a gas supply, in m3
        (DOOR, {"contact": None}, []),
        (PIR, {"temperature": 21.5, "fall_detection": "ON"}, []),
    ],
)
def test_a_reading_has_the_kind_and_value_of_the_wire_contract(
    ieee: str, said: dict[str, object], expected: list[tuple[str, float]]
) -> None:
    """MCCGQ11LM, RTCGQ11LM, RTCZCGQ11LM, SJCGQ11LM, DJT11LM, TS0601_bed_presence_sensor, FDS315, smoke and gas."""
    out = Home().hear(NAMES[ieee], said)
    assert readings(out) == [(ieee, kind, value) for kind, value in expected]
    assert reasons(out) == []


def test_a_state_that_is_said_again_is_no_second_reading() -> None:
    """Every report of a device carries all that is known of it: a battery report is nobody walking about."""
    home = Home()
    assert readings(home.hear(NAMES[PIR], {"occupancy": True, "battery": 90})) == [(PIR, "presence", 1.0)]
    assert readings(home.hear(NAMES[PIR], {"occupancy": True, "battery": 89})) == []
    assert readings(home.hear(NAMES[PIR], {"occupancy": False, "battery": 89})) == [(PIR, "presence", 0.0)]


def test_battery_and_link_quality_are_told_at_once_when_the_battery_changes_and_else_every_ten_minutes() -> None:
    """Link quality is in every message; a point for each would be most of what is stored."""
    home = Home()
    first = home.hear(NAMES[PIR], {"battery": 90, "linkquality": 120})
    assert (field(first, "battery"), field(first, "lqi")) == ([90.0], [120.0])
    assert field(home.hear(NAMES[PIR], {"battery": 90, "linkquality": 80}), "lqi") == []
    assert field(home.hear(NAMES[PIR], {"battery": 88, "linkquality": 80}), "battery") == [88.0]
    later = home.hear(NAMES[PIR], {"battery": 88, "linkquality": 70}, at_ms=home.now_ms + 600_000)
    assert field(later, "lqi") == [70.0]


def test_a_battery_that_only_knows_low_is_nearly_empty() -> None:
    """`battery_low` of IAS devices, without a percentage."""
    home = Home()
    assert field(home.hear(NAMES[LEAK], {"battery_low": False}), "battery") == []
    assert field(home.hear(NAMES[LEAK], {"battery_low": True}), "battery") == [5.0]


# ---- calls for help


@pytest.mark.parametrize(
    ("ieee", "said"),
    [
        (SOS, {"action": "emergency", "battery": 100}),
        (SOS, {"action": "sos"}),
        (SOS, {"action": "panic"}),
        (SOS, {"sos": True, "battery_low": False}),
        (BUTTON, {"action": "single"}),
        (BUTTON, {"action": "hold", "click": "hold"}),
        (BUTTON, {"click": "double"}),
    ],
)
def test_a_press_opens_an_sos_with_the_name_that_people_gave_the_button(ieee: str, said: dict[str, object]) -> None:
    """BT400B, TS0215A_sos, SEB01ZB; any button that the registry calls one: WXKG11LM, SBTZB-110, HS1EB."""
    out = Home().hear(NAMES[ieee], said)
    (detection,) = out.detections
    assert (detection.device, detection.kind, detection.person, detection.severity, detection.historical) == (
        ieee, "sos", "p-1", Severity.CRITICAL, False,
    )  # fmt: skip
    assert f"{HUB}/{NAMES[ieee]}" in detection.notes["zigbee2mqtt"]
    assert reasons(out) == []


@pytest.mark.parametrize("action", ["", "release", "off", "button_1_release", None])
def test_the_end_of_a_press_is_no_press(action: str | None) -> None:
    """Old Home Assistant gets an empty action after each; others tell when the button is let go."""
    home = Home()
    assert found(home.hear(NAMES[BUTTON], {"action": "single"})) == [(BUTTON, "sos")]
    out = home.hear(NAMES[BUTTON], {"action": action})
    assert (found(out), reasons(out)) == ([], [])


def test_an_ordinary_switch_calls_nobody() -> None:
    """A wall switch says `single` too: only the registry knows which button is there for calling."""
    assert found(Home().hear(NAMES[PIR], {"action": "single"})) == []


def test_each_press_is_one_sos() -> None:
    """Two presses a second apart, word for word the same, are two: alerts joins them to one incident."""
    home = Home()
    both = [home.hear(NAMES[SOS], {"action": "emergency"}).detections[0].id for _ in range(2)]
    assert len(set(both)) == 2


def test_a_press_that_is_told_under_a_second_topic_too_is_one() -> None:
    """`<name>/action`, for device triggers of Home Assistant and where attributes are sent; alone it counts."""
    home = Home()
    assert found(home.hear(NAMES[SOS], {"action": "emergency"})) == [(SOS, "sos")]
    for _ in range(2):
        assert found(home.hear(f"{NAMES[SOS]}/action", b"emergency", at_ms=home.now_ms + 100)) == []
    assert found(home.hear(f"{NAMES[SOS]}/action", b"emergency", at_ms=NOW + 60_000)) == [(SOS, "sos")]
    assert found(home.hear(f"{NAMES[SOS]}/action", b"emergency", at_ms=NOW + 60_050)) == []
    assert found(home.hear(f"{NAMES[SOS]}/action", b"emergency", at_ms=NOW + 62_000)) == [(SOS, "sos")]


def test_a_call_that_is_never_taken_back_calls_again_with_the_next_press() -> None:
    """Koenkk/zigbee2mqtt issue 1724: `sos` stays true. A battery report with it is no press; the same press sent twice
    is one; what a hub repeats after its start is none."""
    home = Home()
    said: dict[str, object] = {"sos": True, "battery": 80}
    assert found(home.hear(NAMES[SOS], said)) == [(SOS, "sos")]
    assert found(home.hear(NAMES[SOS], said)) == []
    assert found(home.hear(NAMES[SOS], said | {"battery": 79}, at_ms=NOW + 3_600_000)) == []
    home.hear("bridge/state", {"state": "online"}, at_ms=NOW + 7_200_000)
    assert found(home.hear(NAMES[SOS], said | {"battery": 79})) == []
    assert found(home.hear(NAMES[SOS], said | {"battery": 79, "linkquality": 3}, at_ms=NOW + 9_000_000)) == [
        (SOS, "sos")
    ]


def test_that_the_broker_knows_a_hub_to_run_is_no_start_of_it() -> None:
    """Told at a connection of ours: what comes next is said by devices, and a press is a press."""
    home = Home()
    assert found(home.hear(NAMES[SOS], {"sos": True})) == [(SOS, "sos")]
    home.hear("bridge/state", {"state": "online"}, Flag.RETAIN, at_ms=NOW + 3_600_000)
    assert found(home.hear(NAMES[SOS], {"sos": True})) == [(SOS, "sos")]


def test_a_call_that_is_taken_back_calls_at_each_rise() -> None:
    """IAS zones that report their end."""
    home = Home()
    rises = [found(home.hear(NAMES[SOS], {"sos": value})) for value in (True, False, True)]
    assert rises == [[(SOS, "sos")], [], [(SOS, "sos")]]


def test_a_call_that_is_not_kept_by_the_hub_calls_whenever_it_is_there() -> None:
    """`filtered_cache: [sos]`."""
    home = Home()
    said: list[dict[str, object]] = [{"sos": True}, {"battery": 80}, {"sos": True}]
    assert [found(home.hear(NAMES[SOS], one)) for one in said] == [[(SOS, "sos")], [], [(SOS, "sos")]]


@pytest.mark.parametrize(
    ("before", "fallen"),
    [
        ({"status": "sitting"}, {"status": "falling"}),
        ({"fall_down_status": "none"}, {"fall_down_status": "fall"}),
        ({"fall_down_status": "maybe_fall"}, {"fall_down_status": "fall"}),
        ({"fall_status": "fall_warning"}, {"fall_status": "fall_alarm"}),
        ({"presence": True}, {"fall_status": "fall_alarm"}),
    ],
)
def test_a_fall_that_a_radar_sees_is_a_fall_once(before: dict[str, object], fallen: dict[str, object]) -> None:
    """FDS315, MIR-HE200-TY and Heiman's radar; they go on saying so for as long as somebody lies there."""
    home = Home()
    assert "fall" not in [kind for _, kind in found(home.hear(NAMES[RADAR], before))]
    out = home.hear(NAMES[RADAR], fallen | {"presence": True})
    assert found(out) == [(RADAR, "fall")]
    assert out.detections[0].severity is Severity.CRITICAL
    assert found(home.hear(NAMES[RADAR], fallen | {"presence": True, "linkquality": 9})) == []


def test_what_may_be_a_fall_is_passed_on_and_calls_nobody() -> None:
    """`maybe_fall` and `fall_warning`: a radar cannot ask the person."""
    out = Home().hear(NAMES[RADAR], {"fall_down_status": "maybe_fall"})
    assert [(d.kind, d.severity) for d in out.detections] == [("possible_fall", Severity.INFO)]


@pytest.mark.parametrize("value", ["ON", "OFF", True, "fall", "enable"])
def test_the_setting_fall_detection_is_nobody_falling(value: object) -> None:
    """Lumi's radars have a mode of this name; every value of it is published with every state."""
    out = Home().hear(NAMES[RADAR], {"fall_detection": value, "presence": True})
    assert (found(out), reasons(out)) == ([], [])


def test_smoke_is_an_alarm_once_until_it_is_gone() -> None:
    """A detector in alarm goes on reporting."""
    home = Home()
    rises = [
        found(home.hear(NAMES[SMOKE], {"smoke": value, "battery": k})) for k, value in enumerate((True, True, True))
    ]
    assert rises == [[(SMOKE, "smoke")], [], []]
    assert found(home.hear(NAMES[SMOKE], {"smoke": False})) == []
    assert found(home.hear(NAMES[SMOKE], {"smoke": True})) == [(SMOKE, "smoke")]


def test_smoke_that_a_message_does_not_mention_may_begin_again() -> None:
    """`cache_state: false`: a message has what the device has just said, and no more."""
    home = Home()
    said: list[dict[str, object]] = [{"smoke": True}, {"battery": 80}, {"smoke": True}]
    assert [found(home.hear(NAMES[SMOKE], one)) for one in said] == [[(SMOKE, "smoke")], [], [(SMOKE, "smoke")]]


# ---- what the broker and the hub say again


@pytest.mark.parametrize(
    ("ieee", "said"),
    [
        (SOS, {"action": "emergency"}), (SOS, {"sos": True}), (BUTTON, {"action": "single"}), (SMOKE, {"smoke": True}),
        (RADAR, {"status": "falling"}), (RADAR, {"fall_status": "fall_alarm"}),
    ],
)  # fmt: skip
def test_an_alarm_that_the_broker_has_kept_is_not_one_now(ieee: str, said: dict[str, object]) -> None:
    """Delivered with each of our connections; when the device says it itself it counts."""
    home = Home()
    for _ in range(2):
        out = home.hear(NAMES[ieee], said, Flag.RETAIN)
        assert (found(out), readings(out), reasons(out)) == ([], [], ["retained"])
    assert len(home.hear(NAMES[ieee], said).detections) == 1


def test_a_state_that_the_broker_has_kept_is_no_reading() -> None:
    """Nobody knows how old it is; it is counted, not kept."""
    home = Home()
    out = home.hear(NAMES[DOOR], {"contact": False, "battery": 3}, Flag.RETAIN)
    assert (readings(out), field(out, "battery"), reasons(out)) == ([], [], [])
    assert home.pipeline.counts["zigbee2mqtt_retained"] == 1
    assert readings(home.hear(NAMES[DOOR], {"contact": False})) == [(DOOR, "contact", 1.0)]


def test_what_the_broker_sends_again_after_a_break_is_not_taken_twice() -> None:
    """QoS 1: the acknowledgement was lost with the connection. A press that never arrived before is a press."""
    home = Home()
    assert found(home.hear(NAMES[SOS], {"action": "emergency", "linkquality": 1})) == [(SOS, "sos")]
    home.hear(NAMES[DOOR], {"contact": False})
    home.hear(NAMES[DOOR], {"contact": True})
    home.reconnect(home.now_ms + 500, at_ms=home.now_ms + 60_000)
    assert found(home.hear(NAMES[SOS], {"action": "emergency", "linkquality": 1}, Flag.DUP)) == []
    assert readings(home.hear(NAMES[DOOR], {"contact": False}, Flag.DUP)) == []
    assert readings(home.hear(NAMES[DOOR], {"contact": True}, Flag.DUP)) == []
    assert found(home.hear(NAMES[SOS], {"action": "emergency", "linkquality": 2}, Flag.DUP)) == [(SOS, "sos")]


def test_a_press_of_hours_ago_does_not_hide_one_that_the_broker_sends_again() -> None:
    """Word for word the same, and its first delivery was lost with our process."""
    home = Home()
    assert found(home.hear(NAMES[SOS], {"action": "emergency"})) == [(SOS, "sos")]
    home.reconnect(NOW + 7_200_000, at_ms=NOW + 7_210_000)
    assert found(home.hear(NAMES[SOS], {"action": "emergency"}, Flag.DUP)) == [(SOS, "sos")]


def test_an_action_that_a_hub_publishes_again_after_it_reconnects_is_no_press() -> None:
    """Koenkk/zigbee2mqtt `lib/mqtt.ts`: what it published with retain goes out again after 2 s, live for us."""
    home = Home()
    press = {"action": "emergency", "linkquality": 77}
    assert found(home.hear(NAMES[SOS], press)) == [(SOS, "sos")]
    home.hear(NAMES[SOS], press, Flag.RETAIN)  # at a connection of ours: this device is retained
    home.hear("bridge/state", {"state": "online"}, at_ms=NOW + 3_600_000)
    out = home.hear(NAMES[SOS], press, at_ms=NOW + 3_602_000)
    assert (found(out), reasons(out)) == ([], ["retained"])
    assert found(home.hear(NAMES[SOS], press | {"linkquality": 78})) == [(SOS, "sos")]
    assert found(home.hear(NAMES[SOS], press, at_ms=NOW + 3_620_000)) == [(SOS, "sos")]


def test_what_waited_at_the_broker_has_the_time_at_which_the_hub_heard_it() -> None:
    """With `last_seen`; a timer of the hub ends an occupancy without hearing the device, so the order is kept."""
    home = Home()
    home.hear(NAMES[PIR], {"occupancy": False})
    home.reconnect(NOW + 60_000, at_ms=NOW + 3_600_000)
    seen = NOW + 1_800_000
    out = home.hear(NAMES[PIR], {"occupancy": True, "last_seen": seen}, at_ms=NOW + 3_600_100)
    out.points += home.hear(NAMES[PIR], {"occupancy": False, "last_seen": seen}, at_ms=NOW + 3_600_101).points
    times = [int(t) // 10**6 for batch in out.points if batch.measurement == "home" for t in batch.t_ns]
    assert times == [seen, seen + 1]
    assert reasons(out) == []


def test_a_call_that_may_have_waited_says_so() -> None:
    """Without `last_seen` nobody knows when it was; it is an SOS now."""
    home = Home()
    home.reconnect(NOW + 60_000, at_ms=NOW + 660_000)
    (detection,) = home.hear(NAMES[SOS], {"action": "emergency"}).detections
    assert (detection.kind, detection.historical) == ("sos", False)
    assert detection.notes["sent"] == "it may have waited at the broker for up to 601 s"


@pytest.mark.parametrize("path", ["set", "get", "set/state", "get/occupancy"])
def test_what_others_tell_a_device_is_not_what_it_says(path: str) -> None:
    """An automation that sets something, read along with the rest; even an SOS that nobody pressed."""
    out = Home().hear(f"{NAMES[SOS]}/{path}", {"action": "emergency", "smoke": True})
    assert (found(out), readings(out), reasons(out)) == ([], [], [])


def test_a_group_is_nobody() -> None:
    """Its state is that of its lamps."""
    home = Home()
    home.hear("bridge/groups", [{"id": 1, "friendly_name": "all lamps", "members": []}], Flag.RETAIN)
    for path in ("all lamps", "all lamps/set", "all lamps/availability"):
        out = home.hear(path, {"state": "ON"})
        assert (readings(out), reasons(out)) == ([], [])


# ---- which device


def test_a_friendly_name_may_hold_slashes_spaces_and_chinese_and_change() -> None:
    """The registry has the address; the list of devices says whose name is whose."""
    home = Home()
    assert readings(home.hear("门/大门", {"contact": False})) == [(DOOR, "contact", 1.0)]
    home.hear("bridge/devices", devices(NAMES | {DOOR: "客厅 门", PIR: "门/大门"}))
    assert readings(home.hear("客厅 门", {"contact": True})) == [(DOOR, "contact", 0.0)]
    assert readings(home.hear("门/大门", {"occupancy": True})) == [(PIR, "presence", 1.0)]


def test_without_a_list_of_devices_the_address_in_name_or_payload_will_do() -> None:
    """The default name, and `include_device_information`."""
    home = Home(listed=False)
    assert readings(home.hear(DOOR, {"contact": False})) == [(DOOR, "contact", 1.0)]
    assert readings(home.hear("x", {"occupancy": True, "device": {"ieeeAddr": PIR}})) == [(PIR, "presence", 1.0)]


@pytest.mark.parametrize("name", [NAMES[STRANGER], STRANGER])
def test_an_unregistered_device_is_quarantined_with_its_address(name: str) -> None:
    """So that it can be entered, and what it said replayed."""
    out = Home().hear(name, {"contact": False, "linkquality": 9})
    assert (readings(out), reasons(out)) == ([], ["unknown_device"])
    assert STRANGER in out.refused[0].detail
    assert out.refused[0].device == STRANGER


def test_what_a_lamp_or_plug_says_is_counted_and_not_kept() -> None:
    """Every Zigbee network has routers that nobody enters."""
    home = Home()
    out = home.hear(NAMES[STRANGER], {"state": "ON", "power": 12.5, "linkquality": 9})
    assert (reasons(out), home.pipeline.counts["zigbee2mqtt_ignored"]) == ([], 1)


@pytest.mark.parametrize(
    ("path", "payload"),
    [
        ("plug", {"action": "emergency"}),
        ("nobody knows/this", {"action": "emergency"}),
        ("nobody knows/this/action", b"emergency"),
        ("nobody", {"sos": True}),
        ("nobody", {"status": "falling"}),
    ],
)
def test_a_call_from_a_device_that_nobody_knows_opens_an_incident_for_the_desk(path: str, payload: object) -> None:
    """No person: alerts takes it to the district desk. The message is kept as well."""
    out = Home().hear(path, payload)
    (detection,) = out.detections
    assert detection.kind in ("sos", "fall")
    assert detection.person is None
    assert path.removesuffix("/action") in detection.notes["zigbee2mqtt"]
    assert reasons(out) == ["unknown_device"]


def test_a_name_that_nobody_knows_has_the_same_id_each_time_and_another_in_another_home() -> None:
    """So that two presses are about one button."""
    home = Home(listed=False)
    ids = [home.hear("b", {"action": "sos"}, hub=hub).detections[0].device for hub in (HUB, HUB, HUB + "2")]
    assert ids[0] == ids[1] != ids[2]


def test_a_device_in_the_lists_of_two_hubs_belongs_to_the_first_and_its_calls_still_count() -> None:
    """A hub cannot speak for another home's devices while theirs runs; when that is gone, it was moved."""
    home, other = Home(), "zigbee2mqtt/home-2"
    home.hear("bridge/devices", devices({DOOR: "d", SOS: "s"}), hub=other)
    out = home.hear("d", {"contact": False}, hub=other)
    assert (readings(out), reasons(out)) == ([], ["conflict"])
    assert found(home.hear("s", {"action": "emergency"}, hub=other)) == [(SOS, "sos")]
    home.hear("bridge/state", {"state": "offline"})
    assert readings(home.hear("d", {"contact": False}, hub=other)) == [(DOOR, "contact", 1.0)]


# ---- availability


def test_a_device_that_the_hub_has_lost_is_offline_until_it_is_back() -> None:
    """Once for each change, also when the broker tells it again at a connection; JSON, or the bare word of old."""
    home = Home()
    path = f"{NAMES[PIR]}/availability"
    assert field(home.hear(path, {"state": "online"}, Flag.RETAIN), "online") == [1.0]
    assert field(home.hear(path, {"state": "offline"}), "online") == [0.0]
    assert field(home.hear(path, {"state": "offline"}, Flag.RETAIN), "online") == []
    assert not home.pipeline.devices.by_id[PIR].online
    assert field(home.hear(path, b"online"), "online") == [1.0]
    home.hear(NAMES[PIR], {"occupancy": False})
    home.hear(path, b"offline", Flag.RETAIN)  # it was lost while we were away
    assert not home.pipeline.devices.by_id[PIR].online
    assert field(home.hear(NAMES[PIR], {"occupancy": True}), "online") == [1.0]
    assert home.pipeline.devices.by_id[PIR].online


def test_availability_that_comes_before_the_list_of_devices_is_not_lost() -> None:
    """What the broker keeps comes in no certain order."""
    home = Home(listed=False)
    home.hear(f"{NAMES[DOOR]}/availability", {"state": "offline"}, Flag.RETAIN)
    out = home.hear("bridge/devices", devices(), Flag.RETAIN)
    assert field(out, "online") == [0.0]


def test_a_hub_that_is_gone_takes_its_devices_with_it() -> None:
    """Its last will, also when it was left while we were away; back again it says nothing of one that it had lost."""
    home = Home()
    for ieee in (PIR, DOOR):
        home.hear(NAMES[ieee], {"linkquality": 50})
    out = home.hear("bridge/state", {"state": "offline"}, Flag.RETAIN)
    assert len(field(out, "online")) == len(OWNERS)
    assert set(field(out, "online")) == {0.0}
    assert field(home.hear("bridge/state", {"state": "offline"}), "online") == []
    home.hear(f"{NAMES[DOOR]}/availability", {"state": "offline"})
    back = home.hear("bridge/state", {"state": "online"})
    assert len(field(back, "online")) == len(OWNERS) - 1
    assert set(field(back, "online")) == {1.0}


def test_a_zigbee_device_may_be_silent_for_a_day() -> None:
    """Zigbee2MQTT's own limit for battery devices is 25 h; wearables' three minutes would be no use here."""
    home = Home()
    home.hear(NAMES[DOOR], {"contact": True})
    device = home.pipeline.devices.by_id[DOOR]
    assert device.is_online(home.now_ms + 24 * 3_600_000)
    assert not device.is_online(home.now_ms + 26 * 3_600_000)


# ---- what cannot be understood, and what is done again


@pytest.mark.parametrize(
    ("path", "payload", "reason"),
    [
        (NAMES[DOOR], b"on", "undecodable"),
        (NAMES[DOOR], b"[1,2]", "undecodable"),
        (NAMES[DOOR], b'{"contact": tr', "undecodable"),
        (NAMES[DOOR], {"contact": "ajar"}, "invalid"),
        (NAMES[DOOR], {"contact": {"left": True}}, "invalid"),
        (NAMES[DOOR], {"battery": 130}, "invalid"),
        (NAMES[DOOR], {"battery": "full"}, "invalid"),
        (NAMES[DOOR], {"action": 5}, "invalid"),
        (NAMES[RADAR], {"fall_status": "fall_alarm_2"}, "invalid"),
        (f"{NAMES[DOOR]}/availability", {"state": "asleep"}, "invalid"),
        ("bridge/state", b"", None),
        ("bridge/state", {"state": 1}, "invalid"),
        ("bridge/devices", b"{}", "undecodable"),
        ("bridge/devices", [{"friendly_name": "x"}], "invalid"),
        ("bridge/devices", [{"friendly_name": "x", "ieee_address": "0xABC"}], "invalid"),
        ("bridge/groups", b"[", "undecodable"),
        ("bridge/logging", {"level": "info"}, None),
        (NAMES[DOOR], b"", None),
    ],
)
def test_what_is_not_understood_is_kept_with_its_reason_and_stops_nothing(
    path: str, payload: object, reason: str | None
) -> None:
    """The next message is read as ever."""
    home = Home()
    assert reasons(home.hear(path, payload)) == ([] if reason is None else [reason])
    assert readings(home.hear(DOOR, {"contact": False})) == [(DOOR, "contact", 1.0)]


def test_what_is_understood_of_a_message_is_taken_even_if_the_rest_is_not() -> None:
    """An SOS with an impossible battery is an SOS; one with a broken character too."""
    home = Home()
    out = home.hear(NAMES[SOS], {"action": "emergency", "battery": -1})
    assert (found(out), reasons(out)) == ([(SOS, "sos")], ["invalid"])
    out = home.hear(NAMES[SOS], b'{"action": "emergency", "x": "\xff"}')
    assert (found(out), reasons(out)) == ([(SOS, "sos")], ["invalid"])


def test_a_message_of_a_device_that_was_entered_later_is_replayed_as_history() -> None:
    """With the key that it would have had; what is the case now is not touched."""
    home = Home()
    first = home.hear(NAMES[STRANGER], {"contact": False, "action": "emergency"})
    kept = first.refused[0].message
    home.pipeline.update_owners(OWNERS | {STRANGER: Owner("p-2", "city", None)})
    assert readings(home.hear(NAMES[STRANGER], {"contact": True})) == [(STRANGER, "contact", 0.0)]
    home.pipeline.feed([kept._replace(flags=Flag.REPLAY)])
    again = home.pipeline.advance()
    assert readings(again) == [(STRANGER, "contact", 1.0)]
    assert [d.id for d in again.detections] == [d.id for d in first.detections]
    assert again.detections[0].historical
    assert readings(home.hear(NAMES[STRANGER], {"contact": True, "battery": 4})) == []


def test_an_old_list_of_devices_that_is_replayed_changes_no_name() -> None:
    """It was kept because one of its entries could not be read; the names of then may be others' now."""
    home = Home()
    old = [*json.loads(devices(NAMES | {DOOR: "old name"})), {"friendly_name": "x"}]
    kept = home.hear("bridge/devices", old).refused[0].message
    home.hear("bridge/devices", devices(NAMES | {DOOR: "new name"}))
    home.pipeline.feed([kept._replace(flags=Flag.REPLAY)])
    assert reasons(home.pipeline.advance()) == []
    assert readings(home.hear("new name", {"contact": False})) == [(DOOR, "contact", 1.0)]


def test_the_same_journal_gives_the_same_keys_from_any_checkpoint() -> None:
    """The processor may be killed anywhere: half of it again after a restart, nothing new."""
    said: list[tuple[str, dict[str, object]]] = [
        (NAMES[SOS], {"action": "emergency"}), (NAMES[PIR], {"occupancy": True, "battery": 50}),
        (NAMES[SOS], {"sos": True}), (NAMES[RADAR], {"status": "falling"}), (NAMES[SMOKE], {"smoke": True}),
        (NAMES[SOS], {"sos": True, "battery": 5}), (NAMES[PIR], {"occupancy": True, "battery": 50}),
    ]  # fmt: skip
    whole = Home()
    expected = [(whole.hear(*one), whole.now_ms)[0] for one in said]
    for cut in range(len(said)):
        before = Home()
        for one in said[:cut]:
            before.hear(*one)
        after = Home()
        after.pipeline.restore(pickle.loads(pickle.dumps(before.pipeline.state())))
        after.now_ms = before.now_ms
        for one, once in zip(said[cut:], expected[cut:], strict=True):
            out = after.hear(*one)
            assert [d.id for d in out.detections] == [d.id for d in once.detections]
            assert readings(out) == readings(once)


def test_messages_of_one_millisecond_are_told_apart() -> None:
    """A queue that the broker delivers at once, with presses that are word for word the same."""
    home = Home()
    outs = [home.hear(NAMES[PIR], {"occupancy": value}, at_ms=NOW + 5_000) for value in (True, False, True)]
    assert [readings(out) for out in outs] == [[(PIR, "presence", value)] for value in (1.0, 0.0, 1.0)]
    assert [reasons(out) for out in outs] == [[], [], []]
    presses = [home.hear(NAMES[SOS], {"action": "emergency"}, at_ms=NOW + 5_000).detections[0].id for _ in range(3)]
    assert len(set(presses)) == 3


@pytest.mark.parametrize("bases", [("zigbee2mqtt",), ("homes/+/z2m", "zigbee2mqtt")])
def test_hubs_may_have_any_base_topic(bases: tuple[str, ...]) -> None:
    """One hub, or one for each home."""
    home = Home(bases=bases, listed=False)
    assert readings(home.hear(DOOR, {"contact": False}, hub="zigbee2mqtt")) == [(DOOR, "contact", 1.0)]


def test_without_hubs_their_topics_are_as_strange_as_any() -> None:
    """Off by default."""
    pipeline = Pipeline(FallBank(), FallBank())
    pipeline.feed([RawMessage(NOW, Flag.NONE, f"{HUB}/{DOOR}".encode(), b'{"contact":true}')])
    assert reasons(pipeline.advance()) == ["bad_topic"]


# ---- what waits


def chatter(rng: random.Random, count: int) -> list[RawMessage]:
    """What two hubs say when much happens, some of it retained or repeated, some within one instant."""
    messages, now_ms = [], NOW
    for _ in range(count):
        now_ms += rng.choice((0, 0, 20, 700, 4_000, 200_000))
        ieee = rng.choice((*list(NAMES)[:6], STRANGER, "0x00158d0000000eee"))
        said: object = {
            rng.choice(("sos", "presence", "smoke", "action", "fall_status", "battery")): rng.choice(
                (True, False, "single", "sos", "fall_alarm", "normal", 12, 80)
            ),
            rng.choice(("sos", "battery", "last_seen")): rng.choice((True, False, 12, now_ms - 30_000)),
        }
        path = rng.choice((NAMES.get(ieee, ieee), ieee))
        if rng.random() < 0.2:
            listed = dict(list(NAMES.items())[: rng.randrange(10)])
            path, said = rng.choice(
                (
                    ("bridge/state", {"state": rng.choice(("online", "offline"))}),
                    ("bridge/devices", json.loads(devices(listed))),
                    (f"{path}/action", "sos"),
                    (f"{path}/availability", {"state": rng.choice(("online", "offline"))}),
                )
            )
        flags = rng.choice((Flag.NONE, Flag.NONE, Flag.NONE, Flag.RETAIN, Flag.DUP))
        payload = said.encode() if isinstance(said, str) else json.dumps(said).encode()
        messages.append(RawMessage(now_ms, flags, f"zigbee2mqtt/home-{rng.choice('12')}/{path}".encode(), payload))
    return messages


@pytest.mark.parametrize("seed", range(4))
def test_who_is_ahead_takes_every_message_as_it_is_taken_in_its_turn(seed: int) -> None:
    """However far ahead it is, and whatever is taken in the meantime."""
    rng = random.Random(seed)
    messages = chatter(rng, 1_000)

    def take(zigbee: Zigbee2Mqtt, message: RawMessage) -> tuple[list[Told], str | None, str | None, str]:
        address = zigbee.address(message.topic)
        assert address is not None
        since_ms = message.recv_ms - 60_000
        try:
            one = zigbee.take(address, message, OWNERS.get, down_since_ms=since_ms, backlog=message.recv_ms % 3 == 0)
        except TelemetryError as error:
            return [], None, None, str(error)
        return one.told, one.heard, one.device, str(one.refused)

    ordinary = Zigbee2Mqtt(("zigbee2mqtt/+",))
    for message in messages[:400]:
        take(ordinary, message)
    ahead, waiting = ordinary.ahead(), messages[400:]
    found, in_turn = [], []
    while len(in_turn) < len(waiting):
        if len(found) < len(waiting) and rng.random() < 0.55:
            found.append(take(ahead, waiting[len(found)]))
        elif len(in_turn) < len(found):
            in_turn.append(take(ordinary, waiting[len(in_turn)]))
    assert sum(isinstance(one.said, Event) for told, *_ in found for one in told) > 20
    assert found == in_turn
