use ndarray::{ArrayBase, ArrayRef2, ArrayRef3, ArrayView2, ArrayView3, Axis, Data, Ix2, Ix3};

use crate::error::{check_len, check_lengths};
use crate::{Error, Scalar, sequence, stack};

/// What a loss reads: the logits of a cache, or any array (n, m, `T_x`), such as logits of your own or hidden states. An array
/// (n, m) is one step.
///
/// The caches of a sequence and of a stack convert into it, and so do arrays and views. An array that is not stored
/// time-major is copied. Its time runs forward, and all its columns have all steps, unless
/// [`reversed`](Predictions::reversed) and [`lengths`](Predictions::lengths) say otherwise.
///
/// # Examples
///
/// A head over two networks, one for each direction, which adds their logits:
///
/// ```
/// use elman::loss::{self, Reduction};
/// use elman::sequence::{self, Input};
/// use elman::{Dims, Parameters, Upstream};
/// use ndarray::{Array2, Array3};
///
/// let dims = Dims { n_x: 3, n_a: 5, n_y: 2 };
/// let (p, q) = (Parameters::<f64>::zeros(dims), Parameters::zeros(dims));
/// let x = Array3::ones((3, 10, 4));
/// let forth = sequence::forward(&p, &x, None)?;
/// let back = sequence::forward(&q, Input::vectors(&x).reversed(), None)?;
///
/// let logits = &forth.logits() + &back.logits();
/// let loss = loss::cross_entropy(&logits, &Array2::<usize>::zeros((10, 4)), Reduction::Mean)?;
/// sequence::backward(&p, &forth, Upstream::logits(&loss.dlogits))?;
/// sequence::backward(&q, &back, Upstream::logits(&loss.dlogits))?;
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Predictions<'a, A> {
    /// (n, m, `T_x`)
    pub(super) values: ArrayView3<'a, A>,
    /// The softmax of the values, (`T_x`, m, n), where the network computed it.
    pub(super) output: Option<&'a [A]>,
    /// The lengths of the columns of a cache.
    own_lengths: Option<&'a [usize]>,
    /// The lengths that the caller gives.
    lengths: Option<&'a [usize]>,
    /// Whether each column ends in this part of its sequence. Empty where all do.
    ends: &'a [bool],
    /// Whether each column ends at step 0.
    reversed: bool,
}

impl<'a, A> Predictions<'a, A> {
    /// Makes predictions of an array, (n, m, `T_x`), of any layout.
    #[must_use]
    pub fn new(values: &'a ArrayRef3<A>) -> Self {
        values.view().into()
    }

    /// Sets the lengths of the columns: the steps after them are padding, and do not count. A cache knows its lengths, which
    /// stay the limits.
    ///
    /// - `lengths`: m lengths, each at most `T_x`
    #[must_use]
    pub fn lengths(self, lengths: &'a [usize]) -> Self {
        Predictions { lengths: Some(lengths), ..self }
    }

    /// Says that time is reversed: each column ends at step 0. A cache knows it.
    #[must_use]
    pub fn reversed(self) -> Self {
        Predictions { reversed: true, ..self }
    }

    /// The number of steps of a column.
    pub(super) fn length(&self, column: usize) -> usize {
        let given = [self.own_lengths, self.lengths].into_iter().flatten().map(|lengths| lengths[column]);
        given.fold(self.values.len_of(Axis(2)), usize::min)
    }

    /// Whether a column ends with this step.
    pub(super) fn is_last(&self, step: usize, column: usize) -> bool {
        let last = if self.reversed { 1 } else { self.length(column) };
        step + 1 == last && self.ends.get(column).is_none_or(|ends| *ends)
    }

    /// Every step and column, in the order of the sums and of time-major memory.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<A> {
        let (_, m, t_x) = self.values.dim();
        (0..t_x).flat_map(move |step| (0..m).map(move |column| (step, column)))
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let (_, m, t_x) = self.values.dim();
        self.lengths.map_or(Ok(()), |lengths| {
            check_len("lengths", lengths, &["m"], m)?;
            check_lengths(lengths, t_x)
        })
    }
}

impl<'a, A> From<ArrayView3<'a, A>> for Predictions<'a, A> {
    fn from(values: ArrayView3<'a, A>) -> Self {
        Predictions { values, output: None, own_lengths: None, lengths: None, ends: &[], reversed: false }
    }
}

impl<'a, A> From<ArrayView2<'a, A>> for Predictions<'a, A> {
    fn from(values: ArrayView2<'a, A>) -> Self {
        values.insert_axis(Axis(2)).into()
    }
}

impl<'a, A, S: Data<Elem = A>> From<&'a ArrayBase<S, Ix2>> for Predictions<'a, A> {
    fn from(values: &'a ArrayBase<S, Ix2>) -> Self {
        values.view().into()
    }
}

impl<'a, A> From<&'a ArrayRef2<A>> for Predictions<'a, A> {
    fn from(values: &'a ArrayRef2<A>) -> Self {
        values.view().into()
    }
}

impl<'a, A> From<&'a ArrayRef3<A>> for Predictions<'a, A> {
    fn from(values: &'a ArrayRef3<A>) -> Self {
        values.view().into()
    }
}

impl<'a, A, S: Data<Elem = A>> From<&'a ArrayBase<S, Ix3>> for Predictions<'a, A> {
    fn from(values: &'a ArrayBase<S, Ix3>) -> Self {
        values.view().into()
    }
}

impl<'a, A: Scalar> From<&'a sequence::Cache<A>> for Predictions<'a, A> {
    fn from(cache: &'a sequence::Cache<A>) -> Self {
        Predictions {
            values: cache.logits(),
            output: Some(cache.output_rows()),
            own_lengths: Some(&cache.lengths),
            lengths: None,
            ends: &cache.ends,
            reversed: cache.reversed,
        }
    }
}

impl<'a, A: Scalar> From<&'a stack::Cache<A>> for Predictions<'a, A> {
    fn from(cache: &'a stack::Cache<A>) -> Self {
        Predictions {
            values: cache.logits(),
            output: cache.head().map(sequence::Cache::output_rows),
            own_lengths: Some(cache.lengths()),
            lengths: None,
            ends: cache.ends(),
            reversed: cache.is_reversed(),
        }
    }
}
