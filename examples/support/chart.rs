//! Charts for the examples: panels of curves, one below the other, as SVG.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

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

/// One pair of axes with its curves.
#[derive(Debug, Default)]
pub(crate) struct Panel<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    /// Whether the y axis is logarithmic. Values that are not positive are then left out.
    pub(crate) logarithmic: bool,
    pub(crate) curves: Vec<Curve<'a>>,
    /// Text to write above a point.
    pub(crate) notes: Vec<((f64, f64), String)>,
}

/// A curve.
#[derive(Debug)]
pub(crate) struct Curve<'a> {
    /// The label in the legend. A curve without a label is not in the legend.
    pub(crate) label: &'a str,
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether the points are also marked.
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
            draw_panel(area, panel, x, y, |y| format!("{y:.0e}"), shown)?;
        } else {
            let y = range(points().map(|point| point.1), 0.04);
            draw_panel(area, panel, x, y, |y| format!("{}", (y * 1e6).round() / 1e6), shown)?;
        }
    }
    drawing.present()?;
    Ok(())
}

/// The range from the smallest to the largest value, with a margin on each side as a share of its width.
fn range(values: impl Iterator<Item = f64>, margin: f64) -> Range<f64> {
    let (least, largest) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    match largest - least {
        width if width > 0.0 => least - margin * width..largest + margin * width,
        0.0 => least - 0.5..largest + 0.5,
        _ => 0.0..1.0,
    }
}

fn draw_panel<Y>(
    area: &DrawingArea<SVGBackend, plotters::coord::Shift>,
    panel: &Panel,
    x: Range<f64>,
    y: impl AsRangedCoord<Value = f64, CoordDescType = Y>,
    y_label: impl Fn(&f64) -> String,
    shown: impl Fn(&&(f64, f64)) -> bool,
) -> Result<(), Box<dyn Error>>
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let curves = || panel.curves.iter().zip(COLOURS.iter().cycle());
    let labelled = || curves().filter(|(curve, _)| !curve.label.is_empty());
    let legend = labelled().map(|(curve, _)| 30 + 7 * curve.label.chars().count()).max().unwrap_or(0);
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 17))
        .margin(12)
        .margin_right(i32::try_from(12 + legend)?)
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
    for (curve, colour) in curves() {
        let points = || curve.points.iter().filter(&shown).copied();
        chart.draw_series(LineSeries::new(points(), colour.stroke_width(2)))?;
        if curve.dots {
            chart.draw_series(points().map(|point| Circle::new(point, 3, colour.filled())))?;
        }
    }
    let text = |horizontal, vertical| ("sans-serif", 12).into_font().color(&BLACK).pos(Pos::new(horizontal, vertical));
    let above = text(HPos::Center, VPos::Bottom);
    let notes = panel.notes.iter().filter(|(point, _)| shown(&point));
    chart.draw_series(
        notes.map(|(point, note)| EmptyElement::at(*point) + Text::new(note.clone(), (0, -5), above.clone())),
    )?;
    let x = i32::try_from(WIDTH)? - i32::try_from(legend)?;
    for (y, (curve, colour)) in (60..).step_by(20).zip(labelled()) {
        area.draw(&PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)))?;
        area.draw(&Text::new(curve.label, (x + 22, y), text(HPos::Left, VPos::Center)))?;
    }
    Ok(())
}
