#!/bin/bash
# Builds what ships, and the intake of the demo, into target/release. In one run of cargo, so that every crate is compiled
# once, with the features that these need together.

set -euo pipefail
cd "$(dirname "$0")/.."

${CARGO:-cargo} build --release --package cli --package probe --package analyzer --package reporter --package mock-intake
build/check-static.sh target/release/shrike target/release/shrike-{probe,analyzer,reporter}
