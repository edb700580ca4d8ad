//! The timeline of a page: blocks by height, and the cranks of the block in which the nodes
//! diverged.

use maud::{Markup, html};

use super::diff_document::{Document, HeightFacts};
use crate::vocabulary::Vocabulary;

/// Limit of the bars. More blocks or cranks share bars.
const BARS: usize = 160;
/// Size of the drawing, in its own units.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 100.0;

/// A bar. Several blocks or cranks may share one.
struct Bar {
    /// Its height as a share of the highest, from 0 to 1.
    tall: f64,
    class: &'static str,
}

/// Both drawings; empty if no height is on both sides.
pub(super) fn timeline(document: &Document, vocabulary: &dyn Vocabulary) -> Markup {
    let heights = &document.heights;
    let (Some(first), Some(last)) = (heights.first(), heights.last()) else {
        return Markup::default();
    };
    let place = document.place.as_ref();
    let at = place.and_then(|place| heights.iter().position(|row| row.height == place.height));
    let share = at.map(|at| (at as f64 + 0.5) / heights.len() as f64);
    html! {
        section {
            h2 { "Blocks" }
            (draw("high", "blocks by height", &bars(heights), share))
            p.scale {
                span { "height " (first.height) }
                @if let Some(place) = place { b { "diverged at height " (place.height) } }
                span { (last.height) }
            }
            p.key {
                i.same {} "equal "
                i.other {} "different "
                i.part {} "in part only"
                @if vocabulary.has_cranks() {
                    "; the height of a bar is the number of cranks of the block"
                }
            }
            @if let (Some(place), Some(at)) = (place, at)
                && let Some(index) = place.crank_in_block
                && let Some(row) = heights.get(at).filter(|row| row.cranks > 0) {
                (cranks(document, place.height, index, row.cranks))
            }
        }
    }
}

fn bars(heights: &[HeightFacts]) -> Vec<Bar> {
    let most = heights.iter().map(|row| row.cranks).max().unwrap_or(0);
    let bar = |rows: &[HeightFacts]| Bar {
        tall: rows.iter().map(|row| row.cranks).max().unwrap_or(0) as f64 / most.max(1) as f64,
        class: match () {
            () if rows.iter().any(|row| row.same == Some(false)) => "other",
            () if rows.iter().any(|row| row.same.is_none()) => "part",
            () => "same",
        },
    };
    heights.chunks(size_of(heights.len())).map(bar).collect()
}

/// Number of blocks or cranks in a bar.
fn size_of(count: usize) -> usize {
    count.div_ceil(BARS).max(1)
}

fn draw(class: &str, label: &str, bars: &[Bar], parted: Option<f64>) -> Markup {
    let step = WIDTH / bars.len().max(1) as f64;
    html! {
        svg class=(class) viewBox=(format_args!("0 0 {WIDTH} {HEIGHT}"))
            preserveAspectRatio="none" role="img" aria-label=(label) {
            @for (index, bar) in bars.iter().enumerate() { (rectangle(index as f64 * step, step, bar)) }
            @if let Some(share) = parted { path.mark d=(marker(share)) {} }
        }
    }
}

fn rectangle(x: f64, step: f64, bar: &Bar) -> Markup {
    // Empty blocks stay visible.
    let tall = (bar.tall * (HEIGHT - 14.0)).max(3.0);
    let units = |value: f64| format!("{value:.1}");
    let (y, width) = (HEIGHT - tall, (step * 0.85).max(0.5));
    html! {
        rect class=(bar.class) x=(units(x)) y=(units(y)) width=(units(width)) height=(units(tall)) {}
    }
}

fn marker(share: f64) -> String {
    let x = share * WIDTH;
    let (left, right) = (x - 6.0, x + 6.0);
    format!("M{x:.1} 0V{HEIGHT}M{left:.1} 0L{x:.1} 10L{right:.1} 0Z")
}

fn cranks(document: &Document, height: u64, index: u64, count: usize) -> Markup {
    let count = count.max(index as usize + 1);
    let size = size_of(count);
    let mut differing = vec![false; count.div_ceil(size)];
    let at = document
        .consequence
        .in_block
        .iter()
        .map(|crank| *crank as usize / size);
    at.for_each(|bar| {
        differing
            .iter_mut()
            .skip(bar)
            .take(1)
            .for_each(|differs| *differs = true)
    });
    let bar = |differs: bool| Bar {
        tall: 1.0,
        class: if differs { "other" } else { "same" },
    };
    let bars: Vec<Bar> = differing.into_iter().map(bar).collect();
    let share = (index as f64 + 0.5) / count as f64;
    html! {
        h2 { "Cranks of height " (height) }
        (draw("low", "cranks of the block", &bars, Some(share)))
        p.scale {
            span { "1" }
            b { "diverged in crank " (index + 1) " of " (count) }
            span { (count) }
        }
    }
}
