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
use super::{Kernel, Lanes, Packed, threads};

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
pub(crate) fn product<A: Kernel>(c: &mut [A], start: Start<A>, a: &[A], b: &Packed<A>, epilogue: Epilogue) {
    debug_assert_eq!(c.len() * b.k(), a.len() * b.n());
    if !c.is_empty() {
        A::product(Product { c, start, a, b, epilogue });
    }
}

/// [`product`] with the rows of C split over up to `parts` threads.
pub(crate) fn product_split<A: Kernel>(
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

/// What [`product`] runs.
pub struct Product<'a, A> {
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
    /// Vectors of C that stay in registers, beside those of A and B that are on their way into them.
    ///
    /// Emulated vectors have no registers: few of them keep the code small.
    const ACCUMULATORS: usize = match (S::REGISTER_COUNT, size_of::<A::Vector<S>>()) {
        (32.., _) => 24,
        (_, 32..) => 12,
        _ => 4,
    };

    /// Covers C with tiles: few rows take many groups at once, so that there are always chains enough to hide the
    /// latency of one multiply-add behind the others.
    #[inline(always)]
    fn run(&self, simd: S, c: &mut [A]) {
        let groups = self.n.div_ceil(A::lanes::<S>());
        let rows = c.len() / self.n;
        let mut group = 0;
        if rows == 1 && Self::ACCUMULATORS >= 8 {
            while group + 8 <= groups {
                self.tile::<1, 8>(simd, c, 0, group);
                group += 8;
            }
        }
        if rows <= Self::ACCUMULATORS / 4 {
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
        let tiles = rows.div_ceil((Self::ACCUMULATORS / V).min(12));
        for tile in 0..tiles {
            let row = tile * rows / tiles;
            match (tile + 1) * rows / tiles - row {
                1 => self.tile::<1, V>(simd, c, row, group),
                2 => self.tile::<2, V>(simd, c, row, group),
                3 => self.tile::<3, V>(simd, c, row, group),
                4 => self.tile::<4, V>(simd, c, row, group),
                5 => self.tile::<5, V>(simd, c, row, group),
                6 => self.tile::<6, V>(simd, c, row, group),
                7 => self.tile::<7, V>(simd, c, row, group),
                8 => self.tile::<8, V>(simd, c, row, group),
                9 => self.tile::<9, V>(simd, c, row, group),
                10 => self.tile::<10, V>(simd, c, row, group),
                11 => self.tile::<11, V>(simd, c, row, group),
                _ => self.tile::<12, V>(simd, c, row, group),
            }
        }
    }

    /// `R` rows of `V` groups: the accumulators live in registers through the whole chain.
    #[inline(always)]
    fn tile<const R: usize, const V: usize>(&self, simd: S, c: &mut [A], row: usize, group: usize) {
        if R * V > Self::ACCUMULATORS {
            return; // No tile is as high, so no code is made for it.
        }
        let (from, length) = (self.terms.start, self.terms.len());
        let a: [&[A]; R] = array::from_fn(|r| &self.a[(row + r) * self.k + from..][..length]);
        let b: [&[A::Vector<S>]; V] = array::from_fn(|v| &self.vectors[(group + v) * self.k + from..][..length]);

        // Plain loops: a closure with vectors in it is not always inlined, and then runs without them.
        let mut sums = [[A::splat(simd, A::zero()); V]; R];
        match self.start {
            Start::Zero => {}
            Start::Bias(bias) => {
                for v in 0..V {
                    let bias = load(simd, self.columns(bias, group + v));
                    for sums in &mut sums {
                        sums[v] = bias;
                    }
                }
            }
            Start::Present => {
                for (r, sums) in sums.iter_mut().enumerate() {
                    let c = &c[(row + r) * self.n..][..self.n];
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = load(simd, self.columns(c, group + v));
                    }
                }
            }
        }
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
            for (v, sum) in sums.iter().enumerate() {
                let first = (group + v) * A::lanes::<S>();
                let last = (first + A::lanes::<S>()).min(self.n);
                store(simd, &mut c[first..last], *sum);
            }
        }
    }

    /// The elements of a row of C that lie in this group.
    #[inline(always)]
    fn columns<'r>(&self, row: &'r [A], group: usize) -> &'r [A] {
        let first = group * A::lanes::<S>();
        &row[first..(first + A::lanes::<S>()).min(self.n)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rows;
    use super::*;

    fn noise(seed: u32, length: usize) -> Vec<f64> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state) / f64::from(u32::MAX) - 0.5
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    /// The definition: one chain per element.
    fn naive(c: &[f64], start: Start<f64>, a: &[f64], b: &[f64], k: usize, n: usize) -> Vec<f64> {
        let chain = |i: usize| {
            let (row, column) = (i / n, i % n);
            let first = match start {
                Start::Zero => 0.0,
                Start::Bias(bias) => bias[column],
                Start::Present => c[i],
            };
            (0..k).fold(first, |sum, term| a[row * k + term].mul_add(b[term * n + column], sum))
        };
        (0..c.len()).map(chain).collect()
    }

    #[test]
    fn every_element_is_one_chain_in_ascending_k() {
        let sizes = [0, 1, 2, 3, 5, 7, 8, 13, 15, 16, 17, 31, 33];
        for rows in sizes {
            for n in sizes {
                for k in [0, 1, 2, 7, 255, 257, 521] {
                    let (a, b) = (noise(1, rows * k), noise(2, k * n));
                    let (c, bias) = (noise(3, rows * n), noise(4, n));
                    let mut packed = Packed::default();
                    packed.pack_rows(k, n, Rows::ascending(&b, n));
                    let nans = vec![f64::NAN; rows * n];
                    let starts = [(Start::Zero, &nans), (Start::Bias(&bias), &nans), (Start::Present, &c)];
                    for (start, before) in starts {
                        let expected = naive(&c, start, &a, &b, k, n);
                        for parts in [1, 3] {
                            let mut found = before.clone();
                            product_split(parts, &mut found, start, &a, &packed, Epilogue::Store);
                            assert_eq!(found, expected, "{rows} rows, k = {k}, n = {n}, {parts} parts");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_epilogue_sees_finished_chains_of_every_row() {
        let (rows, k, n) = (2 * ROW_BLOCK + 5, 300, 9);
        let (a, b) = (noise(1, rows * k), noise(2, k * n));
        let mut packed = Packed::default();
        packed.pack_rows(k, n, Rows::ascending(&b, n));
        let mut c = vec![f64::NAN; rows * n];
        product(&mut c, Start::Zero, &a, &packed, Epilogue::Tanh);
        for (found, z) in c.iter().zip(naive(&c, Start::Zero, &a, &b, k, n)) {
            assert!((found - z.tanh()).abs() < 1e-15);
        }
    }
}
