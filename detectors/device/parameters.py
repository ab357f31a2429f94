"""Every threshold of the detectors of device faults, with its unit in the name and the reason for its value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionSensorParameters:
    """When an accelerometer or a gyroscope is at fault.

    Whatever a person does, gravity is there: at rest the magnitude is 1 g, on a table as on a body. A coarse sensor
    that lies still repeats one value for hours, so a value that never changes is a fault only where it is not gravity,
    or where something else shows that the device moves.

    Attributes:
        look_s: evidence is weighed in stretches of about this length (shorter frames are put together, longer ones
            cut). A step is in it, so that walking does not look like rest.
        report_s: a fault is reported when this much of its signal has come, with nothing against it in between.
        report_scale_s: the same for a wrong scale, which only rest shows.
        sound_s: a fault is over when this much of sound signal has come, with none of the fault in between. Five
            minutes: a loose contact is one finding, not one a minute.
        rest_range_g: at rest no axis moves by more than this in a stretch. Above one count of 8 bits over 16 g (0.125),
            below what walking does at the waist.
        low_g: a sound sensor shows more than this, also in motion: nothing falls for long. 8 bits over 16 g are off
            by 0.11 g at most, the zero of a cheap sensor by 0.15 g.
        high_g: at rest it shows less than this. A range taken for its neighbour is a factor of 2.
        moving_high_g: and in motion less than this, as a root mean square over a stretch. Running stays below 2.5; a
            sensor whose m/s2 are taken for g shows 9.8.
        pinned_g: an axis that stays at one value of at least this size is at its limit. Sensors begin at 2 g, and
            gravity does not reach it.
        pinned_pct: how much of the signal lies exactly there.
        full_scale_pct: a limit lies this close to 2, 4, 8 ... g: 127 of 128 counts at 8 bits.
        motion_g: an axis that moves by this much in a stretch moves all that is fixed to it: a gyroscope, or another
            axis, that shows nothing at all then is dead.
        turning_dps: turning that changes by this much in a stretch tilts the device by several degrees, which
            every accelerometer shows.
    """

    look_s: float = 0.9
    report_s: float = 60.0
    report_scale_s: float = 120.0
    sound_s: float = 300.0
    rest_range_g: float = 0.15
    low_g: float = 0.7
    high_g: float = 1.4
    moving_high_g: float = 4.0
    pinned_g: float = 1.5
    pinned_pct: float = 90.0
    full_scale_pct: float = 3.0
    motion_g: float = 0.5
    turning_dps: float = 90.0
