//! A network with a vocabulary: training, measuring, sampling.

use std::f64::consts::{LN_2, PI};

use elman::loss::{self, Loss, Reduction};
use elman::optim::{Adam, Optimizer, clip_norm};
use elman::{Dims, Parameters, Upstream, cell, init, sequence};
use ndarray::{Array2, Array3, Axis, ShapeBuilder};
use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;

use crate::Result;
use crate::reader::{Reader, write_one_hot};
use crate::text::{Text, Vocabulary};

/// The largest norm of a gradient: a longer one is shortened to it.
const LONGEST_GRADIENT: f64 = 1.0;

/// Symbols that are measured on at a time.
const MEASURED_TOGETHER: usize = 256;

/// How to train.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Training {
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) length: usize,
    pub(crate) learning_rate: f64,
}

impl Training {
    /// From the whole rate to a tenth of it, along half a cosine.
    #[expect(clippy::cast_precision_loss, reason = "a count of steps is far below 2⁵³")]
    fn learning_rate_at(&self, step: usize) -> f64 {
        let done = step as f64 / self.steps as f64;
        self.learning_rate * (0.1 + 0.45 * (1.0 + (PI * done).cos()))
    }
}

/// A character model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Model {
    pub(crate) vocabulary: Vocabulary,
    pub(crate) parameters: Parameters<f32>,
}

impl Model {
    pub(crate) fn new(vocabulary: Vocabulary, hidden: usize, rng: &mut impl Rng) -> Self {
        let dims = Dims { n_x: vocabulary.len(), n_a: hidden, n_y: vocabulary.len() };
        Model { vocabulary, parameters: init::torch(dims, rng) }
    }

    /// Trains on the training part. After every step, `report` gets the number of steps done and the loss in bits per
    /// character, averaged over about the last fifty steps.
    pub(crate) fn train(
        &mut self,
        text: &Text,
        training: &Training,
        rng: &mut impl Rng,
        mut report: impl FnMut(&Self, usize, f64) -> Result<()>,
    ) -> Result<()> {
        let dims = self.parameters.dims();
        let mut reader = Reader::new(text.training(), dims.n_x, training.batch, training.length)?;
        let mut adam = Adam::new(training.learning_rate);
        let mut a0 = Array2::zeros((dims.n_a, training.batch).f());
        let mut cache = sequence::Cache::default();
        let mut loss = Loss::default();
        let mut back = sequence::Backward::default();
        let mut average = None;
        for step in 0..training.steps {
            if reader.next_chunk(rng) {
                a0.fill(0.0);
            } else if step > 0 {
                a0.assign(&cache.last_hidden());
            }
            sequence::forward_into(&self.parameters, &reader.x, &a0, &mut cache)?;
            loss::cross_entropy_into(&cache, &reader.targets, Reduction::Mean, &mut loss)?;
            back.gradients.fill(0.0);
            sequence::backward_into(&self.parameters, &cache, Upstream::logits(&loss.dlogits), &mut back)?;
            clip_norm(back.gradients.as_mut_slice(), LONGEST_GRADIENT)?;
            adam.set_learning_rate(training.learning_rate_at(step));
            adam.step(self.parameters.as_mut_slice(), back.gradients.as_slice())?;

            let bits = f64::from(loss.value) / LN_2;
            if !bits.is_finite() {
                return Err(format!("the loss is {bits} at step {step}: try a smaller --lr").into());
            }
            let before = average.unwrap_or(bits);
            let average = *average.insert(before + 0.02 * (bits - before));
            report(self, step + 1, average)?;
        }
        Ok(())
    }

    /// The loss in bits per character, from the zero state and every symbol predicted from all those before it.
    #[expect(clippy::cast_precision_loss, reason = "a count of characters is far below 2⁵³")]
    pub(crate) fn bits_per_character(&self, symbols: &[usize]) -> Result<f64> {
        let dims = self.parameters.dims();
        let mut x = Array3::zeros((dims.n_x, 1, MEASURED_TOGETHER).f());
        let mut a0 = Array2::zeros((dims.n_a, 1));
        let mut cache = sequence::Cache::default();
        let mut loss = Loss::default();
        let (inputs, targets) = (&symbols[..symbols.len() - 1], &symbols[1..]);
        let mut nats = 0.0;
        for (inputs, targets) in inputs.chunks(MEASURED_TOGETHER).zip(targets.chunks(MEASURED_TOGETHER)) {
            x.fill(0.0);
            write_one_hot(x.index_axis_mut(Axis(1), 0), inputs);
            let read = x.slice_axis(Axis(2), (..inputs.len()).into());
            sequence::forward_into(&self.parameters, &read, &a0, &mut cache)?;
            let targets = Array2::from_shape_vec((1, targets.len()), targets.to_vec())?;
            loss::cross_entropy_into(&cache, &targets, Reduction::Sum, &mut loss)?;
            nats += f64::from(loss.value);
            a0.assign(&cache.last_hidden());
        }
        Ok(nats / LN_2 / inputs.len() as f64)
    }

    /// Reads the prompt, then draws symbol after symbol from softmax(logits / temperature) and reads it in turn.
    pub(crate) fn sample(
        &self,
        prompt: &[usize],
        length: usize,
        temperature: f64,
        rng: &mut impl Rng,
    ) -> Result<Vec<usize>> {
        let mut stepper = cell::Stepper::new(&self.parameters, 1);
        let mut xt = Array2::zeros((self.parameters.dims().n_x, 1));
        let mut read = |symbol| {
            xt.fill(0.0);
            xt[[symbol, 0]] = 1.0;
            stepper.step(&xt)?;
            Ok::<_, elman::Error>(stepper.logits().mapv(f64::from))
        };
        let mut logits = Array2::zeros((self.parameters.dims().n_y, 1));
        for &symbol in prompt {
            logits = read(symbol)?;
        }
        let mut sampled = Vec::new();
        for _ in 0..length {
            let largest = logits.fold(f64::NEG_INFINITY, |largest, z| largest.max(*z));
            let symbol = WeightedIndex::new(logits.iter().map(|z| ((z - largest) / temperature).exp()))?.sample(rng);
            sampled.push(symbol);
            logits = read(symbol)?;
        }
        Ok(sampled)
    }
}
