//! Reads the text in which a node says that two hashes differ.

use haltbox_format::AppHash;
use memchr::memmem;
use thiserror::Error;

use crate::log_line::{End, whole_hash};

const MAX_FIELD: usize = 64;

/// A text with `{local}`, `{network}` and, if the text names what differs, `{field}`. A
/// space behind the first placeholder stands for any number of spaces.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    lead: memmem::Finder<'static>,
    lead_text: String,
    parts: Vec<Part>,
    /// Names that `{field}` may have. Fields that are not hashes are left out: the digits
    /// of a height would pass as hex.
    fields: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field,
    Local,
    Network,
}

/// Values read from a text.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) field: &'a str,
    pub(super) local: AppHash,
    pub(super) network: AppHash,
}

/// What is wrong with a pattern's text, or with the fields that go with it.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum PatternError {
    #[error("expected text before the first {{}}, found {text:?}")]
    Lead { text: String },
    #[error(
        "expected {{local}} and {{network}} once each and {{field}} at most once, \
         found {text:?}"
    )]
    Times { text: String },
    #[error("expected exactly 1 name in `fields`, as the pattern has no {{field}}, found {0}")]
    Fields(usize),
    #[error("expected text between two {{}}, found {text:?}")]
    Apart { text: String },
    #[error("expected field, local or network, found {{{name}}}")]
    Placeholder { name: String },
    #[error("expected }} after {{, found {text:?}")]
    Unclosed { text: String },
}

impl Pattern {
    /// Compiles a pattern.
    pub(super) fn new(text: &str, fields: &[String]) -> Result<Pattern, PatternError> {
        let owned = || text.to_owned();
        let mut parts = split(text)?;
        let lead_text = match parts.first() {
            Some(Part::Literal(lead)) => lead.clone(),
            _ => return Err(PatternError::Lead { text: owned() }),
        };
        parts.remove(0);
        let times = |part: &Part| parts.iter().filter(|other| *other == part).count();
        if times(&Part::Local) != 1 || times(&Part::Network) != 1 || times(&Part::Field) > 1 {
            return Err(PatternError::Times { text: owned() });
        }
        if times(&Part::Field) == 0 && fields.len() != 1 {
            return Err(PatternError::Fields(fields.len()));
        }
        let is_placed = |pair: &[Part]| pair.iter().any(|p| matches!(p, Part::Literal(_)));
        if !parts.windows(2).all(is_placed) {
            return Err(PatternError::Apart { text: owned() });
        }
        Ok(Pattern {
            lead: memmem::Finder::new(&lead_text).into_owned(),
            lead_text,
            parts,
            fields: fields.to_vec(),
        })
    }

    /// The text before the first placeholder.
    pub(super) fn lead(&self) -> &str {
        &self.lead_text
    }

    /// The first place in `text` with two different hashes; `end` is what follows `text`.
    pub(super) fn find<'a>(&'a self, text: &[u8], end: End) -> Option<Found<'a>> {
        self.lead.find_iter(text).find_map(|at| {
            let rest = text.get(at + self.lead_text.len()..)?;
            self.read(rest, end)
        })
    }

    /// Reads the text behind the lead.
    fn read(&self, text: &[u8], end: End) -> Option<Found<'_>> {
        let mut rest = text;
        let mut field = self.fields.first()?;
        let (mut local, mut network) = (None, None);
        let mut parts = self.parts.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Literal(literal) => rest = after_literal(rest, literal)?,
                Part::Field => (field, rest) = self.field(rest)?,
                Part::Local | Part::Network => {
                    let (hash, after) = hash(rest, parts.peek().is_none(), end)?;
                    let role = if *part == Part::Local {
                        &mut local
                    } else {
                        &mut network
                    };
                    *role = Some(hash);
                    rest = after;
                }
            }
        }
        let (local, network) = (local?, network?);
        let alike = local.as_bytes().len() == network.as_bytes().len();
        // If the lengths differ and the line ends here, the last hash was cut.
        let whole = !rest.is_empty() || end == End::Closed || alike;
        (whole && local != network).then_some(Found {
            field,
            local,
            network,
        })
    }

    fn field<'a, 't>(&'a self, text: &'t [u8]) -> Option<(&'a String, &'t [u8])> {
        let is_letter = |b: &&u8| b.is_ascii_alphanumeric();
        let len = text.iter().take(MAX_FIELD).take_while(is_letter).count();
        let (name, rest) = text.split_at_checked(len)?;
        let field = self.fields.iter().find(|field| field.as_bytes() == name)?;
        Some((field, rest))
    }
}

fn split(text: &str) -> Result<Vec<Part>, PatternError> {
    let mut parts = Vec::new();
    for (i, piece) in text.split('{').enumerate() {
        let literal = match (i, piece.split_once('}')) {
            (0, _) => piece,
            (_, Some((name, literal))) => {
                parts.push(match name {
                    "field" => Part::Field,
                    "local" => Part::Local,
                    "network" => Part::Network,
                    _ => {
                        let name = name.to_owned();
                        return Err(PatternError::Placeholder { name });
                    }
                });
                literal
            }
            (_, None) => {
                let text = text.to_owned();
                return Err(PatternError::Unclosed { text });
            }
        };
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        }
    }
    Ok(parts)
}

/// What follows the literal, if `text` begins with it.
fn after_literal<'a>(text: &'a [u8], literal: &str) -> Option<&'a [u8]> {
    let mut rest = text;
    for (i, word) in literal.split(' ').enumerate() {
        if i > 0 {
            rest = rest.strip_prefix(b" ")?.trim_ascii_start();
        }
        rest = rest.strip_prefix(word.as_bytes())?;
    }
    Some(rest)
}

/// Parses the hash that `text` begins with, which may be empty. The last hash of a
/// pattern has no literal behind it, so it needs a delimiter of its own.
fn hash(text: &[u8], last: bool, end: End) -> Option<(AppHash, &[u8])> {
    let digits = text.iter().take(2 * AppHash::MAX + 1);
    let len = digits.take_while(|b| b.is_ascii_hexdigit()).count();
    let (hex, rest) = text.split_at_checked(len)?;
    let end = if rest.is_empty() { end } else { End::Closed };
    let whole = !last || rest.is_empty() || is_delimiter(rest);
    whole.then_some((whole_hash(hex, end)?, rest))
}

/// Whether `rest` ends a hash inside a sentence, a quoted value, or an escaped one.
fn is_delimiter(rest: &[u8]) -> bool {
    match rest {
        [b'.', next, ..] => next.is_ascii_whitespace() || *next == b'"',
        [
            b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\\' | b'\'' | b',' | b';' | b')' | b'}',
            ..,
        ] => true,
        [b'.'] => true,
        _ => false,
    }
}
