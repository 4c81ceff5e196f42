use std::ops::Range;

use ndarray::{ArrayBase, ArrayRef, ArrayRef2, ArrayView, Axis, Data, Dimension, Ix2, Ix3, aview1};

use super::Predictions;
use crate::Error;
use crate::error::{Shape, check_shape, wrong_shape};
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
    /// The last axis is time. It has one step where `steps` is [`Steps::Last`].
    pub(super) values: ArrayView<'a, T, D>,
    /// In the shape of `values`.
    pub(super) weights: Option<ArrayView<'a, A, D>>,
    steps: Steps,
}

/// The steps that have targets.
#[derive(Debug, Clone)]
enum Steps {
    All,
    Some(Range<usize>),
    Last,
}

impl<'a, T, A, D: Dimension> Targets<'a, T, A, D> {
    /// A target at each step: labels (m, `T_x`), or numbers (n, m, `T_x`), of any layout.
    #[must_use]
    pub fn new(values: &'a ArrayRef<T, D>) -> Self {
        values.view().into()
    }

    /// Only the targets of these steps count. The array still has `T_x` steps.
    #[must_use]
    pub fn steps(self, steps: Range<usize>) -> Self {
        Targets { steps: Steps::Some(steps), ..self }
    }

    /// Multiplies the loss of each target by a weight. A target of weight zero does not count, whatever the prediction is: a
    /// mask has weights of 0 and 1.
    ///
    /// - `weights`: in the shape of the targets
    #[must_use]
    pub fn weights(self, weights: &'a ArrayRef<A, D>) -> Self {
        Targets { weights: Some(weights.view()), ..self }
    }
}

impl<'a, T, A> Targets<'a, T, A, Ix2> {
    /// One label for each column, at its last step. Where time is reversed, this is step 0. A column without steps does not
    /// count.
    ///
    /// - `labels`: m labels
    #[must_use]
    pub fn last_labels(labels: &'a [T]) -> Self {
        let values = aview1(labels).insert_axis(Axis(1));
        Targets { values, weights: None, steps: Steps::Last }
    }
}

impl<'a, T, A> Targets<'a, T, A, Ix3> {
    /// Numbers for each column, at its last step. Where time is reversed, this is step 0. A column without steps does not
    /// count.
    ///
    /// - `values`: (n, m)
    #[must_use]
    pub fn last_values(values: &'a ArrayRef2<T>) -> Self {
        Targets { values: values.view().insert_axis(Axis(2)), weights: None, steps: Steps::Last }
    }
}

impl<'a, T, A, D: Dimension> From<ArrayView<'a, T, D>> for Targets<'a, T, A, D> {
    fn from(values: ArrayView<'a, T, D>) -> Self {
        Targets { values, weights: None, steps: Steps::All }
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
    /// Returns the targets of the window's steps. Only those that no earlier window had count.
    ///
    /// - `targets`: of the whole sequence, for any loss
    ///
    /// Targets that end before the window have fewer steps. The loss then refuses them.
    /// [`Truncated`](crate::sequence::Truncated) has an example.
    #[must_use]
    pub fn targets<'a, T, A, D: Dimension>(&self, targets: impl Into<Targets<'a, T, A, D>>) -> Targets<'a, T, A, D> {
        let Targets { mut values, mut weights, steps } = targets.into();
        if matches!(steps, Steps::Last) {
            return Targets { values, weights, steps };
        }
        cut(&mut values, &self.steps);
        if let Some(weights) = &mut weights {
            cut(weights, &self.steps);
        }
        let mut fresh = self.fresh_in_cache();
        if let Steps::Some(steps) = steps {
            let [start, end] = [steps.start, steps.end].map(|step| step.saturating_sub(self.steps.start));
            fresh = fresh.start.max(start)..fresh.end.min(end);
        }
        Targets { values, weights, steps: Steps::Some(fresh) }
    }
}

/// Keeps these steps of the last axis, or those of them that exist.
fn cut<T, D: Dimension>(values: &mut ArrayView<T, D>, steps: &Range<usize>) {
    let time = Axis(values.ndim() - 1);
    let end = steps.end.min(values.len_of(time));
    values.slice_axis_inplace(time, (steps.start.min(end)..end).into());
}

impl<T, A, D: Dimension> Targets<'_, T, A, D> {
    /// Checks the shapes. `shape` is that of targets at each step, and `axes` are its names.
    pub(super) fn check<const N: usize>(&self, axes: &'static [&'static str], shape: [usize; N]) -> Result<(), Error> {
        check_targets("targets", &self.values, &self.steps, axes, shape)?;
        self.weights.as_ref().map_or(Ok(()), |weights| check_targets("weights", weights, &self.steps, axes, shape))
    }

    /// Returns the index of a target on the axis of time; `None` where nothing counts.
    pub(super) fn index(&self, predictions: &Predictions<A>, step: usize, column: usize) -> Option<usize> {
        let length = predictions.length(column);
        let counts = match &self.steps {
            Steps::All => true,
            Steps::Some(steps) => steps.contains(&step),
            Steps::Last => step + 1 == if predictions.reversed { 1 } else { length },
        };
        let index = if matches!(self.steps, Steps::Last) { 0 } else { step };
        (counts && step < length).then_some(index)
    }
}

/// Checks that an array has one target for each element, or those of the last steps.
fn check_targets<T, D: Dimension, const N: usize>(
    argument: &'static str,
    array: &ArrayView<T, D>,
    steps: &Steps,
    axes: &'static [&'static str],
    shape: [usize; N],
) -> Result<(), Error> {
    if !matches!(steps, Steps::Last) {
        return check_shape(argument, array, axes, shape);
    }
    // The axis of time is not the caller's.
    let (found, expected) = (&array.shape()[..array.ndim() - 1], &shape[..N - 1]);
    if found == expected { Ok(()) } else { Err(wrong_shape(argument, Shape::of(&axes[..N - 1], expected), found)) }
}
