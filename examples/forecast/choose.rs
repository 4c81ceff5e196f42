//! Selects by validation: the order of an autoregression, and a network's settings.

use std::ops::Range;

use elman::Error;
use ndarray::{Array2, ArrayView1, Axis};
use rayon::prelude::*;

use crate::Result;
use crate::linear::Autoregression;
use crate::network::{Network, Settings};
use crate::series::{FOLDS, MOST_LAGS, Scale, VALIDATION, rmse};

const HIDDEN: [usize; 3] = [4, 8, 16];
const WEIGHT_DECAY: [f64; 2] = [0.0, 0.3];
const MOST_STEPS: usize = 600;

/// The order with the smallest validation error.
pub(crate) fn order(scale: Scale, numbers: &[f64]) -> usize {
    let error = |order| {
        let forecasts = FOLDS.into_iter().flat_map(|years| {
            let fitted = Autoregression::fit(scale, order, numbers, MOST_LAGS..years.start);
            years.map(move |t| fitted.next(&numbers[..t]))
        });
        rmse(&forecasts.collect::<Vec<f64>>(), &numbers[VALIDATION])
    };
    let errors = (1..=MOST_LAGS).map(|order| (order, error(order)));
    errors.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(1, |(order, _)| order)
}

/// All candidate settings, with the largest number of steps only: training passes through the smaller ones.
pub(crate) fn candidates() -> Vec<Settings> {
    let mut candidates = Vec::new();
    for scale in [Scale::Plain, Scale::Root] {
        for hidden in HIDDEN {
            let with = |weight_decay| Settings { scale, hidden, weight_decay, steps: MOST_STEPS };
            candidates.extend(WEIGHT_DECAY.map(with));
        }
    }
    candidates
}

/// The settings with which the mean of the networks has the smallest validation error.
///
/// `tried` is called after each network of each candidate.
pub(crate) fn settings(numbers: &[f64], seeds: &Range<u64>, tried: impl Fn() + Sync) -> Result<Settings> {
    let (mut least, mut best) = (f64::INFINITY, None);
    for candidate in candidates() {
        let attempt = |seed| validation_forecasts(candidate, numbers, seed).inspect(|_| tried());
        let networks: std::result::Result<Vec<_>, Error> = seeds.clone().into_par_iter().map(attempt).collect();
        let networks = networks?;
        #[expect(clippy::cast_precision_loss, reason = "some dozen networks")]
        let weight = 1.0 / networks.len() as f64;
        let mut mean = Array2::<f64>::zeros((MOST_STEPS, VALIDATION.len()));
        for forecasts in &networks {
            mean.scaled_add(weight, forecasts);
        }
        for (steps, forecasts) in mean.rows().into_iter().enumerate() {
            let error = rmse(forecasts, &numbers[VALIDATION]);
            if error < least {
                (least, best) = (error, Some(Settings { steps, ..candidate }));
            }
        }
    }
    best.ok_or_else(|| "no network's forecasts are numbers".into())
}

/// The validation forecasts of one network after every number of steps: (steps, years).
fn validation_forecasts(candidate: Settings, numbers: &[f64], seed: u64) -> std::result::Result<Array2<f64>, Error> {
    let mut forecasts = Array2::zeros((MOST_STEPS, VALIDATION.len()));
    for years in FOLDS {
        let columns = years.start - VALIDATION.start..years.end - VALIDATION.start;
        let mut part = forecasts.slice_axis_mut(Axis(1), columns.into());
        let learn = MOST_LAGS..years.start;
        Network::train(candidate, &numbers[..years.end], &learn, seed, |step, all| {
            // The first forecast is for the second year.
            part.row_mut(step).assign(&ArrayView1::from(&all[years.start - 1..]));
        })?;
    }
    Ok(forecasts)
}
