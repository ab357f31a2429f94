"""The rules about the platform: their statements on a real InfluxDB, their expressions through a parser of PromQL."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

import dashboards
from dashboards import rules
from dashboards.macros import Span, fill_in
from dashboards.rules import RULES
from ingest.gateway import _LISTENING_S
from journal import JournalWriter
from telemetry.records import LISTENING, pack_raw
from tests.dashboards.conftest import Filled

ROOT = Path(__file__).parents[2]
GRAFANA: list[dict[str, Any]] = json.loads(dashboards.rule_file("grafana.json").read_text())["groups"][0]["rules"]
PROMETHEUS: list[dict[str, Any]] = yaml.safe_load(dashboards.rule_file("prometheus.yml").read_text())["groups"][0][
    "rules"
]


def outcome(rule: dict[str, Any], rows: list[list[Any]]) -> bool:
    """Whether a rule fires on one host's rows, as reduce and threshold have it; no rows: what it says of those."""
    _, reduce, threshold = rule["data"]
    if not rows:
        return bool(rule["noDataState"] == "Alerting")
    values = [row[1] for row in rows]
    how = {"max": max, "min": min, "mean": lambda v: sum(v) / len(v), "last": lambda v: v[-1]}
    value = how[reduce["model"]["reducer"]](values)
    evaluator = threshold["model"]["conditions"][0]["evaluator"]
    return bool(value > evaluator["params"][0] if evaluator["type"] == "gt" else value < evaluator["params"][0])


def test_what_was_asked_for_has_a_rule() -> None:
    """Lag, a gateway that does not read, InfluxDB away, no messages, an outbox that is stuck."""
    uids = {rule["uid"].removeprefix("carecircle-") for rule in GRAFANA}
    assert uids >= {"journal-lag-processor", "gateway-not-reading", "influxdb-away", "no-messages", "outbox-stuck"}
    assert len(uids) == len(GRAFANA) == len(RULES)


@pytest.mark.parametrize("rule", GRAFANA, ids=lambda rule: rule["uid"])
def test_a_rule_is_complete(rule: dict[str, Any]) -> None:
    """Three steps, each on the one before; words in both languages; the datasource that set-up gives."""
    asked, reduce, threshold = rule["data"]
    assert rule["condition"] == threshold["refId"]
    assert (threshold["model"]["expression"], reduce["model"]["expression"]) == (reduce["refId"], asked["refId"])
    assert asked["datasourceUid"] == dashboards.DATASOURCE_UID
    assert asked["relativeTimeRange"]["from"] >= 60
    for text in rule["annotations"]["summary"], rule["annotations"]["description"]:
        assert re.search(r"[a-z.?] / .*[\u4e00-\u9fff]", text)


@pytest.mark.parametrize("rule", GRAFANA, ids=lambda rule: rule["uid"])
def test_the_statement_of_a_rule_gives_rows(rule: dict[str, Any], filled: Filled) -> None:
    """Over the whole time that was filled."""
    span = Span(filled.now_ms - 10 * 86_400_000, filled.now_ms + 60_000)
    (result,) = filled.server.query(fill_in(rule["data"][0]["model"]["query"], span, {}))
    assert any(row[1] is not None for series in result["series"] for row in series["values"])


#: Minute values -> the rules of a stage that fire.
CASES: dict[str, tuple[str, dict[str, float], set[str]]] = {
    "all is well": ("processor", {"messages_per_s": 40.0, "lag_bytes": 900.0}, set()),
    "nothing comes, the gateway listens": ("processor", {"messages_per_s": 0.2, "lag_bytes": 0.0}, {"no-messages"}),
    "the gateway does not read": (
        "processor", {"messages_per_s": 0.0, "lag_bytes": 0.0}, {"no-messages", "gateway-not-reading"},
    ),
    "the processor is slow": ("processor", {"messages_per_s": 40.0, "lag_bytes": 2e8}, {"journal-lag-processor"}),
    "the writer is well": ("writer", {"points_per_s": 900.0, "lag_bytes": 0.0}, set()),
    "the writer is slow": ("writer", {"points_per_s": 900.0, "lag_bytes": 2e8}, {"journal-lag-writer"}),
    "alerts is well": ("alerts", {"in_flight": 0.0, "lag_bytes": 0.0}, set()),
    "messages do not leave": ("alerts", {"in_flight": 3.0, "lag_bytes": 0.0}, {"outbox-stuck"}),
    "detections wait": ("alerts", {"in_flight": 0.0, "lag_bytes": 9000.0}, {"journal-lag-alerts"}),
    "nothing at all is told": (
        "nobody", {"x": 1.0}, {"processor-silent", "influxdb-away", "alerts-silent"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_rule_fires_when_it_should_and_only_then(case: str, filled: Filled) -> None:
    """Ten minutes of points of a host of its own, in a future that nobody else looks at."""
    stage, fields, expected = CASES[case]
    number = list(CASES).index(case)
    start_ms = filled.now_ms + (number + 1) * 86_400_000
    for second in range(0, 900, 10):
        values = ",".join(f"{name}={value}" for name, value in fields.items())
        filled.server.write_line(f"pipeline,stage={stage},host=h{number} {values} {(start_ms + second * 1000) * 10**6}")
    end_ms = start_ms + 890_000
    fired = set()
    for rule, known in zip(GRAFANA, RULES, strict=True):
        if stage not in ("nobody", known.stage):
            continue
        span = Span(end_ms - rule["data"][0]["relativeTimeRange"]["from"] * 1000, end_ms)
        (result,) = filled.server.query(fill_in(rule["data"][0]["model"]["query"], span, {}))
        rows = [series["values"] for series in result.get("series", [])]
        if any(outcome(rule, one) for one in rows) or (not rows and outcome(rule, [])):
            fired.add(rule["uid"].removeprefix("carecircle-"))
    assert fired == expected


@pytest.mark.parametrize("rule", PROMETHEUS, ids=lambda rule: rule["alert"])
def test_an_expression_is_promql_over_metrics_that_the_console_has(rule: dict[str, Any]) -> None:
    """A name that is misspelt never fires."""
    assert promql_parser.parse(rule["expr"])
    source = (ROOT / "console" / "metrics.py").read_text()
    names = re.findall(r"carecircle_(\w+)", rule["expr"])
    assert names
    for name in names:
        assert f'_NAME + "{name.removesuffix("_total")}"' in source, name
    assert re.fullmatch(r"\d+s", rule["for"])
    assert " / " in rule["annotations"]["summary"]


def test_a_gateway_that_hears_nothing_lies_between_the_two_limits(tmp_path: Path) -> None:
    """Its sign every five seconds, in messages and in bytes of the journal."""
    with JournalWriter(tmp_path, consumers=("processor",), reserve_bytes=0) as journal:
        before = journal.position
        journal.append([pack_raw(1_800_000_000_000, 0, LISTENING, b"")])
        journal.commit()
        bytes_per_s = (journal.position - before) / _LISTENING_S
    assert rules.READS_BYTES_PER_S < bytes_per_s < rules.MESSAGES_BYTES_PER_S
    assert rules.READS_PER_S < 1 / _LISTENING_S < rules.MESSAGES_PER_S


def test_a_broken_expression_would_be_found() -> None:
    """The parser does parse."""
    with pytest.raises(ValueError, match="promql"):
        promql_parser.parse("carecircle_store_up == == 0")
