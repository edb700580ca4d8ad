//! The addon of `@haltbox/slog-sender`: a [`HostRecorder`] that JavaScript calls.
//!
//! ```text
//! slog-sender.js -> open(...) -> { record, stats, close, notices }
//!                                    |
//!                V8 writes UTF-8 into the sender's buffer -> HostRecorder -> ring
//! ```
//!
//! `addon` and `js` are the border: they have all unsafe code, and no panic leaves them.
//! `open` and `sender` are the work behind it. Only `open` throws, and slog-sender.js
//! catches that.
//!
//! [`HostRecorder`]: haltbox_recorder::host::HostRecorder
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod addon;
mod js;
mod open;
mod sender;
