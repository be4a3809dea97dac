//! The Rust subject.
fn main() {}
