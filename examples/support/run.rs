//! A training run of an example: its progress bar, its curves, early stopping, and its best parameters.

#![allow(dead_code, reason = "an example that has nothing to validate uses a part of it")]

use std::mem;

use indicatif::ProgressBar;

use crate::chart::Curve;

#[path = "progress.rs"]
mod progress;

pub(crate) use progress::progress_bar;

/// A training run. `P` is the type of the parameters that it keeps.
#[derive(Debug)]
pub(crate) struct Run<P> {
    bar: ProgressBar,
    step: u64,
    /// The run stops after this many steps without a better validation loss.
    patience: u64,
    /// A point of the training curve is the mean of this many losses.
    averaged_over: usize,
    /// The losses since the last point.
    losses: Vec<f64>,
    training: Vec<(f64, f64)>,
    validation: Vec<(f64, f64)>,
    best: Option<Best<P>>,
}

/// The parameters with the least validation loss.
#[derive(Debug)]
pub(crate) struct Best<P> {
    pub(crate) step: u64,
    pub(crate) loss: f64,
    pub(crate) parameters: P,
}

impl<P: Clone> Run<P> {
    /// A run of at most `steps` steps. `unit` names them, such as `"epochs"`.
    pub(crate) fn new(steps: u64, unit: &str) -> Self {
        Run {
            bar: progress_bar(steps, unit),
            step: 0,
            patience: u64::MAX,
            averaged_over: 1,
            losses: Vec::new(),
            training: Vec::new(),
            validation: Vec::new(),
            best: None,
        }
    }

    /// Stops early: after `patience` steps without a better validation loss.
    pub(crate) fn with_patience(self, patience: u64) -> Self {
        Run { patience, ..self }
    }

    /// Makes one point of the training curve from this many losses.
    pub(crate) fn averaged_over(self, losses: usize) -> Self {
        Run { averaged_over: losses, ..self }
    }

    /// Starts the next step, and returns its number from 1. Returns `None` after the last step, and where the patience ends.
    pub(crate) fn next_step(&mut self) -> Option<u64> {
        let best = self.best.as_ref().map_or(0, |best| best.step);
        if self.step == self.bar.length().unwrap_or(0) || self.step - best >= self.patience {
            self.bar.finish_and_clear();
            return None;
        }
        self.bar.set_position(self.step);
        self.step += 1;
        Some(self.step)
    }

    /// Adds a training loss of the current step to the curve.
    pub(crate) fn train(&mut self, loss: f64) {
        self.losses.push(loss);
        if self.losses.len() >= self.averaged_over {
            let losses = mem::take(&mut self.losses);
            self.training.push((real(self.step), losses.iter().sum::<f64>() / real(losses.len() as u64)));
        }
    }

    /// Adds a validation loss of the current step to the curve, and keeps a clone of the parameters where it is the least so
    /// far. Returns whether it is.
    pub(crate) fn validate(&mut self, loss: f64, parameters: &P) -> bool {
        self.validation.push((real(self.step), loss));
        self.bar.set_message(format!("validation loss {loss:.4}"));
        let is_best = self.best.as_ref().map_or(!loss.is_nan(), |best| loss < best.loss);
        if is_best {
            self.best = Some(Best { step: self.step, loss, parameters: parameters.clone() });
        }
        is_best
    }

    /// The step, loss and parameters with the least validation loss; `None` without one.
    pub(crate) fn best(&self) -> Option<&Best<P>> {
        self.best.as_ref()
    }

    /// The losses by step.
    pub(crate) fn training_curve<'a>(&self, label: &'a str) -> Curve<'a> {
        Curve { label, points: self.training.clone(), dots: false }
    }

    /// The validation losses by step.
    pub(crate) fn validation_curve<'a>(&self, label: &'a str) -> Curve<'a> {
        Curve { label, points: self.validation.clone(), dots: false }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of steps is far below 2⁵³")]
fn real(count: u64) -> f64 {
    count as f64
}
