//! The result tables and the conclusion.

use std::fmt::Display;
use std::io::{self, Write};
use std::ops::Range;

use elman::Error;

use crate::Result;
use crate::method::Method;
use crate::series::{FOLDS, TEST, TESTS, TRAINING, VALIDATION, mean, normalised, rmse, year};

/// The networks' error in the test years must be below that of repeating the last year by at least this share.
const BELOW_REPEATING: f64 = 0.4;
/// The networks' error may be above that of an autoregression by at most this share.
const ABOVE_LINEAR: f64 = 0.06;

const HORIZONS: [usize; 6] = [1, 2, 3, 5, 8, 11];

/// The first and last of `years`, as text.
fn span(years: &Range<usize>) -> String {
    format!("{}–{}", year(years.start), year(years.end - 1))
}

/// The error one year ahead.
fn error(method: &Method, numbers: &[f64], years: Range<usize>) -> std::result::Result<f64, Error> {
    Ok(rmse(&method.forecasts(numbers, years.clone(), 1)?, &numbers[years]))
}

/// Prints the errors one year ahead. `validated` holds, for each part of the validation years, the methods trained on
/// the years before it.
pub(crate) fn one_year_ahead(
    out: &mut impl Write,
    validated: &[Vec<Method>],
    methods: &[Method],
    numbers: &[f64],
) -> Result<()> {
    writeln!(out, "one year ahead: root mean squared error in sunspot numbers, and normalised mean squared error;")?;
    writeln!(out, "the best constant for those years has a normalised error of 1\n")?;
    let parts = || [TRAINING].into_iter().chain(TESTS).chain([TEST]);
    row(out, &"", ["validation", "training", "test", "test", "test", "all tests"])?;
    row(out, &"", [VALIDATION].into_iter().chain(parts()).map(|years| span(&years)))?;
    for (index, method) in methods.iter().enumerate() {
        let mut validation = Vec::new();
        for (methods, years) in validated.iter().zip(FOLDS) {
            validation.extend(methods[index].forecasts(numbers, years, 1)?);
        }
        let mut errors = vec![(VALIDATION, rmse(&validation, &numbers[VALIDATION]))];
        for years in parts() {
            errors.push((years.clone(), error(method, numbers, years)?));
        }
        let cell = |(years, rmse)| format!("{rmse:.1} {:.3}", normalised(rmse, &numbers[years]));
        row(out, method, errors.into_iter().map(cell))?;
    }
    Ok(())
}

/// Prints the errors in the test years for each forecast horizon.
pub(crate) fn further_ahead(out: &mut impl Write, methods: &[Method], numbers: &[f64]) -> Result<()> {
    writeln!(out, "\nseveral years ahead, reading earlier forecasts: root mean squared error in {}\n", span(&TEST))?;
    row(out, &"", HORIZONS)?;
    for method in methods {
        let error = |horizon| Ok(rmse(&method.forecasts(numbers, TEST, horizon)?, &numbers[TEST]));
        let errors: Vec<f64> = HORIZONS.into_iter().map(error).collect::<Result<_>>()?;
        row(out, method, errors.iter().map(|error| format!("{error:.1}")))?;
    }
    Ok(())
}

/// Prints the error of the networks, the last method, relative to the other methods in the test years. Returns whether
/// it is as stated.
pub(crate) fn conclude(out: &mut impl Write, methods: &[Method], numbers: &[f64]) -> Result<bool> {
    let (networks, simpler) = methods.split_last().ok_or("there is no method")?;
    let reached = error(networks, numbers, TEST)?;
    writeln!(out, "\nin {} the error of the {networks}, {reached:.1}, is", span(&TEST))?;
    let mut as_stated = true;
    for method in simpler {
        let ratio = reached / error(method, numbers, TEST)?;
        let direction = if ratio < 1.0 { "below" } else { "above" };
        writeln!(out, "{:6.1} % {direction}  {method}", 100.0 * (ratio - 1.0).abs())?;
        as_stated &= match method {
            Method::Repeat(1) => ratio < 1.0 - BELOW_REPEATING,
            Method::Linear(_) => ratio < 1.0 + ABOVE_LINEAR,
            _ => ratio < 1.0,
        };
    }
    if let Method::Networks(ensemble) = networks {
        let alone = |network| error(&Method::Networks(network), numbers, TEST);
        let mut alone: Vec<f64> = ensemble.singles().map(alone).collect::<std::result::Result<_, _>>()?;
        alone.sort_by(f64::total_cmp);
        if let [least, .., largest] = alone[..] {
            writeln!(out, "one network alone: from {least:.1} to {largest:.1}, {:.1} on average", mean(&alone))?;
        }
    }
    Ok(as_stated)
}

fn row(out: &mut impl Write, head: &dyn Display, cells: impl IntoIterator<Item = impl Display>) -> io::Result<()> {
    write!(out, "{head:29}")?;
    for cell in cells {
        write!(out, "{cell:>12}")?;
    }
    writeln!(out)
}
