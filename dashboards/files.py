"""Where the generated files are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
#: The dashboards, from one person up to the machines.
NAMES: tuple[str, ...] = ("patient", "ward", "responses", "supervision", "fleet", "pipeline")
#: A folder each: Grafana's variables can translate no title, and both languages in every title hide the half one reads.
LANGUAGES: tuple[str, ...] = ("en", "zh")
#: By which the rules know their datasource: rules have no variables. Set-up gives InfluxDB's datasource this uid.
DATASOURCE_UID = "carecircle-influxdb"
RULES: tuple[str, ...] = ("grafana.json", "prometheus.yml")


class DashboardsError(Exception):
    """Root of what goes wrong with dashboards; the text says what to do."""


def uid(name: str, language: str) -> str:
    """By which Grafana, links and ``carecircle setup grafana`` know a dashboard."""
    return f"carecircle-{name}-{language}"


def json_file(name: str, language: str) -> Path:
    """The generated dashboard, as Grafana's file provisioning and its API take it. Raises DashboardsError."""
    if name not in NAMES or language not in LANGUAGES:
        raise DashboardsError(f"no dashboard {name!r} in {language!r}: there are {', '.join(NAMES)} in en and zh")
    return _FOLDER / "json" / language / f"{name}.json"


def rule_file(name: str) -> Path:
    """The generated rules: ``grafana.json`` for provisioning, ``prometheus.yml``. Raises DashboardsError."""
    if name not in RULES:
        raise DashboardsError(f"no rules {name!r}: there are {', '.join(RULES)}")
    return _FOLDER / "rules" / name


def load(name: str, language: str) -> dict[str, Any]:
    """The dashboard as it is committed. Raises DashboardsError."""
    loaded: dict[str, Any] = json.loads(json_file(name, language).read_text("utf-8"))
    return loaded
