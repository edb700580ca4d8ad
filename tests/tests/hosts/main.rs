//! The recorder inside hosts: C, Go and Node programs. These tests build things;
//! they run apart from the others, whose waiting times a compiler beside them would
//! exceed.

mod ffi; // the C ABI: its header, and C programs that call it
mod go; // the Go module: its own tests, vendoring, builds without the library
mod go_import; // the Go modules of a release, imported by version
mod kernel; // a real SwingSet kernel, with the slog sender and without
mod node; // @haltbox/slog-sender in real Node processes
