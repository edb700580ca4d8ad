//! How the addon is linked.

fn main() {
    // Node unloads the addons of a worker that ends; the recorder's own thread may be writing a box then.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
