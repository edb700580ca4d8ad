//! Other witnesses than the streams: nodes that are asked by RPC. And metrics
//! for others.

use super::Server;
use crate::console::say;
use crate::operator::metrics;
use crate::rpc::Outcome;

impl Server {
    /// Acts on the nodes' answers since the last call.
    pub(super) fn hear_witnesses(&mut self) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        let recorder = &mut self.recorder;
        let outcomes = watch.outcomes(recorder.life());
        if outcomes.is_empty() {
            return;
        }
        for outcome in outcomes {
            match outcome {
                Outcome::Say(words) => say(&words),
                Outcome::Tell(event, words) => {
                    if let Some(words) = words {
                        say(&words);
                        recorder.note(words);
                    }
                    recorder.testimony(event);
                }
                Outcome::Still(event) => self.supervisor.still(&event, recorder.life()),
            }
        }
        self.tell_news();
    }

    pub(super) fn serve_metrics(&self) {
        let dir = self.options.dir.clone();
        let (age, pulse) = (self.options.max_block_age, self.pulse.clone());
        let at = self.options.metrics;
        let started = at.map(|at| metrics::start(at, dir, age, pulse));
        if let Some(Err(error)) = started {
            say(&format!("cannot serve metrics: {error}"));
        }
    }
}
