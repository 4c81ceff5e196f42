//! The pictures of the examples: panels of curves, one below the other, as SVG.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

const WIDTH: u32 = 760;
const PANEL_HEIGHT: u32 = 280;
const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(255, 127, 14),
    RGBColor(90, 90, 90),
];

/// One system of axes.
#[derive(Debug, Default)]
pub(crate) struct Panel<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    /// Whether y is drawn to a logarithmic scale; values that are not positive are then left out.
    pub(crate) logarithmic: bool,
    pub(crate) curves: Vec<Curve<'a>>,
}

/// Points that belong together.
#[derive(Debug)]
pub(crate) struct Curve<'a> {
    /// What the legend says; a curve without a label is not in it.
    pub(crate) label: &'a str,
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether the points are marked, too.
    pub(crate) dots: bool,
}

/// Writes the panels to an SVG file.
pub(crate) fn draw(path: &Path, panels: &[Panel]) -> Result<(), Box<dyn Error>> {
    let height = PANEL_HEIGHT * u32::try_from(panels.len())?;
    let drawing = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    drawing.fill(&WHITE)?;
    for (area, panel) in drawing.split_evenly((panels.len(), 1)).iter().zip(panels) {
        let shown = |&&(x, y): &&(f64, f64)| x.is_finite() && y.is_finite() && (y > 0.0 || !panel.logarithmic);
        let points = || panel.curves.iter().flat_map(|curve| curve.points.iter().filter(shown));
        let x = range(points().map(|point| point.0), 0.0);
        if panel.logarithmic {
            let logarithms = range(points().map(|point| point.1.log10()), 0.04);
            let y = (10f64.powf(logarithms.start)..10f64.powf(logarithms.end)).log_scale();
            let legend = emptiest_corner(points().map(|&(x, y)| (x, y.log10())), &x, &logarithms);
            draw_panel(area, panel, x, y, |y| format!("{y:.0e}"), legend, shown)?;
        } else {
            let y = range(points().map(|point| point.1), 0.04);
            let legend = emptiest_corner(points().copied(), &x, &y);
            draw_panel(area, panel, x, y, |y| format!("{}", (y * 1e6).round() / 1e6), legend, shown)?;
        }
    }
    drawing.present()?;
    Ok(())
}

/// From the least to the largest value, and a share of that on either side.
fn range(values: impl Iterator<Item = f64>, margin: f64) -> Range<f64> {
    let (least, largest) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    match largest - least {
        width if width > 0.0 => least - margin * width..largest + margin * width,
        0.0 => least - 0.5..largest + 0.5,
        _ => 0.0..1.0,
    }
}

/// The corner in which a legend hides the fewest points.
fn emptiest_corner(points: impl Iterator<Item = (f64, f64)>, x: &Range<f64>, y: &Range<f64>) -> SeriesLabelPosition {
    use SeriesLabelPosition::{LowerLeft, LowerRight, UpperLeft, UpperRight};
    let share = |value: f64, range: &Range<f64>| (value - range.start) / (range.end - range.start);
    let mut corners =
        [(UpperRight, 1.0, 1.0, 0), (UpperLeft, 0.0, 1.0, 0), (LowerRight, 1.0, 0.0, 0), (LowerLeft, 0.0, 0.0, 0)];
    for (at_x, at_y) in points {
        for (_, corner_x, corner_y, hidden) in &mut corners {
            let near = (share(at_x, x) - *corner_x).abs() < 0.4 && (share(at_y, y) - *corner_y).abs() < 0.4;
            *hidden += u32::from(near);
        }
    }
    corners.into_iter().min_by_key(|corner| corner.3).map_or(UpperRight, |corner| corner.0)
}

fn draw_panel<Y>(
    area: &DrawingArea<SVGBackend, plotters::coord::Shift>,
    panel: &Panel,
    x: Range<f64>,
    y: impl AsRangedCoord<Value = f64, CoordDescType = Y>,
    y_label: impl Fn(&f64) -> String,
    legend: SeriesLabelPosition,
    shown: impl Fn(&&(f64, f64)) -> bool,
) -> Result<(), Box<dyn Error>>
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(38)
        .y_label_area_size(62)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc(panel.x)
        .y_desc(panel.y)
        .y_labels(6)
        .x_label_formatter(&|x| format!("{}", (x * 1e6).round() / 1e6))
        .y_label_formatter(&y_label)
        .label_style(("sans-serif", 12))
        .axis_desc_style(("sans-serif", 14))
        .draw()?;
    for (curve, colour) in panel.curves.iter().zip(COLOURS.iter().cycle()) {
        let points = || curve.points.iter().filter(&shown).copied();
        let drawn = chart.draw_series(LineSeries::new(points(), colour.stroke_width(2)))?;
        if !curve.label.is_empty() {
            let sample = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2));
            drawn.label(curve.label).legend(sample);
        }
        if curve.dots {
            chart.draw_series(points().map(|point| Circle::new(point, 3, colour.filled())))?;
        }
    }
    if panel.curves.iter().any(|curve| !curve.label.is_empty()) {
        chart
            .configure_series_labels()
            .position(legend)
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(190, 190, 190))
            .label_font(("sans-serif", 12))
            .draw()?;
    }
    Ok(())
}
