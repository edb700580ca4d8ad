//! Boots a machine: a kernel of the distribution, a first process in shell, the recorder
//! and its feeder.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::guest::slog::Template;
use crate::toolchain::needs;
use crate::{programs, root};

/// The disk of the machine.
pub const DISK: &str = "/dev/vda";
/// The node's log, which the disk does not hold.
pub const NODE_LOG: &str = "/run/node.log";
/// Size of the ring.
pub const RING_SIZE: &str = "8MiB";
/// The recorder's folder, on the disk.
pub const NODE: &str = "node";

/// Whether the node says of this height that the network has another AppHash.
pub fn is_blamed(height: u64) -> bool {
    height % 37 == 20
}

/// How a machine is booted.
pub struct Boot {
    /// Which boot it is.
    pub boot: u32,
    /// The first height that the node executes.
    pub from: u64,
    /// Decides the pace.
    pub seed: u64,
    /// What the disk is formatted with.
    pub kind: &'static str,
    /// How it is mounted.
    pub options: &'static str,
    /// Hundredths of a second after which a page is written back.
    pub expire: u64,
    /// Where the file system ends on the disk.
    pub marks: usize,
    /// The disk has a write cache.
    pub cache: bool,
    /// The recorder that is to run.
    pub recorder: PathBuf,
}

/// A machine that runs. It loses its power when this is dropped.
pub struct Machine {
    child: Child,
    console: PathBuf,
}

impl Machine {
    /// Boots one. `folder` has the disk's socket, and gets the console's text.
    pub fn boot(folder: &Path, boot: &Boot, template: &Template) -> Machine {
        let memory = folder.join("initramfs");
        fs::write(&memory, boot.initramfs(template)).expect("an initramfs");
        let console = folder.join(format!("console-{}", boot.boot));
        let disk = folder.join("disk");
        let cache = if boot.cache { "on" } else { "off" };
        let child = Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg", "-cpu", "max", "-m", "512"])
            .args(["-smp", "2", "-nodefaults", "-display", "none", "-no-reboot"])
            .args(["-append", "console=ttyS0 quiet panic=-1", "-kernel"])
            .args([&kernel(), Path::new("-initrd"), &memory])
            .args(["-serial", &format!("file:{}", console.display())])
            .arg("-drive")
            .arg(format!(
                "file=nbd+unix:///?socket={},format=raw,if=none,id=d",
                disk.display()
            ))
            .arg("-device")
            .arg(format!("virtio-blk-pci,drive=d,write-cache={cache}"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.join("qemu.log")).expect("a file"))
            .spawn()
            .expect("qemu starts");
        Machine { child, console }
    }

    /// What it said.
    pub fn console(&self) -> String {
        let folder = self.console.parent().expect("its folder");
        let read = |path: &Path| fs::read(path).unwrap_or_default();
        let said = [read(&folder.join("qemu.log")), read(&self.console)].concat();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// It has not ended by itself.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fails with what the machine lacks.
pub fn needs_a_machine() {
    needs("qemu-system-x86_64");
    needs("busybox");
    kernel();
}

/// The folder that `.ci/guest-kernel` makes.
fn kernel_folder() -> PathBuf {
    root().join("target/guest-kernel")
}

fn kernel() -> PathBuf {
    let boot = fs::read_dir(kernel_folder().join("boot"));
    let files = boot.expect("this test needs a guest kernel: .ci/guest-kernel fetches it");
    let mut paths = files.map(|file| file.expect("a file").path());
    let is_kernel = |path: &PathBuf| path.to_string_lossy().contains("/vmlinuz");
    paths.find(is_kernel).expect("a kernel")
}

impl Boot {
    fn init(&self, modules: &[String]) -> String {
        let insert: String = modules
            .iter()
            .map(|name| format!("insmod /{name}\n"))
            .collect();
        let looks = self.expire / 4;
        let Boot {
            boot,
            from,
            seed,
            kind,
            options,
            expire,
            marks,
            ..
        } = self;
        format!(
            "#!/bin/busybox sh\n\
             /bin/busybox --install -s /bin\n\
             mount -t proc proc /proc\n\
             mount -t sysfs sys /sys\n\
             mount -t devtmpfs dev /dev\n\
             {insert}\
             echo {looks} > /proc/sys/vm/dirty_writeback_centisecs\n\
             echo {expire} > /proc/sys/vm/dirty_expire_centisecs\n\
             mount -t {kind} -o {options} {DISK} /disk || exit\n\
             exec /guest-feeder /haltbox-record /template /disk/{NODE} {boot} {from} {seed} {marks}\n"
        )
    }

    fn initramfs(&self, template: &Template) -> Vec<u8> {
        let mut archive = Archive(Vec::new());
        for folder in ["bin", "proc", "sys", "dev", "disk", "run", "tmp"] {
            archive.folder(folder);
        }
        let feeder = stripped(&programs().join("guest-feeder"));
        let recorder = stripped(&self.recorder);
        archive.file("guest-feeder", &feeder);
        archive.file("haltbox-record", &recorder);
        let busybox = which("busybox");
        let programs = [&programs().join("guest-feeder"), &self.recorder, &busybox];
        let libraries = programs.map(|program| libraries(program));
        for library in libraries.into_iter().flatten().collect::<BTreeSet<_>>() {
            archive.file_with_folders(&library);
        }
        archive.file("bin/busybox", &fs::read(&busybox).expect("busybox"));
        archive.file("template", template.text().as_bytes());
        let modules = modules(self.kind);
        for (name, bytes) in &modules {
            archive.file(name, bytes);
        }
        let names: Vec<String> = modules.into_iter().map(|(name, _)| name).collect();
        archive.file("init", self.init(&names).as_bytes());
        archive.end()
    }
}

/// A program without its debug information.
fn stripped(program: &Path) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("stripped");
    let mut strip = Command::new("strip");
    let done = strip.arg("-o").arg(&to).arg(program).status();
    assert!(done.expect("strip runs").success(), "{program:?}");
    fs::read(to).expect("a program")
}

/// The shared libraries of a program, and what loads them.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let told = Command::new("ldd").arg(program).output().expect("ldd runs");
    let told = String::from_utf8(told.stdout).expect("text");
    let paths = told.split_whitespace().filter(|word| word.starts_with('/'));
    paths.map(PathBuf::from).collect()
}

fn which(program: &str) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::split_paths(&folders).map(|folder| folder.join(program));
    let mut found = paths.filter(|path| path.is_file());
    found
        .next()
        .unwrap_or_else(|| panic!("this test needs {program}"))
}

/// Modules that the kernel does not have built in, in the order in which they load.
fn modules(kind: &str) -> Vec<(String, Vec<u8>)> {
    let virtio = [
        "virtio_ring",
        "virtio",
        "virtio_pci_legacy_dev",
        "virtio_pci_modern_dev",
    ];
    let disk = [
        "virtio_pci",
        "virtio_blk",
        "libcrc32c",
        "crc16",
        "mbcache",
        "jbd2",
    ];
    let found = files_below(&kernel_folder().join("lib/modules"));
    let named = virtio.into_iter().chain(disk).chain([kind]);
    let module = |name: &str| {
        let is = |path: &&PathBuf| {
            path.file_name().is_some_and(|file| {
                file.to_string_lossy()
                    .split_once(".ko")
                    .is_some_and(|(own, _)| own.replace('-', "_") == name)
            })
        };
        let path = found.iter().find(is)?;
        let bytes = fs::read(path).expect("a module");
        let bytes = match path.extension().is_some_and(|end| end == "zst") {
            true => zstd::decode_all(&bytes[..]).expect("a module"),
            false => bytes,
        };
        Some((format!("{name}.ko"), bytes))
    };
    named.filter_map(module).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let nested = |path: PathBuf| match path.is_dir() && !path.is_symlink() {
        true => files_below(&path),
        false => vec![path],
    };
    paths.flat_map(nested).collect()
}

/// An archive as the kernel unpacks it: cpio, in its `newc` form.
struct Archive(Vec<u8>);

impl Archive {
    fn folder(&mut self, name: &str) {
        self.entry(name, 0o40755, &[]);
    }

    fn file(&mut self, name: &str, bytes: &[u8]) {
        self.entry(name, 0o100_755, bytes);
    }

    fn file_with_folders(&mut self, path: &Path) {
        let name = path.strip_prefix("/").expect("an absolute path");
        let mut above: Vec<&Path> = name.ancestors().skip(1).collect();
        above.pop();
        for folder in above.into_iter().rev() {
            self.folder(&folder.to_string_lossy());
        }
        self.file(&name.to_string_lossy(), &fs::read(path).expect("a library"));
    }

    fn entry(&mut self, name: &str, mode: u32, bytes: &[u8]) {
        let sizes = [0, 0, 0, 0, name.len() + 1, 0];
        let head = [0, mode as usize, 0, 0, 1, 0, bytes.len()];
        self.0.extend_from_slice(b"070701");
        for number in head.into_iter().chain(sizes) {
            write!(self.0, "{number:08X}").expect("memory");
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(0);
        self.align();
        self.0.extend_from_slice(bytes);
        self.align();
    }

    fn align(&mut self) {
        let length = self.0.len().next_multiple_of(4);
        self.0.resize(length, 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.0
    }
}
