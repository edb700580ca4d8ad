//! How records get into the ring's file, and which way a file system allows.
//!
//! A store into a mapped file can fail in one way only: by SIGBUS, which ends the process. It
//! does so where the file system has to find a block for the page and the disk is full. Blocks
//! that were allocated before are no help where files can share them: a `cp`, a snapshot or a
//! deduplication makes the next store need new ones. So a host's ring is mapped only where
//! blocks stay with their file.

use std::fs::File;
use std::io;

use nix::sys::statfs::{self, FsType, fstatfs};

use super::map::{is_no_copy_on_write, set_no_copy_on_write, xfs_shares_blocks};

/// How records get into the ring's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Each call copies into the mapped file. A kill loses nothing.
    Map,
    /// Each call writes to the file, and waits if the file system waits. A kill loses nothing.
    Write,
    /// Each call copies into a queue, which a thread writes to the file. No call waits; a kill
    /// loses what the thread had not written yet.
    Queue,
}

impl Engine {
    /// By the name that settings have for it; `None` in it for `auto`.
    ///
    /// # Errors
    /// The names there are.
    pub fn by_name(name: &str) -> Result<Option<Engine>, String> {
        match name {
            "" | "auto" => Ok(None),
            "map" => Ok(Some(Engine::Map)),
            "write" => Ok(Some(Engine::Write)),
            "queue" => Ok(Some(Engine::Queue)),
            other => Err(format!(
                "expected auto, map, write or queue, found {other:?}"
            )),
        }
    }
}

/// What a file's blocks do on its file system.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// They stay with the file.
    Firm,
    /// They can be shared with a copy; the next write to them needs new ones.
    Shared(&'static str),
    /// Every write needs new ones.
    Moving(&'static str),
    /// Whether there is a disk below, and which rules it has, is unknown.
    Unknown(String),
}

impl Ground {
    /// What `file` lies on. An empty file on btrfs is taken out of copy-on-write first: only an
    /// empty one can be.
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

    /// Its name, where a mapped ring is not safe.
    pub(crate) fn unsafe_name(&self) -> Option<&str> {
        match self {
            Ground::Firm => None,
            Ground::Shared(name) | Ground::Moving(name) => Some(name),
            Ground::Unknown(name) => Some(name),
        }
    }

    /// The engine for a ring here; `None` if a host must not have one. What was asked for
    /// counts, but for a map whose pages nothing protects.
    pub(crate) fn engine(&self, asked: Option<Engine>, in_host: bool) -> Option<Engine> {
        match (self, asked) {
            (Ground::Moving(_) | Ground::Unknown(_), Some(Engine::Map)) if in_host => None,
            (_, Some(asked)) => Some(asked),
            (Ground::Firm, None) => Some(Engine::Map),
            // A recorder of its own may wait, and loses nothing then.
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
        assert!(Engine::by_name("mmap").is_err_and(|why| why.contains("map, write")));
    }
}
