//! An Elman network that forecasts: its input is the number of one year, its logit the forecast of the next.
//!
//! ```text
//! a_t = tanh(Wax·x_t + Waa·a_{t−1} + ba)      x̂_{t+1} = Wya·a_t + by
//! L   = Σ (x̂_t − x_t)² / 2n
//! ```
//!
//! over the n training years t. The squared error reads the logits, so the softmax is not used.

use std::fmt::{Display, Formatter};
use std::ops::Range;

use elman::loss::{self, Loss, Reduction, Targets};
use elman::optim::{AdamW, Optimizer, clip_norm};
use elman::{Dims, Error, Parameters, Upstream, cell, init, sequence};
use ndarray::{Array1, Array2, Array3, Axis};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::prelude::*;

use crate::series::Scale;

const LEARNING_RATE: f64 = 0.003;

/// The largest norm of a gradient: a larger one is clipped to it.
const LONGEST_GRADIENT: f64 = 1.0;

/// What validation selects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    pub(crate) scale: Scale,
    pub(crate) hidden: usize,
    pub(crate) weight_decay: f64,
    pub(crate) steps: usize,
}

/// Networks with different seeds.
#[derive(Debug, Clone)]
pub(crate) struct Ensemble {
    members: Vec<Network>,
}

#[derive(Debug, Clone)]
pub(crate) struct Network {
    scale: Scale,
    parameters: Parameters<f64>,
}

impl Ensemble {
    /// Trains one network for each seed on the years `learn`.
    pub(crate) fn train(
        settings: Settings,
        numbers: &[f64],
        learn: &Range<usize>,
        seeds: &Range<u64>,
    ) -> Result<Self, Error> {
        let train = |seed| Network::train(settings, numbers, learn, seed, |_, _| ());
        let members: Result<_, _> = seeds.clone().into_par_iter().map(train).collect();
        Ok(Ensemble { members: members? })
    }

    /// The mean of the members' forecasts.
    pub(crate) fn forecast(&self, past: &[f64], horizon: usize) -> Result<Vec<f64>, Error> {
        let members: Result<Vec<_>, _> = self.members.iter().map(|member| member.forecast(past, horizon)).collect();
        let members = members?;
        #[expect(clippy::cast_precision_loss, reason = "some dozen members")]
        let mean = |year| members.iter().map(|member| member[year]).sum::<f64>() / members.len() as f64;
        Ok((0..horizon).map(mean).collect())
    }

    /// Each member as an ensemble of one.
    pub(crate) fn singles(&self) -> impl Iterator<Item = Self> {
        self.members.iter().map(|member| Ensemble { members: vec![member.clone()] })
    }
}

impl Display for Settings {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Settings { scale, hidden, weight_decay, steps } = self;
        let reads = match scale {
            Scale::Plain => "sunspot numbers",
            Scale::Root => "their square roots",
        };
        write!(f, "{hidden} hidden units on {reads}, weight decay {weight_decay}, {steps} steps")
    }
}

impl Display for Ensemble {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.members.len() {
            1 => f.pad("one network"),
            members => f.pad(&format!("mean of {members} networks")),
        }
    }
}

impl Network {
    /// Trains on the years `learn`, all of them in every step.
    ///
    /// Before every step, calls `report` with the step's number and the forecasts of all years except the first. The
    /// years after `learn` are forecast in the same pass, and do not contribute to the gradient.
    pub(crate) fn train(
        settings: Settings,
        numbers: &[f64],
        learn: &Range<usize>,
        seed: u64,
        mut report: impl FnMut(usize, Vec<f64>),
    ) -> Result<Self, Error> {
        let Settings { scale, hidden, weight_decay, steps } = settings;
        let x = scaled(scale, &numbers[..numbers.len() - 1]);
        let targets = scaled(scale, &numbers[1..]);
        // Logit t forecasts year t + 1.
        let learn = learn.start - 1..learn.end - 1;
        #[expect(clippy::cast_precision_loss, reason = "some hundred years")]
        let reduction = Reduction::Scaled(0.5 / learn.len() as f64);

        let parameters = init::torch(Dims { n_x: 1, n_a: hidden, n_y: 1 }, &mut StdRng::seed_from_u64(seed));
        let mut network = Network { scale, parameters };
        let mut adam = AdamW::new(LEARNING_RATE).with_weight_decay(weight_decay);
        let mut cache = sequence::Cache::default();
        let mut loss = Loss::default();
        let mut back = sequence::Backward::default();
        for step in 0..steps {
            let Network { parameters, .. } = &mut network;
            sequence::forward_into(parameters, &x, None, &mut cache)?;
            report(step, cache.logits().iter().map(|logit| scale.number(*logit)).collect());

            let learnt = Targets::new(&targets).steps(learn.clone());
            loss::squared_error_into(&cache, learnt, reduction, &mut loss)?;
            back.discard_gradients();
            sequence::backward_into(parameters, &cache, Upstream::logits(&loss.dlogits), &mut back)?;
            clip_norm(back.gradients.as_mut_slice(), LONGEST_GRADIENT)?;
            adam.step(parameters.as_mut_slice(), back.gradients.as_slice())?;
        }
        Ok(network)
    }

    /// Reads the past, then each forecast in turn.
    pub(crate) fn forecast(&self, past: &[f64], horizon: usize) -> Result<Vec<f64>, Error> {
        let mut stepper = cell::Stepper::new(&self.parameters, 1);
        let mut read = |number| {
            stepper.step(&Array2::from_elem((1, 1), self.scale.of(number)))?;
            Ok(self.scale.number(stepper.logits()[[0, 0]]))
        };
        let mut next = 0.0;
        for &number in past {
            next = read(number)?;
        }
        let mut forecasts = Vec::with_capacity(horizon);
        for _ in 0..horizon {
            forecasts.push(next);
            next = read(next)?;
        }
        Ok(forecasts)
    }
}

/// (1, 1, years)
fn scaled(scale: Scale, numbers: &[f64]) -> Array3<f64> {
    let scaled: Array1<f64> = numbers.iter().map(|number| scale.of(*number)).collect();
    scaled.insert_axis(Axis(0)).insert_axis(Axis(0))
}
