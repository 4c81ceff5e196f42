use std::array;

use ndarray::Ix2;

use super::{Counted, Label, Loss, Predictions, Reduction, Targets};
use crate::error::TOKENS;
use crate::kernel::{Kernel, Rows, Softmax};
use crate::layout::{reshape_time_major, to_time_major};
use crate::scalar::{narrow, widen};
use crate::{Error, Scalar};

/// Computes the cross-entropy of the softmax of logits against labels.
///
/// ```text
/// ℓ = ln Σ_c exp(z_c) − z_label        ∂ℓ/∂z = softmax(z) − onehot(label)
/// ```
///
/// - `predictions`: the result of [`sequence::forward`](crate::sequence::forward) or
///   [`stack::forward`](crate::stack::forward); or logits, (`n_y`, m, `T_x`)
/// - `targets`: (m, `T_x`), each a class below `n_y` or [`IGNORE`](super::IGNORE) (−100 in a signed type), any value in the
///   padding; or [`Targets::last_labels`], one for each column
///
/// The loss is computed from the logits z, so it stays finite and exact where the label's probability underflows to zero.
/// Where the weight of each label is the weight of its class, [`Reduction::Mean`] is torch's `CrossEntropyLoss(weight)`.
///
/// # Examples
///
/// ```
/// use elman::{loss, sequence, Dims, Parameters};
/// use ndarray::{Array2, Array3};
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let cache = sequence::forward(&p, &Array3::ones((3, 10, 4)), None)?;
/// let targets = Array2::<usize>::zeros((10, 4));
/// let loss = loss::cross_entropy(&cache, &targets, loss::Reduction::Mean)?;
/// assert!((loss.value - 2f64.ln()).abs() < 1e-15);
/// assert_eq!(loss.accuracy(), 1.0, "all classes are equally likely, and the first one is right");
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] where `targets.dim() != (m, T_x)`, or weights have another shape than the targets; [`Error::Label`] where
/// a label is neither below `n_y` nor ignored; [`Error::Range`] where a scale is not finite; [`Error::Length`] where a length
/// is above `T_x`.
pub fn cross_entropy<'p, 't, A: Scalar, L: Label + 't>(
    predictions: impl Into<Predictions<'p, A>>,
    targets: impl Into<Targets<'t, L, A, Ix2>>,
    reduction: Reduction,
) -> Result<Loss<A>, Error> {
    let mut loss = Loss::default();
    cross_entropy_into(predictions, targets, reduction, &mut loss)?;
    Ok(loss)
}

/// Computes [`cross_entropy`] into `loss`. It reuses the memory of `loss` and overwrites its contents.
///
/// # Examples
///
/// ```
/// use elman::{loss, sequence, Dims, Parameters};
/// use ndarray::{Array2, Array3};
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let cache = sequence::forward(&p, &Array3::ones((3, 10, 4)), None)?;
/// let mut loss = loss::Loss::default();
/// loss::cross_entropy_into(&cache, &Array2::<usize>::zeros((10, 4)), loss::Reduction::Sum, &mut loss)?;
/// assert_eq!(loss.count, 40);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// As [`cross_entropy`]; an error leaves `loss` unchanged.
pub fn cross_entropy_into<'p, 't, A: Scalar, L: Label + 't>(
    predictions: impl Into<Predictions<'p, A>>,
    targets: impl Into<Targets<'t, L, A, Ix2>>,
    reduction: Reduction,
    loss: &mut Loss<A>,
) -> Result<(), Error> {
    compute(&predictions.into(), &targets.into(), reduction, loss)
}

fn compute<A: Scalar, L: Label>(
    predictions: &Predictions<A>,
    targets: &Targets<L, A, Ix2>,
    reduction: Reduction,
    loss: &mut Loss<A>,
) -> Result<(), Error> {
    let (n_y, m, t_x) = predictions.values.dim();
    predictions.check()?;
    targets.check(TOKENS, [m, t_x])?;
    reduction.check::<A>()?;
    // The class of each column and step, and its weight; a weight of zero where nothing counts.
    let counted_label = |step, column| {
        let index = [column, targets.index(predictions, step, column)?];
        let label = targets.values[index];
        let weight = targets.weights.as_ref().map_or(1.0, |weights| widen(weights[index]));
        (label != L::IGNORE).then_some((label, weight))
    };
    let mut counted = Counted::default();
    for (step, column) in predictions.places() {
        let Some((label, weight)) = counted_label(step, column) else { continue };
        if label.class().is_none_or(|class| class >= n_y) {
            let found = label.to_string().into();
            return Err(Error::Label { argument: "targets", column, step, expected: n_y, found });
        }
        counted.add(weight);
    }

    let share = reduction.share(counted);
    let logits = to_time_major(&predictions.values);
    let dlogits = reshape_time_major(&mut loss.dlogits, (n_y, m, t_x));
    match predictions.output {
        Some(output) => dlogits.copy_from_slice(output),
        None => Softmax { y: dlogits, z: &logits, n: n_y }.dispatch(),
    }
    let (mut sum, mut correct) = (0.0, 0);
    let rows = Rows::ascending(&logits, n_y).zip(dlogits.chunks_exact_mut(n_y.max(1)));
    for ((z, dz), (step, column)) in rows.zip(predictions.places()) {
        let found = counted_label(step, column).and_then(|(label, weight)| Some((label.class()?, weight)));
        let Some((label, weight)) = found.filter(|&(_, weight)| weight != 0.0) else {
            dz.fill(A::zero());
            continue;
        };
        let (nats, is_top) = negative_log_likelihood(z, dz, label);
        sum += weight * nats;
        correct += usize::from(is_top);
        let factor = narrow(share * weight);
        dz[label] -= A::one();
        for dz in dz {
            *dz *= factor;
        }
    }
    (loss.value, loss.count, loss.correct) = (narrow(sum * share), counted.elements, correct);
    Ok(())
}

/// −ln y[label], from the logits z and their softmax y; and whether the label is the first of the largest logits.
///
/// With `top` the class of the largest logit, −ln y[label] = (z[top] − z[label]) + ln(1 + Σ_{c≠top} y[c]/y[top]). This
/// avoids the logarithm of a small number and of a number near one.
fn negative_log_likelihood<A: Scalar>(z: &[A], y: &[A], label: usize) -> (f64, bool) {
    let largest = in_fours(z, A::neg_infinity(), |a, b| if a < b { b } else { a });
    let first = z.iter().position(|&z| z == largest);
    let top = if largest > z[label] { first.unwrap_or(label) } else { label };
    let sum = |values| in_fours(values, A::zero(), |a, b| a + b);
    let others = sum(&y[..top]) + sum(&y[top + 1..]);
    let loss = widen(z[top]) - widen(z[label]) + libm::log1p(widen(others) / widen(y[top]));
    (loss, first == Some(label))
}

/// Reduces all values to one, with four partial results. Element `i` goes to partial result `i mod 4`. With a single result,
/// each operation would wait for the previous one.
fn in_fours<A: Scalar>(values: &[A], start: A, f: impl Fn(A, A) -> A) -> A {
    let fours = values.chunks_exact(4);
    let rest = fours.remainder();
    let mut parts = [start; 4];
    for four in fours {
        parts = array::from_fn(|i| f(parts[i], four[i]));
    }
    for (part, value) in parts.iter_mut().zip(rest) {
        *part = f(*part, *value);
    }
    let [a, b, c, d] = parts;
    f(f(a, c), f(b, d))
}
