//! One recording in a file, in one of the forms that the commands read.

use std::fs;
use std::path::{Path, PathBuf};

use haltbox_cli::commands::{fingerprint, recording};
use haltbox_tests::mutation::honest::{self, Recording};
use haltbox_tests::mutation::{Case, Expected, Slog, forms};
use haltbox_tests::*;

/// A recording, and what is true of its node.
pub struct Member {
    /// Its file.
    pub path: PathBuf,
    /// Its fingerprint, if one can be made of it.
    pub print: Option<PathBuf>,
    /// How it was made.
    pub recording: Recording,
    /// In what it is kept.
    pub form: &'static str,
    /// What its node did otherwise, if it did.
    pub truth: Option<(String, Expected)>,
}

impl Member {
    /// The recording as it is.
    pub fn plain(base: &Slog, path: PathBuf) -> Member {
        let blocks = base.blocks();
        let whole = blocks.iter().map(|block| base.height_at(block.0));
        let recording = Recording {
            made: Vec::new(),
            bytes: base.bytes(),
            whole: whole.collect(),
        };
        Member::slog(recording, path)
    }

    /// Of an honest node.
    pub fn honest(base: &Slog, path: PathBuf, random: &mut Random) -> Member {
        Member::of(honest::recording(base, random), path, random)
    }

    /// Of a node that did otherwise.
    pub fn other(case: &Case, path: PathBuf, random: &mut Random) -> Member {
        let mut member = Member::honest(&Slog::new(&case.bytes), path, random);
        member.truth = Some((case.name.clone(), case.expected.clone()));
        member
    }

    /// In some form.
    pub fn of(recording: Recording, path: PathBuf, random: &mut Random) -> Member {
        let mut member = Member::slog(recording, path);
        let whole = member.recording.bytes.last() == Some(&b'\n');
        let form = if whole { random.below(40) } else { 99 };
        // A file begins with a byte order mark; a ring is filled by the host.
        let bytes = &member.recording.bytes;
        let lines = Slog::new(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).lines;
        let size: usize = lines.iter().map(|line| line.len() + 9).sum();
        match form {
            0..4 => {
                member.form = "agoric ring";
                forms::agoric_ring(&member.path, &lines, size + 1 + random.below(5000) as usize);
            }
            4..8 => {
                member.form = "agoric ring that wrapped";
                let kept = size / 8 + random.below(size as u64) as usize * 7 / 8;
                forms::agoric_ring(&member.path, &lines, kept.max(4000));
                member.recording.whole.clear();
            }
            8 => {
                member.form = "ring";
                fs::remove_file(&member.path).expect("the slog");
                forms::ring(&member.path, &lines, (4 + random.below(3)) << 20);
            }
            9 | 10 => member.put_into_box(),
            _ => return member,
        }
        member.print = print(&member.path);
        member
    }

    /// As a slog file.
    pub fn slog(recording: Recording, path: PathBuf) -> Member {
        fs::remove_file(&path).ok();
        fs::write(&path, &recording.bytes).expect("a slog");
        Member {
            print: print(&path),
            path,
            recording,
            form: "slog",
            truth: None,
        }
    }

    fn put_into_box(&mut self) {
        let bx = self.path.with_extension("box");
        fs::remove_file(&bx).ok();
        let made = run(&["extract", text(&self.path), "-o", text(&bx)]);
        if made.status.code() != Some(2) {
            fs::rename(&bx, &self.path).expect("a box");
            self.form = "box";
        }
    }

    /// How it came about, in words.
    pub fn words(&self) -> String {
        let truth = self.truth.as_ref().map_or("honest", |(name, _)| name);
        format!(
            "[{truth}; {}; {}]",
            self.recording.made.join(", "),
            self.form
        )
    }
}

fn print(path: &Path) -> Option<PathBuf> {
    let file = path.with_extension("print");
    let bytes = fingerprint::make(&recording(path, None).ok()?).ok()?.bytes;
    fs::write(&file, bytes).expect("a fingerprint");
    Some(file)
}
