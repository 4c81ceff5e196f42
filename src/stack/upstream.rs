//! The gradient of the loss that arrives from outside.

use ndarray::ArrayRef3;

use super::{Architecture, States};
use crate::error::{Error, OUTPUT, check_shape};
use crate::scalar::Scalar;

/// The axes of the highest layer's output.
const WIDTH: &[&str] = &["width", "m", "T_x"];

/// The gradients of a loss with respect to the results of a stack. A gradient that is not given is zero.
///
/// - `hidden`: ∂L/∂ the highest layer's output, (width, m, `T_x`); the reverse direction's units follow the forward ones
/// - `logits`: ∂L/∂logits, (`n_y`, m, `T_x`): the result of [`loss::cross_entropy`](crate::loss::cross_entropy)
/// - `output`: ∂L/∂y, the probabilities, (`n_y`, m, `T_x`)
/// - `last_states`: the gradients at the last state of each layer and direction: `d_states` of the chunk that comes after
///
/// A loss that reads several of them passes all of them; their effects add up.
#[derive(Debug)]
pub struct Upstream<'a, A> {
    pub(super) hidden: Option<&'a ArrayRef3<A>>,
    pub(super) logits: Option<&'a ArrayRef3<A>>,
    pub(super) output: Option<&'a ArrayRef3<A>>,
    pub(super) last_states: Option<&'a States<A>>,
}

impl<A> Default for Upstream<'_, A> {
    fn default() -> Self {
        Upstream { hidden: None, logits: None, output: None, last_states: None }
    }
}

impl<A> Clone for Upstream<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Upstream<'_, A> {}

impl<'a, A: Scalar> Upstream<'a, A> {
    /// For a loss that reads the highest layer's output.
    #[must_use]
    pub fn hidden(hidden: &'a ArrayRef3<A>) -> Self {
        Upstream::default().with_hidden(hidden)
    }

    /// For a loss that reads the logits.
    #[must_use]
    pub fn logits(logits: &'a ArrayRef3<A>) -> Self {
        Upstream::default().with_logits(logits)
    }

    /// For a loss that reads the probabilities. For one that reads the logits, such as a squared error, use
    /// [`logits`](Upstream::logits): with one output, the probability is always 1, so its gradient is zero.
    #[must_use]
    pub fn output(output: &'a ArrayRef3<A>) -> Self {
        Upstream::default().with_output(output)
    }

    /// For a loss that reads the last states.
    #[must_use]
    pub fn last_states(last_states: &'a States<A>) -> Self {
        Upstream::default().with_last_states(last_states)
    }

    /// Adds the gradient of the highest layer's output.
    #[must_use]
    pub fn with_hidden(self, hidden: &'a ArrayRef3<A>) -> Self {
        Upstream { hidden: Some(hidden), ..self }
    }

    /// Adds the gradient of the logits.
    #[must_use]
    pub fn with_logits(self, logits: &'a ArrayRef3<A>) -> Self {
        Upstream { logits: Some(logits), ..self }
    }

    /// Adds the gradient of the probabilities.
    #[must_use]
    pub fn with_output(self, output: &'a ArrayRef3<A>) -> Self {
        Upstream { output: Some(output), ..self }
    }

    /// Adds the gradients of the last states, such as the `d_states` of the next chunk.
    #[must_use]
    pub fn with_last_states(self, last_states: &'a States<A>) -> Self {
        Upstream { last_states: Some(last_states), ..self }
    }

    /// Checks that each gradient has the shape of its array.
    pub(super) fn check(&self, architecture: &Architecture, m: usize, t_x: usize) -> Result<(), Error> {
        let width = architecture.layers().last().map_or(0, |layer| layer.width());
        for (name, array, axes, n) in [
            ("upstream.hidden", self.hidden, WIDTH, width),
            ("upstream.logits", self.logits, OUTPUT, architecture.n_y()),
            ("upstream.output", self.output, OUTPUT, architecture.n_y()),
        ] {
            array.map_or(Ok(()), |array| check_shape(name, array, axes, [n, m, t_x]))?;
        }
        self.last_states.map_or(Ok(()), |states| states.check("upstream.last_states", architecture, m))
    }
}
