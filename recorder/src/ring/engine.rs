//! The ways in which records get into the ring's file, and which one a file
//! system allows.
//!
//! A store into a mapped file can fail only by SIGBUS, which ends the process.
//! SIGBUS comes if the file system must find a new block for the page and the
//! disk is full. Allocating all blocks before does not help where files share
//! blocks: after a `cp`, a snapshot or a deduplication, the next store needs
//! new blocks. So a host's ring is mapped only where blocks stay with their
//! file.

use std::fs::File;
use std::io;

use nix::sys::statfs::{self, FsType, fstatfs};
use thiserror::Error;

use super::map::{is_no_copy_on_write, set_no_copy_on_write, xfs_shares_blocks};

/// How records get into the ring's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Each call copies into the mapped file. A kill loses nothing.
    Map,
    /// Each call writes to the file, and waits if the file system does. A kill
    /// loses nothing.
    Write,
    /// Each call copies into a queue in memory, and a thread writes that to the
    /// file. No call waits. A kill loses what the thread did not write yet.
    Queue,
}

/// A name that no engine has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected auto, map, write or queue, found {0:?}")]
pub struct NoEngine(String);

impl Engine {
    /// Reads the name of an engine from a setting. `Ok(None)` stands for
    /// `auto`.
    ///
    /// # Errors
    /// [`NoEngine`].
    pub fn by_name(name: &str) -> Result<Option<Engine>, NoEngine> {
        match name {
            "" | "auto" => Ok(None),
            "map" => Ok(Some(Engine::Map)),
            "write" => Ok(Some(Engine::Write)),
            "queue" => Ok(Some(Engine::Queue)),
            other => Err(NoEngine(other.to_owned())),
        }
    }
}

/// What a file system does with a file's blocks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// A block stays with the file. Stores need no new one.
    Firm,
    /// A copy of the file can share its blocks. The next write to them needs
    /// new ones.
    Shared(&'static str),
    /// Every write needs new blocks.
    Moving(&'static str),
    /// Unknown, also whether there is a disk at all.
    Unknown(String),
}

impl Ground {
    /// Examines the file system of `file`. Also turns copy-on-write off for an
    /// empty file on btrfs. That works only while the file is empty.
    pub(crate) fn of(file: &File) -> io::Result<Ground> {
        const XFS: FsType = FsType(0x5846_5342);
        Ok(match fstatfs(file)?.filesystem_type() {
            statfs::EXT4_SUPER_MAGIC | statfs::TMPFS_MAGIC => Ground::Firm,
            XFS if xfs_shares_blocks(file).is_ok_and(|shares| !shares) => Ground::Firm,
            XFS => Ground::Shared("XFS with reflinks"),
            statfs::BTRFS_SUPER_MAGIC if keeps_blocks(file)? => Ground::Shared("btrfs"),
            statfs::BTRFS_SUPER_MAGIC => Ground::Moving("btrfs with copy-on-write"),
            statfs::OVERLAYFS_SUPER_MAGIC => Ground::Moving("overlayfs"),
            FsType(0x2FC1_2FC1) => Ground::Moving("ZFS"),
            FsType(0xCA45_1A4E) => Ground::Moving("bcachefs"),
            statfs::NFS_SUPER_MAGIC => Ground::Unknown("NFS".to_owned()),
            statfs::FUSE_SUPER_MAGIC => Ground::Unknown("FUSE".to_owned()),
            FsType(0x0102_1997) => Ground::Unknown("9p".to_owned()),
            FsType(other) => Ground::Unknown(format!("a file system of type {other:#x}")),
        })
    }

    /// Name of the file system if a mapped ring is not safe on it.
    pub(crate) fn unsafe_name(&self) -> Option<&str> {
        match self {
            Ground::Firm => None,
            Ground::Shared(name) | Ground::Moving(name) => Some(name),
            Ground::Unknown(name) => Some(name),
        }
    }

    /// The engine for a ring here. `None` if a host must not have a ring here.
    ///
    /// `asked` decides, except that a host gets no map where each write needs
    /// new blocks or the rules are unknown.
    pub(crate) fn engine(&self, asked: Option<Engine>, in_host: bool) -> Option<Engine> {
        match (self, asked) {
            (Ground::Moving(_) | Ground::Unknown(_), Some(Engine::Map)) if in_host => None,
            (_, Some(asked)) => Some(asked),
            (Ground::Firm, None) => Some(Engine::Map),
            // A separate recorder may wait for the disk. In return it loses
            // nothing in a kill.
            (_, None) if !in_host => Some(Engine::Write),
            (Ground::Shared(_) | Ground::Moving(_), None) => Some(Engine::Queue),
            (Ground::Unknown(_), None) => None,
        }
    }
}

fn keeps_blocks(file: &File) -> io::Result<bool> {
    let empty = file.metadata()?.len() == 0;
    Ok(is_no_copy_on_write(file) || empty && set_no_copy_on_write(file).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_maps_only_where_blocks_stay() {
        let moving = Ground::Moving("btrfs with copy-on-write");
        let shared = Ground::Shared("XFS with reflinks");
        let unknown = Ground::Unknown("NFS".to_owned());
        let (map, write, queue) = (Some(Engine::Map), Some(Engine::Write), Some(Engine::Queue));
        assert_eq!(Ground::Firm.engine(None, true), map);
        assert_eq!(shared.engine(None, true), queue);
        assert_eq!(moving.engine(None, true), queue);
        assert_eq!(unknown.engine(None, true), None);
        assert_eq!(shared.engine(map, true), map);
        assert_eq!(moving.engine(map, true), None);
        assert_eq!(unknown.engine(queue, true), queue);
        for ground in [shared, moving, unknown] {
            assert_eq!(ground.engine(None, false), write, "{ground:?}");
        }
    }

    #[test]
    fn engines_have_names() {
        assert_eq!(Engine::by_name("auto"), Ok(None));
        assert_eq!(Engine::by_name("queue"), Ok(Some(Engine::Queue)));
        assert!(Engine::by_name("mmap").is_err_and(|why| why.to_string().contains("map, write")));
    }
}
