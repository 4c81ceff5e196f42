//! Rows to columns.

use super::{Kernel, Lanes, Rows};

/// Rows that are turned at once: a line of the target is filled while it is in L1.
const ROWS: usize = 16;

/// target ← rowsᵀ, for `k` rows of `n` elements; the target is (n, k) in row-major order.
pub(crate) fn transpose<A: Kernel>(target: &mut [A], k: usize, n: usize, rows: Rows<A>) {
    A::transpose(target, k, n, rows);
}

/// What [`transpose`] runs.
#[inline(always)]
pub(super) fn run<A: Lanes>(target: &mut [A], k: usize, n: usize, rows: Rows<A>) {
    debug_assert_eq!(target.len(), k * n);
    let mut rows = rows.take(k);
    let empty: &[A] = &[];
    for first in (0..k).step_by(ROWS) {
        let mut block = [empty; ROWS];
        let height = ROWS.min(k - first);
        for (slot, row) in block.iter_mut().zip(rows.by_ref().take(height)) {
            *slot = &row[..n];
        }
        for column in 0..n {
            let line = &mut target[column * k + first..][..height];
            for (slot, row) in line.iter_mut().zip(&block) {
                *slot = row[column];
            }
        }
    }
}
