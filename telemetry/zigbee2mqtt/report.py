"""What a Zigbee device said: a JSON object with an attribute for everything that is known of it.

Zigbee2MQTT merges each report with what the device has said before, so that an attribute in a message is no sign that
the device has just reported it; only ``action`` is not kept (`lib/state.ts`). What has changed is for the reader to
find out. The attributes are those of the device pages on zigbee2mqtt.io.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from telemetry.diagnosis import DECODE_ERRORS, read_leniently
from telemetry.errors import Reason, TelemetryError
from telemetry.zigbee2mqtt.bridge import is_ieee

#: attribute -> (kind of home reading, the value that means "yes"). A contact is true while the door is *closed*.
_READINGS: dict[str, tuple[str, bool]] = {
    "presence": ("presence", True),
    "occupancy": ("presence", True),
    "contact": ("contact", False),
    "water_leak": ("water", True),
    "vibration": ("vibration", True),
    "smoke": ("smoke", True),
    "gas": ("gas", True),
    "carbon_monoxide": ("gas", True),
}
#: Attributes of buttons that are set while somebody calls.
_CALLS = frozenset({"sos", "sos_alarm", "emergency", "panic"})
#: Actions that call for help on whatever device they come from.
CALLING_ACTIONS = frozenset({"emergency", "sos", "panic", "help"})
#: Actions of vibration sensors: each is one movement, and there is no end to it.
_PULSES = {"vibration": "vibration", "tilt": "vibration", "drop": "vibration"}
#: Not a press of a button: the end of one, or a state of it.
_NO_PRESS = frozenset({"off", "release"})

FALL, POSSIBLE_FALL = "fall", "possible_fall"
#: Attribute -> value -> what it means. ``fall_detection`` of Lumi's radars is *not* here: it is a setting.
_FALLS: dict[str, dict[str, str]] = {
    "fall_down_status": {"none": "", "maybe_fall": POSSIBLE_FALL, "fall": FALL},
    "fall_status": {"normal": "", "fall_warning": POSSIBLE_FALL, "fall_alarm": FALL},
}
#: ``status`` of OWON's FDS315 -> (somebody is there, is in bed, has fallen). Other devices have other words there.
_POSTURES: dict[str, tuple[bool, bool, bool]] = {
    "unoccupied": (False, False, False),
    "occupied": (True, False, False),
    "sitting": (True, False, False),
    "on_the_bed": (True, True, False),
    "low_posture": (True, False, False),
    "falling": (True, False, True),
}
_WORDS = {"on": True, "true": True, "off": False, "false": False}
#: What is reported for a device that only knows "low": a battery to be changed now.
LOW_BATTERY_PCT = 5.0
#: Models whose `occupancy` is a bed's, wherever they are registered.
BED_MODELS = frozenset({"TS0601_bed_presence_sensor"})
#: Attributes that change by themselves and say nothing about what the device reported.
_PASSING = frozenset({"linkquality", "last_seen", "elapsed", "device", "update", "update_available"})


@dataclass(frozen=True, slots=True)
class Report:
    """One message of a device.

    Attributes:
        action: what was done with it just now, "" for nothing.
        readings: kind of home reading -> yes (somebody there, open, wet, in bed, smoke) or no.
        calls: whether an attribute says that somebody calls for help; None where there is no such attribute.
        fall: "" no fall, ``possible_fall``, ``fall``; None where there is no such attribute.
        pulses: kinds of which one has just happened, without an end.
        battery_pct: charge, %.
        link_quality: 0..255.
        last_seen_ms: when the hub last heard the device, epoch ms by the hub's clock.
        ieee: the device's address, where the hub is told to add it.
        others: what else it says, to tell a new report from a repetition.
        used: how many attributes were understood.
        problems: in words, what should have been understood and was not.
    """

    action: str = ""
    readings: dict[str, bool] = field(default_factory=dict)
    calls: bool | None = None
    fall: str | None = None
    pulses: tuple[str, ...] = ()
    battery_pct: float | None = None
    link_quality: int | None = None
    last_seen_ms: int | None = None
    ieee: str | None = None
    others: dict[str, Any] = field(default_factory=dict)
    used: int = 0
    problems: tuple[str, ...] = ()

    @property
    def is_alarm(self) -> bool:
        """Whether it holds a call for help, a fall, smoke or gas, whatever it held before."""
        alarms = self.readings.get("smoke") or self.readings.get("gas")
        return bool(self.calls or self.fall == FALL or alarms or self.action in CALLING_ACTIONS)


def is_press(action: str, *, call_button: bool) -> bool:
    """Whether an action calls for help: by its name, or because it is a press of a button that is there for calling."""
    if action in CALLING_ACTIONS:
        return True
    return call_button and bool(action) and action not in _NO_PRESS and not action.endswith("_release")


def decode_report(payload: bytes) -> Report:
    """Read a device's message.

    Raises:
        TelemetryError: it is no JSON object.
    """
    problems: list[str] = []
    said: Any
    try:
        said = msgspec.json.decode(payload)
    except DECODE_ERRORS as error:
        problems.append(str(error))
        said = read_leniently(payload) if payload else None
    if not isinstance(said, dict):
        raise TelemetryError(Reason.UNDECODABLE, problems[0] if problems else "no JSON object")
    return _read(said, problems)


def _read(said: dict[str, Any], problems: list[str]) -> Report:
    readings: dict[str, bool] = {}
    calls: bool | None = None
    fall: str | None = None
    used = 0
    for name, value in said.items():
        if value is None:  # not read from the device yet
            continue
        if name in _READINGS or name in _CALLS:
            is_set = _truth(name, value, problems)
            if is_set is None:
                continue
            used += 1
            if name in _CALLS:
                calls = bool(calls) or is_set
            else:
                kind, yes = _READINGS[name]
                readings[kind] = readings.get(kind, False) or is_set is yes
        elif name in _FALLS:
            meaning = _FALLS[name].get(str(value))
            if meaning is None:
                problems.append(f"{name} is {str(value)[:64]!r}")
                continue
            used += 1
            fall = max(fall or "", meaning, key=("", POSSIBLE_FALL, FALL).index)
        elif name == "status" and isinstance(value, str) and value in _POSTURES:
            used += 1
            there, in_bed, fallen = _POSTURES[value]
            readings |= {"presence": there, "bed": in_bed}
            fall = FALL if fallen else fall or ""
    action = _action(said, problems)
    pulse = _PULSES.get(action)
    battery_pct = _number(said, "battery", 100, problems)
    if battery_pct is None and said.get("battery_low") is True:
        battery_pct = LOW_BATTERY_PCT
    link_quality = _number(said, "linkquality", 255, problems)
    device = said.get("device")
    ieee = device.get("ieeeAddr") if isinstance(device, dict) else None
    return Report(
        action=action,
        readings=readings,
        calls=calls,
        fall=fall,
        pulses=(pulse,) if pulse is not None and pulse not in readings else (),
        battery_pct=battery_pct,
        link_quality=None if link_quality is None else round(link_quality),
        last_seen_ms=_instant(said.get("last_seen")),
        ieee=ieee if isinstance(ieee, str) and is_ieee(ieee) else None,
        others={name: value for name, value in said.items() if name not in _PASSING and name not in _CALLS},
        used=used + bool(action),
        problems=tuple(problems),
    )


def _truth(name: str, value: Any, problems: list[str]) -> bool | None:
    """None where it is no truth: the same names are quantities on other devices (`gas` of a meter, in m3)."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return None
    word = _WORDS.get(value.lower()) if isinstance(value, str) else None
    if word is None:
        problems.append(f"{name} is {str(value)[:64]!r}, neither true nor false")
    return word


def _action(said: dict[str, Any], problems: list[str]) -> str:
    action = said.get("action")
    if action is None:
        action = said.get("click")  # before 1.x, and beside `action` in old configurations
    if action is None:
        return ""
    if not isinstance(action, str):
        problems.append(f"action is {str(action)[:64]!r}")
        return ""
    return action.strip().lower()[:64]


def _number(said: dict[str, Any], name: str, upper: float, problems: list[str]) -> float | None:
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= upper:
        problems.append(f"{name} is {str(value)[:64]!r}, not 0..{upper:g}")
        return None
    return float(value)


def _instant(value: Any) -> int | None:
    """`last_seen` in any of its formats (epoch ms, ISO 8601 with zone); None where it cannot be told."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 2**53 else None
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if at.tzinfo is None else round(at.timestamp() * 1000)
