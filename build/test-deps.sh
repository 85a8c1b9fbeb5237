#!/bin/bash
# Tests build/deps.sh without installing anything. Prints one line for each case; exit code 1 when one failed.

set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
passed=0 failed=0

# check NAME EXPECTED-EXIT-CODE TEXT-IN-THE-OUTPUT COMMAND…
check() {
    local name=$1 code=$2 text=$3 output got
    shift 3
    output=$("$@" 2>&1 </dev/null)
    got=$?
    if [ "$got" = "$code" ] && [[ $output == *"$text"* ]]; then
        echo "deps: $name ... ok"
        passed=$((passed + 1))
    else
        echo "deps: $name ... FAILED: exit code $got (expected $code), output without '$text':"
        printf '%s\n' "$output" | sed 's/^/    | /'
        failed=$((failed + 1))
    fi
}

nothing=$(mktemp -d)
trap 'rm -rf "$nothing"' EXIT
mkdir "$nothing/bin" "$nothing/as-root" "$nothing/as-user" "$nothing/no-apt"
# The machine that has apt-get and nothing else.
ln -s /bin/true "$nothing/bin/apt-get"
printf '#!/bin/sh\necho 0\n' >"$nothing/as-root/id"
# Somebody who is not root and whose sudo wants a password.
printf '#!/bin/sh\necho 1000\n' >"$nothing/as-user/id"
printf '#!/bin/sh\nexit 1\n' >"$nothing/as-user/sudo"
chmod +x "$nothing"/as-*/*

check "an empty machine lacks every build package" 0 \
    "clang llvm libbpf-dev linux-libc-dev gcc libc6-dev make ca-certificates" \
    env PATH="$nothing/as-root:$PATH" DRY_RUN=1 DEPS_ROOT="$nothing" DEPS_PATH="$nothing/bin" "$here/deps.sh" build
check "an empty machine lacks every test package" 0 \
    "libclang-dev podman runc containerd qemu-system-x86 busybox-static cpio python3-venv systemd" \
    env PATH="$nothing/as-root:$PATH" DRY_RUN=1 DEPS_ROOT="$nothing" DEPS_PATH="$nothing/bin" "$here/deps.sh" test
check "without root and sudo the list is printed and nothing is installed" 2 \
    "sudo apt-get install -y -q --no-install-recommends clang" \
    env PATH="$nothing/as-user:$PATH" DEPS_ROOT="$nothing" DEPS_PATH="$nothing/bin" "$here/deps.sh" build
check "without apt-get it says what this machine is not" 2 "neither Debian nor Ubuntu" \
    env DEPS_ROOT="$nothing" DEPS_PATH="$nothing/no-apt" "$here/deps.sh" build
check "what is there is not installed again" 0 "" env DRY_RUN=1 "$here/deps.sh" build
echo "package detection: $passed passed, $failed failed, 0 skipped"
exit $((failed > 0))
