"""How far the device was tilted from before an impact to after it, as a small picture for a page. Pure."""

from __future__ import annotations

import math
from html import escape

_PIVOT_X, _PIVOT_Y, _LENGTH, _ARC = 70.0, 82.0, 62.0, 34.0


def posture_svg(angle_deg: float | None, *, before: str, after: str, label: str) -> str:
    """Two arms from one point, the dashed one straight up for the posture before, and the angle between them.

    Args:
        angle_deg: of ``posture_change_deg``; "" is returned where there is none, or none that an angle can be.
        before: the word at the dashed arm.
        after: the word at the other.
        label: the picture in words, for those who hear the page.
    """
    if angle_deg is None or not 0 <= angle_deg <= 180:
        return ""
    angle = math.radians(angle_deg)

    def end(length: float) -> tuple[float, float]:
        return _PIVOT_X + length * math.sin(angle), _PIVOT_Y - length * math.cos(angle)

    (x, y), (arc_x, arc_y) = end(_LENGTH), end(_ARC)
    below = y > _PIVOT_Y
    middle = angle / 2
    number_x, number_y = _PIVOT_X + 46 * math.sin(middle), _PIVOT_Y - 46 * math.cos(middle)
    return (
        f'<svg class="posture" viewBox="0 0 180 {160 if below else 100}" role="img" aria-label="{escape(label)}">'
        f'<path class="was" d="M{_PIVOT_X} {_PIVOT_Y}V{_PIVOT_Y - _LENGTH}"/>'
        f'<path class="arc" d="M{_PIVOT_X} {_PIVOT_Y - _ARC}A{_ARC} {_ARC} 0 0 1 {arc_x:.1f} {arc_y:.1f}"/>'
        f'<path class="is" d="M{_PIVOT_X} {_PIVOT_Y}L{x:.1f} {y:.1f}"/>'
        f'<circle cx="{_PIVOT_X}" cy="{_PIVOT_Y}" r="4"/>'
        f'<text x="{_PIVOT_X - 6}" y="{_PIVOT_Y - _LENGTH + 6}" text-anchor="end">{escape(before)}</text>'
        f'<text x="{x + 5:.1f}" y="{y + (14 if below else 5):.1f}">{escape(after)}</text>'
        f'<text class="angle" x="{number_x:.1f}" y="{number_y + 5:.1f}">{angle_deg:.0f}°</text></svg>'
    )
