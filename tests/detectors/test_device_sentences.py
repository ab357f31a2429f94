"""What device findings say: both languages have every sentence, with the same values."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from detectors.device.sentences import KINDS, LANGUAGES, TEXTS, sentence, told


def fields(text: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_language_has_every_sentence_with_the_same_values() -> None:
    """And a name for every kind that has a sentence."""
    assert set(TEXTS) == set(KINDS) == set(LANGUAGES)
    assert set(TEXTS["en"]) == set(TEXTS["zh"])
    assert set(KINDS["en"]) == set(KINDS["zh"])
    units = {"raised", "days", "hours", "minutes", "seconds"}
    assert {text.partition(".")[0] for text in TEXTS["en"]} - units == set(KINDS["en"])
    for text, words in TEXTS["en"].items():
        assert fields(words) == fields(TEXTS["zh"][text]), text


@pytest.mark.parametrize(
    ("seconds", "en", "zh"),
    [
        (45.4, "45 s", "45秒"),
        (190.0, "3 min", "3分钟"),
        (3_599.0, "1 h 00 min", "1小时00分钟"),
        (7_260.0, "2 h 01 min", "2小时01分钟"),
        (200_000.0, "2 days 8 h", "2天8小时"),
    ],
)
def test_durations_are_told_in_the_unit_that_people_would_take(seconds: float, en: str, zh: str) -> None:
    """From seconds to days."""
    said = told("offline", {}, {"silent_s": seconds}, over=True)
    assert said == {
        "text": "offline.over",
        "en": f"The device is back after {en}.",
        "zh": f"设备在{zh}后恢复通信。",
    }


def test_an_area_is_named_and_a_home_is_not_more_than_its_area() -> None:
    """The key of a person is for machines."""
    features = {"silent_devices": 13.0, "known_devices": 13.0, "silent_s": 250.0}
    said = told("area_offline", {"area": "city.a", "home": "p-secret"}, features, over=False)
    assert said["text"] == "area_offline.home"
    assert "13 of 13 devices of a home in city.a" in said["en"]
    assert "p-secret" not in said["en"] + said["zh"]


def test_what_another_version_says_is_shown_as_far_as_it_goes() -> None:
    """An unknown key is itself, a field that is not there stays, another language is English."""
    assert sentence("teapot", {}, {}, "en") == "teapot"
    assert sentence("battery_low", {}, {}, "zh") == "电量剩余{battery_pct}%。"
    assert sentence("clock.over", {}, {}, "fr") == "The device's clock is right again."


def test_the_page_for_operators_has_every_sentence_and_every_kind() -> None:
    """As they are said."""
    page = (Path(__file__).parents[2] / "docs" / "devices.md").read_text(encoding="utf-8")
    for text, words in TEXTS["en"].items():
        if text not in ("days", "hours", "minutes", "seconds"):
            assert f"| `{text}` | {words} | {TEXTS['zh'][text]} |" in page
    for kind in KINDS["en"]:
        assert f"| `{kind}` |" in page
