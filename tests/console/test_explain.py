"""Why a fall was found, in words: what spoke for it, what against, how sure it was."""

from __future__ import annotations

import math

import pytest

from console.explain import explain, in_words, numbers
from console.sayings import SAYINGS, WHOLES
from console.texts import CHINESE, ENGLISH, TEXTS, Texts
from detectors.detection import Stage
from detectors.fall.bank import FallBank
from detectors.fall.features import ACC_FEATURES, GYR_FEATURES
from tests.detectors.signals import FS_HZ, T0_MS, fall, frame

EN, ZH = TEXTS["en"], TEXTS["zh"]
FEATURES = (*ACC_FEATURES, *GYR_FEATURES)
#: What is shown in another unit than it is measured in, back to that.
MEASURED = {
    "freefall_velocity_g_s": lambda speed: -speed / 9.81,
    "upset_g": lambda angle: 2 * math.sin(math.radians(angle / 2)),
}
OF_NO_FEATURE = ("movement", "tilt_course", "turning_course", "missing")


def told(features: dict[str, float], texts: Texts = EN, score: float = 0.9) -> tuple[list[str], list[str]]:
    """What spoke for a fall of these features, and what against."""
    why = explain("fall", "fall", features, score, texts)
    return list(why.speaks_for), list(why.speaks_against)


def because(**weights: float) -> dict[str, float]:
    """Contributions as a detection carries them."""
    return {f"because.{name}": weight for name, weight in weights.items()}


@pytest.mark.parametrize("texts", [EN, ZH], ids=["en", "zh"])
@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_has_words_at_every_value(name: str, texts: Texts) -> None:
    """At every level other ones, with the value in them, in both lists; never the name of a column."""
    saying = SAYINGS[name]
    assert saying.levels[-1][0] == math.inf
    said, below = set(), 0.0
    for limit, text in saying.levels:
        shown = below * 1.05 if limit == math.inf else (below + limit) / 2
        below = limit
        for sign in (1.0, -1.0):
            speaks_for, against = told({name: MEASURED.get(name, float)(shown), **because(**{name: sign})}, texts)
            (words,) = speaks_for if sign > 0 else against
            assert words == texts(text, n=f"{shown:{saying.digits}}")
            assert (against if sign > 0 else speaks_for) == []
        said.add(words)
    assert len(said) == len(saying.levels)


@pytest.mark.parametrize("texts", [EN, ZH], ids=["en", "zh"])
@pytest.mark.parametrize("name", [*FEATURES, *OF_NO_FEATURE])
def test_a_contribution_without_its_number_has_words_too(name: str, texts: Texts) -> None:
    """What it is called; the shape of the whole movement has no number, and says on which side it was."""
    speaks_for, _ = told(because(**{name: 1.0}), texts)
    _, against = told(because(**{name: -1.0}), texts)
    assert len(speaks_for) == len(against) == 1
    assert speaks_for[0] != name
    assert (speaks_for != against) == (name in WHOLES)


def test_there_are_no_words_for_features_that_do_not_exist() -> None:
    """A renamed feature leaves nothing behind."""
    named = {key.removeprefix("feature.") for key in ENGLISH if key.startswith("feature.")}
    assert named == {*FEATURES, *OF_NO_FEATURE, "missing_pct", "threshold"}
    assert set(SAYINGS) == set(FEATURES)
    assert ENGLISH.keys() == CHINESE.keys()


def test_whatever_the_fall_detector_says_of_a_fall_can_be_read() -> None:
    """All that comes with a detection of the production bank has a name in words."""
    bank = FallBank()
    bank.add("d", placement="waist", person=None)
    samples, _ = fall(peak_g=8.0)
    found = []
    for second in range(len(samples) // FS_HZ):
        part = frame(samples[second * FS_HZ : (second + 1) * FS_HZ], t_ms=T0_MS + second * 1000)
        found += bank.update(part, T0_MS + second * 1000 + 1000)
    assert {one.stage for one in found} >= {Stage.SUSPECTED, Stage.CONFIRMED}
    for one in found:
        for texts in (EN, ZH):
            assert [row for row in numbers(one.features, texts) if not row.name] == []
            assert explain(one.kind, one.detector, one.features, one.score, texts).line


def test_the_most_telling_stands_first_and_for_and_against_stand_apart() -> None:
    """By how much they moved the decision."""
    features = {"peak_g": 4.24, "freefall_s": 0.4, "after_vector_std_g": 0.03, "turned_deg": 85.0}
    weights = because(freefall_s=0.5, peak_g=1.5, after_vector_std_g=2.5, turned_deg=-0.7, movement=-1.9)
    assert told(features | weights) == (
        ["hardly moved afterwards (0.03 g)", "a hard knock of 4.2 g", "0.4 s of falling freely before it"],
        ["the movement as a whole is like everyday life", "turned by only 85° around the knock"],
    )


@pytest.mark.parametrize(
    ("weights", "speaks_for", "against"),
    [
        ({"peak_g": 1.0, "impact_rise_g": 1.5}, ["the force shot up by 4.0 g"], []),
        ({"peak_g": 1.0, "impact_rise_g": -1.5}, [], ["the force shot up by 4.0 g"]),
        ({"peak_g": 1.0, "impact_rise_g": -0.95}, [], []),
        ({"peak_g": 1.0, "impact_rise_g": -0.3, "movement": 0.8},
         ["the movement as a whole is like a fall", "a hard knock of 4.2 g"], []),
        ({"peak_g": 0.04, "movement": -0.01}, [], []),
    ],
)  # fmt: skip
def test_what_tells_a_person_the_same_is_said_once(
    weights: dict[str, float], speaks_for: list[str], against: list[str]
) -> None:
    """The knock is one thing: its sum counts, and what made most of it is said; next to nothing is not."""
    assert told({"peak_g": 4.2, "impact_rise_g": 4.0, **because(**weights)}) == (speaks_for, against)


@pytest.mark.parametrize(
    ("score", "threshold", "english", "chinese"),
    [
        (0.871, 0.553, "certainty 87 % – the alarm begins at 55 %", "可信度 87%，达到 55% 即报警"),
        (0.31, 0.553, "certainty 31 % – the alarm begins at 55 %", "可信度 31%，达到 55% 即报警"),
        (0.551, 0.553, "certainty 55.1 % – the alarm begins at 55.3 %", "可信度 55.1%，达到 55.3% 即报警"),
        (0.9999, 0.9, "certainty > 99 % – the alarm begins at 90 %", "可信度 > 99%，达到 90% 即报警"),
        (0.001, 0.9, "certainty < 1 % – the alarm begins at 90 %", "可信度 < 1%，达到 90% 即报警"),
        (1.0, None, "certainty 100 %", "可信度 100%"),
        (0.4, float("nan"), "certainty 40 %", "可信度 40%"),
        (float("nan"), 0.5, "", ""),
    ],
)
def test_the_probability_is_said_against_the_threshold(
    score: float, threshold: float | None, english: str, chinese: str
) -> None:
    """Never as certain, nor as the same when it is not; a first suspicion has no threshold of an alarm."""
    features = {} if threshold is None else {"threshold": threshold}
    assert [explain("fall", "fall", features, score, texts).certainty for texts in (EN, ZH)] == [english, chinese]


def test_a_button_is_not_more_or_less_sure() -> None:
    """A person pressed it, or the device itself decided."""
    why = explain("sos", "event", {}, 1.0, EN)
    assert (why.said, why.certainty, why.line) == (("the SOS button was pressed",), "", ("the SOS button was pressed",))


def test_a_detection_without_contributions_is_said_as_before() -> None:
    """One from before there were any, in the same words and as many."""
    features = {
        "peak_g": 4.2, "freefall_s": 0.3, "after_vector_std_g": 0.02, "posture_change_deg": 80.0, "turned_deg": 170.0,
        "missing_pct": 12.0,
    }  # fmt: skip
    why = explain("fall", "fall", features, 0.9, EN)
    assert list(why.line) == list(why.said) == in_words("fall", "fall", features, EN)
    assert len(why.said) == 6
    assert (why.speaks_for, why.speaks_against) == ((), ())


def test_a_line_holds_the_most_telling_four_and_what_is_missing() -> None:
    """On a card there is room for little, but that samples are missing is never left out."""
    weights = because(
        movement=5.0, peak_g=4.0, freefall_s=3.0, posture_change_deg=2.0, after_std_g=1.0, turned_deg=-9.0
    )
    features = {"peak_g": 4.2, "freefall_s": 0.3, "posture_change_deg": 80.0, "missing_pct": 30.0, **weights}
    why = explain("fall", "fall", features, 0.9, EN)
    assert why.line == (
        "the movement as a whole is like a fall", "a hard knock of 4.2 g", "0.3 s of falling freely before it",
        "tilted by 80° from before to after", "30 % of the motion is missing",
    )  # fmt: skip
    assert why.speaks_against[-1] == "30 % of the motion is missing"
    whole = explain("fall", "fall", {**features, "because.missing": -20.0}, 0.9, EN)
    assert whole.speaks_against.count("30 % of the motion is missing") == 1
    assert whole.speaks_against[0] == "30 % of the motion is missing"


def test_nonsense_is_passed_over() -> None:
    """Names that nobody has heard of, and numbers that are none."""
    features = {
        "because.unheard_of": 9.0, "because.": 9.0, "because.peak_g": float("nan"), "because.freefall_s": float("inf"),
        "because.tilt_max_deg": 1.0, "tilt_max_deg": float("nan"), "because.freefall_velocity_g_s": 1.0,
        "freefall_velocity_g_s": -1e308, "because.range_axis_g": 1.0, "range_axis_g": 1e300,
    }  # fmt: skip
    speaks_for, against = told(features)
    assert speaks_for == ["greatest tilt", "speed on the way down", "1e+300 g in one direction"]
    assert against == []
    assert len(numbers(features, EN)) == 5


def test_the_table_has_every_number_with_its_unit_and_weight() -> None:
    """The heaviest first; a contribution without a number has a row, names that nobody has heard of stay."""
    features = {
        "threshold": 0.553, "peak_g": 4.234, "turned_deg": 85.26, "missing_pct": 12.0, "odd": 3.0,
        **because(turned_deg=-1.25, movement=0.5, missing=-0.48),
    }  # fmt: skip
    assert [tuple(row) for row in numbers(features, EN)] == [
        ("turned around the knock", "turned_deg", "85.3°", "−1.2"),
        ("the movement as a whole", "movement", "", "+0.5"),
        ("missing motion", "missing_pct", "12 %", "−0.5"),
        ("the alarm begins at", "threshold", "55 %", ""),
        ("strength of the knock", "peak_g", "4.23 g", ""),
        ("odd", "", "3", ""),
    ]
