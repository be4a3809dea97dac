#!/usr/bin/env bash
# Builds the peers written in Go into target/bench/bin/. Each go.mod with its go.sum fixes the versions.
# A peer whose packages the module proxy refuses is left out, with one line on stderr: the comparison goes on without it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$here/../../../target/bench/bin"
bin=$(cd "$here/../../../target/bench/bin" && pwd)

# build NAME FOLDER
build() {
    cd "$here/$2"
    rm -f "$bin/$1"
    local refusal
    if ! refusal=$(go list -mod=readonly -deps . 2>&1 >/dev/null); then
        echo "$1: not available, its packages could not be had: $(tail -n 1 <<<"$refusal")" >&2
        return
    fi
    go build -trimpath -buildvcs=false -mod=readonly -o "$bin/$1" .
}

build netpoll cmd/netpoll
build go-net cmd/net
build gnet gnet
build evio evio
build gev gev
