"""What clinicians, coordinators and engineers see in Grafana: dashboards and rules as code, and the files made of it.

The files are committed under ``dashboards/json`` and ``dashboards/rules``; ``python -m dashboards.build`` makes them
anew (it needs grafana-foundation-sdk, which nothing else does).
"""

from __future__ import annotations

from dashboards.files import DATASOURCE_UID, LANGUAGES, NAMES, DashboardsError, json_file, load, rule_file, uid

__all__ = ["DATASOURCE_UID", "LANGUAGES", "NAMES", "DashboardsError", "json_file", "load", "rule_file", "uid"]
