"""The sheets: drawn from what is in InfluxDB, telling the truth, and saying what is missing."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib.image
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

import dashboards
from carecircle.cli import app
from dashboards.macros import ALL, Span, fill_in
from dashboards.preview import Answer, choose, has_chinese_font, sheet
from dashboards.preview.units import COLORS, shown, step_color
from store.influx_http import InfluxHttp
from tests.dashboards.conftest import Filled

ZONE = ZoneInfo("Asia/Shanghai")
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def drawn(filled: Filled, name: str, language: str = "en", days: float = 10, **given: list[str]) -> Figure:
    """A sheet of the last days."""
    http = InfluxHttp(filled.server.url, filled.server.token, 10.0)

    def ask(query: str) -> Sequence[Answer]:
        return http.query(query, database="telem")

    loaded = dashboards.load(name, language)
    span = Span(filled.now_ms - round(days * DAY_MS), filled.now_ms + 60_000, points=400)
    try:
        with warnings.catch_warnings():
            if has_chinese_font():  # a character without a shape is a warning of matplotlib's
                warnings.simplefilter("error")
            return sheet(loaded, ask, span, choose(loaded, ask, span, {"area": ["d"], **given}), ZONE, language)
    finally:
        http.close()


def texts(figure: Figure) -> list[str]:
    """Everything that is written on it."""
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("language", dashboards.LANGUAGES)
@pytest.mark.parametrize("name", dashboards.NAMES)
def test_every_panel_of_a_sheet_has_something_in_it(name: str, language: str, filled: Filled) -> None:
    """Lines, bars, numbers or rows; titles in the language."""
    figure = drawn(filled, name, language)
    loaded = dashboards.load(name, language)
    written = texts(figure)
    asked = [panel for panel in loaded["panels"] if panel["type"] != "row"]
    assert {panel["title"] for panel in asked if "${" not in panel["title"]} <= set(written)
    places = [axes for axes in figure.axes if axes.get_label() == "panel"]
    assert len(places) == len(asked)
    for panel, axes in zip(asked, places, strict=True):
        something = [line for line in axes.lines if len(line.get_xdata()) > 0]
        assert something or axes.patches or axes.texts, panel["title"]
        assert [text.get_text() for text in axes.texts] != ["–"], panel["title"]


def test_the_ward_list_puts_the_worst_first_with_when_they_were_seen(filled: Filled) -> None:
    """Wang is ill, and was heard of minutes ago."""
    figure = drawn(filled, "ward")
    (table,) = (axes for axes in figure.axes if any(text.get_text() == "NEWS2" for text in axes.texts))
    words = [text.get_text() for text in table.texts]
    assert words.index("wang") < words.index("zhao")
    seen = [word for word in words if word.endswith(" ago")]
    assert len(seen) == 2
    assert all(word.split()[1] == "min" and int(word.split()[0]) < 30 for word in seen)


def test_supervision_counts_everything_once(filled: Filled) -> None:
    """Two people, three devices online, one open incident; the same below the street as in the district."""
    words = {}
    figure = drawn(filled, "supervision")
    for axes in figure.axes:
        words[axes.get_title(loc="right") or id(axes)] = [text.get_text() for text in axes.texts]
    numbers = [[t for t in one if t.isdigit()] for one in words.values()]
    assert [one[0] for one in numbers[:5]] == ["2", "3", "1", "5", "1"]
    assert numbers[5] == ["2", "3", "1", "4", "1"]


def test_the_answers_are_those_that_were_given(filled: Filled) -> None:
    """Of five answers (20, 95, 240, 45, 15 s) three came within 60 s, four within 180; one of four was false."""
    words = texts(drawn(filled, "responses"))
    assert words[:4] == ["60.0 %", "80.0 %", "80.0 %", "25.0 %"]


def test_a_person_that_is_not_there_is_said(filled: Filled) -> None:
    """With who is."""
    with pytest.raises(dashboards.DashboardsError, match="no person li there: it knows wang, zhao"):
        drawn(filled, "patient", person=["li"])


def test_an_area_leaves_out_the_others(filled: Filled) -> None:
    """Zhao lives in another one; a name that begins alike is no part of it."""
    with pytest.raises(dashboards.DashboardsError, match="no person zhao"):
        drawn(filled, "patient", area=["d.street.station"], person=["zhao"])


def test_the_command_writes_the_files(filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both languages, as pictures that can be opened."""
    monkeypatch.setenv("CARECIRCLE_STORE__TOKEN", filled.server.token)
    monkeypatch.setenv("CARECIRCLE_DATA_DIR", str(tmp_path / "data"))
    options = ["--store", filled.server.url, "--out", str(tmp_path / "out"), "--area", "d", "--from", "now-3h"]
    done = CliRunner().invoke(app, ["dashboards", "preview", "-d", "fleet", *options])
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"fleet-en.png", "fleet-zh.png"}
    picture: Any = matplotlib.image.imread(tmp_path / "out" / "fleet-en.png")
    assert picture.shape[1] > 1500
    assert len({tuple(pixel) for pixel in picture[::20, ::20].reshape(-1, picture.shape[2]).tolist()}) > 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--store", "sqlite:///x.db"], "in the embedded store"),
        (["--store", "http://127.0.0.1:9"], "127.0.0.1:9"),
        (["--store", "http://127.0.0.1:9", "--from", "yesterday"], "is no time"),
        (["--store", "http://127.0.0.1:9", "--from", "2026-03-02", "--to", "2026-03-01"], "is not before"),
    ],
)
def test_what_cannot_be_drawn_is_said_kindly(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence, exit code 2, no traceback."""
    monkeypatch.setenv("CARECIRCLE_DATA_DIR", str(tmp_path))
    done = CliRunner().invoke(app, ["dashboards", "preview", "--out", str(tmp_path / "out"), *options])
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("/^${a:regex}(\\.|$)/", r"/^d\.x(\.|$)/"),
        ("/^${two:regex}$/", r"/^(p1|p\/2)$/"),
        ("/^${every:regex}$/", "/^.*$/"),
        ("$timeFilter", "time >= 0ms and time <= 3600000ms"),
        ("time($__interval) $__interval_ms", "time(10000ms) 10000"),
    ],
)
def test_macros_become_what_grafana_makes_of_them(template: str, expected: str) -> None:
    """Values are escaped; the $ of a regular expression stays."""
    values = {"a": ["d.x"], "two": ["p1", "p/2"], "every": [ALL]}
    assert fill_in(template, Span(0, HOUR_MS), values) == expected


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.5, "percentunit", "50 %"), (90, "s", "1.5 min"), (45, "s", "45 s"),
        (2048, "bytes", "2.0 KiB"), (72, "suffix:/min", "72 /min"),
        (38.04, "celsius", "38 °C"), (None, "none", "–"), (0, "dateTimeFromNow", "2 h ago"), ("x", "none", "x"),
    ],
)  # fmt: skip
def test_values_are_written_with_their_unit(value: Any, unit: str, expected: str) -> None:
    """As Grafana does."""
    assert shown(value, unit, 0, now_ms=2 * HOUR_MS, zone=ZONE, language="en") == expected


def test_a_value_on_a_threshold_has_its_colour() -> None:
    """A step begins at its value."""
    steps = [{"value": None, "color": "green"}, {"value": 5, "color": "orange"}]
    assert [step_color(value, steps) for value in (4.9, 5)] == [COLORS["green"], COLORS["orange"]]
