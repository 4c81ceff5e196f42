//! Trains one network on one lag from one start.

use elman::loss::{self, Loss, Reduction};
use elman::optim::{Adam, Optimizer, clip_norm};
use elman::{Dims, Error, Parameters, Upstream, diagnostics, init, sequence};
use ndarray::Axis;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::task::{Batch, INPUTS, SYMBOLS};

/// Number of sequences in a training batch.
const BATCH: usize = 32;

/// Number of sequences for measuring, none of them from training.
const MEASURED: usize = 512;

/// The largest norm of a gradient: a larger one is clipped to it.
const LONGEST_GRADIENT: f64 = 1.0;

/// Steps between two measurements of the accuracy.
const LOOK: usize = 50;

/// The accuracy at which the task counts as learnt and training ends.
pub(crate) const LEARNT: f64 = 0.99;

/// The initialisation of the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Uniform `waa`, with a spectral radius of about 1/√3.
    Torch,
    /// The same, scaled to a spectral radius of one.
    Spectral,
    /// `waa` is the identity.
    Irnn,
    /// `waa` is orthogonal.
    Keras,
}

impl Start {
    pub(crate) const ALL: [Start; 4] = [Start::Torch, Start::Spectral, Start::Irnn, Start::Keras];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Start::Torch => "torch",
            Start::Spectral => "spectral",
            Start::Irnn => "irnn",
            Start::Keras => "keras",
        }
    }

    fn draw(self, hidden: usize, rng: &mut StdRng) -> Result<Parameters<f32>, Error> {
        let dims = Dims { n_x: INPUTS, n_a: hidden, n_y: SYMBOLS };
        match self {
            Start::Torch => Ok(init::torch(dims, rng)),
            Start::Spectral => init::spectral(dims, 1.0, rng),
            Start::Irnn => Ok(init::irnn(dims, rng)),
            Start::Keras => Ok(init::keras(dims, rng)),
        }
    }
}

/// Training settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Training {
    pub(crate) hidden: usize,
    pub(crate) steps: usize,
    pub(crate) learning_rate: f64,
}

/// The result of a training run.
#[derive(Debug, Clone)]
pub(crate) struct Trained {
    pub(crate) accuracy: f64,
    /// ‖∂L/∂a‖ after every step of a sequence, the mean over sequences: before training, and after it.
    pub(crate) gradients: [Vec<f64>; 2],
}

impl Training {
    /// `seed` determines the start and the sequences; the sequences are the same for every start. Calls `report` with
    /// the number of steps since its last call, and at the end with the steps that were skipped.
    pub(crate) fn run(&self, start: Start, lag: usize, seed: u64, report: impl Fn(usize)) -> Result<Trained, Error> {
        let mut parameters = start.draw(self.hidden, &mut StdRng::seed_from_u64(seed))?;
        let mut rng = StdRng::seed_from_u64(!seed);
        let mut measured = Batch::new(MEASURED, lag);
        measured.draw(&mut rng);
        let before = gradient_norms(&parameters, &measured)?;

        let mut batch = Batch::new(BATCH, lag);
        let mut adam = Adam::new(self.learning_rate);
        let mut cache = sequence::Cache::default();
        let mut loss = Loss::default();
        let mut back = sequence::Backward::default();
        let (mut left, mut accuracy) = (self.steps, 0.0);
        while left > 0 && accuracy < LEARNT {
            let steps = LOOK.min(left);
            for _ in 0..steps {
                batch.draw(&mut rng);
                sequence::forward_into(&parameters, &batch.x, None, &mut cache)?;
                loss::cross_entropy_into(&cache, &batch.targets, Reduction::Mean, &mut loss)?;
                back.discard_gradients();
                sequence::backward_into(&parameters, &cache, Upstream::logits(&loss.dlogits), &mut back)?;
                clip_norm(back.gradients.as_mut_slice(), LONGEST_GRADIENT)?;
                adam.step(parameters.as_mut_slice(), back.gradients.as_slice())?;
            }
            accuracy = accuracy_on(&parameters, &measured)?;
            left -= steps;
            report(steps);
        }
        report(left);
        Ok(Trained { accuracy, gradients: [before, gradient_norms(&parameters, &measured)?] })
    }
}

fn forward(parameters: &Parameters<f32>, batch: &Batch) -> Result<sequence::Cache<f32>, Error> {
    sequence::forward(parameters, &batch.x, None)
}

/// The share of sequences whose symbol has the largest logit.
fn accuracy_on(parameters: &Parameters<f32>, batch: &Batch) -> Result<f64, Error> {
    Ok(loss::cross_entropy(&forward(parameters, batch)?, &batch.targets, Reduction::Mean)?.accuracy())
}

/// The mean over sequences of ‖∂L/∂a‖ after every step, with L the loss of one sequence.
fn gradient_norms(parameters: &Parameters<f32>, batch: &Batch) -> Result<Vec<f64>, Error> {
    let cache = forward(parameters, batch)?;
    let loss = loss::cross_entropy(&cache, &batch.targets, Reduction::Sum)?;
    let norms = diagnostics::gradient_norms(parameters, &cache, Upstream::logits(&loss.dlogits))?;
    Ok(norms.mean_axis(Axis(0)).into_iter().flatten().collect())
}
