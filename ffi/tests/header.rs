//! include/reactor.h is what cbindgen makes of the sources. UPDATE_HEADER=1 writes it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

use reactor_core::binding::OPTIONS;
use reactor_core::Metrics;

/// The sources, in the order in which the header shows what they export.
const SOURCES: [&str; 31] = [
    "status.rs",
    "action.rs",
    "written.rs",
    "close.rs",
    "value.rs",
    "serve.rs",
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
    "arguments.rs",
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

/// What the header says of a function, on one line.
fn documentation(header: &str, function: &str) -> String {
    let before = header.split(&format!("\nreactor_status {function}(")).next().unwrap();
    before.rsplit("/**").next().unwrap().replace("\n * ", " ")
}

#[test]
fn the_documentation_has_every_option_of_a_query_with_its_form() {
    let header = generated();
    let listen = documentation(&header, "reactor_server_listen_with");
    let connect = documentation(&header, "reactor_server_connect");
    for row in OPTIONS {
        let option = format!(" {}={}", row.name, row.form);
        assert!(!row.is_of_listeners() || listen.contains(&option), "{option} is missing in {listen}");
        assert!(!row.is_of_connects() || connect.contains(&option), "{option} is missing in {connect}");
    }
}

#[test]
fn the_counters_are_those_of_the_engine() {
    let header = generated();
    let metrics = header
        .split("typedef struct reactor_metrics {")
        .nth(1)
        .unwrap()
        .split("} reactor_metrics;")
        .next()
        .unwrap();
    let ours = metrics.lines().filter_map(|line| line.trim().strip_prefix("uint64_t ")?.strip_suffix(';'));
    let mut ours: Vec<_> = ours.filter(|name| !name.ends_with(']')).collect();
    let mut core: Vec<_> = Metrics::default().counters().into_iter().map(|(name, _)| name).collect();
    ours.sort_unstable();
    core.sort_unstable();
    assert_eq!(ours, core);
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
