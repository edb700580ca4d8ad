//! `haltbox watch` as an operator starts it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::{self, Cost, Heard};
use crate::{long, programs};

/// From a block to what the watcher says of it. Only the long form, on a quiet machine, is
/// timed.
pub fn soon() -> Duration {
    Duration::from_secs(if long() { 2 } else { 20 })
}

/// A watcher that runs.
pub struct Watcher {
    child: Child,
    heard: Heard,
    page: String,
}

/// How to watch.
pub struct Watching<'a> {
    /// Its folder.
    pub dir: &'a Path,
    /// Numbers and URLs of the chains.
    pub chains: &'a [(u64, &'a str)],
    /// Seconds for which a message can be executed.
    pub expiry: u64,
    /// More arguments.
    pub arguments: &'a [&'a str],
}

impl Watching<'_> {
    /// Writes a dependency set of 901, 902 and 903, in which blocks are a second apart.
    pub fn depset(&self) -> PathBuf {
        let path = self.dir.join("depset.json");
        let chains = [901, 902, 903].map(|id| format!(r#""{id}": {{"blockTime": 1}}"#));
        let text = format!(
            r#"{{"dependencies": {{{}}}, "overrideMessageExpiryWindow": {}}}"#,
            chains.join(", "),
            self.expiry
        );
        std::fs::create_dir_all(self.dir).expect("the folder");
        std::fs::write(&path, text).expect("the dependency set");
        path
    }

    /// Starts it, and waits until it serves its metrics.
    pub fn start(&self) -> Watcher {
        let depset = self.depset();
        let mut command = Command::new(programs().join("haltbox-watch"));
        command.arg("watch").arg("--dir").arg(self.dir);
        command.arg("--depset").arg(depset);
        command.args(["--metrics", "127.0.0.1:0"]);
        if !self.arguments.contains(&"--size") {
            command.args(["--size", "16MiB"]);
        }
        for (id, url) in self.chains {
            command.arg("--chain").arg(format!("{id}={url}"));
        }
        command.args(self.arguments).stderr(Stdio::piped());
        let mut child = command.spawn().expect("haltbox-watch");
        let heard = Heard::of(child.stderr.take().expect("its standard error"));
        let mut watcher = Watcher {
            child,
            heard,
            page: String::new(),
        };
        let page = watcher.wait_for("metrics at ", Duration::from_secs(20));
        watcher.page = page.replace("haltbox: metrics at ", "");
        watcher
    }
}

impl Watcher {
    /// Lines that it said.
    pub fn said(&self) -> Vec<String> {
        self.heard.lines()
    }

    /// Alerts that hold a text.
    pub fn alerts(&self, text: &str) -> Vec<String> {
        let mut said = self.said();
        said.retain(|line| line.contains("ALERT") && line.contains(text));
        said
    }

    /// Waits for a line that holds a text.
    pub fn wait_for(&self, text: &str, patience: Duration) -> String {
        let until = Instant::now() + patience;
        loop {
            let line = self.said().into_iter().find(|line| line.contains(text));
            if let Some(line) = line {
                return line;
            }
            let said = self.said();
            assert!(
                Instant::now() < until,
                "no {text:?} within {patience:?}: {said:#?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// When it first said a text.
    pub fn when(&self, text: &str) -> Option<Instant> {
        let times = self.heard.times(|line| line.contains(text));
        times.first().copied()
    }

    /// The value of a metric by its name and labels as they stand there.
    pub fn metric(&self, line: &str) -> Option<u64> {
        let text = self.page("metrics");
        let value = text.lines().find_map(|one| one.strip_prefix(line))?;
        value.trim().parse().ok()
    }

    /// Sum of all values of a metric whose labels hold a text.
    pub fn sum(&self, name: &str, label: &str) -> u64 {
        let name = format!("haltbox_watch_{name}");
        process::sum(&self.page("metrics"), &name, label)
    }

    /// One of its pages.
    pub fn page(&self, name: &str) -> String {
        let url = self.page.replace("/metrics", &format!("/{name}"));
        process::page(&url)
    }

    /// `kill -9`.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("it runs");
        self.child.wait().expect("its end");
        self.said()
    }

    /// Ends it as systemd does, and waits.
    pub fn end(mut self) -> Vec<String> {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, Signal::SIGTERM).expect("it runs");
        let status = self.child.wait().expect("its end");
        assert!(status.success(), "{status}: {:#?}", self.said());
        self.said()
    }

    /// What it has cost so far.
    pub fn cost(&self) -> Cost {
        Cost::of(self.child.id())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
