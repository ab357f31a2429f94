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
        returned_pct: the silence of an area is over when so much of what had told it is back. Who is not has one limit
            more of its own: what speaks seldom need not have spoken by then.
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
        soon_days: a battery that will be empty within so long is low too, whatever its charge: two weeks and the days
            by which the rate may be wrong, so that one round of visits a fortnight changes them all,
        soon_span_days: where it has been watched for so long since it was charged or replaced,
        soon_worn_days: a wearable for so long: what is charged every week or two is low by ``low_pct`` only.
        later_factor: it is not so soon after all when it would last so many times longer: rates waver.
        charging_pct: a rise by this much is a charge, or another battery: what it lost before says nothing any more.
        trend_readings: a rate of discharge needs so many (of up to twelve) means since the last charge,
        trend_span_s: over so long.
    """

    low_pct: float = 15.0
    charged_pct: float = 25.0
    agreeing_readings: float = 3.0
    soon_days: float = 17.0
    soon_span_days: float = 7.0
    soon_worn_days: float = 21.0
    later_factor: float = 1.5
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
        known_windows: how far a clock is off is known, and corrected for where that is little, after so many quarters
            of an hour.
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
    known_windows: float = 3.0
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
class SensorParameters:
    """When a home sensor that speaks says nothing true. Measured on a real home of 20 days: a passive sensor was never
    raised for more than 31 s, and changed 388 times in its busiest hour.

    Attributes:
        presence_s: presence or a bed occupied for so long without a break. Who is in bed for a day and a night is
            there, therefore longer; a hint.
        water_s: water that flows, or shaking that goes on, for so long.
        own_factor: and so many times longer than ever in the last weeks: somebody may be bedridden.
        half_life_days: what was seen weighs half as much after so many days.
        changes_per_hour: so many changes are flickering: three times those of the busiest real hour,
        wild_hours: for so many hours in a row.
        idle_days: a sensor that repeats one value for at least so many days, on each of which it spoke
        other_sensors: and so many others of its home changed, may be dead inside,
        idle_ppm: when that was so unlikely, in millionths, by the share of days on which it changed before.
    """

    presence_s: float = 129_600.0
    water_s: float = 43_200.0
    own_factor: float = 2.0
    half_life_days: float = 14.0
    changes_per_hour: float = 1_200.0
    wild_hours: float = 2.0
    idle_days: float = 4.0
    other_sensors: float = 2.0
    idle_ppm: float = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WearerParameters:
    """When a wearable seems to be worn by another person. Off unless ``tells`` is set: docs/devices.md has the rate of
    false hints, measured on recordings of different people.

    Attributes:
        tells: whether hints are given, and anything is learnt for them.
        learn_days: nothing is said before so many days with enough measurements.
        usual_days: the usual is a mean over about so many days.
        values_per_day: a day counts for a trait with so many measurements.
        other_deviations: a day differs when its traits lie so many standard deviations from the usual (root mean
            square),
        other_days: and is told after so many such days in a row.
        other_weight_share: a day that differs counts so much in what is learnt: a new gait (a stick, a cast) is the
            usual one after some weeks.
        cadence_per_min: the least standard deviation of days of cadence: that of one person's walks at one pace in the
            recordings,
        bounce_share: of the bounce, relative,
        step_correlation: of the likeness of steps,
        stride_correlation: and of strides;
        pulse_per_min: of the pulse at rest: an assumption, no recording at hand tells it.
    """

    tells: bool = False
    learn_days: float = 7.0
    usual_days: float = 14.0
    values_per_day: float = 10.0
    other_deviations: float = 3.0
    other_days: float = 2.0
    other_weight_share: float = 0.25
    cadence_per_min: float = 3.5
    bounce_share: float = 0.1
    step_correlation: float = 0.08
    stride_correlation: float = 0.07
    pulse_per_min: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParameters:
    """The thresholds of all findings of :class:`detectors.device.link.DeviceBank`."""

    silence: SilenceParameters = SilenceParameters()
    area: AreaParameters = AreaParameters()
    delivery: DeliveryParameters = DeliveryParameters()
    battery: BatteryParameters = BatteryParameters()
    clock: ClockParameters = ClockParameters()
    use: UseParameters = UseParameters()
    sensor: SensorParameters = SensorParameters()
    wearer: WearerParameters = WearerParameters()
