#!/bin/bash
# Makes the Python environment of docs/subscribers.md in .cache/subscriber, for the end-to-end test that runs its program.
#
# Says why when it cannot; the test is skipped then.

set -euo pipefail
cd "$(dirname "$0")/.."

readonly VERSION=1.85.1
dir=.cache/subscriber
# One file imports another, so all are translated, and again when one has changed.
made=$dir/made-with-$VERSION-$(cat proto/shrike/v1/*.proto | sha256sum | cut -c 1-16)
[ -f "$made" ] && exit 0
rm -rf "$dir"
python3 -m venv "$dir"
"$dir/bin/pip" install --quiet --disable-pip-version-check "grpcio==$VERSION" "grpcio-tools==$VERSION"
"$dir/bin/python" -m grpc_tools.protoc -I proto --python_out="$dir" --grpc_python_out="$dir" \
    proto/shrike/v1/*.proto
touch "$made"
