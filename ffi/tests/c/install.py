#!/usr/bin/env python3
"""Installs the C library into a folder of its own, builds programs against it by pkg-config or CMake alone, and uninstalls it.

Prints one line per test and at the end `install: N passed, N failed`. Needs make, pkg-config, cmake, gcc, g++, nm and
readelf.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from run import BUILT, HERE, LIMIT_SECONDS, ROOT, WARNINGS
from run import Failure, Report, Server, check, expect_echo, succeed

# With a blank, which shells and pkg-config like to split at.
PREFIX = BUILT / "pre fix"
STAGE = BUILT / "a stage"
STAGED = {"DESTDIR": str(STAGE), "PREFIX": "/usr", "LIBDIR": "/usr/lib/there", "INCLUDEDIR": "/opt/include"}

# C99 without what the compiler adds to it, and C++.
COMPILERS = {"C99": ["gcc", "-std=c99"], "C++": ["g++", "-std=c++11", "-x", "c++"]}


def make(target: str, variables: dict[str, str]) -> None:
    """Not as a part of the make that may run the tests: its flags and variables are its own."""
    outer = ("MAKEFLAGS", "MAKELEVEL", "PREFIX", "LIBDIR", "INCLUDEDIR", "DESTDIR")
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    words = [f"{name}={value}" for name, value in variables.items()]
    succeed(["make", "--no-print-directory", "-C", str(ROOT), target, *words], env=environment)


def version() -> str:
    manifest = (ROOT / "Cargo.toml").read_text()
    match = re.search(r"^\[workspace\.package\]$.*?^version = \"(.*?)\"$", manifest, re.M | re.S)
    check(match, "Cargo.toml has no version")
    return match[1] if match else ""


def pkg_config(*arguments: str, folder: Path = PREFIX / "lib" / "pkgconfig", **variables: str) -> list[str]:
    environment = {**os.environ, "PKG_CONFIG_PATH": str(folder), **variables}
    return shlex.split(succeed(["pkg-config", *arguments, "reactor"], env=environment))


def files(folder: Path) -> dict[str, str]:
    """What lies there, by its path from there: for a link its target, for a file its permissions."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else oct(path.stat().st_mode & 0o777)
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def expected_files(libdir: str, includedir: str) -> dict[str, str]:
    library = f"libreactor.so.{version()}"
    return {
        f"{libdir}/{library}": "0o755",
        f"{libdir}/libreactor.so.0": library,
        f"{libdir}/libreactor.so": "libreactor.so.0",
        f"{libdir}/libreactor.a": "0o644",
        f"{libdir}/pkgconfig/reactor.pc": "0o644",
        f"{libdir}/cmake/reactor/reactorConfig.cmake": "0o644",
        f"{libdir}/cmake/reactor/reactorConfigVersion.cmake": "0o644",
        f"{includedir}/reactor.h": "0o644",
    }


# ---- what is installed ----


def every_file_is_in_its_place() -> None:
    """The second time over the first."""
    for _ in range(2):
        make("install", {"PREFIX": str(PREFIX)})
        found = files(PREFIX)
        check(found == expected_files("lib", "include"), f"installed are {found}")
    for installed, source in (
        ("include/reactor.h", "include/reactor.h"),
        ("lib/libreactor.a", "target/release/libreactor.a"),
        ("lib/libreactor.so", "target/release/libreactor.so"),
    ):
        check((PREFIX / installed).read_bytes() == (ROOT / source).read_bytes(), f"{installed} is not {source}")


def a_stage_leaves_no_trace_in_the_files() -> None:
    make("install", STAGED)
    found = files(STAGE)
    check(found == expected_files("usr/lib/there", "opt/include"), f"installed are {found}")
    folder = STAGE / "usr/lib/there/pkgconfig"
    for written in (folder / "reactor.pc", folder.parent / "cmake/reactor/reactorConfig.cmake"):
        check(str(STAGE) not in written.read_text(), f"{written.name} names the stage")
    flags = pkg_config("--cflags", "--libs", folder=folder)
    check(flags == ["-I/opt/include", "-L/usr/lib/there", "-lreactor"], f"pkg-config says {flags}")
    flags = pkg_config("--cflags", "--libs", folder=folder, PKG_CONFIG_SYSROOT_DIR=str(STAGE))
    expected = [f"-I{STAGE}/opt/include", f"-L{STAGE}/usr/lib/there", "-lreactor"]
    check(flags == expected, f"below the stage pkg-config says {flags}")


def pkg_config_says_what_to_link() -> None:
    check(pkg_config("--modversion") == [version()], "another version than Cargo's")
    flags = pkg_config("--cflags", "--libs")
    check(flags == [f"-I{PREFIX}/include", f"-L{PREFIX}/lib", "-lreactor"], f"pkg-config says {flags}")
    static = pkg_config("--static", "--libs-only-l")
    check(static == "-lreactor -lutil -lrt -lpthread -lm -ldl -lc".split(), f"for static it says {static}")
    moved = pkg_config("--cflags", "--libs", "--define-variable=prefix=/moved")
    check(moved == ["-I/moved/include", "-L/moved/lib", "-lreactor"], f"with another prefix it says {moved}")


def dynamic_section(path: Path, entry: str) -> list[str]:
    output = succeed(["readelf", "--wide", "--dynamic", str(path)])
    return re.findall(rf"\({entry}\).*\[(.*)\]", output)


def the_library_has_its_soname_and_few_needs() -> None:
    library = PREFIX / "lib" / "libreactor.so"
    check(dynamic_section(library, "SONAME") == ["libreactor.so.0"], "another soname")
    needed = set(dynamic_section(library, "NEEDED"))
    strange = {name for name in needed if not re.fullmatch(r"lib(c|m|gcc_s)\.so\.\d|ld-linux-[\w-]+\.so\.\d", name)}
    check("libc.so.6" in needed and not strange, f"it needs {needed}")
    paths = dynamic_section(library, "RPATH") + dynamic_section(library, "RUNPATH")
    check(paths == [], f"it searches {paths}")


def it_exports_nothing_but_the_interface() -> None:
    output = succeed(["nm", "--dynamic", "--defined-only", str(PREFIX / "lib" / "libreactor.so")])
    names = [line.split()[-1] for line in output.splitlines()]
    check("reactor_server_new" in names, f"exported are {names}")
    foreign = [name for name in names if not name.startswith("reactor_")]
    check(not foreign, f"exported is {foreign}, too")


# ---- programs outside the tree ----


def serves_one_client(command: list[str]) -> None:
    with Server(command) as server:
        expect_echo(server.listening(), os.urandom(300_000))
        check(server.line() == f"{version()}\n", "it runs with another version")
        try:
            code = server.process.wait(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure("the program does not end") from None
        check(code == 0, f"the program ends with {code}")


def build(compiler: str, name: str, flags: list[str]) -> Path:
    built = BUILT / name
    source = BUILT / "installed.c"
    shutil.copy(HERE / "installed.c", source)
    succeed([*COMPILERS[compiler], *WARNINGS, str(source), "-x", "none", "-o", str(built), *flags])
    return built


def dynamic_program(compiler: str) -> Callable[[], None]:
    def body() -> None:
        built = build(compiler, "installed", pkg_config("--cflags", "--libs"))
        check("libreactor.so.0" in dynamic_section(built, "NEEDED"), "it does not need the shared library")
        serves_one_client(["env", f"LD_LIBRARY_PATH={PREFIX}/lib", str(built)])

    return body


def static_program(compiler: str) -> Callable[[], None]:
    """As the manual says: -l:libreactor.a in the place of -lreactor."""

    def body() -> None:
        flags = pkg_config("--static", "--cflags", "--libs")
        flags = ["-l:libreactor.a" if flag == "-lreactor" else flag for flag in flags]
        built = build(compiler, "installed-static", flags)
        needed = dynamic_section(built, "NEEDED")
        check(not any("reactor" in name for name in needed), f"it needs {needed}")
        serves_one_client([str(built)])

    return body


def wholly_static_program() -> None:
    """Nothing is shared, not even the C library."""
    built = build("C99", "installed-wholly-static", ["-static", *pkg_config("--static", "--cflags", "--libs")])
    check(dynamic_section(built, "NEEDED") == [], "it needs a shared library")
    serves_one_client([str(built)])


def quick_start(compiler: str, *standard: str) -> Callable[[], None]:
    """The program of the README, to the letter, and without a warning."""

    def body() -> None:
        source = ROOT / "examples" / "c" / "quickstart.c"
        command = [*COMPILERS[compiler], *standard, *WARNINGS, "-c", str(source), "-o", str(BUILT / "quickstart.o")]
        succeed([*command, *pkg_config("--cflags")])

    return body


CMAKE_PROJECT = """
cmake_minimum_required(VERSION 3.13)
project(installed LANGUAGES C CXX)
find_package(reactor {version} REQUIRED)
add_executable(shared shared.c)
target_link_libraries(shared PRIVATE reactor::reactor)
add_executable(static static.cpp)
target_link_libraries(static PRIVATE reactor::static)
"""


def cmake_project(version: str, prefix: Path) -> list[str]:
    """Configures a project that asks for a version; the command that builds it."""
    project = BUILT / "cmake project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    (project / "CMakeLists.txt").write_text(CMAKE_PROJECT.format(version=version))
    for name in ("shared.c", "static.cpp"):
        shutil.copy(HERE / "installed.c", project / name)
    succeed(["cmake", "-S", str(project), "-B", str(project / "built"), f"-DCMAKE_PREFIX_PATH={prefix}"])
    return ["cmake", "--build", str(project / "built")]


def cmake_programs() -> None:
    """Where it was installed, and where the whole was moved to."""
    moved = BUILT / "moved"
    shutil.rmtree(moved, ignore_errors=True)
    shutil.copytree(PREFIX, moved, symlinks=True)
    for prefix in (PREFIX, moved):
        succeed(cmake_project(version().rpartition(".")[0], prefix))
        built = BUILT / "cmake project" / "built"
        check("libreactor.so.0" in dynamic_section(built / "shared", "NEEDED"), "it does not need the shared library")
        paths = dynamic_section(built / "shared", "RPATH") + dynamic_section(built / "shared", "RUNPATH")
        check(paths == [f"{prefix}/lib"], f"it is looked for in {paths}")
        needed = dynamic_section(built / "static", "NEEDED")
        check(not any("reactor" in name for name in needed), f"the static one needs {needed}")
        for name in ("shared", "static"):
            serves_one_client([str(built / name)])
    shutil.rmtree(moved)


def cmake_takes_no_other_series() -> None:
    major, minor, patch = version().split(".")
    cmake_project(version(), PREFIX)
    for other in (f"{major}.{minor}.{int(patch) + 1}", f"{major}.{int(minor) + 1}", f"{int(major) + 1}.0"):
        try:
            cmake_project(other, PREFIX)
        except Failure as failure:
            check("reactor" in str(failure), str(failure))
        else:
            raise Failure(f"{version()} was taken for {other}")


# ---- and away again ----


def uninstall_leaves_no_file() -> None:
    """But what others have put there; and there is no harm in doing it twice."""
    foreign = PREFIX / "lib" / "libreactor.so.0.kept"
    foreign.touch()
    for _ in range(2):
        make("uninstall", {"PREFIX": str(PREFIX)})
        make("uninstall", STAGED)
        check(files(PREFIX) == {"lib/libreactor.so.0.kept": "0o644"}, f"left are {files(PREFIX)}")
        check(files(STAGE) == {}, f"left are {files(STAGE)}")


def a_relative_prefix_is_refused() -> None:
    try:
        make("install", {"PREFIX": "here"})
    except Failure as failure:
        check('"here" is not an absolute path' in str(failure), str(failure))
    else:
        raise Failure("it installs somewhere")
    check(not (ROOT / "here").exists(), "there is a folder")


def without_cargo_it_says_so() -> None:
    commands = BUILT / "few commands"
    shutil.rmtree(commands, ignore_errors=True)
    commands.mkdir()
    for name in ("bash", "find", "make", "sed"):
        (commands / name).symlink_to(str(shutil.which(name)))
    command = ["make", "-C", str(ROOT), "--what-if=core/src/lib.rs", "install", f"PREFIX={PREFIX}"]
    try:
        succeed(command, env={"PATH": str(commands)})
    except Failure as failure:
        check("cargo was not found: install Rust 1.88 or newer" in str(failure), str(failure))
    else:
        raise Failure("it builds without")


def main() -> int:
    os.umask(0o022)
    for folder in (PREFIX, STAGE):
        shutil.rmtree(folder, ignore_errors=True)
    BUILT.mkdir(parents=True, exist_ok=True)
    report = Report()
    report.test("every file is in its place", every_file_is_in_its_place)
    report.test("a stage leaves no trace in the files", a_stage_leaves_no_trace_in_the_files)
    report.test("pkg-config says what to link", pkg_config_says_what_to_link)
    report.test("the library has its soname and few needs", the_library_has_its_soname_and_few_needs)
    report.test("it exports nothing but the interface", it_exports_nothing_but_the_interface)
    for compiler in COMPILERS:
        report.test(f"{compiler} program, dynamic", dynamic_program(compiler))
        report.test(f"{compiler} program, static", static_program(compiler))
    report.test("C99 program, wholly static", wholly_static_program)
    report.test("the quick start is C99", quick_start("C99"))
    report.test("the quick start is C++11", quick_start("C++"))
    report.test("the quick start is C++20", quick_start("C++", "-std=c++20"))
    report.test("programs by CMake", cmake_programs)
    report.test("CMake takes no other series", cmake_takes_no_other_series)
    report.test("uninstall leaves no file", uninstall_leaves_no_file)
    report.test("a relative prefix is refused", a_relative_prefix_is_refused)
    report.test("without cargo it says so", without_cargo_it_says_so)
    print("install: ", end="")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
