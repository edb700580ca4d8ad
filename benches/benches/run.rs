//! A process that writes a real slog at a busy node's pace, by itself and under
//! `haltbox run`, in turn.

use haltbox_benches::measure::run::{NAMES, Run, play_if_asked, runs};
use haltbox_benches::rounds::median;

fn main() {
    play_if_asked();
    let runs = runs();
    println!(
        "{:>20} {:>12} {:>12} {:>7}",
        "", "alone", "haltbox run", "ratio"
    );
    for (figure, name) in NAMES.into_iter().enumerate() {
        let alone = median(alone(&runs).map(|run| run[figure]).collect());
        let under = median(under(&runs).map(|run| run[figure]).collect());
        println!(
            "{name:>20} {:>9.4} ms {:>9.4} ms {:>7.3}",
            alone * 1e3,
            under * 1e3,
            under / alone
        );
    }
    println!(
        "longest write of all rounds: {:.1} ms alone, {:.1} ms under haltbox run",
        longest(alone(&runs)) * 1e3,
        longest(under(&runs)) * 1e3
    );
}

fn alone(runs: &[[Run; 3]]) -> impl Iterator<Item = &Run> {
    runs.iter().flat_map(|[before, _, after]| [before, after])
}

fn under(runs: &[[Run; 3]]) -> impl Iterator<Item = &Run> {
    runs.iter().map(|[_, under, _]| under)
}

fn longest<'a>(runs: impl Iterator<Item = &'a Run>) -> f64 {
    runs.map(|run| run[4]).fold(0.0, f64::max)
}
