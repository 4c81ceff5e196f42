use super::{Adam, AdamW, Optimizer, RmsProp, Sgd};
use crate::{Error, Scalar};

/// One of this module's optimisers: what is chosen at run time, and what a file can hold.
///
/// ```
/// use elman::optim::{Adam, AnyOptimizer, Optimizer, Sgd};
///
/// fn chosen(name: &str) -> AnyOptimizer<f64> {
///     if name == "adam" { Adam::new(0.25).into() } else { Sgd::new(0.5).into() }
/// }
/// let mut p = [1.0];
/// chosen("sgd").step(&mut p, &[1.0])?;
/// assert_eq!(p, [0.5]);
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(bound = "A: Scalar"))]
#[non_exhaustive]
pub enum AnyOptimizer<A> {
    /// [`Sgd`]
    Sgd(Sgd<A>),
    /// [`Adam`]
    Adam(Adam<A>),
    /// [`AdamW`]
    AdamW(AdamW<A>),
    /// [`RmsProp`]
    RmsProp(RmsProp<A>),
}

impl<A: Scalar> AnyOptimizer<A> {
    fn chosen(&self) -> &dyn Optimizer<A> {
        match self {
            AnyOptimizer::Sgd(sgd) => sgd,
            AnyOptimizer::Adam(adam) => adam,
            AnyOptimizer::AdamW(adam_w) => adam_w,
            AnyOptimizer::RmsProp(rms_prop) => rms_prop,
        }
    }

    fn chosen_mut(&mut self) -> &mut dyn Optimizer<A> {
        match self {
            AnyOptimizer::Sgd(sgd) => sgd,
            AnyOptimizer::Adam(adam) => adam,
            AnyOptimizer::AdamW(adam_w) => adam_w,
            AnyOptimizer::RmsProp(rms_prop) => rms_prop,
        }
    }
}

impl<A: Scalar> Optimizer<A> for AnyOptimizer<A> {
    fn step(&mut self, parameters: &mut [A], gradients: &[A]) -> Result<(), Error> {
        self.chosen_mut().step(parameters, gradients)
    }

    fn learning_rate(&self) -> f64 {
        self.chosen().learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.chosen_mut().set_learning_rate(learning_rate);
    }
}

impl<A> From<Sgd<A>> for AnyOptimizer<A> {
    fn from(sgd: Sgd<A>) -> Self {
        AnyOptimizer::Sgd(sgd)
    }
}

impl<A> From<Adam<A>> for AnyOptimizer<A> {
    fn from(adam: Adam<A>) -> Self {
        AnyOptimizer::Adam(adam)
    }
}

impl<A> From<AdamW<A>> for AnyOptimizer<A> {
    fn from(adam_w: AdamW<A>) -> Self {
        AnyOptimizer::AdamW(adam_w)
    }
}

impl<A> From<RmsProp<A>> for AnyOptimizer<A> {
    fn from(rms_prop: RmsProp<A>) -> Self {
        AnyOptimizer::RmsProp(rms_prop)
    }
}
