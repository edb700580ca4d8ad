//! `haltbox cat`: prints the lines, byte for byte as the host wrote them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use haltbox_format::Stream;
use haltbox_model::{Profile, ShowPath};

use super::selected::Selected;
use super::{Outcome, output, profile_for, single};
use haltbox_reader::blackbox::{BoxItem, BoxStream};
use haltbox_reader::selection::{Selection, Selector};
use haltbox_reader::source::{self, Hole, Item, Line, Source};

/// Print the lines of a source, byte for byte as the host wrote them.
#[derive(Args, Debug)]
pub struct CatArgs {
    /// A box, ring, recorder folder, flight-recorder.bin or slog; - reads standard input.
    source: PathBuf,
    #[command(flatten)]
    selected: Selected,
    /// Stream to print: slog; node (the node's log); all (both, and the node-local entries
    /// outside the covered blocks); evidence (what nodes answered when the box was made).
    #[arg(long, default_value = "slog")]
    stream: Which,
    /// Profile to read the lines with: agoric, cosmos, host, another builtin one, or a file.
    /// Default: the one that the source names, else agoric.
    #[arg(long)]
    profile: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    Slog,
    Node,
    All,
    Evidence,
}

impl CatArgs {
    fn wants_stream(&self, line: &Line<'_>) -> bool {
        match self.stream {
            Which::All => true,
            Which::Slog => line.stream == Stream::Slog && !line.context,
            Which::Node => line.stream == Stream::Node,
            Which::Evidence => false,
        }
    }
}

/// Runs the command.
pub fn run(args: &CatArgs) -> anyhow::Result<Outcome> {
    let path = single(&args.source)?;
    let mut source = source::open_once(&path, &output::say)?;
    let selection = args.selected.selection();
    source.narrow(&selection.heights());
    let profile = profile_for(args.profile.as_deref(), &source, &path)?;
    if args.stream == Which::Evidence {
        return evidence(&selection, &path, &source);
    }
    let mut out = io::BufWriter::with_capacity(256 << 10, io::stdout().lock());
    let mut cat = Cat::new(args, &selection, &profile, &source);
    source.read(&profile, &mut |item| {
        match item {
            Item::Line(line) => cat.line(&line, &mut out)?,
            Item::Hole(hole) => {
                cat.damaged |= hole.damage;
                cat.lost(&hole);
                if cat.holes < 20 {
                    output::say(&format!("{}: {}", path.shown(), hole.text));
                }
                cat.holes += 1;
            }
        }
        Ok(true)
    })?;
    cat.finish(&mut out)?;
    out.flush()?;
    if cat.selector.is_some() && !cat.printed {
        output::say(&format!(
            "{} contains no lines that match the selection; haltbox info shows what it contains",
            path.shown()
        ));
        return Ok(Outcome::Trouble);
    }
    Ok(if cat.damaged {
        Outcome::Damaged
    } else {
        Outcome::Fine
    })
}

/// Prints what nodes answered. Only a box has that.
fn evidence(selection: &Selection, path: &Path, source: &Source) -> anyhow::Result<Outcome> {
    anyhow::ensure!(
        selection.is_empty(),
        "--stream evidence prints the evidence of a whole box: remove the options that select \
         heights, attempts or cranks"
    );
    let Source::BlackBox(bx) = source else {
        output::say(&format!(
            "{} is not a box: only a box contains evidence",
            path.shown()
        ));
        return Ok(Outcome::Trouble);
    };
    let mut out = io::BufWriter::with_capacity(256 << 10, io::stdout().lock());
    let mut lines = bx.lines(BoxStream::Evidence);
    let (mut printed, mut damaged) = (false, false);
    while let Some(item) = lines.next()? {
        match item {
            BoxItem::Line { bytes, newline } => {
                printed = true;
                out.write_all(bytes)?;
                out.write_all(if newline { b"\n" } else { b"" })?;
            }
            BoxItem::Piece { bytes } => out.write_all(bytes)?,
            BoxItem::Hole { offset, len, why } => {
                damaged = true;
                output::say(&format!(
                    "{}: cannot read {len} bytes at offset {offset}: {why}",
                    path.shown()
                ));
            }
        }
    }
    out.flush()?;
    if !printed && !damaged {
        output::say(&format!(
            "{} contains no evidence (answers of nodes)",
            path.shown()
        ));
        return Ok(Outcome::Trouble);
    }
    Ok(if damaged {
        Outcome::Damaged
    } else {
        Outcome::Fine
    })
}

struct Cat<'a> {
    args: &'a CatArgs,
    selector: Option<Selector<'a>>,
    printed: bool,
    damaged: bool,
    holes: u64,
    /// The newest line is selected.
    inside: bool,
    /// Entries were lost between the newest line, which is not selected, and the next.
    owed: bool,
}

impl<'a> Cat<'a> {
    /// Without a selection, lines pass without being parsed.
    fn new(
        args: &'a CatArgs,
        selection: &'a Selection,
        profile: &'a Profile,
        source: &Source,
    ) -> Cat<'a> {
        let selecting = !selection.is_empty();
        Cat {
            args,
            inside: !selecting,
            selector: selecting.then(|| Selector::new(selection, profile, source.blocks())),
            printed: false,
            damaged: false,
            holes: 0,
            owed: false,
        }
    }

    /// A loss between lines that are not selected does not count.
    fn lost(&mut self, hole: &Hole) {
        if hole.lost {
            self.damaged |= self.inside;
            self.owed |= !self.inside;
        }
    }

    fn line(&mut self, line: &Line<'_>, out: &mut dyn Write) -> io::Result<()> {
        let Some(selector) = &mut self.selector else {
            return match self.args.wants_stream(line) {
                true => print(line, out),
                false => Ok(()),
            };
        };
        let mut inside = false;
        selector.line(line, &mut |selected| {
            inside = true;
            if self.args.wants_stream(&selected.line) {
                self.printed = true;
                print(&selected.line, out)?;
            }
            Ok(())
        })?;
        self.damaged |= inside && self.owed;
        (self.inside, self.owed) = (inside, false);
        Ok(())
    }

    /// Prints the lines that waited for a block which never began.
    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Some(selector) = &mut self.selector else {
            return Ok(());
        };
        selector.finish(&mut |selected| {
            if self.args.wants_stream(&selected.line) {
                self.printed = true;
                print(&selected.line, out)?;
            }
            Ok(())
        })
    }
}

fn print(line: &Line<'_>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(line.as_it_stands())?;
    if line.newline {
        out.write_all(b"\n")
    } else {
        Ok(())
    }
}
