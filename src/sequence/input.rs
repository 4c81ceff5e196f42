use ndarray::{ArrayBase, ArrayRef3, Data, Ix3};

/// What a sequence reads: x, (`n_x`, m, `T_x`), of any layout.
///
/// Made from a reference to an array or a view, so a call just hands in `&x`.
#[derive(Debug)]
pub struct Input<'a, A> {
    pub(crate) x: &'a ArrayRef3<A>,
}

impl<A> Clone for Input<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Input<'_, A> {}

impl<'a, A, S: Data<Elem = A>> From<&'a ArrayBase<S, Ix3>> for Input<'a, A> {
    fn from(x: &'a ArrayBase<S, Ix3>) -> Self {
        Input { x }
    }
}

impl<'a, A> From<&'a ArrayRef3<A>> for Input<'a, A> {
    fn from(x: &'a ArrayRef3<A>) -> Self {
        Input { x }
    }
}
