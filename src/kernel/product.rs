//! The fused product, the core of this kernel.
//!
//! ```text
//! C ← epilogue(C₀ + A·B)        C: (rows, n)    A: (rows, k)    B: (k, n), packed
//! ```
//!
//! Every element of C is one chain of fused multiply-adds, in ascending k, that starts at its element of C₀. Vectors span
//! columns of C, so the order of the sum along k never changes: the vector width, the blocking and the number of rows in a
//! call have no effect on it.

use std::array;
use std::hint::black_box;

use pulp::{NullaryFnOnce, Simd, WithSimd};

use super::activation::activate;
use super::elementwise::{load, store};
use super::packed::{Packed, Terms};
use super::unpacked::{plain, transposed};
use super::{Activation, Isa, Lanes};
use crate::scalar::{Scalar, call, compiled};

/// C₀: the start value of each chain.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a, A> {
    /// Zero. C is not read.
    Zero,
    /// One value per column, the same for every row. C is not read.
    Bias(&'a [A]),
    /// The values in C.
    Present,
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

impl<'a, A> From<Terms<'a, A>> for Factor<'a, A> {
    fn from(terms: Terms<'a, A>) -> Self {
        Factor::Packed(terms)
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
const ROW_BLOCK: usize = 96;
/// Terms per iteration of the inner loop.
const UNROLL: usize = 4;

/// C ← epilogue(C₀ + A·B), with C (rows, n) and A (rows, k) in row-major order.
pub(crate) fn product<'a, A: Scalar>(
    c: &mut [A],
    start: Start<A>,
    a: &[A],
    b: impl Into<Factor<'a, A>>,
    epilogue: Epilogue,
) {
    let b = b.into();
    debug_assert_eq!(c.len() * b.dim().0, a.len() * b.dim().1);
    if !c.is_empty() {
        call::<A, CompiledProduct>(Product { c, start, a, b, epilogue });
    }
}

compiled!(CompiledProduct: Product<'a, A> => (), |call| Isa::current().run(call));

/// The body of [`product`].
struct Product<'a, A> {
    c: &'a mut [A],
    start: Start<'a, A>,
    a: &'a [A],
    b: Factor<'a, A>,
    epilogue: Epilogue,
}

impl<A: Lanes> WithSimd for Product<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Product { c, start, a, b, epilogue } = self;
        blocks(simd, c, start, a, b, epilogue);
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
    let rows = c.len() / n;
    let blocks = rows.div_ceil(ROW_BLOCK);
    for block in 0..blocks {
        let (first, last) = (block * rows / blocks, (block + 1) * rows / blocks);
        let c = &mut c[first * n..last * n];
        let a = &a[first * k..last * k];
        match b {
            Factor::Packed(b) => Tiles { start, b, simd }.cover(c, a),
            Factor::Plain { b, n } => plain(simd, c, start, a, b, n),
            Factor::Transposed { w, k, n } => transposed(simd, c, start, a, w, k, n),
        }
        match epilogue {
            Epilogue::Store => {}
            Epilogue::Activate(activation) => activate(simd, c, activation),
        }
    }
}

/// Splits C ← C₀ + A·B into tiles.
#[derive(Clone, Copy)]
struct Tiles<'a, S, A> {
    start: Start<'a, A>,
    b: Terms<'a, A>,
    simd: S,
}

impl<S: Simd, A: Lanes> Tiles<'_, S, A> {
    /// Vectors of C that stay in registers. The remaining registers hold the operands from A and B.
    ///
    /// Emulated vectors have no registers; a small number keeps the code small.
    const ACCUMULATORS: usize = match (S::REGISTER_COUNT, size_of::<A::Vector<S>>()) {
        (32.., _) => 24,
        (_, 32..) => 12,
        _ => 4,
    };

    /// The largest number of rows in a tile of `V` panels.
    const fn tallest<const V: usize>() -> usize {
        let rows = Self::ACCUMULATORS / V;
        if rows < 10 { rows } else { 10 }
    }

    /// For few rows, takes many panels at once: there are then enough chains to hide the latency of a multiply-add. Several
    /// panels at once are always whole; a single panel may be ragged.
    #[inline(always)]
    fn cover(self, c: &mut [A], a: &[A]) {
        let n = self.b.n();
        if c.len() == n {
            return self.row(c, a);
        }
        let (groups, rows) = (n / A::lanes::<S>(), c.len() / n);
        let mut group = 0;
        // With 24 accumulators, six rows of four panels need the fewest loads. With 12, tall tiles of two panels do.
        while (rows <= Self::tallest::<4>() || Self::ACCUMULATORS >= 24) && group + 4 <= groups {
            self.columns::<4>(c, a, group);
            group += 4;
        }
        while group + 2 <= groups {
            self.columns::<2>(c, a, group);
            group += 2;
        }
        while group * A::lanes::<S>() < n {
            self.columns::<1>(c, a, group);
            group += 1;
        }
    }

    /// A single row: up to eight panels at once. There are then enough chains to hide the latency of a multiply-add.
    #[inline(always)]
    fn row(self, c: &mut [A], a: &[A]) {
        let groups = c.len() / A::lanes::<S>();
        let mut group = 0;
        if groups >= 8 && Self::ACCUMULATORS >= 8 {
            group = groups / 8 * 8;
            self.eights(c, a, group);
        }
        // Inlined: between two steps of a small network, a call would cost more than the tile.
        while group + 4 <= groups {
            Row::<4, S, A> { product: self, c, a, group }.call();
            group += 4;
        }
        while group * A::lanes::<S>() < c.len() {
            Row::<1, S, A> { product: self, c, a, group }.call();
            group += 1;
        }
    }

    /// The first `groups` panels of a single row, eight at once. Never inlined, as [`column`](Self::column).
    #[inline(never)]
    fn eights(self, c: &mut [A], a: &[A], groups: usize) {
        self.simd.vectorize(Eights { product: self, c, a, groups });
    }

    /// All rows of `V` neighbouring panels, in tiles of nearly equal height, the tall ones first.
    #[inline(always)]
    fn columns<const V: usize>(self, c: &mut [A], a: &[A], group: usize) {
        let (k, n) = (self.b.k(), self.b.n());
        let rows = c.len() / n;
        let tiles = rows.div_ceil(Self::tallest::<V>());
        let (height, tall) = (rows / tiles, rows % tiles);
        let (c0, c1) = c.split_at_mut(tall * (height + 1) * n);
        let (a0, a1) = a.split_at(tall * (height + 1) * k);
        for (height, tiles, c, a) in [(height + 1, tall, c0, a0), (height, tiles - tall, c1, a1)] {
            match height {
                _ if tiles == 0 => {}
                1 => self.column::<1, V>(c, a, group, tiles),
                2 => self.column::<2, V>(c, a, group, tiles),
                3 => self.column::<3, V>(c, a, group, tiles),
                4 => self.column::<4, V>(c, a, group, tiles),
                5 => self.column::<5, V>(c, a, group, tiles),
                6 => self.column::<6, V>(c, a, group, tiles),
                7 => self.column::<7, V>(c, a, group, tiles),
                8 => self.column::<8, V>(c, a, group, tiles),
                9 => self.column::<9, V>(c, a, group, tiles),
                _ => self.column::<10, V>(c, a, group, tiles),
            }
        }
    }

    /// `tiles` tiles of `R` rows and `V` panels, one below the other. Never inlined, so that each tile shape has all
    /// registers.
    #[inline(never)]
    fn column<const R: usize, const V: usize>(self, c: &mut [A], a: &[A], group: usize, tiles: usize) {
        if R * V <= Self::ACCUMULATORS {
            self.simd.vectorize(Column::<R, V, S, A> { product: self, c, a, group, tiles });
        }
    }
}

/// The body of [`Tiles::eights`].
struct Eights<'a, S, A> {
    product: Tiles<'a, S, A>,
    c: &'a mut [A],
    a: &'a [A],
    groups: usize,
}

impl<S: Simd, A: Lanes> NullaryFnOnce for Eights<'_, S, A> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Eights { product, c, a, groups } = self;
        for group in (0..groups).step_by(8) {
            Row::<8, S, A> { product, c, a, group }.call();
        }
    }
}

/// `V` neighbouring panels of a single row.
struct Row<'a, const V: usize, S, A> {
    product: Tiles<'a, S, A>,
    c: &'a mut [A],
    a: &'a [A],
    group: usize,
}

impl<const V: usize, S: Simd, A: Lanes> Row<'_, V, S, A> {
    #[inline(always)]
    fn call(self) {
        let Row { product: Tiles { start, b, simd }, c, a, group } = self;
        let first = group * A::lanes::<S>();
        let lanes = if V == 1 { A::lanes::<S>().min(c.len() - first) } else { A::lanes::<S>() };
        let mut sums = [[A::splat(simd, A::zero()); V]];
        for (v, sum) in sums[0].iter_mut().enumerate() {
            let c = match start {
                Start::Zero => continue,
                Start::Bias(bias) => &bias[first..][..V * lanes],
                Start::Present => &c[first..][..V * lanes],
            };
            *sum = load(simd, &c[v * lanes..][..lanes]);
        }
        add_terms(simd, &mut sums, [a], array::from_fn(|v| b.group(group + v)));
        let c = &mut c[first..][..V * lanes];
        for (v, sum) in sums[0].iter().enumerate() {
            store(simd, &mut c[v * lanes..][..lanes], *sum);
        }
    }
}

/// The body of [`Tiles::column`]: the micro-kernel.
struct Column<'a, const R: usize, const V: usize, S, A> {
    product: Tiles<'a, S, A>,
    c: &'a mut [A],
    a: &'a [A],
    group: usize,
    tiles: usize,
}

impl<const R: usize, const V: usize, S: Simd, A: Lanes> NullaryFnOnce for Column<'_, R, V, S, A> {
    type Output = ();

    // Plain loops: the compiler does not always inline a closure over vectors. It then compiles the closure without vector
    // instructions.
    #[inline(always)]
    fn call(self) {
        let Column { product: Tiles { start, b, simd }, c, a, group, tiles } = self;
        let (k, n) = (b.k(), b.n());
        let first = group * A::lanes::<S>();
        let lanes = if V == 1 { A::lanes::<S>().min(n - first) } else { A::lanes::<S>() };
        let b: [&[A::Vector<S>]; V] = array::from_fn(|v| b.group(group + v));
        // Opaque, so that the compiler keeps one pointer per row of A. It would otherwise recompute them for every term.
        let rows: [usize; R] = black_box(array::from_fn(|r| r * k));
        for tile in 0..tiles {
            let c = &mut c[tile * R * n..][..R * n];
            let a = &a[tile * R * k..][..R * k];

            let mut sums = [[A::splat(simd, A::zero()); V]; R];
            for (r, sums) in sums.iter_mut().enumerate() {
                let c = match start {
                    Start::Zero => continue,
                    Start::Bias(bias) => &bias[first..][..V * lanes],
                    Start::Present => &c[r * n + first..][..V * lanes],
                };
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = load(simd, &c[v * lanes..][..lanes]);
                }
            }
            add_terms(simd, &mut sums, array::from_fn(|r| &a[rows[r]..][..k]), b);
            for (r, sums) in sums.iter().enumerate() {
                let c = &mut c[r * n + first..][..V * lanes];
                for (v, sum) in sums.iter().enumerate() {
                    store(simd, &mut c[v * lanes..][..lanes], *sum);
                }
            }
        }
    }
}

/// sums ← sums + A·B, for `R` rows of A and `V` panels of B. The sums stay in registers for the whole chain.
#[inline(always)]
pub(super) fn add_terms<const R: usize, const V: usize, S: Simd, A: Lanes>(
    simd: S,
    sums: &mut [[A::Vector<S>; V]; R],
    a: [&[A]; R],
    b: [&[A::Vector<S>]; V],
) {
    let a4: [&[[A; UNROLL]]; R] = array::from_fn(|r| pulp::as_arrays(a[r]).0);
    let b4: [&[[A::Vector<S>; UNROLL]]; V] = array::from_fn(|v| pulp::as_arrays(b[v]).0);
    for k in 0..b4[0].len() {
        for u in 0..UNROLL {
            add_term(simd, sums, array::from_fn(|r| a4[r][k][u]), array::from_fn(|v| b4[v][k][u]));
        }
    }
    for k in b4[0].len() * UNROLL..b[0].len() {
        add_term(simd, sums, array::from_fn(|r| a[r][k]), array::from_fn(|v| b[v][k]));
    }
}

#[inline(always)]
fn add_term<const R: usize, const V: usize, S: Simd, A: Lanes>(
    simd: S,
    sums: &mut [[A::Vector<S>; V]; R],
    a: [A; R],
    b: [A::Vector<S>; V],
) {
    if R < V {
        // Keep A's row in registers and load B's vectors one by one. The other order needs too many registers.
        let mut splat = [A::splat(simd, A::zero()); R];
        for r in 0..R {
            splat[r] = A::splat(simd, a[r]);
        }
        for v in 0..V {
            for r in 0..R {
                sums[r][v] = A::vfma(simd, splat[r], b[v], sums[r][v]);
            }
        }
    } else {
        for r in 0..R {
            let a = A::splat(simd, a[r]);
            for v in 0..V {
                sums[r][v] = A::vfma(simd, a, b[v], sums[r][v]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Packed, Rows};
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
            // Eight vectors at once need 64 columns with the widest vectors.
            for n in sizes.into_iter().chain([65, 131]) {
                for k in [0, 1, 2, 7, 131, 257] {
                    let (a, b) = (noise(1, rows * k), noise(2, k * n));
                    let w: Vec<f64> = (0..n * k).map(|at| b[at % k * n + at / k]).collect();
                    let (c, bias) = (noise(3, rows * n), noise(4, n));
                    let nans = vec![f64::NAN; rows * n];
                    let starts = [(Start::Zero, &nans), (Start::Bias(&bias), &nans), (Start::Present, &c)];
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
