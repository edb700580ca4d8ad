//! What to open, as C says it and as the recorder takes it.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use haltbox_format::Profile;
use haltbox_recorder::after_freeze::AfterFreeze;
use haltbox_recorder::host::{Background, DEFAULT_SIZE, Options};
use haltbox_recorder::ring::engine::Engine;
use haltbox_recorder::triggers::Policy;

use crate::status::Refusal;

/// What to record, and where. Set it to zeroes, then `struct_size` and `dir`.
///
/// A field that is 0 or NULL has its default. Later versions add fields at the
/// end: a shorter struct is taken as if the rest were zeroes; in a longer one,
/// what this library does not know must be zero, else `HALTBOX_TOO_NEW`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct haltbox_options {
    /// `sizeof(haltbox_options)`.
    pub struct_size: usize,
    /// The folder of ring, boxes and archive; made, with mode 0700, if it is not
    /// there. On ext4 or tmpfs nothing is lost when the process is killed; see `engine`
    /// for XFS, btrfs and others. Never under a node's `data/`, which operators reset.
    /// Required.
    pub dir: *const c_char,
    /// Bytes of the ring, 4 MiB to 1 TiB, allocated when it is made; 0: 256 MiB.
    pub ring_size: u64,
    /// How entries are read: `host`, `agoric`, `cosmos`, or the path of a profile
    /// file (docs/profile.md). NULL: `host`.
    pub profile: *const c_char,
    /// Path of the node's executable, whose digest goes into the boxes. NULL: none.
    pub node_program: *const c_char,
    /// With `background`: where people should upload a box, in UTF-8, for the
    /// message at a halt. NULL: none.
    pub upload_hint: *const c_char,
    /// With `background`: bytes that the archive of released blocks may have. 0:
    /// 2 GiB; `UINT64_MAX`: no archive.
    pub archive_bytes: u64,
    /// With `background`: seconds that a mismatch without proof has to last until
    /// it is frozen. 0: 60.
    pub persist_seconds: u32,
    /// 1: threads freeze what diverged, archive, and make the ring's pages
    /// present before a call needs them. 0: no threads; a divergence is pinned
    /// until `haltbox_freeze`, or a `haltbox record --attach` beside the host, has
    /// made its box.
    pub background: u32,
    /// How records get into the ring's file: one of `HALTBOX_ENGINE_*`. 0: as the
    /// file system allows.
    pub engine: u32,
    /// 0.
    pub reserved: u32,
}

/// Map where a full disk cannot end the process by that (ext4, tmpfs, XFS made without
/// reflinks), else the queue.
pub const HALTBOX_ENGINE_AUTO: u32 = 0;
/// A call copies into the mapped file. Nothing that a call returned from is lost when
/// the process ends. Where files can share blocks (XFS, btrfs), a full disk then gives
/// SIGBUS or makes a call wait.
pub const HALTBOX_ENGINE_MAP: u32 = 1;
/// A call writes to the file: some microseconds, and as long as the file system takes,
/// which can be seconds while a disk fills. Nothing is lost when the process ends.
pub const HALTBOX_ENGINE_WRITE: u32 = 2;
/// A call copies into memory; a thread writes that to the file, also where `background`
/// is 0. No call waits. `kill -9` loses what was not written yet: the last milliseconds,
/// or up to 32 MiB while the disk takes no writes; then entries are dropped.
pub const HALTBOX_ENGINE_QUEUE: u32 = 3;

const ARCHIVE: u64 = 2 << 30;
const NO_ARCHIVE: u64 = u64::MAX;

/// The same, its strings read.
pub struct Asked<'a> {
    pub dir: Option<&'a CStr>,
    pub profile: Option<&'a CStr>,
    pub node_program: Option<&'a CStr>,
    pub upload_hint: Option<&'a CStr>,
    /// The fields that are numbers.
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

/// The profile, and its text if it is a file's.
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
