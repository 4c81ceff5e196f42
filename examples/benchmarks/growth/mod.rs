//! How the time grows with the size: a table and a picture for each machine, of the measurements of the bench `growth`.

pub(crate) mod picture;
pub(crate) mod places;

use std::fmt::Write;

use self::places::Place;
use crate::measurements::{Case, Machine};
use crate::tables::{INFALLIBLE, milliseconds, row};

const INTRODUCTION: &str = "
## How the time grows

One dimension at a time, in powers of two, on one thread. The lines are time, and the dashed lines are the time of the
multiply-adds at the processor's peak, which is measured in the same run. The sizes that do not grow, T_x·m·n_x·n_a·n_y:

- `n_a`: 16·32·64·n_a·64
- `m`: 16·m·64·256·64
- `T_x`: T_x·1·64·256·64
- `vocabulary`: 16·16·n·128·n, where the input is token ids, so `wax` takes no multiply-adds

`largest growth` compares a size with the next one, twice as large. It is the quotient of their times, divided by the quotient
of their multiply-adds: above 1, the larger size takes more time for each multiply-add. Above 2.2 it would be a cliff.

The small ends are bound by what surrounds the multiply-adds: calls, tanh and softmax, and in `train` reading and writing every
weight and its gradient for few rows. One column (`T_x`) has one row for each read of `waa`, so reads of the weights bound it.
With a large vocabulary, softmax takes a large part of the time beside 128 multiply-adds for each logit. We have not measured
each part alone.
";

/// The section of the page.
pub(crate) fn section(machines: &[Machine]) -> String {
    let mut page = String::from(INTRODUCTION);
    for machine in machines {
        let Machine { name, file, date, command, seconds, versions, .. } = machine;
        let versions: Vec<_> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        writeln!(page, "\n### {name}, growth\n").expect(INFALLIBLE);
        writeln!(page, "{date}, medians of {seconds} s. {}.\n", versions.join(", ")).expect(INFALLIBLE);
        writeln!(page, "```text\n{command}\n```\n").expect(INFALLIBLE);
        writeln!(page, "![time by n_a, m, T_x and vocabulary](benchmarks/growth/{file}.svg)\n").expect(INFALLIBLE);
        let head = ["dimension", "pass", "smallest", "ms", "of peak", "largest", "ms", "of peak", "largest growth"];
        row(&mut page, &head.map(str::to_owned));
        row(&mut page, &["---", "---", "---:", "---:", "---:", "---:", "---:", "---:", "---"].map(str::to_owned));
        let places = places::worst(&machine.cases);
        // The largest growth comes first, so the first place of a kind is its worst.
        for curve in curves(&machine.cases) {
            let worst = places.iter().find(|place| place.from.is_same_curve(curve[0]));
            row(&mut page, &cells(&curve, worst));
        }
    }
    page
}

fn cells(curve: &[&Case], worst: Option<&Place>) -> Vec<String> {
    let mut cells = vec![format!("`{}`", curve[0].size), format!("{} {}", curve[0].dtype, curve[0].pass)];
    for case in [curve[0], curve[curve.len() - 1]] {
        let share = 100.0 * case.share_of_peak().unwrap_or(f64::NAN);
        cells.extend([
            case.value().to_string(),
            milliseconds(case.elman().unwrap_or(f64::NAN)),
            format!("{share:.0} %"),
        ]);
    }
    let place = |worst: &Place| format!("{:.2}, {} to {}", worst.growth, worst.from.value(), worst.to.value());
    cells.push(worst.map_or("–".into(), place));
    cells
}

/// The cases of each dimension, pass and precision.
pub(crate) fn curves(cases: &[Case]) -> Vec<Vec<&Case>> {
    let mut curves: Vec<Vec<&Case>> = Vec::new();
    for case in cases {
        match curves.iter_mut().find(|curve| curve[0].is_same_curve(case)) {
            Some(curve) => curve.push(case),
            None => curves.push(vec![case]),
        }
    }
    curves
}
