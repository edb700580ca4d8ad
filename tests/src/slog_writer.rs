//! A real Node process that writes a slog as Agoric's node does
//! (`tests/data/slog-file-writer.mjs`), at the pace of a busy chain.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::toolchain::needs;
use crate::{excerpt, root};

/// Writes into one file, one process after the other.
pub struct SlogWriter {
    /// The file: what SLOGFILE says.
    pub slog: PathBuf,
    /// Megabytes a second.
    pub rate: f64,
    input: PathBuf,
}

/// A Node process that writes.
pub struct Writing {
    child: Child,
    report: PathBuf,
}

impl SlogWriter {
    /// Writes into a file of this folder. Needs Node.
    pub fn new(folder: &Path, rate: f64) -> SlogWriter {
        needs("node");
        let input = folder.join("input.slog");
        fs::write(&input, excerpt("honest-a")).expect("a slog");
        SlogWriter {
            slog: folder.join("slog.jsonl"),
            rate,
            input,
        }
    }

    /// The command of a process that writes for so many seconds.
    pub fn command(&self, seconds: f64) -> Command {
        let mut command = Command::new("node");
        command
            .arg(root().join("tests/data/slog-file-writer.mjs"))
            .arg("--input")
            .arg(&self.input)
            .args(["--rate", &self.rate.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .env("SLOGFILE", &self.slog);
        command
    }

    /// Starts a process that writes for so many seconds, from a height on if
    /// one is given, else from where its file ends.
    pub fn start(&self, seconds: f64, from: Option<u64>) -> Writing {
        let report = self.slog.with_extension("report");
        let mut command = self.command(seconds);
        if let Some(height) = from {
            command.args(["--from", &height.to_string()]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&report).expect("a report"))
            .spawn()
            .expect("node starts");
        Writing { child, report }
    }

    /// How much was written into the file that is there now.
    pub fn length(&self) -> u64 {
        fs::metadata(&self.slog).map_or(0, |found| found.len())
    }
}

impl Writing {
    /// Kills it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Waits for its end; gives what it reports, which is printed too.
    pub fn wait(mut self) -> Report {
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "the writer ended with {status}");
        Report::read(&self.report)
    }
}

/// What a writer that ended by itself says of its work.
pub struct Report(Value);

impl Report {
    /// Of the file that a writer's output went to; printed too.
    pub fn read(path: &Path) -> Report {
        let text = fs::read_to_string(path).expect("a report");
        println!("the node: {}", text.trim_end());
        Report(serde_json::from_str(&text).expect("a line of JSON"))
    }

    /// A number of it.
    pub fn number(&self, name: &str) -> f64 {
        let path = format!("/{}", name.replace('.', "/"));
        let found = self.0.pointer(&path).and_then(Value::as_f64);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    /// The node was never held up: it kept its pace, no write failed, and none
    /// took longer than this many milliseconds.
    pub fn assert_unharmed(&self, rate: f64, longest: f64) {
        assert!(self.0["failed"].is_null(), "a write failed: {}", self.0);
        let pace = self.number("bytes") / 1e6 / self.number("seconds");
        assert!(pace > 0.7 * rate, "{pace:.1} MB/s of {rate}: {}", self.0);
        let slowest = self.number("write.max");
        assert!(slowest < longest, "a write took {slowest} ms: {}", self.0);
    }
}
