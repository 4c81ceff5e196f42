use ndarray::{Array2, Axis, Ix3};
use rand::{Rng, RngExt};

use crate::cell::{BackwardWeights, Weights, head_gradient, logits_gradient, recurrence_gradient};
use crate::error::{check_activation, check_count, check_network, check_range};
use crate::kernel::Start;
use crate::layout::{Bytes, copy_time_major};
use crate::parameters::{View, norm, sum_of_squares};
use crate::scalar::widen;
use crate::sequence::Cache;
use crate::{Dims, Error, Parameters, Scalar, Upstream};

/// ‖g\_t‖₂ for every step: the norm of the gradient g\_t = ∂L/∂a\_t at the hidden state.
///
/// ```text
/// g_t = da_t + Wyaᵀ·dlogits_t + Waaᵀ·(g_{t+1} · φ′(a_{t+1}))      (at T_x−1 the last term is last_hidden)
/// ```
///
/// - `cache`: the result of [`sequence::forward`](crate::sequence::forward)
/// - `upstream`: the gradient of the loss, as for [`sequence::backward`](crate::sequence::backward)
/// - result: (m, `T_x`), accumulated in double precision; zero after the end of a column
///
/// The first two terms come from step t itself, through its state and its head. The last term comes from later steps.
///
/// With a loss at the last step only, the norms show how far its gradient reaches. They vanish if they fall by a factor per
/// step back, and explode if they grow. The cost is about a backward pass, one column at a time. The memory is
/// `n_a`·m·`T_x` elements and up to 2·`n_y`·m·`T_x` more.
///
/// # Examples
///
/// ```
/// use elman::{Dims, Parameters, Upstream, diagnostics, sequence};
/// use ndarray::{Array2, Array3, array};
///
/// let mut p = Parameters::<f64>::zeros(Dims { n_x: 1, n_a: 2, n_y: 0 });
/// p.waa_mut().diag_mut().fill(0.5);
/// let cache = sequence::forward(&p, &Array3::zeros((1, 1, 3)), &Array2::zeros((2, 1)))?;
///
/// // tanh′(0) = 1, so each step back halves the gradient.
/// let last = array![[3.0], [4.0]];
/// let norms = diagnostics::gradient_norms(&p, &cache, Upstream::last_hidden(&last))?;
/// assert_eq!(norms, array![[1.25, 2.5, 5.0]]);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Network`] where `cache.dims() != parameters.dims()`; [`Error::Activation`] where the cache belongs to a network
/// with another nonlinearity; [`Error::Shape`] where a gradient does not have the shape of its array.
pub fn gradient_norms<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    upstream: Upstream<'_, A, Ix3>,
) -> Result<Array2<f64>, Error> {
    let Dims { n_a, n_y, .. } = parameters.dims();
    let (m, t_x) = (cache.columns(), cache.len());
    check_cache(parameters, cache)?;
    upstream.check([n_a, m, t_x], [n_y, m, t_x])?;
    Ok(gradient_norms_of(parameters.view(), cache, cache.output_rows(), upstream))
}

/// [`gradient_norms`] of one pass, whose probabilities are `y`.
pub(super) fn gradient_norms_of<A: Scalar>(
    p: View<A>,
    cache: &Cache<A>,
    y: &[A],
    upstream: Upstream<'_, A, Ix3>,
) -> Array2<f64> {
    let Dims { n_a, n_y, .. } = p.dims;
    let (m, t_x) = (cache.columns(), cache.len());
    let mut weights = Weights::default();
    let weights = weights.backward(p, false, usize::MAX);

    let (mut dlogits, mut dy) = (Vec::new(), Vec::new());
    let dlogits = logits_gradient(&mut dlogits, &mut dy, upstream.logits, upstream.output, y, n_y);
    let mut own = vec![A::zero(); n_a * m * t_x];
    if let Some(hidden) = upstream.hidden {
        copy_time_major(&mut own, hidden);
    }
    head_gradient(&mut own, Start::Accumulate, dlogits, &weights);

    let mut norms = Array2::zeros((m, t_x));
    for j in 0..m {
        let mut da = match upstream.last_hidden {
            Some(last_hidden) => last_hidden.column(j).to_vec(),
            None => vec![A::zero(); n_a],
        };
        back(&weights, cache, j, &mut da, |t, da| {
            for (da, &own) in da.iter_mut().zip(&own[(t * m + j) * n_a..]) {
                *da += own;
            }
            norms[[j, t]] = norm(da);
        });
    }
    norms
}

/// Estimates ‖J‖: the Frobenius norm of the Jacobian J = ∂a\_last/∂a\_t, for the state a\_t after every step t.
///
/// - `cache`: the result of [`sequence::forward`](crate::sequence::forward)
/// - `probes`: the number of random vectors v, at least 1
/// - `rng`: gives `probes`·`n_a` signs; all columns share them, so a column's result does not depend on the batch
/// - result: (m, `T_x`); at a column's last step J is the identity and the result is exactly √`n_a`; zero after its end
///
/// For a random vector v of independent signs ±1, E‖Jᵀ·v‖² = ‖J‖². The estimate is the root of the mean of ‖Jᵀ·v‖² over
/// the probes. Each v goes back through time as a gradient.
///
/// The squared estimate is unbiased, with a relative standard deviation of at most √(2/`probes`). It is exact if J·Jᵀ is
/// diagonal. Unlike [`gradient_norms`], it does not depend on a loss. The cost is `probes`·m·`T_x`·`n_a`² multiply-adds.
///
/// Source: M. F. Hutchinson, *A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines*,
/// Communications in Statistics – Simulation and Computation 19 (1990) 433–450.
///
/// # Examples
///
/// ```
/// use elman::{Dims, Parameters, diagnostics, sequence};
/// use ndarray::{Array2, Array3, array};
/// use rand::{SeedableRng, rngs::StdRng};
///
/// let mut p = Parameters::<f64>::zeros(Dims { n_x: 1, n_a: 4, n_y: 0 });
/// p.waa_mut().diag_mut().fill(0.5);
/// let cache = sequence::forward(&p, &Array3::zeros((1, 1, 3)), &Array2::zeros((4, 1)))?;
/// let norms = diagnostics::jacobian_norms(&p, &cache, 1, &mut StdRng::seed_from_u64(1))?;
/// assert_eq!(norms, array![[0.5, 1.0, 2.0]]);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Network`] where `cache.dims() != parameters.dims()`; [`Error::Activation`] where the cache belongs to a network
/// with another nonlinearity; [`Error::Range`] where `probes` is 0 or more than memory holds.
pub fn jacobian_norms<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    probes: usize,
    rng: &mut (impl Rng + ?Sized),
) -> Result<Array2<f64>, Error> {
    check_cache(parameters, cache)?;
    check_probes::<A>(probes, parameters.dims().n_a)?;
    Ok(jacobian_norms_of(parameters.view(), cache, probes, rng))
}

/// [`jacobian_norms`] of one pass.
pub(super) fn jacobian_norms_of<A: Scalar>(
    p: View<A>,
    cache: &Cache<A>,
    probes: usize,
    rng: &mut (impl Rng + ?Sized),
) -> Array2<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a number of vectors in memory is far below 2⁵³")]
    let count = probes as f64;
    let mut weights = Weights::default();
    let weights = weights.backward(p, false, usize::MAX);

    let mut sign = || if rng.random() { A::one() } else { -A::one() };
    let vectors: Vec<A> = (0..probes * p.dims.n_a).map(|_| sign()).collect();
    let mut norms = Array2::zeros((cache.columns(), cache.len()));
    for j in 0..cache.columns() {
        back(&weights, cache, j, &mut vectors.clone(), |t, da| norms[[j, t]] = (sum_of_squares(da) / count).sqrt());
    }
    norms
}

/// Checks a number of random vectors of `n_a` elements each.
pub(super) fn check_probes<A>(probes: usize, n_a: usize) -> Result<(), Error> {
    let fits = Bytes::of::<A>([probes, n_a]) <= Bytes(isize::MAX.unsigned_abs());
    check_count("probes", probes, "from 1 to the number of vectors that memory holds", probes > 0 && fits)
}

fn check_cache<A: Scalar>(parameters: &Parameters<A>, cache: &Cache<A>) -> Result<(), Error> {
    check_network("cache", cache.dims().triple(), parameters.dims().triple())?;
    check_activation("cache", cache.activation.name(), parameters.activation().name())
}

/// The share of hidden values with |a| > `threshold`, over all units, columns and steps.
///
/// - `cache`: the result of [`sequence::forward`](crate::sequence::forward)
/// - `threshold`: from 0 to 1
/// - result: from 0 to 1; 0 if there are no values. NaN does not count as above the threshold
///
/// tanh multiplies a unit's gradient by 1 − a²: at |a| = 0.99 this factor is 0.02.
///
/// # Examples
///
/// ```
/// use elman::{Dims, Parameters, diagnostics, sequence};
/// use ndarray::{Array2, Array3};
///
/// let mut p = Parameters::<f64>::zeros(Dims { n_x: 1, n_a: 4, n_y: 0 });
/// p.ba_mut()[2] = 5.0; // one unit of four
/// let cache = sequence::forward(&p, &Array3::zeros((1, 1, 3)), &Array2::zeros((4, 1)))?;
/// assert_eq!(diagnostics::saturation(&cache, 0.99)?, 0.25);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Range`] where `threshold` is below 0, above 1 or NaN.
pub fn saturation<A: Scalar>(cache: &Cache<A>, threshold: f64) -> Result<f64, Error> {
    check_threshold(threshold)?;
    Ok(saturation_of(cache, threshold))
}

pub(super) fn check_threshold(threshold: f64) -> Result<(), Error> {
    check_range("threshold", threshold, "from 0 to 1", (0.0..=1.0).contains(&threshold))
}

/// [`saturation`] for a threshold that is checked.
pub(super) fn saturation_of<A: Scalar>(cache: &Cache<A>, threshold: f64) -> f64 {
    let (mut above, mut all) = (0, 0);
    for state in (0..cache.columns()).flat_map(|j| steps(cache, j).map(move |t| state(cache, j, t))) {
        above += state.iter().filter(|&&a| widen(a).abs() > threshold).count();
        all += state.len();
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of values in memory is far below 2⁵³")]
    let share = above as f64 / all.max(1) as f64;
    share
}

/// The steps of a column, in the order of computation.
fn steps<A>(cache: &Cache<A>, column: usize) -> impl DoubleEndedIterator<Item = usize> {
    let length = cache.lengths()[column];
    (0..length).map(move |t| if cache.is_reversed() { length - 1 - t } else { t })
}

/// A column's hidden state after step `t`.
fn state<A>(cache: &Cache<A>, column: usize, t: usize) -> &[A] {
    let states = cache.hidden().index_axis_move(Axis(2), t);
    states.index_axis_move(Axis(1), column).to_slice().expect(TIME_MAJOR)
}

/// Carries gradients back from a column's last hidden state through its steps. `da` holds one or more rows of `n_a` values.
/// At every step, `visit` gets the gradients at the state after the step, and may add to them.
fn back<A: Scalar>(
    weights: &BackwardWeights<A>,
    cache: &Cache<A>,
    column: usize,
    da: &mut [A],
    mut visit: impl FnMut(usize, &mut [A]),
) {
    let n_a = cache.dims().n_a;
    let (mut dz, mut a) = (vec![A::zero(); da.len()], vec![A::zero(); da.len()]);
    for t in steps(cache, column).rev() {
        visit(t, da);
        // `da` holds the whole gradient already. All rows of `da` belong to the same state.
        dz.fill(A::zero());
        a.chunks_exact_mut(n_a.max(1)).for_each(|row| row.copy_from_slice(state(cache, column, t)));
        recurrence_gradient(&mut dz, da, &a, cache.recurrent_mask(column), weights);
    }
}

const TIME_MAJOR: &str = "a cache is time-major";
