//! include/reactor.h is what cbindgen makes of the sources. UPDATE_HEADER=1 writes it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

/// The sources, in the order in which the header shows what they export.
const SOURCES: [&str; 29] = [
    "status.rs",
    "action.rs",
    "written.rs",
    "close.rs",
    "value.rs",
    "server.rs",
    "listen.rs",
    "connect_options.rs",
    "connect.rs",
    "hosted.rs",
    "loops.rs",
    "metrics.rs",
    "conn.rs",
    "write.rs",
    "context.rs",
    "socket_option.rs",
    "settings.rs",
    "info.rs",
    "datagram.rs",
    "peer.rs",
    "callbacks.rs",
    "options.rs",
    "listen_options.rs",
    "length_field.rs",
    "framing.rs",
    "owned.rs",
    "log.rs",
    "last_error.rs",
    "version.rs",
];

fn ffi() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn generated() -> String {
    let config = cbindgen::Config::from_file(ffi().join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(ffi().join("src").join(source));
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

fn committed() -> PathBuf {
    ffi().join("../include/reactor.h")
}

#[test]
fn the_committed_header_is_the_generated_one() {
    if std::env::var_os("UPDATE_HEADER").is_some_and(|value| value == "1") {
        std::fs::write(committed(), generated()).unwrap();
    }
    let committed = std::fs::read_to_string(committed()).unwrap();
    assert!(
        committed == generated(),
        "include/reactor.h is stale: run UPDATE_HEADER=1 cargo test -p reactor-ffi --test header"
    );
}

#[test]
fn every_exported_function_stands_in_the_header_and_in_the_list_of_symbols() {
    let mut exported = Vec::new();
    for entry in std::fs::read_dir(ffi().join("src")).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut lines = source.lines();
        while lines.any(|line| line == "#[no_mangle]") {
            let signature = lines.next().unwrap();
            let name = signature.split("fn ").nth(1).unwrap().split('(').next().unwrap();
            exported.push(name.to_owned());
        }
    }
    exported.sort();
    let header = generated();
    for name in &exported {
        assert!(header.contains(&format!("{name}(")), "{name} is missing in the header");
    }
    let listed = std::fs::read_to_string(ffi().join("symbols.txt")).unwrap();
    assert_eq!(listed.lines().collect::<Vec<_>>(), exported);
}
