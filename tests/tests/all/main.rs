//! One binary for all end-to-end tests, but for those in the folders beside. Try not to
//! add another.

mod archive; // released blocks, archived and had back
mod attach; // beside a host that links the recorder
mod bad_input; // what is not as it should be: lines, rings, boxes, disks
mod block_folder; // a file for each block, recorded as the node writes them
mod collect; // what a node still tells by RPC, as a box
mod commands; // selection, exit codes, pipes, the demo
mod control; // callers of the control socket that do not behave
mod crash_loop; // a failed node that is killed and started again, with its recorder
mod dead_rings; // rings that nobody records into stay as they are
mod diff; // two recordings, one verdict, from every kind of source
mod evidence; // random histories: a HASH is right or absent
mod extracts; // parts of sources and redactions, as boxes
mod fifo; // the slog through a FIFO, and the deaths of those who hold it
mod followed; // files that are rotated, cut, removed and unreadable
mod footprint; // what a recorder takes of memory beside its ring
mod format_1; // files that a build of format version 1 wrote, read for ever
mod guard; // which starts of a node are refused, and no other
mod halts; // the ways in which a chain halts, in every form of log
mod intake; // a Node process that writes at full block rate, whatever dies
mod journal; // the node's log out of systemd's journal
mod json; // what commands print as JSON, against docs/json.md
mod kill; // SIGKILL at random instants
mod kit; // what a node is asked while its box is written, and nodes that do not answer
mod layering; // who may stand on whom
mod live; // reading and freezing while recording goes on
#[cfg(target_arch = "x86_64")]
mod machine; // a virtual machine that loses its power, and what is on its disk then
mod metrics; // metrics over HTTP, and clients that do not behave
mod mutations; // hundreds of differences whose verdict is known by construction
mod op_logs; // the OP Stack's programs: boxes of their logs, and logs without blocks
mod outside; // text that others wrote, sources that can be read once, output nobody takes
mod packaging; // the unit, completions, the manual
mod power_cut; // pages of different times in one image
mod real_logs; // failures of real chains, in every layout of a log
mod recordings; // real slogs through the recorder and back, byte for byte
mod recovery; // rings as kills, power cuts and strangers leave them
mod run; // a node and its recorder, and whatever kills either
mod signatures; // who signed a box, by ssh-keygen
mod slog_forms; // lines with their context, and a file for each block
mod states; // when an operator may be told that nothing needs attention
mod tee; // the node's output, kept and shown
mod texts; // every text that a user can read, gathered for review
mod transactions; // hosts without a slog: their recordings, compared
mod verdicts; // small recordings whose truth is known, and what is said of each
mod witnesses; // nodes that are asked by RPC, and those that answer badly
