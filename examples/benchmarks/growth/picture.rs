//! The picture: one panel for each dimension, with the time of both passes and of their multiply-adds at the peak.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use super::curves;
use crate::measurements::{Case, Machine};

const SIZE: (u32, u32) = (760, 600);
const DIMENSIONS: [&str; 4] = ["n_a", "m", "T_x", "vocabulary"];
const PASSES: [(&str, RGBColor); 2] = [("train", RGBColor(214, 39, 40)), ("forward", RGBColor(31, 119, 180))];

/// Writes an SVG file, of single precision.
pub(crate) fn draw(path: &Path, machine: &Machine) -> Result<(), Box<dyn Error>> {
    let drawing = SVGBackend::new(path, SIZE).into_drawing_area();
    drawing.fill(&WHITE)?;
    let title = "milliseconds of a pass, f32, one thread; dashed: its multiply-adds at the peak";
    let drawing = drawing.titled(title, ("sans-serif", 17))?;
    let curves: Vec<_> = curves(&machine.cases).into_iter().filter(|curve| curve[0].dtype == "f32").collect();
    for (area, dimension) in drawing.split_evenly((2, 2)).iter().zip(DIMENSIONS) {
        let shown = || curves.iter().filter(|curve| curve[0].size == dimension);
        let times = |case: &Case| [case.elman(), case.time("peak")].into_iter().flatten().collect::<Vec<_>>();
        let x = range(shown().flatten().map(|case| value(case)));
        let y = range(shown().flatten().flat_map(|case| times(case)));
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(38)
            .y_label_area_size(52)
            .build_cartesian_2d((x.0..x.1).log_scale().base(2.0), (y.0..y.1).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_desc(dimension)
            .x_label_formatter(&ToString::to_string)
            .y_label_formatter(&ToString::to_string)
            .label_style(("sans-serif", 12))
            .axis_desc_style(("sans-serif", 14))
            .draw()?;
        for (pass, colour) in PASSES {
            let points = |program: &'static str| {
                let cases = shown().filter(move |curve| curve[0].pass == pass).flatten();
                cases.filter_map(move |case| Some((value(case), case.time(program)?)))
            };
            chart.draw_series(LineSeries::new(points("elman"), colour.stroke_width(2)))?;
            chart.draw_series(points("elman").map(|point| Circle::new(point, 3, colour.filled())))?;
            chart.draw_series(DashedLineSeries::new(points("peak"), 4, 4, colour.stroke_width(1)))?;
            if let Some(last) = points("elman").next_back() {
                let label = Text::new(pass, (-52, -6), ("sans-serif", 13).into_font().color(&colour));
                chart.draw_series([EmptyElement::at(last) + label])?;
            }
        }
    }
    drawing.present()?;
    Ok(())
}

/// From the least to the greatest value.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0), |(least, greatest), value| (least.min(value), greatest.max(value)))
}

#[expect(clippy::cast_precision_loss, reason = "a size is far below 2⁵³")]
fn value(case: &Case) -> f64 {
    case.value() as f64
}
