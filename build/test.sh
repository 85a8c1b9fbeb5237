#!/bin/bash
# Runs every test of the project, and sums up in one line: N passed, N failed, N skipped.
#
# A part prints what it skips and why. The exit code is 0 only when nothing failed.

set -uo pipefail
cd "$(dirname "$0")/.." || exit

cargo=${CARGO:-cargo}
passed=0 failed=0 skipped=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
log=$logs/part

# Runs a part and adds up what its output says it did. A part that ends with an error and counts no failed test did not
# get as far as its tests: that is one failure.
part() {
    local name=$1 code part_passed part_failed part_skipped
    shift
    printf '\n== %s\n' "$name"
    "$@" </dev/null 2>&1 | tee "$log"
    code=${PIPESTATUS[0]}
    read -r part_passed part_failed part_skipped < <(awk -f build/sum-tests.awk "$log")
    if [ "$code" != 0 ] && [ "$part_failed" = 0 ]; then
        echo "$name ... FAILED with exit code $code"
        part_failed=1
    fi
    passed=$((passed + part_passed)) failed=$((failed + part_failed)) skipped=$((skipped + part_skipped))
}

# Starts a part beside what follows; `finished` waits for it, says what it said, and ends as it did.
begin() {
    local name=$1
    shift
    { "$@" </dev/null >"$logs/$name.said" 2>&1; echo $? >"$logs/$name.code"; } &
    started[$name]=$!
}

finished() {
    wait "${started[$1]}"
    cat "$logs/$1.said"
    return "$(cat "$logs/$1.code")"
}
declare -A started

# Nothing can be built without these. What only some tests need may be missing: they say so and are skipped.
build/deps.sh build || exit
build/deps.sh test || echo "warning: some tests will be skipped"

build/subscriber-venv.sh || echo "warning: the subscriber in Python will be skipped"

if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/build/e2e-runner.sh
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/build/e2e-runner.sh
fi

# One build serves everything: what ships is static in it, as it is when it ships.
echo "== build"
if "$cargo" build --workspace --all-targets &&
    build/check-static.sh target/debug/shrike{,-probe,-analyzer,-reporter} target/debug/{count-events,flip-path,storm}; then
    part "unit and end-to-end tests" "$cargo" test --workspace --no-fail-fast
    # Nothing in these is about time, and together they need two processors: the machines of the matrix one.
    begin matrix tests/kernel-matrix/run.sh target/debug/shrike-probe
    part "rules, fuzzed" build/fuzz.sh --rules
    part "deployment files" deploy/check.sh
    part "kernel matrix" finished matrix
else
    echo "the build FAILED: nothing of it was tested"
    failed=$((failed + 1))
fi
part "package detection" build/test-deps.sh
part "sum of the tests" build/test-sum.sh

printf '\n%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
