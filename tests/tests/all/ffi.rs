//! The C ABI: its header, and C programs that call it.

#[path = "ffi/header.rs"]
mod header;
