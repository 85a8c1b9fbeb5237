#!/bin/bash
# Runs each fuzz target for FUZZ_SECONDS (60). A crash leaves its input below tests/fuzz/artifacts.

set -euo pipefail
cd "$(dirname "$0")/.."

build/deps.sh build fuzz
cargo=${CARGO:-cargo}
if ! $cargo fuzz --version >/dev/null 2>&1; then
    echo "installing cargo-fuzz"
    $cargo install cargo-fuzz --locked
fi
# The sanitizer flags of cargo-fuzz are unstable; this lets the pinned stable compiler accept them.
export RUSTC_BOOTSTRAP=1
for target in $($cargo fuzz list --fuzz-dir tests/fuzz); do
    echo "== fuzz $target, ${FUZZ_SECONDS:-60} s"
    # What it learns goes to the first folder; the seeds stay as they are.
    mkdir -p "tests/fuzz/corpus/$target" "tests/fuzz/seeds/$target"
    $cargo fuzz run --fuzz-dir tests/fuzz "$target" "tests/fuzz/corpus/$target" "tests/fuzz/seeds/$target" -- \
        -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
done
