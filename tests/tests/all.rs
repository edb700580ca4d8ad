//! One binary for all end-to-end tests, but for those in hosts.rs. Try not to add
//! another.

#[path = "all/archive.rs"]
mod archive; // released blocks, archived and had back
#[path = "all/attach.rs"]
mod attach; // beside a host that links the recorder
#[path = "all/bad_input.rs"]
mod bad_input; // what is not as it should be: lines, rings, boxes, disks
#[path = "all/block_folder.rs"]
mod block_folder; // a file for each block, recorded as the node writes them
#[path = "all/collect.rs"]
mod collect; // what a node still tells by RPC, as a box
#[path = "all/commands.rs"]
mod commands; // selection, exit codes, pipes, the demo
#[path = "all/control.rs"]
mod control; // callers of the control socket that do not behave
#[path = "all/crash_loop.rs"]
mod crash_loop; // a failed node that is killed and started again, with its recorder
#[path = "all/dead_rings.rs"]
mod dead_rings; // rings that nobody records into stay as they are
#[path = "all/diff.rs"]
mod diff; // two recordings, one verdict, from every kind of source
#[path = "all/evidence.rs"]
mod evidence; // random histories: a HASH is right or absent
#[path = "all/extracts.rs"]
mod extracts; // parts of sources and redactions, as boxes
#[path = "all/fifo.rs"]
mod fifo; // the slog through a FIFO, and the deaths of those who hold it
#[path = "all/followed.rs"]
mod followed; // files that are rotated, cut, removed and unreadable
#[path = "all/guard.rs"]
mod guard; // which starts of a node are refused, and no other
#[path = "all/halts.rs"]
mod halts; // the ways in which a chain halts, in every form of log
#[path = "all/intake.rs"]
mod intake; // a Node process that writes at full block rate, whatever dies
#[path = "all/journal.rs"]
mod journal; // the node's log out of systemd's journal
#[path = "all/json.rs"]
mod json; // what commands print as JSON, against docs/json.md
#[path = "all/kill.rs"]
mod kill; // SIGKILL at random instants
#[path = "all/kit.rs"]
mod kit; // what a node is asked while its box is written, and nodes that do not answer
#[path = "all/layering.rs"]
mod layering; // who may stand on whom
#[path = "all/live.rs"]
mod live; // reading and freezing while recording goes on
#[path = "all/metrics.rs"]
mod metrics; // metrics over HTTP, and clients that do not behave
#[path = "all/mutations.rs"]
mod mutations; // hundreds of differences whose verdict is known by construction
#[path = "all/op_logs.rs"]
mod op_logs; // the OP Stack's programs: boxes of their logs, and logs without blocks
#[path = "all/outside.rs"]
mod outside; // text that others wrote, sources that can be read once, output nobody takes
#[path = "all/packaging.rs"]
mod packaging; // the unit, completions, the manual
#[path = "all/power_cut.rs"]
mod power_cut; // pages of different times in one image
#[path = "all/real_logs.rs"]
mod real_logs; // failures of real chains, in every layout of a log
#[path = "all/recordings.rs"]
mod recordings; // real slogs through the recorder and back, byte for byte
#[path = "all/recovery.rs"]
mod recovery; // rings as kills, power cuts and strangers leave them
#[path = "all/run.rs"]
mod run; // a node and its recorder, and whatever kills either
#[path = "all/slog_forms.rs"]
mod slog_forms; // lines with their context, and a file for each block
#[path = "all/states.rs"]
mod states; // when an operator may be told that nothing needs attention
#[path = "all/tee.rs"]
mod tee; // the node's output, kept and shown
#[path = "all/texts.rs"]
mod texts; // every text that a user can read, gathered for review
#[path = "all/transactions.rs"]
mod transactions; // hosts without a slog: their recordings, compared
#[path = "all/verdicts.rs"]
mod verdicts; // small recordings whose truth is known, and what is said of each
#[path = "all/witnesses.rs"]
mod witnesses; // nodes that are asked by RPC, and those that answer badly
