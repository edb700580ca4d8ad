//! How figures are printed.

use crate::rounds::Spread;
use crate::targets::{Figure, Verdict};

/// The line above figures.
pub fn print_head() {
    println!(
        "{:<25} {:>10} {:>12} {:>15}  {:<8} {:>13}",
        "figure", "target", "measured", "middle half", "", "control"
    );
}

/// A line for each figure.
pub fn print(figures: &[Figure]) {
    figures
        .iter()
        .for_each(|figure| println!("{}", line(figure)));
}

/// Head and figures.
pub fn print_all(figures: &[Figure]) {
    print_head();
    print(figures);
}

fn line(figure: &Figure) -> String {
    let Figure { target, found, .. } = figure;
    let verdict = figure.verdict();
    let (measured, half) = match verdict {
        Verdict::Noisy => ("noisy".to_owned(), String::new()),
        _ => (number(found.median) + target.unit, range(found)),
    };
    let said = match verdict {
        Verdict::Reached => "reached",
        Verdict::Missed => "MISSED",
        Verdict::Noisy => "",
    };
    let control = figure
        .control
        .map_or("counted".to_owned(), |control| range(&control));
    let bound = target.to_string();
    let line = format!(
        "{:<25} {bound:>10} {measured:>12} {half:>15}  {said:<8} {control:>13}  {}",
        target.name, figure.detail
    );
    line.trim_end().to_owned()
}

fn range(spread: &Spread) -> String {
    match spread.low == spread.high {
        true => String::new(),
        false => format!("{} .. {}", number(spread.low), number(spread.high)),
    }
}

/// Three figures of it.
fn number(number: f64) -> String {
    match number {
        n if n >= 100.0 => format!("{n:.0}"),
        n if n >= 10.0 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

/// A time in the unit that fits it.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.1} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noisy_figure_has_no_number() {
        let spread = |low, high| Spread::of([low, (low + high) / 2.0, high]);
        let of = |control| {
            let detail = "18 ns, 15 ns".to_owned();
            line(&Figure::new(
                "append, 100 B",
                spread(1.1, 1.3),
                Some(control),
                detail,
            ))
        };
        let noisy = of(spread(0.7, 1.1));
        assert!(
            noisy.contains("noisy") && !noisy.contains("1.20"),
            "{noisy}"
        );
        let sound = of(spread(0.98, 1.02));
        assert!(
            sound.contains("1.20x") && sound.contains("reached"),
            "{sound}"
        );
    }
}
