//! A matrix packed in panels for the vector loads of the product.
//!
//! `B` of shape (k, n) is stored panel by panel. A panel holds `LANES` columns as `k` vectors, one after the
//! other. Columns of zeros pad the last panel. The product then reads memory forward only, for any number of panels at once.

use std::array;
use std::ops::Range;

use pulp::{Simd, WithSimd};

#[cfg(test)]
use super::Isa;
use super::elementwise::load;
use super::rows::PACK_ROWS;
use super::run::{Kernel, kernel};
use super::transpose::{SIDE, transpose_square};
use super::{Lanes, Rows};
use crate::Scalar;
use crate::layout::{Aligned, Bytes, product};

/// Columns are padded to whole strips. A strip is a multiple of every vector's lanes.
const STRIP: usize = 16;

/// A packed matrix.
#[derive(Debug, Clone)]
pub(crate) struct Packed<A> {
    panels: Aligned<A>,
    k: usize,
    n: usize,
}

impl<A> Default for Packed<A> {
    fn default() -> Self {
        Packed { panels: Aligned::default(), k: 0, n: 0 }
    }
}

/// The number of columns with padding.
fn padded(n: usize) -> usize {
    n.checked_next_multiple_of(STRIP).unwrap_or(usize::MAX)
}

impl<A: Scalar> Packed<A> {
    /// Packs `k` rows of `n` elements.
    pub(crate) fn pack_rows(&mut self, k: usize, n: usize, rows: Rows<A>) {
        PackRows { storage: self.reshape(k, n), k, n, rows }.dispatch();
    }

    /// [`pack_rows`](Self::pack_rows) for one given instruction set.
    #[cfg(test)]
    pub(super) fn pack_rows_for(&mut self, isa: Isa, k: usize, n: usize, rows: Rows<A>)
    where
        A: Lanes,
    {
        isa.run(PackRows { storage: self.reshape(k, n), k, n, rows });
    }

    /// Packs Wᵀ. `w` holds W: `n` rows of `k` elements.
    pub(crate) fn pack_transposed(&mut self, k: usize, n: usize, w: &[A]) {
        PackTransposed { storage: self.reshape(k, n), k, w }.dispatch();
    }

    /// The memory of a packed matrix of `k` rows and `n` columns.
    pub(crate) fn bytes(k: usize, n: usize) -> Bytes {
        Aligned::<A>::bytes(product([padded(n), k]))
    }

    /// A range of rows, as terms of a product.
    pub(crate) fn terms(&self, rows: Range<usize>) -> Terms<'_, A> {
        debug_assert!(rows.start <= rows.end && rows.end <= self.k);
        Terms { packed: self, first: rows.start, k: rows.len() }
    }

    /// Makes room for (k, n) and returns the storage. Its contents are unspecified.
    fn reshape(&mut self, k: usize, n: usize) -> &mut [A] {
        self.panels.fit(padded(n) * k);
        (self.k, self.n) = (k, n);
        &mut self.panels
    }
}

/// Consecutive rows of a packed matrix. Each row is one term of every chain.
#[derive(Debug)]
pub(crate) struct Terms<'a, A> {
    packed: &'a Packed<A>,
    first: usize,
    k: usize,
}

impl<A> Clone for Terms<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Terms<'_, A> {}

impl<'a, A: Scalar> From<&'a Packed<A>> for Terms<'a, A> {
    fn from(packed: &'a Packed<A>) -> Self {
        packed.terms(0..packed.k)
    }
}

impl<'a, A> Terms<'a, A> {
    /// The number of rows: the length of every chain.
    pub(crate) fn k(self) -> usize {
        self.k
    }

    /// The number of columns: the outputs.
    pub(crate) fn n(self) -> usize {
        self.packed.n
    }

    /// The vectors of one panel, row by row.
    #[inline(always)]
    pub(super) fn panel<S: Simd>(self, panel: usize) -> &'a [A::Vector<S>]
    where
        A: Lanes,
    {
        let lanes = A::lanes::<S>();
        let first = (panel * self.packed.k + self.first) * lanes;
        A::vectors::<S>(self.packed.panels.part(first, self.k * lanes)).0
    }
}

kernel!(PackRows: CompiledPackRows);

/// The body of [`Packed::pack_rows`].
struct PackRows<'a, A> {
    storage: &'a mut [A],
    k: usize,
    n: usize,
    rows: Rows<'a, A>,
}

impl<A: Lanes> WithSimd for PackRows<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let PackRows { storage, k, n, mut rows } = self;
        let lanes = A::lanes::<S>();
        for first in (0..k).step_by(PACK_ROWS) {
            let (block, height) = rows.next_block();
            for (panel, column) in storage.chunks_exact_mut(lanes * k).zip((0..).step_by(lanes)) {
                let panel = &mut A::vectors_mut::<S>(panel).0[first..][..height];
                let part = column.min(n)..(column + lanes).min(n);
                for (vector, row) in panel.iter_mut().zip(&block) {
                    *vector = load(simd, &row[part.clone()]);
                }
            }
        }
    }
}

kernel!(PackTransposed: CompiledPackTransposed);

/// The body of [`Packed::pack_transposed`].
struct PackTransposed<'a, A> {
    storage: &'a mut [A],
    k: usize,
    w: &'a [A],
}

impl<A: Lanes> WithSimd for PackTransposed<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let PackTransposed { storage, k, w } = self;
        let lanes = A::lanes::<S>();
        if k == 0 {
            return;
        }
        // The squares divide panels and strips evenly: no square crosses a boundary.
        let piece = lanes.min(SIDE);
        for (strip, w) in storage.chunks_exact_mut(STRIP * k).zip(w.chunks(STRIP * k)) {
            if w.len() < strip.len() {
                strip.fill(A::zero());
            }
            let whole = k / SIDE * SIDE;
            let wide = transpose_squares(simd, strip, w, k);
            for (square, w) in w.chunks(SIDE * k).enumerate() {
                let place = |row: usize, column: usize| {
                    let output = square * SIDE + row;
                    (output / lanes * k + column) * lanes + output % lanes
                };
                let mut done = if (square + 1) * SIDE <= wide.rows { wide.columns } else { 0 };
                if w.len() == SIDE * k {
                    let rows = array::from_fn(|row| &w[row * k..][..k]);
                    for column in (done..whole).step_by(SIDE) {
                        for (i, line) in transpose_square(&rows, column).iter().enumerate() {
                            for row in (0..SIDE).step_by(piece) {
                                strip[place(row, column + i)..][..piece].copy_from_slice(&line[row..][..piece]);
                            }
                        }
                    }
                    done = whole;
                }
                for (row, w) in w.chunks_exact(k).enumerate() {
                    for column in done..k {
                        strip[place(row, column)] = w[column];
                    }
                }
            }
        }
    }
}

/// The part of a strip that is transposed.
struct Covered {
    rows: usize,
    columns: usize,
}

/// Transposes the squares of whole panels, whose side is the width of a panel. Each one fills consecutive vectors.
#[inline(always)]
fn transpose_squares<S: Simd, A: Lanes>(simd: S, strip: &mut [A], w: &[A], k: usize) -> Covered {
    let lanes = A::lanes::<S>();
    let mut covered = Covered { rows: 0, columns: k / lanes * lanes };
    for (panel, w) in strip.chunks_exact_mut(lanes * k).zip(w.chunks_exact(lanes * k)) {
        for column in (0..covered.columns).step_by(lanes) {
            if !A::transpose_wide(simd, w, k, column, &mut panel[column * lanes..][..lanes * lanes]) {
                return Covered { rows: 0, columns: 0 };
            }
        }
        covered.rows += lanes;
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Unpack<'a>(&'a Packed<f32>);
    impl WithSimd for Unpack<'_> {
        type Output = Vec<f32>;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            let (k, n, lanes) = (self.0.k, self.0.n, f32::lanes::<S>());
            let mut out = vec![f32::NAN; k * n];
            for panel in 0..n.next_multiple_of(STRIP) / lanes {
                for (row, vector) in Terms::from(self.0).panel::<S>(panel).iter().enumerate() {
                    let mut all = vec![0.0; lanes];
                    f32::store(simd, &mut all, *vector);
                    for (lane, value) in all.into_iter().enumerate() {
                        let column = panel * lanes + lane;
                        if column < n {
                            out[row * n + column] = value;
                        } else {
                            assert_eq!(value.to_bits(), 0, "zeros behind the last column");
                        }
                    }
                }
            }
            out
        }
    }

    #[test]
    fn packing_loses_nothing_and_a_reused_buffer_leaks_nothing() {
        let mut packed = Packed::default();
        for (k, n) in [(1, 1), (3, 17), (7, 16), (2, 19), (2, 33), (5, 3), (0, 4), (4, 0), (13, 31), (23, 65)] {
            let b: Vec<f32> = (1u16..).map(f32::from).take(k * n).collect();
            let transposed: Vec<f32> = (0..k * n).map(|i| b[i % k.max(1) * n + i / k.max(1)]).collect();
            for isa in Isa::all() {
                packed.reshape(k, n).fill(f32::NAN);
                packed.pack_rows_for(isa, k, n, Rows::ascending(&b, n));
                assert_eq!(isa.run(Unpack(&packed)), b, "{isa:?}");
                packed.reshape(k, n).fill(f32::NAN);
                isa.run(PackTransposed { storage: packed.reshape(k, n), k, w: &transposed });
                assert_eq!(isa.run(Unpack(&packed)), b, "{isa:?}");
                assert_eq!(isa.run(Unpack(&packed.clone())), b, "{isa:?}");
            }
        }
    }
}
