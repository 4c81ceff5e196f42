//! The products of the weight gradients, C ← C₀ + Aᵀ·B: a term is a row of A and a row of B.

use pulp::{Simd, WithSimd};

use super::product::Start;
use super::rows::PACK_ROWS;
use super::run::{Kernel, kernel};
use super::tiles::{Left, TileRows, Tiles, add_terms_of_strips};
use super::{Lanes, Rows, Terms};
use crate::Scalar;
use crate::layout::{Bytes, fit};

/// Columns of A in a strip, which are the rows of C in a tile.
const WIDTH: usize = 6;
/// The bytes of strips that are multiplied by all panels of B before the next strips. They fit in an L2 cache of 512 KiB.
const BLOCK_BYTES: usize = 384 << 10;

/// A, packed for C ← C₀ + Aᵀ·B. A strip holds [`WIDTH`] columns of A, row by row; the last strip holds the rest.
#[derive(Debug, Clone)]
pub(crate) struct PackedStrips<A> {
    flat: Vec<A>,
    k: usize,
}

impl<A> Default for PackedStrips<A> {
    fn default() -> Self {
        PackedStrips { flat: Vec::new(), k: 0 }
    }
}

impl<A: Scalar> PackedStrips<A> {
    /// Packs `k` rows of `n` elements.
    pub(crate) fn pack(&mut self, k: usize, n: usize, mut rows: Rows<A>) {
        fit(&mut self.flat, k * n);
        self.k = k;
        for first in (0..k).step_by(PACK_ROWS) {
            let (block, height) = rows.next_block();
            for (strip, column) in self.flat.chunks_mut(WIDTH * k).zip((0..n).step_by(WIDTH)) {
                let width = strip.len() / k;
                let strip = &mut strip[first * width..][..height * width];
                match width {
                    1 => fill::<1, A>(strip, &block, column),
                    2 => fill::<2, A>(strip, &block, column),
                    3 => fill::<3, A>(strip, &block, column),
                    4 => fill::<4, A>(strip, &block, column),
                    5 => fill::<5, A>(strip, &block, column),
                    _ => fill::<WIDTH, A>(strip, &block, column),
                }
            }
        }
    }

    /// All strips.
    pub(crate) fn strips(&self) -> Strips<'_, A> {
        Strips { flat: &self.flat, k: self.k }
    }

    /// The memory of `k` rows of `n` elements.
    pub(crate) fn bytes(k: usize, n: usize) -> Bytes {
        Bytes::of::<A>([k, n])
    }
}

/// strip ← `W` columns of these rows, from `column` on
fn fill<const W: usize, A: Copy>(strip: &mut [A], rows: &[&[A]], column: usize) {
    for (to, row) in pulp::as_arrays_mut::<W, _>(strip).0.iter_mut().zip(rows) {
        *to = *row[column..].first_chunk().expect("the strip lies inside the row");
    }
}

/// Neighbouring strips.
#[derive(Debug)]
pub(crate) struct Strips<'a, A> {
    flat: &'a [A],
    k: usize,
}

impl<A> Clone for Strips<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Strips<'_, A> {}

impl<A> Strips<'_, A> {
    /// The number of columns of A.
    pub(crate) fn columns(self) -> usize {
        self.flat.len() / self.k.max(1)
    }

    /// Splits between two strips, at `column` or after it. Returns the first column of the second part, too.
    pub(crate) fn split_at(self, column: usize) -> (usize, Self, Self) {
        let middle = column.next_multiple_of(WIDTH).min(self.columns());
        let (left, right) = self.flat.split_at(middle * self.k);
        (middle, Strips { flat: left, ..self }, Strips { flat: right, ..self })
    }
}

/// C ← C₀ + Aᵀ·B, with C in row-major order: a row for each column of A.
pub(crate) fn transposed_product<A: Scalar>(c: &mut [A], start: Start<A>, a: Strips<A>, b: Terms<A>) {
    debug_assert_eq!(c.len() * b.k(), a.flat.len() * b.n());
    if !c.is_empty() {
        TransposedProduct { c, start, a, b }.dispatch();
    }
}

kernel!(TransposedProduct: CompiledTransposedProduct);

/// The body of [`transposed_product`].
struct TransposedProduct<'a, A> {
    c: &'a mut [A],
    start: Start<'a, A>,
    a: Strips<'a, A>,
    b: Terms<'a, A>,
}

impl<A: Lanes> WithSimd for TransposedProduct<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let TransposedProduct { c, start, a: Strips { flat, k }, b } = self;
        let rows = (BLOCK_BYTES / (k.max(1) * size_of::<A>())).max(1).next_multiple_of(WIDTH);
        for (block, c) in c.chunks_mut(rows * b.n()).enumerate() {
            let flat = &flat[block * rows * k..][..c.len() / b.n() * k];
            Tiles { start, b, simd }.cover(c, Strips { flat, k });
        }
    }
}

impl<'a, A: Lanes> Left<'a, A> for Strips<'a, A> {
    #[inline(always)]
    fn elements(self) -> &'a [A] {
        self.flat
    }

    #[inline(always)]
    fn columns<const V: usize, S: Simd>(self, product: Tiles<S, A>, c: &mut [A], panel: usize) {
        let rows = c.len() / product.b.n();
        const { assert!(Tiles::<S, A>::ACCUMULATORS >= WIDTH, "a tile has the rows of a strip") };
        // A tile of one panel needs the chains of two strips to hide the latency of a multiply-add.
        let double = V == 1 && Tiles::<S, A>::ACCUMULATORS >= 2 * WIDTH;
        let pairs = if double { rows / (2 * WIDTH) } else { 0 };
        let singles = rows / WIDTH - 2 * pairs;
        let (c0, a0, c, a) = split(c, self, 2 * WIDTH * pairs, product.b.n());
        let (c1, a1, c2, a2) = split(c, a, WIDTH * singles, product.b.n());
        if pairs > 0 {
            product.column::<{ 2 * WIDTH }, V>(c0, TwoStrips(a0), panel, pairs);
        }
        if singles > 0 {
            product.column::<WIDTH, V>(c1, OneStrip(a1), panel, singles);
        }
        match rows % WIDTH {
            0 => {}
            1 => product.column::<1, V>(c2, OneStrip(a2), panel, 1),
            2 => product.column::<2, V>(c2, OneStrip(a2), panel, 1),
            3 => product.column::<3, V>(c2, OneStrip(a2), panel, 1),
            4 => product.column::<4, V>(c2, OneStrip(a2), panel, 1),
            _ => product.column::<5, V>(c2, OneStrip(a2), panel, 1),
        }
    }
}

/// Splits C of `n` columns and Aᵀ after `rows` rows.
#[inline(always)]
fn split<'c, 'a, A>(
    c: &'c mut [A],
    Strips { flat, k }: Strips<'a, A>,
    rows: usize,
    n: usize,
) -> (&'c mut [A], Strips<'a, A>, &'c mut [A], Strips<'a, A>) {
    let (c0, c1) = c.split_at_mut(rows * n);
    let (a0, a1) = flat.split_at(rows * k);
    (c0, Strips { flat: a0, k }, c1, Strips { flat: a1, k })
}

/// Each tile reads one strip, which has as many rows of Aᵀ as the tile.
#[derive(Clone, Copy)]
struct OneStrip<'a, A>(Strips<'a, A>);

impl<A: Lanes, const R: usize> TileRows<A, R> for OneStrip<'_, A> {
    type Shared = ();

    #[inline(always)]
    fn shared(self) {}

    #[inline(always)]
    fn add_terms<const V: usize, S: Simd>(
        self,
        simd: S,
        sums: &mut [[A::Vector<S>; V]; R],
        (tile, ()): (usize, ()),
        b: [&[A::Vector<S>]; V],
    ) {
        let Strips { flat, k } = self.0;
        let strip = pulp::as_arrays::<R, _>(&flat[tile * R * k..][..R * k]).0;
        add_terms_of_strips(simd, sums, [strip], b);
    }
}

/// Each tile reads two whole strips.
#[derive(Clone, Copy)]
struct TwoStrips<'a, A>(Strips<'a, A>);

impl<A: Lanes> TileRows<A, { 2 * WIDTH }> for TwoStrips<'_, A> {
    type Shared = ();

    #[inline(always)]
    fn shared(self) {}

    #[inline(always)]
    fn add_terms<const V: usize, S: Simd>(
        self,
        simd: S,
        sums: &mut [[A::Vector<S>; V]; 2 * WIDTH],
        (tile, ()): (usize, ()),
        b: [&[A::Vector<S>]; V],
    ) {
        let Strips { flat, k } = self.0;
        let strip = |i: usize| pulp::as_arrays::<WIDTH, _>(&flat[(2 * tile + i) * WIDTH * k..][..WIDTH * k]).0;
        add_terms_of_strips(simd, sums, [strip(0), strip(1)], b);
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::values;
    use super::super::{Isa, Packed};
    use super::*;

    fn check(outputs: usize, n: usize, k: usize) {
        let (a, b, c) = (values(1, k * outputs), values(2, k * n), values(3, outputs * n));
        let chain = |i: usize, j: usize| {
            (0..k).rev().fold(c[i * n + j], |sum, term| libm::fmaf(a[term * outputs + i], b[term * n + j], sum))
        };
        let expected: Vec<f32> = (0..outputs * n).map(|at| chain(at / n, at % n)).collect();
        let mut strips = PackedStrips::default();
        strips.pack(k, outputs, Rows::descending(&a, 1, outputs));
        for isa in Isa::all() {
            let mut packed = Packed::default();
            packed.pack_rows_for(isa, k, n, Rows::descending(&b, 1, n));
            let mut found = c.clone();
            let (middle, left, right) = strips.strips().split_at(outputs / 2);
            let (top, bottom) = found.split_at_mut(middle * n);
            for (c, a) in [(top, left), (bottom, right)].into_iter().filter(|(c, _)| !c.is_empty()) {
                isa.run(TransposedProduct { c, start: Start::Accumulate, a, b: (&packed).into() });
            }
            assert_eq!(found, expected, "{isa:?}: {outputs} outputs, {k} rows, n = {n}");

            let [mut zeros, mut found] = [vec![0.0; outputs * n], vec![f32::NAN; outputs * n]];
            for (c, start) in [(&mut zeros, Start::Accumulate), (&mut found, Start::Zero)] {
                isa.run(TransposedProduct { c, start, a: strips.strips(), b: (&packed).into() });
            }
            assert_eq!(found, zeros, "{isa:?}: from zero, {outputs} outputs, {k} rows, n = {n}");
        }
    }

    #[test]
    fn every_element_is_one_chain_over_the_rows_in_their_order() {
        for outputs in [1, 2, 3, 5, 6, 7, 13, 16, 23, 29, 101] {
            for n in [1, 2, 7, 15, 16, 17, 33, 65] {
                for k in [1, 4, 5, 16, 37] {
                    check(outputs, n, k);
                }
            }
        }
        // Several blocks of strips, and strips that are larger than a block.
        check(29, 3, 5003);
        check(13, 1, 100_003);
    }
}
