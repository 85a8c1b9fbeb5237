#!/bin/bash
# Runs fuzz targets, each for FUZZ_SECONDS (60). A crash leaves its input below tests/fuzz/artifacts.
#
#   build/fuzz.sh            every target, with AddressSanitizer
#   build/fuzz.sh --rules    what `make test` runs: the rule language alone, which has no unsafe code for the sanitizer

set -euo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
seconds=${FUZZ_SECONDS:-60}
# The sanitizer's flags are unstable; this lets the pinned stable compiler accept them.
export RUSTC_BOOTSTRAP=1

prepare() {
    build/deps.sh build fuzz || return
    $cargo fuzz --version >/dev/null 2>&1 || { echo "installing cargo-fuzz" && $cargo install cargo-fuzz --locked; }
}

if [ "${1:-}" = --rules ]; then
    if ! prepare; then
        echo "rule_check ... skipped: what it needs cannot be installed, see above"
        echo "fuzz: 0 passed, 0 failed, 1 skipped"
        exit
    fi
    targets=(rule_check) options=(--sanitizer none --no-default-features) verbosity=0
else
    prepare
    mapfile -t targets < <($cargo fuzz list --fuzz-dir tests/fuzz)
    options=() verbosity=1
fi

passed=0
for target in "${targets[@]}"; do
    echo "== fuzz $target, $seconds s"
    # What it learns goes to the first folder; the seeds stay as they are.
    mkdir -p "tests/fuzz/corpus/$target" "tests/fuzz/seeds/$target"
    if ! $cargo fuzz run --fuzz-dir tests/fuzz "${options[@]}" "$target" \
        "tests/fuzz/corpus/$target" "tests/fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity="$verbosity"; then
        echo "fuzz: $passed passed, 1 failed, 0 skipped"
        exit 1
    fi
    passed=$((passed + 1))
done
echo "fuzz: $passed passed, 0 failed, 0 skipped"
