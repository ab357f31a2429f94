"""Makes the committed files anew: ``python -m dashboards.build [--check]``."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards.files import json_file, rule_file
from dashboards.generate import all_dashboards
from dashboards.rules import grafana_rules, prometheus_rules


def wanted() -> dict[Path, str]:
    """Every generated file with its content."""
    files = {json_file(*key): text for key, text in all_dashboards().items()}
    return files | {rule_file("grafana.json"): grafana_rules(), rule_file("prometheus.yml"): prometheus_rules()}


def stale() -> list[Path]:
    """The files that are not what would be made."""
    return [path for path, text in wanted().items() if not path.exists() or path.read_text("utf-8") != text]


def write() -> list[Path]:
    """Make what is stale; which that was."""
    files = wanted()
    changed = stale()
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], "utf-8")
    return changed


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        old = stale()
        for path in old:
            print(f"{path.name} is stale: run python -m dashboards.build")
        raise SystemExit(bool(old))
    for path in write():
        print(f"written: {path.parent.name}/{path.name}")
