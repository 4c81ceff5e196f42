use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut2};

use super::architecture::check_architecture;
use super::{Architecture, Direction, Parameters, States};
use crate::cell::{Steppable, StepperOf, Weights};
use crate::{Error, Scalar};

/// A stack with layers of one direction, packed for steps. Clones share the packed weights, and so do their [`Stepper`]s.
///
/// It is a copy of the parameters: later changes of them do not change it. [`cell::Network`](crate::cell::Network) has an
/// example with threads.
#[derive(Debug, Clone)]
pub struct Network<A> {
    architecture: Arc<Architecture>,
    layers: Arc<[Weights<A>]>,
}

impl<A: Scalar> Network<A> {
    /// Packs the weights.
    ///
    /// # Errors
    /// [`Error::Bidirectional`] where a layer has two directions: the reverse one needs the steps to come.
    /// [`Error::NoLayers`] where there is no layer.
    pub fn new(parameters: &Parameters<A>) -> Result<Self, Error> {
        let architecture = parameters.architecture();
        architecture.check_one_direction()?;
        let layers = parameters.views().map(|(_, view)| Weights::packed(view)).collect();
        Ok(Network { architecture: Arc::new(architecture.clone()), layers })
    }

    /// Makes a stepper for a batch of `m` columns, which shares these weights. Its hidden states are zero.
    ///
    /// # Panics
    /// Where the memory of `m` columns is more than a machine can address, as for [`Vec`].
    #[must_use]
    pub fn stepper(&self, m: usize) -> Stepper<A> {
        StepperOf::with_network(self.clone(), m)
    }

    /// The shape of the stack.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }
}

impl<A: Scalar> Steppable<A> for Network<A> {
    fn layers(&self) -> &[Weights<A>] {
        &self.layers
    }

    fn check_same(&self, other: &Self) -> Result<(), Error> {
        check_architecture("network", &other.architecture, &self.architecture)
    }
}

/// A stack of one direction that runs step by step and keeps the hidden states of its layers: see [`StepperOf`].
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
pub type Stepper<A> = StepperOf<A, Network<A>>;

impl<A: Scalar> Stepper<A> {
    /// Packs the weights, and makes a stepper for a batch of `m` columns. Its hidden states are zero. For several steppers
    /// of one network, use [`Network::stepper`]: it packs once.
    ///
    /// # Panics
    /// Where the memory of `m` columns is more than a machine can address, as for [`Vec`].
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn new(parameters: &Parameters<A>, m: usize) -> Result<Self, Error> {
        Ok(Network::new(parameters)?.stepper(m))
    }

    /// Sets the hidden states from which the next step starts. Logits and output stay those of the last step.
    ///
    /// # Errors
    /// [`Error::States`] where a state is missing or not (`n_a`, m); [`Error::StateCount`] where there are more states.
    pub fn set_states(&mut self, states: &States<A>) -> Result<(), Error> {
        states.check("states", self.network.architecture(), self.columns())?;
        for layer in 0..self.network.layers.len() {
            if let (Some(state), Some(mut hidden)) = (states.get(layer, Direction::Forward), self.hidden_mut(layer)) {
                hidden.assign(&state);
            }
        }
        Ok(())
    }

    /// A copy of the hidden states.
    #[must_use]
    pub fn states(&self) -> States<A> {
        let mut states = States::zeros(self.network.architecture(), self.columns());
        for layer in 0..self.network.layers.len() {
            if let (Some(mut state), Some(hidden)) = (states.get_mut(layer, Direction::Forward), self.hidden(layer)) {
                state.assign(&hidden);
            }
        }
        states
    }

    /// The hidden state of a layer, (`n_a`, m); `None` where there is no such layer.
    #[must_use]
    pub fn hidden(&self, layer: usize) -> Option<ArrayView2<'_, A>> {
        self.hidden_of(layer)
    }

    /// The hidden state of a layer, (`n_a`, m), for writing; `None` where there is no such layer.
    pub fn hidden_mut(&mut self, layer: usize) -> Option<ArrayViewMut2<'_, A>> {
        self.hidden_of_mut(layer)
    }
}
