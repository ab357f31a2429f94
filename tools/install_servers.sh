#!/usr/bin/env bash
# The servers that the tests start as child processes. Installs what is missing when it may; services are not started.
# Without them the tests that need them are skipped, except with CI=true, where a missing server is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian keeps some of them off the ordinary PATH.
for folder in /usr/sbin /sbin /usr/lib/postgresql/*/bin; do PATH="$PATH:$folder"; done
missing=()
while read -r program package; do
    command -v "$program" >/dev/null || missing+=("$package")
done <<'PROGRAMS'
mosquitto mosquitto
mosquitto_sub mosquitto-clients
influxd influxdb
nginx nginx-light
initdb postgresql
chromium chromium
npm npm
PROGRAMS
if ! ls /usr/share/fonts/opentype/noto/NotoSansCJK* >/dev/null 2>&1; then missing+=(fonts-noto-cjk); fi
# Playwright, which drives the browser, brings a node of its own that needs it.
if ! ls /usr/lib/*/libatomic.so.1 >/dev/null 2>&1; then missing+=(libatomic1); fi

if [ ${#missing[@]} = 0 ]; then exit 0; fi
if ! tools/apt_install.sh "${missing[@]}"; then
    if [ "${CI:-}" = true ]; then exit 1; fi
    echo "Going on without: tests that need ${missing[*]} are skipped."
fi
