//! `haltbox cat`: the lines, byte for byte as the host gave them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use haltbox_format::{Profile, Stream};

use super::{Outcome, profile_for, shown};
use crate::placing::{Place, Placer, may_hold};
use crate::source::{self, Item, Line, Source};

/// Print the lines of a source, byte for byte as the host gave them.
#[derive(Args, Debug)]
pub struct CatArgs {
    /// A box, a ring, a recorder's folder, a flight-recorder.bin, a slog, or -.
    source: PathBuf,
    /// Only this height.
    #[arg(long)]
    height: Option<u64>,
    /// Only heights from here on.
    #[arg(long)]
    from_height: Option<u64>,
    /// Only heights up to here.
    #[arg(long)]
    to_height: Option<u64>,
    /// Only this attempt at a height.
    #[arg(long)]
    attempt: Option<u32>,
    /// Only this crank.
    #[arg(long)]
    crank: Option<u64>,
    /// Which stream: the slog, the node's log, or everything, node-local
    /// entries outside what is covered included.
    #[arg(long, default_value = "slog")]
    stream: Which,
    /// How to read the lines: agoric, cosmos, or a profile file.
    #[arg(long)]
    profile: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    Slog,
    Node,
    All,
}

impl CatArgs {
    fn selects_blocks(&self) -> bool {
        self.height.is_some()
            || self.from_height.is_some()
            || self.to_height.is_some()
            || self.attempt.is_some()
    }

    fn wants_stream(&self, line: &Line<'_>) -> bool {
        match self.stream {
            Which::All => true,
            Which::Slog => line.stream == Stream::Slog && !line.context,
            Which::Node => line.stream == Stream::Node,
        }
    }

    fn wants(&self, place: &Place) -> bool {
        let crank = self.crank.is_none_or(|crank| place.crank == Some(crank));
        let height = !self.selects_blocks() || place.of.is_some_and(|of| self.wants_block(of));
        crank && height
    }

    fn wants_block(&self, of: haltbox_format::mark::Attempt) -> bool {
        self.height.is_none_or(|height| of.height == height)
            && self.from_height.is_none_or(|from| of.height >= from)
            && self.to_height.is_none_or(|to| of.height <= to)
            && self.attempt.is_none_or(|attempt| of.attempt == attempt)
    }
}

/// Runs the command.
pub fn run(args: &CatArgs) -> anyhow::Result<Outcome> {
    let path = single(&args.source)?;
    let source = source::open(&path)?;
    let profile = profile_for(args.profile.as_deref(), &source)?;
    let mut out = io::BufWriter::with_capacity(256 << 10, io::stdout().lock());
    let mut cat = Cat::new(args, &profile, &source);
    source.read(&mut |item| {
        match item {
            Item::Line(line) => cat.line(&line, &mut out)?,
            Item::Hole(hole) => {
                cat.damaged |= hole.damage;
                if cat.holes < 20 {
                    eprintln!("haltbox: {}: {}", shown(&path), hole.text);
                }
                cat.holes += 1;
            }
        }
        Ok(true)
    })?;
    cat.release(None, &mut out)?;
    out.flush()?;
    if cat.selecting && !cat.printed {
        eprintln!(
            "haltbox: {} holds nothing of what was asked for",
            shown(&path)
        );
    }
    Ok(if cat.damaged {
        Outcome::Damaged
    } else {
        Outcome::Fine
    })
}

/// A folder means its ring, or its only member.
fn single(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let ring = path.join("ring");
    if ring.is_file() {
        return Ok(ring);
    }
    match source::members(path)?.as_slice() {
        [only] => Ok(only.clone()),
        many => {
            let names: Vec<String> = many.iter().map(|member| shown(member)).collect();
            anyhow::bail!(
                "{} holds {} sources; name one: {}",
                shown(path),
                many.len(),
                names.join(" ")
            )
        }
    }
}

struct Cat<'a> {
    args: &'a CatArgs,
    placer: Placer<'a>,
    profile: &'a Profile,
    selecting: bool,
    /// Lines that prepare a block which is not known yet.
    held: Vec<(Vec<u8>, bool)>,
    printed: bool,
    damaged: bool,
    holes: u64,
}

impl<'a> Cat<'a> {
    fn new(args: &'a CatArgs, profile: &'a Profile, source: &Source) -> Cat<'a> {
        Cat {
            args,
            placer: Placer::new(profile, source.blocks()),
            profile,
            selecting: args.selects_blocks() || args.crank.is_some(),
            held: Vec::new(),
            printed: false,
            damaged: false,
            holes: 0,
        }
    }

    fn line(&mut self, line: &Line<'_>, out: &mut dyn Write) -> io::Result<()> {
        let wanted = self.args.wants_stream(line);
        if !self.selecting {
            return if wanted {
                self.print(line.bytes, line.newline, out)
            } else {
                Ok(())
            };
        }
        let place = self.placer.place(line);
        if !wanted {
            return Ok(());
        }
        if place.of.is_none() && self.prepares_a_block(line) {
            self.held.push((line.bytes.to_vec(), line.newline));
            return Ok(());
        }
        self.release(Some(place), out)?;
        if self.args.wants(&place) {
            self.print(line.bytes, line.newline, out)
        } else {
            Ok(())
        }
    }

    /// Only where the lines themselves tell of blocks, and a block's first
    /// entries come before the one that names it.
    fn prepares_a_block(&self, line: &Line<'_>) -> bool {
        let canonical = self
            .profile
            .slog
            .as_ref()
            .is_some_and(|slog| slog.read(line.bytes).canonical);
        self.placer.derived().is_some() && canonical && may_hold(self.held.len())
    }

    /// Prints what was held if the block it prepared is wanted.
    fn release(&mut self, place: Option<Place>, out: &mut dyn Write) -> io::Result<()> {
        let of = place.and_then(|place| place.of);
        let wanted = of.is_some_and(|of| self.args.wants_block(of)) && self.args.crank.is_none();
        for (bytes, newline) in std::mem::take(&mut self.held) {
            if wanted {
                self.print(&bytes, newline, out)?;
            }
        }
        Ok(())
    }

    fn print(&mut self, bytes: &[u8], newline: bool, out: &mut dyn Write) -> io::Result<()> {
        self.printed = true;
        out.write_all(bytes)?;
        if newline {
            out.write_all(b"\n")
        } else {
            Ok(())
        }
    }
}
