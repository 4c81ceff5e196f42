use std::ops::Range;

use ndarray::{ArrayBase, ArrayRef2, ArrayRef3, ArrayView2, ArrayView3, Axis, Data, Ix3};

use crate::error::{Shape, TOKENS, X, check_first_axis, check_len};
use crate::{Dims, Error};

/// What a sequence reads: vectors or tokens, columns of one length or of many, forward or backward in time.
///
/// - vectors: x, (`n_x`, m, `T_x`), of any layout; a call just hands in `&x`
/// - [tokens](Input::tokens): (m, `T_x`), each below `n_x`: the vector that is one at the token's place and zero elsewhere
/// - [lengths](Input::lengths): m of them, where the columns do not all have `T_x` steps
/// - [reversed](Input::reversed): from every column's last step to its first
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
    pub(super) reversed: bool,
}

#[derive(Debug)]
pub(super) enum Values<'a, A> {
    /// (`n_x`, m, `T_x`)
    Vectors(&'a ArrayRef3<A>),
    /// (m, `T_x`)
    Tokens(&'a ArrayRef2<usize>),
}

impl<A> Clone for Values<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Values<'_, A> {}

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

impl<'a, A> From<&'a ArrayRef3<A>> for Input<'a, A> {
    fn from(x: &'a ArrayRef3<A>) -> Self {
        Input::vectors(x)
    }
}

impl<'a, A> Input<'a, A> {
    /// Vectors of `n_x` values. A call that takes an input takes `&x` as well: this is for [`lengths`](Self::lengths) and
    /// [`reversed`](Self::reversed).
    ///
    /// - `x`: (`n_x`, m, `T_x`), of any layout
    #[must_use]
    pub fn vectors(x: &'a ArrayRef3<A>) -> Self {
        Input { values: Values::Vectors(x), lengths: None, reversed: false }
    }

    /// Token ids. A token is a one-hot vector, so a column of `wax` is looked up instead of multiplied.
    ///
    /// The bits are those of the one-hot vectors wherever the weights are finite, but that a zero may have the other sign
    /// where a bias and the weight that it meets are both −0.
    ///
    /// - `ids`: (m, `T_x`), of any layout, each below `n_x`
    #[must_use]
    pub fn tokens(ids: &'a ArrayRef2<usize>) -> Self {
        Input { values: Values::Tokens(ids), lengths: None, reversed: false }
    }

    /// Columns of different lengths: column j has steps 0 … `lengths[j]` − 1, and what lies behind them is not read.
    ///
    /// Behind a column's end, hidden states, logits, probabilities and `dx` are zero. A loss counts nothing there, and
    /// upstream gradients are not read. `last_hidden` is the state after a column's own last step, and `a0` where it has none.
    /// A column is bit-identical to the same column alone.
    ///
    /// - `lengths`: m of them, each at most `T_x`
    #[must_use]
    pub fn lengths(self, lengths: &'a [usize]) -> Self {
        Input { lengths: Some(lengths), ..self }
    }

    /// Time runs backward: every column from its own last step to step 0, each result in the place of its step.
    ///
    /// `last_hidden` is then the state after step 0. Of a sequence in chunks the last one goes in first.
    #[must_use]
    pub fn reversed(self) -> Self {
        Input { reversed: true, ..self }
    }

    /// m and `T_x`.
    pub(super) fn size(&self) -> (usize, usize) {
        match self.values {
            Values::Vectors(x) => (x.len_of(Axis(1)), x.len_of(Axis(2))),
            Values::Tokens(ids) => ids.dim(),
        }
    }

    /// The name of the caller's array, and its shape.
    pub(super) fn shape(&self) -> (&'static str, Shape) {
        match self.values {
            Values::Vectors(x) => ("x", Shape::of(X, x.shape())),
            Values::Tokens(ids) => ("tokens", Shape::of(TOKENS, ids.shape())),
        }
    }

    /// The steps at consecutive positions of a sequence, in the order in which they are read.
    pub(super) fn steps(&self, t_x: usize, positions: Range<usize>) -> Range<usize> {
        if self.reversed { t_x - positions.end..t_x - positions.start } else { positions }
    }

    /// Some steps. A column that begins or ends elsewhere has none of them.
    pub(super) fn part(self, steps: Range<usize>) -> Part<'a, A> {
        let within = |&length: &usize| length.clamp(steps.start, steps.end) - steps.start;
        let lengths = self.lengths.map(|lengths| lengths.iter().map(within).collect());
        let values = match self.values {
            Values::Vectors(x) => PartValues::Vectors(x.slice_axis(Axis(2), steps.into())),
            Values::Tokens(ids) => PartValues::Tokens(ids.slice_axis(Axis(1), steps.into())),
        };
        Part { values, lengths, reversed: self.reversed }
    }

    /// m and `T_x`, where everything fits a network of these dimensions.
    pub(super) fn check(&self, dims: Dims) -> Result<(usize, usize), Error> {
        self.check_lengths()?;
        let (m, t_x) = self.size();
        self.check_values(dims, &(0..t_x))?;
        Ok((m, t_x))
    }

    pub(super) fn check_lengths(&self) -> Result<(), Error> {
        let (m, t_x) = self.size();
        if let Some(lengths) = self.lengths {
            check_len("lengths", lengths, &["m"], m)?;
            if let Some(column) = lengths.iter().position(|&length| length > t_x) {
                return Err(Error::Length { argument: "lengths", column, expected: t_x, found: lengths[column] });
            }
        }
        Ok(())
    }

    /// Whether these steps fit, where the lengths do.
    pub(super) fn check_values(&self, Dims { n_x, .. }: Dims, steps: &Range<usize>) -> Result<(), Error> {
        let ids = match self.values {
            Values::Vectors(x) => return check_first_axis("x", x, X, n_x),
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

/// Some steps of an input.
pub(super) struct Part<'a, A> {
    values: PartValues<'a, A>,
    lengths: Option<Vec<usize>>,
    reversed: bool,
}

enum PartValues<'a, A> {
    Vectors(ArrayView3<'a, A>),
    Tokens(ArrayView2<'a, usize>),
}

impl<A> Part<'_, A> {
    pub(super) fn input(&self) -> Input<'_, A> {
        let values = match &self.values {
            PartValues::Vectors(x) => Values::Vectors(x),
            PartValues::Tokens(ids) => Values::Tokens(ids),
        };
        Input { values, lengths: self.lengths.as_deref(), reversed: self.reversed }
    }
}
