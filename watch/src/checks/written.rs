//! Writes samples into a file, for a watcher to read.
//!
//! The server does not wait for the disk. Samples go through a queue to a thread. A
//! sample that finds no room there, or cannot be written, is dropped and counted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use haltbox_daemon::console::say;
use haltbox_model::ShowPath;
use nix::libc::O_NONBLOCK;
use thiserror::Error;

use super::sample::Sample;
use crate::stages::OncePerMinute;

/// Capacity of the queue, in samples.
const QUEUE: usize = 4096;
/// Most samples that are written in one opening of the file.
const TOGETHER: usize = 256;

/// The way to the file.
pub(crate) struct Samples {
    /// Name of the server.
    name: String,
    queue: SyncSender<Sample>,
    lost: Arc<AtomicU64>,
}

/// Samples cannot be written.
#[derive(Debug, Error)]
#[error("--samples {}: {error}; give a writable file, or a pipe that has a reader", path.shown())]
pub(crate) struct SamplesError {
    path: PathBuf,
    error: io::Error,
}

impl Samples {
    /// Starts to append to a file. `name`: of the server.
    pub(crate) fn start(path: &Path, name: String) -> Result<Samples, SamplesError> {
        let cannot = |error| SamplesError {
            path: path.to_owned(),
            error,
        };
        open(path).map_err(cannot)?;
        let (queue, samples) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            path: path.to_owned(),
            lost: Arc::clone(&lost),
            torn: false,
            trouble: OncePerMinute::default(),
        };
        let thread = std::thread::Builder::new().name("samples".to_owned());
        let thread = thread.spawn(move || writer.run(&samples));
        thread.map_err(cannot)?;
        Ok(Samples { name, queue, lost })
    }

    /// Queues a sample; never blocks.
    pub(crate) fn put(&self, sample: Sample) {
        let sample = Sample {
            backend: Some(self.name.clone()),
            ..sample
        };
        if self.queue.try_send(sample).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Number of dropped samples.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

struct Writer {
    path: PathBuf,
    lost: Arc<AtomicU64>,
    /// Whether the last line was written in part.
    torn: bool,
    trouble: OncePerMinute,
}

impl Writer {
    fn run(mut self, samples: &Receiver<Sample>) {
        while let Ok(first) = samples.recv() {
            let more = samples.try_iter().take(TOGETHER);
            let lines = std::iter::once(first).chain(more);
            self.write(lines.map(|sample| sample.line()).collect());
        }
    }

    /// Writes lines. The file is opened each time, because it may have been rotated.
    fn write(&mut self, lines: Vec<Vec<u8>>) {
        let count = lines.len() as u64;
        let mut written = 0;
        let outcome = open(&self.path).and_then(|mut file| {
            for line in lines {
                self.one(&mut file, &line)?;
                written += 1;
            }
            Ok(())
        });
        let Err(error) = outcome else { return };
        self.lost.fetch_add(count - written, Ordering::Relaxed);
        if self.trouble.is_due(Instant::now()) {
            let path = self.path.shown();
            say(&format!(
                "cannot write samples of checks to {path}: {error}; they are dropped and counted"
            ));
        }
    }

    fn one(&mut self, file: &mut File, line: &[u8]) -> io::Result<()> {
        if self.torn {
            file.write_all(b"\n")?;
            self.torn = false;
        }
        let written = file.write(line)?;
        if written == line.len() {
            return Ok(());
        }
        self.torn = true;
        file.write_all(line.get(written..).unwrap_or_default())?;
        self.torn = false;
        Ok(())
    }
}

/// Opens the file. A pipe without a reader, or a full one, fails at once.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    options.custom_flags(O_NONBLOCK).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::sample::tests::sample;
    use alloy_primitives::B256;

    fn writer(path: &Path) -> Writer {
        Writer {
            path: path.to_owned(),
            lost: Arc::default(),
            torn: false,
            trouble: OncePerMinute::default(),
        }
    }

    #[test]
    fn lines_go_behind_what_is_there_and_into_the_next_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples");
        std::fs::write(&path, "before\n").unwrap();
        let mut writer = writer(&path);
        let line = sample(None, B256::ZERO).line();
        writer.write(vec![line.clone(), line.clone()]);
        let expected = [&b"before\n"[..], &line, &line].concat();
        assert_eq!(std::fs::read(&path).unwrap(), expected);
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        writer.torn = true;
        writer.write(vec![line.clone()]);
        assert_eq!(std::fs::read(&path).unwrap(), [b"\n", &line[..]].concat());
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_waits_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut writer = writer(&pipe);
        let line = sample(None, B256::ZERO).line();
        writer.write(vec![line.clone(), line.clone()]);
        assert_eq!(writer.lost.load(Ordering::Relaxed), 2);
        let reader = OpenOptions::new();
        let mut reader = reader.clone();
        let reader = reader.read(true).custom_flags(O_NONBLOCK).open(&pipe);
        let _reader = reader.unwrap();
        writer.write(vec![line.clone(); 10_000]);
        let lost = writer.lost.load(Ordering::Relaxed);
        assert!(lost > 2 && lost < 10_000, "{lost}");
        let folder = folder.path().join("no/such");
        let refused = Samples::start(&folder, "check".to_owned()).err();
        assert!(refused.unwrap().to_string().contains("no/such"));
    }

    #[test]
    fn a_queue_that_is_full_holds_nobody_up() {
        let (queue, samples) = sync_channel(2);
        let samples_of = Samples {
            name: "check".to_owned(),
            queue,
            lost: Arc::default(),
        };
        (0..5).for_each(|_| samples_of.put(sample(None, B256::ZERO)));
        assert_eq!(samples_of.lost(), 3);
        assert_eq!(samples.recv().unwrap().backend.as_deref(), Some("check"));
    }
}
