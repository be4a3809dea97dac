#!/bin/sh
# Builds the peers in C to target/bench/bin/<folder>, against Debian's libraries (libuv1-dev, libevent-dev,
# liburing-dev), and our own server, bench/servers/c, to target/bench/bin/reactor-c, as the examples are built.
set -eu
cd "$(dirname "$0")/../../.."
cargo build --release --package reactor-ffi
# Programs look for the library by its soname.
ln -sf libreactor.so target/release/libreactor.so.0
mkdir -p target/bench/bin

flags="-std=c11 -O2 -g -Wall -Wextra -Werror -pedantic"

# A peer is a folder, and what all of them share; the library it is for, by the name pkg-config knows.
build() {
    of_library=
    if [ $# -gt 1 ]; then of_library=$(pkg-config --cflags --libs "$2"); fi
    # shellcheck disable=SC2086 # flags are words
    ${CC:-cc} $flags -D_GNU_SOURCE -Ibench/peers/c/shared "bench/peers/c/$1"/*.c bench/peers/c/shared/*.c \
        -o "target/bench/bin/$1" $of_library
}

build limit-epoll
build limit-uring liburing
build libuv libuv
build libevent libevent

# shellcheck disable=SC2086
${CC:-cc} $flags -Iinclude -Iexamples/c bench/servers/c/*.c examples/c/launch.c -o target/bench/bin/reactor-c \
    -Ltarget/release -lreactor "-Wl,-rpath,$PWD/target/release"
