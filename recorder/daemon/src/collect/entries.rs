//! Entries that a linked host of the Cosmos SDK would have recorded of a block
//! (`ffi/go/abci`, `ffi/go/sdk`), made from a node's answers.
//!
//! Each entry is the same byte for byte, or it is left out: an entry that one
//! side lacks is not compared.

use std::fmt::Write as _;

use haltbox_format::AppHash;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::block::{self, Abci, Block, HeightAnswers, Results, TxResult};
use super::misbehavior::EvidenceError;
use super::values::bytes_of_hex;

/// Bytes kept of the log of a failed transaction. The Go module keeps as many.
const LOG: usize = 256;

/// Reasons why no entries can be made of a node's answers.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NoLines {
    /// The block is missing.
    #[error("the node did not return the block")]
    Block,
    /// A transaction is no base64.
    #[error("a transaction is not valid base64")]
    Transaction,
    /// The release decides how the inputs are written.
    #[error(
        "cannot tell which CometBFT release executed the block: neither its results nor the \
         node's version show it"
    )]
    Release,
    /// The evidence in the block is not understood.
    #[error("the block contains {0}")]
    Evidence(EvidenceError),
    /// Votes are missing.
    #[error("the votes for the previous block are incomplete")]
    Votes,
    /// A hash of the header is no hex.
    #[error("the block's header contains hashes that are not valid hex")]
    Header,
}

impl HeightAnswers {
    /// The lines of the block, or why there are none.
    pub(super) fn lines(&self) -> Result<Vec<String>, NoLines> {
        let block = self.block.as_ref().ok_or(NoLines::Block)?;
        let txs = block.txs().ok_or(NoLines::Transaction)?;
        let digests: Vec<[u8; 32]> = txs.iter().map(|tx| Sha256::digest(tx).into()).collect();
        let abci = self.abci.ok_or(NoLines::Release)?;
        let input = self.input(block, &digests, abci)?;
        let mut lines = vec![self.begin(block, &input), self.with_params(input)];
        let inputs = txs.iter().zip(&digests).enumerate();
        let inputs: Vec<String> = inputs
            .map(|(tx, (bytes, digest))| tx_input(tx, bytes, digest))
            .collect();
        let results = self.results.as_ref();
        let results = results.and_then(|results| results.lines(txs.len()));
        lines.extend(beside(inputs, results.unwrap_or_default(), abci));
        let events = self.results.as_ref();
        lines.extend(events.into_iter().flat_map(|of| of.events(txs.len())));
        lines.extend(self.roots.iter().map(|root| {
            let (store, hash) = (text(&root.store), hex(&root.hash));
            format!(r#"{{"type":"step-store-root","store":{store},"hash":"{hash}"}}"#)
        }));
        lines.push(self.bound("end-block"));
        lines.extend(self.committed.then(|| self.bound("commit-block")));
        Ok(lines)
    }

    fn begin(&self, block: &Block, input: &str) -> String {
        let nanoseconds = block.block.header.time.as_nanosecond();
        let sign = if nanoseconds < 0 { "-" } else { "" };
        let value = nanoseconds.unsigned_abs();
        let (seconds, rest) = (value / 1_000_000_000, value % 1_000_000_000);
        let (height, input) = (self.height, hex(&Sha256::digest(input)));
        format!(
            r#"{{"type":"begin-block","height":{height},"time":"{sign}{seconds}.{rest:09}","input":"{input}"}}"#
        )
    }

    /// The block's inputs, which `begin-block` has a digest of. Returns an
    /// error if one is missing.
    fn input(&self, block: &Block, digests: &[[u8; 32]], abci: Abci) -> Result<String, NoLines> {
        let misbehavior = block.misbehavior();
        let misbehavior = misbehavior.map_err(NoLines::Evidence)?;
        let misbehavior = or_null(misbehavior.as_ref().map_or(&[], |digest| &digest[..]));
        let last_commit = self.last_commit;
        let last_commit = last_commit.ok_or(NoLines::Votes)?;
        let header = &block.block.header;
        let hashes = [
            header.next_validators_hash.as_str(),
            header.proposer_address.as_str(),
            header.data_hash.as_str(),
        ];
        let hashes = hashes.map(|text| bytes_of_hex(text).map(|bytes| or_null(&bytes)));
        let [Some(next), Some(proposer), Some(data)] = hashes else {
            return Err(NoLines::Header);
        };
        let hash = or_null(block.block_id.hash.as_bytes());
        let (count, txs) = (digests.len(), hex(&Sha256::digest(digests.concat())));
        let txs = match abci {
            Abci::One => format!(r#""dataHash":{data}"#),
            Abci::Two => format!(r#""txs":{count},"txsDigest":"{txs}""#),
        };
        let last_commit = hex(&last_commit);
        Ok(format!(
            r#"{{"type":"step-input",{txs},"lastCommit":"{last_commit}","misbehavior":{misbehavior},"nextValidators":{next},"proposer":{proposer},"block":{hash}}}"#
        ))
    }

    /// Adds the parameters to the input. The digest does not cover them.
    fn with_params(&self, mut input: String) -> String {
        if let Some(params) = &self.params {
            input.pop();
            let _ = write!(input, r#","local":{{"params":"{}"}}}}"#, hex(params));
        }
        input
    }

    fn bound(&self, kind: &str) -> String {
        let hash = |hash: AppHash| format!(r#","appHash":"{hash}""#);
        let (height, hash) = (self.height, self.app_hash.map_or(String::new(), hash));
        format!(r#"{{"type":"{kind}","height":{height}{hash}}}"#)
    }
}

/// Transactions and their results, in the order in which the application saw
/// them.
fn beside(inputs: Vec<String>, results: Vec<String>, abci: Abci) -> Vec<String> {
    if abci == Abci::Two || results.is_empty() {
        return inputs.into_iter().chain(results).collect();
    }
    let pairs = inputs.into_iter().zip(results);
    pairs.flat_map(|(input, result)| [input, result]).collect()
}

fn tx_input(tx: usize, bytes: &[u8], digest: &[u8; 32]) -> String {
    let (digest, bytes) = (hex(digest), bytes.len());
    format!(r#"{{"type":"tx-input","tx":{tx},"digest":"{digest}","bytes":{bytes}}}"#)
}

impl Results {
    /// The result of each transaction. `None` if one cannot be read.
    fn lines(&self, txs: usize) -> Option<Vec<String>> {
        let results = self.txs.as_deref().unwrap_or_default();
        let lines = results.iter().enumerate().map(|(n, tx)| tx.line(n));
        let lines: Option<Vec<String>> = lines.collect();
        lines.filter(|lines| lines.len() == txs)
    }

    /// Digests of events. None if a result cannot be read.
    fn events(&self, txs: usize) -> Vec<String> {
        if self.lines(txs).is_none() {
            return Vec::new();
        }
        let results = self.txs.as_deref().unwrap_or_default().iter().enumerate();
        let of_tx = |(n, tx): (usize, &TxResult)| {
            let events = hex(&block::digest_of(tx.events.as_deref().unwrap_or_default()));
            format!(r#"{{"type":"step-events","tx":{n},"digest":"{events}"}}"#)
        };
        let of_block = self.block_events.as_ref().map(|events| {
            let events = hex(&block::digest_of(events));
            format!(r#"{{"type":"step-events","digest":"{events}"}}"#)
        });
        results.map(of_tx).chain(of_block).collect()
    }
}

impl TxResult {
    fn line(&self, number: usize) -> Option<String> {
        let data = self.data().ok()?;
        let data = data.map_or("null".to_owned(), |data| quoted(&Sha256::digest(data)));
        let (code, wanted, used) = (self.code, self.gas_wanted, self.gas_used);
        let mut line = format!(
            r#"{{"type":"tx-result","tx":{number},"code":{code},"data":{data},"gasWanted":{wanted},"gasUsed":{used}"#
        );
        if code != 0 {
            let (codespace, log) = (text(&self.codespace), text(beginning(&self.log)));
            let _ = write!(line, r#","local":{{"codespace":{codespace},"log":{log}}}"#);
        }
        line.push('}');
        Some(line)
    }
}

/// The first bytes of a text, cut at a character.
fn beginning(text: &str) -> &str {
    let end = (0..=LOG.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

fn text(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn quoted(bytes: &[u8]) -> String {
    format!(r#""{}""#, hex(bytes))
}

fn or_null(bytes: &[u8]) -> String {
    match bytes.is_empty() {
        true => "null".to_owned(),
        false => quoted(bytes),
    }
}
