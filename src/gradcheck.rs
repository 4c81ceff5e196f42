//! Checks gradients against differences of the loss.
//!
//! ```text
//! ∂L/∂θᵢ ≈ D(h) = (L(θ + h·eᵢ) − L(θ − h·eᵢ)) / 2h        D(h) = ∂L/∂θᵢ + c₂h² + c₄h⁴ + …
//! ```
//!
//! Every element is compared, in double precision. Richardson's extrapolation removes c₂, c₄, … from D at h, h/2, h/4 and
//! so on. Ridders' rule picks the table entry that differs least from its neighbours. For a smooth loss the numeric
//! derivative is within about 10⁻¹² of the exact one (relative to the larger of loss and gradient); one central difference
//! reaches 10⁻¹⁰ at best. Correct gradients stay far below a relative error of 10⁻⁸ (see [`Element::error`]), so 10⁻⁸ is a
//! good tolerance. The cost is up to sixteen losses per element, eleven for most. If the loss has a kink, the differences
//! cross it.
//!
//! Sources: C. J. F. Ridders, *Accurate computation of F′(x) and F′(x)F″(x)*, Advances in Engineering Software 4 (1982)
//! 75–76; W. H. Press et al., *Numerical Recipes*, 3rd edition (2007), section 5.7.
//!
//! # Examples
//!
//! ```
//! use elman::{gradcheck, init, loss, sequence, Dims, Upstream};
//! use ndarray::{Array2, Array3};
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! let p = init::torch::<f64>(Dims { n_x: 2, n_a: 3, n_y: 2 }, &mut StdRng::seed_from_u64(1));
//! let x = Array3::from_shape_fn((2, 2, 4), |(i, j, t)| (i + 3 * j + 2 * t) as f64 / 10.0);
//! let (a0, targets) = (Array2::zeros((3, 2)), Array2::<usize>::ones((2, 4)));
//! let mean = loss::Reduction::Mean;
//!
//! let cache = sequence::forward(&p, &x, &a0)?;
//! let loss = loss::cross_entropy(&cache, &targets, mean)?;
//! let back = sequence::backward(&p, &cache, Upstream::logits(&loss.dlogits))?;
//!
//! let report = gradcheck::parameters(&p, &back.gradients, |p| {
//!     let cache = sequence::forward(p, &x, &a0)?;
//!     Ok(loss::cross_entropy(&cache, &targets, mean)?.value)
//! })?;
//! assert!(report.is_within(1e-8), "{report}");
//!
//! let report = gradcheck::array("x", &x, &back.dx, |x| {
//!     let cache = sequence::forward(&p, x, &a0)?;
//!     Ok(loss::cross_entropy(&cache, &targets, mean)?.value)
//! })?;
//! assert!(report.is_within(1e-8), "{report}");
//! # Ok::<(), elman::Error>(())
//! ```

use std::fmt;

use ndarray::{Array, ArrayRef, Dimension};

use crate::error::{check_network, check_same_shape};
use crate::{Error, Gradients, Parameters, stack};

/// Half the width of the first difference, for an element of magnitude up to one. It is small enough for the Taylor series
/// of a network's loss, and large enough to make the rounding error of the loss negligible.
const FIRST_STEP: f64 = 1.0 / 32.0;

/// The rows of the extrapolation table. Each row halves the step.
const ROWS: usize = 8;

/// The share of the overall scale below which an element's own magnitude no longer counts.
const FLOOR: f64 = 1e-3;

/// The result type of a loss closure: `f64`, or `Result<f64, Error>`, whose error ends the check.
pub trait Outcome: private::Sealed {
    /// The loss, or the error that prevented it.
    ///
    /// # Errors
    /// The error that the closure returned.
    fn loss(self) -> Result<f64, Error>;
}

mod private {
    pub trait Sealed {}
    impl Sealed for f64 {}
    impl Sealed for Result<f64, crate::Error> {}
}

impl Outcome for f64 {
    fn loss(self) -> Result<f64, Error> {
        Ok(self)
    }
}

impl Outcome for Result<f64, Error> {
    fn loss(self) -> Result<f64, Error> {
        self
    }
}

/// The result of a check.
///
/// # Examples
///
/// ```
/// use elman::gradcheck;
/// use ndarray::array;
///
/// let report = gradcheck::array("x", &array![0.5], &array![2.0], |x| x[0] * x[0])?; // wrong: 2x is 1
/// assert!(report.compared == 1 && !report.is_within(1e-8));
/// assert_eq!(report.worst.unwrap().name, "x[0]");
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The number of compared elements: all of them.
    pub compared: usize,
    /// The element with the largest error, or the first with a NaN error; `None` if there are no elements.
    pub worst: Option<Element>,
}

/// One element of a gradient, computed in two ways.
///
/// # Examples
///
/// ```
/// use elman::gradcheck;
/// use ndarray::array;
///
/// let report = gradcheck::array("x", &array![0.5], &array![2.0], |x| x[0] * x[0])?; // wrong: 2x is 1
/// let element = report.worst.unwrap();
/// assert!(element.analytic == 2.0 && (element.numeric - 1.0).abs() < 1e-11);
/// assert!((element.error - 0.5).abs() < 1e-11);
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Element {
    /// Its array and index: `waa[3, 1]`, `x[0, 2, 1]`.
    pub name: String,
    /// The derivative under test.
    pub analytic: f64,
    /// The derivative from differences of the loss.
    pub numeric: f64,
    /// |analytic − numeric| / max(|analytic|, |numeric|, s/1000), where s is the largest magnitude among the loss and
    /// the elements of both gradients. The error is relative to the element, unless the element is too small for differences
    /// of the loss to resolve. NaN if one of the two derivatives, or the loss itself, is NaN or infinite.
    pub error: f64,
}

impl Report {
    /// Whether every error is at most `tolerance`. A NaN error never is.
    #[must_use]
    pub fn is_within(&self, tolerance: f64) -> bool {
        self.worst.as_ref().is_none_or(|worst| worst.error <= tolerance)
    }

    /// The largest error; zero if there are no elements.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.worst.as_ref().map_or(0.0, |worst| worst.error)
    }

    /// Compares the gradients element by element. Calls `name` for the worst element.
    fn of(loss: f64, analytic: &[f64], numeric: &[f64], name: impl Fn(usize) -> String) -> Self {
        let finite = analytic.iter().chain(numeric).filter(|v| v.is_finite());
        let scale = finite.fold(loss.abs(), |scale, v| scale.max(v.abs()));
        // `max` ignores NaN, and a NaN loss could still have finite differences.
        let floor = if loss.is_finite() { FLOOR * scale } else { f64::NAN };
        let mut worst: Option<(usize, f64)> = None;
        for (i, (&a, &n)) in analytic.iter().zip(numeric).enumerate() {
            let error = relative_error(a, n, floor);
            let worse = worst.is_none_or(|(_, w)| error > w || error.is_nan() && !w.is_nan());
            if worse {
                worst = Some((i, error));
            }
        }
        let element = |(i, error)| Element { name: name(i), analytic: analytic[i], numeric: numeric[i], error };
        Report { compared: numeric.len(), worst: worst.map(element) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { compared, worst } = self;
        match worst {
            Some(worst) => write!(f, "{worst}, the worst of {compared}"),
            None => write!(f, "no element to compare"),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Element { name, analytic, numeric, error } = self;
        write!(f, "{name}: analytic {analytic:e}, numeric {numeric:e}, relative error {error:.1e}")
    }
}

/// Compares the gradient of a loss with respect to all parameters.
///
/// - `values`: θ, where the gradient was computed
/// - `gradients`: ∂L/∂θ, the gradient under test
/// - `loss`: L(θ), an `f64` or a `Result<f64, Error>`; called with one element changed at a time
///
/// # Examples
///
/// ```
/// use elman::{gradcheck, Dims, Gradients, Parameters};
///
/// let mut p = Parameters::zeros(Dims { n_x: 2, n_a: 3, n_y: 1 });
/// p.fill(0.5);
/// let mut g = Gradients::zeros(p.dims());
/// g.fill(1.0);
/// g.waa_mut()[[2, 1]] = 1.5; // wrong
///
/// let report = gradcheck::parameters(&p, &g, |p| p.as_slice().iter().map(|v| v * v).sum::<f64>())?;
/// assert!(!report.is_within(1e-8));
/// assert_eq!(report.worst.unwrap().name, "waa[2, 1]");
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Network`] where `gradients.dims() != values.dims()`; an error of `loss`.
pub fn parameters<R: Outcome>(
    values: &Parameters<f64>,
    gradients: &Gradients<f64>,
    mut loss: impl FnMut(&Parameters<f64>) -> R,
) -> Result<Report, Error> {
    check_network("gradients", gradients.dims().triple(), values.dims().triple())?;
    let current = loss(values).loss()?;
    let numeric = gradient_by_differences(&mut values.clone(), Parameters::as_mut_slice, |p| loss(p).loss())?;
    Ok(Report::of(current, gradients.as_slice(), &numeric, |i| values.name_of(i).unwrap_or_default()))
}

/// [`parameters`] for a stack of layers.
///
/// # Examples
///
/// ```
/// use elman::stack::{self, Architecture, Direction, Layer, Upstream};
/// use elman::{gradcheck, init};
/// use ndarray::Array3;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let architecture = Architecture::new(2, [Layer::new(3).bidirectional(), Layer::new(2)], 2);
/// let p = init::torch_stack::<f64>(architecture, &mut Xoshiro256PlusPlus::seed_from_u64(1))?;
/// let x = Array3::from_shape_fn((2, 3, 4), |(i, j, t)| (i + 2 * j + 3 * t) as f64 / 10.0);
/// let ones = Array3::ones((2, 3, 4));
/// let back = stack::backward(&p, &stack::forward(&p, &x, None)?, Upstream::hidden(&ones))?;
/// let report = gradcheck::stack_parameters(&p, &back.gradients, |p| {
///     Ok(stack::forward(p, &x, None)?.hidden(1, Direction::Forward).map_or(0.0, |hidden| hidden.sum()))
/// })?;
/// assert!(report.is_within(1e-8), "{report}");
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Architecture`] where `gradients` belongs to another stack; an error of `loss`.
pub fn stack_parameters<R: Outcome>(
    values: &stack::Parameters<f64>,
    gradients: &stack::Gradients<f64>,
    mut loss: impl FnMut(&stack::Parameters<f64>) -> R,
) -> Result<Report, Error> {
    stack::check_architecture("gradients", gradients.architecture(), values.architecture())?;
    let current = loss(values).loss()?;
    let numeric = gradient_by_differences(&mut values.clone(), stack::Parameters::as_mut_slice, |p| loss(p).loss())?;
    Ok(Report::of(current, gradients.as_slice(), &numeric, |i| values.name_of(i).unwrap_or_default()))
}

/// Compares the gradient of a loss with respect to an array of any number of axes, such as an input or an initial state.
///
/// - `name`: the name of the array in the report
/// - `values`: v, where the gradient was computed
/// - `gradient`: ∂L/∂v, the gradient under test, of the same shape
/// - `loss`: L(v), an `f64` or a `Result<f64, Error>`; called with one element changed at a time
///
/// # Examples
///
/// ```
/// use elman::gradcheck;
/// use ndarray::array;
///
/// let x = array![[0.1, 0.2], [0.3, 0.4]];
/// let report = gradcheck::array("x", &x, &x.mapv(f64::cos), |x| x.mapv(f64::sin).sum())?;
/// assert!(report.is_within(1e-11), "{report}");
/// assert_eq!(report.compared, 4);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] where `gradient.shape() != values.shape()`; an error of `loss`.
pub fn array<D: Dimension, R: Outcome>(
    name: &str,
    values: &ArrayRef<f64, D>,
    gradient: &ArrayRef<f64, D>,
    mut loss: impl FnMut(&Array<f64, D>) -> R,
) -> Result<Report, Error> {
    check_same_shape("gradient", gradient, values)?;
    let analytic: Vec<f64> = gradient.iter().copied().collect();
    let elements = values.iter().copied().collect();
    let mut moved = Array::from_shape_vec(values.raw_dim(), elements).expect("as many elements as the shape says");
    let current = loss(&moved).loss()?;
    let numeric = gradient_by_differences(
        &mut moved,
        |moved| moved.as_slice_mut().expect("it was made in standard order"),
        |moved| loss(moved).loss(),
    )?;
    Ok(Report::of(current, &analytic, &numeric, |i| element_name(name, values.shape(), i)))
}

/// The derivative with respect to each element of `point`. `flat` borrows its elements.
fn gradient_by_differences<T>(
    point: &mut T,
    flat: impl Fn(&mut T) -> &mut [f64],
    mut loss: impl FnMut(&T) -> Result<f64, Error>,
) -> Result<Vec<f64>, Error> {
    let mut gradient = flat(point).to_vec();
    for (i, element) in gradient.iter_mut().enumerate() {
        let value = *element;
        *element = derivative(value, |moved| {
            flat(point)[i] = moved;
            loss(point)
        })?;
        flat(point)[i] = value;
    }
    Ok(gradient)
}

/// L′ at `value` by Ridders' method; NaN if no two entries of the table are finite.
fn derivative(value: f64, mut loss: impl FnMut(f64) -> Result<f64, Error>) -> Result<f64, Error> {
    let (mut best, mut best_error) = (f64::NAN, f64::INFINITY);
    let mut step = FIRST_STEP * value.abs().max(1.0);
    let mut previous = [0.0; ROWS];
    for row in 0..ROWS {
        let (above, below) = (value + step, value - step);
        let mut current = [0.0; ROWS];
        // The actual step after rounding.
        current[0] = (loss(above)? - loss(below)?) / (above - below);
        let mut removed = 1.0;
        let mut improved = false;
        for order in 1..=row {
            removed *= 4.0;
            let correction = (current[order - 1] - previous[order - 1]) / (removed - 1.0);
            current[order] = current[order - 1] + correction;
            let error = correction.abs().max((current[order] - previous[order - 1]).abs());
            if error < best_error {
                (best, best_error, improved) = (current[order], error, true);
            }
        }
        if !improved && best_error.is_finite() {
            break;
        }
        previous = current;
        step /= 2.0;
    }
    Ok(best)
}

/// The `error` of an [`Element`], for a given s/1000.
fn relative_error(analytic: f64, numeric: f64, floor: f64) -> f64 {
    if ![analytic, numeric, floor].iter().all(|v| v.is_finite()) {
        return f64::NAN;
    }
    let difference = (analytic - numeric).abs();
    if difference == 0.0 { 0.0 } else { difference / floor.max(analytic.abs()).max(numeric.abs()) }
}

/// The name, such as `x[0, 2, 1]`, of the element at `index` of an array of this shape in row-major order.
fn element_name(name: &str, shape: &[usize], mut index: usize) -> String {
    let mut place = Vec::with_capacity(shape.len());
    for length in shape.iter().rev() {
        place.push((index % length).to_string());
        index /= length;
    }
    place.reverse();
    if place.is_empty() { name.to_owned() } else { format!("{name}[{}]", place.join(", ")) }
}
