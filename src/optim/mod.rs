//! Optimisers over one flat slice of parameters.
//!
//! A network, its gradient and an optimiser's state are slices of the same length, so a step is
//! `optimizer.step(parameters.as_mut_slice(), gradients.as_slice())`. With θ the parameters, g = ∂L/∂θ, η the learning
//! rate and λ the weight decay:
//!
//! ```text
//! Sgd       g ← g + λθ     v ← μv + (1 − τ)g                            θ ← θ − ηv,  Nesterov: θ − η(g + μv)
//! Adam      g ← g + λθ     m ← β₁m + (1 − β₁)g    v ← β₂v + (1 − β₂)g²  θ ← θ − η·m̂/(√v̂ + ε)
//! AdamW     θ ← θ − ηλθ    then as Adam with λ = 0
//! RmsProp   g ← g + λθ     v ← αv + (1 − α)g²     d = g/(√v + ε)        θ ← θ − ηd,  momentum: b ← μb + d, θ − ηb
//! ```
//!
//! Semantics and defaults follow `torch.optim`, including the defaults of weight decay and momentum. Arithmetic uses the
//! element type, element by element, in the same order on every machine. NaN and infinity follow IEEE rules and stay in
//! their element.
//!
//! Hyper-parameters are in double precision. Every step checks that each is in its range, both as given and rounded to the
//! element type. It also checks that factors computed from them are finite there. Otherwise the step returns an `Err` that
//! names the hyper-parameter, and changes neither parameters nor state.
//!
//! Weight decay acts on every element of the slice. For separate settings (no decay on biases, a slower learning rate in
//! one layer), use a separate slice and optimiser for each set of parameters.
//!
//! # Examples
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
pub use clip::{clip_joint_norm, clip_norm, clip_value};
pub(crate) use fields::{Field, FieldMut, Fields};
pub use rms_prop::RmsProp;
pub use sgd::Sgd;

use crate::error::{check_len, check_range};
use crate::scalar::{narrow, widen};
use crate::{Error, Scalar};

/// A rule that updates parameters from their gradient.
///
/// # Examples
///
/// ```
/// use elman::optim::{Optimizer, Sgd};
///
/// fn minimise(mut optimizer: impl Optimizer<f64>) -> Result<f64, elman::Error> {
///     let mut p = [1.0];
///     for _ in 0..3 {
///         let g = [2.0 * p[0]]; // of the loss p²
///         optimizer.step(&mut p, &g)?;
///     }
///     Ok(p[0])
/// }
/// assert_eq!(minimise(Sgd::new(0.25))?, 0.125);
/// # Ok::<(), elman::Error>(())
/// ```
pub trait Optimizer<A: Scalar> {
    /// Updates `parameters` by one step, and the optimiser's state.
    ///
    /// - `parameters`: θ, any length; read and written
    /// - `gradients`: g, as long as `parameters`
    ///
    /// The first step sizes the state. From then on, use the optimiser with these parameters only.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::optim::{Optimizer, Sgd};
    ///
    /// let (mut p, mut sgd) = ([1.0, 2.0], Sgd::new(0.5));
    /// sgd.step(&mut p, &[1.0, -1.0])?;
    /// assert_eq!(p, [0.5, 2.5]);
    /// assert!(sgd.step(&mut p, &[1.0]).is_err());
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] where `gradients.len() != parameters.len()`; [`Error::Optimizer`] where the steps before had another
    /// number of parameters; [`Error::Range`] where a hyper-parameter, as given or rounded to `A`, is outside its documented
    /// range, or where a factor that is computed from them is not finite in `A`.
    fn step(&mut self, parameters: &mut [A], gradients: &[A]) -> Result<(), Error>;

    /// The learning rate η.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate η of the following steps, for a schedule.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::optim::{Optimizer, Sgd};
    ///
    /// let (mut p, mut sgd) = ([1.0], Sgd::new(0.5));
    /// sgd.set_learning_rate(0.25);
    /// sgd.step(&mut p, &[1.0])?;
    /// assert_eq!((p, sgd.learning_rate()), ([0.75], 0.25));
    /// # Ok::<(), elman::Error>(())
    /// ```
    fn set_learning_rate(&mut self, learning_rate: f64);
}

/// Checks that `gradients.len() == parameters.len()`.
fn check_gradients<A>(parameters: &[A], gradients: &[A]) -> Result<(), Error> {
    check_len("gradients", gradients, &["parameters.len()"], parameters.len())
}

/// Checks that `parameters.len() == state`, the number of parameters in the steps before.
fn check_parameters<A>(parameters: &[A], state: usize) -> Result<(), Error> {
    let found = parameters.len();
    if found == state { Ok(()) } else { Err(Error::Optimizer { expected: state, found }) }
}

/// Checks `holds` for the given number and for the same number rounded to `A`. As an `f32`, 10³⁰⁰ is infinite and 1 − 10⁻⁹
/// is 1.
fn check<A: Scalar>(
    name: &'static str,
    value: f64,
    expected: &'static str,
    holds: impl Fn(f64) -> bool,
) -> Result<(), Error> {
    check_range(name, value, expected, holds(value) && holds(widen(narrow::<A>(value))))
}

/// Checks that a number is finite and not negative.
fn check_magnitude<A: Scalar>(name: &'static str, value: f64) -> Result<(), Error> {
    check::<A>(name, value, "finite and at least 0", |value| value.is_finite() && value >= 0.0)
}

/// Checks the share of the past that a running mean keeps. With 1 the mean would ignore every new value.
fn check_share<A: Scalar>(name: &'static str, value: f64) -> Result<(), Error> {
    check::<A>(name, value, "at least 0 and below 1", |value| (0.0..1.0).contains(&value))
}

/// g + λθ, the gradient of L + λ‖θ‖²/2. Without decay the result is g, even if θ is infinite.
fn with_decay<A: Scalar>(g: A, decay: A, theta: A) -> A {
    if decay == A::zero() { g } else { g + decay * theta }
}
