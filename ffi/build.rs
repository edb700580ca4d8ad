//! Sets the SONAME of the shared library, which ends in the number of the ABI,
//! `HALTBOX_ABI_VERSION`. So programs never load a library of another ABI.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libhaltbox.so.1");
    }
}
