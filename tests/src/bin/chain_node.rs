//! A made-up node as a process of its own: writes its slog to SLOGFILE and its
//! log to standard output, block after block, and knows in a file what it
//! committed.
//!
//!     chain-node STATE
//!
//! STATE is a folder. `committed` in it holds a height; at the one in `fails` the
//! network has another AppHash: consensus fails, and fails again after every
//! restart, until that file says otherwise.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use haltbox_tests::Random;
use haltbox_tests::node::{Format, Node, Version, wrong};

fn main() -> io::Result<()> {
    let state = PathBuf::from(std::env::args_os().nth(1).expect("a folder"));
    let slog = std::env::var_os("SLOGFILE").expect("SLOGFILE");
    let slog = File::options().create(true).append(true).open(slog)?;
    let mut chain = Chain {
        node: Node::new(Format::Console, Version::V038),
        slog,
        random: Random(u64::from(std::process::id())),
    };
    chain.node.start();
    chain.write()?;
    let mut height = number(&state.join("committed")).unwrap_or(0);
    // A node that was killed before its last block was durable executes it again.
    if height > 0 && chain.random.below(2) == 0 {
        chain.block(height)?;
    }
    loop {
        if number(&state.join("fails")) == Some(height) {
            chain.fail(height)?;
            chain.stand_still(&state, height)?;
        }
        height += 1;
        chain.block(height)?;
        commit(&state, height)?;
    }
}

struct Chain {
    node: Node,
    slog: File,
    random: Random,
}

impl Chain {
    fn block(&mut self, height: u64) -> io::Result<()> {
        self.node.block(height);
        self.write()
    }

    fn fail(&mut self, height: u64) -> io::Result<()> {
        let words = "precommit step; +2/3 prevoted for an invalid block";
        self.node.refuse(height, 0);
        self.node
            .fail(&format!("{words}: {}", wrong("AppHash", height)));
        self.write()
    }

    /// The process lives on without consensus.
    fn stand_still(&mut self, state: &Path, height: u64) -> io::Result<()> {
        while number(&state.join("fails")) == Some(height) {
            let fields = [("module", "pex"), ("numToDial", "10")];
            self.node.say("INF", "Ensure peers", &fields);
            self.write()?;
        }
        Ok(())
    }

    /// Writes what the node has to say in pieces, with pauses: a kill may come
    /// anywhere.
    fn write(&mut self) -> io::Result<()> {
        let slog = std::mem::take(&mut self.node.slog);
        let log = std::mem::take(&mut self.node.log);
        for part in slog.as_bytes().chunks(200) {
            self.slog.write_all(part)?;
            self.pause();
        }
        for line in log.split_inclusive('\n') {
            io::stdout().write_all(line.as_bytes())?;
            io::stdout().flush()?;
            self.pause();
        }
        Ok(())
    }

    fn pause(&mut self) {
        std::thread::sleep(Duration::from_micros(self.random.below(8_000)));
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn commit(state: &Path, height: u64) -> io::Result<()> {
    let new = state.join("committed.new");
    fs::write(&new, height.to_string())?;
    fs::rename(new, state.join("committed"))
}
