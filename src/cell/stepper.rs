use ndarray::{ArrayRef2, ArrayView2};

use super::Weights;
use super::forward::{Read, head, input_projection, recurrence};
use crate::error::{HIDDEN, X, check_len, check_shape};
use crate::layout::{copy_time_major, step_view};
use crate::parameters::View;
use crate::{Dims, Error, Parameters, Scalar};

/// A network that runs step by step and keeps its hidden state: for serving and sampling.
///
/// [`new`](Self::new) packs the weights once. A step allocates nothing, except the first step that reads token ids. The
/// results are bit-identical to those of [`cell::forward`](crate::cell::forward) and
/// [`sequence::forward`](crate::sequence::forward).
///
/// # Examples
///
/// ```
/// use elman::{cell, Dims, Parameters};
/// use ndarray::Array2;
///
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let mut stepper = cell::Stepper::new(&p, 1);
/// for _ in 0..4 {
///     stepper.step(&Array2::ones((3, 1)))?;
/// }
/// assert_eq!(stepper.output()[[0, 0]], 0.5);
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Stepper<'p, A> {
    parameters: &'p Parameters<A>,
    layer: Layer<A>,
    m: usize,
    xt: Vec<A>,
    logits: Vec<A>,
    output: Vec<A>,
}

impl<'p, A: Scalar> Stepper<'p, A> {
    /// Makes a stepper for a batch of `m` columns. Its hidden state is zero.
    ///
    /// # Panics
    /// Where the memory of `m` columns is more than a machine can address, as for [`Vec`].
    #[must_use]
    pub fn new(parameters: &'p Parameters<A>, m: usize) -> Self {
        let Dims { n_x, n_y, .. } = parameters.dims();
        let layer = Layer::new(parameters.view(), m);
        Stepper { parameters, layer, m, xt: zeros(n_x, m), logits: zeros(n_y, m), output: zeros(n_y, m) }
    }

    /// Runs one step from the current hidden state.
    ///
    /// - `xt`: (`n_x`, m)
    ///
    /// # Errors
    /// [`Error::Shape`] where `xt.dim() != (n_x, m)`. An error leaves the state unchanged.
    pub fn step(&mut self, xt: &ArrayRef2<A>) -> Result<(), Error> {
        check_shape("xt", xt, &X[..2], [self.parameters.dims().n_x, self.m])?;
        copy_time_major(&mut self.xt, xt);
        self.layer.step(Read::Vectors(&self.xt));
        self.layer.head(&mut self.logits, &mut self.output);
        Ok(())
    }

    /// Runs one step from the current hidden state. Each column reads a token id, which is a one-hot vector.
    ///
    /// - `tokens`: m token ids, each below `n_x`
    ///
    /// The first such step allocates memory and transposes `wax`. Each step then looks up the weights of its tokens.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{cell, Dims, Parameters};
    ///
    /// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// let mut stepper = cell::Stepper::new(&p, 1);
    /// for token in [2, 0, 1] {
    ///     stepper.step_tokens(&[token])?;
    /// }
    /// assert_eq!(stepper.output()[[0, 0]], 0.5);
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] where `tokens.len() != m`; [`Error::Token`] where an id is not below `n_x`. An error leaves the
    /// state unchanged.
    pub fn step_tokens(&mut self, tokens: &[usize]) -> Result<(), Error> {
        check_tokens(tokens, self.m, self.parameters.dims().n_x)?;
        self.layer.step_tokens(tokens, self.parameters.view());
        self.layer.head(&mut self.logits, &mut self.output);
        Ok(())
    }

    /// Sets the hidden state from which the next step starts.
    ///
    /// - `hidden`: (`n_a`, m)
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{cell, Dims, Parameters};
    /// use ndarray::Array2;
    ///
    /// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// let mut stepper = cell::Stepper::new(&p, 1);
    /// stepper.set_hidden(&Array2::ones((5, 1)))?;
    /// assert_eq!(stepper.hidden()[[0, 0]], 1.0);
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] where `hidden.dim() != (n_a, m)`.
    pub fn set_hidden(&mut self, hidden: &ArrayRef2<A>) -> Result<(), Error> {
        check_shape("hidden", hidden, &HIDDEN[..2], [self.parameters.dims().n_a, self.m])?;
        copy_time_major(&mut self.layer.hidden, hidden);
        Ok(())
    }

    /// Sets the hidden state to zero. Logits and output are zero until the next step.
    pub fn reset(&mut self) {
        for values in [&mut self.layer.hidden, &mut self.logits, &mut self.output] {
            values.fill(A::zero());
        }
    }

    /// The hidden state, (`n_a`, m).
    #[must_use]
    pub fn hidden(&self) -> ArrayView2<'_, A> {
        step_view(self.parameters.dims().n_a, self.m, &self.layer.hidden)
    }

    /// The logits of the last step, (`n_y`, m).
    #[must_use]
    pub fn logits(&self) -> ArrayView2<'_, A> {
        step_view(self.parameters.dims().n_y, self.m, &self.logits)
    }

    /// The probabilities of the last step, (`n_y`, m).
    #[must_use]
    pub fn output(&self) -> ArrayView2<'_, A> {
        step_view(self.parameters.dims().n_y, self.m, &self.output)
    }
}

/// The packed weights and the hidden state of one layer.
#[derive(Debug, Clone)]
pub(crate) struct Layer<A> {
    weights: Weights<A>,
    /// m rows of `n_a` values, also of the state that the next step computes.
    pub(crate) hidden: Vec<A>,
    next: Vec<A>,
}

impl<A: Scalar> Layer<A> {
    /// A layer whose hidden state is zero.
    pub(crate) fn new(p: View<A>, m: usize) -> Self {
        let mut weights = Weights::default();
        weights.pack_forward(p, false);
        Layer { weights, hidden: zeros(p.dims.n_a, m), next: zeros(p.dims.n_a, m) }
    }

    /// hidden ← φ(ba + Wax·x + Waa·hidden)
    pub(crate) fn step(&mut self, x: Read<A>) {
        let Layer { weights, hidden, next } = self;
        input_projection(next, x, weights);
        recurrence(next, hidden, None, weights);
        std::mem::swap(hidden, next);
    }

    /// [`step`](Self::step) of token ids. The first call transposes `wax`.
    pub(crate) fn step_tokens(&mut self, tokens: &[usize], p: View<A>) {
        if self.weights.embedding.is_empty() {
            self.weights.embed(p);
        }
        self.step(Read::Tokens(tokens));
    }

    /// logits ← by + Wya·hidden, y ← softmax(logits)
    pub(crate) fn head(&self, logits: &mut [A], y: &mut [A]) {
        head(logits, y, &self.hidden, &self.weights);
    }
}

/// Memory for m columns of n values.
pub(crate) fn zeros<A: Scalar>(n: usize, m: usize) -> Vec<A> {
    vec![A::zero(); n.saturating_mul(m)]
}

/// Checks m token ids of one step, each below `n_x`.
pub(crate) fn check_tokens(tokens: &[usize], m: usize, n_x: usize) -> Result<(), Error> {
    check_len("tokens", tokens, &["m"], m)?;
    match tokens.iter().position(|&token| token >= n_x) {
        Some(column) => Err(Error::Token { argument: "tokens", column, step: 0, expected: n_x, found: tokens[column] }),
        None => Ok(()),
    }
}
