//! Chains that send messages to one another: real nodes, and what is said of them.

#[path = "watch/chains.rs"]
mod chains; // the chains of the tests themselves: what they were asked for happens
#[path = "watch/checking.rs"]
mod checking; // the light check of what a transaction declares
#[path = "watch/forks.rs"]
mod forks; // nodes of one chain that do not follow the same fork
#[path = "watch/load.rs"]
mod load; // hundreds of messages a block
#[path = "watch/opinions.rs"]
mod opinions; // stubs of filters, supervisors, op-nodes and supernodes beside real chains
#[path = "watch/peer.rs"]
mod peer; // op-interop-mon beside the watcher, if asked for
#[path = "watch/reading.rs"]
mod reading; // what the reader makes of a watcher's tape
#[path = "watch/rewind.rs"]
mod rewind; // a chain that is rewound, again and again
#[path = "watch/stages.rs"]
mod stages; // which checks saw a transaction
#[path = "watch/supersim.rs"]
mod supersim; // the real contracts, if asked for
#[path = "watch/watching.rs"]
mod watching; // what the watcher says of them
