//! Chains that send messages to one another: real nodes, and what is read of them.

#[path = "watch/chains.rs"]
mod chains; // the chains of the tests themselves: what they were asked for happens
