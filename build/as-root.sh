#!/bin/bash
# Runs a command as root: loading eBPF programs needs it.
#
# Only with a terminal may sudo ask for a password; without one nothing ever waits for an answer.

set -euo pipefail

if [ "$(id -u)" = 0 ]; then exec "$@"; fi
if ! command -v sudo >/dev/null; then
    echo "error: $1 needs root to load eBPF programs, and there is no sudo: run it as root" >&2
    exit 2
fi
if [ -t 0 ]; then exec sudo "$@"; fi
if sudo -n true 2>/dev/null; then exec sudo -n "$@"; fi
echo "error: $1 needs root to load eBPF programs, and sudo wants a password: run 'sudo -v' first, or run it as root" >&2
exit 2
