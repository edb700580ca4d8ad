//! A progress bar on the terminal while sources are read.

use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use haltbox_reader::compare::recording::Recording;

/// Work that takes less time gets no bar.
const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(100);

/// Does the work. If it takes more than two seconds and standard error is a terminal, shows
/// there how far the sources are read.
pub fn watched<T>(recordings: &[&Recording], work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    std::thread::scope(|scope| {
        let (working, over) = channel::<()>();
        scope.spawn(move || {
            let waits = |time| over.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
            if waits(PATIENCE) {
                let bar = bar(recordings);
                while waits(STEP) {
                    show(&bar, recordings);
                }
                bar.finish_and_clear();
            }
        });
        let done = work();
        drop(working);
        done
    })
}

/// The bar. If the size of a source is unknown, it only counts bytes.
fn bar(recordings: &[&Recording]) -> ProgressBar {
    let sizes: Option<Vec<u64>> = recordings
        .iter()
        .map(|recording| recording.progress().size)
        .collect();
    let total = sizes.map(|sizes| sizes.iter().sum());
    let template = match total {
        Some(_) => "{msg} [{bar:40}] {percent} %, {eta} left",
        None => "{msg} {bytes}, {bytes_per_sec}",
    };
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

fn show(bar: &ProgressBar, recordings: &[&Recording]) {
    let of = recordings.iter().map(|recording| recording.progress());
    let pass = of
        .clone()
        .map(|progress| progress.passes)
        .min()
        .unwrap_or(0)
        + 1;
    // A source that is a pass ahead counts as completely read in this pass.
    let taken = of.map(|progress| match progress.size {
        Some(size) if progress.passes >= pass => size,
        _ => progress.taken,
    });
    bar.set_message(format!("reading, pass {pass}"));
    bar.set_position(taken.sum());
}
