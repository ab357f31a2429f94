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
        silent_s: a device that has sent nothing for so long is decided on with what is there.
        gap_tolerance_s: a time stamp this far from the expected one is jitter, not a gap (at most three quarters of a
            frame).
        restart_s: a time stamp this far in the past is a device whose clock was set back: its stream begins anew.
        clock_gain: share of the difference between the expected and the sent time by which the stream's clock follows.
        missing_penalty: what a window with no sample at all would lose in log-odds; less in proportion.
        plausible_low_g: with a median magnitude below this, before the impact or after it, the sensor is at fault. At
            rest it is 1 g; around the falls of the training recordings it lies between 0.6 and 2.2 g.
        plausible_high_g: and above this.
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
    gap_tolerance_s: float = 0.5
    restart_s: float = 3.0
    clock_gain: float = 0.2
    missing_penalty: float = 4.0
    plausible_low_g: float = 0.5
    plausible_high_g: float = 2.25
    still_g: float = 0.08


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
