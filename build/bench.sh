#!/bin/bash
# Builds the benchmarks in release and runs them as root, which the probe they measure needs.
#
# What is measured, and beside what, is chosen by variables: see docs/performance.md. `make bench ROWS=e2e` works too.

set -euo pipefail
cd "$(dirname "$0")/.."

build/release.sh
${CARGO:-cargo} build --release --package bench
# sudo gives a program an environment of its own.
chosen=()
for name in ROWS ROUNDS RATE SECONDS_EACH SHRIKE_BIN BASELINE_BIN KINDS PEER_SCAP_OPEN PEER_SCAP_ARGS BPFTRACE; do
    [ -z "${!name:-}" ] || chosen+=("$name=${!name}")
done
exec build/as-root.sh env "${chosen[@]}" target/release/bench "$@"
