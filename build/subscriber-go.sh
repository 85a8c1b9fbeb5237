#!/bin/bash
# Builds the Go program of docs/subscribers.md, with the packages that the page names and nothing else.
#
#   build/subscriber-go.sh DIRECTORY   with main.go in it; the program will be DIRECTORY/subscriber

set -euo pipefail
cd "$(dirname "$0")/.."
directory=$(cd "$1" && pwd)

mkdir -p "$directory/src/subscriber"
cp "$directory/main.go" "$directory/src/subscriber/"
# Debian's gRPC is of the time of version 1.3 of the generator, which later ones do not fit. The contract names no package of
# Go, so this does.
options=plugins=grpc
for file in proto/shrike/v1/*.proto; do options+=",M${file#proto/}=shrike/v1"; done
protoc -I proto --go_out="$options:$directory/src" proto/shrike/v1/*.proto
cd "$directory"
GO111MODULE=off GOFLAGS='' GOPATH=$directory:/usr/share/gocode GOCACHE=$directory/cache go build -o subscriber ./src/subscriber
rm -rf "$directory/cache"
