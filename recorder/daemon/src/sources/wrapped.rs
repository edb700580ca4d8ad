//! Standard input from `haltbox run`, which reads the node's FIFO, and what that leaves
//! behind.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use haltbox_model::ShowPath;

use super::Came;
use super::fifo::Fifo;
use super::stdin::Stdin;

/// The memory of what is left begins with how much of it was taken.
const TAKEN: usize = size_of::<u64>();

/// The wrapper's pipe.
pub(crate) struct Wrapped {
    pipe: Stdin,
    /// The pipe ended: the wrapper went, or was killed.
    over: bool,
    /// Held open, so that the node does not get EPIPE if the wrapper dies.
    fifo: Fifo,
}

impl Wrapped {
    /// Takes standard input, and holds the FIFO.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn open(path: &Path) -> Result<Wrapped, String> {
        let pipe = Stdin::open()?;
        let fifo = Fifo::open(path);
        let fifo = fifo.map_err(|error| format!("cannot open {}: {error}", path.shown()))?;
        Ok(Wrapped {
            pipe,
            over: false,
            fifo,
        })
    }

    /// Reads what is there, at most one chunk. At the end the wrapper was killed.
    pub(crate) fn turn(&mut self, chunk: &mut [u8]) -> io::Result<Came> {
        Ok(match self.pipe.turn(chunk)? {
            // A wrapper that went in order said so before: that is heard first.
            Came::End if !self.over => {
                self.over = true;
                Came::Nothing
            }
            came => came,
        })
    }

    /// What to wait on.
    pub(crate) fn wait_on(&self) -> BorrowedFd<'_> {
        self.pipe.wait_on()
    }

    /// The node ended, and its wrapper will say no more.
    pub(crate) fn ended(self, rest: Rest) -> Left {
        Left {
            pipe: self.pipe,
            rest,
        }
    }

    /// The wrapper died. The node has its FIFO still, and writes on: until it
    /// ends, this process is the only one that reads there.
    pub(crate) fn died(self) -> Fifo {
        self.fifo.with_last_writer()
    }
}

/// The node ended: what is in the pipe, and what the pipe had no room for.
pub(crate) struct Left {
    pipe: Stdin,
    rest: Rest,
}

impl Left {
    /// Reads what is there, at most one chunk.
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

/// What the wrapper could not hand on, for one recorder after the other.
pub struct Rest(File);

impl Rest {
    /// Begins it in an empty file.
    ///
    /// # Errors
    /// What writing gives.
    pub fn begin(file: &mut File) -> io::Result<()> {
        file.write_all(&[0; TAKEN])
    }

    /// The one in this file.
    pub fn of(file: File) -> Rest {
        Rest(file)
    }

    /// Reads on behind what was taken. What is read counts as taken at once, as in
    /// a pipe: the next recorder reads no line again, and tells of a gap.
    ///
    /// # Errors
    /// What reading gives.
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
