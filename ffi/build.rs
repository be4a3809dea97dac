//! Gives the shared library its soname, `libreactor.so.MAJOR`. Programs must be compiled anew when it changes: by
//! semantic versioning that is when the major version does.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libreactor.so.{}", env!("CARGO_PKG_VERSION_MAJOR"));
}
