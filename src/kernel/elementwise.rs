//! Vectors of a slice, and sums of rows.

use pulp::{Simd, WithSimd};

use super::run::{Kernel, kernel};
use super::{Lanes, Rows};
use crate::Scalar;

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

/// Vectors of a sum of rows that stay in registers.
const SUMS: usize = 4;

/// sum ← sum + row, row by row. Of each row, reads `sum.len()` elements from `first` on.
pub(crate) fn add_rows<A: Scalar>(sum: &mut [A], first: usize, rows: Rows<A>) {
    if !sum.is_empty() {
        AddRows { sum, first, rows }.dispatch();
    }
}

kernel!(AddRows: CompiledAddRows);

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
        let AddRows { sum, mut first, rows } = self;
        let lanes = A::lanes::<S>();
        for sum in sum.chunks_mut(SUMS * lanes) {
            let length = sum.len();
            if length == SUMS * lanes {
                add_vectors::<SUMS, S, A>(simd, sum, first, rows.clone());
            } else {
                for (sum, at) in sum.chunks_mut(lanes).zip((0..).step_by(lanes)) {
                    add_vectors::<1, S, A>(simd, sum, first + at, rows.clone());
                }
            }
            first += length;
        }
    }
}

/// [`add_rows`] for `V` vectors. The sums stay in registers: in memory, each row would wait for the sum before it.
#[inline(always)]
fn add_vectors<const V: usize, S: Simd, A: Lanes>(simd: S, sum: &mut [A], first: usize, rows: Rows<A>) {
    let (length, lanes) = (sum.len(), A::lanes::<S>().min(sum.len()));
    let mut sums = [A::splat(simd, A::zero()); V];
    for v in 0..V {
        sums[v] = load(simd, &sum[v * lanes..][..lanes]);
    }
    for row in rows {
        let row = &row[first..][..length];
        for v in 0..V {
            sums[v] = A::vadd(simd, sums[v], load(simd, &row[v * lanes..][..lanes]));
        }
    }
    for v in 0..V {
        store(simd, &mut sum[v * lanes..][..lanes], sums[v]);
    }
}

/// sum ← sum + factor·row, rounded once for each element, as a term of a [`product`](super::product()).
pub(crate) fn add_scaled<A: Scalar>(sum: &mut [A], factor: A, row: &[A]) {
    AddScaled { sum, factor, row }.dispatch();
}

kernel!(AddScaled: CompiledAddScaled);

/// The body of [`add_scaled`].
struct AddScaled<'a, A> {
    sum: &'a mut [A],
    factor: A,
    row: &'a [A],
}

impl<A: Lanes> WithSimd for AddScaled<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let AddScaled { sum, factor, row } = self;
        let factor = A::splat(simd, factor);
        let lanes = A::lanes::<S>();
        for (sum, row) in sum.chunks_mut(lanes).zip(row.chunks(lanes)) {
            let value = A::vfma(simd, factor, load::<S, A>(simd, row), load::<S, A>(simd, sum));
            store::<S, A>(simd, sum, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Isa;
    use super::super::samples::values;
    use super::*;

    #[test]
    fn every_instruction_set_computes_the_sum_of_rows() {
        for n in [1, 2, 3, 7, 8, 12, 15, 16, 17, 20, 31, 33, 63, 65] {
            let (start, rows) = (values(1, n), values(4, 5 * (n + 2)));
            let sums: Vec<f32> =
                (0..n).map(|i| rows.chunks(n + 2).fold(start[i], |sum, row| sum + row[i + 1])).collect();
            for isa in Isa::all() {
                let mut found = start.clone();
                isa.run(AddRows { sum: &mut found, first: 1, rows: Rows::ascending(&rows, n + 2) });
                assert_eq!(found, sums, "{isa:?}, {n} elements");
            }
        }
    }

    #[test]
    fn every_instruction_set_rounds_a_scaled_row_once() {
        for n in [0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65] {
            let (start, row, factor) = (values(1, n), values(4, n), 1.0_f32 / 0.7);
            let sums: Vec<f32> = start.iter().zip(&row).map(|(&sum, &value)| libm::fmaf(factor, value, sum)).collect();
            for isa in Isa::all() {
                let mut found = start.clone();
                isa.run(AddScaled { sum: &mut found, factor, row: &row });
                assert_eq!(found, sums, "{isa:?}, {n} elements");
            }
        }
    }
}
