"""Languages, times, and features in words."""

from __future__ import annotations

import re
import string
from enum import StrEnum
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import console
from alerts.delivery import Status
from alerts.lifecycle import Outcome, State, What
from alerts.reasons import Reason
from console import times
from console.explain import in_words
from console.language import choose_language
from console.texts import CHINESE, ENGLISH, TEXTS
from detectors.detection import Severity

ROOM = Path(console.__file__).parent
TEMPLATES = sorted((ROOM / "templates").rglob("*.html"))
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON_MS = 1_772_424_000_000
EN, ZH = TEXTS["en"], TEXTS["zh"]


def fields(text: str) -> set[str]:
    """What is filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_texts() -> None:
    """No page falls back to the other language, and nothing filled in is lost."""
    assert ENGLISH.keys() == CHINESE.keys()
    assert {key: fields(text) for key, text in ENGLISH.items()} == {key: fields(text) for key, text in CHINESE.items()}
    untranslated = {key for key, text in CHINESE.items() if not re.search(r"[\u4e00-\u9fff]", text)}
    assert untranslated <= {"html.lang", "app", "list.comma", "log.line", "what.line"}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_words_of_its_own(template: Path) -> None:
    """Everything that is shown or read aloud comes from the catalogue."""
    source = template.read_text()
    markup = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", source, flags=re.S)
    assert not re.search(r"[A-Za-z\u4e00-\u9fff]", re.sub(r"<[^>]*>|[a-z-]+=\"[^\"]*\"", "", markup))
    spoken = re.findall(r'(?:alt|title|aria-label|placeholder|value)="([^"]*)"', markup)
    assert [text for text in spoken if text not in ("", "board", "incident")] == []


def test_every_text_is_used_and_every_used_text_exists() -> None:
    """A renamed text is found here and not by a reader."""
    source = "\n".join(path.read_text() for path in (*TEMPLATES, *ROOM.rglob("*.py")) if "texts" not in path.name)
    asked_for = set(re.findall(r"""\b(?:_?t|texts|fill)\(\s*["']([a-z_.0-9]+)["'][,)]""", source))
    assert asked_for - ENGLISH.keys() == set()
    quoted = set(re.findall(r"""["']([a-z_.0-9]+)["']""", source))
    families = set(re.findall(r"""\bof\(\s*["']([a-z]+)["']""", source))  # t.of('state', ...)
    families |= set(re.findall(r"""["']([a-z]+)\.["'{]""", source))  # 'clock.' ~ kind, f"ack.{fault}"
    families |= {"reason", "outcome", "replied"}  # a loop over them
    assert {key for key in ENGLISH if key not in quoted and key.partition(".")[0] not in families} == set()


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("state", State),
        ("severity", Severity),
        ("outcome", Outcome),
        ("what", What),
        ("reason", Reason),
        ("notification", Status),
    ],
)
def test_whatever_alerts_says_has_a_word(family: str, values: type[StrEnum]) -> None:
    """In both languages."""
    assert [value for value in values if f"{family}.{value}" not in ENGLISH] == []


def test_a_value_without_a_word_is_shown_as_it_is() -> None:
    """One from a newer version, or from a device."""
    assert ZH.of("kind", "flood") == "flood"
    assert ZH.of("kind", None) == ""


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "chosen"),
    [
        ("zh", "en", "en", "zh"),
        (None, "zh", "en", "zh"),
        (None, None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, None, "en-GB,en;q=0.9,zh;q=0.8", "en"),
        (None, None, "fr,zh;q=0.1", "zh"),
        (None, None, "en;q=0.2,zh;q=0.7", "zh"),
        (None, None, "zh;q=0,en", "en"),
        ("xx", "<script>", ";;q=,*;q=x,,zh;q=nan", "en"),
        (None, None, None, "en"),
        (None, None, "," * 100_000, "en"),
    ],
)
def test_the_language_is_asked_for_remembered_or_the_browsers(
    asked: str | None, remembered: str | None, accepted: str | None, chosen: str
) -> None:
    """And nonsense is passed over."""
    assert choose_language(asked=asked, remembered=remembered, accepted=accepted, default="en") == chosen


@pytest.mark.parametrize(
    ("at_ms", "shown"),
    [
        (NOON_MS, "12:00:00"),
        (NOON_MS - 12 * 3_600_000, "00:00:00"),
        (NOON_MS - 12 * 3_600_000 - 1000, "2026-03-01 23:59:59"),
        (0, "1970-01-01 08:00:00"),
        (-5, "-5 ms"),
        (10**18, "1000000000000000000 ms"),
    ],
)
def test_an_instant_is_local_time_with_its_date_on_another_day(at_ms: int, shown: str) -> None:
    """The day is the local one; what no calendar has is a number."""
    assert times.clock_time(at_ms, NOON_MS, SHANGHAI) == shown


@pytest.mark.parametrize(
    ("past_s", "english", "chinese"),
    [(-30, "just now", "刚刚"), (0.9, "just now", "刚刚"), (59, "59 s ago", "59 秒前"), (60, "1 min ago", "1 分钟前"),
     (7200, "2 h ago", "2 小时前"), (200_000, "2 d ago", "2 天前")],
)  # fmt: skip
def test_relative_times_read_in_both_languages(past_s: float, english: str, chinese: str) -> None:
    """In the largest whole unit."""
    at_ms = NOON_MS - round(past_s * 1000)
    assert (times.ago(at_ms, NOON_MS, EN), times.ago(at_ms, NOON_MS, ZH)) == (english, chinese)


@pytest.mark.parametrize(("seconds", "shown"), [(-1, "0:00"), (42.9, "0:42"), (845, "14:05"), (3729, "1:02:09")])
def test_a_stopwatch_counts_minutes_then_hours(seconds: float, shown: str) -> None:
    """As on a wrist."""
    assert times.stopwatch(seconds) == shown


def test_targets_are_said_in_seconds_up_to_a_minute_and_a_half() -> None:
    """60 s, 15 min."""
    assert [times.target(seconds, EN) for seconds in (60, 900)] == ["60 s", "15 min"]


@pytest.mark.parametrize(
    ("kind", "detector", "features", "said"),
    [
        (
            "fall",
            "fall",
            {"peak_g": 4.23, "freefall_s": 0.31, "after_vector_std_g": 0.02, "posture_change_deg": 80.4},
            ["impact 4.2 g", "free fall for 0.3 s before it", "lay still afterwards", "posture changed by 80°"],
        ),
        ("fall", "fall", {"peak_g": 2.0, "after_vector_std_g": 0.5, "posture_change_deg": 12.0},
         ["impact 2.0 g", "moved afterwards"]),
        ("fall", "fall", {"after_vector_std_g": 0.1, "turned_deg": 170.0, "missing_pct": 30.0},
         ["moved little afterwards", "body turned by 170°", "30 % of the motion is missing"]),
        ("fall", "fall", {"peak_g": float("nan"), "posture_change_deg": float("inf"), "unheard_of": 1.0}, []),
        ("fall", "event", {}, ["the device reported a fall"]),
        ("sos", "event", {}, ["the SOS button was pressed"]),
    ],
)  # fmt: skip
def test_features_are_said_in_words(kind: str, detector: str, features: dict[str, float], said: list[str]) -> None:
    """What can be checked on the plot, most telling first; a feature that is absent or none is passed over."""
    assert in_words(kind, detector, features, EN) == said
