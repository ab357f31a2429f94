#!/usr/bin/env bash
# The servers that the tests start as child processes. Installs what is missing when it may; services are not started.
# Without them the tests that need them are skipped, except with CI=true, where a missing server is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

PATH="$PATH:/usr/sbin:/sbin"
missing=()
while read -r program package; do
    command -v "$program" >/dev/null || missing+=("$package")
done <<'PROGRAMS'
mosquitto mosquitto
mosquitto_sub mosquitto-clients
influxd influxdb
nginx nginx-light
PROGRAMS

if [ ${#missing[@]} = 0 ]; then exit 0; fi
if ! tools/apt_install.sh "${missing[@]}"; then
    if [ "${CI:-}" = true ]; then exit 1; fi
    echo "Going on without: tests that need ${missing[*]} are skipped."
fi
