#!/bin/bash
# Tests build/sum-tests.awk. Prints one line for each case; exit code 1 when one failed.

set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
passed=0 failed=0

# check NAME EXPECTED OUTPUT-OF-A-PART
check() {
    local got
    got=$(printf '%b' "$3" | awk -f "$here/sum-tests.awk")
    if [ "$got" = "$2" ]; then
        echo "sum: $1 ... ok"
        passed=$((passed + 1))
    else
        echo "sum: $1 ... FAILED: '$got' instead of '$2'"
        failed=$((failed + 1))
    fi
}

check "two programs of cargo add up, what is ignored is skipped" "5 1 3" \
    'test result: ok. 3 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 1s\n'\
'test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1s\n'
check "a test that says that it cannot run is skipped and not passed" "1 0 2" \
    'running 3 tests\ntest-skipped: a: not root\ntest a ... test-skipped: b: no BTF\nok\ntest b ... ok\n'\
'test c ... ok\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s\n'
check "a script of ours has a line of its own" "2 0 1" \
    'kernel 6.1 ... skipped: no qemu\nkernel matrix: 2 passed, 0 failed, 1 skipped\n'
check "a part without a sum did nothing" "0 0 0" 'error: could not compile\n'

echo "sum of the tests: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
