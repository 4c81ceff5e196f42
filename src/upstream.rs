//! The gradients of the loss that a backward pass starts from.

use ndarray::{ArrayRef, Dimension, Ix2, Ix3};

use crate::error::{Error, HIDDEN, OUTPUT, check_shape};

/// The gradients of a loss with respect to the results of a forward pass. A gradient that is not given is zero.
///
/// For one step (`D = Ix2`), the arrays have shape (n, m). For a sequence (`D = Ix3`), they have shape (n, m, `T_x`).
///
/// - `hidden`: ∂L/∂a, n = `n_a`
/// - `logits`: ∂L/∂(Wya·a + by), n = `n_y`; [`loss::cross_entropy`](crate::loss::cross_entropy) returns it
/// - `output`: ∂L/∂y of the probabilities, n = `n_y`
/// - `last_hidden`: the gradient of the last hidden state from outside the sequence, (`n_a`, m): the `da0` of the next chunk
///
/// For a loss that reads several of them, give all their gradients. The backward pass adds their effects.
///
/// # Examples
///
/// ```
/// # use elman::{sequence, Dims, Parameters, Upstream};
/// # use ndarray::{Array2, Array3};
/// # let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// # let cache = sequence::forward(&p, &Array3::zeros((3, 1, 4)), &Array2::zeros((5, 1)))?;
/// # let (dlogits, da) = (Array3::zeros((2, 1, 4)), Array3::zeros((5, 1, 4)));
/// let back = sequence::backward(&p, &cache, Upstream::logits(&dlogits).with_hidden(&da))?;
/// assert_eq!(back.dx.dim(), (3, 1, 4));
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug)]
pub struct Upstream<'a, A, D: Dimension> {
    pub(crate) hidden: Option<&'a ArrayRef<A, D>>,
    pub(crate) logits: Option<&'a ArrayRef<A, D>>,
    pub(crate) output: Option<&'a ArrayRef<A, D>>,
    pub(crate) last_hidden: Option<&'a ArrayRef<A, Ix2>>,
}

impl<A, D: Dimension> Default for Upstream<'_, A, D> {
    fn default() -> Self {
        Upstream { hidden: None, logits: None, output: None, last_hidden: None }
    }
}

impl<A, D: Dimension> Clone for Upstream<'_, A, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, D: Dimension> Copy for Upstream<'_, A, D> {}

impl<'a, A, D: Dimension> Upstream<'a, A, D> {
    /// For a loss that reads the hidden states.
    #[must_use]
    pub fn hidden(hidden: &'a ArrayRef<A, D>) -> Self {
        Upstream::default().with_hidden(hidden)
    }

    /// For a loss that reads the logits.
    #[must_use]
    pub fn logits(logits: &'a ArrayRef<A, D>) -> Self {
        Upstream::default().with_logits(logits)
    }

    /// For a loss that reads the probabilities. For one that reads the logits, such as a squared error, use
    /// [`logits`](Upstream::logits): with one output, the probability is always 1, so its gradient is zero.
    #[must_use]
    pub fn output(output: &'a ArrayRef<A, D>) -> Self {
        Upstream::default().with_output(output)
    }

    /// Adds the gradient of the hidden states.
    #[must_use]
    pub fn with_hidden(self, hidden: &'a ArrayRef<A, D>) -> Self {
        Upstream { hidden: Some(hidden), ..self }
    }

    /// Adds the gradient of the logits.
    #[must_use]
    pub fn with_logits(self, logits: &'a ArrayRef<A, D>) -> Self {
        Upstream { logits: Some(logits), ..self }
    }

    /// Adds the gradient of the probabilities.
    #[must_use]
    pub fn with_output(self, output: &'a ArrayRef<A, D>) -> Self {
        Upstream { output: Some(output), ..self }
    }
}

impl<A, D: Dimension> Upstream<'_, A, D> {
    /// Checks that each gradient has the shape of its array: hidden states, or outputs.
    pub(crate) fn check<const N: usize>(&self, hidden: [usize; N], output: [usize; N]) -> Result<(), Error> {
        for (name, array, axes, shape) in [
            ("upstream.hidden", self.hidden, HIDDEN, hidden),
            ("upstream.logits", self.logits, OUTPUT, output),
            ("upstream.output", self.output, OUTPUT, output),
        ] {
            array.map_or(Ok(()), |array| check_shape(name, array, &axes[..N], shape))?;
        }
        self.last_hidden.map_or(Ok(()), |last_hidden| check_last_hidden(last_hidden, [hidden[0], hidden[1]]))
    }
}

/// Checks that `last_hidden.dim() == (n_a, m)`.
pub(crate) fn check_last_hidden<A>(last_hidden: &ArrayRef<A, Ix2>, shape: [usize; 2]) -> Result<(), Error> {
    check_shape("upstream.last_hidden", last_hidden, &HIDDEN[..2], shape)
}

impl<'a, A> Upstream<'a, A, Ix3> {
    /// For a loss that reads the last hidden state.
    #[must_use]
    pub fn last_hidden(last_hidden: &'a ArrayRef<A, Ix2>) -> Self {
        Upstream::default().with_last_hidden(last_hidden)
    }

    /// Adds the gradient of the last hidden state, such as the `da0` of the next chunk.
    #[must_use]
    pub fn with_last_hidden(self, last_hidden: &'a ArrayRef<A, Ix2>) -> Self {
        Upstream { last_hidden: Some(last_hidden), ..self }
    }
}
