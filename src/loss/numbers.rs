use ndarray::Ix3;

use super::{Counted, Loss, Predictions, Reduction, Targets};
use crate::error::check_range;
use crate::layout::{reshape_time_major, to_time_major};
use crate::scalar::{narrow, widen};
use crate::{Error, Scalar};

/// The axes of predictions and of targets.
const PREDICTIONS: &[&str] = &["n", "m", "T_x"];

/// Computes the squared error, for a regression or a forecast.
///
/// ```text
/// ℓ = (ŷ − y)²        ∂ℓ/∂ŷ = 2·(ŷ − y)
/// ```
///
/// - `predictions`: ŷ, the logits of a cache; or any array (n, m, `T_x`)
/// - `targets`: y, (n, m, `T_x`); or [`Targets::last_values`], (n, m)
///
/// It is torch's `MSELoss`: [`Reduction::Mean`] divides by the number of elements. A cache's predictions are its logits,
/// Wya·a + by, without the softmax.
///
/// # Examples
///
/// ```
/// use elman::loss::{self, Reduction};
/// use elman::{Dims, Parameters, Upstream, sequence};
/// use ndarray::Array3;
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 1 });
/// let cache = sequence::forward(&p, &Array3::ones((3, 10, 4)), None)?;
/// let targets = Array3::from_elem((1, 10, 4), 3.0);
/// let loss = loss::squared_error(&cache, &targets, Reduction::Sum)?;
/// assert_eq!((loss.value, loss.count), (9.0 * 40.0, 40));
/// let back = sequence::backward(&p, &cache, Upstream::logits(&loss.dlogits))?;
/// assert_eq!(back.gradients.by()[0], -6.0 * 40.0);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] where the targets have another shape than the predictions, or weights than the targets;
/// [`Error::Range`] where a scale is not finite; [`Error::Length`] where a length is above `T_x`.
pub fn squared_error<'p, 't, A: Scalar>(
    predictions: impl Into<Predictions<'p, A>>,
    targets: impl Into<Targets<'t, A, A, Ix3>>,
    reduction: Reduction,
) -> Result<Loss<A>, Error> {
    elementwise(predictions, targets, reduction, square)
}

/// Computes [`squared_error`] into `loss`. It reuses the memory of `loss` and overwrites its contents.
///
/// # Errors
/// As [`squared_error`]; an error leaves `loss` unchanged.
pub fn squared_error_into<'p, 't, A: Scalar>(
    predictions: impl Into<Predictions<'p, A>>,
    targets: impl Into<Targets<'t, A, A, Ix3>>,
    reduction: Reduction,
    loss: &mut Loss<A>,
) -> Result<(), Error> {
    elementwise_into(predictions, targets, reduction, square, loss)
}

/// (ŷ − y)², and its derivative.
fn square(prediction: f64, target: f64) -> (f64, f64) {
    let error = prediction - target;
    (error * error, 2.0 * error)
}

/// Computes the Huber loss, for a regression with outliers.
///
/// ```text
/// ℓ = ½(ŷ − y)²            where |ŷ − y| ≤ δ        ∂ℓ/∂ŷ = ŷ − y, at least −δ and at most δ
///     δ·(|ŷ − y| − ½δ)     elsewhere
/// ```
///
/// - `predictions`, `targets`: as for [`squared_error`]
/// - `delta`: δ, positive and finite, in the unit of the targets
///
/// It is torch's `HuberLoss(delta=δ)`. `SmoothL1Loss(beta=δ)` is this loss divided by δ.
///
/// Source: P. J. Huber, *Robust estimation of a location parameter*, Annals of Mathematical Statistics 35 (1964) 73–101.
///
/// # Examples
///
/// ```
/// use elman::loss::{self, Reduction};
/// use ndarray::Array3;
///
/// let predictions = Array3::<f64>::zeros((1, 1, 2));
/// let targets = Array3::from_shape_vec((1, 1, 2), vec![0.5, -10.0]).unwrap();
/// let loss = loss::huber(&predictions, &targets, 1.0, Reduction::Sum)?;
/// assert_eq!(loss.value, 0.125 + 9.5);
/// assert_eq!(loss.dlogits[[0, 0, 1]], 1.0, "an outlier pulls no more than an error of δ");
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// As [`squared_error`], and [`Error::Range`] where `delta` is not positive or not finite.
pub fn huber<'p, 't, A: Scalar>(
    predictions: impl Into<Predictions<'p, A>>,
    targets: impl Into<Targets<'t, A, A, Ix3>>,
    delta: f64,
    reduction: Reduction,
) -> Result<Loss<A>, Error> {
    let mut loss = Loss::default();
    huber_into(predictions, targets, delta, reduction, &mut loss)?;
    Ok(loss)
}

/// Computes [`huber`] into `loss`. It reuses the memory of `loss` and overwrites its contents.
///
/// # Errors
/// As [`huber`]; an error leaves `loss` unchanged.
pub fn huber_into<'p, 't, A: Scalar>(
    predictions: impl Into<Predictions<'p, A>>,
    targets: impl Into<Targets<'t, A, A, Ix3>>,
    delta: f64,
    reduction: Reduction,
    loss: &mut Loss<A>,
) -> Result<(), Error> {
    check_range("delta", delta, "positive and finite", delta > 0.0 && delta.is_finite())?;
    let huber = |prediction: f64, target: f64| {
        let error = prediction - target;
        let slope = error.clamp(-delta, delta);
        // Both cases of ℓ: the slope is the error within δ, and ±δ elsewhere.
        (slope * (error - 0.5 * slope), slope)
    };
    elementwise_into(predictions, targets, reduction, huber, loss)
}

/// Computes a loss of your own that compares numbers one by one.
///
/// - `predictions`, `targets`: as for [`squared_error`]
/// - `f`: takes a prediction and its target, and returns ℓ and ∂ℓ/∂ŷ, in double precision
///
/// If your loss is not a sum over elements, build a [`Loss`].
///
/// # Examples
///
/// The absolute error, whose minimum is the median:
///
/// ```
/// use elman::loss::{self, Reduction};
/// use ndarray::Array3;
///
/// let (predictions, targets) = (Array3::<f32>::zeros((2, 3, 5)), Array3::ones((2, 3, 5)));
/// let absolute = |prediction: f64, target: f64| {
///     let error = prediction - target;
///     (error.abs(), error.signum())
/// };
/// let loss = loss::elementwise(&predictions, &targets, Reduction::Sum, absolute)?;
/// assert_eq!((loss.value, loss.dlogits[[1, 2, 4]]), (30.0, -1.0));
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// As [`squared_error`].
pub fn elementwise<'p, 't, A: Scalar>(
    predictions: impl Into<Predictions<'p, A>>,
    targets: impl Into<Targets<'t, A, A, Ix3>>,
    reduction: Reduction,
    f: impl Fn(f64, f64) -> (f64, f64),
) -> Result<Loss<A>, Error> {
    let mut loss = Loss::default();
    elementwise_into(predictions, targets, reduction, f, &mut loss)?;
    Ok(loss)
}

/// Computes [`elementwise`] into `loss`. It reuses the memory of `loss` and overwrites its contents.
///
/// # Errors
/// As [`elementwise`]; an error leaves `loss` unchanged.
pub fn elementwise_into<'p, 't, A: Scalar>(
    predictions: impl Into<Predictions<'p, A>>,
    targets: impl Into<Targets<'t, A, A, Ix3>>,
    reduction: Reduction,
    f: impl Fn(f64, f64) -> (f64, f64),
    loss: &mut Loss<A>,
) -> Result<(), Error> {
    compute(&predictions.into(), &targets.into(), reduction, &f, loss)
}

fn compute<A: Scalar>(
    predictions: &Predictions<A>,
    targets: &Targets<A, A, Ix3>,
    reduction: Reduction,
    f: &dyn Fn(f64, f64) -> (f64, f64),
    loss: &mut Loss<A>,
) -> Result<(), Error> {
    let (n, m, t_x) = predictions.values.dim();
    predictions.check()?;
    targets.check(PREDICTIONS, [n, m, t_x])?;
    reduction.check::<A>()?;
    let weight = |index| targets.weights.as_ref().map_or(1.0, |weights| widen(weights[index]));
    let mut counted = Counted::default();
    for (step, column) in predictions.places() {
        let Some(step) = targets.index(predictions, step, column) else { continue };
        (0..n).for_each(|i| counted.add(weight([i, column, step])));
    }

    let share = reduction.share(counted);
    let values = to_time_major(&predictions.values);
    let gradient = reshape_time_major(&mut loss.dlogits, (n, m, t_x));
    gradient.fill(A::zero());
    let mut sum = 0.0;
    let rows = values.chunks_exact(n.max(1)).zip(gradient.chunks_exact_mut(n.max(1)));
    for ((values, gradient), (step, column)) in rows.zip(predictions.places()) {
        let Some(step) = targets.index(predictions, step, column) else { continue };
        for (i, (&prediction, gradient)) in values.iter().zip(gradient).enumerate() {
            let weight = weight([i, column, step]);
            if weight != 0.0 {
                let (loss, slope) = f(widen(prediction), widen(targets.values[[i, column, step]]));
                sum += weight * loss;
                *gradient = narrow(share * weight * slope);
            }
        }
    }
    (loss.value, loss.count, loss.correct) = (narrow(sum * share), counted.elements, 0);
    Ok(())
}
