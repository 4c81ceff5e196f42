use ndarray::{Array2, ArrayBase, ArrayRef2, ArrayView2, Data, Ix2};

use super::Input;
use crate::error::{Error, HIDDEN, check_shape};
use crate::layout::copy_time_major;
use crate::scalar::Scalar;

/// The hidden state before the first step, `a0`, (`n_a`, m): `&a0`, a view, or `None` for zero.
///
/// # Examples
///
/// ```
/// use elman::{Dims, Parameters, sequence};
/// use ndarray::{Array2, Array3};
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let x = Array3::ones((3, 10, 4));
/// let from_zero = sequence::forward(&p, &x, None)?;
/// assert_eq!(from_zero, sequence::forward(&p, &x, &Array2::zeros((5, 10)))?);
/// let continued = sequence::forward(&p, &x, from_zero.last_hidden())?;
/// assert_eq!(continued.a0(), from_zero.last_hidden());
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug)]
pub struct InitialState<'a, A>(Option<ArrayView2<'a, A>>);

impl<A> Clone for InitialState<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for InitialState<'_, A> {}

/// `None` is zero. This is the only conversion from an option, so that the compiler knows the type of a bare `None`.
impl<'a, A> From<Option<&'a ArrayRef2<A>>> for InitialState<'a, A> {
    fn from(a0: Option<&'a ArrayRef2<A>>) -> Self {
        InitialState(a0.map(|a0| a0.view()))
    }
}

impl<'a, A> From<&'a ArrayRef2<A>> for InitialState<'a, A> {
    fn from(a0: &'a ArrayRef2<A>) -> Self {
        InitialState(Some(a0.view()))
    }
}

impl<'a, A> From<ArrayView2<'a, A>> for InitialState<'a, A> {
    fn from(a0: ArrayView2<'a, A>) -> Self {
        InitialState(Some(a0))
    }
}

impl<'a, A, S: Data<Elem = A>> From<&'a ArrayBase<S, Ix2>> for InitialState<'a, A> {
    fn from(a0: &'a ArrayBase<S, Ix2>) -> Self {
        InitialState(Some(a0.view()))
    }
}

impl<A: Scalar> InitialState<'_, A> {
    /// Checks that `a0.dim() == (n_a, m)`, where the input has m columns. `None` for `n_a` accepts any number of rows.
    pub(super) fn check(self, n_a: impl Into<Option<usize>>, input: &Input<'_, A>) -> Result<(), Error> {
        let Some(a0) = self.0 else { return Ok(()) };
        let n_a = n_a.into().unwrap_or(a0.nrows());
        let (m, t_x) = input.size();
        if a0.ncols() == m || a0.nrows() != n_a {
            return check_shape("a0", &a0, &HIDDEN[..2], [n_a, m]);
        }
        let (name, shape) = input.shape();
        Err(Error::Columns {
            input: name,
            input_shape: shape,
            n_a,
            expected: m,
            found: a0.ncols(),
            swapped: a0.ncols() == t_x,
        })
    }

    /// Returns the same state with a shorter lifetime. The compiler does not shorten it by itself.
    pub(super) fn view(&self) -> InitialState<'_, A> {
        InitialState(self.0.as_ref().map(|a0| a0.view()))
    }

    /// state ← a0, in time-major order.
    pub(super) fn write_to(self, state: &mut [A]) {
        match self.0 {
            Some(a0) => copy_time_major(state, &a0),
            None => state.fill(A::zero()),
        }
    }

    /// Copies the array; `None` for zero.
    pub(super) fn to_owned(self) -> Option<Array2<A>> {
        self.0.map(|a0| a0.to_owned())
    }
}
