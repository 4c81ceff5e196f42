use crate::error::check_len;
use crate::loss::Loss;
use crate::scalar::narrow;
use crate::{Error, Scalar};

/// The gradient and the loss of one shard, or the sum of several.
///
/// # Examples
///
/// ```
/// use elman::shards::Part;
///
/// let mut total = Part { gradients: vec![1.0_f32, 2.0], loss: 3.0, count: 4, correct: 1 };
/// total.scale(1.0 / total.count as f64);
/// assert_eq!((&total.gradients[..], total.loss), (&[0.25, 0.5][..], 0.75));
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Part<A> {
    /// ∂loss/∂θ, one number for each parameter. A program with several networks puts them one after the other.
    pub gradients: Vec<A>,
    /// The loss.
    pub loss: A,
    /// The number of elements that count in it.
    pub count: usize,
    /// The number of labels that are predicted correctly.
    pub correct: usize,
}

impl<A: Scalar> Part<A> {
    /// Copies the gradient and the loss of a shard. It overwrites the old contents and reuses the memory.
    ///
    /// - `gradients`: such as `back.gradients.as_slice()`; the same number in each shard
    pub fn set(&mut self, gradients: &[A], loss: &Loss<A>) {
        self.gradients.clear();
        self.gradients.extend_from_slice(gradients);
        (self.loss, self.count, self.correct) = (loss.value, loss.count, loss.correct);
    }

    /// Multiplies the gradient and the loss by a factor, rounded to the element type.
    pub fn scale(&mut self, factor: f64) {
        let factor = narrow(factor);
        self.gradients.iter_mut().for_each(|value| *value *= factor);
        self.loss *= factor;
    }

    /// Makes the part empty and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.gradients.clear();
        (self.loss, self.count, self.correct) = (A::zero(), 0, 0);
    }

    /// self ← self + right
    pub(super) fn add(&mut self, right: &Part<A>) -> Result<(), Error> {
        check_len("gradients", &right.gradients, &[], self.gradients.len())?;
        for (sum, &value) in self.gradients.iter_mut().zip(&right.gradients) {
            *sum += value;
        }
        self.loss += right.loss;
        self.count += right.count;
        self.correct += right.correct;
        Ok(())
    }
}
