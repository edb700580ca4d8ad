/*
 * Haltbox: a flight recorder for consensus failures, inside a host.
 *
 * A host records what it executes, line by line, into a ring on disk that survives a kill at
 * any instruction, and lets go of a block once the network agrees with it. When its AppHash
 * turns out to differ, a black box named HEIGHT-HASH is frozen:
 *
 *     haltbox_options options = {0};
 *     options.struct_size = sizeof options;
 *     options.dir = "/var/lib/node/haltbox";
 *     haltbox *recorder;
 *     haltbox_error error;
 *     if (haltbox_open(&options, &recorder, &error) != HALTBOX_OK)
 *         log(error.message);                      // and goes on without
 *
 *     haltbox_begin_block(recorder, height, time, NULL);
 *     haltbox_record(recorder, line, length);      // thousands of times
 *     haltbox_end_block(recorder, height, app_hash, 32);
 *     haltbox_commit(recorder, height, NULL, 0);
 *     haltbox_confirm(recorder, height, hash_in_next_header, 32);
 *
 *     haltbox_close(&recorder);
 *
 * docs/embedding.md tells it at length.
 *
 * What it does to the process
 *
 * - No call waits for the disk or for another process, but haltbox_open, haltbox_freeze, and
 *   haltbox_close, which gives a queue (see options.engine) a second. With HALTBOX_ENGINE_WRITE
 *   every call may wait.
 * - No call panics, aborts or exits. A panic inside, which is a bug of Haltbox's, is caught:
 *   it answers HALTBOX_BROKEN, and the recorder is off from then on.
 * - It installs no signal handler, starts no thread unless options.background is 1 or the engine
 *   is the queue (haltbox_freeze starts one that ends before it returns), reads no environment,
 *   and prints nothing, except that the Rust runtime reports such a panic on standard error.
 *   No handler of the host's runs in its background threads.
 * - Its files are opened close-on-exec. It maps one file, by itself only where that file's blocks,
 *   allocated before, cannot be shared with a copy: there a full disk does not matter. Elsewhere
 *   a thread writes the file. What remains where it is mapped (ext4, tmpfs): the kernel sends
 *   SIGBUS to a process that writes to a file which somebody truncated, or whose disk fails, and
 *   a call can take some hundred milliseconds while the disk is written full.
 *   HALTBOX_ENGINE_QUEUE has neither.
 * - A thread that is cancelled (pthread_cancel) in a call ends behind it. A file that would grow
 *   beyond RLIMIT_FSIZE is an error of the call, not SIGXFSZ.
 * - It needs memory: haltbox_open up to 64 MiB, a box as much again while it is written, and both
 *   answer an error if they cannot be had. Where an allocation fails in spite of that, the process ends,
 *   as with any Rust library.
 * - It records in the process that opened it. In the child of a fork, also one that the clone
 *   system call made, every call on that recorder answers HALTBOX_FORKED and touches nothing;
 *   the child may open another. fork and exec together are not affected. A child that shares the
 *   memory (vfork, CLONE_VM) must not call, and before Linux 4.14 neither must one of clone.
 *
 * Threads: every function may be called from any thread at any time, haltbox_close too. Calls on
 * one recorder are put in order by a lock, so none may be made in a signal handler.
 *
 * Pointers: NULL is refused, or means what the function says; any other pointer must be valid for
 * what it is said to point to. Nothing that is given is kept after the call, nothing that is
 * returned has to be freed but the recorder.
 *
 * All calls on a recorder may answer HALTBOX_FORKED, HALTBOX_CLOSED (also for a NULL recorder) and
 * HALTBOX_BROKEN.
 *
 * This file is generated from ffi/src.
 */


#ifndef HALTBOX_H
#define HALTBOX_H

#include <stddef.h>
#include <stdint.h>

// The ABI that this header describes; the SONAME of the shared library ends in it.
#define HALTBOX_ABI_VERSION 1

// Map where a full disk cannot end the process by that (ext4, tmpfs, XFS made without
// reflinks), else the queue.
#define HALTBOX_ENGINE_AUTO 0

// A call copies into the mapped file. Nothing that a call returned from is lost when
// the process ends. Where files can share blocks (XFS, btrfs), a full disk then gives
// SIGBUS or makes a call wait.
#define HALTBOX_ENGINE_MAP 1

// A call writes to the file: some microseconds, and as long as the file system takes,
// which can be seconds while a disk fills. Nothing is lost when the process ends.
#define HALTBOX_ENGINE_WRITE 2

// A call copies into memory; a thread writes that to the file, also where `background`
// is 0. No call waits. `kill -9` loses what was not written yet: the last milliseconds,
// or up to 32 MiB while the disk takes no writes; then entries are dropped.
#define HALTBOX_ENGINE_QUEUE 3

// A recorder. Any thread may use it from `haltbox_open` to `haltbox_close`.
typedef struct haltbox haltbox;

// What a call answers: 0 done; above 0 done, but look; below 0 nothing was
// done. The numbers are fixed and never used again for something else; later
// libraries may answer others, with the same signs.
typedef int32_t haltbox_status;

// What to record, and where. Set it to zeroes, then `struct_size` and `dir`.
//
// A field that is 0 or NULL has its default. Later versions add fields at the
// end: a shorter struct is taken as if the rest were zeroes; in a longer one,
// what this library does not know must be zero, else `HALTBOX_TOO_NEW`.
typedef struct haltbox_options {
    // `sizeof(haltbox_options)`.
    size_t struct_size;
    // The folder of ring, boxes and archive; made, with mode 0700, if it is not
    // there. On ext4 or tmpfs nothing is lost when the process is killed; see `engine`
    // for XFS, btrfs and others. Never under a node's `data/`, which operators reset.
    // Required.
    const char *dir;
    // Bytes of the ring, 4 MiB to 1 TiB, allocated when it is made; 0: 256 MiB.
    uint64_t ring_size;
    // How entries are read: `host`, `agoric`, `cosmos`, or the path of a profile
    // file (docs/profile.md). NULL: `host`.
    const char *profile;
    // Path of the node's executable, whose digest goes into the boxes. NULL: none.
    const char *node_program;
    // With `background`: where people should upload a box, in UTF-8, for the
    // message at a halt. NULL: none.
    const char *upload_hint;
    // With `background`: bytes that the archive of released blocks may have. 0:
    // 2 GiB; `UINT64_MAX`: no archive.
    uint64_t archive_bytes;
    // With `background`: seconds that a mismatch without proof has to last until
    // it is frozen. 0: 60.
    uint32_t persist_seconds;
    // 1: threads freeze what diverged, archive, and make the ring's pages
    // present before a call needs them. 0: no threads; a divergence is pinned
    // until `haltbox_freeze`, or a `haltbox record --attach` beside the host, has
    // made its box.
    uint32_t background;
    // How records get into the ring's file: one of `HALTBOX_ENGINE_*`. 0: as the
    // file system allows.
    uint32_t engine;
    // 0.
    uint32_t reserved;
} haltbox_options;

// Room for the text of an error: the caller's own, in every call.
typedef struct haltbox_error {
    // UTF-8, cut to its room, always ended by a NUL.
    char message[256];
} haltbox_error;

// A part of the ring that is lent, for records that the host lays itself. All is 0 but the
// size where nothing is lent now.
typedef struct haltbox_span {
    // In: `sizeof(haltbox_span)`.
    size_t struct_size;
    // Where the first record begins, a multiple of 16.
    uint8_t *start;
    // Bytes from there. A record may end where they do, never beyond.
    size_t length;
    // Sequence number of the first record; each one behind it has the next.
    uint64_t sequence;
    // Key of the lane.
    uint64_t key;
    // Where the host tells how many bytes it laid. Stays valid for the life of the process.
    uint64_t *laid;
} haltbox_span;

// How recording stands. Later versions add fields at the end.
typedef struct haltbox_stats {
    // In: `sizeof(haltbox_stats)`. A shorter struct gets the fields it has room
    // for, and in a longer one the rest is set to 0.
    size_t struct_size;
    // Entries given since the recorder was opened, dropped ones included.
    uint64_t records;
    // Their bytes, without line ends.
    uint64_t bytes;
    // Entries that were dropped.
    uint64_t dropped;
    // The height begun last; 0 for none.
    uint64_t head;
    // The greatest height that the network agreed with; 0 for none.
    uint64_t released;
    // The least height that has entries in the ring; 0 for none.
    uint64_t oldest;
    // Blocks that must not be overwritten.
    uint64_t pinned;
    // Of these, blocks that diverged and are in no box yet.
    uint64_t diverged;
} haltbox_stats;

// Done.
#define HALTBOX_OK 0

// The entry was not kept: no room was left that may be overwritten, or the file takes
// no writes now. Counted.
#define HALTBOX_DROPPED 1

// `haltbox_confirm`: the AppHashes differ; the block is pinned.
#define HALTBOX_DIFFERS 2

// `haltbox_confirm`: this node's AppHash of the height is not known; the
// network's is noted.
#define HALTBOX_UNKNOWN 3

// An argument is NULL that must not be, or out of its range.
#define HALTBOX_BAD_ARGUMENT -1

// The struct has a field that is set and that this library does not know.
#define HALTBOX_TOO_NEW -2

// Another recorder writes the ring of this folder.
#define HALTBOX_LOCKED -3

// Nothing protects a host's ring on this file system; see `options.engine`.
#define HALTBOX_FILE_SYSTEM -4

// The disk has too little room for the ring, or for the box.
#define HALTBOX_NO_SPACE -5

// The system refused something.
#define HALTBOX_IO -6

// This process is a fork of the one that opened the recorder.
#define HALTBOX_FORKED -7

// The recorder is closed, or was never opened (NULL).
#define HALTBOX_CLOSED -8

// A panic inside was caught; the recorder is off, its ring is valid.
#define HALTBOX_BROKEN -9

// The profile takes blocks and cranks from the host's own entries: record those.
#define HALTBOX_MARKED_BY_ENTRIES -10

// There is nothing to freeze.
#define HALTBOX_NOTHING -11

// The box could not be made.
#define HALTBOX_NOT_FROZEN -12

// The profile cannot be read.
#define HALTBOX_PROFILE -13

// No part of this ring can be lent: record by calls.
#define HALTBOX_NOT_LENT -14

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Opens or makes the ring in `options->dir` and begins to record.
//
// `*out` gets the recorder, or NULL if anything but `HALTBOX_OK` is returned:
// the host goes on without (every call takes a NULL recorder and answers
// `HALTBOX_CLOSED`). `error` (NULL allowed) gets what was found, what was
// expected and what to do; after `HALTBOX_OK` it is empty, or holds what the
// operator should hear of: a ring that was set aside, a thread that could not
// be started. Nothing of `options` is used after the call.
//
// May take a second: it allocates the ring when there is none, and reads its
// marks when there is one.
//
// Errors: `HALTBOX_BAD_ARGUMENT`, `HALTBOX_TOO_NEW`, `HALTBOX_PROFILE`,
// `HALTBOX_LOCKED`, `HALTBOX_FILE_SYSTEM`, `HALTBOX_NO_SPACE`, `HALTBOX_IO`,
// `HALTBOX_BROKEN`.
haltbox_status haltbox_open(const struct haltbox_options *options,
                            struct haltbox **out,
                            struct haltbox_error *error);

// The execution of a block begins.
//
// `block_time_ns`: the block's own time, in nanoseconds since 1970, the same on
// every node. `input_digest`: 32 bytes, a digest of what the block brings (its
// transactions, its proposal), or NULL. A height that was begun before begins
// another attempt at it.
//
// Errors: `HALTBOX_MARKED_BY_ENTRIES` and those of all calls.
haltbox_status haltbox_begin_block(struct haltbox *recorder,
                                   uint64_t height,
                                   int64_t block_time_ns,
                                   const uint8_t *input_digest);

// Records one entry of what the host executes: one line of JSON, an object
// whose first member is `type`, as the profile reads it.
//
// `length` bytes, copied before the call returns. A line end at their end is left
// out; one inside parts them in two entries. Bytes that are no JSON are kept as
// they are. `bytes` may be NULL if `length` is 0.
//
// What was recorded when the call returns survives the end of the process, by
// `kill -9` too, unless the engine is the queue. It takes one lock and copies; it
// neither waits for the disk (but see `HALTBOX_ENGINE_WRITE`) nor allocates for an
// entry that marks nothing.
//
// Answers `HALTBOX_OK` or `HALTBOX_DROPPED`.
// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
haltbox_status haltbox_record(struct haltbox *recorder, const void *bytes, size_t length);

// Lends a part of the ring, in which the host lays entries itself: for languages that pay
// for each call. With `span` NULL the host gives back what it has.
//
// In it the host writes one record behind another as docs/format.md tells (*Record*; of the
// main lane, kind 1, no flag): payload and sequence number, then the commit word in one
// aligned release store, then into `*laid`, in a release store too, the bytes of all records
// laid so far, padding included. From the commit word on the record survives the end of the
// process. Only entries of the types `tx-*`, `op-*` and `branch*` may be laid, of at most
// 65536 bytes and without a line end. Every other call takes over what was laid before.
//
// The lending ends with the next call of `haltbox_lend`, `haltbox_record`, `haltbox_begin_block`,
// `haltbox_crank`, `haltbox_end_block`, `haltbox_commit` or `haltbox_abort` by any thread: the
// host sees to it that it lays nothing from the beginning of such a call on. It gives back
// before `haltbox_close`; if it does not, the ring stays mapped for the life of the process.
// The child of a fork must lay nothing: what is lent is not mapped there.
//
// Answers `HALTBOX_OK`, also with nothing (`span->length` is 0): not now, ask again behind the
// next `haltbox_record`.
// Errors: `HALTBOX_NOT_LENT` (never with this ring: it is not mapped, the profile takes such
// entries for marks), `HALTBOX_BAD_ARGUMENT` and those of all calls.
haltbox_status haltbox_lend(struct haltbox *recorder, struct haltbox_span *span);

// Records one line of the node's log; otherwise as `haltbox_record`.
//
// The lines go to a lane of their own, where they cannot push out a block. What the
// profile's `node` section knows in them (a consensus failure, a panic) pins the
// block it is about.
haltbox_status haltbox_log(struct haltbox *recorder, const void *bytes, size_t length);

// A crank, or whatever part of a block has digests of its own, ended.
//
// `number` counts them on, the same on every node. `crankhash`: 32 bytes, a digest
// of what this part wrote. `activityhash`: 32 bytes, a chain over all crankhashes.
// Neither may be NULL.
//
// Errors: `HALTBOX_BAD_ARGUMENT`, `HALTBOX_MARKED_BY_ENTRIES` and those of all calls.
haltbox_status haltbox_crank(struct haltbox *recorder,
                             uint64_t number,
                             const uint8_t *crankhash,
                             const uint8_t *activityhash);

// The execution of a block ended.
//
// `app_hash`: this node's AppHash after it, 1 to 64 bytes, if it is known by then;
// `NULL, 0` if not.
//
// Errors: `HALTBOX_BAD_ARGUMENT`, `HALTBOX_MARKED_BY_ENTRIES` and those of all calls.
haltbox_status haltbox_end_block(struct haltbox *recorder,
                                 uint64_t height,
                                 const uint8_t *app_hash,
                                 size_t length);

// The state of a block is durable. Ends its execution if nothing else did.
//
// `app_hash`: this node's AppHash after it, 1 to 64 bytes; `NULL, 0` if it is not
// known or was given to `haltbox_end_block`. The commit of height H + 1 releases H.
//
// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
haltbox_status haltbox_commit(struct haltbox *recorder,
                              uint64_t height,
                              const uint8_t *app_hash,
                              size_t length);

// What the network decided for a height that was executed: the AppHash in the
// header of the next height.
//
// `network_app_hash`: 1 to 64 bytes. Equal to this node's, it releases the block and
// all below it (`HALTBOX_OK`). Different, it pins the block (`HALTBOX_DIFFERS`);
// call `haltbox_diverged` if the difference is proved. `HALTBOX_UNKNOWN`: this node's
// is not known, and nothing was released.
//
// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
haltbox_status haltbox_confirm(struct haltbox *recorder,
                               uint64_t height,
                               const uint8_t *network_app_hash,
                               size_t length);

// The execution of a height was thrown away: an optimistic one whose proposal was
// not decided. Its entries stay until the height is executed again.
//
// Errors: those of all calls.
haltbox_status haltbox_abort(struct haltbox *recorder, uint64_t height);

// It is proved that a height differs: it is pinned until a black box holds it.
//
// `expected` and `got` are named as CometBFT names them: what this node has, and
// what the header brought; 1 to 64 bytes each. `reason`: what differs, in UTF-8, as
// `AppHash` or `LastResultsHash`, of which 128 bytes are kept; NULL: `AppHash`.
// It waits for nothing and writes no box: see `background` and `haltbox_freeze`.
//
// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
haltbox_status haltbox_diverged(struct haltbox *recorder,
                                uint64_t height,
                                const uint8_t *expected,
                                size_t expected_length,
                                const uint8_t *got,
                                size_t got_length,
                                const char *reason);

// Writes the black box of a height and waits until it is durable. The one call
// that waits for the disk: seconds for a large ring. Other threads go on recording.
//
// `height` 0: the block an operator would mean, which is the one that diverged, is
// pinned, or was executed last. `out_path` gets the path of the box: `out_path_size`
// must be at least the length of `options->dir` and 80 bytes more; `NULL, 0` if it
// is not wanted. A box that is there already is not written again, and is no error.
// `error` (NULL allowed) says why there is none.
//
// Errors: `HALTBOX_BAD_ARGUMENT`, `HALTBOX_NOTHING`, `HALTBOX_NO_SPACE`,
// `HALTBOX_NOT_FROZEN` and those of all calls. After an error `out_path` is empty.
haltbox_status haltbox_freeze(struct haltbox *recorder,
                              uint64_t height,
                              char *out_path,
                              size_t out_path_size,
                              struct haltbox_error *error);

// Takes what the background thread has to tell the operator, for the host's own
// log: the message of a box that it wrote, or why it wrote none. Each is given once,
// the oldest first; ask now and then, as nothing of it is printed.
//
// `message` gets lines of UTF-8 that end in a NUL, or an empty string if there is
// nothing to tell; cut to `size`: 1024 bytes, twice the length of `options->dir` and
// that of `options->upload_hint` are enough.
//
// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls. After an error `message`
// is empty. What was not taken before `haltbox_close` stands in
// boxes/CONSENSUS_FAILURE.txt alone.
haltbox_status haltbox_take_message(struct haltbox *recorder, char *message, size_t size);

// How recording stands. `stats->struct_size` must be set.
//
// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
haltbox_status haltbox_stats_read(struct haltbox *recorder, struct haltbox_stats *stats);

// Has the kernel begin to write the ring to the disk; waits only where the disk's
// queue is full.
// Only a power cut makes a difference: what was recorded survives the end of the
// process in any case.
//
// Errors: those of all calls.
haltbox_status haltbox_flush(struct haltbox *recorder);

// Closes the ring in order and sets `*recorder` to NULL. Both pointers may be NULL.
// With the queue it waits a second at most for what is not written yet; the thread
// goes on with that alone, and holds the ring's lock until it is done.
//
// Calls of other threads end or answer `HALTBOX_CLOSED`, also through copies of the
// pointer and for ever: what it points to, some 100 bytes, stays. A box that
// another thread is writing is finished by that thread. A recorder that is broken is
// closed too.
//
// Errors: `HALTBOX_FORKED` (`*recorder` stays as it is), `HALTBOX_BROKEN`.
haltbox_status haltbox_close(struct haltbox **recorder);

// The ABI of the library that is loaded, to be compared with `HALTBOX_ABI_VERSION`.
uint32_t haltbox_abi_version(void);

// The release of the library that is loaded, as `1.2.3`. Static.
const char *haltbox_version(void);

// A status in words. Static, never NULL, for every number.
const char *haltbox_status_text(haltbox_status status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* HALTBOX_H */
