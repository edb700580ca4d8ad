//! Chains that send messages to one another: real nodes, and what is said of them.

#[path = "watch/chains.rs"]
mod chains; // the chains of the tests themselves: what they were asked for happens
#[path = "watch/checking.rs"]
mod checking;
#[path = "watch/load.rs"]
mod load;
#[path = "watch/rewind.rs"]
mod rewind;
#[path = "watch/watching.rs"]
mod watching; // what the watcher says of them // hundreds of messages a block // a chain that is rewound, again and again // the light check of what a transaction declares
