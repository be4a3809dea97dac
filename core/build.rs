//! Chooses the poller: what the system has; or, to try another, what the environment variable REACTOR_POLLER names.

use std::env;
use std::process::exit;

/// The pollers, and the system that has one if not all do; the best come first.
const POLLERS: [(&str, Option<&str>); 2] = [("epoll", Some("linux")), ("poll", None)];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=REACTOR_POLLER");
    let names = POLLERS.map(|(name, _)| format!("\"{name}\"")).join(", ");
    println!("cargo::rustc-check-cfg=cfg(reactor_poller, values({names}))");
    let system = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let works = |only: Option<&str>| only.is_none_or(|only| only == system);
    let usable = || POLLERS.iter().filter(|(_, only)| works(*only)).map(|(name, _)| *name);
    let asked = env::var_os("REACTOR_POLLER").map(|asked| asked.to_string_lossy().into_owned());
    let asked = asked.filter(|asked| !asked.is_empty());
    let chosen = match &asked {
        None => usable().next(),
        Some(asked) => usable().find(|name| name == asked),
    };
    let Some(chosen) = chosen else {
        let known = usable().collect::<Vec<_>>().join(", ");
        println!(
            "cargo::error=REACTOR_POLLER is \"{}\"; on {system} it can be: {known}",
            asked.unwrap_or_default()
        );
        exit(1);
    };
    println!("cargo::rustc-cfg=reactor_poller=\"{chosen}\"");
}
