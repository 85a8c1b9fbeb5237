#!/bin/bash
# Builds the images of the three services from the programs of target/release, with podman or docker. Nothing is downloaded
# but the packages that building needs.
#
#   IMAGES=localhost/shrike   what their names begin with: localhost/shrike/probe and so on
#   TAG=0.1.0                 their tag; the version by default
#   FROM=target/release       where the programs are; those of the release are built first
#   CERTIFICATES=FILE         the authorities that the reporter trusts; by default those of this machine
#   BUILDER=podman            the program that builds; its options may follow it

set -euo pipefail
cd "$(dirname "$0")/.."

images=${IMAGES:-localhost/shrike}
tag=${TAG:-$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)}
certificates=${CERTIFICATES:-/etc/ssl/certs/ca-certificates.crt}
read -ra builder <<<"${BUILDER:-$(command -v podman || command -v docker || true)}"

if [ ${#builder[@]} = 0 ]; then
    echo "error: neither podman nor docker is installed: apt-get install podman" >&2
    exit 2
fi
if [ ! -f "$certificates" ]; then
    echo "error: there is no $certificates: apt-get install ca-certificates, or name a file with CERTIFICATES" >&2
    exit 2
fi
if [ -z "${FROM:-}" ]; then build/release.sh; fi
from=${FROM:-target/release}
programs=("$from"/shrike "$from"/shrike-{probe,analyzer,reporter})
build/check-static.sh "${programs[@]}"

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
for program in "${programs[@]}"; do strip -o "$context/$(basename "$program")" "$program"; done
cp "$certificates" "$context/ca-certificates.crt"
for part in probe analyzer reporter; do
    "${builder[@]}" build --quiet --file deploy/images/Dockerfile --target "$part" --tag "$images/$part:$tag" "$context" >/dev/null
    echo "built $images/$part:$tag"
done
