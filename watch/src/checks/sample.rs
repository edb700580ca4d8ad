//! One check of a transaction's access list: who checked, the outcome, the duration.
//! Defines the line that other programs write, and the entry on the tape.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::access_list::Declared;
use crate::message::ChainId;
use crate::stages::{Outcome, Stage};

/// Most declarations that a sample keeps: an access list can have thousands.
pub const DECLARED: usize = 64;
/// Most characters that are kept of an error.
pub const ERROR: usize = 500;
/// Most characters that are kept of an endpoint's name.
pub const BACKEND: usize = 200;

/// One check. The members are in the order of the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Stage of the transaction.
    pub stage: Stage,
    /// The endpoint that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Whether it is the answer of one backend among others. The whole check has its own
    /// sample.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub part: bool,
    /// The executing chain, in decimal. `None`: the chain whose checks are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx: Option<B256>,
    /// Its declarations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declares: Vec<Named>,
    /// The outcome.
    pub verdict: Outcome,
    /// The reason, in the words of the checker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Microseconds from the question to the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    /// Time of the answer, milliseconds since 1970.
    pub at: u64,
}

/// A message as an access list declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The chain of the log that it names, in decimal.
    pub chain: String,
    /// Height of that log's block.
    pub block: u64,
    /// The block's timestamp, in seconds.
    pub timestamp: u64,
    /// The log's number.
    pub log: u32,
    /// Checksum of the whole message.
    pub checksum: B256,
}

impl From<&Declared> for Named {
    fn from(declared: &Declared) -> Named {
        let place = declared.place;
        Named {
            chain: place.chain.to_string(),
            block: place.block,
            timestamp: place.timestamp,
            log: place.log,
            checksum: declared.checksum,
        }
    }
}

/// `{"check":{...}}`: the line that a stage writes for a check.
#[derive(Serialize, Deserialize)]
pub(super) struct Line<S> {
    pub(super) check: S,
}

/// The entry of the tape.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Entry<'a> {
    Check(&'a Sample),
    ChecksMissing(&'a Missing),
}

/// Samples that are not on the tape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The reason.
    pub why: String,
    /// Number of samples; `None` if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Milliseconds since 1970.
    pub at: u64,
}

impl Sample {
    /// The sample as a line, with its line end.
    pub fn line(&self) -> Vec<u8> {
        // Serialising cannot fail: names are text, numbers are whole.
        let mut line = serde_json::to_vec(&Line { check: self }).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// The entry on the tape.
    pub fn entry(&self) -> Vec<u8> {
        serde_json::to_vec(&Entry::Check(self)).unwrap_or_default()
    }

    /// Cuts the sample to the limits of a tape, because the writer of the line chose its
    /// lengths.
    pub(super) fn bounded(mut self) -> Sample {
        self.declares.truncate(DECLARED);
        // A chain ID has at most 78 digits.
        self.declares.retain(|named| named.chain.len() <= 78);
        self.error = self.error.map(|error| cut(&error, ERROR));
        self.backend = self.backend.map(|backend| cut(&backend, BACKEND));
        self
    }

    /// Whether `chain` executes it.
    pub(super) fn is_on(&self, chain: ChainId) -> bool {
        let own = self.chain.as_ref();
        own.is_none_or(|own| own.parse() == Ok(chain))
    }

    /// Whether it is about a transaction, or about a message if it names no transaction.
    pub fn is_of(&self, tx: B256, checksum: Option<B256>) -> bool {
        match self.tx {
            Some(own) => own == tx,
            None => self
                .declares
                .iter()
                .any(|named| Some(named.checksum) == checksum),
        }
    }
}

impl Missing {
    /// The entry on the tape.
    pub fn entry(&self) -> Vec<u8> {
        serde_json::to_vec(&Entry::ChecksMissing(self)).unwrap_or_default()
    }
}

/// The first characters of a text.
pub(super) fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::checks) fn sample(tx: Option<B256>, checksum: B256) -> Sample {
        Sample {
            stage: Stage::MempoolIngress,
            backend: None,
            part: false,
            chain: None,
            tx,
            declares: vec![Named {
                chain: "901".to_owned(),
                block: 48,
                timestamp: 5,
                log: 1,
                checksum,
            }],
            verdict: Outcome::Accepted,
            error: None,
            took_us: Some(1200),
            at: 1_700_000_000_123,
        }
    }

    #[test]
    fn a_line_is_what_the_document_says() {
        let written = sample(None, B256::ZERO).line();
        let zeros = "0".repeat(64);
        let expected = format!(
            "{{\"check\":{{\"stage\":\"mempool-ingress\",\"declares\":[{{\"chain\":\"901\",\
             \"block\":48,\"timestamp\":5,\"log\":1,\"checksum\":\"0x{zeros}\"}}],\
             \"verdict\":\"accepted\",\"took_us\":1200,\"at\":1700000000123}}}}\n"
        );
        assert_eq!(String::from_utf8(written).unwrap(), expected);
        let entry = String::from_utf8(sample(None, B256::ZERO).entry()).unwrap();
        let begin = r#"{"type":"check","stage":"mempool-ingress","#;
        assert!(entry.starts_with(begin), "{entry}");
    }

    #[test]
    fn a_transaction_tells_more_than_a_message() {
        let [one, other] = [1, 2].map(B256::repeat_byte);
        assert!(sample(Some(one), other).is_of(one, None));
        assert!(!sample(Some(one), other).is_of(other, Some(other)));
        assert!(sample(None, other).is_of(one, Some(other)));
        assert!(!sample(None, other).is_of(one, Some(one)));
        assert!(!sample(None, other).is_of(one, None));
    }

    #[test]
    fn what_others_wrote_is_cut() {
        let mut long = sample(None, B256::ZERO);
        long.error = Some("é".repeat(10_000));
        long.backend = Some("x".repeat(10_000));
        long.declares = vec![long.declares[0].clone(); 10_000];
        long.declares[1].chain = "9".repeat(10_000);
        let bounded = long.bounded();
        assert_eq!(bounded.declares.len(), DECLARED - 1);
        assert_eq!(bounded.error.unwrap().chars().count(), ERROR);
        assert_eq!(bounded.backend.unwrap().len(), BACKEND);
    }
}
