#!/bin/bash
# Boots each kernel of the matrix in a virtual machine and runs the probe's self-test there.
#
#   tests/kernel-matrix/run.sh PATH-TO-STATIC-SHRIKE-PROBE
#
# The kernels are Debian's own packages, the newest of each series that apt knows. They are unpacked below
# .cache/kernels and never installed. QEMU emulates the processor (TCG), so this needs neither KVM nor root.
# Prints one `ok`, `FAILED` or `skipped` line for each kernel; the exit code is 1 when one failed.

set -euo pipefail

readonly SERIES=(6.1 6.12)
# A boot takes some 5 s under TCG and the self-test about as long; the rest is room for a busy machine.
readonly TIMEOUT_SECONDS=${KERNEL_MATRIX_TIMEOUT:-240}

here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/kernels
probe=${1:?usage: run.sh PATH-TO-STATIC-SHRIKE-PROBE}
passed=0 failed=0 skipped=0

finish() {
    echo "kernel matrix: $passed passed, $failed failed, $skipped skipped"
    exit $((failed > 0))
}

skip_all() {
    for series in "${SERIES[@]}"; do echo "kernel $series ... skipped: $1"; done
    skipped=${#SERIES[@]}
    finish
}

# Prints the path of a kernel image of this series, downloading the package if none is in the cache.
# On failure prints the reason instead.
kernel_image() {
    local series=$1 pattern package
    local images=("$cache"/vmlinuz-"$series".*)
    if [ -e "${images[0]}" ]; then
        printf '%s\n' "${images[@]}" | sort -V | tail -1
        return
    fi
    # Signed packages only: no -unsigned, no -dbg.
    pattern="^linux-image-${series//./\\.}\\.[0-9][^ ]*-cloud-amd64\$"
    package=$(apt-cache search --names-only "$pattern" | cut -d' ' -f1 | sort -V | tail -1)
    [ -n "$package" ] || { echo "apt knows no package linux-image-$series.*-cloud-amd64"; return 1; }
    mkdir -p "$cache"
    local download
    download=$(mktemp -d "$cache/download.XXXXXX")
    # apt drops its privileges for the download, so its sandbox user must be able to write here.
    chmod 777 "$download"
    if ! (cd "$download" && apt-get download -q "$package" >apt.log 2>&1); then
        echo "apt-get download $package failed: $(grep '^E:' "$download/apt.log" | head -1)"
        rm -rf "$download"
        return 1
    fi
    dpkg-deb --fsys-tarfile "$download"/*.deb | tar -x -C "$download" --wildcards './boot/vmlinuz-*'
    mv "$download"/boot/vmlinuz-* "$cache/"
    rm -rf "$download"
    kernel_image "$series"
}

# Packs busybox, the probe and the init script into the initial RAM disk "$1".
pack_initramfs() {
    local root
    root=$(mktemp -d "$work/root.XXXXXX")
    mkdir -p "$root"/{bin,proc,sys,dev,run,tmp}
    cp "$busybox" "$root/bin/busybox"
    cp "$probe" "$root/bin/shrike-probe"
    cp "$here/init" "$root/init"
    chmod 755 "$root/init" "$root/bin/busybox" "$root/bin/shrike-probe"
    (cd "$root" && find . -print0 | cpio --null --create --format=newc --owner=0:0 --quiet) | gzip -1 >"$1"
}

# Boots the kernel "$1" and leaves what the machine printed in "$2".
boot() {
    # One thread for both CPUs, in turn: hooks that come and go patch the kernel's code while it runs, and with a thread for
    # each CPU the emulator may run an instruction on one that the other has just replaced (seen: an int3 that nobody owns).
    timeout --kill-after=5 "$TIMEOUT_SECONDS" qemu-system-x86_64 \
        -accel tcg,thread=single -cpu max -smp 2 -m 1G -nographic -no-reboot -nic none \
        -kernel "$1" -initrd "$work/initramfs" \
        -append "console=ttyS0 quiet panic=-1 loglevel=4" </dev/null >"$2.raw" 2>&1 || true
    # A serial console ends lines with CR LF, and the firmware clears the screen first.
    tr -d '\r' <"$2.raw" | sed 's/\x1b[][0-9;?]*[a-zA-Z]//g; s/\x1bc//g' >"$2"
}

try_kernel() {
    local series=$1 image log release code started=$SECONDS
    if ! image=$(kernel_image "$series"); then
        echo "kernel $series ... skipped: $image"
        skipped=$((skipped + 1))
        return
    fi
    log=$work/$series.log
    boot "$image" "$log"
    release=$(sed -n 's/^SHRIKE-GUEST-KERNEL://p' "$log" | head -1)
    code=$(sed -n 's/^SHRIKE-GUEST-EXIT://p' "$log" | tail -1)
    sed -n '/^SHRIKE-GUEST-KERNEL:/,/^SHRIKE-GUEST-EXIT:/{/^SHRIKE-GUEST-/d;/^$/d;s/^/    /p}' "$log"
    if [ "$code" = 0 ]; then
        echo "kernel $release ... ok ($((SECONDS - started)) s)"
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    if [ -n "$code" ]; then
        echo "kernel $release ... FAILED: the self-test ended with exit code $code"
    else
        echo "kernel ${release:-$series} ... FAILED: no exit code within $TIMEOUT_SECONDS s; the end of its console:"
        tail -25 "$log" | sed 's/^/    | /'
    fi
}

[ "$(uname -m)" = x86_64 ] || skip_all "the matrix boots x86_64 kernels, this machine is $(uname -m)"
for tool in qemu-system-x86_64 cpio apt-cache dpkg-deb; do
    command -v "$tool" >/dev/null || skip_all "$tool is not installed"
done
busybox=$(command -v busybox) || skip_all "busybox is not installed"
# ldd fails on a static binary; inside the machine there is no loader for any other.
if ldd "$busybox" 2>&1 | grep -q '=>'; then skip_all "$busybox is not static: install busybox-static"; fi
if ldd "$probe" 2>&1 | grep -q '=>'; then
    echo "$probe is not static: build it with 'make probe-static'" >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pack_initramfs "$work/initramfs"
for series in "${SERIES[@]}"; do try_kernel "$series"; done
finish
