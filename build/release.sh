#!/bin/bash
# Builds what ships, and the intake of the demo, into target/release.

set -euo pipefail
cd "$(dirname "$0")/.."

${CARGO:-cargo} build --release --package cli --package analyzer --package reporter --package mock-intake
build/static.sh --release probe shrike-probe
