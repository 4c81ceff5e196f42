//! An Elman network that reads a word letter by letter. The logits after the last letter say the language.

use elman::loss::{self, Loss, Reduction, Targets};
use elman::sequence::{self, Input};
use elman::{Dims, Dropout, Parameters, Upstream, batches, init};
use ndarray::Array2;
use rand::Rng;

use crate::Result;
use crate::data::{LANGUAGES, LETTERS, Word, labels};
use crate::training::Classifier;

#[derive(Debug, Clone)]
pub(crate) struct Network {
    parameters: Parameters<f32>,
    /// The rate at which the recurrence drops hidden units in training. A word has one mask for all its letters.
    dropout: f64,
}

impl Network {
    pub(crate) fn new(hidden: usize, dropout: f64, rng: &mut impl Rng) -> Self {
        let dims = Dims { n_x: LETTERS, n_a: hidden, n_y: LANGUAGES.len() };
        Network { parameters: init::keras(dims, rng), dropout }
    }

    /// The probability of each language for each word, (languages, words).
    pub(crate) fn probabilities(&self, words: &[&Word]) -> Result<Array2<f32>> {
        Ok(self.read(words, None)?.last_output())
    }

    fn read(&self, words: &[&Word], dropout: Option<Dropout>) -> Result<sequence::Cache<f32>> {
        let (letters, lengths) = batches::pad(words);
        let input = Input::tokens(&letters).lengths(&lengths);
        let input = dropout.map_or(input, |dropout| input.dropout(dropout));
        Ok(sequence::forward(&self.parameters, input, None)?)
    }
}

impl Classifier for Network {
    fn loss(&self, words: &[&Word]) -> Result<Loss<f32>> {
        let cache = self.read(words, None)?;
        Ok(loss::cross_entropy(&cache, Targets::last_labels(&labels(words)), Reduction::Mean)?)
    }

    fn gradient(&self, words: &[&Word], step: u64) -> Result<(Loss<f32>, Self)> {
        let cache = self.read(words, Some(Dropout::new(step).recurrent(self.dropout)))?;
        let loss = loss::cross_entropy(&cache, Targets::last_labels(&labels(words)), Reduction::Mean)?;
        let back = sequence::backward(&self.parameters, &cache, Upstream::logits(&loss.dlogits))?;
        Ok((loss, Network { parameters: back.gradients, ..*self }))
    }

    fn as_slice(&self) -> &[f32] {
        self.parameters.as_slice()
    }

    fn as_mut_slice(&mut self) -> &mut [f32] {
        self.parameters.as_mut_slice()
    }
}
