//! Disks in files: a file system of any kind, full when a test wants it full.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a disk is formatted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// Blocks stay with their file.
    Ext4,
    /// Files can share blocks, as `cp` makes them do by itself.
    Xfs,
    /// The same without that.
    XfsWithoutReflinks,
    /// Copies on write, and takes snapshots.
    Btrfs,
}

impl FileSystem {
    /// All of them.
    pub const ALL: [FileSystem; 4] = [
        FileSystem::Ext4,
        FileSystem::Xfs,
        FileSystem::XfsWithoutReflinks,
        FileSystem::Btrfs,
    ];

    fn make(self) -> (&'static str, &'static [&'static str]) {
        match self {
            FileSystem::Ext4 => ("mkfs.ext4", &["-q", "-F"]),
            FileSystem::Xfs => ("mkfs.xfs", &["-q", "-f", "-m", "reflink=1"]),
            FileSystem::XfsWithoutReflinks => ("mkfs.xfs", &["-q", "-f", "-m", "reflink=0"]),
            FileSystem::Btrfs => ("mkfs.btrfs", &["-q", "-f"]),
        }
    }
}

/// A mounted disk of 320 MB.
pub struct LoopDisk {
    folder: tempfile::TempDir,
}

impl LoopDisk {
    /// Makes and mounts it. Needs root, loop devices, and the kind's `mkfs`.
    pub fn mount(kind: FileSystem) -> LoopDisk {
        let disk = LoopDisk {
            folder: in_memory(),
        };
        let image = disk.folder.path().join("image");
        let file = fs::File::create(&image).expect("a file");
        file.set_len(320 << 20).expect("its length");
        fs::create_dir(disk.path()).expect("a folder");
        let (program, arguments) = kind.make();
        let made = done(Command::new(program).args(arguments).arg(&image));
        assert!(made, "this test needs `{program}`, to make {kind:?}");
        let mut mount = Command::new("mount");
        let mounted = done(mount.args(["-o", "loop"]).arg(&image).arg(disk.path()));
        assert!(
            mounted,
            "this test needs root and loop devices, to mount {kind:?} from a file"
        );
        disk
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Mounts what a disk holds, with these options beside `loop`. Needs root and loop
    /// devices. `None` if the system does not mount it.
    pub fn holding(bytes: &[u8], options: &str) -> Option<LoopDisk> {
        let disk = LoopDisk {
            folder: in_memory(),
        };
        let image = disk.folder.path().join("image");
        write_sparsely(&image, bytes);
        fs::create_dir(disk.path()).expect("a folder");
        let options = format!("loop,{options}");
        let mut mount = Command::new("mount");
        let mounted = done(mount.args(["-o", &options]).arg(&image).arg(disk.path()));
        mounted.then_some(disk)
    }

    /// Takes all the room there is.
    pub fn fill(&self) {
        for (name, size) in [("fill", "1M"), ("fill-rest", "4k"), ("fill-last", "512")] {
            let file = self.path().join(name);
            let mut fill = Command::new("dd");
            fill.arg("if=/dev/zero")
                .arg(format!("of={}", file.display()));
            done(fill.arg(format!("bs={size}")));
        }
        done(Command::new("sync").arg("-f").arg(self.path()));
    }

    /// Gives it back.
    pub fn free(&self) {
        for name in ["fill", "fill-rest", "fill-last"] {
            let _ = fs::remove_file(self.path().join(name));
        }
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        done(Command::new("umount").arg("-l").arg(self.path()));
    }
}

/// A folder in memory, if the system has one.
fn in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    folder.expect("a folder")
}

/// Leaves out what is zero.
fn write_sparsely(path: &Path, bytes: &[u8]) {
    const PIECE: usize = 1 << 16;
    let file = fs::File::create(path).expect("a file");
    file.set_len(bytes.len() as u64).expect("its length");
    let zeroes = [0; PIECE];
    for (number, piece) in bytes.chunks(PIECE).enumerate() {
        if piece != &zeroes[..piece.len()] {
            let at = (number * PIECE) as u64;
            file.write_all_at(piece, at).expect("a piece");
        }
    }
}

/// Runs a command in silence.
fn done(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
