//! Rows to columns.

use pulp::{Simd, WithSimd};

use super::{Kernel, Lanes, Rows};

/// Rows and columns that are turned at once, in registers.
const SIDE: usize = 8;

/// target ← rowsᵀ, for `k` rows of `n` elements; the target is (n, k) in row-major order.
pub(crate) fn transpose<A: Kernel>(target: &mut [A], k: usize, n: usize, rows: Rows<A>) {
    debug_assert_eq!(target.len(), k * n);
    if !target.is_empty() {
        A::transpose(Transpose { target, k, n, rows });
    }
}

/// What [`transpose`] runs.
pub struct Transpose<'a, A> {
    target: &'a mut [A],
    k: usize,
    n: usize,
    rows: Rows<'a, A>,
}

impl<A: Lanes> WithSimd for Transpose<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Transpose { target, k, n, mut rows } = self;
        for first in (0..k).step_by(SIDE) {
            let mut block: [&[A]; SIDE] = [&[]; SIDE];
            let height = SIDE.min(k - first);
            for slot in &mut block[..height] {
                *slot = rows.next().expect("there are k rows");
            }
            let mut column = 0;
            if height == SIDE {
                while column + SIDE <= n {
                    square(&mut target[column * k + first..], k, &block, column);
                    column += SIDE;
                }
            }
            for column in column..n {
                for (slot, row) in target[column * k + first..][..height].iter_mut().zip(&block) {
                    *slot = row[column];
                }
            }
        }
    }
}

/// The square of `rows` from `column` on, turned; the target's rows are `k` apart.
#[inline(always)]
fn square<A: Lanes>(target: &mut [A], k: usize, rows: &[&[A]; SIDE], column: usize) {
    let mut turned = [[A::zero(); SIDE]; SIDE];
    for (r, row) in rows.iter().enumerate() {
        let row: &[A; SIDE] = row[column..column + SIDE].try_into().expect("a slice of that length");
        for (c, value) in row.iter().enumerate() {
            turned[c][r] = *value;
        }
    }
    for (c, line) in turned.iter().enumerate() {
        target[c * k..c * k + SIDE].copy_from_slice(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_lands_in_its_place() {
        for k in [0, 1, 7, 8, 9, 16, 23] {
            for n in [0, 1, 7, 8, 9, 16, 23] {
                let rows: Vec<f64> = (0u16..).map(f64::from).take(k * n).collect();
                let mut target = vec![f64::NAN; k * n];
                transpose(&mut target, k, n, Rows::ascending(&rows, n));
                for (i, value) in target.iter().enumerate() {
                    assert_eq!(value.to_bits(), rows[i % k * n + i / k].to_bits(), "{k} rows of {n}");
                }
            }
        }
    }
}
