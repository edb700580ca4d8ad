//! Describes the keys of the stores of a Cosmos SDK chain in words.
//!
//! The modules of the SDK (0.46 to 0.53), of wasmd and of IBC build their keys as this table
//! says. A key that does not match to its last byte gets no words, because another module may
//! have a store of the same name.

/// A part of a key behind its prefix.
#[derive(Clone, Copy)]
enum Piece {
    /// A length byte, and that many bytes of an address.
    Address,
    /// An address that takes all the rest.
    LastAddress,
    /// Text up to a zero byte.
    Text,
    /// Text that takes all the rest.
    LastText,
    /// Eight bytes, big-endian.
    Number,
    /// Eight bytes, little-endian.
    SmallFirst,
    /// A time in the form in which the SDK sorts it.
    Time,
    /// Thirty-two bytes: the address of a contract.
    Contract,
    /// All the rest, whatever it is.
    Rest,
}

use Piece::{Address, Contract, LastAddress, LastText, Number, Rest, SmallFirst, Text, Time};

struct Shape {
    store: &'static str,
    prefix: &'static [u8],
    pieces: &'static [Piece],
    /// The words, with a `{}` for each piece.
    words: &'static str,
}

const fn shape(
    store: &'static str,
    prefix: &'static [u8],
    pieces: &'static [Piece],
    words: &'static str,
) -> Shape {
    Shape {
        store,
        prefix,
        pieces,
        words,
    }
}

/// The first shape that matches counts, so longer prefixes come before shorter ones.
#[rustfmt::skip]
const SHAPES: &[Shape] = &[
    shape("acc", b"accountNumber", &[Number], "address of account number {}"),
    shape("acc", b"globalAccountNumber", &[], "next account number"),
    shape("acc", &[0], &[], "parameters"),
    shape("acc", &[1], &[LastAddress], "account {}"),
    shape("acc", &[2], &[], "next account number"),
    shape("bank", &[0], &[LastText], "supply of {}"),
    shape("bank", &[1], &[LastText], "metadata of {}"),
    shape("bank", &[2], &[Address, LastText], "balance of {} in {}"),
    shape("bank", &[3], &[Text, Address], "holders of {}: {}"),
    shape("bank", &[4], &[LastText], "whether {} can be sent"),
    shape("bank", &[5], &[], "parameters"),
    shape("staking", &[0x11], &[Address], "last power of validator {}"),
    shape("staking", &[0x12], &[], "last power of all validators"),
    shape("staking", &[0x21], &[Address], "validator {}"),
    shape("staking", &[0x22], &[Address], "validator with the consensus address {}"),
    shape("staking", &[0x23], &[Number, Rest], "validator with the power {}, index {}"),
    shape("staking", &[0x31], &[Address, Address], "delegation of {} to validator {}"),
    shape("staking", &[0x32], &[Address, Address], "unbonding of {} from validator {}"),
    shape("staking", &[0x33], &[Address, Address], "unbondings from validator {}: {}"),
    shape("staking", &[0x34], &[Address, Address, Address], "redelegation of {} from validator {} to {}"),
    shape("staking", &[0x37], &[], "next unbonding number"),
    shape("staking", &[0x38], &[Number], "unbonding number {}"),
    shape("staking", &[0x39], &[Number], "type of unbonding number {}"),
    shape("staking", &[0x41], &[Time], "unbondings that end at {}"),
    shape("staking", &[0x42], &[Time], "redelegations that end at {}"),
    shape("staking", &[0x51], &[], "parameters"),
    shape("staking", &[0x61], &[], "updates of validators"),
    shape("staking", &[0x71], &[Address, LastAddress], "delegations to validator {}: {}"),
    shape("distribution", &[0], &[], "community pool"),
    shape("distribution", &[1], &[], "last proposer"),
    shape("distribution", &[2], &[Address], "outstanding rewards of validator {}"),
    shape("distribution", &[3], &[Address], "withdraw address of {}"),
    shape("distribution", &[4], &[Address, Address], "start of the delegation to validator {} by {}"),
    shape("distribution", &[5], &[Address, SmallFirst], "rewards of validator {} in period {}"),
    shape("distribution", &[6], &[Address], "current rewards of validator {}"),
    shape("distribution", &[7], &[Address], "commission of validator {}"),
    shape("distribution", &[8], &[Address, Number, Number], "slash of validator {} at height {}, period {}"),
    shape("distribution", &[9], &[], "parameters"),
    shape("slashing", &[0], &[], "parameters"),
    shape("slashing", &[1], &[Address], "signing info of validator {}"),
    shape("slashing", &[2], &[Address, Rest], "missed blocks of validator {}, chunk {}"),
    shape("slashing", &[3], &[Address], "public key of validator {}"),
    shape("gov", &[0], &[Number], "proposal {}"),
    shape("gov", &[1], &[Time, Number], "voting that ends at {}: proposal {}"),
    shape("gov", &[2], &[Time, Number], "deposits that end at {}: proposal {}"),
    shape("gov", &[3], &[], "next proposal number"),
    shape("gov", &[4], &[Number], "proposal {} is voted on"),
    shape("gov", &[16], &[Number, Address], "deposit for proposal {} by {}"),
    shape("gov", &[32], &[Number, Address], "vote on proposal {} by {}"),
    shape("gov", &[48], &[], "parameters"),
    shape("gov", &[49], &[], "constitution"),
    shape("mint", &[0], &[], "minter"),
    shape("mint", &[1], &[], "parameters"),
    shape("authz", &[1], &[Address, Address, LastText], "grant by {} to {} for {}"),
    shape("upgrade", &[0], &[], "plan"),
    shape("upgrade", &[1], &[Rest], "finished upgrade {}"),
    shape("upgrade", &[2], &[LastText], "version of module {}"),
    shape("upgrade", &[3], &[], "protocol version"),
    shape("wasm", &[1], &[Number], "code {}"),
    shape("wasm", &[2], &[Contract], "contract {}"),
    shape("wasm", &[3], &[Contract, Rest], "state of contract {}, key {}"),
    shape("wasm", &[5], &[Contract, Number], "history of contract {}, entry {}"),
    shape("wasm", &[7], &[Number], "pinned code {}"),
    shape("wasm", &[0x10], &[], "parameters"),
];

/// Length of a time in the SDK's keys: `2006-01-02T15:04:05.000000000`.
const TIME: usize = 29;

/// A key in words; `None` if it is unknown. `prefix` is the prefix of the chain's addresses.
pub(super) fn words(store: &str, key: &[u8], prefix: Option<&str>) -> Option<String> {
    let fitting = SHAPES.iter().filter(|shape| shape.store == store);
    let mut fitting = fitting.filter_map(|shape| {
        let rest = key.strip_prefix(shape.prefix)?;
        let pieces = pieces(rest, shape.pieces, prefix)?;
        Some(filled(shape.words, &pieces))
    });
    fitting.next().or_else(|| text(key))
}

fn filled(words: &str, pieces: &[String]) -> String {
    let mut filled = String::new();
    let mut pieces = pieces.iter();
    for (index, part) in words.split("{}").enumerate() {
        if index > 0 {
            filled.extend(pieces.next().map(String::as_str));
        }
        filled += part;
    }
    filled
}

/// The pieces of a key in words, if they match all of it.
fn pieces(mut rest: &[u8], shape: &[Piece], prefix: Option<&str>) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for piece in shape {
        let (word, behind) = piece.take(rest, prefix)?;
        found.push(word);
        rest = behind;
    }
    rest.is_empty().then_some(found)
}

impl Piece {
    /// The words of the piece, and the bytes behind it.
    #[expect(
        clippy::big_endian_bytes,
        reason = "the SDK writes numbers in keys with the highest byte first, so that they sort"
    )]
    fn take<'k>(self, rest: &'k [u8], prefix: Option<&str>) -> Option<(String, &'k [u8])> {
        match self {
            Piece::Address => {
                let (length, behind) = rest.split_first()?;
                let (address, behind) = behind.split_at_checked(usize::from(*length))?;
                Some((named(address, prefix)?, behind))
            }
            Piece::LastAddress => Some((named(rest, prefix)?, &[])),
            Piece::Text => {
                let end = rest.iter().position(|byte| *byte == 0)?;
                Some((text(&rest[..end])?, &rest[end + 1..]))
            }
            Piece::LastText => Some((text(rest)?, &[])),
            Piece::Number => {
                let (number, behind) = rest.split_first_chunk()?;
                Some((u64::from_be_bytes(*number).to_string(), behind))
            }
            Piece::SmallFirst => {
                let (number, behind) = rest.split_first_chunk()?;
                Some((u64::from_le_bytes(*number).to_string(), behind))
            }
            Piece::Time => {
                let (time, behind) = rest.split_at_checked(TIME)?;
                Some((text(time)?, behind))
            }
            Piece::Contract => {
                let (address, behind) = rest.split_at_checked(32)?;
                Some((named(address, prefix)?, behind))
            }
            Piece::Rest => Some((text(rest).unwrap_or_else(|| hex::encode(rest)), &[])),
        }
    }
}

/// An address as the chain writes it if its prefix is known, else in hex.
fn named(address: &[u8], prefix: Option<&str>) -> Option<String> {
    // Accounts and validators have 20 bytes, modules and contracts 32.
    if !matches!(address.len(), 20 | 32) {
        return None;
    }
    let human = prefix.and_then(|prefix| bech32::Hrp::parse(prefix).ok());
    let written = human.and_then(|human| bech32::encode::<bech32::Bech32>(human, address).ok());
    Some(written.unwrap_or_else(|| hex::encode(address)))
}

/// The bytes as text, if all of them are printable ASCII.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let is_text = !bytes.is_empty() && bytes.iter().all(printable);
    is_text.then(|| String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(key: &str) -> Vec<u8> {
        hex::decode(key).expect("hex")
    }

    /// Keys as real chains wrote them.
    #[test]
    fn keys_of_known_modules_have_words() {
        let address = "af184f9b193637f5d5d12e3f58748335eac92de0";
        let table = [
            (
                "bank",
                format!("0214{address}7374616b65"),
                format!("balance of {address} in stake"),
            ),
            (
                "bank",
                format!("037374616b650014{address}"),
                format!("holders of stake: {address}"),
            ),
            (
                "bank",
                "007374616b65".to_owned(),
                "supply of stake".to_owned(),
            ),
            ("acc", format!("01{address}"), format!("account {address}")),
            ("staking", "51".to_owned(), "parameters".to_owned()),
            (
                "staking",
                format!("2114{address}"),
                format!("validator {address}"),
            ),
            (
                "distribution",
                format!("0714{address}"),
                format!("commission of validator {address}"),
            ),
            (
                "distribution",
                format!("0514{address}0200000000000000"),
                format!("rewards of validator {address} in period 2"),
            ),
            (
                "gov",
                "000000000000000007".to_owned(),
                "proposal 7".to_owned(),
            ),
            (
                "consensus",
                "436f6e73656e737573".to_owned(),
                "Consensus".to_owned(),
            ),
        ];
        for (store, key, expected) in table {
            assert_eq!(
                words(store, &bytes(&key), None).as_deref(),
                Some(&*expected)
            );
        }
    }

    #[test]
    fn keys_of_another_layout_have_none() {
        let table = [
            ("bank", "02"),
            ("bank", "0214af18"),
            ("bank", "02ff7374616b65"),
            ("staking", "5100"),
            ("acc", "01af"),
            (
                "mine",
                "0214af184f9b193637f5d5d12e3f58748335eac92de07374616b65",
            ),
        ];
        for (store, key) in table {
            assert_eq!(words(store, &bytes(key), None), None, "{store} {key}");
        }
    }

    #[test]
    fn an_address_is_written_as_its_chain_does() {
        let address = bytes("0214af184f9b193637f5d5d12e3f58748335eac92de07374616b65");
        let found = words("bank", &address, Some("wasm")).expect("words");
        assert!(
            found.starts_with("balance of wasm1") && found.ends_with(" in stake"),
            "{found}"
        );
        let odd = words("bank", &address, Some("No Prefix")).expect("words");
        assert!(odd.contains("af184f9b"), "{odd}");
    }
}
