#!/usr/bin/env bash
# Write constraints.txt anew: the newest versions that fit pyproject.toml, of every extra. Run the tests afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-.venv/bin/python}" -m venv "$work/venv"
"$work/venv/bin/pip" install --disable-pip-version-check --progress-bar off ".[dev,postgresql]"
"$work/venv/bin/pip" freeze --all --disable-pip-version-check >"$work/frozen"
# grafana-client replaces urllib3 under influxdb-client: beside the others, never among them
URLLIB3_NO_OVERRIDE=1 "$work/venv/bin/pip" install --disable-pip-version-check --progress-bar off \
    --constraint "$work/frozen" --target "$work/grafana" --no-binary urllib3-future "grafana-client>=5.1"
"$work/venv/bin/pip" freeze --path "$work/grafana" --disable-pip-version-check >>"$work/frozen"
grep -E '^[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+$' "$work/frozen" | grep -vE '^(pip|wheel|carecircle)==' |
    LC_ALL=C sort --ignore-case --unique >constraints.txt
git diff --stat -- constraints.txt
