//! The thread that writes boxes.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, channel};

use alloy_primitives::B256;
use haltbox_daemon::console::tell;
use haltbox_format::mark::Attempt;
use haltbox_model::ShowPath;
use haltbox_recorder::box_budget::{Budget, keep_budget};
use haltbox_recorder::host::{HostError, HostRecorder};
use haltbox_recorder::recorder_dir::RecorderDir;
use thiserror::Error;

use super::Input;
use crate::incident::Record;
use crate::message::ChainId;
use crate::watched_chain::WatchedChain;

/// A box to write.
pub(super) struct Job {
    chain: ChainId,
    incident: B256,
    recorder: Arc<HostRecorder>,
    of: Option<Attempt>,
    reason: String,
}

pub(super) struct BoxThread {
    jobs: Sender<Job>,
}

impl BoxThread {
    pub(super) fn start(budget: Budget, sender: SyncSender<Input>) -> io::Result<BoxThread> {
        let (jobs, asked) = channel::<Job>();
        let work = move || {
            let mut written = HashMap::new();
            for job in asked {
                let (chain, incident) = (job.chain, job.incident);
                let outcome = job.freeze(&mut written, budget);
                // An error means that the watcher ends. The next session requests the box
                // again.
                let _ = sender.send(Input::Frozen {
                    chain,
                    incident,
                    outcome,
                });
            }
        };
        let thread = std::thread::Builder::new()
            .name("boxes".to_owned())
            .stack_size(haltbox_format::blackbox::THREAD_STACK);
        thread.spawn(work)?;
        Ok(BoxThread { jobs })
    }

    /// Requests the box of the block in which an incident began.
    pub(super) fn ask(&self, watched: &WatchedChain, record: &Record) {
        let first = record.first();
        let of = first.and_then(|(number, hash)| watched.tape.attempt(number, hash));
        let reason = format!(
            "{} message, {}: {}: {}",
            record.level.word(),
            record.why,
            record.message,
            record.text
        );
        // If the thread has ended, it has written what it could.
        let _ = self.jobs.send(Job {
            chain: watched.id,
            incident: record.id,
            recorder: watched.tape.recorder(),
            of,
            reason,
        });
    }
}

/// Names of written boxes by attempt: one box has all invalid messages of a block.
type Written = HashMap<(ChainId, Attempt), String>;

/// Why there is no box of an incident.
#[derive(Debug, Error)]
pub(super) enum NoBox {
    #[error("its block is no longer in the ring")]
    Gone,
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Job {
    fn freeze(self, written: &mut Written, budget: Budget) -> Result<String, NoBox> {
        let of = self.of.ok_or(NoBox::Gone)?;
        if let Some(name) = written.get(&(self.chain, of)) {
            return Ok(name.clone());
        }
        let name = self.recorder.freeze_attempt(of, self.reason)?.name();
        written.insert((self.chain, of), name.clone());
        let boxes = RecorderDir::at(self.recorder.dir()).boxes();
        match keep_budget(&boxes, budget) {
            Ok(gone) => gone.iter().for_each(|path| {
                tell(&format!(
                    "haltbox: removed {}: the boxes exceeded --max-boxes or --max-bytes\n",
                    path.shown()
                ));
            }),
            Err(error) => tell(&format!(
                "haltbox: cannot remove old boxes in {}: {error}\n",
                boxes.shown()
            )),
        }
        Ok(name)
    }
}
