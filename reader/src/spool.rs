//! Copies sources that can be read only once: pipes, FIFOs, sockets, standard input. The copy
//! is a file without a name. Every command must recognise the kind of a source, and most read
//! it more than once.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use haltbox_model::ShowPath;

/// Limit of a copy in bytes: an endless stream must not fill the disk.
const SPOOL_MAX: u64 = 16 << 30;

/// How long to wait until a process opens a FIFO for writing.
const WRITER_AWAITED: Duration = Duration::from_secs(5);

/// The user is told of a copy that takes longer.
const QUIET: Duration = Duration::from_secs(2);

/// Whether a path can be read only once.
pub(crate) fn reads_once(path: &Path) -> io::Result<bool> {
    let kind = path.metadata()?.file_type();
    Ok(!kind.is_file() && !kind.is_dir())
}

/// Copies all of it. Returns a path under which the copy can be read repeatedly. The copy has
/// no name in any folder and disappears with the process.
///
/// A copy that takes long is reported to `say`.
pub(crate) fn spool(path: &Path, say: &dyn Fn(&str)) -> io::Result<PathBuf> {
    match path == Path::new("-") {
        true => copy(io::stdin().lock(), path, say),
        false => copy(open(path)?, path, say),
    }
}

/// Opens a path to copy. A FIFO that nobody writes would block for ever, so the wait has a
/// limit.
fn open(path: &Path) -> io::Result<File> {
    let kind = path.metadata()?.file_type();
    if kind.is_block_device() || kind.is_char_device() {
        return Err(io::Error::other(
            "it is a device; copy what it holds into a file",
        ));
    }
    if !kind.is_fifo() {
        return File::open(path);
    }
    let (sender, opened) = mpsc::channel();
    let wanted = path.to_owned();
    std::thread::spawn(move || sender.send(File::open(wanted)));
    opened.recv_timeout(WRITER_AWAITED).unwrap_or_else(|_| {
        let seconds = WRITER_AWAITED.as_secs();
        let why =
            format!("it is a FIFO, and no process opened it for writing within {seconds} seconds");
        Err(io::Error::new(io::ErrorKind::TimedOut, why))
    })
}

fn copy(mut from: impl Read, path: &Path, say: &dyn Fn(&str)) -> io::Result<PathBuf> {
    let mut file = tempfile::tempfile()?;
    let (begun, mut reported, mut copied) = (Instant::now(), false, 0_u64);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let len = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        copied += len as u64;
        if copied > SPOOL_MAX {
            let why = format!("it delivers more than {SPOOL_MAX} bytes; name a file instead");
            return Err(io::Error::other(why));
        }
        file.write_all(buffer.get(..len).unwrap_or_default())
            .map_err(|error| {
                io::Error::other(format!("cannot write the temporary copy: {error}"))
            })?;
        if !reported && begun.elapsed() > QUIET {
            reported = true;
            say(&format!(
                "{} can be read only once: copying it to {} until it ends",
                path.shown(),
                std::env::temp_dir().shown()
            ));
        }
    }
    file.rewind()?;
    let copy = PathBuf::from(format!("/dev/fd/{}", file.as_raw_fd()));
    // The file stays open to the end of the process, because its descriptor is its only name.
    std::mem::forget(file);
    Ok(copy)
}
