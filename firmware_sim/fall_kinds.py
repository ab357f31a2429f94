"""The fifteen kinds of falls of SisFall: what one was doing, why one fell, which way, how far and how hard.

The codes and what they mean are those of the data set [1]_. Drop and what is left of its energy give the speed at the
impact, and with the time of contact the size of the blow: on a hip or a buttock it is short, on hands and knees it is
long. The values were set from the recordings of SisFall (median peak, dip and width of the impact of each kind).

.. [1] Sucerquia, Lopez and Vargas-Bonilla, SisFall: A Fall and Movement Dataset, Sensors 2017, 17(1), 198, table 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Doing = Literal["walking", "jogging", "rising", "sitting_down", "sitting"]
Cause = Literal["slip", "trip", "faint", "balance"]
Way = Literal["forward", "backward", "sideways", "any"]

_GRAVITY = 9.81


@dataclass(frozen=True, slots=True)
class FallKind:
    """One kind of fall.

    Attributes:
        code: F01 to F15.
        doing: what the person was doing.
        cause: why the person fell; ``balance`` is a movement that did not succeed.
        way: which way the trunk turns.
        drop_m: how far the pelvis falls.
        kept: share of the energy of that drop that is left at the impact: knees, hands and a table take the rest.
        descent_s: from the loss of balance to the impact, least and most.
        unloaded: how much of that speed a belt feels being gained, as a share; a chair that tips lets go all at once.
        contact_s: width of the blow at half its height, the median.
    """

    code: str
    doing: Doing
    cause: Cause
    way: Way
    drop_m: float
    kept: float
    descent_s: tuple[float, float]
    unloaded: float
    contact_s: float

    @property
    def speed_m_s(self) -> float:
        """Of the pelvis at the impact, for somebody of middle height."""
        return float((2 * _GRAVITY * self.drop_m * self.kept) ** 0.5)


_STANDING_M, _SEATED_M = 0.80, 0.42
FALL_KINDS: dict[str, FallKind] = {
    kind.code: kind
    for kind in (
        FallKind("F01", "walking", "slip", "forward", _STANDING_M, 0.45, (0.55, 0.95), 0.90, 0.060),
        FallKind("F02", "walking", "slip", "backward", _STANDING_M, 0.44, (0.45, 0.80), 0.88, 0.033),
        FallKind("F03", "walking", "slip", "sideways", _STANDING_M, 0.42, (0.50, 0.85), 0.95, 0.034),
        FallKind("F04", "walking", "trip", "forward", _STANDING_M, 0.52, (0.55, 0.95), 0.95, 0.060),
        FallKind("F05", "jogging", "trip", "forward", _STANDING_M, 0.65, (0.55, 0.95), 0.95, 0.060),
        FallKind("F06", "walking", "faint", "any", _STANDING_M, 0.36, (0.60, 1.05), 1.00, 0.052),
        FallKind("F07", "walking", "faint", "any", _STANDING_M, 0.24, (0.60, 1.10), 0.95, 0.048),
        FallKind("F08", "rising", "balance", "forward", 0.60, 0.34, (0.45, 0.80), 1.20, 0.048),
        FallKind("F09", "rising", "balance", "sideways", 0.60, 0.34, (0.45, 0.80), 1.20, 0.037),
        FallKind("F10", "sitting_down", "balance", "forward", 0.60, 0.36, (0.45, 0.80), 0.90, 0.055),
        FallKind("F11", "sitting_down", "balance", "backward", 0.50, 0.28, (0.45, 0.80), 0.90, 0.039),
        FallKind("F12", "sitting_down", "balance", "sideways", 0.50, 0.26, (0.45, 0.80), 0.98, 0.037),
        FallKind("F13", "sitting", "faint", "forward", _SEATED_M, 0.27, (0.50, 0.95), 0.85, 0.060),
        FallKind("F14", "sitting", "faint", "backward", _SEATED_M, 0.30, (0.40, 0.70), 1.60, 0.040),
        FallKind("F15", "sitting", "faint", "sideways", _SEATED_M, 0.31, (0.45, 0.85), 1.00, 0.047),
    )
}
