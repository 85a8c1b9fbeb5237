#!/bin/bash
# Prints the pod of the DaemonSet as one that podman runs on a machine without Kubernetes:
#
#   deploy/podman/pod.sh >shrike-pod.yaml
#   deploy/podman/volumes.sh
#   podman kube play --seccomp-profile-root deploy/seccomp shrike-pod.yaml
#
#   IMAGES=localhost/shrike TAG=0.1.0   where build/images.sh put the images
#   CONFIG=DIR                          probe.toml, analyzer.toml and reporter.toml; deploy/kubernetes by default
#   API_KEY_FILE=/FILE                  the key of the intake, if there is one; uid 60962 must be able to read it
#   NAME=shrike                         of the pod
#   NODE=name                           of the machine, in payloads; what hostname(1) says by default
#
# The pod is that of deploy/kubernetes/daemonset.yaml, line by line. What is different is what podman does another way: a file
# has the profiles of system calls, which it takes from a directory of its own, so nothing has to put them anywhere; a key is a
# file of the machine; volumes are those that volumes.sh made; and kustomize is not there to fill in images and configurations.

set -euo pipefail
cd "$(dirname "$0")/../.."

images=${IMAGES:-localhost/shrike}
tag=${TAG:-$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)}
config=${CONFIG:-deploy/kubernetes}
key=${API_KEY_FILE:-}
name=${NAME:-shrike}
node=${NODE:-$(hostname)}

for part in probe analyzer reporter; do
    cat <<MAP
apiVersion: v1
kind: ConfigMap
metadata:
  name: shrike-$part
data:
  $part.toml: |
$(sed 's/^/    /' "$config/$part.toml")
---
MAP
done
cat <<POD
apiVersion: v1
kind: Pod
metadata:
  name: $name
  labels:
    app.kubernetes.io/name: shrike
  annotations:
    container.seccomp.security.alpha.kubernetes.io/probe: localhost/probe.json
    container.seccomp.security.alpha.kubernetes.io/analyzer: localhost/analyzer.json
    container.seccomp.security.alpha.kubernetes.io/reporter: localhost/reporter.json
POD
awk -v images="$images" -v tag="$tag" -v node="$node" -v key="$key" -v name="$name" '
    # The specification of the pod is the last part of the file.
    /^    spec:$/ { inside = 1 }
    !inside { next }
    { sub(/^    /, "") }
    /^  [a-z]/ { skip = /^  initContainers:/ }
    skip || /name: node-seccomp/ { next }
    key == "" && /name: intake,/ { next }
    { sub(/mountPath: \/etc\/shrike-intake,/, "mountPath: /etc/shrike-intake/api-key,") }
    /name: intake, secret:/ { $0 = "    - { name: intake, hostPath: { path: " key ", type: File } }" }
    /emptyDir: / { sub(/,/, "", $4); $0 = "    - { name: " $4 ", persistentVolumeClaim: { claimName: " name "-" $4 " } }" }
    { sub(/image: shrike\//, "image: " images "/") }
    /^      image: / { $0 = $0 ":" tag }
    { gsub(/\$\(NODE_NAME\)/, node) }
    /valueFrom: \{ fieldRef: \{ fieldPath: spec.nodeName \} \}/ { sub(/valueFrom: .*/, "value: \"" node "\"") }
    { print }
' deploy/kubernetes/daemonset.yaml
