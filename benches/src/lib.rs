//! Interleaved rounds and medians: the ratios of one run are sound on a noisy
//! machine, single figures are not.

use std::time::Instant;

/// Rounds of every measurement.
pub const ROUNDS: usize = 9;

/// Runs the candidates in turn, [`ROUNDS`] times, and gives each one's median
/// in seconds.
pub fn medians(candidates: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    let mut times = vec![Vec::new(); candidates.len()];
    for _ in 0..ROUNDS {
        for (candidate, times) in candidates.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            candidate();
            times.push(begun.elapsed().as_secs_f64());
        }
    }
    times
        .iter_mut()
        .for_each(|times| times.sort_by(f64::total_cmp));
    times.iter().map(|times| times[times.len() / 2]).collect()
}
