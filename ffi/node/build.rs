//! Sets how the addon is linked.

fn main() {
    // Node unloads the addons of a worker that ends. The recorder's own thread may still
    // be writing a box then.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
