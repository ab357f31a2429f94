#!/usr/bin/env bash
# Make .venv with this checkout in it (editable), in the versions that constraints.txt pins.
# Usage: tools/bootstrap.sh         what demo and run need
#        tools/bootstrap.sh dev     and what tests and checks need
set -euo pipefail
cd "$(dirname "$0")/.."
extra=${1:-}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "No Python 3.11 or newer found. Debian 12: apt-get install python3 python3-venv. Elsewhere: PYTHON=/path/to/python3 make ..." >&2
    return 1
}

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "$python cannot make virtual environments: python3-venv is missing."
        tools/apt_install.sh python3-venv
    fi
    echo "Making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi

echo "Installing what carecircle needs${extra:+ (with extra: $extra)}; the first time takes a minute or two"
log=.venv/install.log
# One line for each package that pip fetches, so that nobody wonders whether it hangs.
show='
/^ *Downloading .*\.(whl|tar\.gz) / { n = split($2, path, "/"); split(path[n], part, "-"); print "  fetching", part[1], part[2], $3, $4; fflush() }
/^Installing collected packages/ { print "  installing them"; fflush() }
'
if ! .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off \
    --constraint constraints.txt --editable ".${extra:+[$extra]}" 2>&1 </dev/null | tee "$log" | awk "$show"; then
    tail -n 20 "$log" >&2
    echo "pip failed; all it said is in $log. Without a network, or behind a proxy, see: .venv/bin/pip config list" >&2
    exit 1
fi
touch .venv/.base ${extra:+".venv/.$extra"}
