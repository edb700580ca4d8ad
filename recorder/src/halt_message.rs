//! The text that an operator reads at a halt. It fits one screen.

use std::io::Write;
use std::path::Path;

use haltbox_format::mark::State;
use haltbox_model::size::human_bytes;
use haltbox_model::{Outside, ShowPath};

use crate::freeze::{Frozen, Reach};
use crate::freeze_request::BY_REQUEST;

/// What to do at a halt, and what not. The end of every alert.
pub const WHAT_TO_DO: &str = "  1. Do not roll back, resync, reset or prune: that destroys the \
                              evidence.\n  2. Copy the black box to another machine.\n  3. Post \
                              the line after `quote` where the developers ask for it; send the \
                              box to the people they name.\n  4. Then recover the node as the \
                              developers instruct.\n  5. Never reset priv_validator_state.json or \
                              restore an old copy: signing a height twice is slashed.\n";

/// The halt message of a box. `upload_hint` says where to upload it.
pub fn frozen(frozen: &Frozen, upload_hint: Option<&str>) -> String {
    let mut text = Vec::new();
    let height = frozen.of.height;
    let _ = match frozen.state {
        State::Diverged => writeln!(
            text,
            "haltbox: DIVERGED at height {height}: {}",
            Outside::text(&frozen.reason)
        ),
        _ if frozen.reason == BY_REQUEST => {
            writeln!(text, "haltbox: height {height} was {BY_REQUEST}")
        }
        _ => writeln!(
            text,
            "haltbox: height {height} was frozen: {}",
            Outside::text(&frozen.reason)
        ),
    };
    let size = human_bytes(frozen.bytes);
    let state = match (frozen.existed, frozen.reach) {
        (true, _) => " (already existed, unchanged)",
        (false, Reach::NoRoom) => " (this block only: the disk has no room for its history)",
        (false, Reach::Archived) => " (this block only, from the archive)",
        (false, Reach::History) => "",
    };
    let _ = writeln!(text, "{}{size}){state}", line_of_box(&frozen.path));
    let _ = writeln!(text, "  quote      {}", Outside::text(&frozen.quote()));
    if !frozen.inputs.is_empty() {
        let inputs = frozen.inputs.to_string();
        let _ = writeln!(text, "  inputs     {}", Outside::text(&inputs));
    }
    if let Some(unanswered) = &frozen.unanswered {
        let _ = writeln!(text, "  missing    {}", Outside::text(unanswered));
    }
    let _ = writeln!(text, "  please upload the black box{}", hint(upload_hint));
    let _ = writeln!(
        text,
        "  do not roll back, resync or prune before you have copied it"
    );
    String::from_utf8(text).unwrap_or_default()
}

/// Begins the line of the halt message that names the box.
pub fn line_of_box(path: &Path) -> String {
    format!("  black box  {} (", path.shown())
}

/// Begins the message about trouble at a block that was not recorded.
pub const WITHOUT_A_BOX: &str = "TROUBLE, and no block of it is recorded";

/// The message about trouble at a block that was not recorded.
pub fn without_a_box(reason: &str) -> String {
    let reason = Outside::text(reason);
    format!(
        "haltbox: {WITHOUT_A_BOX}: {reason}\n  no black box was written; keep the node's log (its \
         last lines are also in the ring)\n"
    )
}

/// The message about trouble at a height that already has a box.
pub fn held(height: u64, name: &str, reason: &str) -> String {
    let (name, reason) = (Outside::text(name), Outside::text(reason));
    format!(
        "haltbox: height {height}: {reason}\n  black box {name} of this height was written before \
         this message; keep the node's log (its last lines are also in the ring)\n"
    )
}

fn hint(upload_hint: Option<&str>) -> String {
    // Operators of earlier releases configured "to the thread ...", with the
    // word that this message has now.
    let place = |hint: &str| Outside::text(hint.strip_prefix("to ").unwrap_or(hint)).to_string();
    upload_hint.map_or_else(String::new, |hint| format!(" to {}", place(hint)))
}
