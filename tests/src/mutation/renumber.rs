//! Making a changed slog consistent again, as a kernel that really did so would
//! have written it.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::slog::{Slog, kind_of, number, raw, with_member};

/// Numbers cranks and deliveries anew, and chains the activityhashes. Lines
/// before `from` keep what they have.
pub fn renumber(slog: &mut Slog, from: usize) {
    let mut deliveries: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut crank = None;
    for (at, line) in slog.lines.iter_mut().enumerate() {
        if raw(line, "replay") == Some(b"true") {
            continue;
        }
        let kind = kind_of(line).to_owned();
        if let Some(own) = number(line, "crankNum") {
            crank = Some(match (kind.as_str(), crank) {
                ("crank-start", Some(before)) => before + 1,
                (_, Some(current)) => current,
                (_, None) => own,
            });
            set(line, "crankNum", crank.unwrap_or(own), at >= from);
        }
        if let (Some(vat), Some(own)) = (
            raw(line, "vatID").map(<[u8]>::to_vec),
            number(line, "deliveryNum"),
        ) {
            let current = deliveries.get(&vat).copied();
            let next = match (kind.as_str(), current) {
                ("deliver", Some(before)) => before + 1,
                (_, Some(current)) => current,
                (_, None) => own,
            };
            deliveries.insert(vat, next);
            set(line, "deliveryNum", next, at >= from);
        }
    }
    rechain(slog);
}

fn set(line: &mut Vec<u8>, member: &str, value: u64, wanted: bool) {
    if wanted && number(line, member) != Some(value) {
        *line = with_member(line, member, value.to_string().as_bytes());
    }
}

/// Makes every activityhash follow from the one before.
pub fn rechain(slog: &mut Slog) {
    let mut before: Option<String> = None;
    for line in &mut slog.lines {
        if kind_of(line) != "crank-finish" {
            continue;
        }
        let text = |member| {
            let value = raw(line, member).unwrap_or_default();
            String::from_utf8_lossy(value).trim_matches('"').to_owned()
        };
        let own = text("activityhash");
        let next = match &before {
            None => own.clone(),
            Some(before) => link(before, &text("crankhash")),
        };
        if next != own {
            *line = with_member(line, "activityhash", format!("\"{next}\"").as_bytes());
        }
        before = Some(next);
    }
}

/// The rule of swing-store.
pub fn link(before: &str, crankhash: &str) -> String {
    let digest = Sha256::digest(format!("activityhash\n{before}\n{crankhash}\n"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Numbers the syscalls of the delivery around line `at` anew.
pub fn renumber_syscalls(slog: &mut Slog, at: usize) {
    let begin = (0..=at)
        .rev()
        .find(|at| kind_of(&slog.lines[*at]) == "deliver")
        .expect("a delivery");
    let mut next = 0;
    for line in &mut slog.lines[begin..] {
        match kind_of(line) {
            "syscall" | "syscall-result" => {
                let ends = kind_of(line) == "syscall-result";
                set(line, "syscallNum", next, true);
                next += u64::from(ends);
            }
            "deliver-result" => break,
            _ => {}
        }
    }
}
