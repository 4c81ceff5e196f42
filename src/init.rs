//! Initial parameters, drawn from the caller's random generator.
//!
//! | | `wax` | `waa` | `wya` | `ba` | `by` |
//! |---|---|---|---|---|---|
//! | [`torch`] | U(±b) | U(±b) | U(±b) | U(±b) + U(±b) | U(±b) |
//! | [`keras`] | U(±√(6 / (`n_x` + `n_a`))) | orthogonal | U(±√(6 / (`n_a` + `n_y`))) | 0 | 0 |
//! | [`irnn`] | N(0, 0.001²) | identity | N(0, 0.001²) | 0 | 0 |
//! | [`spectral`] | U(±b) | U(±b), scaled to ρ(`waa`) = radius | U(±b) | U(±b) + U(±b) | U(±b) |
//!
//! Here b = 1/√`n_a`, U(±b) is uniform on [−b, b], N is normal and ρ is the spectral radius. [`torch_stack`], [`keras_stack`]
//! and [`irnn_stack`] do the same for every layer of a stack.
//!
//! The same generator gives bit-identical parameters on every machine. A uniform number consumes one `u64` of the
//! generator. So does a normal number, N(0, 1) = Φ⁻¹(u): Wichura's quantile of a uniform u, without the platform's math
//! library. All numbers are drawn in double precision, matrix by matrix in the order of [`Parameters::as_slice`], row by
//! row. Then they are rounded: an initial `f32` network is the `f64` one, rounded.
//!
//! Source of the quantile: M. J. Wichura, *Algorithm AS 241: The Percentage Points of the Normal Distribution*,
//! Applied Statistics 37 (1988) 477–484.
//!
//! # Examples
//!
//! ```
//! use elman::{init, Dims, Parameters};
//! use rand::{SeedableRng, rngs::StdRng};
//!
//! let p: Parameters<f32> = init::torch(Dims { n_x: 3, n_a: 16, n_y: 2 }, &mut StdRng::seed_from_u64(1));
//! assert!(p.waa().iter().all(|w| w.abs() <= 0.25));
//! ```

mod normal;

use ndarray::ArrayRef2;
use rand::Rng;
use rand::distr::{Distribution, Uniform};

use crate::error::{check_range, check_shape};
use crate::kernel::{Epilogue, Packed, Rows, Start, product};
use crate::parameters::ViewMut;
use crate::scalar::{narrow, widen};
use crate::stack::Architecture;
use crate::{Dims, Error, Parameters, Scalar, stack};
use normal::normal;

/// The standard deviation of [`irnn`]'s normal weights.
const IRNN_DEVIATION: f64 = 0.001;

/// PyTorch's default: weights and `by` uniform on ±1/√`n_a`, and `ba` the sum of two such numbers.
///
/// The distributions are those of `torch.nn.RNN(n_x, n_a)` and `torch.nn.Linear(n_a, n_y)`. Torch adds two hidden biases;
/// `ba` is their sum, so each element takes two draws. (The fan-in of `Linear` is `n_a`, so its bound is ±1/√`n_a` too.)
/// With `n_a = 0` every parameter is zero. The generator gives one uniform number per parameter, and a second one per
/// element of `ba`.
///
/// Sources: the documentation of `torch.nn.RNN` and `torch.nn.Linear`. The numbers of a torch seed are different.
///
/// # Examples
///
/// ```
/// use elman::{init, Dims};
/// use rand::{SeedableRng, rngs::StdRng};
///
/// let p = init::torch::<f64>(Dims { n_x: 3, n_a: 4, n_y: 2 }, &mut StdRng::seed_from_u64(1));
/// assert!(p.by().iter().all(|b| b.abs() <= 0.5));
/// ```
pub fn torch<A: Scalar>(dims: Dims, rng: &mut (impl Rng + ?Sized)) -> Parameters<A> {
    let mut p = Parameters::zeros(dims);
    torch_layer(p.view_mut(), dims.n_a, rng);
    p
}

/// [`torch`] for every layer of a stack: ±1/√`n_a` in a layer, and ±1/√width in the head on a layer of that width.
///
/// # Examples
///
/// ```
/// use elman::init;
/// use elman::stack::{Architecture, Layer};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let architecture = Architecture::new(3, [Layer::new(4), Layer::new(8).bidirectional()], 2);
/// let p = init::torch_stack::<f64>(architecture, &mut Xoshiro256PlusPlus::seed_from_u64(1))?;
/// assert!(p.by().iter().all(|b| b.abs() <= 0.25));
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::StackTooLarge`] where a machine cannot address so many parameters.
pub fn torch_stack<A: Scalar>(
    architecture: Architecture,
    rng: &mut (impl Rng + ?Sized),
) -> Result<stack::Parameters<A>, Error> {
    stack_of(architecture, |view, width| torch_layer(view, width, rng))
}

fn torch_layer<A: Scalar>(mut view: ViewMut<A>, width: usize, rng: &mut (impl Rng + ?Sized)) {
    let [hidden, head] = [view.dims.n_a, width].map(|n| uniform(1.0, n));
    let [wax, waa, wya, ba, by] = view.split();
    for weights in [wax, waa] {
        fill(weights, || hidden.sample(rng));
    }
    fill(wya, || head.sample(rng));
    fill(ba, || hidden.sample(rng) + hidden.sample(rng));
    fill(by, || head.sample(rng));
}

/// Fills every layer and direction of a stack. `fill` gets the number of the head's inputs, too.
fn stack_of<A: Scalar>(
    architecture: Architecture,
    mut fill: impl FnMut(ViewMut<A>, usize),
) -> Result<stack::Parameters<A>, Error> {
    let width = architecture.layers().last().map_or(0, |layer| layer.width());
    let mut p = stack::Parameters::try_zeros(architecture)?;
    p.views_mut().into_iter().for_each(|view| fill(view, width));
    Ok(p)
}

/// Keras's default: Glorot-uniform `wax` and `wya`, an orthogonal `waa`, zero biases.
///
/// `wax` is uniform on ±√(6 / (`n_x` + `n_a`)) and `wya` on ±√(6 / (`n_a` + `n_y`)), as in `keras.layers.SimpleRNN(n_a)`
/// and `Dense(n_y)`. `waa` is a uniform (Haar) random orthogonal matrix: the Q of the Q·R of a Gaussian matrix, where the
/// diagonal of R is positive. Before rounding, waa·waaᵀ = I to a few units of double precision. The generator gives
/// `n_a`·(`n_a` + 1)/2 normal numbers for `waa`, and one uniform number per element of `wax` and `wya`.
///
/// Sources: X. Glorot, Y. Bengio, *Understanding the difficulty of training deep feedforward neural networks*, AISTATS
/// 2010, equation 16; A. M. Saxe et al., *Exact solutions to the nonlinear dynamics of learning in deep linear neural
/// networks*, ICLR 2014, arXiv:1312.6120; G. W. Stewart, *The efficient generation of random orthogonal matrices with
/// an application to condition estimators*, SIAM Journal on Numerical Analysis 17 (1980) 403–409, theorem 3.3.
///
/// # Examples
///
/// ```
/// use elman::{init, Dims};
/// use rand::{SeedableRng, rngs::StdRng};
///
/// let p = init::keras::<f64>(Dims { n_x: 3, n_a: 4, n_y: 2 }, &mut StdRng::seed_from_u64(1));
/// assert!((p.waa().row(0).dot(&p.waa().row(1))).abs() < 1e-15);
/// assert!((p.waa().row(0).dot(&p.waa().row(0)) - 1.0).abs() < 1e-15);
/// ```
pub fn keras<A: Scalar>(dims: Dims, rng: &mut (impl Rng + ?Sized)) -> Parameters<A> {
    let mut p = Parameters::zeros(dims);
    keras_layer(p.view_mut(), dims.n_a, rng);
    p
}

/// [`keras`] for every layer of a stack. The head's Glorot range counts the outputs of both directions.
///
/// # Examples
///
/// ```
/// use elman::init;
/// use elman::stack::{Architecture, Layer};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let architecture = Architecture::new(3, [Layer::new(4), Layer::new(8).bidirectional()], 2);
/// let p = init::keras_stack::<f64>(architecture, &mut Xoshiro256PlusPlus::seed_from_u64(1))?;
/// assert_eq!(p.by(), ndarray::Array1::<f64>::zeros(2));
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::StackTooLarge`] where a machine cannot address so many parameters.
pub fn keras_stack<A: Scalar>(
    architecture: Architecture,
    rng: &mut (impl Rng + ?Sized),
) -> Result<stack::Parameters<A>, Error> {
    stack_of(architecture, |view, width| keras_layer(view, width, rng))
}

fn keras_layer<A: Scalar>(mut view: ViewMut<A>, width: usize, rng: &mut (impl Rng + ?Sized)) {
    let Dims { n_x, n_a, n_y } = view.dims;
    let [wax, waa, wya, _, _] = view.split();
    let glorot = uniform(6.0, n_x + n_a);
    fill(wax, || glorot.sample(rng));
    for (value, q) in waa.iter_mut().zip(orthogonal(n_a, rng)) {
        *value = narrow(q);
    }
    let glorot = uniform(6.0, width + n_y);
    fill(wya, || glorot.sample(rng));
}

/// IRNN: `waa` is the identity, `wax` and `wya` are normal with standard deviation 0.001, biases are zero.
///
/// The hidden state starts as the sum of all inputs so far, so gradients reach far back. The authors use rectified
/// units: `.with_activation(Activation::Relu)`. With tanh the same is true while the state is small. The generator
/// gives one normal number per element of `wax` and `wya`.
///
/// Source: Q. V. Le, N. Jaitly, G. E. Hinton, *A Simple Way to Initialize Recurrent Networks of Rectified Linear
/// Units*, arXiv:1504.00941 (2015), sections 3 and 4.
///
/// # Examples
///
/// ```
/// use elman::{init, Dims};
/// use ndarray::Array2;
/// use rand::{SeedableRng, rngs::StdRng};
///
/// let p = init::irnn::<f64>(Dims { n_x: 3, n_a: 4, n_y: 2 }, &mut StdRng::seed_from_u64(1));
/// assert_eq!(p.waa(), Array2::<f64>::eye(4));
/// ```
pub fn irnn<A: Scalar>(dims: Dims, rng: &mut (impl Rng + ?Sized)) -> Parameters<A> {
    let mut p = Parameters::zeros(dims);
    irnn_layer(p.view_mut(), rng);
    p
}

/// [`irnn`] for every layer of a stack.
///
/// # Examples
///
/// ```
/// use elman::init;
/// use elman::stack::{Architecture, Direction, Layer};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let architecture = Architecture::new(3, [Layer::new(4), Layer::new(8)], 2);
/// let p = init::irnn_stack::<f64>(architecture, &mut Xoshiro256PlusPlus::seed_from_u64(1))?;
/// let upper = p.network(1, Direction::Forward).unwrap();
/// assert_eq!(upper.waa(), ndarray::Array2::<f64>::eye(8));
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::StackTooLarge`] where a machine cannot address so many parameters.
pub fn irnn_stack<A: Scalar>(
    architecture: Architecture,
    rng: &mut (impl Rng + ?Sized),
) -> Result<stack::Parameters<A>, Error> {
    stack_of(architecture, |view, _| irnn_layer(view, rng))
}

fn irnn_layer<A: Scalar>(mut view: ViewMut<A>, rng: &mut (impl Rng + ?Sized)) {
    let n_a = view.dims.n_a;
    let [wax, waa, wya, _, _] = view.split();
    waa.iter_mut().step_by(n_a + 1).for_each(|diagonal| *diagonal = A::one());
    for weights in [wax, wya] {
        fill(weights, || IRNN_DEVIATION * normal(rng));
    }
}

/// [`torch`], then `waa` scaled to the spectral radius `radius`.
///
/// - `radius`: ρ(`waa`), finite as an `A` and at least 0; exact up to the error of [`spectral_radius`] and rounding to `A`
///
/// Near zero the hidden state changes by a factor of `radius` per step. Below 1 it decays (an echo); above 1 it grows.
///
/// Source: H. Jaeger, *The "echo state" approach to analysing and training recurrent neural networks*, GMD Report 148
/// (2001), proposition 3.
///
/// # Examples
///
/// ```
/// use elman::{init, Dims};
/// use rand::{SeedableRng, rngs::StdRng};
///
/// let p = init::spectral::<f64>(Dims { n_x: 3, n_a: 4, n_y: 2 }, 0.95, &mut StdRng::seed_from_u64(1))?;
/// assert!((init::spectral_radius(&p.waa())? - 0.95).abs() < 1e-14);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// As [`set_spectral_radius`]: [`Error::Range`].
pub fn spectral<A: Scalar>(dims: Dims, radius: f64, rng: &mut (impl Rng + ?Sized)) -> Result<Parameters<A>, Error> {
    let mut drawn = torch::<f64>(dims, rng);
    let factor = factor_to_radius::<f64, A>(&drawn.waa(), radius)?;
    for weight in drawn.waa_mut() {
        *weight *= factor;
    }
    let mut p = Parameters::zeros(dims);
    for (value, &drawn) in p.as_mut_slice().iter_mut().zip(drawn.as_slice()) {
        *value = narrow(drawn);
    }
    Ok(p)
}

/// `waa` ← `waa` · `radius` / ρ(`waa`), for any parameters. Does nothing where `n_a = 0`.
///
/// - `radius`: finite as an `A`, and at least 0
///
/// # Examples
///
/// ```
/// use elman::{init, Dims, Parameters};
///
/// let mut p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 2, n_y: 2 });
/// p.waa_mut().assign(&ndarray::array![[0.0, 4.0], [-4.0, 0.0]]); // eigenvalues ±4i
/// init::set_spectral_radius(&mut p, 0.5)?;
/// assert_eq!(p.waa(), ndarray::array![[0.0, 0.5], [-0.5, 0.0]]);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Range`] where `radius` is negative, or not finite as an `A`; where ρ(`waa`) is infinite or NaN; where
/// ρ(`waa`) is zero and `radius` is not; where a scaled weight is not finite as an `A`. `parameters` stays unchanged.
pub fn set_spectral_radius<A: Scalar>(parameters: &mut Parameters<A>, radius: f64) -> Result<(), Error> {
    let factor = factor_to_radius::<A, A>(&parameters.waa(), radius)?;
    for weight in parameters.waa_mut() {
        *weight = narrow(widen(*weight) * factor);
    }
    Ok(())
}

/// `radius` / ρ(W), or 1 if there is nothing to scale.
///
/// Rejects a factor that makes a weight infinite after rounding to `B`.
fn factor_to_radius<A: Scalar, B: Scalar>(matrix: &ArrayRef2<A>, radius: f64) -> Result<f64, Error> {
    let is_finite = |value: f64| narrow::<B>(value).is_finite();
    check_range("radius", radius, "finite and at least 0", is_finite(radius) && radius >= 0.0)?;
    let current = spectral_radius(matrix)?;
    if matrix.is_empty() || (current == 0.0 && radius == 0.0) {
        return Ok(1.0);
    }
    check_range("spectral_radius(waa)", current, "finite and above 0", current.is_finite() && current > 0.0)?;
    let factor = radius / current;
    let largest = matrix.iter().fold(0.0, |largest: f64, weight| largest.max(widen(*weight).abs()));
    let scaled = is_finite(largest * factor);
    check_range("spectral_radius(waa)", current, "large enough that the scaled weights are finite", scaled)?;
    Ok(factor)
}

/// The spectral radius ρ(W) = max |λ| over all eigenvalues λ of W, real and complex.
///
/// - `matrix`: W, (n, n), any layout
/// - result: zero where n = 0, or where a power of W is exactly zero (as for a strictly triangular W); NaN where an element
///   is not finite
///
/// Uses Gelfand's formula ρ(W) = lim ‖Wᵏ‖^(1/k) at k = 2⁵⁰: fifty squarings, each scaled to a largest element of one. This
/// takes 100·n³ operations, in double precision for every `A`. Every squaring rounds, but the root reduces these errors.
/// The relative error is a few n·κ·10⁻¹⁶, where κ is the condition of the eigenvalue (1 for a normal matrix), and about
/// 10⁻⁵ at a double eigenvalue with one eigenvector. Values that underflow relative to the largest element of a matrix count
/// as zero: an example is a radius of 10⁻¹⁶⁰ in a matrix with an element of 1.
///
/// Source: I. Gelfand, *Normierte Ringe*, Matematicheskii Sbornik 9 (1941) 3–24.
///
/// # Examples
///
/// ```
/// use elman::init::spectral_radius;
/// use ndarray::array;
///
/// assert_eq!(spectral_radius(&array![[0.0, 2.0], [-2.0, 0.0]])?, 2.0); // eigenvalues ±2i
/// assert_eq!(spectral_radius(&array![[0.0, 7.0], [0.0, 0.0]])?, 0.0);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] where `matrix.ncols() != matrix.nrows()`.
pub fn spectral_radius<A: Scalar>(matrix: &ArrayRef2<A>) -> Result<f64, Error> {
    /// With 50 squarings the rest, 2⁻⁵⁰ of any logarithm that fits in double precision, is below 10⁻¹².
    const SQUARINGS: usize = 50;
    let n = matrix.nrows();
    check_shape("matrix", matrix, &[], [n, n])?;
    let mut power: Vec<f64> = matrix.iter().map(|&value| widen(value)).collect();
    let mut square = vec![0.0; power.len()];
    let mut packed = Packed::default();
    let mut scales = [0.0; SQUARINGS + 1];
    for (squarings, scale) in scales.iter_mut().enumerate() {
        if squarings > 0 {
            packed.pack_rows(n, n, Rows::ascending(&power, n));
            product(&mut square, Start::Zero, &power, &packed, Epilogue::Store);
            std::mem::swap(&mut power, &mut square);
        }
        *scale = scale_to_one(&mut power);
        if *scale == 0.0 || scale.is_nan() {
            return Ok(*scale);
        }
    }
    // ρ = s₀·√(s₁·√(s₂·…)). Roots of numbers near one lose no precision, and neither do powers of two.
    Ok(scales.iter().rev().fold(1.0, |root: f64, scale| scale * root.sqrt()))
}

/// Divides by the largest magnitude and returns it, or NaN if an element is not finite.
fn scale_to_one(values: &mut [f64]) -> f64 {
    if values.iter().any(|value| !value.is_finite()) {
        return f64::NAN;
    }
    let scale = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    if scale > 0.0 {
        for value in values {
            *value /= scale;
        }
    }
    scale
}

/// An orthogonal (n, n) matrix, row-major, uniform by Haar's measure.
///
/// In the Q·R of a Gaussian matrix, each Householder vector is Gaussian and one element shorter than the previous one. So
/// this draws the vectors, the shortest first, and multiplies their reflections I − 2uuᵀ/‖u‖² into Q, from the last one
/// back. The initial diagonal of Q holds the signs of R's diagonal.
fn orthogonal(n: usize, rng: &mut (impl Rng + ?Sized)) -> Vec<f64> {
    let mut q = vec![0.0; n * n];
    let mut u = Vec::with_capacity(n);
    let mut projection = Vec::with_capacity(n);
    for first in (0..n).rev() {
        u.clear();
        u.resize_with(n - first, || normal(rng));
        let norm = sum_of_squares(&u).sqrt().copysign(u[0]);
        u[0] += norm;
        q[first * n + first] = -norm.signum();

        // projection = (2/‖u‖²)·uᵀQ, then Q ← Q − u·projection, in the rows and columns from `first` on.
        let scale = 2.0 / sum_of_squares(&u).max(f64::MIN_POSITIVE);
        projection.clear();
        projection.resize(u.len(), 0.0);
        for (row, &u) in q.chunks_exact(n).skip(first).zip(&u) {
            for (sum, &q) in projection.iter_mut().zip(&row[first..]) {
                *sum += scale * u * q;
            }
        }
        for (row, &u) in q.chunks_exact_mut(n).skip(first).zip(&u) {
            for (q, &sum) in row[first..].iter_mut().zip(&projection) {
                *q -= u * sum;
            }
        }
    }
    q
}

fn sum_of_squares(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum()
}

/// Uniform on ±√(`numerator` / `fan`); always zero if `fan` is zero.
fn uniform(numerator: f64, fan: usize) -> Uniform<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a dimension is far below 2⁵³")]
    let bound = if fan == 0 { 0.0 } else { (numerator / fan as f64).sqrt() };
    Uniform::new_inclusive(-bound, bound).expect("the bound is finite and not negative")
}

fn fill<A: Scalar>(values: &mut [A], mut draw: impl FnMut() -> f64) {
    values.fill_with(|| narrow(draw()));
}
