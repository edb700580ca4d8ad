//! Gives the shared library its SONAME: the number of the ABI, which is
//! `HALTBOX_ABI_VERSION`, so that programs and libraries of two ABIs never meet.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libhaltbox.so.1");
    }
}
