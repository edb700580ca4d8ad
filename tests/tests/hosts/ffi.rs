//! The C ABI: its header, and C programs that call it.

mod disks; // what users do to a ring and its disk, on file systems in files
mod header;
mod linking; // beside another Rust library; what is exported
mod programs; // C programs: plain, under sanitizers, under valgrind
