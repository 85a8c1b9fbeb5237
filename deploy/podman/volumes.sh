#!/bin/bash
# Makes the volumes of the pod that pod.sh prints, each its owner's, for podman would give a volume to whichever container
# happens to be the first to mount it. Those that exist already stay as they are.
#
#   NAME=shrike   of the pod
#   PODMAN=podman the program that makes them; its options may follow it

set -euo pipefail
cd "$(dirname "$0")/../.."

name=${NAME:-shrike}
read -ra podman <<<"${PODMAN:-podman}"

# Who writes what is in the manifest: the user of a container, and its mounts that are not read-only. Those in memory are
# in memory here as well.
awk '
    /^ *volumes:$/ { volumes = 1 }
    /runAsUser: / { uid = $2 }
    /^ *- \{ name: .*, mountPath: / && !/readOnly: true/ { sub(/,/, "", $4); owner[$4] = uid }
    volumes && /emptyDir: / {
        sub(/,/, "", $4)
        print $4, owner[$4], (/medium: Memory/ ? "memory" : "disk")
    }
' deploy/kubernetes/daemonset.yaml |
    while read -r volume uid medium; do
        if "${podman[@]}" volume exists "$name-$volume"; then continue; fi
        options=(--opt "o=uid=$uid,gid=$uid")
        if [ "$medium" = memory ]; then
            options=(--opt type=tmpfs --opt device=tmpfs --opt "o=uid=$uid,gid=$uid,mode=0755")
        fi
        "${podman[@]}" volume create "${options[@]}" "$name-$volume"
    done
