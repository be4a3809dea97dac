#!/bin/sh
# Builds the C programs against the release library: the examples to target/examples/c/<name>, the conformance
# subject to target/conformance/subject-c. They find the library where it lies, by an absolute rpath.
set -eu
cd "$(dirname "$0")/../.."
cargo build --release --package reactor-ffi
# Programs look for the library by its soname.
ln -sf libreactor.so target/release/libreactor.so.0

# llhttp, for those that speak HTTP: the library, or where only its sources are packaged (Debian 12) an archive of them.
# They do not compile without warnings.
if pkg-config --exists libllhttp; then
    llhttp=$(pkg-config --cflags --libs libllhttp)
else
    mkdir -p target/llhttp
    llhttp=-I/usr/share/include/llhttp
    for part in api http llhttp; do
        ${CC:-cc} -O2 -g -c $llhttp "/usr/share/llhttp/$part.c" -o "target/llhttp/$part.o"
    done
    ar rcs target/llhttp/libllhttp.a target/llhttp/*.o
    llhttp="$llhttp -Ltarget/llhttp -lllhttp"
fi

flags="-std=c11 -O2 -g -Wall -Wextra -Werror -pedantic -Iinclude"
libraries="-Ltarget/release -lreactor -lpthread -Wl,-rpath,$PWD/target/release -Wl,--as-needed $llhttp"

mkdir -p target/examples/c target/conformance
# An example is NAME.c, with its own parts in NAME_*.c, and what all of them share in launch.c.
for source in examples/c/*.c; do
    name=$(basename "$source" .c)
    case $name in launch | *_*) continue ;; esac
    parts=$(find examples/c -name "${name}_*.c")
    # shellcheck disable=SC2086 # the flags and the parts are words
    ${CC:-cc} $flags $source $parts examples/c/launch.c -o "target/examples/c/$name" $libraries
done
# shellcheck disable=SC2086
${CC:-cc} $flags conformance/subjects/c/*.c -o target/conformance/subject-c $libraries
