#!/bin/bash
# Builds the services in the profile of the tests and watches a demo workload with them, as root.
#
# Not as they ship: the optimised programs are linked as a whole, which takes longer than compiling them and changes nothing
# that one sees here. `make build` makes those.

set -euo pipefail
cd "$(dirname "$0")/.."

programs=(shrike shrike-probe shrike-analyzer shrike-reporter mock-intake)
# With the features of the whole workspace, so that `make test` finds these crates compiled.
${CARGO:-cargo} build --workspace "${programs[@]/#/--bin=}"
exec build/as-root.sh target/debug/shrike demo --stay-if-terminal
