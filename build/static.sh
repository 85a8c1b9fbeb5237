#!/bin/bash
# Builds one program without any shared library, so that one file runs on every distribution, in every image, and opens
# nothing that its own code does not open.
#
#   build/static.sh [--release] PACKAGE PROGRAM
#
# Leaves it in target/release or target/debug and in target/static/<profile>, where no other build replaces it.

set -euo pipefail
cd "$(dirname "$0")/.."

profile=debug
options=()
if [ "${1:-}" = --release ]; then
    profile=release
    options=(--release)
    shift
fi
package=$1 program=$2
# The flag is given for this one program alone: build scripts and procedural macros cannot be static.
${CARGO:-cargo} rustc "${options[@]}" --package "$package" --bin "$program" -- -C target-feature=+crt-static
built=${CARGO_TARGET_DIR:-target}/$profile/$program
# ldd exits with 1 for a static program and names libraries for any other.
if ldd "$built" 2>&1 | grep -q '=>'; then
    echo "error: $built needs shared libraries:" >&2
    ldd "$built" >&2
    exit 1
fi
# Replaced in one step: an older copy may be running.
mkdir -p "target/static/$profile"
cp "$built" "target/static/$profile/.new"
mv "target/static/$profile/.new" "target/static/$profile/$program"
