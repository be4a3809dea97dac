#!/bin/sh
# Builds the peers in Rust to target/bench/bin/tokio and target/bench/bin/mio.
set -eu
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)
CARGO_TARGET_DIR=$root/target/bench/rust cargo build --release --locked
mkdir -p "$root/target/bench/bin"
for peer in tokio mio; do
    ln -sf "../rust/release/bench-$peer" "$root/target/bench/bin/$peer"
done
