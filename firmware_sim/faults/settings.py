"""The field ``faults`` of a scenario: a list of faults, each with whom it strikes, when, and how badly."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

_Second = Annotated[float, Meta(ge=0, le=31_536_000)]
_Duration = Annotated[float, Meta(gt=0, le=604_800)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Number = Annotated[int, Meta(ge=1, le=100_000)]
_Times = Annotated[int, Meta(ge=1, le=1_000)]

BadWay = Literal["truncated", "garbage", "wrong_type", "nan", "missing_field", "wrong_length"]


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all have in common: whom it strikes and when.

    Of the devices that it can strike, ``count`` or a ``share`` of them, drawn by the seed; neither: all. It begins and
    ends at the seconds ``between_s`` of the run; None: it is there from the start and stays.
    """

    count: _Number | None = None
    share: _Share | None = None
    between_s: tuple[_Second, _Second] | None = None

    def __post_init__(self) -> None:
        if self.count is not None and self.share is not None:
            raise ValueError("give `count` or `share`, not both")
        if self.between_s is not None and self.between_s[0] > self.between_s[1]:
            raise ValueError("`between_s` wants start <= end")


class _Moments(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that strikes at moments, spread by chance over ``between_s``."""

    times: _Times = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.between_s is None:
            raise ValueError("needs `between_s`: it strikes at moments of it")


class LinkLoss(_Moments, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="link_loss"):
    """The link is gone for ``outage_s``, ``times`` times; what is measured meanwhile comes from the buffer."""

    outage_s: _Duration = 10.0


class PowerCut(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="power_cut"):
    """A street of the neighbourhood is without power over ``between_s``, and nobody's devices there have a link.

    ``street``: 1 is East Street, 2 Riverside; half of the people live in each.
    """

    street: Annotated[int, Meta(ge=1, le=2)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.between_s is None or self.between_s[0] == self.between_s[1]:
            raise ValueError("needs `between_s`: from when to when there is no power")


class MassReconnect(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="mass_reconnect"
):
    """Every link drops at the same moment, and all come back at once."""

    at_s: _Second


class BrokerRestart(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="broker_restart"
):
    """The broker is restarted by the hook that the run was given; without one the truth says that it was left out."""

    at_s: _Second


class Delay(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="delay"):
    """Each message is on its way for a time drawn from ``delay_s``; the order stays, as on one connection."""

    delay_s: tuple[_Second, _Second] = (0.1, 1.0)


class Duplicates(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="duplicates"):
    """A share ``of_messages`` is sent twice, the second time after a time drawn from ``after_s``."""

    of_messages: _Share = 0.1
    after_s: tuple[_Second, _Second] = (0.0, 3.0)


class Reordering(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="reordering"):
    """A share ``of_messages`` is held back for a time drawn from ``late_s`` and overtaken by those after it."""

    of_messages: _Share = 0.1
    late_s: tuple[_Second, _Second] = (1.1, 1.8)


class ClockSkew(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="clock_skew"):
    """The clock is off by what is drawn from ``offset_s``; positive is ahead."""

    offset_s: tuple[float, float] = (-600.0, 600.0)


class ClockDrift(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="clock_drift"):
    """The clock gains what is drawn from ``ppm``, in millionths; negative loses."""

    ppm: tuple[float, float] = (-200.0, 200.0)


class TimeZone(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="time_zone"):
    """Local time is sent as UTC: the clock is ahead by whole ``hours``."""

    hours: Annotated[int, Meta(ge=-12, le=14)] = 8


class Restart(_Moments, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="restart"):
    """Starts anew, ``times`` times: off for ``down_s``, then another boot, every sequence from 0, the buffer lost."""

    down_s: _Duration = 2.0


class LowBattery(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="low_battery"):
    """The charge sinks from ``from_pct`` to nothing over ``between_s``, is reported, and then the device is dead."""

    from_pct: Annotated[float, Meta(gt=0, le=100)] = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.between_s is None:
            raise ValueError("needs `between_s`: at its end the battery is empty")


class StuckAxis(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="stuck_axis"):
    """One axis of the accelerometer repeats the value that it had; ``any``: which one is drawn."""

    axis: Literal["x", "y", "z", "any"] = "any"


class ClippedRange(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="clipped_range"):
    """The accelerometer measures no more than ``range_g`` on each axis."""

    range_g: Annotated[float, Meta(gt=0, le=32)] = 2.0


class WrongUnit(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="wrong_unit"):
    """Acceleration in m/s2 in place of g, temperature in Fahrenheit, or blood glucose in mg/dL."""

    quantity: Literal["acceleration", "temperature", "glucose"] = "acceleration"


class BadMessages(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="bad_messages"):
    """A firmware bug: a share ``of_messages`` of ``streams`` goes out broken, in ways drawn from ``ways``."""

    of_messages: _Share = 0.05
    streams: tuple[Literal["motion", "vitals", "status"], ...] = ("motion", "vitals", "status")
    ways: tuple[BadWay, ...] = ("truncated", "garbage", "wrong_type", "nan", "missing_field", "wrong_length")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.streams or not self.ways:
            raise ValueError("needs at least one of `streams` and one of `ways`")


class RetainedSos(Fault, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="retained_sos"):
    """Buttons that are pressed publish their SOS with the retain flag: the broker replays it to who comes later."""


class StolenCredential(_Moments, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="stolen_credential"):
    """Somebody has the login of a device and publishes an SOS on the topic of another, ``times`` times."""


#: Strikes devices one by one.
OfDevices = (
    LinkLoss
    | PowerCut
    | Delay
    | Duplicates
    | Reordering
    | ClockSkew
    | ClockDrift
    | TimeZone
    | Restart
    | LowBattery
    | StuckAxis
    | ClippedRange
    | WrongUnit
    | BadMessages
    | RetainedSos
    | StolenCredential
)
AnyFault = OfDevices | MassReconnect | BrokerRestart
