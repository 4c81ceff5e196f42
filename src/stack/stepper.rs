use ndarray::{ArrayRef2, ArrayView2};

use super::{Direction, Parameters, States};
use crate::cell::{self, Read, check_tokens, zeros};
use crate::error::{X, check_shape};
use crate::layout::{copy_time_major, step_view};
use crate::{Error, Scalar};

/// A stack of one direction that runs step by step and keeps the hidden states of its layers.
///
/// [`new`](Self::new) packs the weights once. A step allocates nothing, except the first step that reads token ids. The
/// results are bit-identical to those of [`stack::forward`](crate::stack::forward).
///
/// # Examples
///
/// ```
/// use elman::stack::{Architecture, Layer, Parameters, Stepper};
///
/// let p = Parameters::<f32>::zeros(Architecture::new(3, [Layer::new(5), Layer::new(7)], 2));
/// let mut stepper = Stepper::new(&p, 1)?;
/// for token in [2, 0, 1] {
///     stepper.step_tokens(&[token])?;
/// }
/// assert_eq!(stepper.output()[[0, 0]], 0.5);
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Stepper<'p, A> {
    parameters: &'p Parameters<A>,
    layers: Vec<cell::Layer<A>>,
    m: usize,
    xt: Vec<A>,
    logits: Vec<A>,
    output: Vec<A>,
}

impl<'p, A: Scalar> Stepper<'p, A> {
    /// Makes a stepper for a batch of `m` columns. Its hidden states are zero.
    ///
    /// # Panics
    /// Where the memory of `m` columns is more than a machine can address, as for [`Vec`].
    ///
    /// # Errors
    /// [`Error::Bidirectional`] where a layer has two directions: the reverse one needs the steps to come.
    /// [`Error::NoLayers`] where there is no layer.
    pub fn new(parameters: &'p Parameters<A>, m: usize) -> Result<Self, Error> {
        let architecture = parameters.architecture();
        architecture.check_one_direction()?;
        let (n_x, n_y) = (architecture.n_x(), architecture.n_y());
        let layers = parameters.views().map(|(_, view)| cell::Layer::new(view, m)).collect();
        Ok(Stepper { parameters, layers, m, xt: zeros(n_x, m), logits: zeros(n_y, m), output: zeros(n_y, m) })
    }

    /// Runs one step from the current hidden states.
    ///
    /// - `xt`: (`n_x`, m)
    ///
    /// # Errors
    /// [`Error::Shape`] where `xt.dim() != (n_x, m)`. An error leaves the states unchanged.
    pub fn step(&mut self, xt: &ArrayRef2<A>) -> Result<(), Error> {
        check_shape("xt", xt, &X[..2], [self.parameters.architecture().n_x(), self.m])?;
        copy_time_major(&mut self.xt, xt);
        self.layers[0].step(Read::Vectors(&self.xt));
        self.finish_step();
        Ok(())
    }

    /// Runs one step from the current hidden states. Each column reads a token id, which is a one-hot vector.
    ///
    /// - `tokens`: m token ids, each below `n_x`
    ///
    /// # Errors
    /// [`Error::Shape`] where `tokens.len() != m`; [`Error::Token`] where an id is not below `n_x`. An error leaves the
    /// states unchanged.
    pub fn step_tokens(&mut self, tokens: &[usize]) -> Result<(), Error> {
        check_tokens(tokens, self.m, self.parameters.architecture().n_x())?;
        if let (Some((_, view)), Some(layer)) = (self.parameters.views().next(), self.layers.first_mut()) {
            layer.step_tokens(tokens, view);
        }
        self.finish_step();
        Ok(())
    }

    /// Runs the layers above the lowest, and the head.
    fn finish_step(&mut self) {
        for layer in 1..self.layers.len() {
            let (below, above) = self.layers.split_at_mut(layer);
            above[0].step(Read::Vectors(&below[layer - 1].hidden));
        }
        if let Some(top) = self.layers.last() {
            top.head(&mut self.logits, &mut self.output);
        }
    }

    /// Sets the hidden states from which the next step starts.
    ///
    /// # Errors
    /// [`Error::States`] where a state is missing or not (`n_a`, m); [`Error::StateCount`] where there are more states.
    pub fn set_states(&mut self, states: &States<A>) -> Result<(), Error> {
        states.check("states", self.parameters.architecture(), self.m)?;
        for (index, layer) in self.layers.iter_mut().enumerate() {
            if let Some(state) = states.get(index, Direction::Forward) {
                copy_time_major(&mut layer.hidden, &state);
            }
        }
        Ok(())
    }

    /// A copy of the hidden states.
    #[must_use]
    pub fn states(&self) -> States<A> {
        let mut states = States::zeros(self.parameters.architecture(), self.m);
        for layer in 0..self.layers.len() {
            if let (Some(mut state), Some(hidden)) = (states.get_mut(layer, Direction::Forward), self.hidden(layer)) {
                state.assign(&hidden);
            }
        }
        states
    }

    /// Sets the hidden states to zero. Logits and output are zero until the next step.
    pub fn reset(&mut self) {
        self.layers.iter_mut().for_each(|layer| layer.hidden.fill(A::zero()));
        self.logits.fill(A::zero());
        self.output.fill(A::zero());
    }

    /// The hidden state of a layer, (`n_a`, m); `None` where there is no such layer.
    #[must_use]
    pub fn hidden(&self, layer: usize) -> Option<ArrayView2<'_, A>> {
        let n_a = self.parameters.architecture().layers().get(layer)?.n_a;
        Some(step_view(n_a, self.m, &self.layers.get(layer)?.hidden))
    }

    /// The logits of the last step, (`n_y`, m).
    #[must_use]
    pub fn logits(&self) -> ArrayView2<'_, A> {
        step_view(self.parameters.architecture().n_y(), self.m, &self.logits)
    }

    /// The probabilities of the last step, (`n_y`, m).
    #[must_use]
    pub fn output(&self) -> ArrayView2<'_, A> {
        step_view(self.parameters.architecture().n_y(), self.m, &self.output)
    }
}
