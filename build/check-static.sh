#!/bin/bash
# Fails when one of these programs needs a shared library: then RUSTC_WRAPPER was set, and took the place of build/rustc.sh.

set -euo pipefail

for program in "$@"; do
    # ldd exits with 1 for a static program and names libraries for any other.
    if ldd "$program" 2>&1 | grep -q '=>'; then
        echo "error: $program needs shared libraries; unset RUSTC_WRAPPER, remove the program, and build again:" >&2
        ldd "$program" >&2
        exit 1
    fi
done
