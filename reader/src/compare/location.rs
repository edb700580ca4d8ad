//! The location of a step in a recording.

use serde::Serialize;

/// A step, located by the numbers of the side that has it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Location {
    /// Height.
    pub height: u64,
    /// The attempt: the higher number of the two sides'.
    pub attempt: u32,
    /// Number of the input that the run executes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The run in the block, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Number of the crank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crank: Option<u64>,
    /// Number of cranks before it in the block. Unlike the crank's number, it is the same on both
    /// sides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crank_in_block: Option<u64>,
    /// Id of the vat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat: Option<String>,
    /// Number of the delivery to the vat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<u64>,
    /// Number of the syscall in the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscall: Option<u64>,
    /// Transaction in the block, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx: Option<u64>,
    /// The transaction's hash, as explorers show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_hash: Option<String>,
    /// The types of its messages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
    /// Outside transactions: the phase of the block, as its host names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Outside transactions: the last transaction before the step, if no phase began behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind_tx: Option<u64>,
    /// Operation in the transaction, or in the part of the block outside transactions, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<u64>,
    /// Log among all logs of the block, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<u64>,
    /// Type of the entry.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
}
