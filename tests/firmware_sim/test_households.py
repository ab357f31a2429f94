"""Homes: what befalls residents shows in what sensors say, in the truth file, and in what detectors make of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest

from bench.homes import is_about, listen
from firmware_sim.device import Device
from firmware_sim.errors import ScenarioError, SimulationError
from firmware_sim.history import History
from firmware_sim.households.devices import HomeSensor, ZigbeeHub
from firmware_sim.households.fate import DAY_MS, HOUR_MS, TROUBLES, Fate
from firmware_sim.households.habits import fitted
from firmware_sim.households.home import Home, Reading
from firmware_sim.households.plan import HomesPlan, household
from firmware_sim.population import build_devices
from firmware_sim.scenario import members, parse_scenario
from firmware_sim.session import Message
from firmware_sim.synthetic import Synthetic
from telemetry.codec import decode_home
from telemetry.topics import Stream, parse_topic
from telemetry.zigbee2mqtt.report import decode_report

#: A Monday, midnight in China.
T0_MS = 1_759_680_000_000
OFFSET_S = 8 * 3600
DAYS = 12


def home(
    fate: Fate | None = None, *, index: int = 0, seed: int = 1, plan: HomesPlan | None = None, **more: object
) -> Home:
    """A home from midnight on."""
    settings: dict[str, object] = {"hold_s": 15.0, **more}
    return Home(
        household(plan or HomesPlan(), index), fitted(), (seed, index), start_ms=T0_MS, utc_offset_s=OFFSET_S,
        fate=fate or Fate(), **settings,
    )  # fmt: skip


def heard(it: Home, days: float = 3) -> list[Reading]:
    """Everything its sensors say."""
    return list(it.readings(T0_MS + round(days * DAY_MS)))


def of_kind(it: Home, readings: Sequence[Reading], kind: str) -> list[Reading]:
    """The readings of one kind of sensor."""
    return [one for one in readings if it.household.sensors[one.sensor].kind == kind]


def local_hour(t_ms: int) -> float:
    """The hour of day."""
    return (t_ms - T0_MS) % DAY_MS / HOUR_MS


def test_the_same_seed_is_the_same_home_and_another_seed_another() -> None:
    """Bit for bit, also when it is asked sensor by sensor."""
    first, again, other = (heard(home(seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    by_sensor, one = home(), []
    for now_ms in range(T0_MS, T0_MS + 3 * DAY_MS + 1, 600_000):
        for sensor in range(len(by_sensor.household.sensors)):
            one += by_sensor.take(sensor, now_ms)
    assert sorted(one) == sorted(first)


def test_readings_come_in_order_and_every_sensor_says_on_and_off_in_turn() -> None:
    """No sensor says what it has said already."""
    crowded = HomesPlan(second=1.0, pets=1.0)
    it = home(plan=crowded, visits_a_week=20.0, smoke_ms=(T0_MS + HOUR_MS,))
    readings = heard(it)
    assert len({one.sensor for one in readings}) > 5
    assert all(one.t_ms <= two.t_ms for one, two in pairwise(readings))
    for sensor in range(len(it.household.sensors)):
        said = [one.value for one in readings if one.sensor == sensor]
        # two people may open one door at once
        if it.household.sensors[sensor].kind != "contact":
            assert said[:1] in ([True], [False], [])
            assert all(one != two for one, two in pairwise(said))


def test_a_tap_runs_for_a_while_at_most_and_not_where_nobody_is() -> None:
    """Somebody who is alone is in the room from its opening to its closing."""
    it = home(hold_s=0.0)
    readings = heard(it, 5)
    where, taps = "", 0
    for one in readings:
        sensor = it.household.sensors[one.sensor]
        if sensor.kind == "presence" and one.value:
            where = sensor.room
        if sensor.kind == "water":
            assert sensor.room == where
            taps += 1
    times = [two.t_ms - one.t_ms for one, two in pairwise(of_kind(it, readings, "water")) if one.value]
    assert max(times) <= 90_000
    assert taps > 5 * 20


def test_nights_are_spent_in_bed_and_days_are_not() -> None:
    """The bed is left in the morning and taken in the evening, with short ways at night."""
    it = home()
    readings = heard(it, 10)
    beds = of_kind(it, readings, "bed")
    in_bed_ms = sum(two.t_ms - one.t_ms for one, two in pairwise(beds) if one.value)
    assert 6.5 < in_bed_ms / HOUR_MS / 10 < 10
    by_day = [one for one in beds if one.value and 11 < local_hour(one.t_ms) < 20]
    assert not by_day
    kitchen = [one for one in readings if it.household.sensors[one.sensor].room == "kitchen" and one.value]
    assert sum(2 < local_hour(one.t_ms) < 5 for one in kitchen) < 0.02 * len(kitchen)


@pytest.mark.parametrize("kind", ["still", "long_bathroom", "bed_left", "wandering", "not_out_of_bed", "not_back"])
def test_a_trouble_begins_once_after_its_instant_and_shows(kind: str) -> None:
    """What is said of it is what the sensors show while it lasts."""
    it = home(Fate(troubles=[(T0_MS + 2 * DAY_MS, kind)]))
    readings = heard(it, 6)
    (what,) = [one for one in it.happened(T0_MS + 6 * DAY_MS) if one.detail == kind]
    assert what.kind == TROUBLES[kind][0]
    assert what.end_ms is not None
    assert what.due_ms is not None
    assert T0_MS + 2 * DAY_MS <= what.begin_ms < what.due_ms <= what.end_ms + 10 * HOUR_MS
    rooms = [
        it.household.sensors[one.sensor].room
        for one in readings
        if one.value and what.begin_ms + 20_000 < one.t_ms < what.end_ms - 20_000
    ]
    if kind in ("still", "not_back"):
        assert not set(rooms) - {"entrance", "front door"}
    elif kind == "long_bathroom":
        assert len(rooms) > 20
        assert set(rooms) == {"bathroom"}
    elif kind == "not_out_of_bed":
        assert len(rooms) > 10
        assert set(rooms) == {"bedroom"}
    else:
        assert "bedroom" not in rooms
        assert (local_hour(what.begin_ms) + 2) % 24 < 8
        assert len(set(rooms)) >= (3 if kind == "wandering" else 1)


def test_a_fall_stops_all_movement_until_the_person_is_up_again() -> None:
    """At whatever hour; it is told without being due, because the wearable has to find it."""
    falls = [(T0_MS + round(hours * HOUR_MS), T0_MS + round((hours + 2) * HOUR_MS)) for hours in (27.3, 35.0, 42.5)]
    it, same = home(Fate(falls=list(falls))), home()
    readings = heard(it, 3)
    for impact_ms, until_ms in falls:
        # what was on already goes off
        assert not [one for one in readings if one.value and impact_ms + 1000 < one.t_ms < until_ms]
    assert [one for one in heard(same, 3) if one.value and any(a + 1000 < one.t_ms < b for a, b in falls)]
    told = [one for one in it.happened(T0_MS + 3 * DAY_MS) if one.detail == "fall"]
    assert [(one.kind, one.due_ms) for one in told] == [("collapse", None)] * len(told)
    assert told


def test_holidays_leave_the_home_empty_and_explain_the_absence() -> None:
    """From somewhere after their beginning to their end."""
    away = (T0_MS + 2 * DAY_MS + 10 * HOUR_MS, T0_MS + 6 * DAY_MS)
    for plan in (HomesPlan(), HomesPlan(second=1.0)):
        it = home(Fate(away=[away]), plan=plan)
        readings = heard(it, 8)
        assert not [one for one in readings if one.value and away[0] + HOUR_MS < one.t_ms < away[1]]
        assert [one for one in readings if one.t_ms > away[1]]
        (told,) = [one for one in it.happened(T0_MS + 8 * DAY_MS) if one.detail == "holiday"]
        assert (told.kind, told.due_ms, told.end_ms) == ("not_back", None, away[1])


def test_guests_and_animals_and_a_second_resident_are_seen_as_well() -> None:
    """Two rooms at once with a guest, movement in an empty home with an animal, more of it with two."""
    quiet = len(heard(home(), 7))
    assert len(heard(home(plan=HomesPlan(second=1.0)), 7)) > 1.4 * quiet
    away = [(T0_MS + DAY_MS, T0_MS + 5 * DAY_MS)]
    cat = home(Fate(away=list(away)), plan=HomesPlan(pets=1.0))
    assert [one for one in heard(cat, 5) if one.value and one.t_ms > away[0][0] + 12 * HOUR_MS]
    assert len(heard(home(visits_a_week=14.0), 7)) > 1.15 * quiet


def test_without_a_hold_every_movement_is_a_reading_and_with_one_they_run_together() -> None:
    """As battery sensors do, which see nothing for a while after they have seen somebody."""
    counts = [len(heard(home(hold_s=hold_s), 5)) for hold_s in (0.0, 15.0, 90.0)]
    assert counts[0] > 2 * counts[1]
    assert counts[1] > 1.3 * counts[2]


SCENARIO = """
name: street
wearers: {count: 3}
vitals: {every_s: 0}
falls: [{at_s: 3600, who: 2}]
homes:
  count: 4
  heartbeat_s: 7200
  troubles: {smoke: {count: 1, between_s: [600, 700]}}
"""


def homes_of(text: str, seed: int = 1) -> list[Device]:
    """The sensors or hubs of a scenario."""
    devices = build_devices(parse_scenario(text, "test"), Synthetic(seed), seed, T0_MS)
    return [one for one in devices if isinstance(one, (HomeSensor, ZigbeeHub))]


def spoken(device: Device, until_ms: int) -> list[Message]:
    """Everything up to ``until_ms``."""
    said: list[Message] = []
    while device.due_ms is not None and device.due_ms <= until_ms:
        said += device.wake(device.due_ms)
    return said


def test_sensors_of_homes_are_devices_with_ids_that_a_registry_knows() -> None:
    """Readings of the wire contract in order of seq, heartbeats, nothing between: thousands cost nothing."""
    devices = homes_of(SCENARIO)
    known = {
        one.device: one for one in members(parse_scenario(SCENARIO, "a")) if one.kind not in ("wearable", "button")
    }
    assert {one.id for one in devices} == set(known)
    assert len(devices) >= 4 * 10
    wakes = 0
    for device in devices:
        seqs = []
        for message in spoken(device, T0_MS + DAY_MS):
            assert parse_topic(message.topic) == (device.id, message.stream)
            if message.stream is Stream.HOME:
                reading = decode_home(message.payload)
                assert (reading.kind, reading.room) == (known[device.id].kind, known[device.id].placement)
                seqs.append(reading.seq)
        assert seqs == list(range(len(seqs)))
        wakes += len(seqs)
    assert wakes > 4 * 200
    assert [m.payload for m in spoken(homes_of(SCENARIO)[1], T0_MS + DAY_MS)] == [
        m.payload for m in spoken(homes_of(SCENARIO)[1], T0_MS + DAY_MS)
    ]


def test_truth_has_what_befell_homes_once_and_falls_of_wearers_stop_their_home() -> None:
    """The first sensor of a home tells it."""
    devices = homes_of(SCENARIO)
    for device in devices:
        spoken(device, T0_MS + 2 * HOUR_MS)
    told = [one for device in devices for one in device.happened(T0_MS + 2 * HOUR_MS)]
    assert sorted((one.kind, one.detail) for one in told) == [("collapse", "fall"), ("smoke", "")]
    (fall,) = [one for one in told if one.kind == "collapse"]
    assert fall.person == "p-00002"
    assert abs(fall.begin_ms - (T0_MS + 3_600_000)) < 1500


def test_a_zigbee_hub_says_what_our_sensors_say() -> None:
    """The same changes, in its words and below its own topic; the gateway's decoder reads them."""
    text = SCENARIO.replace("count: 4", "count: 1\n  sensors: [presence, contact, bed, smoke]")
    ours = homes_of(text)
    (hub,) = homes_of(text.replace("heartbeat_s", "output: zigbee2mqtt\n  heartbeat_s"))
    opening = {message.topic.decode(): message for message in hub.greet(T0_MS)}
    listed = json.loads(opening["zigbee2mqtt/home-00001/bridge/devices"].payload)
    named = {one["friendly_name"]: one["ieee_address"] for one in listed}
    zigbee = parse_scenario(text.replace("heartbeat_s", "output: zigbee2mqtt\n  heartbeat_s"), "a")
    assert set(named.values()) - {"0x00124b0000000000"} == {m.device for m in members(zigbee) if m.kind != "wearable"}
    changes: list[tuple[int, str, bool]] = []
    for message in spoken(hub, T0_MS + DAY_MS):
        name = message.topic.decode().removeprefix("zigbee2mqtt/home-00001/")
        report = decode_report(message.payload)
        assert not report.problems
        changes += [(report.last_seen_ms or 0, name, value) for value in report.readings.values()]
    mine = [
        (reading.t, f"{reading.room} {reading.kind}", bool(reading.value))
        for device in ours
        for message in spoken(device, T0_MS + DAY_MS)
        if message.stream is Stream.HOME
        for reading in [decode_home(message.payload)]
    ]
    assert sorted(changes) == sorted(mine)
    assert len(mine) > 200
    assert hub.will(T0_MS) == ("zigbee2mqtt/home-00001/bridge/state", b'{"state": "offline"}')
    assert hub.outbox.published == {}


def test_what_a_scenario_cannot_have_is_refused() -> None:
    """With the field; a hub has no history."""
    with pytest.raises(ScenarioError, match="troubles"):
        parse_scenario("name: a\nwearers: {count: 1}\nhomes: {count: 1, troubles: {flood: {count: 1}}}", "a")
    crowd = SCENARIO.replace("smoke: {count: 1", "smoke: {count: 9")
    with pytest.raises(SimulationError, match=r"troubles\.smoke: 9"):
        homes_of(crowd)
    hub = parse_scenario(SCENARIO.replace("heartbeat_s", "output: zigbee2mqtt\n  heartbeat_s"), "a")
    with pytest.raises(SimulationError, match="Zigbee2MQTT"):
        History(hub, 10)


def test_twelve_days_of_homes_raise_what_is_due_and_little_else() -> None:
    """Each kind of trouble in a home of its own once it is known, smoke in another: all found in time. Three weeks and
    more homes: python -m bench.homes."""
    fates = [Fate(troubles=[(T0_MS + 9 * DAY_MS, kind)]) for kind in TROUBLES]
    plan = HomesPlan(sensors=["presence", "contact", "bed", "smoke"])
    homes = [home(fate, index=index, plan=plan) for index, fate in enumerate(fates)]
    homes.append(home(index=len(fates), plan=plan, smoke_ms=(T0_MS + 10 * DAY_MS,)))
    found = listen(homes, DAYS)
    happened = [one for it in homes for one in it.happened(T0_MS + DAYS * DAY_MS)]
    assert sorted(one.kind for one in happened) == sorted(["smoke", *(kind for kind, _ in TROUBLES.values())])
    for what in happened:
        assert what.due_ms is not None
        on_time = [
            d for d in found if d.kind == what.kind and is_about(d, what) and d.decided_ms <= what.due_ms + 600_000
        ]
        assert on_time, what
    others = [one for one in found if not any(is_about(one, what) for what in happened)]
    # in 7 homes; docs/simulated-homes.md has the rate
    assert len(others) <= 10, [(one.person, one.kind, (one.decided_ms - T0_MS) / DAY_MS) for one in others]
