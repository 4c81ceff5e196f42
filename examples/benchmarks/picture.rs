//! The picture: one row for each case, one dot for each peer.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::measurements::Machine;

/// Single precision on one thread, from the top of the picture.
const ROWS: [(&str, &str); 8] = [
    ("small", "forward"),
    ("small", "train"),
    ("charlm", "forward"),
    ("charlm", "train"),
    ("large", "forward"),
    ("large", "train"),
    ("long", "train"),
    ("stream", "step"),
];

const PEERS: [(&str, &str, RGBColor); 5] = [
    ("onednn", "oneDNN", RGBColor(31, 119, 180)),
    ("jax", "JAX", RGBColor(44, 160, 44)),
    ("torch", "PyTorch", RGBColor(214, 39, 40)),
    ("numpy", "NumPy", RGBColor(148, 103, 189)),
    ("ndarray", "ndarray loop", RGBColor(255, 127, 14)),
];

const SIZE: (u32, u32) = (760, 360);

/// Whether the machine measured every row.
pub(crate) fn has_rows(machine: &Machine) -> bool {
    ROWS.into_iter().all(|(size, pass)| machine.case(1, "f32", size, pass).is_some())
}

/// Writes an SVG file: each peer's time divided by elman's, to a logarithmic scale.
pub(crate) fn draw(path: &Path, machine: &Machine) -> Result<(), Box<dyn Error>> {
    let drawing = SVGBackend::new(path, SIZE).into_drawing_area();
    drawing.fill(&WHITE)?;
    let rows = i32::try_from(ROWS.len())?;
    let mut chart = ChartBuilder::on(&drawing)
        .caption("time of a peer / time of elman, f32, one thread", ("sans-serif", 17))
        .margin(12)
        .margin_right(120)
        .x_label_area_size(38)
        .y_label_area_size(110)
        .build_cartesian_2d((0.5..100.0).log_scale(), -0.5..f64::from(rows) - 0.5)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc(format!("times as slow as elman; {}", machine.name))
        .x_labels(8)
        .x_label_formatter(&|x| x.to_string())
        .y_labels(0)
        .label_style(("sans-serif", 12))
        .axis_desc_style(("sans-serif", 13))
        .draw()?;
    let height = |row: usize| f64::from(rows) - 1.0 - f64::from(u32::try_from(row).unwrap_or(u32::MAX));
    chart.draw_series(LineSeries::new([(1.0, -0.5), (1.0, f64::from(rows) - 0.5)], BLACK.stroke_width(2)))?;
    for (row, (size, pass)) in ROWS.into_iter().enumerate() {
        let label = Text::new(format!("{size} {pass}"), (-100, -6), ("sans-serif", 13));
        chart.draw_series([EmptyElement::at((0.5, height(row))) + label])?;
    }
    for (name, _, colour) in PEERS {
        let ratios = ROWS.into_iter().enumerate().filter_map(|(row, (size, pass))| {
            let case = machine.case(1, "f32", size, pass)?;
            Some((case.time(name)? / case.elman()?, height(row)))
        });
        chart.draw_series(ratios.map(|point| Circle::new(point, 5, colour.filled())))?;
    }
    let x = i32::try_from(SIZE.0)? - 108;
    for (y, (_, label, colour)) in (60..).step_by(20).zip(PEERS) {
        drawing.draw(&Circle::new((x, y), 5, colour.filled()))?;
        drawing.draw(&Text::new(label, (x + 12, y - 6), ("sans-serif", 13)))?;
    }
    drawing.present()?;
    Ok(())
}
