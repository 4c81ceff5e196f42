//! The baseline: softmax regression on the number of times that each letter occurs, in any order.
//!
//! ```text
//! z = W·x        ∂L/∂W = ∂L/∂z·xᵀ
//! ```
//!
//! where x holds the counts of the letters, and a 1 for the bias.

use elman::loss::{self, Loss, Reduction, Targets};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, Axis};

use crate::Result;
use crate::data::{LANGUAGES, LETTERS, Word, labels};
use crate::training::Classifier;

/// W, (languages, letters + 1), row by row.
#[derive(Debug, Clone)]
pub(crate) struct LetterCounts(Array2<f32>);

impl LetterCounts {
    pub(crate) fn new() -> Self {
        LetterCounts(Array2::zeros((LANGUAGES.len(), LETTERS + 1)))
    }
}

/// x, (letters + 1, words)
fn counts(words: &[&Word]) -> Array2<f32> {
    let mut counts = Array2::zeros((LETTERS + 1, words.len()));
    for (mut counts, word) in counts.columns_mut().into_iter().zip(words) {
        word.letters.iter().for_each(|&letter| counts[letter] += 1.0);
        counts[LETTERS] = 1.0;
    }
    counts
}

impl Classifier for LetterCounts {
    fn loss(&self, words: &[&Word]) -> Result<Loss<f32>> {
        let logits = self.0.dot(&counts(words));
        Ok(loss::cross_entropy(&logits, Targets::last_labels(&labels(words)), Reduction::Mean)?)
    }

    fn gradient(&self, words: &[&Word], _: u64) -> Result<(Loss<f32>, Self)> {
        let loss = self.loss(words)?;
        let mut gradient = LetterCounts::new();
        general_mat_mul(1.0, &loss.dlogits.index_axis(Axis(2), 0), &counts(words).t(), 0.0, &mut gradient.0);
        Ok((loss, gradient))
    }

    fn as_slice(&self) -> &[f32] {
        self.0.as_slice().expect("W is stored row by row")
    }

    fn as_mut_slice(&mut self) -> &mut [f32] {
        self.0.as_slice_mut().expect("W is stored row by row")
    }
}
