//! Chains that send messages to one another: real nodes, and what is said of them.

mod chains; // the chains of the tests themselves: what they were asked for happens
mod checking; // the light check of what a transaction declares
mod forks; // nodes of one chain that do not follow the same fork
mod load; // hundreds of messages a block
mod opinions; // stubs of filters, supervisors, op-nodes and supernodes beside real chains
mod peer; // op-interop-mon beside the watcher, if asked for
mod reading; // what the reader makes of a watcher's tape
mod rewind; // a chain that is rewound, again and again
mod stages; // which checks saw a transaction
mod supersim; // the real contracts, if asked for
mod watching; // what the watcher says of them
