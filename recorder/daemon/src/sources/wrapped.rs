//! Standard input from `haltbox run`, which reads the node's FIFO, and what
//! `haltbox run` leaves at its end.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use super::Came;
use super::fifo::Fifo;
use super::stdin::Stdin;

/// The memory of the rest begins with a number of this length: the bytes that
/// were read of it.
const TAKEN: usize = size_of::<u64>();

/// The pipe from the wrapper.
pub(crate) struct Wrapped {
    pipe: Stdin,
    /// Whether the pipe ended, because the wrapper exited or was killed.
    over: bool,
    /// Held open, so that the node gets no EPIPE if the wrapper dies.
    fifo: Fifo,
}

impl Wrapped {
    /// The pipe is standard input. The FIFO is the node's.
    pub(crate) fn new(pipe: Stdin, fifo: Fifo) -> Wrapped {
        Wrapped {
            pipe,
            over: false,
            fifo,
        }
    }

    /// Reads at most one chunk. `End` means that the wrapper was killed.
    pub(crate) fn turn(&mut self, chunk: &mut [u8]) -> io::Result<Came> {
        Ok(match self.pipe.turn(chunk)? {
            // A wrapper that ended in order said so over the link. Let the
            // caller read that first.
            Came::End if !self.over => {
                self.over = true;
                Came::Nothing
            }
            came => came,
        })
    }

    /// The descriptor to wait on.
    pub(crate) fn wait_on(&self) -> BorrowedFd<'_> {
        self.pipe.wait_on()
    }

    /// Says that the node ended and that its wrapper sends nothing more.
    pub(crate) fn ended(self, rest: Rest) -> Left {
        Left {
            pipe: self.pipe,
            rest,
        }
    }

    /// Says that the wrapper died. The node still writes into its FIFO, and
    /// this process is the only reader until the node ends.
    pub(crate) fn died(self) -> Fifo {
        self.fifo.with_last_writer()
    }
}

/// What is left after the node's end: the bytes in the pipe, and those that the
/// pipe had no room for.
pub(crate) struct Left {
    pipe: Stdin,
    rest: Rest,
}

impl Left {
    /// Reads at most one chunk.
    pub(crate) fn turn(&mut self, chunk: &mut [u8]) -> io::Result<Came> {
        Ok(match self.pipe.turn(chunk)? {
            Came::Bytes(count) => Came::Bytes(count),
            _ => match self.rest.read(chunk)? {
                0 => Came::End,
                count => Came::Bytes(count),
            },
        })
    }
}

/// Bytes that the wrapper could not pass on. Several recorders can read them,
/// one after the other.
pub struct Rest(File);

impl Rest {
    /// Begins it in an empty file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(file: &mut File) -> io::Result<()> {
        file.write_all(&[0; TAKEN])
    }

    /// Opens it in a file that has it.
    pub fn of(file: File) -> Rest {
        Rest(file)
    }

    /// Reads the next bytes. They count as read at once, as in a pipe: the next
    /// recorder reads none of them again, and reports a gap.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let mut taken = [0; TAKEN];
        self.0.read_exact_at(&mut taken, 0)?;
        let taken = u64::from_le_bytes(taken);
        let count = self.0.read_at(chunk, TAKEN as u64 + taken)?;
        let taken = taken + count as u64;
        self.0.write_all_at(&taken.to_le_bytes(), 0)?;
        Ok(count)
    }
}
