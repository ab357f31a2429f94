"""Both themes can be read: WCAG 2.2, 1.4.3 (text, 4.5 to 1) and 1.4.11 (controls and lines that matter, 3 to 1)."""

from __future__ import annotations

import re

import pytest

from console import plot
from console.render import STATIC

CSS = (STATIC / "console.css").read_text()
(LIGHT,) = re.findall(r":root \{(.*?)\}", CSS, flags=re.S)
DARK, ASKED_FOR_DARK = re.findall(r":root(?::not\(.*?\)|\[data-theme=\"dark\"\]) \{\s+(--.*?)\}", CSS, flags=re.S)
LINES = ("smv", "x", "y", "z", "turn", "impact", "hatch")
TEXT = [
    ("ink", "page"), ("ink", "card"), ("soft", "card"), ("soft", "page"), ("act", "card"), ("act", "page"),
    ("act-ink", "act"), ("act-ink", "act-hover"), ("critical", "card"), ("ink", "calm-bg"), ("ink", "warning-bg"),
    ("ink", "critical-bg"), ("act", "calm-bg"), ("act", "act-bg"), ("ink", "act-bg"),
    ("soft", "raise"), ("ink", "raise"),
    *((name, f"{name}-bg") for name in ("critical", "urgent", "warning", "info", "calm")),
]  # fmt: skip


def colours(block: str) -> dict[str, str]:
    """The named colours of a theme."""
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_controls_stand_out_from_their_ground(theme: str) -> None:
    """Every pair that the style sheet puts together."""
    named = colours(theme)
    assert {pair for pair in TEXT if contrast(named[pair[0]], named[pair[1]]) < 4.5} == set()
    edges = [("edge", "card"), ("edge", "page"), ("act", "line"), ("critical", "line")]
    assert {pair for pair in edges if contrast(named[pair[0]], named[pair[1]]) < 3} == set()


def test_dark_is_the_same_whether_the_system_or_the_reader_asks_for_it() -> None:
    """It stands twice in the style sheet."""
    assert colours(DARK) == colours(ASKED_FOR_DARK)
    assert colours(DARK).keys() == colours(LIGHT).keys()


@pytest.mark.parametrize(("theme", "half"), [(LIGHT, 0), (DARK, 1)], ids=["light", "dark"])
def test_the_lines_of_the_drawing_stand_out(theme: str, half: int) -> None:
    """On the card that it lies on."""
    style = plot._STYLE.split("@media")[half]
    card = colours(theme)["card"]
    strokes = dict(re.findall(r"\.(\w+)\{stroke:(#[0-9a-f]{6})", style))
    words = re.findall(r"fill:(#[0-9a-f]{6})", re.sub(r"\.falling\{.*?\}", "", style))
    assert [name for name in LINES if contrast(strokes[name], card) < 3] == []
    assert len(words) == 7
    assert [colour for colour in words if contrast(colour, card) < 4.5] == []
