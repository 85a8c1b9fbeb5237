#!/bin/bash
# Makes the Python environment of docs/subscribers.md in .cache/subscriber, for the end-to-end test that runs its program.
#
# Says why when it cannot; the test is skipped then.

set -euo pipefail
cd "$(dirname "$0")/.."

readonly VERSION=1.85.1
dir=.cache/subscriber
[ -f "$dir/made-with-$VERSION" ] && exit 0
rm -rf "$dir"
python3 -m venv "$dir"
"$dir/bin/pip" install --quiet --disable-pip-version-check "grpcio==$VERSION" "grpcio-tools==$VERSION"
"$dir/bin/python" -m grpc_tools.protoc -I proto --python_out="$dir" --grpc_python_out="$dir" \
    proto/shrike/v1/analyzer.proto proto/shrike/v1/probe.proto proto/shrike/v1/status.proto
touch "$dir/made-with-$VERSION"
