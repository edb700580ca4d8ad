//! The border: turns arguments of C into types that Rust can trust, and a panic into a
//! status.
//!
//! Every pointer is read or written here. The functions cannot check that a non-NULL
//! pointer points to what the header says. The caller guarantees it; each function's `#
//! Safety` says what.
#![allow(unsafe_code)]

use std::any::Any;
use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use haltbox_format::{AppHash, Digest};
use haltbox_recorder::host::HostError;

use crate::handle::haltbox;
use crate::options::{Asked, haltbox_options};
use crate::shield::Uncancelled;
use crate::span::haltbox_span;
use crate::stats::haltbox_stats;
use crate::status::{HALTBOX_BROKEN, HALTBOX_OK, Refusal, haltbox_status};

/// Buffer for the text of an error. The caller owns it.
#[repr(C)]
pub struct haltbox_error {
    /// UTF-8, cut to fit, always NUL-terminated.
    pub message: [c_char; 256],
}

/// Longest struct of this ABI, in bytes. A greater `struct_size` is a mistake.
const LONGEST_STRUCT: usize = 4096;

/// Runs the inside of a call; `None` if it panicked.
pub fn guard<R>(inside: impl FnOnce() -> R) -> Option<R> {
    let _uncancelled = Uncancelled::begin();
    let result = catch_unwind(AssertUnwindSafe(inside));
    result.map_err(discard).ok()
}

/// Drops the payload of a panic. It is a value of the panicking code, and its drop may
/// panic again; then it is leaked.
fn discard(carried: Box<dyn Any + Send>) {
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(carried)));
    let _ = dropped.map_err(std::mem::forget);
}

/// Runs a call on a recorder. After a panic the recorder refuses every call.
///
/// # Safety
/// `recorder` is NULL or comes from [`haltbox::new`].
pub unsafe fn on(
    recorder: *const haltbox,
    inside: impl FnOnce(&'static haltbox) -> Result<haltbox_status, Refusal>,
) -> haltbox_status {
    // SAFETY: it is NULL or was leaked by `haltbox::new`, so it is valid for the
    // life of the process, and it is only ever shared.
    let Some(recorder) = (unsafe { recorder.as_ref() }) else {
        return Refusal::Host(HostError::Closed).status();
    };
    match guard(|| inside(recorder)) {
        Some(Ok(status)) => status,
        Some(Err(refusal)) => refusal.status(),
        None => {
            recorder.disable();
            HALTBOX_BROKEN
        }
    }
}

/// Like [`on`], and writes the reason of a failure to `error`.
///
/// # Safety
/// As [`on`], and as [`tell`].
pub unsafe fn explain(
    recorder: *const haltbox,
    error: *mut haltbox_error,
    inside: impl FnOnce(&haltbox) -> Result<haltbox_status, Refusal>,
) -> haltbox_status {
    let mut said = false;
    // SAFETY: the caller vouches for both.
    unsafe {
        let status = on(recorder, |recorder| {
            let outcome = inside(recorder);
            if let Err(refusal) = &outcome {
                tell(error, &refusal.to_string());
                said = true;
            }
            outcome
        });
        if status < HALTBOX_OK && !said {
            tell(error, &crate::status::text(status).to_string_lossy());
        }
        status
    }
}

/// The bytes of an argument; empty for a length of 0.
///
/// # Safety
/// `bytes` is NULL or has `length` bytes that nobody changes during the call.
pub unsafe fn bytes<'a>(bytes: *const u8, length: usize) -> Result<&'a [u8], Refusal> {
    if length == 0 {
        return Ok(&[]);
    }
    if bytes.is_null() {
        return Err(Refusal::Argument("bytes: expected a pointer, found NULL"));
    }
    if isize::try_from(length).is_err() {
        return Err(Refusal::Argument("length: larger than any buffer can be"));
    }
    // SAFETY: it is not NULL, the caller vouches for its bytes, and their number
    // fits an isize.
    Ok(unsafe { slice::from_raw_parts(bytes, length) })
}

/// A digest of 32 bytes; `None` for NULL.
///
/// # Safety
/// `digest` is NULL or has 32 bytes.
pub unsafe fn digest(digest: *const u8) -> Option<Digest> {
    // SAFETY: an array of bytes needs no alignment, and the caller vouches for 32.
    let digest = unsafe { digest.cast::<[u8; 32]>().as_ref() };
    digest.copied().map(Digest)
}

/// An AppHash; `None` for a length of 0.
///
/// # Safety
/// As [`bytes`].
pub unsafe fn app_hash(hash: *const u8, length: usize) -> Result<Option<AppHash>, Refusal> {
    // SAFETY: the caller vouches for it.
    let hash = unsafe { bytes(hash, length) }?;
    if hash.is_empty() {
        return Ok(None);
    }
    let hash = AppHash::new(hash).ok_or(Refusal::Argument("AppHash: expected 1 to 64 bytes"))?;
    Ok(Some(hash))
}

/// A string; `None` for NULL.
///
/// # Safety
/// `text` is NULL or ends in a NUL, and nobody changes it during the call.
pub unsafe fn text<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: it is not NULL here, and the caller vouches for its end.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

/// Reads the caller's options struct, of any version.
///
/// # Safety
/// `options` is NULL or has as many bytes as its first field says; its strings
/// are as for [`text`].
pub unsafe fn options<'a>(options: *const haltbox_options) -> Result<Asked<'a>, Refusal> {
    const KNOWN: usize = size_of::<haltbox_options>();
    const LEAST: usize = std::mem::offset_of!(haltbox_options, ring_size);
    // SAFETY: the caller vouches for the first field.
    let size = unsafe { struct_size(options.cast()) }?;
    if size < LEAST || !size.is_multiple_of(align_of::<haltbox_options>()) {
        return Err(Refusal::Argument(
            "options.struct_size: expected sizeof(haltbox_options)",
        ));
    }
    // SAFETY: the caller vouches for `size` bytes. The slice has those from KNOWN on, if
    // any.
    let tail = unsafe {
        let start = options.cast::<u8>().add(size.min(KNOWN));
        slice::from_raw_parts(start, size.saturating_sub(KNOWN))
    };
    if tail.iter().any(|byte| *byte != 0) {
        return Err(Refusal::TooNew(size, KNOWN));
    }
    let mut known = MaybeUninit::<haltbox_options>::zeroed();
    // SAFETY: at most `size` bytes are read, which the caller vouches for, and at
    // most KNOWN are written; a haltbox_options of zeroes is valid, and whole
    // fields replace its first ones, as `size` is a multiple of the alignment.
    let known = unsafe {
        let target = known.as_mut_ptr().cast::<u8>();
        target.copy_from_nonoverlapping(options.cast(), size.min(KNOWN));
        known.assume_init()
    };
    // SAFETY: the caller vouches for the strings.
    Ok(unsafe {
        Asked {
            dir: text(known.dir),
            profile: text(known.profile),
            node_program: text(known.node_program),
            upload_hint: text(known.upload_hint),
            numbers: known,
        }
    })
}

/// Fills the caller's span.
///
/// # Safety
/// `out` is not NULL and has as many bytes as its first field says.
pub unsafe fn put_span(out: *mut haltbox_span, span: haltbox_span) -> Result<(), Refusal> {
    // SAFETY: the caller vouches for the first field.
    let size = unsafe { struct_size(out.cast()) }?;
    if size < size_of::<haltbox_span>() {
        return Err(Refusal::Argument(
            "span.struct_size: expected sizeof(haltbox_span)",
        ));
    }
    // SAFETY: the caller vouches for `size` bytes, which are enough.
    unsafe {
        out.write_unaligned(haltbox_span {
            struct_size: size,
            ..span
        })
    };
    Ok(())
}

/// Size of a struct, read from its first field.
///
/// # Safety
/// `first` is NULL or can be read.
pub unsafe fn struct_size(first: *const usize) -> Result<usize, Refusal> {
    if first.is_null() {
        return Err(Refusal::Argument("expected a struct, found NULL"));
    }
    // SAFETY: it is not NULL, and the caller vouches for it.
    let size = unsafe { first.read_unaligned() };
    if !(size_of::<usize>()..=LONGEST_STRUCT).contains(&size) {
        return Err(Refusal::Argument(
            "struct_size: expected the size of the struct",
        ));
    }
    Ok(size)
}

/// Fills the caller's stats struct, of any version.
///
/// # Safety
/// `out` has `size` bytes that can be written.
pub unsafe fn put_stats(out: *mut haltbox_stats, size: usize, stats: &haltbox_stats) {
    const KNOWN: usize = size_of::<haltbox_stats>();
    // SAFETY: the two writes stay within the `size` bytes that the caller vouches
    // for, and the read within `stats`, which the caller's struct is not.
    unsafe {
        let out = out.cast::<u8>();
        let own = std::ptr::from_ref(stats).cast::<u8>();
        out.copy_from_nonoverlapping(own, size.min(KNOWN));
        out.add(size.min(KNOWN))
            .write_bytes(0, size.saturating_sub(KNOWN));
    }
}

/// Writes a message into the caller's buffer, if there is one. It is cut between two
/// characters and ends with a NUL.
///
/// # Safety
/// `error` is NULL or can be written.
pub unsafe fn tell(error: *mut haltbox_error, message: &str) {
    // SAFETY: the caller vouches for it, and every byte of it may be written.
    unsafe { put_text(error.cast(), size_of::<haltbox_error>(), message.as_bytes()) };
}

/// Writes text and a NUL into `room` bytes. UTF-8 is cut between two characters.
///
/// # Safety
/// `out` is NULL or has `room` bytes that can be written.
pub unsafe fn put_text(out: *mut u8, room: usize, text: &[u8]) {
    let Some(most) = room.checked_sub(1).filter(|_| !out.is_null()) else {
        return;
    };
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let cut = cut(text, most);
    // SAFETY: `cut` is shorter than `room`, so that the NUL fits behind it.
    unsafe {
        out.copy_from_nonoverlapping(cut.as_ptr(), cut.len());
        out.add(cut.len()).write(0);
    }
}

/// The beginning of a text, at most `most` bytes, not ending within a character.
pub fn cut(text: &[u8], most: usize) -> &[u8] {
    let is_inside = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
    let mut end = most.min(text.len());
    while end > 0 && is_inside(&end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The result of a call with a buffer for a message: writes the message, returns the
/// status.
///
/// # Safety
/// As [`tell`].
pub unsafe fn answer(
    error: *mut haltbox_error,
    outcome: Option<Result<String, Refusal>>,
) -> haltbox_status {
    let (status, message) = match outcome {
        Some(Ok(notices)) => (HALTBOX_OK, notices),
        Some(Err(refusal)) => (refusal.status(), refusal.to_string()),
        None => (HALTBOX_BROKEN, HostError::Broken.to_string()),
    };
    // SAFETY: the caller vouches for it.
    unsafe { tell(error, &message) };
    status
}
