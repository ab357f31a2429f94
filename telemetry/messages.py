"""The message types of the wire contract, with their ranges in the type.

Defaults are the contract with older devices: a field that is absent means what its default says. Unknown fields are
ignored and unknown enum values (``type``, ``kind``, ``acvpu``, ``placement``) are data, never an error.

Instants are epoch milliseconds by the device's clock, which may be wrong; ranges are those of the wire, wide enough
that a reading in another unit (Fahrenheit, kPa, mg/dL) still arrives and can be told to be one by the detectors.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

#: Epoch milliseconds that a double still holds exactly; year 287396.
MAX_T_MS = 2**53 - 1
#: Samples in one motion frame: 40 s at 200 Hz, and 48 KiB of one packed array at most.
MAX_SAMPLES = 8_192
#: Characters in a short text: an enum value from a newer device, a room, a version.
MAX_TEXT = 64

EpochMs = Annotated[int, Meta(ge=0, le=MAX_T_MS, description="epoch milliseconds, UTC")]
Boot = Annotated[int, Meta(ge=0, le=2**32 - 1, description="random, drawn at each start of the device")]
Seq = Annotated[int, Meta(ge=0, le=2**53 - 1, description="counts up within a stream and boot")]
Hist = Annotated[bool, Meta(description="from the device's buffer: stored and detected, never shown as live")]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
IdleUntil = Annotated[int, Meta(ge=0, le=MAX_T_MS, description="at rest: nothing comes until then, epoch ms")]
Triple = tuple[float, float, float]

SampleRate = Annotated[float, Meta(ge=10, le=400, description="samples per second, Hz")]
Lsb = Annotated[float, Meta(gt=0, le=1, description="g per count")]
GyroLsb = Annotated[float, Meta(gt=0, le=10, description="deg/s per count")]
Packed = Annotated[
    memoryview, Meta(min_length=6, max_length=6 * MAX_SAMPLES, description="little-endian int16, n x 3, row-major")
]
Listed = Annotated[
    list[Triple], Meta(min_length=1, max_length=MAX_SAMPLES, description="[x, y, z] per sample; g, or deg/s")
]


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every upward message carries. A field at its default is left out on the wire."""

    t: EpochMs
    boot: Boot
    seq: Seq
    hist: Hist = False


class PackedMotion(Message, frozen=True, kw_only=True):
    """A motion frame in MessagePack. `t` is the instant of the first sample."""

    fs: SampleRate
    lsb: Lsb
    acc: Packed
    glsb: GyroLsb | None = None
    gyr: Packed | None = None
    idle_until: IdleUntil | None = None


class ListedMotion(Message, frozen=True, kw_only=True):
    """A motion frame in JSON: `acc` in g, `gyr` in deg/s, each a list of `[x, y, z]`."""

    fs: SampleRate
    acc: Listed
    gyr: Listed | None = None
    idle_until: IdleUntil | None = None


class Vitals(Message, frozen=True, kw_only=True):
    """One reading: any of the parameters, in the units of the wire contract."""

    hr: Annotated[float, Meta(ge=0, le=400, description="heart rate, /min")] | None = None
    spo2: Annotated[float, Meta(ge=0, le=100, description="oxygen saturation, %")] | None = None
    rr: Annotated[float, Meta(ge=0, le=200, description="respiration rate, /min")] | None = None
    temp: Annotated[float, Meta(ge=-50, le=150, description="body temperature, Cel")] | None = None
    sbp: Annotated[float, Meta(ge=0, le=400, description="systolic pressure, mm[Hg]")] | None = None
    dbp: Annotated[float, Meta(ge=0, le=400, description="diastolic pressure, mm[Hg]")] | None = None
    glucose: Annotated[float, Meta(ge=0, le=1000, description="blood glucose, mmol/L")] | None = None
    weight: Annotated[float, Meta(ge=0, le=1000, description="body weight, kg")] | None = None
    o2: Annotated[bool, Meta(description="breathes supplemental oxygen")] | None = None
    acvpu: Annotated[str, Meta(max_length=16, description="consciousness: A, C, V, P or U")] | None = None
    quality: Annotated[float, Meta(ge=0, le=1, description="of the reading: 0 useless, 1 good")] | None = None


VITALS_NUMBERS: tuple[str, ...] = ("hr", "spo2", "rr", "temp", "sbp", "dbp", "glucose", "weight", "quality")


class Home(Message, frozen=True, kw_only=True):
    """One reading of a home sensor: presence, contact, bed, water, smoke, gas or what comes later."""

    kind: Annotated[Name, Meta(description="presence, contact, bed, water, smoke, gas or another")]
    value: Annotated[bool | float | Text, Meta(description="true stays a bool, 1 a number, open a text")]
    room: Annotated[Text, Meta(description="where the sensor is")] | None = None


class Event(Message, frozen=True, kw_only=True):
    """Something a person or the device's own detector did: `sos`, `cancel`, `fall`."""

    type: Annotated[Name, Meta(description="sos, cancel, fall or another")]
    re: Annotated[Text, Meta(description="id of the command that a cancel answers")] | None = None


class Status(Message, frozen=True, kw_only=True):
    """Birth message, heartbeat, or (`online` false, left with the broker as the will) death message."""

    online: Annotated[bool, Meta(description="false in the last will")]
    battery: Annotated[float, Meta(ge=0, le=100, description="charge, %")] | None = None
    rssi: Annotated[float, Meta(ge=-200, le=50, description="signal strength, dBm")] | None = None
    lqi: Annotated[float, Meta(ge=0, le=255, description="link quality of a Zigbee radio, 0..255")] | None = None
    fw: Annotated[Text, Meta(description="firmware version")] | None = None
    placement: Annotated[Text, Meta(description="waist, wrist, hip, pocket or another")] | None = None
    heartbeat_s: Annotated[float, Meta(gt=0, le=604_800, description="speaks at least this often, s")] | None = None


class Command(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What goes down to a device: `ack`, `prompt`, `alarm`, `locate`, `config`."""

    id: Annotated[Name, Meta(description="to be named in the cancel that answers it")]
    type: Annotated[Name, Meta(description="ack, prompt, alarm, locate, config or another")]
    expires_ms: Annotated[EpochMs, Meta(description="too late after this, epoch ms by the server's clock")]
    boot: Annotated[Boot, Meta(description="for ack: boot of the event it acknowledges")] | None = None
    seq: Annotated[Seq, Meta(description="for ack: seq of the event it acknowledges")] | None = None
