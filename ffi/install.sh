#!/usr/bin/env bash
# Installs the C library, its header, reactor.pc and a CMake package, or takes them away again:
#
#     make install   [PREFIX=/usr/local] [LIBDIR=PREFIX/lib] [INCLUDEDIR=PREFIX/include] [DESTDIR=]
#     make uninstall with the same variables
#
# They come through the environment, and REACTOR_VERSION from the Makefile. DESTDIR is put in front of every path that
# is written, and appears in no file: it is for packagers. Run as root without it, the dynamic linker's cache is
# brought up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

prefix=${PREFIX:-/usr/local}
libdir=${LIBDIR:-$prefix/lib}
includedir=${INCLUDEDIR:-$prefix/include}
soname=libreactor.so.${REACTOR_VERSION%%.*}
library=libreactor.so.$REACTOR_VERSION
# Versions that programs can take for one another.
series=${REACTOR_VERSION%%.*}
[ "$series" != 0 ] || series=${REACTOR_VERSION%.*}
built=target/release

for path in "$prefix" "$libdir" "$includedir" "${DESTDIR:-/}"; do
    if [[ $path != /* ]]; then
        echo "install: \"$path\" is not an absolute path" >&2
        exit 1
    fi
done
to_libdir=${DESTDIR:-}$libdir
to_includedir=${DESTDIR:-}$includedir

# As reactor.pc shows it: relative to the prefix where it lies below it, so that the prefix alone can be overridden.
shown() {
    if [[ $1 == "$prefix"/* ]]; then
        # shellcheck disable=SC2016 # pkg-config expands it
        printf '${prefix}%s' "${1#"$prefix"}"
    else
        printf '%s' "$1"
    fi
}

# Writes a file of which the template is given.
write() {
    local text target=$to_libdir/$2
    text=$(<"$1")
    text=${text//@PREFIX@/"$prefix"}
    text=${text//@LIBDIR@/"$(shown "$libdir")"}
    text=${text//@INCLUDEDIR@/"$(shown "$includedir")"}
    text=${text//@INCLUDE_FROM_HERE@/"$(realpath -ms --relative-to="$libdir/cmake/reactor" "$includedir")"}
    text=${text//@VERSION@/"$REACTOR_VERSION"}
    text=${text//@SERIES@/"$series"}
    text=${text//@SONAME@/"$soname"}
    rm -f "$target"
    printf '%s\n' "$text" >"$target"
    chmod 644 "$target"
}

# Only for a folder that the cache covers: not for a prefix of one's own.
refresh_linker_cache() {
    if [ -z "${DESTDIR:-}" ] && [ "$(id -u)" -eq 0 ] && ldconfig -NXv 2>&1 | grep -F "$libdir: (" >/dev/null; then
        ldconfig
    fi
}

install_all() {
    install -d "$to_libdir/pkgconfig" "$to_libdir/cmake/reactor" "$to_includedir"
    install -m 755 "$built/libreactor.so" "$to_libdir/$library"
    ln -sfn "$library" "$to_libdir/$soname"
    ln -sfn "$soname" "$to_libdir/libreactor.so"
    install -m 644 "$built/libreactor.a" "$to_libdir/libreactor.a"
    install -m 644 include/reactor.h "$to_includedir/reactor.h"
    write ffi/reactor.pc.in pkgconfig/reactor.pc
    for file in reactorConfig.cmake reactorConfigVersion.cmake; do
        write "ffi/cmake/$file.in" "cmake/reactor/$file"
    done
    refresh_linker_cache
    echo "install: reactor $REACTOR_VERSION is in $to_libdir and $to_includedir"
}

# Folders stay: others may have put something there meanwhile.
uninstall_all() {
    rm -f "$to_libdir"/{"$library","$soname",libreactor.so,libreactor.a,pkgconfig/reactor.pc} "$to_includedir/reactor.h" \
        "$to_libdir"/cmake/reactor/reactorConfig{,Version}.cmake
    refresh_linker_cache
    echo "uninstall: reactor $REACTOR_VERSION is gone from $to_libdir and $to_includedir"
}

case ${1:-} in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *) echo "usage: ffi/install.sh install|uninstall" >&2; exit 2 ;;
esac
