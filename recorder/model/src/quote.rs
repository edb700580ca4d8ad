//! The short form of a box that an operator quotes: its name, and what differs.

use haltbox_format::AppHash;

/// The text before, and the text between, the two values of a mismatch.
const OWN: &str = " differs, this node has ";
const OTHER: &str = ", the network ";

/// The words of a mismatch: the header field that differs, and both values of it.
pub fn differs(field: &str, own: &AppHash, network: &AppHash) -> String {
    format!("{field}{OWN}{own}{OTHER}{network}")
}

/// The header field that differs in the words of a mismatch, and both values of it.
fn mismatch(reason: &str) -> Option<(&str, AppHash, AppHash)> {
    let (before, rest) = reason.split_once(OWN)?;
    let (own, rest) = rest.split_once(OTHER)?;
    let field = before.rsplit(' ').next()?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit());
    let other = &rest[..end.unwrap_or(rest.len())];
    let hash = |hex: &str| AppHash::from_hex(hex.as_bytes());
    Some((field, hash(own)?, hash(other)?))
}

/// The short name of a header field.
fn word(field: &str) -> &str {
    match field {
        "AppHash" => "app",
        "LastResultsHash" => "results",
        other => other,
    }
}

/// `HEIGHT-HASH app=OWN8/NET8`. If `reason` says that another field than the AppHash
/// differs, that field follows.
pub fn quote(name: &str, reason: &str, own: Option<AppHash>, network: Option<AppHash>) -> String {
    let short = |hash: Option<AppHash>| hash.map_or("unknown".to_owned(), |hash| hash.short());
    let app = format!("{name} app={}/{}", short(own), short(network));
    match mismatch(reason).filter(|(field, ..)| *field != "AppHash") {
        Some((field, own, network)) => {
            let (own, network) = (own.short(), network.short());
            format!("{app} {}={own}/{network}", word(field))
        }
        None => app,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_quoted() {
        let hash = |digit: &str| AppHash::from_hex(digit.repeat(64).as_bytes());
        let words = |field: &str| {
            format!(
                "consensus failed: {field}{OWN}{}{OTHER}{}; more",
                "AB".repeat(32),
                "CD".repeat(32)
            )
        };
        let quoted = |reason: &str, network| quote("7-aa", reason, hash("1"), network);
        let table = [
            (
                quoted(&words("LastResultsHash"), None),
                "7-aa app=11111111/unknown results=ABABABAB/CDCDCDCD",
            ),
            (
                quoted(&words("ConsensusHash"), None),
                "7-aa app=11111111/unknown ConsensusHash=ABABABAB/CDCDCDCD",
            ),
            (
                quoted(&words("AppHash"), hash("2")),
                "7-aa app=11111111/22222222",
            ),
            (quoted("by hand", None), "7-aa app=11111111/unknown"),
            (
                quoted(" differs, this node has x, the network y", None),
                "7-aa app=11111111/unknown",
            ),
        ];
        for (told, expected) in table {
            assert_eq!(told, expected);
        }
    }
}
