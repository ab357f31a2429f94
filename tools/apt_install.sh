#!/usr/bin/env bash
# Install Debian packages when we may (root, apt-get), without starting the services they bring.
# Usage: tools/apt_install.sh PACKAGE...     Exits 1, saying what to do, where it may not or cannot.
set -euo pipefail

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not root on Debian, so please install them yourself: apt-get install $*" >&2
    exit 1
fi

work=$(mktemp -d)
policy=/usr/sbin/policy-rc.d
restore() {
    rm -f "$policy"
    if [ -e "$work/policy-rc.d" ]; then mv "$work/policy-rc.d" "$policy"; fi
    rm -rf "$work"
}
trap restore EXIT
trap 'exit 130' INT TERM
if [ -e "$policy" ]; then mv "$policy" "$work/policy-rc.d"; fi
# Debian asks this program before it starts a service: 101 means no.
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
run() {
    if ! "$@" >>"$work/log" 2>&1 </dev/null; then
        tail -n 20 "$work/log" >&2
        echo "Failed: $*. Install by hand: apt-get install $packages" >&2
        exit 1
    fi
}
packages="$*"
echo "Installing Debian packages: $packages"
run apt-get update
run apt-get install --yes --no-install-recommends "$@"
