//! Pictures of curves, as SVG.

use std::ops::Range;
use std::path::{Path, PathBuf};

use plotters::coord::combinators::LogCoord;
use plotters::prelude::*;

use crate::measure::curves::{Curve, Series};

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<LogCoord<f64>, LogCoord<f64>>>;

/// Draws a curve into a folder and gives the picture's path.
pub fn draw(curve: &Curve, folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).expect("a folder");
    let path = folder.join(curve.file).with_extension("svg");
    draw_to(curve, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

fn draw_to(curve: &Curve, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, (640, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(curve.title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(60)
        .build_cartesian_2d(places(curve).log_scale(), nanoseconds(curve).log_scale())?;
    chart
        .configure_mesh()
        .x_desc(curve.axis)
        .y_desc("nanoseconds, middle half")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    for (series, color) in curve.series.iter().zip([BLUE, RED]) {
        draw_series(&mut chart, series, color)?;
    }
    chart
        .configure_series_labels()
        .background_style(WHITE)
        .draw()?;
    area.present()?;
    Ok(())
}

fn draw_series(
    chart: &mut Chart<'_, '_>,
    series: &Series,
    color: RGBColor,
) -> Result<(), Box<dyn std::error::Error>> {
    let medians = series
        .points
        .iter()
        .map(|(x, cost)| (*x, cost.median * 1e9));
    let line = chart.draw_series(LineSeries::new(medians, color.stroke_width(2)))?;
    line.label(series.name)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    let halves = series.points.iter().map(|(x, cost)| {
        let ends = [cost.low, cost.high].map(|end| (*x, end * 1e9));
        PathElement::new(ends, color.stroke_width(1))
    });
    chart.draw_series(halves)?;
    Ok(())
}

fn places(curve: &Curve) -> Range<f64> {
    let points = &curve.series[0].points;
    points[0].0..points[points.len() - 1].0
}

/// From a half of the least to twice the most.
fn nanoseconds(curve: &Curve) -> Range<f64> {
    let costs = || curve.series.iter().flat_map(|series| &series.points);
    let least = costs().map(|(_, cost)| cost.low).fold(f64::MAX, f64::min);
    let most = costs().map(|(_, cost)| cost.high).fold(0.0, f64::max);
    least * 5e8..most * 2e9
}
