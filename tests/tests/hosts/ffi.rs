//! The C ABI: its header, and C programs that call it.

#[path = "ffi/disks.rs"]
mod disks; // what users do to a ring and its disk, on file systems in files
#[path = "ffi/header.rs"]
mod header;
#[path = "ffi/linking.rs"]
mod linking; // beside another Rust library; what is exported
#[path = "ffi/programs.rs"]
mod programs; // C programs: plain, under sanitizers, under valgrind
