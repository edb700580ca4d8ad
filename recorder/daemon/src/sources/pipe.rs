//! Pipes: their size, and reading without waiting.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Size of a pipe in bytes. It covers short stalls; it is not for throughput.
const PIPE_SIZE: i32 = 1 << 20;

/// Makes a pipe larger, never smaller: its holder may have made it larger than
/// this.
pub(crate) fn widen(pipe: &impl AsFd) {
    let size = fcntl(pipe.as_fd(), FcntlArg::F_GETPIPE_SZ);
    if size.is_ok_and(|size| size < PIPE_SIZE) {
        let _ = fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
    }
}

/// Reads without waiting. `None` if nothing is there.
pub(crate) fn read_now(file: &mut File, chunk: &mut [u8]) -> io::Result<Option<usize>> {
    match file.read(chunk) {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a descriptor that stays blocking, because it may be a terminal or
/// shared with another process. Polls first. `None` if nothing is there.
pub(crate) fn read_ready(file: &mut File, chunk: &mut [u8]) -> io::Result<Option<usize>> {
    let ready = {
        let mut waiting = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
        poll(&mut waiting, PollTimeout::ZERO)? > 0
    };
    if ready {
        read_now(file, chunk)
    } else {
        Ok(None)
    }
}
