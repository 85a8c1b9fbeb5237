#!/bin/bash
# Runs the units of deploy/systemd under a real systemd: that of Debian in a container with podman, on this kernel.
#
#   tests/systemd/run.sh DIRECTORY-OF-THE-PROGRAMS
#
# Not a part of `make test`, because it downloads a Debian (debootstrap, some 250 MB below .cache/systemd, once). Needs root. The probe
# watches this container and nothing else. Prints one `ok` or `FAILED` line for each thing that must hold; the exit code is 1 when
# one does not.

set -uo pipefail
cd "$(dirname "$0")/../.." || exit
programs=${1:?usage: run.sh DIRECTORY-OF-THE-PROGRAMS}
root=$PWD/.cache/systemd/root
state=$(mktemp -d)
name=shrike-systemd-$$
passed=0 failed=0

for needed in debootstrap podman runc; do
    command -v "$needed" >/dev/null || { echo "systemd: $needed is missing: apt-get install $needed"; exit 2; }
done

export CONTAINERS_CONF=$state/containers.conf CONTAINERS_STORAGE_CONF=$state/storage.conf
cat >"$CONTAINERS_CONF" <<CONF
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "$state/tmp"
volume_path = "$state/volumes"
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=9000:9000"]
CONF
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' "$state/storage" "$state/run" >"$CONTAINERS_STORAGE_CONF"
cleanup() {
    podman rm --force --time 0 "$name" >/dev/null 2>&1
    rm -rf "$state"
}
trap cleanup EXIT

# check NAME COMMAND...: waits up to 30 s until it holds.
check() {
    local what=$1 said _
    shift
    for _ in {1..60}; do
        if said=$("$@" 2>&1); then
            echo "systemd: $what ... ok"
            passed=$((passed + 1))
            return
        fi
        sleep 0.5
    done
    echo "systemd: $what ... FAILED: $said"
    failed=$((failed + 1))
}

inside() { podman exec "$name" "$@"; }

if ! [ -x "$root/sbin/init" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | sed -nE 's/^(URIs:|deb) +(\[[^]]*\] +)?([^ ]+).*/\3/p' | head -1)
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus stable "$root" "$mirror" >"$state/log" 2>&1 ||
        { tail -5 "$state/log"; exit 2; }
fi
# As deploy/systemd/README.md says.
install -m 755 "$programs"/shrike "$programs"/shrike-{probe,analyzer,reporter} "$root/usr/local/bin/"
install -d "$root/etc/shrike"
install -m 644 deploy/systemd/*.toml "$root/etc/shrike/"
install -m 644 deploy/systemd/*.service deploy/systemd/shrike.target "$root/etc/systemd/system/"
install -m 644 deploy/systemd/shrike.sysusers "$root/usr/lib/sysusers.d/shrike.conf"
rm -rf "$root"/var/log/shrike "$root"/var/lib/shrike*
chroot "$root" systemd-sysusers 2>/dev/null
chroot "$root" systemctl enable shrike.target 2>/dev/null

# Privileged, as a machine is; the units take from the services what they must not have.
id=$(podman create --name "$name" --network none --privileged --systemd=always --rootfs "$root" /sbin/init) || exit 2
sed -i "s#^scope = .*#scope = \"cgroup=/libpod_parent/libpod-$id\"#" "$root/etc/shrike/probe.toml"
podman start "$name" >/dev/null || exit 2

all_run() {
    local service
    for service in probe analyzer reporter; do
        inside systemctl is-active --quiet "shrike-$service" || { echo "shrike-$service is not active"; return 1; }
    done
    inside shrike status
}
# has_restarted SERVICE: systemd has started it again, once, and all is well.
has_restarted() {
    [ "$(inside systemctl show -P NRestarts "shrike-$1")" = 1 ] && all_run
}
accounted() { inside shrike status | grep -q 'events happened, none is lost'; }
writes() { inside sh -c '/bin/true; grep -q "\"executable\"" /var/log/shrike/events.json'; }
# confined SERVICE UID: what the service has once it runs.
confined() {
    local pid
    pid=$(inside systemctl show -P MainPID "shrike-$1")
    inside cat "/proc/$pid/status" | awk -v uid="$2" '
        /^Uid:/ && ($2 != uid || $3 != uid) { bad = bad " " $0 }
        /^Cap(Eff|Prm|Inh|Amb):/ && $2 !~ /^0+$/ { bad = bad " " $0 }
        /^NoNewPrivs:/ && $2 != 1 { bad = bad " " $0 }
        /^Seccomp:/ && $2 != 2 { bad = bad " " $0 }
        END { if (bad) print bad; exit bad != "" }'
}
exposed() {
    local level
    level=$(inside systemd-analyze --no-pager security "shrike-$1" | sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/\1/p')
    echo "level $level"
    awk -v level="$level" 'BEGIN { exit !(level != "" && level <= 1.5) }'
}
stops_cleanly() {
    inside systemctl stop shrike.target
    ! inside journalctl --no-pager -q -p warning _SYSTEMD_UNIT=shrike-"$1".service --since "-20s" | grep .
}

check "the target starts all three" all_run
check "events are in the file" writes
check "what happened is accounted for" accounted
uid=60963
for service in probe analyzer reporter; do
    check "shrike-$service is exposed by at most 1.5" exposed "$service"
    case $service in analyzer) uid=60961 ;; reporter) uid=60962 ;; esac
    check "shrike-$service has no capability and a user of its own" confined "$service" "$uid"
done
for service in analyzer reporter probe; do
    inside systemctl kill --signal=KILL "shrike-$service"
    check "shrike-$service comes back after SIGKILL" has_restarted "$service"
    check "nothing is lost by that" accounted
done
inside systemctl restart shrike.target
check "all run after a restart" all_run
check "nothing is lost by that" accounted
for service in probe analyzer reporter; do check "shrike-$service stops without a warning" stops_cleanly "$service"; done

echo "systemd: $passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
