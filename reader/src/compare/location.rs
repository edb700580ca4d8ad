//! Where in a recording something stands.

use serde::Serialize;

/// The step, in the numbers of the side that has it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Location {
    /// Height.
    pub height: u64,
    /// Which execution of it: the later of the two sides'.
    pub attempt: u32,
    /// Number of the input whose run it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The run in the block, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Crank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crank: Option<u64>,
    /// Cranks before it in the block, which unlike its number is the same on
    /// both sides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crank_in_block: Option<u64>,
    /// Vat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat: Option<String>,
    /// Delivery to the vat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<u64>,
    /// Syscall in the delivery.
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
    /// Outside transactions, the phase of the block, as its host names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Outside transactions and where no phase begins behind it, the transaction that ran
    /// last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind_tx: Option<u64>,
    /// Operation in the transaction, or in its part of the block outside of them, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<u64>,
    /// Log among all logs of the block, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<u64>,
    /// Type of the entry.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
}
