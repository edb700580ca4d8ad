//! The timeline of a page: blocks by height, and the cranks of the block in
//! which the nodes parted.

use std::fmt::Write as _;

use super::diff_document::{Document, HeightFacts};
use crate::vocabulary::Vocabulary;

/// Bars at most: blocks beyond that share one.
const BARS: usize = 160;
/// Of the drawing, in its own units.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 100.0;

/// A bar, which several blocks or cranks may share.
struct Bar {
    /// Its height in shares of the highest.
    tall: f64,
    class: &'static str,
}

/// Both drawings as HTML; empty if no height is on both sides.
pub(super) fn timeline(document: &Document, vocabulary: &dyn Vocabulary) -> String {
    let heights = &document.heights;
    let (Some(first), Some(last)) = (heights.first(), heights.last()) else {
        return String::new();
    };
    let mut out = String::from("<section><h2>Blocks</h2>\n");
    let place = document.place.as_ref();
    let at = place.and_then(|place| heights.iter().position(|row| row.height == place.height));
    let share = at.map(|at| (at as f64 + 0.5) / heights.len() as f64);
    draw(&mut out, "high", "blocks by height", &bars(heights), share);
    let parted = place.map_or(String::new(), |place| {
        format!("<b>diverged at height {}</b>", place.height)
    });
    let _ = writeln!(
        out,
        "<p class=scale><span>height {}</span>{parted}<span>{}</span></p>",
        first.height, last.height
    );
    let tall = match vocabulary.has_cranks() {
        true => "; the height of a bar is the number of cranks of the block",
        false => "",
    };
    let _ = writeln!(
        out,
        "<p class=key><i class=same></i>equal <i class=other></i>different <i class=part></i>in \
         part only{tall}</p>"
    );
    if let (Some(place), Some(at)) = (place, at)
        && let Some(index) = place.crank_in_block
        && let Some(row) = heights.get(at).filter(|row| row.cranks > 0)
    {
        cranks(&mut out, document, place.height, index, row.cranks);
    }
    out.push_str("</section>\n");
    out
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

/// Of how many blocks or cranks a bar is.
fn size_of(count: usize) -> usize {
    count.div_ceil(BARS).max(1)
}

fn draw(out: &mut String, class: &str, label: &str, bars: &[Bar], parted: Option<f64>) {
    let _ = writeln!(
        out,
        "<svg class={class} viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=none role=img \
         aria-label=\"{label}\">"
    );
    let step = WIDTH / bars.len().max(1) as f64;
    for (index, bar) in bars.iter().enumerate() {
        // Empty blocks stay visible.
        let tall = (bar.tall * (HEIGHT - 14.0)).max(3.0);
        let _ = writeln!(
            out,
            "<rect class={} x={:.1} y={:.1} width={:.1} height={tall:.1} />",
            bar.class,
            index as f64 * step,
            HEIGHT - tall,
            (step * 0.85).max(0.5)
        );
    }
    if let Some(share) = parted {
        marker(out, share);
    }
    out.push_str("</svg>\n");
}

fn marker(out: &mut String, share: f64) {
    let x = share * WIDTH;
    let _ = writeln!(
        out,
        "<path class=mark d=\"M{x:.1} 0V{HEIGHT}M{:.1} 0L{x:.1} 10L{:.1} 0Z\" />",
        x - 6.0,
        x + 6.0
    );
}

fn cranks(out: &mut String, document: &Document, height: u64, index: u64, count: usize) {
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
    let _ = writeln!(out, "<h2>Cranks of height {height}</h2>");
    draw(out, "low", "cranks of the block", &bars, Some(share));
    let _ = writeln!(
        out,
        "<p class=scale><span>1</span><b>diverged in crank {} of \
         {count}</b><span>{count}</span></p>",
        index + 1
    );
}
