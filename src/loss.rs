//! Cross-entropy of the softmax head.
//!
//! ```text
//! ℓ = ln Σ_c exp(z_c) − z_label        ∂ℓ/∂z = softmax(z) − onehot(label)
//! ```
//!
//! for each column and step. The loss is computed from the logits z, so it stays finite and exact where the label's
//! probability underflows to zero.

use std::array;

use ndarray::{Array2, Array3, ArrayRef2, Axis};

use crate::error::{TOKENS, check_range, check_shape};
use crate::kernel::Rows;
use crate::layout::reshape_time_major;
use crate::scalar::{narrow, widen};
use crate::{Error, Scalar, sequence, stack};

/// A label to ignore: it adds nothing to the loss, to its gradient or to the count of the mean.
pub const IGNORE: usize = usize::MAX;

impl sequence::Window {
    /// Copies the targets of the window's steps. Targets that an earlier window has counted become [`IGNORE`].
    ///
    /// - `targets`: (m, `T_x`), of the whole sequence
    /// - result: (m, steps of the window)
    ///
    /// Where `targets` ends before the window, the result has fewer steps. The loss then refuses it.
    /// [`Truncated`](sequence::Truncated) has an example.
    #[must_use]
    pub fn targets(&self, targets: &ArrayRef2<usize>) -> Array2<usize> {
        let end = self.steps.end.min(targets.ncols());
        let mut part = targets.slice_axis(Axis(1), (self.steps.start.min(end)..end).into()).to_owned();
        for (step, mut targets) in self.steps.clone().zip(part.columns_mut()) {
            if !self.fresh.contains(&step) {
                targets.fill(IGNORE);
            }
        }
        part
    }
}

/// The reduction of the losses of all columns and steps to one number.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// Their sum divided by the number of labels that count; zero where there are no such labels.
    Mean,
    /// Their sum times this factor. For a sequence in chunks, 1/N gives the mean over its N labels.
    Scaled(f64),
}

/// What a loss reads: the logits, the probabilities and the lengths of a forward pass. The caches of a sequence and of
/// a stack convert into it.
#[derive(Debug)]
pub struct Outputs<'a, A> {
    /// (`T_x`, m, `n_y`)
    logits: &'a [A],
    output: &'a [A],
    lengths: &'a [usize],
    /// `n_y`, m, `T_x`
    shape: [usize; 3],
}

impl<'a, A: Scalar> From<&'a sequence::Cache<A>> for Outputs<'a, A> {
    fn from(cache: &'a sequence::Cache<A>) -> Self {
        let shape = [cache.dims.n_y, cache.m, cache.t_x];
        Outputs { logits: cache.logit_rows(), output: cache.output_rows(), lengths: &cache.lengths, shape }
    }
}

impl<'a, A: Scalar> From<&'a stack::Cache<A>> for Outputs<'a, A> {
    fn from(cache: &'a stack::Cache<A>) -> Self {
        match cache.head() {
            Some(head) => head.into(),
            None => Outputs { logits: &[], output: &[], lengths: &[], shape: [0; 3] },
        }
    }
}

/// The value of a loss and its gradient.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Loss<A> {
    /// The loss, in nats. Divide by ln 2 for bits.
    pub value: A,
    /// ∂value/∂logits, (`n_y`, m, `T_x`), for [`Upstream::logits`](crate::Upstream::logits).
    pub dlogits: Array3<A>,
    /// The number of labels that count: those that are not [`IGNORE`].
    pub count: usize,
}

impl<A: Scalar> Default for Loss<A> {
    fn default() -> Self {
        Loss { value: A::zero(), dlogits: Array3::default([0; 3]), count: 0 }
    }
}

/// Computes the cross-entropy of a sequence's output against the labels.
///
/// - `cache`: the result of [`sequence::forward`] or [`stack::forward`], with `n_y` classes
/// - `targets`: (m, `T_x`), each a class below `n_y` or [`IGNORE`]; any value in the padding
///
/// The value is summed in double precision, steps ascending, columns ascending within a step.
///
/// # Examples
///
/// ```
/// use elman::{loss, sequence, Dims, Parameters};
/// use ndarray::{Array2, Array3};
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let cache = sequence::forward(&p, &Array3::ones((3, 10, 4)), &Array2::zeros((5, 10)))?;
/// let loss = loss::cross_entropy(&cache, &Array2::zeros((10, 4)), loss::Reduction::Mean)?;
/// assert!((loss.value - 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] where `targets.dim() != (m, T_x)`; [`Error::Label`] where a label is neither below `n_y` nor
/// [`IGNORE`]; [`Error::Range`] where a scale is not finite.
pub fn cross_entropy<'a, A: Scalar>(
    cache: impl Into<Outputs<'a, A>>,
    targets: &ArrayRef2<usize>,
    reduction: Reduction,
) -> Result<Loss<A>, Error> {
    let mut loss = Loss::default();
    cross_entropy_into(cache, targets, reduction, &mut loss)?;
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
/// loss::cross_entropy_into(&cache, &Array2::zeros((10, 4)), loss::Reduction::Sum, &mut loss)?;
/// assert_eq!(loss.count, 40);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// As [`cross_entropy`]; an error leaves `loss` unchanged.
pub fn cross_entropy_into<'a, A: Scalar>(
    cache: impl Into<Outputs<'a, A>>,
    targets: &ArrayRef2<usize>,
    reduction: Reduction,
    loss: &mut Loss<A>,
) -> Result<(), Error> {
    let Outputs { logits, output, lengths, shape: [n_y, m, t_x] } = cache.into();
    check_shape("targets", targets, TOKENS, [m, t_x])?;
    if let Reduction::Scaled(share) = reduction {
        check_range("reduction", share, "finite", narrow::<A>(share).is_finite())?;
    }
    // Ignore the padding, whatever its values.
    let labels = || {
        targets.columns().into_iter().enumerate().flat_map(|(step, labels)| {
            let labels = labels.into_iter().zip(lengths);
            labels.map(move |(&label, &length)| if step < length { label } else { IGNORE })
        })
    };
    if let Some((index, found)) = labels().enumerate().find(|&(_, label)| label >= n_y && label != IGNORE) {
        return Err(Error::Label { argument: "targets", column: index % m, step: index / m, expected: n_y, found });
    }

    loss.count = labels().filter(|&label| label != IGNORE).count();
    let share = match reduction {
        Reduction::Sum => 1.0,
        Reduction::Scaled(share) => share,
        #[expect(clippy::cast_precision_loss, reason = "a count of labels is far below 2⁵³")]
        Reduction::Mean => 1.0 / loss.count.max(1) as f64,
    };
    let dlogits = reshape_time_major(&mut loss.dlogits, (n_y, m, t_x));
    let mut sum = 0.0;
    let columns =
        Rows::ascending(logits, n_y).zip(Rows::ascending(output, n_y)).zip(dlogits.chunks_exact_mut(n_y.max(1)));
    for (((z, y), dz), label) in columns.zip(labels()) {
        if label == IGNORE {
            dz.fill(A::zero());
            continue;
        }
        sum += negative_log_likelihood(z, y, label);
        for (dz, &y) in dz.iter_mut().zip(y) {
            *dz = y * narrow(share);
        }
        dz[label] = (y[label] - A::one()) * narrow(share);
    }
    loss.value = narrow(sum * share);
    Ok(())
}

/// −ln y[label], from the logits z and their softmax y.
///
/// With `top` the class of the largest logit, −ln y[label] = (z[top] − z[label]) + ln(1 + Σ_{c≠top} y[c]/y[top]). This
/// avoids the logarithm of a small number and of a number near one.
fn negative_log_likelihood<A: Scalar>(z: &[A], y: &[A], label: usize) -> f64 {
    let largest = in_fours(z, A::neg_infinity(), |a, b| if a < b { b } else { a });
    let top = if largest > z[label] { z.iter().position(|&z| z == largest).unwrap_or(label) } else { label };
    let sum = |values| in_fours(values, A::zero(), |a, b| a + b);
    let others = sum(&y[..top]) + sum(&y[top + 1..]);
    widen(z[top]) - widen(z[label]) + libm::log1p(widen(others) / widen(y[top]))
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
