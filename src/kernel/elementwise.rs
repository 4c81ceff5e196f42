//! Element-wise operations: the nonlinearity, its derivative, sums over rows.

use pulp::{Simd, WithSimd};

use super::{Isa, Lanes, Rows, math};
use crate::scalar::{Scalar, call, compiled};

/// Loads one vector. A slice shorter than a vector fills the first lanes; the others are zero.
#[inline(always)]
pub(super) fn load<S: Simd, A: Lanes>(simd: S, slice: &[A]) -> A::Vector<S> {
    match A::vectors::<S>(slice).0 {
        [whole, ..] => *whole,
        [] => A::load(simd, slice),
    }
}

/// Stores one vector. A slice shorter than a vector takes the first lanes only.
#[inline(always)]
pub(super) fn store<S: Simd, A: Lanes>(simd: S, slice: &mut [A], vector: A::Vector<S>) {
    match A::vectors_mut::<S>(slice).0 {
        [whole, ..] => *whole = vector,
        [] => A::store(simd, slice, vector),
    }
}

/// a ← tanh(a)
#[inline(always)]
pub(super) fn tanh<S: Simd, A: Lanes>(simd: S, a: &mut [A]) {
    let (vectors, rest) = A::vectors_mut::<S>(a);
    for vector in vectors {
        *vector = math::tanh::<S, A>(simd, *vector);
    }
    if !rest.is_empty() {
        let vector = math::tanh::<S, A>(simd, A::load(simd, rest));
        A::store(simd, rest, vector);
    }
}

/// dz ← (da + dz) · (1 − a²): the gradient before the nonlinearity.
///
/// - `dz`: on entry, the gradient that the step itself receives; on return, the result
/// - `da`: the gradient from later steps
/// - `a`: the hidden state
pub(crate) fn tanh_gradient<A: Scalar>(dz: &mut [A], da: &[A], a: &[A]) {
    debug_assert!(dz.len() == da.len() && dz.len() == a.len());
    call::<A, CompiledTanhGradient>(TanhGradient { dz, da, a });
}

compiled!(CompiledTanhGradient: TanhGradient<'a, A> => (), |call| Isa::current().run(call));

/// The body of [`tanh_gradient`].
struct TanhGradient<'a, A> {
    dz: &'a mut [A],
    da: &'a [A],
    a: &'a [A],
}

impl<A: Lanes> WithSimd for TanhGradient<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let gradient = |da, dz, a| {
            let slope = A::vfnma(simd, a, a, A::splat(simd, A::one()));
            A::vmul(simd, A::vadd(simd, da, dz), slope)
        };
        let (dz, dz_rest) = A::vectors_mut::<S>(self.dz);
        let (da, da_rest) = A::vectors::<S>(self.da);
        let (a, a_rest) = A::vectors::<S>(self.a);
        for ((dz, da), a) in dz.iter_mut().zip(da).zip(a) {
            *dz = gradient(*da, *dz, *a);
        }
        if !dz_rest.is_empty() {
            let vector = gradient(A::load(simd, da_rest), A::load(simd, dz_rest), A::load(simd, a_rest));
            A::store(simd, dz_rest, vector);
        }
    }
}

/// sum ← sum + row, row by row. Of each row, reads `sum.len()` elements from `first` on.
pub(crate) fn add_rows<A: Scalar>(sum: &mut [A], first: usize, rows: Rows<A>) {
    if !sum.is_empty() {
        call::<A, CompiledAddRows>(AddRows { sum, first, rows });
    }
}

compiled!(CompiledAddRows: AddRows<'a, A> => (), |call| Isa::current().run(call));

/// The body of [`add_rows`].
struct AddRows<'a, A> {
    sum: &'a mut [A],
    first: usize,
    rows: Rows<'a, A>,
}

impl<A: Lanes> WithSimd for AddRows<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let length = self.sum.len();
        let (sums, sums_rest) = A::vectors_mut::<S>(self.sum);
        for row in self.rows {
            let (row, row_rest) = A::vectors::<S>(&row[self.first..][..length]);
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum = A::vadd(simd, *sum, *value);
            }
            for (sum, value) in sums_rest.iter_mut().zip(row_rest) {
                *sum += *value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(seed: u32, length: usize) -> Vec<f32> {
        let high = |i: u32| (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 16).to_le_bytes();
        let value = |i| f32::from(u16::from_le_bytes([high(i)[0], high(i)[1]])) / 65536.0 - 0.5;
        (0..).map(value).take(length).collect()
    }

    #[test]
    fn every_instruction_set_computes_the_gradient_of_tanh_and_the_sum_of_rows() {
        for n in [1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65] {
            let (dz, da, a) = (values(1, n), values(2, n), values(3, n));
            let expected: Vec<f32> =
                dz.iter().zip(&da).zip(&a).map(|((dz, da), a)| (da + dz) * (-a).mul_add(*a, 1.0)).collect();
            let rows = values(4, 5 * (n + 2));
            let sums: Vec<f32> = (0..n).map(|i| rows.chunks(n + 2).fold(dz[i], |sum, row| sum + row[i + 1])).collect();
            for isa in Isa::all() {
                let mut found = dz.clone();
                isa.run(TanhGradient { dz: &mut found, da: &da, a: &a });
                assert_eq!(found, expected, "{isa:?}, {n} elements");
                let mut found = dz.clone();
                isa.run(AddRows { sum: &mut found, first: 1, rows: Rows::ascending(&rows, n + 2) });
                assert_eq!(found, sums, "{isa:?}, {n} elements");
            }
        }
    }
}
