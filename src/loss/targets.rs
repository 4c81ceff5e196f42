use std::ops::{Bound, Range, RangeBounds};

use ndarray::{ArrayBase, ArrayRef, ArrayRef2, ArrayView, Axis, Data, Dimension, Ix2, Ix3, aview1};

use super::Predictions;
use crate::Error;
use crate::error::{Shape, check_count, check_shape, wrong_shape};
use crate::sequence::Window;

/// What predictions are compared with: labels (m, `T_x`), or numbers (n, m, `T_x`).
///
/// An array or a view converts into it: then there is a target at each step. Use this type for
///
/// - [`last_labels`](Targets::last_labels), [`last_values`](Targets::last_values): one target for each column, at its last
///   step;
/// - [`steps`](Targets::steps): some steps only;
/// - [`weights`](Targets::weights): a weight for each target.
///
/// # Examples
///
/// The second column ends after two steps, and each column has one label:
///
/// ```
/// use elman::loss::{self, Reduction, Targets};
/// use elman::sequence::{self, Input};
/// use elman::{Dims, Parameters};
/// use ndarray::Array3;
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let cache = sequence::forward(&p, Input::vectors(&Array3::ones((3, 2, 4))).lengths(&[4, 2]), None)?;
/// let loss = loss::cross_entropy(&cache, Targets::last_labels(&[0_u32, 1]), Reduction::Sum)?;
/// assert_eq!(loss.count, 2);
/// assert_eq!(loss.dlogits[[1, 1, 1]], -0.5, "the label of column 1 is at its step 1");
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Targets<'a, T, A, D: Dimension> {
    /// The last axis is time. It has one step where `last` holds.
    pub(super) values: ArrayView<'a, T, D>,
    /// In the shape of `values`.
    pub(super) weights: Option<ArrayView<'a, A, D>>,
    /// Whether there is one target for each column, at its last step.
    last: bool,
    /// The steps that count, of those with a target.
    steps: Range<usize>,
}

const ALL: Range<usize> = 0..usize::MAX;

impl<'a, T, A, D: Dimension> Targets<'a, T, A, D> {
    /// A target at each step: labels (m, `T_x`), or numbers (n, m, `T_x`), of any layout.
    #[must_use]
    pub fn new(values: &'a ArrayRef<T, D>) -> Self {
        values.view().into()
    }

    /// Only the targets of these steps count, of those that counted before. The array still has `T_x` steps.
    ///
    /// - `steps`: for example `40..` or `..40`, within the `T_x` steps
    #[must_use]
    pub fn steps(self, steps: impl RangeBounds<usize>) -> Self {
        let start = match steps.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => ALL.start,
        };
        let end = match steps.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => ALL.end,
        };
        Targets { steps: self.steps.start.max(start)..self.steps.end.min(end), ..self }
    }

    /// Multiplies the loss of each target by a weight. A target of weight zero does not count, whatever the prediction is: a
    /// mask has weights of 0 and 1.
    ///
    /// - `weights`: in the shape of the targets; with [`last_labels`](Targets::last_labels) (m, 1), and with
    ///   [`last_values`](Targets::last_values) (n, m, 1)
    ///
    /// [`Reduction::Mean`](super::Reduction::Mean) divides by the sum of the weights. Where they may be negative, use another
    /// reduction.
    #[must_use]
    pub fn weights(self, weights: &'a ArrayRef<A, D>) -> Self {
        Targets { weights: Some(weights.view()), ..self }
    }
}

impl<'a, T, A> Targets<'a, T, A, Ix2> {
    /// One label for each column, at its last step. Where time is reversed, this is step 0. A column without steps does not
    /// count, and neither does one that goes on after this part of a sequence.
    ///
    /// - `labels`: m labels
    #[must_use]
    pub fn last_labels(labels: &'a [T]) -> Self {
        Targets { values: aview1(labels).insert_axis(Axis(1)), weights: None, last: true, steps: ALL }
    }
}

impl<'a, T, A> Targets<'a, T, A, Ix3> {
    /// Numbers for each column, at its last step, like [`last_labels`](Targets::last_labels).
    ///
    /// - `values`: (n, m)
    #[must_use]
    pub fn last_values(values: &'a ArrayRef2<T>) -> Self {
        Targets { values: values.view().insert_axis(Axis(2)), weights: None, last: true, steps: ALL }
    }
}

impl<'a, T, A, D: Dimension> From<ArrayView<'a, T, D>> for Targets<'a, T, A, D> {
    fn from(values: ArrayView<'a, T, D>) -> Self {
        Targets { values, weights: None, last: false, steps: ALL }
    }
}

impl<'a, T, A, D: Dimension> From<&'a ArrayRef<T, D>> for Targets<'a, T, A, D> {
    fn from(values: &'a ArrayRef<T, D>) -> Self {
        values.view().into()
    }
}

impl<'a, T, A, D: Dimension, S: Data<Elem = T>> From<&'a ArrayBase<S, D>> for Targets<'a, T, A, D> {
    fn from(values: &'a ArrayBase<S, D>) -> Self {
        values.view().into()
    }
}

impl Window {
    /// Returns the targets of the window's steps. Each step counts in the first window that contains it.
    ///
    /// - `targets`: of the whole sequence, for any loss
    ///
    /// The loss refuses targets that end before the window does. [`Truncated`](crate::sequence::Truncated) has an example.
    #[must_use]
    pub fn targets<'a, T, A, D: Dimension>(&self, targets: impl Into<Targets<'a, T, A, D>>) -> Targets<'a, T, A, D> {
        let Targets { mut values, mut weights, last, steps } = targets.into();
        if !last {
            cut(&mut values, &self.steps);
            if let Some(weights) = &mut weights {
                cut(weights, &self.steps);
            }
        }
        let [start, end] = [steps.start, steps.end].map(|step| step.saturating_sub(self.steps.start));
        let fresh = self.fresh_in_cache();
        Targets { values, weights, last, steps: fresh.start.max(start)..fresh.end.min(end) }
    }
}

/// Keeps these steps of the last axis, or those of them that exist.
fn cut<T, D: Dimension>(values: &mut ArrayView<T, D>, steps: &Range<usize>) {
    let time = Axis(values.ndim() - 1);
    let end = steps.end.min(values.len_of(time));
    values.slice_axis_inplace(time, (steps.start.min(end)..end).into());
}

impl<T, A, D: Dimension> Targets<'_, T, A, D> {
    /// Checks the shapes and the steps. `shape` is that of targets at each step, and `axes` are its names.
    pub(super) fn check<const N: usize>(&self, axes: &'static [&'static str], shape: [usize; N]) -> Result<(), Error> {
        let t_x = shape[N - 1];
        check_targets("targets", &self.values, self.last, axes, shape, N - usize::from(self.last))?;
        if let Some(weights) = &self.weights {
            check_targets("weights", weights, self.last, axes, shape, N)?;
        }
        check_count("steps.end", self.steps.end, "at most T_x", self.steps.end <= t_x || self.steps.end == ALL.end)
    }

    /// Returns the index of a target on the axis of time; `None` where nothing counts.
    pub(super) fn index(&self, predictions: &Predictions<A>, step: usize, column: usize) -> Option<usize> {
        let counts = step < predictions.length(column)
            && self.steps.contains(&step)
            && (!self.last || predictions.is_last(step, column));
        counts.then_some(if self.last { 0 } else { step })
    }
}

/// Checks that an array has one target for each element, or those of the last steps. An error shows the first `shown` axes: the
/// caller of [`Targets::last_labels`] has no axis of time.
fn check_targets<T, D: Dimension, const N: usize>(
    argument: &'static str,
    array: &ArrayView<T, D>,
    last: bool,
    axes: &'static [&'static str],
    mut shape: [usize; N],
    shown: usize,
) -> Result<(), Error> {
    if !last {
        return check_shape(argument, array, axes, shape);
    }
    shape[N - 1] = 1;
    if array.shape() == shape {
        return Ok(());
    }
    let axes = if shown == N { &[] } else { &axes[..shown] };
    Err(wrong_shape(argument, Shape::of(axes, &shape[..shown]), &array.shape()[..shown]))
}
