//! The functions of the header. Their comments are its documentation.
//!
//! Each outer function turns pointers into references inside [`border`]. The work behind
//! it is plain Rust.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_void};
use std::os::unix::ffi::OsStrExt;

use haltbox_format::AppHash;
use haltbox_recorder::host::{Agreement, HostRecorder, Kept};

use crate::border;
use crate::border::haltbox_error;
use crate::handle::haltbox;
use crate::options::haltbox_options;
use crate::span::haltbox_span;
use crate::stats::haltbox_stats;
use crate::status::{
    HALTBOX_DIFFERS, HALTBOX_DROPPED, HALTBOX_FORKED, HALTBOX_OK, HALTBOX_UNKNOWN, Refusal,
    haltbox_status, text,
};

/// The ABI version of this header. The SONAME of the shared library ends in it.
pub const HALTBOX_ABI_VERSION: u32 = 1;

/// Opens or creates the ring in `options->dir` and starts to record.
///
/// `*out` gets the recorder, or NULL if anything but `HALTBOX_OK` is returned. The host can
/// then go on without recording: every call takes a NULL recorder and returns
/// `HALTBOX_CLOSED`. `error` (may be NULL) gets what was found, what was expected and what to
/// do. After `HALTBOX_OK` it is empty or holds notices for the operator, such as a ring that
/// was moved aside or a thread that could not be started. `options` is not used after the call.
///
/// May take a second: the call allocates a new ring, or reads the marks of an existing one.
///
/// Errors: `HALTBOX_BAD_ARGUMENT`, `HALTBOX_TOO_NEW`, `HALTBOX_PROFILE`,
/// `HALTBOX_LOCKED`, `HALTBOX_FILE_SYSTEM`, `HALTBOX_NO_SPACE`, `HALTBOX_IO`,
/// `HALTBOX_BROKEN`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_open(
    options: *const haltbox_options,
    out: *mut *mut haltbox,
    error: *mut haltbox_error,
) -> haltbox_status {
    let outcome = border::guard(|| {
        if out.is_null() {
            return Err(Refusal::Argument("out: expected a pointer, found NULL"));
        }
        // SAFETY: it is not NULL, and the caller vouches for it.
        unsafe { out.write(std::ptr::null_mut()) };
        // SAFETY: the caller vouches for the struct and its strings.
        let options = unsafe { border::options(options) }?.into_options()?;
        let (recorder, notices) = HostRecorder::open(options)?;
        // SAFETY: as above.
        unsafe { out.write(haltbox::new(recorder)) };
        Ok(notices.join("; "))
    });
    // SAFETY: the caller vouches for `error`.
    unsafe { border::answer(error, outcome) }
}

/// Records that the execution of a block begins.
///
/// `block_time_ns`: the block's own time, in nanoseconds since 1970, the same on every node.
/// `input_digest`: a digest of 32 bytes of the block's input (its transactions, its proposal),
/// or NULL. If the height was begun before, this begins another attempt.
///
/// Errors: `HALTBOX_MARKED_BY_ENTRIES` and those of all calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_begin_block(
    recorder: *mut haltbox,
    height: u64,
    block_time_ns: i64,
    input_digest: *const u8,
) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`, and for the digest's 32 bytes.
    unsafe {
        border::on(recorder, |recorder| {
            let input = border::digest(input_digest);
            let begun = recorder.with(|host| host.begin_block(height, block_time_ns, input));
            Ok(kept(begun?))
        })
    }
}

/// Records one entry of what the host executes: one line of JSON, an object whose first member
/// is `type`, as the profile reads it.
///
/// The call copies `length` bytes before it returns. A line end after the last byte is dropped;
/// a line end before that splits the bytes into two entries. Bytes that are not JSON are kept
/// as they are. `bytes` may be NULL if `length` is 0.
///
/// Once the call has returned, the entry survives the end of the process, even by `kill -9`,
/// unless the engine is the queue. The call takes one lock and copies. It does not wait for the
/// disk (except with `HALTBOX_ENGINE_WRITE`), and does not allocate for an entry that marks
/// nothing.
///
/// Returns `HALTBOX_OK` or `HALTBOX_DROPPED`.
/// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_record(
    recorder: *mut haltbox,
    bytes: *const c_void,
    length: usize,
) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`, and for `length` bytes.
    unsafe {
        border::on(recorder, |recorder| {
            let bytes = border::bytes(bytes.cast(), length)?;
            Ok(kept(recorder.with(|host| host.record(bytes))?))
        })
    }
}

/// Lends a part of the ring, into which the host writes entries itself: for languages in which
/// each call is expensive. With `span` NULL the host gives back what was lent.
///
/// The host writes one record after another as docs/format.md specifies (*Record*; of the main
/// lane, kind 1, no flag): payload and sequence number; then the commit word, in one aligned
/// release store; then into `*laid`, also in a release store, the bytes of all records written
/// so far, padding included. From the commit word on, the record survives the end of the
/// process. Only entries of the types `tx-*`, `op-*` and `branch*` are allowed, of at most
/// 65536 bytes and without a line end. Every other call takes over what was written before.
///
/// The lending ends with the next call of `haltbox_lend`, `haltbox_record`,
/// `haltbox_begin_block`, `haltbox_crank`, `haltbox_end_block`, `haltbox_commit` or
/// `haltbox_abort` by any thread: from the beginning of such a call on, the host must write
/// nothing. The host must give the part back before `haltbox_close`; if it does not, the ring
/// stays mapped until the process ends. The child of a fork must write nothing: the part is
/// not mapped there.
///
/// Returns `HALTBOX_OK` also if nothing can be lent now (`span->length` is 0): ask again after
/// the next `haltbox_record`.
/// Errors: `HALTBOX_NOT_LENT` (this ring is never lent: it is not mapped, or the profile reads
/// such entries as marks), `HALTBOX_BAD_ARGUMENT` and those of all calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_lend(
    recorder: *mut haltbox,
    span: *mut haltbox_span,
) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`, and for the struct's own size.
    unsafe {
        border::on(recorder, |recorder| {
            if span.is_null() {
                recorder.with(HostRecorder::end_lending)?;
                return Ok(HALTBOX_OK);
            }
            let laid = recorder.laid();
            let lent = recorder.with(|host| host.lend(laid))?;
            border::put_span(span, haltbox_span::of(lent, laid))?;
            Ok(HALTBOX_OK)
        })
    }
}

/// Records one line of the node's log; otherwise like `haltbox_record`.
///
/// The lines go to a separate lane, where they cannot displace a block. A line that the
/// profile's `node` section recognizes (a consensus failure, a panic) pins the block that it
/// is about.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_log(
    recorder: *mut haltbox,
    bytes: *const c_void,
    length: usize,
) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`, and for `length` bytes.
    unsafe {
        border::on(recorder, |recorder| {
            let bytes = border::bytes(bytes.cast(), length)?;
            Ok(kept(recorder.with(|host| host.log(bytes))?))
        })
    }
}

/// Records the end of a crank, or of any part of a block that has digests of its own.
///
/// `number` counts these parts, the same on every node. `crankhash`: 32 bytes, a digest of what
/// this part wrote. `activityhash`: 32 bytes, a hash chain over all crankhashes. Neither may be
/// NULL.
///
/// Errors: `HALTBOX_BAD_ARGUMENT`, `HALTBOX_MARKED_BY_ENTRIES` and those of all calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_crank(
    recorder: *mut haltbox,
    number: u64,
    crankhash: *const u8,
    activityhash: *const u8,
) -> haltbox_status {
    const MISSING: Refusal = Refusal::Argument("a digest: expected 32 bytes, found NULL");
    // SAFETY: the caller vouches for `recorder`, and for 32 bytes of each digest.
    unsafe {
        border::on(recorder, |recorder| {
            let crankhash = border::digest(crankhash).ok_or(MISSING)?;
            let activityhash = border::digest(activityhash).ok_or(MISSING)?;
            let ended = recorder.with(|host| host.crank(number, crankhash, activityhash));
            Ok(kept(ended?))
        })
    }
}

/// Records that the execution of a block ended.
///
/// `app_hash`: this node's AppHash after the block, 1 to 64 bytes; `NULL, 0` if it is not known
/// yet.
///
/// Errors: `HALTBOX_BAD_ARGUMENT`, `HALTBOX_MARKED_BY_ENTRIES` and those of all calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_end_block(
    recorder: *mut haltbox,
    height: u64,
    app_hash: *const u8,
    length: usize,
) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`, and for `length` bytes.
    unsafe {
        border::on(recorder, |recorder| {
            let app_hash = border::app_hash(app_hash, length)?;
            Ok(kept(
                recorder.with(|host| host.end_block(height, app_hash))?,
            ))
        })
    }
}

/// Records that the state of a block is durable. Also ends its execution if no other call did.
///
/// `app_hash`: this node's AppHash after the block, 1 to 64 bytes; `NULL, 0` if it is not known
/// or was given to `haltbox_end_block`. The commit of height H + 1 releases H.
///
/// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_commit(
    recorder: *mut haltbox,
    height: u64,
    app_hash: *const u8,
    length: usize,
) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`, and for `length` bytes.
    unsafe {
        border::on(recorder, |recorder| {
            let app_hash = border::app_hash(app_hash, length)?;
            Ok(kept(recorder.with(|host| host.commit(height, app_hash))?))
        })
    }
}

/// Records what the network decided for a height that was executed: the AppHash in the header
/// of the next height.
///
/// `network_app_hash`: 1 to 64 bytes. If it equals this node's AppHash, the call releases the
/// block and all below it (`HALTBOX_OK`). If it differs, the call pins the block
/// (`HALTBOX_DIFFERS`); call `haltbox_diverged` if the difference is proved. If this node's
/// AppHash is not known, nothing is released (`HALTBOX_UNKNOWN`).
///
/// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_confirm(
    recorder: *mut haltbox,
    height: u64,
    network_app_hash: *const u8,
    length: usize,
) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`, and for `length` bytes.
    unsafe {
        border::on(recorder, |recorder| {
            let network = some_hash(border::app_hash(network_app_hash, length)?)?;
            let agreement = recorder.with(|host| host.confirm(height, network))?;
            Ok(match agreement {
                Agreement::Equal => HALTBOX_OK,
                Agreement::Differs => HALTBOX_DIFFERS,
                Agreement::Unknown => HALTBOX_UNKNOWN,
            })
        })
    }
}

/// Records that the execution of a height was discarded: for example an optimistic one, whose
/// proposal was not decided. Its entries stay until the height is executed again.
///
/// Errors: those of all calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_abort(recorder: *mut haltbox, height: u64) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`.
    unsafe {
        border::on(recorder, |recorder| {
            Ok(kept(recorder.with(|host| host.abort(height))?))
        })
    }
}

/// Records that a height is proved to differ. The block stays pinned until a black box holds it.
///
/// `expected` and `got` are named as in CometBFT: `expected` is what this node has, `got` is
/// what the header has; 1 to 64 bytes each. `reason`: what differs, in UTF-8, such as `AppHash`
/// or `LastResultsHash`, of which 128 bytes are kept; NULL: `AppHash`. The call does not wait
/// and writes no box: see `background` and `haltbox_freeze`.
///
/// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_diverged(
    recorder: *mut haltbox,
    height: u64,
    expected: *const u8,
    expected_length: usize,
    got: *const u8,
    got_length: usize,
    reason: *const c_char,
) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`, the lengths and the string's end.
    unsafe {
        border::on(recorder, |recorder| {
            let expected = some_hash(border::app_hash(expected, expected_length)?)?;
            let got = some_hash(border::app_hash(got, got_length)?)?;
            let reason = border::text(reason).unwrap_or(c"AppHash");
            let reason = String::from_utf8_lossy(border::cut(reason.to_bytes(), 128));
            recorder.with(|host| host.diverged(height, expected, got, &reason))?;
            Ok(HALTBOX_OK)
        })
    }
}

/// Writes the black box of a height and waits until it is durable. This is the one call that
/// waits for the disk: seconds for a large ring. Other threads can record meanwhile.
///
/// `height` 0: the block that diverged, is pinned, or was executed last. `out_path` gets the
/// path of the box; `out_path_size` must be at least the length of `options->dir` and 80 bytes
/// more. Give `NULL, 0` if the path is not needed. A box that exists already is not written
/// again; this is no error. `error` (may be NULL) gets the reason if there is no box.
///
/// Errors: `HALTBOX_BAD_ARGUMENT`, `HALTBOX_NOTHING`, `HALTBOX_NO_SPACE`,
/// `HALTBOX_NOT_FROZEN` and those of all calls. After an error `out_path` is empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_freeze(
    recorder: *mut haltbox,
    height: u64,
    out_path: *mut c_char,
    out_path_size: usize,
    error: *mut haltbox_error,
) -> haltbox_status {
    // SAFETY: the caller vouches for all four.
    unsafe {
        border::put_text(out_path.cast(), out_path_size, b"");
        border::tell(error, "");
        border::explain(recorder, error, |recorder| {
            let host = recorder.share()?;
            if !out_path.is_null() && out_path_size < longest_path(&host) {
                return Err(Refusal::Argument(
                    "out_path_size: expected the length of the folder's path and 80 bytes more",
                ));
            }
            let frozen = host.freeze((height > 0).then_some(height))?;
            let path = frozen.path.as_os_str().as_bytes();
            border::put_text(out_path.cast(), out_path_size, path);
            Ok(HALTBOX_OK)
        })
    }
}

/// Takes one message of the background thread for the operator, for the host's own log: that a
/// box was written, or why it was not. Each message is given once, the oldest first. Call this
/// now and then: nothing is printed.
///
/// `message` gets lines of UTF-8 that end in a NUL, or an empty string if there is no message.
/// The text is cut to `size` bytes; 1024, plus twice the length of `options->dir`, plus the
/// length of `options->upload_hint` are enough.
///
/// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls. After an error `message` is empty. A
/// message that was not taken before `haltbox_close` is only in boxes/CONSENSUS_FAILURE.txt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_take_message(
    recorder: *mut haltbox,
    message: *mut c_char,
    size: usize,
) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`, and for `size` bytes.
    unsafe {
        border::put_text(message.cast(), size, b"");
        border::on(recorder, |recorder| {
            if message.is_null() || size == 0 {
                return Err(Refusal::Argument("message: expected a buffer, found none"));
            }
            let taken = recorder.with(HostRecorder::take_message)?;
            // A node's text about its failure may contain a NUL.
            let taken = taken.unwrap_or_default().replace('\0', " ");
            border::put_text(message.cast(), size, taken.as_bytes());
            Ok(HALTBOX_OK)
        })
    }
}

/// Reads the state of the recording. `stats->struct_size` must be set.
///
/// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_stats_read(
    recorder: *mut haltbox,
    stats: *mut haltbox_stats,
) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`, and for the struct's own size.
    unsafe {
        border::on(recorder, |recorder| {
            let size = border::struct_size(stats.cast())?;
            let found = recorder.with(HostRecorder::stats)?;
            border::put_stats(stats, size, &haltbox_stats::of(&found, size));
            Ok(HALTBOX_OK)
        })
    }
}

/// Makes the kernel start to write the ring to the disk. Waits only if the disk's queue is
/// full. This matters only for a power cut: what was recorded survives the end of the process
/// in any case.
///
/// Errors: those of all calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_flush(recorder: *mut haltbox) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`.
    unsafe {
        border::on(recorder, |recorder| {
            recorder.with(HostRecorder::flush)?;
            Ok(HALTBOX_OK)
        })
    }
}

/// Closes the ring and sets `*recorder` to NULL. Both pointers may be NULL. With the queue, the
/// call waits at most a second for what is not written yet; the thread then writes the rest
/// alone, and holds the ring's lock until it is done.
///
/// Calls of other threads end or return `HALTBOX_CLOSED`. This stays true for all copies of the
/// pointer: the memory that it points to, about 100 bytes, is never freed. A thread that is
/// writing a box finishes it. A recorder that has failed is closed too.
///
/// Errors: `HALTBOX_FORKED` (`*recorder` stays as it is), `HALTBOX_BROKEN`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_close(recorder: *mut *mut haltbox) -> haltbox_status {
    // SAFETY: the caller vouches for what is not NULL.
    unsafe {
        let Some(place) = recorder.as_mut().filter(|place| !place.is_null()) else {
            return HALTBOX_OK;
        };
        let status = border::on(*place, |recorder| {
            recorder.close()?;
            Ok(HALTBOX_OK)
        });
        if status != HALTBOX_FORKED {
            *place = std::ptr::null_mut();
        }
        status
    }
}

/// The ABI version of the loaded library, to compare with `HALTBOX_ABI_VERSION`.
#[unsafe(no_mangle)]
pub extern "C" fn haltbox_abi_version() -> u32 {
    HALTBOX_ABI_VERSION
}

/// The release of the loaded library, such as `1.2.3`. Static.
#[unsafe(no_mangle)]
pub extern "C" fn haltbox_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The text for a status. Static, and never NULL, whatever the number.
#[unsafe(no_mangle)]
pub extern "C" fn haltbox_status_text(status: haltbox_status) -> *const c_char {
    text(status).as_ptr()
}

/// Panics inside a call.
#[cfg(feature = "test-panic")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn haltbox_test_panic(recorder: *mut haltbox) -> haltbox_status {
    // SAFETY: the caller vouches for `recorder`.
    unsafe {
        border::on(recorder, |recorder| {
            Ok(recorder.with(|_| std::panic::panic_any("asked for by a test"))?)
        })
    }
}

fn kept(kept: Kept) -> haltbox_status {
    match kept {
        Kept::Whole => HALTBOX_OK,
        Kept::Dropped => HALTBOX_DROPPED,
    }
}

fn some_hash(hash: Option<AppHash>) -> Result<AppHash, Refusal> {
    hash.ok_or(Refusal::Argument(
        "AppHash: expected 1 to 64 bytes, found none",
    ))
}

/// Length of the longest path that a box can have, with its NUL.
fn longest_path(host: &HostRecorder) -> usize {
    const NAME: usize = "/boxes/".len() + 72;
    host.dir().as_os_str().len() + NAME + 1
}

#[cfg(test)]
mod tests;
