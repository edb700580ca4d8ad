//! The functions of the header. Their comments are its documentation.
//!
//! The outer function turns pointers into references inside the border, the
//! inner work is plain Rust.
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

/// The ABI that this header describes; the SONAME of the shared library ends in it.
pub const HALTBOX_ABI_VERSION: u32 = 1;

/// Opens or makes the ring in `options->dir` and begins to record.
///
/// `*out` gets the recorder, or NULL if anything but `HALTBOX_OK` is returned:
/// the host goes on without (every call takes a NULL recorder and answers
/// `HALTBOX_CLOSED`). `error` (NULL allowed) gets what was found, what was
/// expected and what to do; after `HALTBOX_OK` it is empty, or holds what the
/// operator should hear of: a ring that was set aside, a thread that could not
/// be started. Nothing of `options` is used after the call.
///
/// May take a second: it allocates the ring when there is none, and reads its
/// marks when there is one.
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

/// The execution of a block begins.
///
/// `block_time_ns`: the block's own time, in nanoseconds since 1970, the same on
/// every node. `input_digest`: 32 bytes, a digest of what the block brings (its
/// transactions, its proposal), or NULL. A height that was begun before begins
/// another attempt at it.
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

/// Records one entry of what the host executes: one line of JSON, an object
/// whose first member is `type`, as the profile reads it.
///
/// `length` bytes, copied before the call returns. A line end at their end is left
/// out; one inside parts them in two entries. Bytes that are no JSON are kept as
/// they are. `bytes` may be NULL if `length` is 0.
///
/// What was recorded when the call returns survives the end of the process, by
/// `kill -9` too, unless the engine is the queue. It takes one lock and copies; it
/// neither waits for the disk (but see `HALTBOX_ENGINE_WRITE`) nor allocates for an
/// entry that marks nothing.
///
/// Answers `HALTBOX_OK` or `HALTBOX_DROPPED`.
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

/// Lends a part of the ring, in which the host lays entries itself: for languages that pay
/// for each call. With `span` NULL the host gives back what it has.
///
/// In it the host writes one record behind another as docs/format.md tells (*Record*; of the
/// main lane, kind 1, no flag): payload and sequence number, then the commit word in one
/// aligned release store, then into `*laid`, in a release store too, the bytes of all records
/// laid so far, padding included. From the commit word on the record survives the end of the
/// process. Only entries of the types `tx-*`, `op-*` and `branch*` may be laid, of at most
/// 65536 bytes and without a line end. Every other call takes over what was laid before.
///
/// The lending ends with the next call of `haltbox_lend`, `haltbox_record`, `haltbox_begin_block`,
/// `haltbox_crank`, `haltbox_end_block`, `haltbox_commit` or `haltbox_abort` by any thread: the
/// host sees to it that it lays nothing from the beginning of such a call on. It gives back
/// before `haltbox_close`; if it does not, the ring stays mapped for the life of the process.
/// The child of a fork must lay nothing: what is lent is not mapped there.
///
/// Answers `HALTBOX_OK`, also with nothing (`span->length` is 0): not now, ask again behind the
/// next `haltbox_record`.
/// Errors: `HALTBOX_NOT_LENT` (never with this ring: it is not mapped, the profile takes such
/// entries for marks), `HALTBOX_BAD_ARGUMENT` and those of all calls.
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

/// Records one line of the node's log; otherwise as `haltbox_record`.
///
/// The lines go to a lane of their own, where they cannot push out a block. What the
/// profile's `node` section knows in them (a consensus failure, a panic) pins the
/// block it is about.
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

/// A crank, or whatever part of a block has digests of its own, ended.
///
/// `number` counts them on, the same on every node. `crankhash`: 32 bytes, a digest
/// of what this part wrote. `activityhash`: 32 bytes, a chain over all crankhashes.
/// Neither may be NULL.
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

/// The execution of a block ended.
///
/// `app_hash`: this node's AppHash after it, 1 to 64 bytes, if it is known by then;
/// `NULL, 0` if not.
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

/// The state of a block is durable. Ends its execution if nothing else did.
///
/// `app_hash`: this node's AppHash after it, 1 to 64 bytes; `NULL, 0` if it is not
/// known or was given to `haltbox_end_block`. The commit of height H + 1 releases H.
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

/// What the network decided for a height that was executed: the AppHash in the
/// header of the next height.
///
/// `network_app_hash`: 1 to 64 bytes. Equal to this node's, it releases the block and
/// all below it (`HALTBOX_OK`). Different, it pins the block (`HALTBOX_DIFFERS`);
/// call `haltbox_diverged` if the difference is proved. `HALTBOX_UNKNOWN`: this node's
/// is not known, and nothing was released.
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

/// The execution of a height was thrown away: an optimistic one whose proposal was
/// not decided. Its entries stay until the height is executed again.
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

/// It is proved that a height differs: it is pinned until a black box holds it.
///
/// `expected` and `got` are named as CometBFT names them: what this node has, and
/// what the header brought; 1 to 64 bytes each. `reason`: what differs, in UTF-8, as
/// `AppHash` or `LastResultsHash`, of which 128 bytes are kept; NULL: `AppHash`.
/// It waits for nothing and writes no box: see `background` and `haltbox_freeze`.
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

/// Writes the black box of a height and waits until it is durable. The one call
/// that waits for the disk: seconds for a large ring. Other threads go on recording.
///
/// `height` 0: the block an operator would mean, which is the one that diverged, is
/// pinned, or was executed last. `out_path` gets the path of the box: `out_path_size`
/// must be at least the length of `options->dir` and 80 bytes more; `NULL, 0` if it
/// is not wanted. A box that is there already is not written again, and is no error.
/// `error` (NULL allowed) says why there is none.
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

/// Takes what the background thread has to tell the operator, for the host's own
/// log: the message of a box that it wrote, or why it wrote none. Each is given once,
/// the oldest first; ask now and then, as nothing of it is printed.
///
/// `message` gets lines of UTF-8 that end in a NUL, or an empty string if there is
/// nothing to tell; cut to `size`: 1024 bytes, twice the length of `options->dir` and
/// that of `options->upload_hint` are enough.
///
/// Errors: `HALTBOX_BAD_ARGUMENT` and those of all calls. After an error `message`
/// is empty. What was not taken before `haltbox_close` stands in
/// boxes/CONSENSUS_FAILURE.txt alone.
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
                return Err(Refusal::Argument("message: expected room, found none"));
            }
            let taken = recorder.with(HostRecorder::take_message)?;
            // A node's words for its failure may hold a NUL.
            let taken = taken.unwrap_or_default().replace('\0', " ");
            border::put_text(message.cast(), size, taken.as_bytes());
            Ok(HALTBOX_OK)
        })
    }
}

/// How recording stands. `stats->struct_size` must be set.
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

/// Has the kernel begin to write the ring to the disk; waits only where the disk's
/// queue is full.
/// Only a power cut makes a difference: what was recorded survives the end of the
/// process in any case.
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

/// Closes the ring in order and sets `*recorder` to NULL. Both pointers may be NULL.
/// With the queue it waits a second at most for what is not written yet; the thread
/// goes on with that alone, and holds the ring's lock until it is done.
///
/// Calls of other threads end or answer `HALTBOX_CLOSED`, also through copies of the
/// pointer and for ever: what it points to, some 100 bytes, stays. A box that
/// another thread is writing is finished by that thread. A recorder that is broken is
/// closed too.
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

/// The ABI of the library that is loaded, to be compared with `HALTBOX_ABI_VERSION`.
#[unsafe(no_mangle)]
pub extern "C" fn haltbox_abi_version() -> u32 {
    HALTBOX_ABI_VERSION
}

/// The release of the library that is loaded, as `1.2.3`. Static.
#[unsafe(no_mangle)]
pub extern "C" fn haltbox_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// A status in words. Static, never NULL, for every number.
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

/// Bytes of the longest path that a box can have, its NUL included.
fn longest_path(host: &HostRecorder) -> usize {
    const NAME: usize = "/boxes/".len() + 72;
    host.dir().as_os_str().len() + NAME + 1
}

#[cfg(test)]
mod tests;
