//! The fused product, the one idea of this kernel.
//!
//! ```text
//! C ← epilogue(C₀ + A·B)        C: (rows, n)    A: (rows, k)    B: (k, n), packed
//! ```
//!
//! Every element of C is one chain of fused multiply-adds, in ascending k, that starts at its element of C₀. Vectors run
//! across the columns of C, so nothing is ever summed along k in another order: not by the width of the vectors, not by
//! the blocking, not by the number of rows that share a call.

use std::array;

use pulp::{Simd, WithSimd};

use super::elementwise::{load, store, tanh};
use super::{Isa, Lanes, Packed, threads};

/// What a chain starts at: C₀.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a, A> {
    /// Zero; what C holds is not read.
    Zero,
    /// One value per column, the same for every row; what C holds is not read.
    Bias(&'a [A]),
    /// What C holds.
    Present,
}

/// What becomes of a finished chain.
#[derive(Clone, Copy)]
pub(crate) enum Epilogue {
    /// It is the result.
    Store,
    /// Its hyperbolic tangent is the result.
    Tanh,
}

/// Terms of a chain that one pass over a tile takes: two groups of vectors of this length fit in half of L1.
const CHAIN_BLOCK: usize = 256;
/// Rows of A that stay in L2 while all of B passes by.
const ROW_BLOCK: usize = 192;

/// C ← epilogue(C₀ + A·B), with C (rows, n) and A (rows, k) in row-major order.
pub(crate) fn product<A: Lanes>(c: &mut [A], start: Start<A>, a: &[A], b: &Packed<A>, epilogue: Epilogue) {
    debug_assert_eq!(c.len() * b.k(), a.len() * b.n());
    if !c.is_empty() {
        Isa::current().run(Product { c, start, a, b, epilogue });
    }
}

/// [`product`] with the rows of C split over up to `parts` threads.
pub(crate) fn product_split<A: Lanes>(
    parts: usize,
    c: &mut [A],
    start: Start<A>,
    a: &[A],
    b: &Packed<A>,
    epilogue: Epilogue,
) {
    let rows = c.len() / b.n().max(1);
    if parts <= 1 || rows <= 1 {
        return product(c, start, a, b, epilogue);
    }
    let left = parts / 2;
    let row = rows * left / parts;
    let (c0, c1) = c.split_at_mut(row * b.n());
    let (a0, a1) = a.split_at(row * b.k());
    threads::join(
        || product_split(left, c0, start, a0, b, epilogue),
        || product_split(parts - left, c1, start, a1, b, epilogue),
    );
}

struct Product<'a, A> {
    c: &'a mut [A],
    start: Start<'a, A>,
    a: &'a [A],
    b: &'a Packed<A>,
    epilogue: Epilogue,
}

impl<A: Lanes> WithSimd for Product<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Product { c, start, a, b, epilogue } = self;
        let (k, n) = (b.k(), b.n());
        let rows = c.len() / n;
        for row in (0..rows).step_by(ROW_BLOCK) {
            let rows = ROW_BLOCK.min(rows - row);
            let c = &mut c[row * n..][..rows * n];
            let a = &a[row * k..][..rows * k];
            blocked(simd, c, n, start, a, b);
            match epilogue {
                Epilogue::Store => {}
                Epilogue::Tanh => tanh(simd, c),
            }
        }
    }
}

/// C ← C₀ + A·B, the chain in blocks that leave the packed groups in L1 from tile to tile.
#[inline(always)]
fn blocked<S: Simd, A: Lanes>(simd: S, c: &mut [A], n: usize, start: Start<A>, a: &[A], b: &Packed<A>) {
    let k = b.k();
    let vectors = b.vectors::<S>();
    let blocks = k.div_ceil(CHAIN_BLOCK).max(1);
    for block in 0..blocks {
        let terms = block * k / blocks..(block + 1) * k / blocks;
        let start = if block == 0 { start } else { Start::Present };
        let tiles = Tiles { n, start, a, k, terms, vectors };
        tiles.run(simd, c);
    }
}

struct Tiles<'a, S: Simd, A: Lanes> {
    n: usize,
    start: Start<'a, A>,
    a: &'a [A],
    k: usize,
    terms: std::ops::Range<usize>,
    vectors: &'a [A::Vector<S>],
}

impl<S: Simd, A: Lanes> Tiles<'_, S, A> {
    /// Covers C with tiles: few rows take many groups at once, so that there are always chains enough to hide the
    /// latency of one multiply-add behind the others.
    #[inline(always)]
    fn run(&self, simd: S, c: &mut [A]) {
        let groups = self.n.div_ceil(A::lanes::<S>());
        let rows = c.len() / self.n;
        let mut group = 0;
        if rows == 1 {
            while group + 8 <= groups {
                self.tile::<1, 8>(simd, c, 0, group);
                group += 8;
            }
        }
        if rows <= 3 {
            while group + 4 <= groups {
                self.column::<4>(simd, c, group);
                group += 4;
            }
        }
        while group + 2 <= groups {
            self.column::<2>(simd, c, group);
            group += 2;
        }
        if group < groups {
            self.column::<1>(simd, c, group);
        }
    }

    /// All rows of `V` neighbouring groups, in tiles of nearly equal height.
    #[inline(always)]
    fn column<const V: usize>(&self, simd: S, c: &mut [A], group: usize) {
        let rows = c.len() / self.n;
        let accumulators = if S::REGISTER_COUNT >= 32 { 24 } else { 12 };
        let highest = (accumulators / V).min(12);
        let tiles = rows.div_ceil(highest);
        for tile in 0..tiles {
            let row = tile * rows / tiles;
            let height = (tile + 1) * rows / tiles - row;
            match height {
                1 => self.tile::<1, V>(simd, c, row, group),
                2 => self.tile::<2, V>(simd, c, row, group),
                3 => self.tile::<3, V>(simd, c, row, group),
                4 if V <= 2 || highest > 3 => self.tile::<4, V>(simd, c, row, group),
                5 if V <= 2 || highest > 3 => self.tile::<5, V>(simd, c, row, group),
                6 if V <= 2 || highest > 3 => self.tile::<6, V>(simd, c, row, group),
                7 if highest > 6 => self.tile::<7, V>(simd, c, row, group),
                8 if highest > 6 => self.tile::<8, V>(simd, c, row, group),
                9 if highest > 6 => self.tile::<9, V>(simd, c, row, group),
                10 if highest > 6 => self.tile::<10, V>(simd, c, row, group),
                11 if highest > 6 => self.tile::<11, V>(simd, c, row, group),
                12 if highest > 6 => self.tile::<12, V>(simd, c, row, group),
                _ => unreachable!("a tile has at most {highest} rows"),
            }
        }
    }

    /// `R` rows of `V` groups: the accumulators live in registers through the whole chain.
    #[inline(always)]
    fn tile<const R: usize, const V: usize>(&self, simd: S, c: &mut [A], row: usize, group: usize) {
        let lanes = A::lanes::<S>();
        let (from, length) = (self.terms.start, self.terms.len());
        let a: [&[A]; R] = array::from_fn(|r| &self.a[(row + r) * self.k + from..][..length]);
        let b: [&[A::Vector<S>]; V] = array::from_fn(|v| &self.vectors[(group + v) * self.k + from..][..length]);
        let columns: [std::ops::Range<usize>; V] = array::from_fn(|v| {
            let first = (group + v) * lanes;
            first..(first + lanes).min(self.n)
        });
        let mut sums: [[A::Vector<S>; V]; R] = array::from_fn(|r| {
            array::from_fn(|v| match self.start {
                Start::Zero => A::splat(simd, A::zero()),
                Start::Bias(bias) => load(simd, &bias[columns[v].clone()]),
                Start::Present => load(simd, &c[(row + r) * self.n..][columns[v].clone()]),
            })
        });
        for k in 0..length {
            let b: [A::Vector<S>; V] = array::from_fn(|v| b[v][k]);
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = A::splat(simd, a[r][k]);
                for (sum, b) in sums.iter_mut().zip(b) {
                    *sum = A::vfma(simd, a, b, *sum);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let c = &mut c[(row + r) * self.n..][..self.n];
            for (sum, columns) in sums.iter().zip(columns.clone()) {
                store(simd, &mut c[columns], *sum);
            }
        }
    }
}
