//! Trains a classifier of words, and keeps the parameters that are best on the validation words.

use elman::batches::buckets;
use elman::loss::Loss;
use elman::optim::{Adam, Optimizer, clip_norm};
use rand::Rng;

use crate::data::{Split, Word};
use crate::run::Run;
use crate::{Result, real};

/// Number of words in a batch.
const BATCH: usize = 64;

/// The largest norm of a gradient: a larger one is clipped to it.
const LONGEST_GRADIENT: f64 = 1.0;

/// The parameters of a classifier of words.
pub(crate) trait Classifier: Clone {
    /// The mean cross-entropy, and the number of words that are right.
    fn loss(&self, words: &[&Word]) -> Result<Loss<f32>>;

    /// The mean cross-entropy in training, and its gradient. `step` is that of the optimiser, for the random numbers.
    fn gradient(&self, words: &[&Word], step: u64) -> Result<(Loss<f32>, Self)>;

    fn as_slice(&self) -> &[f32];

    fn as_mut_slice(&mut self) -> &mut [f32];
}

/// Settings of a training run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Training {
    pub(crate) learning_rate: f64,
    /// The largest number of epochs.
    pub(crate) epochs: u64,
    /// The number of epochs without a lower validation loss after which training stops.
    pub(crate) patience: u64,
}

impl Training {
    /// Trains a classifier until its validation loss no longer falls.
    pub(crate) fn run<C: Classifier>(self, mut classifier: C, split: &Split, rng: &mut impl Rng) -> Result<Run<C>> {
        let lengths: Vec<usize> = split.training.iter().map(|word| word.letters.len()).collect();
        let validation: Vec<&Word> = split.validation.iter().collect();
        let mut adam = Adam::new(self.learning_rate);
        let mut run = Run::new(self.epochs, "epochs").with_patience(self.patience);
        while run.next_step().is_some() {
            let mut sum = 0.0;
            for batch in buckets(&lengths, BATCH, rng)? {
                let words: Vec<&Word> = batch.iter().map(|&i| &split.training[i]).collect();
                let (loss, mut gradient) = classifier.gradient(&words, adam.steps())?;
                clip_norm(gradient.as_mut_slice(), LONGEST_GRADIENT)?;
                adam.step(classifier.as_mut_slice(), gradient.as_slice())?;
                sum += f64::from(loss.value) * real(loss.count);
            }
            run.train(sum / real(lengths.len()));
            run.validate(classifier.loss(&validation)?.value.into(), &classifier);
        }
        Ok(run)
    }
}
