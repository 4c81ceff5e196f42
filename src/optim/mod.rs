//! Optimisers: state over one flat slice of parameters.
//!
//! A network, its gradient and an optimiser's state are slices of the same length, so a step is
//! `optimizer.step(parameters.as_mut_slice(), gradients.as_slice())`. With θ the parameters, g = ∂L/∂θ, η the learning
//! rate and λ the weight decay:
//!
//! ```text
//! Sgd       g ← g + λθ     v ← μv + (1 − τ)g                            θ ← θ − ηv,  Nesterov: θ − η(g + μv)
//! Adam      g ← g + λθ     m ← β₁m + (1 − β₁)g    v ← β₂v + (1 − β₂)g²  θ ← θ − η·m̂/(√v̂ + ε)
//! AdamW     θ ← θ − ηλθ    and then as Adam with λ = 0
//! RmsProp   g ← g + λθ     v ← αv + (1 − α)g²     d = g/(√v + ε)        θ ← θ − ηd,  momentum: b ← μb + d, θ − ηb
//! ```
//!
//! Semantics and defaults are those of `torch.optim`, its defaults for weight decay and momentum included. Arithmetic
//! is the element type's, element by element, in the same order on every machine. NaN and infinity follow IEEE rules and
//! stay in their element.
//!
//! Hyper-parameters are double precision. Every step checks them: each must be in its range, as it was given and rounded
//! to the element type, and factors that are computed from them must be finite there. Otherwise the step is an `Err` that
//! names the hyper-parameter, and neither parameters nor state change.
//!
//! Weight decay acts on every element of the slice. Parameters that need settings of their own (biases without decay, a
//! layer that learns more slowly) are slices of their own, each with an optimiser.
//!
//! ```
//! use elman::optim::{Adam, Optimizer, clip_norm};
//! use elman::{Dims, Gradients, Parameters};
//!
//! let dims = Dims { n_x: 3, n_a: 5, n_y: 2 };
//! let (mut p, mut g) = (Parameters::<f32>::zeros(dims), Gradients::zeros(dims));
//! g.fill(2.0);
//!
//! let mut adam = Adam::new(1e-3);
//! for epoch in 0..3 {
//!     clip_norm(g.as_mut_slice(), 1.0)?;
//!     adam.step(p.as_mut_slice(), g.as_slice())?;
//!     adam.set_learning_rate(0.9 * adam.learning_rate());
//! }
//! assert_eq!(adam.steps(), 3);
//! # Ok::<(), elman::Error>(())
//! ```

mod adam;
mod any;
mod clip;
mod fields;
mod rms_prop;
mod sgd;

pub use adam::{Adam, AdamVariant, AdamW};
pub use any::AnyOptimizer;
pub use clip::{clip_norm, clip_value};
pub(crate) use fields::{Field, FieldMut, Fields};
pub use rms_prop::RmsProp;
pub use sgd::Sgd;

use crate::error::{check_len, check_range};
use crate::scalar::{narrow, widen};
use crate::{Error, Scalar};

/// A rule by which parameters follow their gradient.
pub trait Optimizer<A: Scalar> {
    /// Changes `parameters` by one step along `gradients`, and the optimiser's state with them.
    ///
    /// - `parameters`: θ, any length; read and written
    /// - `gradients`: g, as long as `parameters`
    ///
    /// The first step sizes the state; an optimiser belongs to these parameters from then on.
    ///
    /// # Errors
    /// [`Error::Shape`] where `gradients.len() != parameters.len()`; [`Error::Optimizer`] where the steps before had another
    /// number of parameters; [`Error::Range`] where a hyper-parameter, as it was given or rounded to `A`, is outside the range that its
    /// documentation states.
    fn step(&mut self, parameters: &mut [A], gradients: &[A]) -> Result<(), Error>;

    /// The learning rate η.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate η of the steps to come: what a schedule does.
    fn set_learning_rate(&mut self, learning_rate: f64);
}

/// `gradients.len() == parameters.len()`
fn check_gradients<A>(parameters: &[A], gradients: &[A]) -> Result<(), Error> {
    check_len("gradients", gradients, &["parameters.len()"], parameters.len())
}

/// `parameters.len() == state`, the number of parameters in the steps before.
fn check_parameters<A>(parameters: &[A], state: usize) -> Result<(), Error> {
    let found = parameters.len();
    if found == state { Ok(()) } else { Err(Error::Optimizer { expected: state, found }) }
}

/// `holds`, for a number as it was given and as the element type holds it: neither 10³⁰⁰ is finite as an `f32`, nor is
/// 1 − 10⁻⁹ below 1.
fn check<A: Scalar>(
    name: &'static str,
    value: f64,
    expected: &'static str,
    holds: impl Fn(f64) -> bool,
) -> Result<(), Error> {
    check_range(name, value, expected, holds(value) && holds(widen(narrow::<A>(value))))
}

/// A finite number that is not negative.
fn check_magnitude<A: Scalar>(name: &'static str, value: f64) -> Result<(), Error> {
    check::<A>(name, value, "finite and at least 0", |value| value.is_finite() && value >= 0.0)
}

/// A share of the past that an average keeps: with 1 it would never see anything new.
fn check_share<A: Scalar>(name: &'static str, value: f64) -> Result<(), Error> {
    check::<A>(name, value, "at least 0 and below 1", |value| (0.0..1.0).contains(&value))
}

/// g + λθ, the gradient of L + λ‖θ‖²/2; g itself without decay, also where θ is infinite.
fn with_decay<A: Scalar>(g: A, decay: A, theta: A) -> A {
    if decay == A::zero() { g } else { g + decay * theta }
}
