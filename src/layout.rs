//! Logical shapes and time-major memory.
//!
//! The reference shapes (n, m) and (n, m, `T_x`) are stored with reversed axes: step by step, m rows of n values each. A
//! view in the logical shape costs nothing; only a caller's array is ever copied.

mod aligned;

use std::borrow::Cow;
use std::iter::Sum;
use std::ops::{Add, Mul, Range};

use ndarray::{
    Array, ArrayRef, ArrayView2, ArrayView3, ArrayViewMut, ArrayViewMut2, ArrayViewMut3, Dimension, IntoDimension,
    ShapeBuilder,
};

pub(crate) use aligned::Aligned;

const SEQUENCE: &str = "a sequence is T_x steps of m rows of n values";

/// target ← source in time-major order. The target has exactly the length of the source.
pub(crate) fn copy_time_major<A: Copy, D: Dimension>(target: &mut [A], source: &ArrayRef<A, D>) {
    if let Some(source) = as_time_major(source) {
        return target.copy_from_slice(source);
    }
    let source = source.view().reversed_axes();
    ArrayViewMut::from_shape(source.raw_dim(), target).expect("the target is as long as the source").assign(&source);
}

/// The values of an array, if it is stored in time-major order.
pub(crate) fn as_time_major<A, D: Dimension>(source: &ArrayRef<A, D>) -> Option<&[A]> {
    source.view().reversed_axes().to_slice()
}

/// The values of an array in time-major order: a copy where it is stored in another order.
pub(crate) fn to_time_major<A: Copy, D: Dimension>(source: &ArrayRef<A, D>) -> Cow<'_, [A]> {
    as_time_major(source).map_or_else(|| source.t().iter().copied().collect(), Cow::Borrowed)
}

/// One step, in the logical shape (n, m).
pub(crate) fn step_view<A>(n: usize, m: usize, flat: &[A]) -> ArrayView2<'_, A> {
    ArrayView2::from_shape((m, n), flat).expect("a step is m rows of n values").reversed_axes()
}

/// One step for writing, in the logical shape (n, m).
pub(crate) fn step_view_mut<A>(n: usize, m: usize, flat: &mut [A]) -> ArrayViewMut2<'_, A> {
    ArrayViewMut2::from_shape((m, n), flat).expect("a step is m rows of n values").reversed_axes()
}

/// A sequence, in the logical shape (n, m, `T_x`).
pub(crate) fn sequence_view<A>(n: usize, m: usize, t_x: usize, flat: &[A]) -> ArrayView3<'_, A> {
    time_major(n, m, t_x, flat).reversed_axes()
}

/// A sequence in its memory layout, (`T_x`, m, n).
pub(crate) fn time_major<A>(n: usize, m: usize, t_x: usize, flat: &[A]) -> ArrayView3<'_, A> {
    ArrayView3::from_shape((t_x, m, n), flat).expect(SEQUENCE)
}

/// A mutable sequence in its memory layout, (`T_x`, m, n).
pub(crate) fn time_major_mut<A>(n: usize, m: usize, t_x: usize, flat: &mut [A]) -> ArrayViewMut3<'_, A> {
    ArrayViewMut3::from_shape((t_x, m, n), flat).expect(SEQUENCE)
}

/// Sets the length of the memory; the contents are unspecified. To grow, it frees the memory and allocates exactly `length`.
pub(crate) fn fit<A: Clone + Default>(memory: &mut Vec<A>, length: usize) {
    if memory.capacity() < length {
        *memory = Vec::new();
        *memory = vec![A::default(); length];
    } else {
        memory.resize(length, A::default());
    }
}

/// Gives the array this logical shape in time-major memory, and returns the memory. The contents are unspecified.
pub(crate) fn reshape_time_major<A, Sh>(array: &mut Array<A, Sh::Dim>, shape: Sh) -> &mut [A]
where
    A: Clone + Default,
    Sh: IntoDimension,
{
    let shape = shape.into_dimension();
    let mut flat = std::mem::replace(array, Array::default(Sh::Dim::zeros(shape.ndim()))).into_raw_vec_and_offset().0;
    fit(&mut flat, shape.size());
    *array = Array::from_shape_vec(shape.f(), flat).expect("the memory is as long as the shape says");
    array.as_slice_memory_order_mut().expect("a new array has no gaps")
}

/// A number of bytes. Saturates at the maximum of `usize`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Bytes(pub(crate) usize);

impl Bytes {
    /// The bytes of an array with these axes.
    pub(crate) fn of<A>(axes: impl IntoIterator<Item = usize>) -> Self {
        Bytes(product(axes).saturating_mul(size_of::<A>()))
    }

    /// The bytes of a [`Vec`] filled with `length` elements. Its capacity is at least four.
    pub(crate) fn of_list<A>(length: usize) -> Self {
        Self::of::<A>([length.max(4)])
    }
}

impl Add for Bytes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Bytes(self.0.saturating_add(other.0))
    }
}

impl Mul<usize> for Bytes {
    type Output = Self;

    fn mul(self, factor: usize) -> Self {
        Bytes(self.0.saturating_mul(factor))
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(bytes: I) -> Self {
        bytes.fold(Bytes::default(), Add::add)
    }
}

/// The range of one of `parts` consecutive parts of 0..total. Their lengths differ by one at most, and longer ones come first.
/// A part from `parts` on is empty.
pub(crate) fn share(total: usize, parts: usize, part: usize) -> Range<usize> {
    if part >= parts {
        return total..total;
    }
    let (short, longer) = (total / parts, total % parts);
    let start = part * short + part.min(longer);
    start..start + short + usize::from(part < longer)
}

/// A product of counts. Saturates at the maximum of `usize`.
pub(crate) fn product(counts: impl IntoIterator<Item = usize>) -> usize {
    counts.into_iter().fold(1, usize::saturating_mul)
}
