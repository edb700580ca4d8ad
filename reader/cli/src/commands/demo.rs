//! `haltbox demo`: shows a halt with the real programs.
//!
//! The slog is real: blocks 12 and 13 of two Agoric validators. A row of one validator's
//! storage was changed on disk. The node's log is made up, because the recordings were made
//! without the Cosmos side.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use haltbox_model::{Event, Profile};

use super::sibling::Sibling;
use super::{Outcome, output, shown};
use haltbox_reader::slog_file::{SlogFile, SlogItem};
use haltbox_reader::source;
use haltbox_reader::source_summary::SourceSummary;

const HEALTHY: &[u8] = include_bytes!("../../data/honest-a-12-13.slog.zst");
const DIVERGENT: &[u8] = include_bytes!("../../data/divergent-kv-12-13.slog.zst");
/// How long each step may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Demonstrate a halt with two validators, one of which diverges.
#[derive(Args, Debug)]
pub struct DemoArgs {}

/// Runs the command.
pub fn run(_args: &DemoArgs) -> anyhow::Result<Outcome> {
    let folder = make_folder()?;
    output::print(
        "Two validators execute the same blocks. One of them reads a damaged row of its\n",
    )?;
    output::print(
        "storage in block 13. The slogs, pipes and recorders are real; the AppHashes are\n",
    )?;
    output::print(&format!(
        "made up. All files are written to {}\n\n",
        shown(&folder)
    ))?;
    let healthy = play("healthy", HEALTHY, &folder)?;
    let divergent = play("divergent", DIVERGENT, &folder)?;
    output::print(
        "--- both committed block 13; the next header carries the network's AppHash ---\n\n",
    )?;
    healthy.agree()?;
    divergent.diverge()?;
    let bad = divergent.wait_for_box()?;
    output::print("--- what the operator of the divergent validator saw ---\n\n")?;
    output::print(&divergent.finish()?)?;
    output::print(&format!(
        "\n--- the healthy one still has block 13: haltbox freeze {} --height 13 ---\n\n",
        shown(&healthy.dir)
    ))?;
    let good = healthy.freeze()?;
    healthy.finish()?;
    output::print(&format!("\n--- haltbox info {} ---\n\n", shown(&bad)))?;
    this_program("info", &[&bad])?;
    compare(&good, &bad)?;
    output::print(&format!(
        "\n--- haltbox diff {} {} ---\n\n",
        shown(&good),
        shown(&bad)
    ))?;
    this_program("diff", &[&good, &bad])?;
    Ok(Outcome::Fine)
}

fn make_folder() -> anyhow::Result<PathBuf> {
    for serial in 1..1000 {
        let tail = if serial == 1 {
            String::new()
        } else {
            format!("-{serial}")
        };
        let folder = std::env::current_dir()?.join(format!("haltbox-demo{tail}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).context(format!("cannot make {}", shown(&folder))),
        }
    }
    bail!("the folders haltbox-demo to haltbox-demo-999 already exist here; remove some")
}

/// One validator: the recorder's process, its slog pipe and its node's log.
struct Validator {
    dir: PathBuf,
    recorder: Child,
    slog: ChildStdin,
    node_log: File,
    stderr: PathBuf,
}

/// Starts a recorder and writes both blocks into its pipe.
fn play(name: &str, slog: &[u8], folder: &Path) -> anyhow::Result<Validator> {
    let dir = folder.join(name);
    fs::create_dir(&dir)?;
    let (log, stderr) = (dir.join("node.log"), dir.join("recorder.stderr"));
    let node_log = File::create(&log)?;
    let program = Sibling::Record.program();
    let mut recorder = Command::new(&program)
        .args(["record", "--size", "16MiB", "--slog", "-", "--upload-hint"])
        .arg("the thread that your chain's developers opened")
        .arg("--dir")
        .arg(&dir)
        .arg("--node-log")
        .arg(&log)
        .stdin(Stdio::piped())
        .stderr(File::create(&stderr)?)
        .spawn()
        .with_context(|| {
            format!(
                "cannot start {}, which is installed with haltbox",
                shown(&program)
            )
        })?;
    let pipe = recorder.stdin.take().context("the recorder has no pipe")?;
    let mut validator = Validator {
        dir,
        recorder,
        slog: pipe,
        node_log,
        stderr,
    };
    validator.execute(slog, name)?;
    Ok(validator)
}

impl Validator {
    /// Writes the slog, and what the node would log when each block commits.
    fn execute(&mut self, slog: &[u8], name: &str) -> anyhow::Result<()> {
        let profile = Profile::builtin("agoric")?;
        let rules = profile.slog.as_ref().context("the profile has no slog")?;
        let mut lines = SlogFile::new(slog)?;
        while let Some(item) = lines.next()? {
            let SlogItem::Line(line) = item else {
                bail!("the embedded slog is damaged")
            };
            self.slog.write_all(line.bytes)?;
            self.slog.write_all(b"\n")?;
            for event in rules.read(line.bytes).events() {
                if let Event::Commit { height, .. } = event {
                    let hash = app_hash(height, name);
                    writeln!(
                        self.node_log,
                        "3:0{}AM INF finalized block block_app_hash={hash} height={height} \
                         module=state num_txs_res=6 num_val_updates=0 server=node",
                        height % 10
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Logs that the network decided block 14, whose header agrees with this node.
    fn agree(&self) -> anyhow::Result<()> {
        let hash = app_hash(13, "healthy");
        let line = format!(
            "3:04AM INF finalizing commit of block hash=9F86D081884C7D65 height=14 \
             module=consensus num_txs=0 root={hash} server=node"
        );
        Ok(writeln!(&self.node_log, "{line}")?)
    }

    /// Logs the same header at the node that computed another AppHash.
    fn diverge(&self) -> anyhow::Result<()> {
        let (network, local) = (app_hash(13, "healthy"), app_hash(13, "divergent"));
        let line = format!(
            "3:04AM ERR CONSENSUS FAILURE!!! err=\"precommit step; +2/3 prevoted for an invalid \
             block: wrong Block.Header.AppHash.  Expected {local}, got {network}\" \
             module=consensus server=node stack=\"goroutine 175 [running]:\\n\""
        );
        Ok(writeln!(&self.node_log, "{line}")?)
    }

    fn wait_for_box(&self) -> anyhow::Result<PathBuf> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let reported = fs::read_to_string(&self.stderr)?.contains("do not roll back");
            if let Some(found) = self.newest_box()?.filter(|_| reported) {
                return Ok(found);
            }
            sleep(Duration::from_millis(20));
        }
        let said = fs::read_to_string(&self.stderr).unwrap_or_default();
        bail!(
            "no black box after {} s; output of the recorder:\n{said}",
            PATIENCE.as_secs()
        )
    }

    fn newest_box(&self) -> anyhow::Result<Option<PathBuf>> {
        let boxes = source::members(&self.dir.join("boxes")).unwrap_or_default();
        Ok(boxes.into_iter().next())
    }

    /// Asks the running recorder for a box, as an operator would.
    fn freeze(&self) -> anyhow::Result<PathBuf> {
        let asked = Command::new(Sibling::Record.program())
            .args(["freeze", "--height", "13"])
            .arg(&self.dir)
            .output()?;
        std::io::stdout().write_all(&asked.stdout)?;
        std::io::stderr().write_all(&asked.stderr)?;
        self.newest_box()?
            .context("the healthy validator has no box")
    }

    /// Ends the slog, and returns what the recorder printed.
    fn finish(mut self) -> anyhow::Result<String> {
        drop(self.slog);
        let status = self.recorder.wait()?;
        let mut said = String::new();
        File::open(&self.stderr)?.read_to_string(&mut said)?;
        if !status.success() {
            bail!("the recorder ended with {status}:\n{said}");
        }
        Ok(said)
    }
}

/// A made-up AppHash. It is the same at every node up to block 12.
fn app_hash(height: u64, name: &str) -> String {
    let who = if height < 13 { "any" } else { name };
    blake3::hash(format!("demo {height} {who}").as_bytes())
        .to_hex()
        .to_uppercase()
}

fn this_program(command: &str, sources: &[&Path]) -> anyhow::Result<()> {
    let this = std::env::current_exe()?;
    let shown = Command::new(this).arg(command).args(sources).output()?;
    std::io::stderr().write_all(&shown.stderr)?;
    Ok(std::io::stdout().write_all(&shown.stdout)?)
}

/// Prints the names of the blocks of both. The names alone show in which block the two
/// diverged.
fn compare(good: &Path, bad: &Path) -> anyhow::Result<()> {
    let profile = Profile::builtin("agoric")?;
    let summary = |path: &Path| -> anyhow::Result<SourceSummary> {
        Ok(SourceSummary::of(&super::open(path)?, &profile)?)
    };
    let (good, bad) = (summary(good)?, summary(bad)?);
    output::print("\n--- the same name means the same execution ---\n\n")?;
    for (a, b) in good
        .blocks
        .iter()
        .zip(&bad.blocks)
        .filter(|(a, _)| a.complete)
    {
        let word = if a.name == b.name {
            "same     "
        } else {
            "DIFFERENT"
        };
        output::print(&format!(
            "  {word}  healthy {}  divergent {}\n",
            a.name, b.name
        ))?;
    }
    Ok(())
}
