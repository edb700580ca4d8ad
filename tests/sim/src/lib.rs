//! A deterministic simulator of the recorder against a reference model.
//!
//! A seed gives a list of operations ([`op`]). [`world`] does them, one after another, with the
//! recorder as it is: its ring in a mapped file, its boxes, its archive. The system under it
//! ([`system`]) is the simulator's: time, random bytes, what the disk refuses, and where the
//! process dies. Beside it [`model`] keeps what was given, as docs/format.md and
//! docs/architecture.md tell, and [`check`] holds what a reader finds ([`look`]) against that.
//! HASH and the ring's records are computed once more by [`reference`](mod@reference), slowly.
//!
//! ```text
//! seed -> op -> world -> recorder -> system: clock, disk, death
//!                 |         |
//!                 |         +-> ring, boxes, archive -> look
//!                 +-> model ---------------- check ------+
//! ```
//!
//! A failing round prints its seed, and the shortest list of operations that fails alike.
//! `haltbox-sim --list FILE` plays such a list; `HALTBOX_TRACE=1` prints each operation.
//! `tests/sim/prove` puts bugs into a copy of the sources, and the simulator has to find them.
//!
//! **What is not simulated.** The engine `queue` and the threads of a host, because threads
//! run in an order of their own. A source that is followed, and where it goes on. The triggers
//! and their thread: mismatches come by calls. A recorder attached beside a host. SIGBUS of a
//! map. The order in which a processor makes its stores: a death stops between two of the
//! program. Damage to boxes and archive files. Rings larger than 4 MiB. Entries of other
//! profiles than `host`.

pub mod check;
pub mod lines;
pub mod look;
pub mod model;
pub mod op;
pub mod random;
pub mod reference;
pub mod round;
pub mod system;
pub mod world;
