//! Converts the options of C to those of the recorder.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use haltbox_model::Profile;
use haltbox_recorder::after_freeze::AfterFreeze;
use haltbox_recorder::host::{Background, DEFAULT_SIZE, Options};
use haltbox_recorder::ring::engine::Engine;
use haltbox_recorder::triggers::Policy;

use crate::status::Refusal;

/// What to record, and where. Set it to zeroes, then set `struct_size` and `dir`.
///
/// A field that is 0 or NULL has its default. Later versions add fields at the end. In a
/// shorter struct, the missing fields count as zero; in a longer one, fields that this library
/// does not know must be zero, else the call returns `HALTBOX_TOO_NEW`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct haltbox_options {
    /// `sizeof(haltbox_options)`.
    pub struct_size: usize,
    /// The folder for ring, boxes and archive, created with mode 0700 if it does not exist. On
    /// ext4 or tmpfs nothing is lost when the process is killed; for XFS, btrfs and others see
    /// `engine`. Do not put it under a node's `data/`, which operators reset. Required.
    pub dir: *const c_char,
    /// Size of the ring in bytes, 4 MiB to 1 TiB, allocated when it is created. 0: 256 MiB.
    pub ring_size: u64,
    /// How entries are read: `host`, `agoric`, `cosmos`, or the path of a profile
    /// file (docs/profile.md). NULL: `host`.
    pub profile: *const c_char,
    /// Path of the node's executable; its digest is stored in the boxes. NULL: none.
    pub node_program: *const c_char,
    /// With `background`: where to upload a box, for the message at a halt, in UTF-8. NULL: none.
    pub upload_hint: *const c_char,
    /// With `background`: maximum size in bytes of the archive of released blocks. 0: 2 GiB;
    /// `UINT64_MAX`: no archive.
    pub archive_bytes: u64,
    /// With `background`: seconds that a mismatch without proof must last before it is frozen.
    /// 0: 60.
    pub persist_seconds: u32,
    /// 1: threads freeze blocks that diverged, archive released blocks, and fault in the ring's
    /// pages before a call needs them. 0: no threads; a block that diverged is pinned until
    /// `haltbox_freeze`, or a `haltbox record --attach` beside the host, has written its box.
    pub background: u32,
    /// How records are written to the ring's file: one of `HALTBOX_ENGINE_*`. 0: chosen by file
    /// system.
    pub engine: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// `HALTBOX_ENGINE_MAP` on file systems where a full disk cannot kill a process that maps the
/// file (ext4, tmpfs, XFS made without reflinks), else `HALTBOX_ENGINE_QUEUE`.
pub const HALTBOX_ENGINE_AUTO: u32 = 0;
/// A call copies into the mapped file. Once the call has returned, nothing of it is lost when
/// the process ends. Where files can share blocks (XFS, btrfs), a full disk can raise SIGBUS or
/// make a call wait.
pub const HALTBOX_ENGINE_MAP: u32 = 1;
/// A call writes to the file. It takes some microseconds, or as long as the file system needs,
/// which can be seconds while a disk fills up. Nothing is lost when the process ends.
pub const HALTBOX_ENGINE_WRITE: u32 = 2;
/// A call copies into memory, and a thread writes that to the file, even if `background` is 0.
/// No call waits. `kill -9` loses what is not written yet: the last milliseconds, or up to
/// 32 MiB while the disk accepts no writes. When these 32 MiB are full, entries are dropped.
pub const HALTBOX_ENGINE_QUEUE: u32 = 3;

const ARCHIVE: u64 = 2 << 30;
const NO_ARCHIVE: u64 = u64::MAX;

/// The options with their strings read.
pub struct Asked<'a> {
    pub dir: Option<&'a CStr>,
    pub profile: Option<&'a CStr>,
    pub node_program: Option<&'a CStr>,
    pub upload_hint: Option<&'a CStr>,
    /// The struct itself; only its numbers are used.
    pub numbers: haltbox_options,
}

impl Asked<'_> {
    pub fn into_options(self) -> Result<Options, Refusal> {
        let dir = self.dir.map(path).unwrap_or_default();
        if dir.as_os_str().is_empty() {
            return Err(Refusal::Argument(
                "options.dir: expected the path of a folder, found none",
            ));
        }
        let background = self.background()?;
        let engine = self.engine()?;
        let (profile, profile_text) = profile(self.profile)?;
        Ok(Options {
            dir,
            size: or_default(self.numbers.ring_size, DEFAULT_SIZE),
            profile,
            profile_text,
            node_program: self.node_program.map(path),
            engine,
            background,
        })
    }

    fn engine(&self) -> Result<Option<Engine>, Refusal> {
        Ok(match (self.numbers.engine, self.numbers.reserved) {
            (HALTBOX_ENGINE_AUTO, 0) => None,
            (HALTBOX_ENGINE_MAP, 0) => Some(Engine::Map),
            (HALTBOX_ENGINE_WRITE, 0) => Some(Engine::Write),
            (HALTBOX_ENGINE_QUEUE, 0) => Some(Engine::Queue),
            _ => {
                return Err(Refusal::Argument(
                    "options.engine: expected HALTBOX_ENGINE_AUTO, _MAP, _WRITE or _QUEUE",
                ));
            }
        })
    }

    fn background(&self) -> Result<Option<Background>, Refusal> {
        let numbers = &self.numbers;
        let upload_hint = self.upload_hint()?;
        match numbers.background {
            0 => return Ok(None),
            1 => {}
            _ => {
                return Err(Refusal::Argument(
                    "options.background: expected 0 (no threads) or 1",
                ));
            }
        }
        let seconds = or_default(u64::from(numbers.persist_seconds), 60);
        Ok(Some(Background {
            archive_bytes: match numbers.archive_bytes {
                NO_ARCHIVE => 0,
                bytes => or_default(bytes, ARCHIVE),
            },
            triggers: Policy {
                time: Duration::from_secs(seconds),
                ..Policy::default()
            },
            after_freeze: AfterFreeze {
                upload_hint,
                ..AfterFreeze::default()
            },
        }))
    }

    fn upload_hint(&self) -> Result<Option<String>, Refusal> {
        let text = self.upload_hint.map(CStr::to_str).transpose();
        let text = text.map_err(|_| Refusal::Argument("options.upload_hint: expected UTF-8"))?;
        Ok(text.map(str::to_owned))
    }
}

fn or_default(value: u64, default: u64) -> u64 {
    if value == 0 { default } else { value }
}

fn path(text: &CStr) -> PathBuf {
    Path::new(OsStr::from_bytes(text.to_bytes())).to_owned()
}

/// The profile, and the text of its file if it is not builtin.
fn profile(name: Option<&CStr>) -> Result<(Profile, Option<Vec<u8>>), Refusal> {
    let name = name.unwrap_or(c"host");
    let shown = name.to_string_lossy();
    if let Ok(builtin) = Profile::builtin(&shown) {
        return Ok((builtin, None));
    }
    let text = std::fs::read(path(name)).map_err(|error| {
        Refusal::Profile(format!(
            "cannot read the profile {shown}: {error}; builtin ones are agoric, cosmos and host"
        ))
    })?;
    let profile = Profile::parse(&text, &shown);
    let profile = profile.map_err(|error| Refusal::Profile(error.to_string()))?;
    Ok((profile, Some(text)))
}
