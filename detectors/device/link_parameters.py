"""Every threshold of the findings about a device's link, battery, clock and use, with its unit and its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceParameters:
    """When a device that should have spoken has not.

    A declared heartbeat is a promise and counts first. Without one a device is held to its own rhythm: the gap that it
    leaves less than once in ``own_gap_days``.

    Attributes:
        heartbeat_misses: so many heartbeats missed are offline (GB/T 28181: 60 s, three misses).
        grace_s: a heartbeat may come so much later than declared: the way through broker and gateway, a slow clock.
        will_s: a last will stands when nothing has come for so long after it. A device that only changes its network
            is back sooner.
        back_s: a silence is over when the device has kept its rhythm for so long, so that a link that comes and goes
            is one finding.
        stream_s: the limit of a device that sends motion and declares no heartbeat, before its rhythm is known.
        passive_s: the least limit of every other device without a heartbeat: what it sends follows people, not a
            clock, and people go away (Zigbee2MQTT: 25 h).
        learn_days: a rhythm is known after so many days.
        half_life_days: a gap weighs half as much after so many days.
        own_gap_days: without a heartbeat, a gap that comes less than once in so many days is silence.
        own_gap_share: and one that is longer by this share than the longest that is usual.
        kept_gap_days: with a heartbeat, the same for a device that breaks its promise all the time: a gap that comes
            more often than once in so many days is its rhythm. A quarter of a day: charging every night does not count.
        silence_share: a gap that was reported counts with this weight as part of the rhythm, so that a single long
            one does not hide the next.
        rest_max_s: an announced rest (``idle_until``) is believed for so long.
    """

    heartbeat_misses: float = 3.0
    grace_s: float = 10.0
    will_s: float = 60.0
    back_s: float = 300.0
    stream_s: float = 3_600.0
    passive_s: float = 90_000.0
    learn_days: float = 3.0
    half_life_days: float = 7.0
    own_gap_days: float = 14.0
    own_gap_share: float = 0.25
    kept_gap_days: float = 0.25
    silence_share: float = 0.25
    rest_max_s: float = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaParameters:
    """When silence is not of the devices but of what they share: power or network of an area, or of a home.

    Attributes:
        silent_pct: so much of the devices of which it can be known by now is silent.
        silent_devices: and at least so many.
        apart_s: they were last heard within so long of each other, or within 0.4 of their own limits.
        settle_s: how long after the first silent device the area is named, so that the whole of it is.
        hold_s: a single device waits at most so long while its area may still turn out to be silent.
        healthy_pct: with less than this silent outside the one part that is, that part is named and not the whole.
        returned_pct: the silence of an area is over when so much of it is back.
    """

    silent_pct: float = 60.0
    silent_devices: float = 5.0
    apart_s: float = 120.0
    settle_s: float = 60.0
    hold_s: float = 90.0
    healthy_pct: float = 30.0
    returned_pct: float = 80.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryParameters:
    """When messages are lost on the way, and when a device connects or starts over and over.

    Attributes:
        lost_pct: so much of an hour's messages never came. 5 % of lost frames cost 6 of 100 falls (docs/falls.md).
        lost_hours: for so many hours in a row: one outage is not a bad link.
        sound_pct: it is over with less than this,
        sound_hours: for so many hours in a row.
        lost_of_messages: a share is taken of at least so many; a quiet device needs several hours for them.
        jump_messages: a sequence that jumps further was not lost but counted anew.
        starts_per_hour: so many starts, or wills, in an hour are a storm.
        calm_per_hour: it is over with no more than these in an hour,
        calm_hours: for so many hours in a row.
    """

    lost_pct: float = 5.0
    lost_hours: float = 2.0
    sound_pct: float = 2.0
    sound_hours: float = 2.0
    lost_of_messages: float = 60.0
    jump_messages: float = 100_000.0
    starts_per_hour: float = 6.0
    calm_per_hour: float = 1.0
    calm_hours: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryParameters:
    """When a battery must be charged or replaced.

    Attributes:
        low_pct: a charge of this or less is low, however long it would last: below it many batteries drop fast.
        charged_pct: it is over at this charge or more.
        agreeing_readings: so many looks in a row, at least ten seconds apart, must agree: sensors say 0 or 100 now and
            then.
        soon_days: a battery that will be empty within so long is low too, whatever its charge,
        soon_span_days: where it has been watched for so long since it was charged. Wearables that are charged every
            day or two never get there, and are low by ``low_pct`` only.
        charging_pct: a rise by this much is a charge, or another battery: what it lost before says nothing any more.
        trend_readings: a rate of discharge needs so many (of up to twelve) means since the last charge,
        trend_span_s: over so long.
    """

    low_pct: float = 15.0
    charged_pct: float = 25.0
    agreeing_readings: float = 3.0
    soon_days: float = 7.0
    soon_span_days: float = 7.0
    charging_pct: float = 5.0
    trend_readings: float = 4.0
    trend_span_s: float = 21_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockParameters:
    """When a device's clock is a fault. What ingest corrects (more than 120 s off, settled) is one at once.

    Attributes:
        off_s: less than ingest corrects, but so much that a point stands beside the wrong one. A frame of 40 s, whose
            time is that of its first sample, looks like a clock that is 40 s behind.
        off_windows: in so many quarters of an hour in a row.
        right_s: a clock is right again when it is off by less than this,
        right_for_s: for so long.
        drift_ppm: it gains or loses so much, in millionths. Ordinary crystals stay below 100; at 500 a clock is 120 s
            off after three days.
        drift_windows: seen over so many quarters of an hour (at most eight),
        drift_looks: and again in so many looks in a row.
        straight_share: the course may leave the line by this share of the whole change, or by a quarter of a second: a
            clock that is set in steps does not drift.
    """

    off_s: float = 60.0
    off_windows: float = 3.0
    right_s: float = 30.0
    right_for_s: float = 600.0
    drift_ppm: float = 500.0
    drift_windows: float = 6.0
    drift_looks: float = 2.0
    straight_share: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class UseParameters:
    """When a device that works is not used.

    Attributes:
        off_body_s: a wearable that somebody has, and that has lain still for so long, is not worn. Longer than a night
            on the charger. The 10-s motion summary says worn until an hour without movement has passed.
        worn_s: it is worn again when that summary has said so for so long without a break: a knock against the table
            alone makes it say so for an hour.
        test_days: buttons and wearables are tried once in so many days (weekly, and a day's grace); a press of SOS
            counts.
    """

    off_body_s: float = 36_000.0
    worn_s: float = 5_400.0
    test_days: float = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParameters:
    """The thresholds of all findings of :class:`detectors.device.link.DeviceBank`."""

    silence: SilenceParameters = SilenceParameters()
    area: AreaParameters = AreaParameters()
    delivery: DeliveryParameters = DeliveryParameters()
    battery: BatteryParameters = BatteryParameters()
    clock: ClockParameters = ClockParameters()
    use: UseParameters = UseParameters()
