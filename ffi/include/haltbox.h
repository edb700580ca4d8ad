/*
 * Haltbox: a flight recorder for consensus failures, inside a host.
 *
 * A host records what it executes, line by line, into a ring on disk that survives a kill at
 * any instruction, and releases a block once the network agrees with it. When its AppHash
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
 * docs/embedding.md has the details.
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

// The ABI version of this header. The SONAME of the shared library ends in it.
#define HALTBOX_ABI_VERSION 1

// `HALTBOX_ENGINE_MAP` on file systems where a full disk cannot kill a process that maps the
// file (ext4, tmpfs, XFS made without reflinks), else `HALTBOX_ENGINE_QUEUE`.
#define HALTBOX_ENGINE_AUTO 0

// A call copies into the mapped file. Once the call has returned, nothing of it is lost when
// the process ends. Where files can share blocks (XFS, btrfs), a full disk can raise SIGBUS or
// make a call wait.
#define HALTBOX_ENGINE_MAP 1

// A call writes to the file. It takes some microseconds, or as long as the file system needs,
// which can be seconds while a disk fills up. Nothing is lost when the process ends.
#define HALTBOX_ENGINE_WRITE 2

// A call copies into memory, and a thread writes that to the file, even if `background` is 0.
// No call waits. `kill -9` loses what is not written yet: the last milliseconds, or up to
// 32 MiB while the disk accepts no writes. When these 32 MiB are full, entries are dropped.
#define HALTBOX_ENGINE_QUEUE 3

// A recorder. Any thread may use it from `haltbox_open` to `haltbox_close`.
typedef struct haltbox haltbox;

// The result of a call. 0: done. Above 0: done, but check the value. Below 0: nothing was
// done. The numbers are fixed and never reused; later libraries may return new ones, whose
// signs mean the same.
typedef int32_t haltbox_status;

// What to record, and where. Set it to zeroes, then set `struct_size` and `dir`.
//
// A field that is 0 or NULL has its default. Later versions add fields at the end. In a
// shorter struct, the missing fields count as zero; in a longer one, fields that this library
// does not know must be zero, else the call returns `HALTBOX_TOO_NEW`.
typedef struct haltbox_options {
    // `sizeof(haltbox_options)`.
    size_t struct_size;
    // The folder for ring, boxes and archive, created with mode 0700 if it does not exist. On
    // ext4 or tmpfs nothing is lost when the process is killed; for XFS, btrfs and others see
    // `engine`. Do not put it under a node's `data/`, which operators reset. Required.
    const char *dir;
    // Size of the ring in bytes, 4 MiB to 1 TiB, allocated when it is created. 0: 256 MiB.
    uint64_t ring_size;
    // How entries are read: `host`, `agoric`, `cosmos`, or the path of a profile
    // file (docs/profile.md). NULL: `host`.
    const char *profile;
    // Path of the node's executable; its digest is stored in the boxes. NULL: none.
    const char *node_program;
    // With `background`: where to upload a box, for the message at a halt, in UTF-8. NULL: none.
    const char *upload_hint;
    // With `background`: maximum size in bytes of the archive of released blocks. 0: 2 GiB;
    // `UINT64_MAX`: no archive.
    uint64_t archive_bytes;
    // With `background`: seconds that a mismatch without proof must last before it is frozen.
    // 0: 60.
    uint32_t persist_seconds;
    // 1: threads freeze blocks that diverged, archive released blocks, and fault in the ring's
    // pages before a call needs them. 0: no threads; a block that diverged is pinned until
    // `haltbox_freeze`, or a `haltbox record --attach` beside the host, has written its box.
    uint32_t background;
    // How records are written to the ring's file: one of `HALTBOX_ENGINE_*`. 0: chosen by file
    // system.
    uint32_t engine;
    // Must be 0.
    uint32_t reserved;
} haltbox_options;

// Buffer for the text of an error. The caller owns it.
typedef struct haltbox_error {
    // UTF-8, cut to fit, always NUL-terminated.
    char message[256];
} haltbox_error;

// A part of the ring that is lent to the host, which writes records into it itself. If nothing
// is lent now, all fields but `struct_size` are 0.
typedef struct haltbox_span {
    // In: `sizeof(haltbox_span)`.
    size_t struct_size;
    // Where the first record begins, a multiple of 16.
    uint8_t *start;
    // Bytes from `start`. A record may end at the end of the part, never beyond it.
    size_t length;
    // Sequence number of the first record; each record after it has the next number.
    uint64_t sequence;
    // Key of the lane.
    uint64_t key;
    // Where the host stores how many bytes it wrote. Valid until the process ends.
    uint64_t *laid;
} haltbox_span;

// The state of the recording. Later versions add fields at the end.
typedef struct haltbox_stats {
    // In: `sizeof(haltbox_stats)`. In a shorter struct, only the fields that fit are set; in a
    // longer one, the rest is set to 0.
    size_t struct_size;
    // Entries given since the recorder was opened, including dropped ones.
    uint64_t records;
    // Bytes of these entries, without line ends.
    uint64_t bytes;
    // Entries that were dropped.
    uint64_t dropped;
    // The height that began last; 0 for none.
    uint64_t head;
    // The highest height that the network agreed with; 0 for none.
    uint64_t released;
    // The lowest height that has entries in the ring; 0 for none.
    uint64_t oldest;
    // Blocks that must not be overwritten.
    uint64_t pinned;
    // Pinned blocks that diverged and are in no box yet.
    uint64_t diverged;
} haltbox_stats;

// Done.
#define HALTBOX_OK 0

// The entry was dropped, and counted as such: the ring has no room that may be overwritten, or
// the file accepts no writes now.
#define HALTBOX_DROPPED 1

// `haltbox_confirm`: the AppHashes differ; the block is pinned.
#define HALTBOX_DIFFERS 2

// `haltbox_confirm`: this node's AppHash of the height is not known; the network's is
// recorded.
#define HALTBOX_UNKNOWN 3

// An argument is NULL but must not be, or is out of range.
#define HALTBOX_BAD_ARGUMENT -1

// The struct sets a field that this library does not know.
#define HALTBOX_TOO_NEW -2

// Another recorder writes the ring of this folder.
#define HALTBOX_LOCKED -3

// A host's ring is not safe on this file system; see `options.engine`.
#define HALTBOX_FILE_SYSTEM -4

// The disk has too little space for the ring or the box.
#define HALTBOX_NO_SPACE -5

// The system refused a file operation.
#define HALTBOX_IO -6

// This process is a fork of the one that opened the recorder.
#define HALTBOX_FORKED -7

// The recorder is closed, or was never opened (NULL).
#define HALTBOX_CLOSED -8

// A panic inside the library was caught. The recorder is off; its ring is valid.
#define HALTBOX_BROKEN -9

// The profile reads blocks and cranks from the host's own entries: record those instead.
#define HALTBOX_MARKED_BY_ENTRIES -10

// There is nothing to freeze.
#define HALTBOX_NOTHING -11

// The box could not be made.
#define HALTBOX_NOT_FROZEN -12

// The profile cannot be read.
#define HALTBOX_PROFILE -13

// No part of this ring can be lent: use calls to record.
#define HALTBOX_NOT_LENT -14

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Opens or creates the ring in `options->dir` and starts to record.
//
// `*out` gets the recorder, or NULL if anything but `HALTBOX_OK` is returned. The host can
// then go on without recording: every call takes a NULL recorder and returns
// `HALTBOX_CLOSED`. `error` (may be NULL) gets what was found, what was expected and what to
// do. After `HALTBOX_OK` it is empty or holds notices for the operator, such as a ring that
// was moved aside or a thread that could not be started. `options` is not used after the call.
//
// May take a second: the call allocates a new ring, or reads the marks of an existing one.
//
// Errors: `HALTBOX_BAD_ARGUMENT`, `HALTBOX_TOO_NEW`, `HALTBOX_PROFILE`,
// `HALTBOX_LOCKED`, `HALTBOX_FILE_SYSTEM`, `HALTBOX_NO_SPACE`, `HALTBOX_IO`,
// `HALTBOX_BROKEN`.
haltbox_status haltbox_open(const struct haltbox_options *options,
                            struct haltbox **out,
                            struct haltbox_error *error);

// Records that the execution of a block begins.
//
// `block_time_ns`: the block's own time, in nanoseconds since 1970, the same on every node.
// `input_digest`: a digest of 32 bytes of the block's input (its transactions, its proposal),
// or NULL. If the height was begun before, this begins another attempt.
//
// Errors: `HALTBOX_MARKED_BY_ENTRIES` and those of all calls.
haltbox_status haltbox_begin_block(struct haltbox *recorder,
                                   uint64_t height,
                                   int64_t block_time_ns,
                                   const uint8_t *input_digest);

// Records one entry of what the host executes: one line of JSON, an object whose first member
// is `type`, as the profile reads it.
//
// The call copies `length` bytes before it returns. A line end after the last byte is dropped;
// a line end before that splits the bytes into two entries. Bytes that are not JSON are kept
// as they are. `bytes` may be NULL if `length` is 0.
//
// Once the call has returned, the entry survives the end of the process, even by `kill -9`,
// unless the engine is the queue. The call takes one lock and copies. It does not wait for the
// disk (except with `HALTBOX_ENGINE_WRITE`), and does not allocate for an entry that marks
// nothing.
//
// Returns `HALTBOX_OK` or `HALTBOX_DROPPED`.
// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
haltbox_status haltbox_record(struct haltbox *recorder, const void *bytes, size_t length);

// Lends a part of the ring, into which the host writes entries itself: for languages in which
// each call is expensive. With `span` NULL the host gives back what was lent.
//
// The host writes one record after another as docs/format.md specifies (*Record*; of the main
// lane, kind 1, no flag): payload and sequence number; then the commit word, in one aligned
// release store; then into `*laid`, also in a release store, the bytes of all records written
// so far, padding included. From the commit word on, the record survives the end of the
// process. Only entries of the types `tx-*`, `op-*` and `branch*` are allowed, of at most
// 65536 bytes and without a line end. Every other call takes over what was written before.
//
// The lending ends with the next call of `haltbox_lend`, `haltbox_record`,
// `haltbox_begin_block`, `haltbox_crank`, `haltbox_end_block`, `haltbox_commit` or
// `haltbox_abort` by any thread: from the beginning of such a call on, the host must write
// nothing. The host must give the part back before `haltbox_close`; if it does not, the ring
// stays mapped until the process ends. The child of a fork must write nothing: the part is
// not mapped there.
//
// Returns `HALTBOX_OK` also if nothing can be lent now (`span->length` is 0): ask again after
// the next `haltbox_record`.
// Errors: `HALTBOX_NOT_LENT` (this ring is never lent: it is not mapped, or the profile reads
// such entries as marks), `HALTBOX_BAD_ARGUMENT` and those of all calls.
haltbox_status haltbox_lend(struct haltbox *recorder, struct haltbox_span *span);

// Records one line of the node's log; otherwise like `haltbox_record`.
//
// The lines go to a separate lane, where they cannot displace a block. A line that the
// profile's `node` section recognizes (a consensus failure, a panic) pins the block that it
// is about.
haltbox_status haltbox_log(struct haltbox *recorder, const void *bytes, size_t length);

// Records the end of a crank, or of any part of a block that has digests of its own.
//
// `number` counts these parts, the same on every node. `crankhash`: 32 bytes, a digest of what
// this part wrote. `activityhash`: 32 bytes, a hash chain over all crankhashes. Neither may be
// NULL.
//
// Errors: `HALTBOX_BAD_ARGUMENT`, `HALTBOX_MARKED_BY_ENTRIES` and those of all calls.
haltbox_status haltbox_crank(struct haltbox *recorder,
                             uint64_t number,
                             const uint8_t *crankhash,
                             const uint8_t *activityhash);

// Records that the execution of a block ended.
//
// `app_hash`: this node's AppHash after the block, 1 to 64 bytes; `NULL, 0` if it is not known
// yet.
//
// Errors: `HALTBOX_BAD_ARGUMENT`, `HALTBOX_MARKED_BY_ENTRIES` and those of all calls.
haltbox_status haltbox_end_block(struct haltbox *recorder,
                                 uint64_t height,
                                 const uint8_t *app_hash,
                                 size_t length);

// Records that the state of a block is durable. Also ends its execution if no other call did.
//
// `app_hash`: this node's AppHash after the block, 1 to 64 bytes; `NULL, 0` if it is not known
// or was given to `haltbox_end_block`. The commit of height H + 1 releases H.
//
// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
haltbox_status haltbox_commit(struct haltbox *recorder,
                              uint64_t height,
                              const uint8_t *app_hash,
                              size_t length);

// Records what the network decided for a height that was executed: the AppHash in the header
// of the next height.
//
// `network_app_hash`: 1 to 64 bytes. If it equals this node's AppHash, the call releases the
// block and all below it (`HALTBOX_OK`). If it differs, the call pins the block
// (`HALTBOX_DIFFERS`); call `haltbox_diverged` if the difference is proved. If this node's
// AppHash is not known, nothing is released (`HALTBOX_UNKNOWN`).
//
// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
haltbox_status haltbox_confirm(struct haltbox *recorder,
                               uint64_t height,
                               const uint8_t *network_app_hash,
                               size_t length);

// Records that the execution of a height was discarded: for example an optimistic one, whose
// proposal was not decided. Its entries stay until the height is executed again.
//
// Errors: those of all calls.
haltbox_status haltbox_abort(struct haltbox *recorder, uint64_t height);

// Records that a height is proved to differ. The block stays pinned until a black box holds it.
//
// `expected` and `got` are named as in CometBFT: `expected` is what this node has, `got` is
// what the header has; 1 to 64 bytes each. `reason`: what differs, in UTF-8, such as `AppHash`
// or `LastResultsHash`, of which 128 bytes are kept; NULL: `AppHash`. The call does not wait
// and writes no box: see `background` and `haltbox_freeze`.
//
// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
haltbox_status haltbox_diverged(struct haltbox *recorder,
                                uint64_t height,
                                const uint8_t *expected,
                                size_t expected_length,
                                const uint8_t *got,
                                size_t got_length,
                                const char *reason);

// Writes the black box of a height and waits until it is durable. This is the one call that
// waits for the disk: seconds for a large ring. Other threads can record meanwhile.
//
// `height` 0: the block that diverged, is pinned, or was executed last. `out_path` gets the
// path of the box; `out_path_size` must be at least the length of `options->dir` and 80 bytes
// more. Give `NULL, 0` if the path is not needed. A box that exists already is not written
// again; this is no error. `error` (may be NULL) gets the reason if there is no box.
//
// Errors: `HALTBOX_BAD_ARGUMENT`, `HALTBOX_NOTHING`, `HALTBOX_NO_SPACE`,
// `HALTBOX_NOT_FROZEN` and those of all calls. After an error `out_path` is empty.
haltbox_status haltbox_freeze(struct haltbox *recorder,
                              uint64_t height,
                              char *out_path,
                              size_t out_path_size,
                              struct haltbox_error *error);

// Takes one message of the background thread for the operator, for the host's own log: that a
// box was written, or why it was not. Each message is given once, the oldest first. Call this
// now and then: nothing is printed.
//
// `message` gets lines of UTF-8 that end in a NUL, or an empty string if there is no message.
// The text is cut to `size` bytes; 1024, plus twice the length of `options->dir`, plus the
// length of `options->upload_hint` are enough.
//
// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls. After an error `message` is empty. A
// message that was not taken before `haltbox_close` is only in boxes/CONSENSUS_FAILURE.txt.
haltbox_status haltbox_take_message(struct haltbox *recorder, char *message, size_t size);

// Reads the state of the recording. `stats->struct_size` must be set.
//
// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
haltbox_status haltbox_stats_read(struct haltbox *recorder, struct haltbox_stats *stats);

// Makes the kernel start to write the ring to the disk. Waits only if the disk's queue is
// full. This matters only for a power cut: what was recorded survives the end of the process
// in any case.
//
// Errors: those of all calls.
haltbox_status haltbox_flush(struct haltbox *recorder);

// Closes the ring and sets `*recorder` to NULL. Both pointers may be NULL. With the queue, the
// call waits at most a second for what is not written yet; the thread then writes the rest
// alone, and holds the ring's lock until it is done.
//
// Calls of other threads end or return `HALTBOX_CLOSED`. This stays true for all copies of the
// pointer: the memory that it points to, about 100 bytes, is never freed. A thread that is
// writing a box finishes it. A recorder that has failed is closed too.
//
// Errors: `HALTBOX_FORKED` (`*recorder` stays as it is), `HALTBOX_BROKEN`.
haltbox_status haltbox_close(struct haltbox **recorder);

// The ABI version of the loaded library, to compare with `HALTBOX_ABI_VERSION`.
uint32_t haltbox_abi_version(void);

// The release of the loaded library, such as `1.2.3`. Static.
const char *haltbox_version(void);

// The text for a status. Static, and never NULL, whatever the number.
const char *haltbox_status_text(haltbox_status status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* HALTBOX_H */
