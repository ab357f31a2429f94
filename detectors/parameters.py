"""Every threshold of the detectors, in one place, with its unit in the name and the reason for its value."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, slots=True, kw_only=True)
class FallParameters:
    """When the fall detector looks, how long, and what it makes of holes in the stream.

    Attributes:
        trigger_g: a sample of this magnitude may be an impact. 1.6 g keeps 1930 of the 1948 falls of the training
            recordings (the others begin with the impact) and still works on a sensor that ends at 2 g.
        peak_radius_s: an impact is the highest sample within this long before and after. Also the moment of suspicion.
        before_s: what is looked at before the impact. Longer windows learn how people stand before an acted fall.
        decide_after_s: how long after the impact the decision is made.
        operating_point: which of the thresholds in the weights is used: sensitive, balanced or quiet.
        refractory_s: an impact this soon after a confirmed one, and no higher, is the same fall.
        keep_before_s: how much of the stream before the impact goes with a detection, for the plot.
        silent_s: a fall of a device that sent nothing for so long is confirmed with what is there, if that suffices.
        gone_s: and after so long all is decided on. Until then what a lost link keeps back is live when it comes.
        gap_tolerance_s: a time stamp this far from the expected one is jitter, not a gap (at most three quarters of a
            frame).
        restart_s: a time stamp this far in the past is a device whose clock was set back: its stream begins anew.
        clock_gain: share of the difference between the expected and the sent time by which the stream's clock follows.
        missing_penalty: what a window with no sample at all would lose in log-odds; less in proportion.
        plausible_low_g: with a median magnitude below this, before the impact or after it, the sensor is at fault. At
            rest it is 1 g; around the falls of the training recordings it lies between 0.6 and 2.2 g.
        plausible_high_g: and above this.
        stuck_g: a sample larger than this is not at rest: a sensor that repeats it exactly does not measure.
        stuck_s: for so long without a break, six repetitions; around the falls of the training recordings there are 3
            in a row, and 5 in one when these are reduced to 8 bits.
        pinned_s: or for so long if only one axis does, larger than ``stuck_g`` itself; in falls it is at the end of a
            sensor's range for 0.4 s at most.
        still_g: a wearer whose acceleration varies by less than this after the impact does not move.
    """

    trigger_g: float = 1.6
    peak_radius_s: float = 1.0
    before_s: float = 1.5
    decide_after_s: float = 2.0
    operating_point: str = "balanced"
    refractory_s: float = 5.0
    keep_before_s: float = 4.0
    silent_s: float = 5.0
    gone_s: float = 120.0
    gap_tolerance_s: float = 0.5
    restart_s: float = 3.0
    clock_gain: float = 0.2
    missing_penalty: float = 4.0
    plausible_low_g: float = 0.5
    plausible_high_g: float = 2.25
    stuck_g: float = 1.4
    stuck_s: float = 0.12
    pinned_s: float = 1.0
    still_g: float = 0.08


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpParameters:
    """What a wearer does in the minute after a fall, and how much of it must be seen to be believed.

    "Got up" makes an incident less urgent, so it needs steps: who sits on the floor, or is rolled onto the back, or is
    shaken, has not got up. The figures behind the values are those of half of the people of the training recordings;
    docs/falls.md has the counts for the others.

    Attributes:
        watch_s: the outcome is told so long after the impact, or before when the wearer walks.
        settle_s: movement within so long after the impact is the end of the fall (in the recordings it lasts 3 s).
        seen_s: with fewer seconds than these nothing is said of a wearer who was not seen to walk.
        gaps_pct: a second of which more than this is missing was not seen.
        moved_g: a second in which the acceleration varies by less than this has no movement. Of people who lie after a
            fall 90 % of the seconds are below 0.014 g, with sensors of 2 to 16 g.
        moved_deg: a turn of gravity by this from one second to the next is movement too, however smooth: it stays
            below 4 degrees for 90 % of those who lie still.
        moved_pct: up to this share of the seconds with movement is none: somebody touched the device.
        lay_deg: where posture tells (not at the wrist), a fall that turned gravity by this laid the wearer down. 95 %
            of falls at the waist turn it by 74, 75 % at the hip by 59. With less, posture says nothing afterwards.
        upright_deg: so near to the direction before the fall a wearer who had lain is upright (or sits: sitting turns
            the waist by 12 to 22 degrees only, therefore being upright alone proves nothing).
        away_deg: where posture does not tell, steps count only so far from how the arm lay: what shakes somebody who
            lies there (a seizure, a helper at work) leaves it there.
        gait_s: how much is looked at for steps: two slow strides.
        step_low_hz: steps are no slower,
        step_high_hz: and no faster.
        stride_correlation: the magnitude repeats itself that well after a step or after two (they differ where a device
            is worn at one side). Walking at the waist 0.5 to 0.9, at the wrist 0.1 to 0.7; lying and sitting below 0.4.
        step_correlation: and that well after one step.
        tremble_correlation: but not so well faster than steps: rubbing, brushing, tremor.
        walk_low_g: the magnitude varies by this at least: the feet carry the body.
        walk_high_g: and the vector by this at most. Waving and clapping turn the wrist by 0.8 to 1.1 g, walking by
            0.15 to 0.45.
        radial_share: the least share of the magnitude in how the vector varies. Arms at work turn more than they
            bounce.
        walk_upright_s: so many seconds with steps, upright again after a fall that laid the wearer down, are getting
            up. A second with steps counts beside another one only.
        walk_alone_s: the same where posture does not tell; a few seconds of anything resemble steps.
    """

    watch_s: float = 60.0
    settle_s: float = 5.0
    seen_s: float = 30.0
    gaps_pct: float = 20.0
    moved_g: float = 0.04
    moved_deg: float = 5.0
    moved_pct: float = 5.0
    lay_deg: float = 60.0
    upright_deg: float = 30.0
    away_deg: float = 30.0
    gait_s: float = 3.0
    step_low_hz: float = 1.2
    step_high_hz: float = 2.5
    stride_correlation: float = 0.5
    step_correlation: float = 0.25
    tremble_correlation: float = 0.3
    walk_low_g: float = 0.06
    walk_high_g: float = 0.5
    radial_share: float = 0.4
    walk_upright_s: float = 3.0
    walk_alone_s: float = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventParameters:
    """What the event detector calls an implausible time.

    Attributes:
        late_s: an event whose corrected time lies further back is marked as late (wire contract: live is within 120 s).
        early_s: an event whose corrected time lies further ahead is marked as from the future.
        earliest_ms: a device clock before this was never set (2020-01-01).
    """

    late_s: float = 120.0
    early_s: float = 120.0
    earliest_ms: int = 1_577_836_800_000


def params_hash(parameters: DataclassInstance, *more: bytes) -> str:
    """Short hash of a detector's parameters and of what else decides with them (the weights' content)."""
    digest = hashlib.blake2b(repr(sorted(dataclasses.asdict(parameters).items())).encode(), digest_size=8)
    for part in more:
        digest.update(part)
    return digest.hexdigest()
