//! The addon of `@haltbox/slog-sender`: a [`HostRecorder`] that JavaScript calls.
//!
//! ```text
//! slog-sender.js -> open(...) -> { record, flush, stats, close }
//!                                    |
//!                V8 writes UTF-8 into the sender's buffer -> HostRecorder -> ring
//! ```
//!
//! [`js`] is the border: all unsafe code, and no panic passes it. [`sender`]
//! is what lies behind. Only `open` throws, and only slog-sender.js calls it.
//!
//! [`HostRecorder`]: haltbox_recorder::host::HostRecorder
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod js;
mod options;
mod sender;
