"""The drawing of the motion around a finding."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from console.plot import FREE_FALL_G, NARROW, SIZES, WIDE, PlotSize, PlotWords, acceleration_g, motion_svg
from console.posture import posture_svg
from detectors.detection import Window
from tests.console.district import motion

ONSET_MS = 1_772_424_000_000
WORDS = PlotWords("magnitude", "turning", "impact", "falling", "no data", "nothing to show")
_SVG = "{http://www.w3.org/2000/svg}"


def draw(window: Window, size: PlotSize = NARROW, words: PlotWords = WORDS) -> ElementTree.Element:
    """The drawing, parsed."""
    return ElementTree.fromstring(motion_svg(window, onset_ms=ONSET_MS, size=size, words=words))


def line(drawing: ElementTree.Element, kind: str) -> str:
    """The path of one line."""
    return next(path.get("d", "") for path in drawing.iter(f"{_SVG}path") if path.get("class") == kind)


def words_of(drawing: ElementTree.Element) -> str:
    """What can be read in it."""
    return "".join("".join(text.itertext()) for text in drawing.iter(f"{_SVG}text"))


def bands(drawing: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    """The bands of a kind; its square in the legend is one more."""
    return [rect for rect in drawing.iter(f"{_SVG}rect") if rect.get("class") == kind]


def window_of(counts: np.ndarray, **values: object) -> Window:
    """A window of counts of 1 mg that starts at the onset."""
    fields: dict[str, object] = {"t0_ms": ONSET_MS, "fs_hz": 50.0, "lsb_g": 0.001}
    return Window(**{**fields, "acc": counts.astype("<i2").tobytes(), **values})


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_fall_shows_four_lines_and_the_impact(size: PlotSize) -> None:
    """Magnitude and three axes, and a mark where the impact was."""
    drawing = draw(motion(ONSET_MS), size)
    assert all(line(drawing, kind).count("L") > 100 for kind in ("smv", "x", "y", "z"))
    said = words_of(drawing)
    assert "impact" in said
    assert "no data" not in said
    assert drawing.get("viewBox") == f"0 0 {size.width} {size.height}"


def test_the_impact_mark_stands_at_the_onset() -> None:
    """The peak of the magnitude is where the mark is."""
    drawing = draw(motion(ONSET_MS), WIDE)
    points = re.findall(r"[ML]([\d.]+) ([\d.]+)", line(drawing, "smv"))
    peak_x = min(points, key=lambda point: float(point[1]))[0]
    mark_x = re.match(r"M([\d.]+)", line(drawing, "impact"))
    assert mark_x is not None
    assert float(peak_x) == pytest.approx(float(mark_x[1]), abs=2.0)


def test_an_impact_of_one_sample_survives_an_hour_of_lying_still() -> None:
    """A long window is thinned out by the extremes of each column, never by leaving samples out."""
    counts = np.zeros((180_000, 3))
    counts[:, 2] = 1000
    counts[91_234] = (3000, 4000, 12000)
    drawing = draw(window_of(counts))
    heights = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", line(drawing, "smv"))]
    assert sum(height < min(heights) + 1 for height in heights) == 1
    assert len(ElementTree.tostring(drawing)) < 60_000


def test_missing_samples_break_the_lines_and_are_marked() -> None:
    """A gap is a hatched band in every panel and in the legend, and never a line drawn across."""
    drawing = draw(motion(ONSET_MS, gap_s=(1.0, 2.0)))
    assert line(drawing, "smv").count("M") == 2
    assert len(bands(drawing, "gap")) == 3
    across = float(line(drawing, "zero").partition("H")[2]) - 34
    for band in bands(drawing, "gap")[:2]:
        assert float(band.get("width", "")) == pytest.approx(across / 9, abs=0.5)
    assert "no data" in words_of(drawing)
    assert drawing.find(f".//{_SVG}pattern[@id='hatch']") is not None


def test_falling_freely_before_the_impact_is_coloured() -> None:
    """Where the magnitude lies below the detector's level in the second before; not what comes after or long before."""
    counts = np.tile([0, 0, 1000], (200, 1))
    counts[[20, 150]] = (0, 0, 100)  # three seconds before, and half a second after
    counts[110:120] = (0, 0, 300)
    counts[125] = (0, 0, 5000)
    drawing = draw(window_of(counts, t0_ms=ONSET_MS - 2500), WIDE)
    band, legend = bands(drawing, "falling")
    start = float(re.match(r"M([\d.]+)", line(drawing, "smv"))[1])
    scale = (WIDE.width - 8 - start) / 199
    assert legend.get("width") == "14"
    assert float(band.get("x", "")) == pytest.approx(start + 109.5 * scale, abs=0.2)
    assert float(band.get("width", "")) == pytest.approx(10 * scale, abs=0.2)
    assert "falling" in words_of(drawing)
    assert "falling" not in words_of(draw(window_of(np.tile([0, 0, 1000], (200, 1)))))


def test_the_level_of_falling_freely_is_that_of_the_detector() -> None:
    """What is coloured is what was counted."""
    from detectors.fall import features

    assert features._FREE_FALL_G == FREE_FALL_G


def test_a_gyroscope_gives_a_third_panel() -> None:
    """The speed of turning in degrees per second; without one, or with one that sent nothing, there is none."""
    counts = np.tile([0, 0, 1000], (100, 1))
    turns = np.zeros((100, 3))
    turns[40:60] = (0, 3000, 4000)
    drawing = draw(window_of(counts, gyr=turns.astype("<i2").tobytes(), lsb_dps=0.1), WIDE)
    heights = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", line(drawing, "turn"))]
    assert heights.count(min(heights)) == 20
    said = words_of(drawing)
    assert "turning" in said
    assert "400" in said
    assert "°/s" in said
    silent = np.full((100, 3), -32768).astype("<i2").tobytes()
    for values in ({}, {"gyr": silent}, {"gyr": turns.astype("<i2").tobytes(), "lsb_dps": float("nan")}):
        assert "turning" not in words_of(draw(window_of(counts, **values)))
    short = draw(window_of(counts, gyr=turns[:50].astype("<i2").tobytes(), lsb_dps=0.1))
    assert line(short, "turn").count("L") == 49


@pytest.mark.parametrize("angle_deg", [0.0, 45.0, 90.0, 135.0, 180.0])
def test_the_posture_is_two_arms_with_the_angle_between_them(angle_deg: float) -> None:
    """The one before stands upright; both fit into the picture."""
    picture = ElementTree.fromstring(posture_svg(angle_deg, before="<vor>", after="nach", label="tilted"))
    width, height = (float(end) for end in picture.get("viewBox", "").split()[2:])
    arms = {path.get("class"): path.get("d", "") for path in picture.iter("path")}
    x0, y0, x, y = (float(value) for value in re.findall(r"[\d.]+", arms["is"]))
    assert math.degrees(math.atan2(x - x0, y0 - y)) == pytest.approx(angle_deg, abs=0.2)
    assert 0 <= x <= width
    assert 0 <= y <= height
    assert "".join(picture.itertext()) == f"<vor>nach{angle_deg:.0f}°"


@pytest.mark.parametrize("angle_deg", [None, -1.0, 181.0, float("nan")])
def test_an_angle_that_is_none_has_no_picture(angle_deg: float | None) -> None:
    """Nothing rather than a wrong one."""
    assert posture_svg(angle_deg, before="b", after="a", label="l") == ""


def test_a_sample_between_two_gaps_is_a_dot() -> None:
    """It is drawn, though no line leads to it."""
    counts = np.full((21, 3), -32768)
    counts[[0, 10, 20]] = (0, 0, 1000)
    assert line(draw(window_of(counts)), "smv").count("h0") == 3


def test_one_axis_at_its_end_is_no_gap() -> None:
    """Only all three axes at -32768 say that a sample is missing: an impact can drive one of them there."""
    counts = np.array([[-32768, 0, 0], [-32768, -32768, -32768], [0, 0, 1000]])
    assert np.isnan(acceleration_g(window_of(counts))).all(axis=1).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "window",
    [
        window_of(np.empty((0, 3))),
        window_of(np.full((50, 3), -32768)),
        window_of(np.ones((50, 3)), fs_hz=0.0),
        window_of(np.ones((50, 3)), fs_hz=float("nan")),
        window_of(np.ones((50, 3)), lsb_g=float("inf")),
        window_of(np.ones((50, 3)), lsb_g=-1.0),
    ],
    ids=["empty", "all missing", "no rate", "rate is NaN", "scale is infinite", "scale is negative"],
)
def test_what_cannot_be_drawn_says_so(window: Window) -> None:
    """A picture with a sentence in it, never a fault."""
    assert "nothing to show" in words_of(draw(window))


@pytest.mark.parametrize(
    "window",
    [
        window_of(np.zeros((1, 3))),
        window_of(np.zeros((2, 3)), acc=b"\x01\x00\x02\x00\x03\x00\x04"),
        window_of(np.full((500, 3), 32767), lsb_g=1e30),
        window_of(np.ones((500, 3)), lsb_g=1e-30),
        window_of(np.ones((500, 3)), t0_ms=0),
        window_of(np.tile([[-32768] * 3, [0, 0, 1000]], (60_000, 1))),
        window_of(np.ones((1_000_000, 3))),
    ],
    ids=["one sample", "torn bytes", "enormous", "tiny", "long ago", "every second missing", "a million samples"],
)
def test_odd_windows_give_a_drawing_of_bounded_size(window: Window) -> None:
    """Whatever a device sent."""
    svg = motion_svg(window, onset_ms=ONSET_MS, size=WIDE, words=WORDS)
    ElementTree.fromstring(svg)
    assert len(svg) < 250_000
    assert "nan" not in svg.replace("nano", "")


def test_words_are_escaped() -> None:
    """A word cannot leave its place."""
    hostile = PlotWords("<script>", "</svg>", "&<>", "<b>", "]]>", "</text>")
    said = words_of(draw(motion(ONSET_MS, gap_s=(1.0, 2.0)), words=hostile))
    assert all(word in said for word in ("<script>", "&<>", "]]>"))
    assert "</text>" in words_of(draw(window_of(np.empty((0, 3))), words=hostile))
