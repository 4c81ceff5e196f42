//! The series, its parts, and the error measures.
//!
//! The numbers are the yearly sunspot numbers of 1700 to 2008 from the Python package statsmodels
//! (`statsmodels.datasets.sunspots`). They are in the public domain, by the NOAA National Geophysical Data Center from
//! the numbers of the SIDC, Royal Observatory of Belgium. `sunspots.py` writes `sunspots.csv`.

use std::ops::Range;

use crate::Result;

const FIRST_YEAR: usize = 1700;
const LAST_YEAR: usize = 2008;

/// The first years are read but not forecast, so that every method has a past to read.
pub(crate) const MOST_LAGS: usize = 12;

/// The years of the final training.
pub(crate) const TRAINING: Range<usize> = MOST_LAGS..index(1921);
/// The validation years: parts of the training years, each forecast after training on the years before it.
pub(crate) const FOLDS: [Range<usize>; 3] =
    [index(1800)..index(1840), index(1840)..index(1880), index(1880)..index(1921)];
pub(crate) const VALIDATION: Range<usize> = index(1800)..index(1921);
/// The training years and the first two test parts are those of A. S. Weigend, B. A. Huberman, D. E. Rumelhart,
/// *Predicting the future: a connectionist approach*, International Journal of Neural Systems 1 (1990) 193–209. The
/// third part is the years since.
pub(crate) const TESTS: [Range<usize>; 3] =
    [index(1921)..index(1956), index(1956)..index(1980), index(1980)..index(LAST_YEAR + 1)];
pub(crate) const TEST: Range<usize> = index(1921)..index(LAST_YEAR + 1);

const fn index(year: usize) -> usize {
    year - FIRST_YEAR
}

pub(crate) const fn year(index: usize) -> usize {
    FIRST_YEAR + index
}

/// The sunspot numbers, one a year from 1700 on.
pub(crate) fn sunspots() -> Result<Vec<f64>> {
    let rows = include_str!("sunspots.csv").lines().skip(1);
    let numbers = rows.enumerate().map(|(index, row)| match row.split_once(',') {
        Some((found, number)) if found.parse() == Ok(year(index)) => Ok(number.parse()?),
        _ => Err(format!("sunspots.csv: {row:?} is not the year {} and its number", year(index)).into()),
    });
    let numbers = numbers.collect::<Result<Vec<f64>>>()?;
    if numbers.len() != index(LAST_YEAR + 1) {
        return Err(format!("sunspots.csv: {} years, expected those until {LAST_YEAR}", numbers.len()).into());
    }
    Ok(numbers)
}

/// The scale that a method works on. Scaled values are roughly between −2 and 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Plain,
    /// The square root. The scatter of the sunspot numbers grows with their size; that of their roots hardly does.
    Root,
}

impl Scale {
    pub(crate) fn of(self, number: f64) -> f64 {
        match self {
            Scale::Plain => number / 40.0 - 1.0,
            Scale::Root => number.sqrt() / 3.0 - 2.0,
        }
    }

    /// Converts back to a sunspot number, at least 0.
    pub(crate) fn number(self, scaled: f64) -> f64 {
        match self {
            Scale::Plain => (40.0 * (scaled + 1.0)).max(0.0),
            Scale::Root => (3.0 * (scaled + 2.0)).max(0.0).powi(2),
        }
    }
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values)
}

/// The root mean squared error, in sunspot numbers.
pub(crate) fn rmse<'f>(forecasts: impl IntoIterator<Item = &'f f64>, numbers: &[f64]) -> f64 {
    let squares = forecasts.into_iter().zip(numbers).map(|(forecast, number)| (forecast - number).powi(2));
    (squares.sum::<f64>() / count(numbers)).sqrt()
}

/// The mean squared error divided by the variance: 1 for the best constant for these years.
pub(crate) fn normalised(rmse: f64, numbers: &[f64]) -> f64 {
    let constant = vec![mean(numbers); numbers.len()];
    (rmse / self::rmse(&constant, numbers)).powi(2)
}

#[expect(clippy::cast_precision_loss, reason = "some hundred years")]
fn count(values: &[f64]) -> f64 {
    values.len() as f64
}
