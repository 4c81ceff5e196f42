//! A network that reads symbols one at a time and predicts the probabilities of the next one.

use elman::loss::{self, Loss, Reduction};
use elman::optim::{Adam, Optimizer, clip_norm};
use elman::sequence::{self, Input};
use elman::{Dims, Parameters, Upstream, init};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};
use rand::Rng;

use crate::Result;

/// The largest norm of a gradient: a larger one is clipped to it.
const LONGEST_GRADIENT: f64 = 1.0;

/// Training settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Training {
    pub(crate) passes: usize,
    /// Symbols in a chunk. The hidden state is carried to the next chunk; gradients are not.
    pub(crate) length: usize,
    /// Learning rate of the first step; it falls linearly to zero.
    pub(crate) learning_rate: f64,
}

#[derive(Debug)]
pub(crate) struct Predictor {
    parameters: Parameters<f64>,
}

impl Predictor {
    pub(crate) fn new(symbols: usize, hidden: usize, rng: &mut impl Rng) -> Self {
        Predictor { parameters: init::torch(Dims { n_x: symbols, n_a: hidden, n_y: symbols }, rng) }
    }

    /// Reads the stream once per pass, each time from the zero state, with an optimiser step after every chunk. Calls
    /// `read` with the number of symbols in each chunk.
    #[expect(clippy::cast_precision_loss, reason = "a count of symbols is far below 2⁵³")]
    pub(crate) fn train(&mut self, stream: &[usize], training: Training, read: impl Fn(usize)) -> Result<()> {
        let Training { passes, length, learning_rate } = training;
        let (tokens, targets) = task(stream);
        let t_x = targets.len();
        let mut a0 = Array2::zeros((self.parameters.dims().n_a, 1));
        let mut adam = Adam::new(learning_rate);
        let mut cache = sequence::Cache::default();
        let mut loss = Loss::default();
        let mut back = sequence::Backward::default();
        for pass in 0..passes {
            a0.fill(0.0);
            for from in (0..t_x).step_by(length) {
                let chunk = from..t_x.min(from + length);
                let (tokens, targets) = (tokens.slice(s![.., chunk.clone()]), targets.slice(s![.., chunk.clone()]));
                sequence::forward_into(&self.parameters, Input::tokens(&tokens), &a0, &mut cache)?;
                loss::cross_entropy_into(&cache, targets, Reduction::Mean, &mut loss)?;
                back.discard_gradients();
                sequence::backward_into(&self.parameters, &cache, Upstream::logits(&loss.dlogits), &mut back)?;
                clip_norm(back.gradients.as_mut_slice(), LONGEST_GRADIENT)?;
                let done = (pass * t_x + from) as f64 / (passes * t_x) as f64;
                adam.set_learning_rate(learning_rate * (1.0 - done));
                adam.step(self.parameters.as_mut_slice(), back.gradients.as_slice())?;
                a0.assign(&cache.last_hidden());
                read(chunk.len());
            }
        }
        Ok(())
    }

    /// The probability of every symbol except the first, given those before it, from the zero state.
    pub(crate) fn probabilities(&self, stream: &[usize]) -> Result<Vec<f64>> {
        let (tokens, targets) = task(stream);
        let cache = sequence::forward(&self.parameters, Input::tokens(&tokens), None)?;
        Ok(targets.iter().enumerate().map(|(t, &symbol)| cache.output()[[symbol, 0, t]]).collect())
    }
}

/// All symbols except the last, and the symbol after each: a batch of one column.
fn task(stream: &[usize]) -> (ArrayView2<'_, usize>, ArrayView2<'_, usize>) {
    let part = |symbols| ArrayView1::from(symbols).insert_axis(Axis(0));
    (part(&stream[..stream.len().saturating_sub(1)]), part(&stream[stream.len().min(1)..]))
}
