use std::ops::Range;

use ndarray::{ArrayBase, ArrayRef2, ArrayRef3, ArrayView2, ArrayView3, Axis, Data, Ix3};

use super::Extent;
use super::extent::Reads;
use super::masks::Drops;
use crate::error::{Shape, TOKENS, X, check_first_axis, check_len, check_lengths};
use crate::{Dims, Dropout, Error};

/// The input of a sequence: vectors or token ids, columns of equal or different lengths, forward or backward in time.
///
/// - vectors: x, (`n_x`, m, `T_x`), of any layout; a call accepts `&x` and views directly
/// - [tokens](Input::tokens): (m, `T_x`), each id below `n_x`; an id is a one-hot vector
/// - [lengths](Input::lengths): m lengths, where some columns have fewer than `T_x` steps
/// - [reversed](Input::reversed): from each column's last step to its first
/// - [dropout](Input::dropout): in training, random units are zero
/// - [`without_dx`](Input::without_dx): no gradient of the input is computed
///
/// # Examples
///
/// ```
/// use elman::sequence::{self, Input};
/// use elman::{Dims, Parameters};
/// use ndarray::{Array2, array};
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let ids = array![[2, 0, 1, 1], [1, 2, 0, 0]];
/// let cache = sequence::forward(&p, Input::tokens(&ids).lengths(&[4, 2]).reversed(), &Array2::zeros((5, 2)))?;
/// assert_eq!(cache.output()[[0, 1, 1]], 0.5);
/// assert_eq!(cache.output()[[0, 1, 2]], 0.0, "past the end of column 1");
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug)]
pub struct Input<'a, A> {
    pub(super) values: Values<'a, A>,
    pub(super) lengths: Option<&'a [usize]>,
    pub(crate) reversed: bool,
    pub(crate) dropout: Option<Dropout<'a>>,
    /// Whether a backward pass does not compute the gradient of vectors.
    without_dx: bool,
    /// Whether each column ends in this part of its sequence. Empty where all do.
    pub(super) ends: &'a [bool],
}

#[derive(Debug)]
pub(super) enum Values<'a, A> {
    /// (`n_x`, m, `T_x`)
    Vectors(ArrayView3<'a, A>),
    /// (m, `T_x`)
    Tokens(ArrayView2<'a, usize>),
}

impl<A> Clone for Values<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Values<'_, A> {}

impl<A> Values<'_, A> {
    fn view(&self) -> Values<'_, A> {
        match self {
            Values::Vectors(x) => Values::Vectors(x.view()),
            Values::Tokens(ids) => Values::Tokens(ids.view()),
        }
    }
}

impl<A> Clone for Input<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Input<'_, A> {}

impl<'a, A, S: Data<Elem = A>> From<&'a ArrayBase<S, Ix3>> for Input<'a, A> {
    fn from(x: &'a ArrayBase<S, Ix3>) -> Self {
        Input::vectors(x)
    }
}

impl<'a, A> From<ArrayView3<'a, A>> for Input<'a, A> {
    fn from(x: ArrayView3<'a, A>) -> Self {
        Input::new(Values::Vectors(x))
    }
}

impl<'a, A> From<&'a ArrayRef3<A>> for Input<'a, A> {
    fn from(x: &'a ArrayRef3<A>) -> Self {
        Input::vectors(x)
    }
}

impl<'a, A> Input<'a, A> {
    fn new(values: Values<'a, A>) -> Self {
        Input { values, lengths: None, reversed: false, dropout: None, without_dx: false, ends: &[] }
    }

    /// Makes an input of vectors of `n_x` values.
    ///
    /// - `x`: (`n_x`, m, `T_x`), of any layout
    ///
    /// Every call that takes an input also takes `&x`. Use this function for [`lengths`](Self::lengths),
    /// [`reversed`](Self::reversed) and [`dropout`](Self::dropout).
    #[must_use]
    pub fn vectors(x: &'a ArrayRef3<A>) -> Self {
        x.view().into()
    }

    /// Makes an input of token ids. An id is a one-hot vector, so a pass looks up a column of `wax` instead of multiplying.
    ///
    /// - `ids`: (m, `T_x`), of any layout, each below `n_x`
    ///
    /// Where the weights are finite, the result is bit-identical to that of the one-hot vectors. There is one exception:
    /// where a bias and the weight that is added to it are both −0, a zero may have the other sign.
    #[must_use]
    pub fn tokens(ids: &'a ArrayRef2<usize>) -> Self {
        Input::new(Values::Tokens(ids.view()))
    }

    /// Sets the lengths of the columns: column j has steps 0 … `lengths[j]` − 1. The steps after them are padding, and are
    /// not read.
    ///
    /// - `lengths`: m lengths, each at most `T_x`
    ///
    /// In the padding, hidden states, logits, probabilities and `dx` are zero. A loss ignores the padding, and a backward
    /// pass does not read upstream gradients there. `last_hidden` is the state after a column's own last step, or `a0` where
    /// the column has no steps. A column is bit-identical to the same column alone.
    #[must_use]
    pub fn lengths(self, lengths: &'a [usize]) -> Self {
        Input { lengths: Some(lengths), ..self }
    }

    /// Reverses time: each column runs from its own last step to step 0. The result of a step is stored at its own index.
    ///
    /// `last_hidden` is then the state after step 0. For a sequence in chunks, run the last chunk first.
    #[must_use]
    pub fn reversed(self) -> Self {
        Input { reversed: true, ..self }
    }

    /// Drops units at random, in training: see [`Dropout`]. A single layer has inputs and a recurrence; a stack also drops
    /// between its layers.
    #[must_use]
    pub fn dropout(self, dropout: Dropout<'a>) -> Self {
        Input { dropout: Some(dropout), ..self }
    }

    /// Says that no gradient of the input is needed. A backward pass then does not compute `dx`, which is (0, m, `T_x`), as for
    /// token ids. All other gradients are bit-identical. This saves the product of `wax` and dz: of a training step, 5.6 % of
    /// the multiply-adds at 64 inputs, 256 units and 64 outputs.
    ///
    /// Use it where the input is data, and not the result of a layer that also learns.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::sequence::{self, Input};
    /// use elman::{Dims, Parameters, Upstream};
    /// use ndarray::Array3;
    ///
    /// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// let cache = sequence::forward(&p, Input::vectors(&Array3::ones((3, 10, 4))).without_dx(), None)?;
    /// let back = sequence::backward(&p, &cache, Upstream::hidden(&Array3::ones((5, 10, 4))))?;
    /// assert_eq!(back.dx.dim(), (0, 10, 4));
    /// # Ok::<(), elman::Error>(())
    /// ```
    #[must_use]
    pub fn without_dx(self) -> Self {
        Input { without_dx: true, ..self }
    }

    /// Returns the same input with a shorter lifetime. The compiler does not shorten it by itself.
    pub(crate) fn view(&self) -> Input<'_, A> {
        Input { values: self.values.view(), ..*self }
    }

    /// Returns m and `T_x`.
    pub(crate) fn size(&self) -> (usize, usize) {
        match self.values {
            Values::Vectors(x) => (x.len_of(Axis(1)), x.len_of(Axis(2))),
            Values::Tokens(ids) => ids.dim(),
        }
    }

    /// Whether the values are token ids.
    pub(crate) fn is_tokens(&self) -> bool {
        matches!(self.values, Values::Tokens(_))
    }

    /// Whether a backward pass computes the gradient of the input.
    pub(crate) fn has_dx(&self) -> bool {
        !self.is_tokens() && !self.without_dx
    }

    /// Returns the size of a pass over this input, on one thread.
    pub(crate) fn extent(&self, dims: Dims) -> Extent {
        let (m, steps) = self.size();
        let reads = if self.is_tokens() { Reads::Tokens } else { Reads::Vectors };
        let rectangular = self.lengths.is_none();
        let (plain, drops) = (rectangular && !self.reversed, Drops::of(self.dropout));
        Extent { dims, m, steps, reads, dx: self.has_dx(), drops, plain, rectangular, threads: 1 }
    }

    /// Returns the name of the caller's array, and its shape.
    pub(super) fn shape(&self) -> (&'static str, Shape) {
        match self.values {
            Values::Vectors(x) => ("x", Shape::of(X, x.shape())),
            Values::Tokens(ids) => ("tokens", Shape::of(TOKENS, ids.shape())),
        }
    }

    /// Converts positions, which count in the order of computation, to steps.
    pub(super) fn steps(&self, t_x: usize, positions: Range<usize>) -> Range<usize> {
        if self.reversed { t_x - positions.end..t_x - positions.start } else { positions }
    }

    /// Returns some steps. A column without any of them has length 0.
    pub(super) fn part<'p>(&'p self, steps: Range<usize>, memory: &'p mut PartMemory) -> Input<'p, A> {
        let PartMemory { lengths, ends } = memory;
        let (m, t_x) = self.size();
        let start = steps.start;
        let end = |column: usize| self.lengths.map_or(t_x, |lengths| lengths[column]);
        ends.clear();
        ends.extend((0..m).map(|column| if self.reversed { start == 0 } else { end(column) <= steps.end }));
        let within = |&length: &usize| length.clamp(steps.start, steps.end) - steps.start;
        let lengths = self.lengths.map(|all| {
            lengths.clear();
            lengths.extend(all.iter().map(within));
            &lengths[..]
        });
        let values = match self.values.view() {
            Values::Vectors(x) => Values::Vectors(x.slice_axis_move(Axis(2), steps.into())),
            Values::Tokens(ids) => Values::Tokens(ids.slice_axis_move(Axis(1), steps.into())),
        };
        let dropout = self.dropout.map(|dropout| dropout.skip(start));
        Input { values, lengths, dropout, ends, ..*self }
    }

    /// Checks the input against the dimensions of a network, and returns m and `T_x`.
    pub(crate) fn check(&self, dims: Dims) -> Result<(usize, usize), Error> {
        self.check_lengths()?;
        let (m, t_x) = self.size();
        self.check_values(dims, &(0..t_x))?;
        Ok((m, t_x))
    }

    /// Checks what does not depend on the network: the lengths and the dropout.
    pub(super) fn check_lengths(&self) -> Result<(), Error> {
        let (m, t_x) = self.size();
        self.dropout.map_or(Ok(()), |dropout| dropout.check(m))?;
        if let Some(lengths) = self.lengths {
            check_len("lengths", lengths, &["m"], m)?;
            check_lengths(lengths, t_x)?;
        }
        Ok(())
    }

    /// Checks the values of these steps. The lengths must already be checked.
    pub(super) fn check_values(&self, Dims { n_x, .. }: Dims, steps: &Range<usize>) -> Result<(), Error> {
        let ids = match self.values {
            Values::Vectors(x) => return check_first_axis("x", &x, X, n_x),
            Values::Tokens(ids) => ids,
        };
        for (column, ids) in ids.rows().into_iter().enumerate() {
            let end = self.lengths.map_or(steps.end, |lengths| lengths[column].min(steps.end));
            for step in steps.start..end {
                let found = ids[step];
                if found >= n_x {
                    return Err(Error::Token { argument: "tokens", column, step, expected: n_x, found });
                }
            }
        }
        Ok(())
    }
}

/// Memory for the columns of a part of an input.
#[derive(Debug, Clone, Default)]
pub(super) struct PartMemory {
    lengths: Vec<usize>,
    ends: Vec<bool>,
}
