#!/bin/bash
# Installs the Debian or Ubuntu packages that Shrike needs and this machine lacks.
#
#   build/deps.sh [build] [test] [fuzz]     the groups to look at; `build` alone by default
#
# Looks for the commands and files themselves, so a tool that was installed by hand counts. Asks nothing: it says what
# it installs and for what, and stops with exit code 2 and the list when it may not install. Without anything missing
# it prints nothing and needs no network.
#
# DRY_RUN=1 only says what it would do. DEPS_PATH and DEPS_ROOT replace $PATH and / in the search: build/test-deps.sh
# uses them to look at a machine that has nothing.

set -euo pipefail

readonly ROOT=${DEPS_ROOT:-}

has_command() { PATH=${DEPS_PATH-$PATH} type -P "$1" >/dev/null; }
has_file() { compgen -G "$ROOT$1" >/dev/null; }
# A dynamic busybox finds no libraries in the machines of the kernel matrix.
has_static_busybox() { has_command busybox && ! ldd "$(PATH=${DEPS_PATH-$PATH} type -P busybox)" 2>&1 | grep -q '=>'; }
has_python_venv() { has_command python3 && PATH=${DEPS_PATH-$PATH} python3 -c 'import ensurepip, venv' 2>/dev/null; }

# group | package | how to see that it is there | what it is for
packages() {
    cat <<'TABLE'
build | clang           | has_command clang                           | compiles the eBPF programs
build | llvm            | has_command llvm-strip                      | strips the eBPF object
build | libbpf-dev      | has_file /usr/include/bpf/bpf_helpers.h     | headers of the eBPF programs
build | linux-libc-dev  | has_file /usr/include/linux/bpf.h           | headers of the kernel's interface
build | gcc             | has_command cc                              | links, and compiles zstd
build | libc6-dev       | has_file /usr/lib/*/libc.a                  | static programs
build | make            | has_command make                            | runs the Makefile
build | ca-certificates | has_file /etc/ssl/certs/ca-certificates.crt | what the reporter trusts, in its image
test  | libclang-dev    | has_file /usr/lib/llvm-*/lib/libclang-[0-9]*.so* | checks that the Rust records match events.h
test  | podman          | has_command podman                          | tests with a real container
test  | runc            | has_command runc                            | runs that container
test  | containerd      | has_command containerd                      | tests with a container of Kubernetes' runtime
test  | qemu-system-x86 | has_command qemu-system-x86_64              | boots the kernels of the matrix
test  | busybox-static  | has_static_busybox                          | user space of those machines and of the container
test  | cpio            | has_command cpio                            | packs their initial RAM disk
test  | python3-venv    | has_python_venv                             | runs the Kubernetes validator
test  | systemd         | has_command systemd-analyze                 | checks the systemd units
fuzz  | g++             | has_command c++                             | compiles libFuzzer
TABLE
}

# Fills `missing` with the packages of these groups whose check fails, and says what each is for.
find_missing() {
    local group package check purpose
    missing=()
    while IFS='|' read -r group package check purpose; do
        group=${group// /} package=${package// /}
        [[ " $* " == *" $group "* ]] || continue
        # Unquoted on purpose: the check is a function and its argument. Globs stay literal until compgen.
        if ! (set -f; $check); then
            missing+=("$package")
            printf '  %-16s%s\n' "$package" "${purpose# }"
        fi
    done < <(packages)
}

# Prints how to become root without being asked: nothing for root, `sudo -n` where that works.
become_root() {
    if [ "$(id -u)" = 0 ]; then return; fi
    if has_command sudo && sudo -n true 2>/dev/null; then echo sudo -n; return; fi
    return 1
}

[ $# -gt 0 ] || set -- build
listing=$(mktemp)
trap 'rm -f "$listing"' EXIT
find_missing "$@" >"$listing"
if [ ${#missing[@]} = 0 ]; then exit 0; fi

echo "missing on this machine:"
cat "$listing"
install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
if ! has_command apt-get; then
    echo "error: this is neither Debian nor Ubuntu (no apt-get): install the equivalents of the above, then try again" >&2
    exit 2
fi
if ! as_root=$(become_root); then
    echo "error: installing needs root, or sudo without a password (sudo -v first helps for some minutes):" >&2
    echo "  sudo apt-get update && sudo ${install[*]}" >&2
    exit 2
fi
echo "installing: ${as_root:+$as_root }${install[*]}"
[ -z "${DRY_RUN:-}" ] || exit 0

export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
quiet=(-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
# Stale lists name packages that the mirror no longer has. A source that is down is no reason to stop:
# the others may have what is missing, and if not, the installation says so.
$as_root env DEBIAN_FRONTEND=$DEBIAN_FRONTEND apt-get update -q "${quiet[@]}" </dev/null ||
    echo "warning: apt-get update failed, going on with the lists that are there" >&2
$as_root env DEBIAN_FRONTEND=$DEBIAN_FRONTEND NEEDRESTART_MODE=$NEEDRESTART_MODE \
    "${install[@]}" "${quiet[@]}" </dev/null

find_missing "$@" >"$listing"
if [ ${#missing[@]} -gt 0 ]; then
    echo "error: installed, and still not to be found: ${missing[*]}" >&2
    exit 1
fi
