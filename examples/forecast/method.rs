//! The methods that are compared. Each can forecast any number of years.

use std::fmt::{Display, Formatter};
use std::ops::Range;

use elman::Error;

use crate::linear::Autoregression;
use crate::network::{Ensemble, Settings};
use crate::series::{Scale, mean};

#[derive(Debug, Clone)]
pub(crate) enum Method {
    /// A constant: the mean of the training years.
    Mean(f64),
    /// The value of this many years ago.
    Repeat(usize),
    Linear(Autoregression),
    Networks(Ensemble),
}

/// What validation selects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    /// The orders of the autoregressions.
    pub(crate) orders: [(Scale, usize); 2],
    pub(crate) settings: Settings,
}

impl Method {
    /// All methods, trained on the years `learn`: simplest first, networks last.
    pub(crate) fn all(
        choice: &Choice,
        numbers: &[f64],
        learn: &Range<usize>,
        seeds: &Range<u64>,
    ) -> Result<Vec<Self>, Error> {
        let seen = &numbers[..learn.end];
        let mut methods = vec![Method::Mean(mean(&seen[learn.clone()])), Method::Repeat(11), Method::Repeat(1)];
        for (scale, order) in choice.orders {
            methods.push(Method::Linear(Autoregression::fit(scale, order, seen, learn.clone())));
        }
        methods.push(Method::Networks(Ensemble::train(choice.settings, seen, learn, seeds)?));
        Ok(methods)
    }

    /// Forecasts `horizon` years after `past`. Later forecasts read the earlier ones.
    pub(crate) fn forecast(&self, past: &[f64], horizon: usize) -> Result<Vec<f64>, Error> {
        let mut numbers = past.to_vec();
        for _ in 0..horizon {
            numbers.push(match self {
                Method::Mean(mean) => *mean,
                Method::Repeat(years) => numbers[numbers.len() - years],
                Method::Linear(autoregression) => autoregression.next(&numbers),
                Method::Networks(ensemble) => return ensemble.forecast(past, horizon),
            });
        }
        Ok(numbers.split_off(past.len()))
    }

    /// Forecasts of `years`, each from the numbers known `horizon` years before.
    pub(crate) fn forecasts(&self, numbers: &[f64], years: Range<usize>, horizon: usize) -> Result<Vec<f64>, Error> {
        years.map(|t| Ok(self.forecast(&numbers[..t + 1 - horizon], horizon)?[horizon - 1])).collect()
    }
}

impl Display for Method {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Method::Mean(_) => f.pad("mean of training years"),
            Method::Repeat(1) => f.pad("as last year"),
            Method::Repeat(years) => f.pad(&format!("as {years} years ago")),
            Method::Linear(autoregression) => autoregression.fmt(f),
            Method::Networks(ensemble) => ensemble.fmt(f),
        }
    }
}
