//! Gives the shared library its soname. The number changes when programs must be compiled anew.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libreactor.so.0");
}
