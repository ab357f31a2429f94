"""What every dashboard must have, read from the committed files; and that these are what the code makes."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dashboards
from alerts.reporting import measures
from dashboards import build, limits
from dashboards.macros import panels, variables
from detectors.device.link_parameters import BatteryParameters, DeliveryParameters
from detectors.parameters import EventParameters
from detectors.vitals.news2 import EMERGENCY_POINTS, PARTS, URGENT_POINTS, news2
from ingest import dedupe
from store import schema

FILES = [
    pytest.param(dashboards.load(name, language), id=f"{name}-{language}")
    for name, language in itertools.product(dashboards.NAMES, dashboards.LANGUAGES)
]
each_file = pytest.mark.parametrize("dashboard", FILES)
#: Tags by which a statement must be restricted where the measurement has them; what has none of them is the machines'.
RESTRICTING = ("area", "person", "device")


def queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(where, statement) of panels and annotations."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["query"]
    for annotation in dashboard["annotations"]["list"]:
        yield "annotation", annotation["query"]


def sources(part: Any) -> Iterator[dict[str, Any]]:
    """Every reference to a datasource, wherever it stands."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "datasource":
                yield value
            else:
                yield from sources(value)
    elif isinstance(part, list):
        for value in part:
            yield from sources(value)


def steps_of(panel: dict[str, Any]) -> list[tuple[float | None, str]]:
    """The thresholds of a panel."""
    return [(step["value"], step["color"]) for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]


def panel_of(name: str, title: str) -> dict[str, Any]:
    """A panel by its English title."""
    (found,) = (panel for panel in panels(dashboards.load(name, "en")) if panel["title"] == title)
    return found


def test_the_committed_files_are_what_the_code_makes() -> None:
    """`python -m dashboards.build` makes them anew."""
    assert [path.name for path in build.stale()] == []


def test_no_file_is_left_over() -> None:
    """A dashboard that was renamed."""
    wanted = set(build.wanted())
    folder = dashboards.json_file("ward", "en").parents[2]
    assert {path for path in [*folder.glob("json/**/*.*"), *folder.glob("rules/*")] if path.is_file()} == wanted


@each_file
def test_a_panel_has_a_title_a_description_a_unit_and_somewhere_to_look_for_nothing(dashboard: dict[str, Any]) -> None:
    """What is on a screen without its unit is guessed at."""
    for panel in panels(dashboard):
        assert panel["title"]
        assert len(panel["description"]) >= 5
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["fieldConfig"]["defaults"]["noValue"]


@each_file
def test_ids_are_unique(dashboard: dict[str, Any]) -> None:
    """Of panels and rows; Grafana drops what comes twice."""
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


@each_file
def test_panels_lie_within_the_page_and_not_on_each_other(dashboard: dict[str, Any]) -> None:
    """Row by row over 24 columns."""
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = set(itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        ))  # fmt: skip
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


@each_file
def test_everything_asks_the_datasource_that_is_chosen(dashboard: dict[str, Any]) -> None:
    """No uid, name or address of anybody's Grafana or InfluxDB."""
    found = list(sources(dashboard))
    assert len(found) > len(panels(dashboard))
    assert {(one["type"], one["uid"]) for one in found} == {("influxdb", "${datasource}")}
    assert not re.search(r"https?://", json.dumps(dashboard))


@each_file
def test_every_statement_has_a_time_filter_and_is_about_what_is_chosen(dashboard: dict[str, Any]) -> None:
    """Each SELECT of each statement: one without would read years, or somebody else's district."""
    for where, query in queries(dashboard):
        for source in re.findall(r'FROM "(?:[a-z_0-9]+)"\.\."([a-z_]+)" WHERE ([^()]*(?:\([^()]*\)[^()]*)*)', query):
            measurement, conditions = source
            assert "$timeFilter" in conditions, where
            tags = [tag for tag in RESTRICTING if tag in schema.measurement(measurement).tags]
            if tags:
                assert any(f'"{tag}" =~ /^${{' in conditions for tag in tags), where
            else:
                assert '"host" =~ /^${host:regex}$/' in conditions, where
        assert query.count("SELECT") == query.count("$timeFilter"), where
        assert re.findall(r'FROM "[a-z_0-9]+"\.\."', query), where


@each_file
def test_every_variable_that_is_used_is_there(dashboard: dict[str, Any]) -> None:
    """And every one that is there is used."""
    names = {one["name"] for one in dashboard["templating"]["list"]}
    text = json.dumps({name: part for name, part in dashboard.items() if name != "templating"})
    text += " ".join(variable["query"]["query"] for variable in variables(dashboard))
    used = set(re.findall(r"\$\{(\w+)(?::regex)?\}", text)) - {"__url_time_range"}
    assert used == names


def test_both_languages_are_the_same_but_for_words() -> None:
    """Statements, places and thresholds of one are those of the other; the uids differ."""
    for name in dashboards.NAMES:
        english, chinese = (dashboards.load(name, language) for language in ("en", "zh"))
        assert list(queries(english))
        assert [q for _, q in queries(english)] == [q for _, q in queries(chinese)]
        for one, other in zip(panels(english), panels(chinese), strict=True):
            assert one["gridPos"] == other["gridPos"]
            assert steps_of(one) == steps_of(other)
        assert (english["uid"], chinese["uid"]) == (f"carecircle-{name}-en", f"carecircle-{name}-zh")


@pytest.mark.parametrize("name", dashboards.NAMES)
def test_the_chinese_one_is_chinese(name: str) -> None:
    """Titles and descriptions; what stands for a value or is a name may be the same."""
    for panel in panels(dashboards.load(name, "zh")):
        for text in (panel["title"], panel["description"]):
            assert re.search(r"[\u4e00-\u9fff]", text) or text.startswith("${"), text
    for panel in panels(dashboards.load(name, "en")):
        assert not re.search(r"[\u4e00-\u9fff]", panel["title"] + panel["description"])


def test_links_lead_to_dashboards_of_the_same_language() -> None:
    """By uids that are there, with variables that the other one has."""
    uids = {
        (dashboards.uid(name, language)): (name, language) for name in dashboards.NAMES for language in ("en", "zh")
    }
    count = 0
    for name, language in itertools.product(dashboards.NAMES, dashboards.LANGUAGES):
        loaded = dashboards.load(name, language)
        for target, rest in re.findall(r'"/d/([a-z-]+)\?([^"]*)"', json.dumps(loaded, ensure_ascii=False)):
            other, language_there = uids[target]
            assert language_there == language
            there = {one["name"] for one in dashboards.load(other, language)["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", rest)) <= there
            count += 1
    assert count >= 10


@pytest.mark.parametrize(
    ("title", "sign"),
    [
        ("Pulse", "hr"),
        ("Oxygen saturation", "spo2"),
        ("Breaths", "rr"),
        ("Temperature", "temp"),
        ("Blood pressure", "sbp"),
    ],
)
def test_the_bands_of_a_sign_are_those_of_the_detector(title: str, sign: str) -> None:
    """Every value has the colour of the points that the detector gives it."""
    steps = steps_of(panel_of("patient", title))
    colors = {0: "green", 1: "yellow", 2: "orange", 3: "red"}
    for value in np.arange(33.0, 42.0, 0.1) if sign == "temp" else np.arange(45.0, 215.0 if sign != "spo2" else 101.0):
        value = round(float(value), 1)
        nothing = dict.fromkeys(PARTS, np.nan)
        points = int(news2(**(nothing | {sign: value}), scale_2=False).parts[PARTS.index(sign)][0])
        drawn = [color for begin, color in steps if begin is None or value >= begin][-1]
        assert drawn == colors[points], value


def test_the_other_thresholds_are_the_detectors_and_the_reports() -> None:
    """One source: a parameter that is changed changes the dashboards, or the build is stale."""
    score = steps_of(panel_of("patient", "NEWS2"))
    assert [value for value, _ in score] == [None, 1, URGENT_POINTS, EMERGENCY_POINTS]
    battery = steps_of(panel_of("patient", "Battery"))
    assert battery[1][0] == BatteryParameters().low_pct + 1
    assert battery[2][0] == BatteryParameters().charged_pct
    assert f'"v" <= {BatteryParameters().low_pct:g}' in panel_of("fleet", "Battery low")["targets"][0]["query"]
    assert steps_of(panel_of("fleet", "Delay of messages"))[-1][0] == EventParameters().late_s * 1000
    assert steps_of(panel_of("fleet", "Messages missing in the sequence"))[-1][0] == DeliveryParameters().lost_pct
    assert limits.GAP_WINDOW == dedupe.WINDOW
    assert (limits.ANSWERED_SOON_S, limits.ANSWERED_S) == (measures.SOON_S, measures.LATE_S)
    assert limits.DOOR_S == measures.DOOR_S
    goals = {measures.SOON_S: limits.ANSWERED_SOON_GOAL_PCT / 100, measures.LATE_S: limits.ANSWERED_GOAL_PCT / 100}
    assert goals == measures.GOALS
    assert [value for value, _ in steps_of(panel_of("responses", "Time to acknowledge"))] == [None, 60, 180]
    assert [value for value, _ in steps_of(panel_of("responses", "Time to arrive"))] == [None, 900]
    assert '"since_open_s" <= 900' in panel_of("responses", "At the door within 15 min")["targets"][0]["query"]


def test_a_name_that_does_not_exist_is_said() -> None:
    """With those that there are."""
    with pytest.raises(dashboards.DashboardsError, match="patient, ward"):
        dashboards.json_file("patients", "en")
    with pytest.raises(dashboards.DashboardsError, match=r"prometheus\.yml"):
        dashboards.rule_file("rules.yml")
