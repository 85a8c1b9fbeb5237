#!/bin/bash
# Builds the benchmarks in release and runs them as root, which the probe they measure needs.

set -euo pipefail
cd "$(dirname "$0")/.."

build/release.sh
${CARGO:-cargo} build --release --package bench --package workloads
exec build/as-root.sh target/release/bench "$@"
