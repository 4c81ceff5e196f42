//! Losses: cross-entropy for classes, squared error and Huber for numbers, and losses of your own.
//!
//! A loss compares predictions with targets. Its result is a [`Loss`]: a value, and the gradient that a backward pass
//! starts from.
//!
//! | function | ℓ of one element | targets |
//! |---|---|---|
//! | [`cross_entropy`] | −ln softmax(z) of the label | labels, (m, `T_x`) |
//! | [`squared_error`] | (ŷ − y)² | numbers, (n, m, `T_x`) |
//! | [`huber`] | ½(ŷ − y)², and linear beyond ±δ | numbers, (n, m, `T_x`) |
//! | [`elementwise`] | any function of ŷ and y | numbers, (n, m, `T_x`) |
//!
//! - [`Predictions`] are what the network computed: the logits of a cache, or any array.
//! - [`Targets`] are what they are compared with: at each step, at some steps or at each column's last step, with a weight
//!   for each element where some count more than others.
//! - [`Reduction`] says how the elements' losses are combined: their sum, their mean or a scaled sum.
//!
//! The padding of a ragged batch never counts. All sums are in double precision and in a fixed order: steps ascending,
//! columns ascending within a step. Results are therefore bit-identical on every machine.

mod cross_entropy;
mod labels;
mod numbers;
mod predictions;
mod targets;

pub use cross_entropy::{cross_entropy, cross_entropy_into};
pub use labels::{IGNORE, Label};
pub use numbers::{elementwise, elementwise_into, huber, huber_into, squared_error, squared_error_into};
pub use predictions::Predictions;
pub use targets::Targets;

use ndarray::Array3;

use crate::error::check_range;
use crate::scalar::narrow;
use crate::{Error, Scalar};

/// The reduction of the losses of all elements to one number.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// Their mean: the sum divided by the number of elements that count. With weights, the weighted mean: the sum divided by
    /// the sum of the weights. Zero where no element counts.
    Mean,
    /// Their sum times this factor. For a sequence in chunks, 1/N gives the mean over its N elements.
    Scaled(f64),
}

impl Reduction {
    fn check<A: Scalar>(self) -> Result<(), Error> {
        match self {
            Reduction::Scaled(share) => check_range("reduction", share, "finite", narrow::<A>(share).is_finite()),
            Reduction::Sum | Reduction::Mean => Ok(()),
        }
    }

    /// The factor of the sum.
    fn share(self, counted: Counted) -> f64 {
        match self {
            Reduction::Sum => 1.0,
            Reduction::Scaled(share) => share,
            Reduction::Mean if counted.elements == 0 => 1.0,
            Reduction::Mean => 1.0 / counted.weight,
        }
    }
}

/// The elements that count, and the sum of their weights.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    elements: usize,
    weight: f64,
}

impl Counted {
    /// Adds an element. One of weight zero does not count.
    fn add(&mut self, weight: f64) {
        if weight != 0.0 {
            self.elements += 1;
            self.weight += weight;
        }
    }
}

/// A loss: its value and its gradient.
///
/// To use a loss of your own, build this struct: `Loss { value, dlogits, ..Loss::default() }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss<A> {
    /// The loss. A cross-entropy is in nats: divide by ln 2 for bits.
    pub value: A,
    /// ∂value/∂predictions, (n, m, `T_x`), zero where nothing counts. The predictions are logits in most programs, which gave
    /// the name: give it to [`Upstream::logits`](crate::Upstream::logits). For a loss of hidden states, give it to
    /// [`Upstream::hidden`](crate::Upstream::hidden).
    pub dlogits: Array3<A>,
    /// The number of elements that count: labels, or numbers.
    pub count: usize,
    /// The number of labels whose class has the largest logit, or the first of several largest. 0 in a regression.
    pub correct: usize,
}

impl<A: Scalar> Loss<A> {
    /// The share of the labels that are [`correct`](Self::correct); NaN without labels.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a count of labels is far below 2⁵³")]
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.count as f64
    }
}

impl<A: Scalar> Default for Loss<A> {
    fn default() -> Self {
        Loss { value: A::zero(), dlogits: Array3::default([0; 3]), count: 0, correct: 0 }
    }
}
