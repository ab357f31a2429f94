#!/usr/bin/env bash
# Write constraints.txt anew: the newest versions that fit pyproject.toml, of every extra. Run the tests afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-.venv/bin/python}" -m venv "$work/venv"
"$work/venv/bin/pip" install --disable-pip-version-check --progress-bar off ".[dev,postgresql]"
"$work/venv/bin/pip" freeze --all --disable-pip-version-check >"$work/frozen"
grep -E '^[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+$' "$work/frozen" | grep -vE '^(pip|wheel|carecircle)==' |
    LC_ALL=C sort --ignore-case >constraints.txt
git diff --stat -- constraints.txt
