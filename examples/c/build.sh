#!/bin/sh
# Builds the C programs against the release library: the examples to target/examples/c/<name>, the conformance
# subject to target/conformance/subject-c. They find the library where it lies, by an absolute rpath.
set -eu
cd "$(dirname "$0")/../.."
cargo build --release --package reactor-ffi
# Programs look for the library by its soname.
ln -sf libreactor.so target/release/libreactor.so.0

flags="-std=c11 -O2 -g -Wall -Wextra -Werror -pedantic -Iinclude"
libraries="-Ltarget/release -lreactor -lpthread -Wl,-rpath,$PWD/target/release"

mkdir -p target/examples/c target/conformance
for source in examples/c/*.c; do
    # shellcheck disable=SC2086 # the flags are words
    ${CC:-cc} $flags "$source" -o "target/examples/c/$(basename "$source" .c)" $libraries
done
# shellcheck disable=SC2086
${CC:-cc} $flags conformance/subjects/c/*.c -o target/conformance/subject-c $libraries
