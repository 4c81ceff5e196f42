//! The fused product, the core of this kernel.
//!
//! ```text
//! C ← epilogue(C₀ + A·B)        C: (rows, n)    A: (rows, k)    B: (k, n), packed
//! ```
//!
//! Every element of C is one chain of fused multiply-adds, in ascending k, that starts at its element of C₀. Vectors span
//! columns of C, so the order of the sum along k never changes: the vector width, the blocking and the number of rows in a
//! call have no effect on it.

use pulp::{Simd, WithSimd};

use super::activation::activate;
use super::packed::{Packed, Terms};
use super::run::{Kernel, kernel};
use super::tiles::{RowMajor, Tiles};
use super::unpacked::{plain, transposed};
use super::{Activation, Lanes};
use crate::Scalar;

/// C₀: the start value of each chain.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a, A> {
    /// Zero. C is not read.
    Zero,
    /// One value per column, the same for every row. C is not read.
    Bias(&'a [A]),
    /// The values in C.
    Accumulate,
}

/// The operation on each finished chain.
#[derive(Clone, Copy)]
pub(crate) enum Epilogue {
    /// Stores the chain.
    Store,
    /// Stores φ of the chain.
    Activate(Activation),
}

/// B of a product, (k, n).
#[derive(Debug)]
pub(crate) enum Factor<'a, A> {
    /// Packed, for many rows of A.
    Packed(Terms<'a, A>),
    /// Where it is stored, for few rows of A, which do not pay for the packing: k rows of n elements.
    Plain { b: &'a [A], n: usize },
    /// The same for B = Wᵀ: n rows of k elements of W.
    Transposed { w: &'a [A], k: usize, n: usize },
}

impl<A> Clone for Factor<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Factor<'_, A> {}

impl<'a, A: Scalar> From<&'a Packed<A>> for Factor<'a, A> {
    fn from(packed: &'a Packed<A>) -> Self {
        Factor::Packed(packed.into())
    }
}

impl<A> Factor<'_, A> {
    /// The number of rows, and the number of columns.
    pub(super) fn dim(self) -> (usize, usize) {
        match self {
            Factor::Packed(terms) => (terms.k(), terms.n()),
            Factor::Plain { b, n } => (b.len() / n.max(1), n),
            Factor::Transposed { k, n, .. } => (k, n),
        }
    }
}

/// Rows of A per block. A block stays in L2 while the product reads all panels of B.
const ROW_BLOCK: usize = 16 * TILE;
/// The rows of the widest tile. Blocks have whole tiles, but for the last one.
const TILE: usize = 6;

/// C ← epilogue(C₀ + A·B), with C (rows, n) and A (rows, k) in row-major order.
pub(crate) fn product<'a, A: Scalar>(
    c: &mut [A],
    start: Start<A>,
    a: &[A],
    b: impl Into<Factor<'a, A>>,
    epilogue: Epilogue,
) {
    Product { c, start, a, b: b.into(), epilogue }.dispatch();
}

/// [`product()`] with its arguments.
pub(crate) struct Product<'a, A> {
    pub(crate) c: &'a mut [A],
    pub(crate) start: Start<'a, A>,
    pub(crate) a: &'a [A],
    pub(crate) b: Factor<'a, A>,
    pub(crate) epilogue: Epilogue,
}

kernel!(Product: CompiledProduct);

impl<A: Lanes> WithSimd for Product<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Product { c, start, a, b, epilogue } = self;
        debug_assert_eq!(c.len() * b.dim().0, a.len() * b.dim().1);
        if !c.is_empty() {
            blocks(simd, c, start, a, b, epilogue);
        }
    }
}

/// C ← epilogue(C₀ + A·B), in blocks of rows. C has at least one element.
#[inline(always)]
pub(super) fn blocks<S: Simd, A: Lanes>(
    simd: S,
    c: &mut [A],
    start: Start<A>,
    a: &[A],
    b: Factor<A>,
    epilogue: Epilogue,
) {
    let (k, n) = b.dim();
    // Without divisions, which take longer than a step of a few units.
    if c.len() <= n * ROW_BLOCK {
        return block(simd, c, start, a, b, epilogue);
    }
    let rows = c.len() / n;
    let height = rows.div_ceil(rows.div_ceil(ROW_BLOCK)).next_multiple_of(TILE);
    for first in (0..rows).step_by(height) {
        let last = rows.min(first + height);
        block(simd, &mut c[first * n..last * n], start, &a[first * k..last * k], b, epilogue);
    }
}

/// C ← epilogue(C₀ + A·B) for the rows of one block.
#[inline(always)]
fn block<S: Simd, A: Lanes>(simd: S, c: &mut [A], start: Start<A>, a: &[A], b: Factor<A>, epilogue: Epilogue) {
    match b {
        Factor::Packed(b) => Tiles { start, b, simd }.cover(c, RowMajor { a, k: b.k() }),
        Factor::Plain { b, n } => plain(simd, c, start, a, b, n),
        Factor::Transposed { w, k, n } => transposed(simd, c, start, a, w, k, n),
    }
    match epilogue {
        Epilogue::Store => {}
        Epilogue::Activate(activation) => activate(simd, c, activation),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Isa, Packed, Rows};
    use super::*;

    fn noise(seed: u32, length: usize) -> Vec<f64> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state) / f64::from(u32::MAX) - 0.5
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    /// Runs [`product`] on one instruction set, with `b` packed for its vectors.
    fn on(isa: Isa, c: &mut [f64], start: Start<f64>, a: &[f64], b: &[f64], [k, n]: [usize; 2], epilogue: Epilogue) {
        let mut packed = Packed::default();
        packed.pack_rows_for(isa, k, n, Rows::ascending(b, n));
        if !c.is_empty() {
            isa.run(Product { c, start, a, b: (&packed).into(), epilogue });
        }
    }

    /// The same, with B where it is.
    fn unpacked_on(isa: Isa, c: &mut [f64], start: Start<f64>, a: &[f64], b: Factor<f64>) {
        if !c.is_empty() {
            isa.run(Product { c, start, a, b, epilogue: Epilogue::Store });
        }
    }

    /// The definition: one chain per element.
    fn naive(c: &[f64], start: Start<f64>, a: &[f64], b: &[f64], k: usize, n: usize) -> Vec<f64> {
        let chain = |i: usize| {
            let (row, column) = (i / n, i % n);
            let first = match start {
                Start::Zero => 0.0,
                Start::Bias(bias) => bias[column],
                Start::Accumulate => c[i],
            };
            (0..k).fold(first, |sum, term| libm::fma(a[row * k + term], b[term * n + column], sum))
        };
        (0..c.len()).map(chain).collect()
    }

    #[test]
    fn every_element_is_one_chain_in_ascending_k() {
        let sizes = [0, 1, 2, 3, 5, 7, 8, 13, 15, 16, 17, 31, 33];
        for rows in sizes {
            // Eight vectors at once need 64 columns with the widest vectors.
            for n in sizes.into_iter().chain([12, 65, 157]) {
                for k in [0, 1, 2, 7, 131, 257] {
                    let (a, b) = (noise(1, rows * k), noise(2, k * n));
                    let w: Vec<f64> = (0..n * k).map(|at| b[at % k * n + at / k]).collect();
                    let (c, bias) = (noise(3, rows * n), noise(4, n));
                    let nans = vec![f64::NAN; rows * n];
                    let starts = [(Start::Zero, &nans), (Start::Bias(&bias), &nans), (Start::Accumulate, &c)];
                    for (start, before) in starts {
                        let expected = naive(&c, start, &a, &b, k, n);
                        for isa in Isa::all() {
                            let mut found = before.clone();
                            on(isa, &mut found, start, &a, &b, [k, n], Epilogue::Store);
                            assert_eq!(found, expected, "{isa:?}: {rows} rows, k = {k}, n = {n}");
                            for b in [Factor::Plain { b: &b, n }, Factor::Transposed { w: &w, k, n }] {
                                let mut found = before.clone();
                                unpacked_on(isa, &mut found, start, &a, b);
                                assert_eq!(found, expected, "{isa:?}, not packed: {rows} rows, k = {k}, n = {n}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn each_row_of_several_blocks_is_computed_once() {
        let (rows, k, n) = (2 * ROW_BLOCK + 5, 3, 5);
        let (a, b, c) = (noise(1, rows * k), noise(2, k * n), noise(3, rows * n));
        let expected = naive(&c, Start::Accumulate, &a, &b, k, n);
        for isa in Isa::all() {
            let mut found = c.clone();
            on(isa, &mut found, Start::Accumulate, &a, &b, [k, n], Epilogue::Store);
            assert_eq!(found, expected, "{isa:?}");
        }
    }

    #[test]
    fn the_epilogue_sees_finished_chains_of_every_row() {
        let (rows, k, n) = (2 * ROW_BLOCK + 5, 300, 9);
        let (a, b) = (noise(1, rows * k), noise(2, k * n));
        for isa in Isa::all() {
            let mut c = vec![f64::NAN; rows * n];
            on(isa, &mut c, Start::Zero, &a, &b, [k, n], Epilogue::Activate(Activation::Tanh));
            for (found, z) in c.iter().zip(naive(&c, Start::Zero, &a, &b, k, n)) {
                assert!((found - z.tanh()).abs() < 1e-15, "{isa:?}");
            }
        }
    }
}
