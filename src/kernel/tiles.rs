//! The tiles of a product: parts of C whose chains stay in registers while all their terms are added.

use std::array;
use std::hint::black_box;

use pulp::{NullaryFnOnce, Simd};

use super::Lanes;
use super::elementwise::{load, store};
use super::packed::Terms;
use super::product::Start;

/// Terms per iteration of the inner loop.
const UNROLL: usize = 4;

/// A of a product, (rows, k), in one of the orders in which it is stored.
pub(super) trait Left<'a, A: Lanes>: Copy {
    /// All elements. Where there is one row, these are its terms in their order.
    fn elements(self) -> &'a [A];

    /// Computes `V` neighbouring panels of C, from this one on.
    fn columns<const V: usize, S: Simd>(self, tiles: Tiles<S, A>, c: &mut [A], panel: usize);
}

/// The rows of A that the tiles of one column of tiles read.
pub(super) trait TileRows<A: Lanes, const R: usize>: Copy {
    /// What all tiles share.
    type Shared: Copy;

    fn shared(self) -> Self::Shared;

    /// sums ← sums + A·B, for the `R` rows of one tile. The sums stay in registers for the whole chain.
    fn add_terms<const V: usize, S: Simd>(
        self,
        simd: S,
        sums: &mut [[A::Vector<S>; V]; R],
        tile: (usize, Self::Shared),
        b: [&[A::Vector<S>]; V],
    );
}

/// Splits C ← C₀ + A·B into tiles.
#[derive(Clone, Copy)]
pub(super) struct Tiles<'a, S, A> {
    pub(super) start: Start<'a, A>,
    pub(super) b: Terms<'a, A>,
    pub(super) simd: S,
}

impl<S: Simd, A: Lanes> Tiles<'_, S, A> {
    /// Vectors of C that stay in registers. The remaining registers hold the operands from A and B.
    ///
    /// Emulated vectors have no registers; a small number keeps the code small.
    pub(super) const ACCUMULATORS: usize = match (S::REGISTER_COUNT, size_of::<A::Vector<S>>()) {
        (32.., _) => 24,
        (_, 32..) => 12,
        _ => 6,
    };

    /// The largest number of rows in a tile of `V` panels.
    const fn tallest<const V: usize>() -> usize {
        let rows = Self::ACCUMULATORS / V;
        if rows < 10 { rows } else { 10 }
    }

    /// For few rows, takes many panels at once: there are then enough chains to hide the latency of a multiply-add. Several
    /// panels at once are always whole; a single panel may be ragged.
    #[inline(always)]
    pub(super) fn cover<'l>(self, c: &mut [A], a: impl Left<'l, A>) {
        let n = self.b.n();
        if c.len() == n {
            return self.row(c, a.elements());
        }
        let (panels, rows) = (n / A::lanes::<S>(), c.len() / n);
        let mut panel = 0;
        // With 24 accumulators, six rows of four panels need the fewest loads. With 12, tall tiles of two panels do.
        while (rows <= Self::tallest::<4>() || Self::ACCUMULATORS >= 24) && panel + 4 <= panels {
            a.columns::<4, S>(self, c, panel);
            panel += 4;
        }
        while Self::ACCUMULATORS >= 12 && panel + 2 <= panels {
            a.columns::<2, S>(self, c, panel);
            panel += 2;
        }
        while panel * A::lanes::<S>() < n {
            a.columns::<1, S>(self, c, panel);
            panel += 1;
        }
    }

    /// A single row: up to eight panels at once. There are then enough chains to hide the latency of a multiply-add.
    #[inline(always)]
    fn row(self, c: &mut [A], a: &[A]) {
        let panels = c.len() / A::lanes::<S>();
        let mut panel = 0;
        if panels >= 8 && Self::ACCUMULATORS >= 8 {
            panel = panels / 8 * 8;
            self.eights(c, a, panel);
        }
        // Inlined: between two steps of a small network, a call would cost more than the tile.
        while panel + 4 <= panels {
            Row::<4, S, A> { product: self, c, a, panel }.call();
            panel += 4;
        }
        while panel * A::lanes::<S>() < c.len() {
            Row::<1, S, A> { product: self, c, a, panel }.call();
            panel += 1;
        }
    }

    /// The first `panels` panels of a single row, eight at once. Never inlined, as [`column`](Self::column).
    #[inline(never)]
    fn eights(self, c: &mut [A], a: &[A], panels: usize) {
        self.simd.vectorize(Eights { product: self, c, a, panels });
    }

    /// `tiles` tiles of `R` rows and `V` panels, one below the other. Never inlined, so that each tile shape has all
    /// registers.
    #[inline(never)]
    pub(super) fn column<const R: usize, const V: usize>(
        self,
        c: &mut [A],
        a: impl TileRows<A, R>,
        panel: usize,
        tiles: usize,
    ) {
        debug_assert!(R * V <= Self::ACCUMULATORS);
        // Always true. The compiler then generates no larger shapes.
        if R * V <= Self::ACCUMULATORS {
            self.simd.vectorize(Column::<R, V, S, A, _> { product: self, c, a, panel, tiles });
        }
    }
}

/// A in row-major order.
#[derive(Clone, Copy)]
pub(super) struct RowMajor<'a, A> {
    pub(super) a: &'a [A],
    pub(super) k: usize,
}

impl<'a, A: Lanes> Left<'a, A> for RowMajor<'a, A> {
    #[inline(always)]
    fn elements(self) -> &'a [A] {
        self.a
    }

    /// Tiles of nearly equal height, the tall ones first.
    #[inline(always)]
    fn columns<const V: usize, S: Simd>(self, product: Tiles<S, A>, c: &mut [A], panel: usize) {
        let (k, n) = (self.k, product.b.n());
        let rows = c.len() / n;
        let tiles = rows.div_ceil(Tiles::<S, A>::tallest::<V>());
        let (height, tall) = (rows / tiles, rows % tiles);
        let (c0, c1) = c.split_at_mut(tall * (height + 1) * n);
        let (a0, a1) = self.a.split_at(tall * (height + 1) * k);
        for (height, tiles, c, a) in [(height + 1, tall, c0, a0), (height, tiles - tall, c1, a1)] {
            match height {
                _ if tiles == 0 => {}
                1 => product.column::<1, V>(c, RowMajor { a, k }, panel, tiles),
                2 => product.column::<2, V>(c, RowMajor { a, k }, panel, tiles),
                3 => product.column::<3, V>(c, RowMajor { a, k }, panel, tiles),
                4 => product.column::<4, V>(c, RowMajor { a, k }, panel, tiles),
                5 => product.column::<5, V>(c, RowMajor { a, k }, panel, tiles),
                6 => product.column::<6, V>(c, RowMajor { a, k }, panel, tiles),
                7 => product.column::<7, V>(c, RowMajor { a, k }, panel, tiles),
                8 => product.column::<8, V>(c, RowMajor { a, k }, panel, tiles),
                9 => product.column::<9, V>(c, RowMajor { a, k }, panel, tiles),
                _ => product.column::<10, V>(c, RowMajor { a, k }, panel, tiles),
            }
        }
    }
}

impl<A: Lanes, const R: usize> TileRows<A, R> for RowMajor<'_, A> {
    /// The first element of each row of a tile.
    type Shared = [usize; R];

    #[inline(always)]
    fn shared(self) -> [usize; R] {
        // Opaque, so that the compiler keeps one pointer per row of A. It would otherwise recompute them for every term.
        black_box(array::from_fn(|r| r * self.k))
    }

    #[inline(always)]
    fn add_terms<const V: usize, S: Simd>(
        self,
        simd: S,
        sums: &mut [[A::Vector<S>; V]; R],
        (tile, firsts): (usize, [usize; R]),
        b: [&[A::Vector<S>]; V],
    ) {
        let a = &self.a[tile * R * self.k..][..R * self.k];
        add_terms(simd, sums, array::from_fn(|r| &a[firsts[r]..][..self.k]), b);
    }
}

/// The body of [`Tiles::eights`].
struct Eights<'a, S, A> {
    product: Tiles<'a, S, A>,
    c: &'a mut [A],
    a: &'a [A],
    panels: usize,
}

impl<S: Simd, A: Lanes> NullaryFnOnce for Eights<'_, S, A> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Eights { product, c, a, panels } = self;
        for panel in (0..panels).step_by(8) {
            Row::<8, S, A> { product, c, a, panel }.call();
        }
    }
}

/// `V` neighbouring panels of a single row.
struct Row<'a, const V: usize, S, A> {
    product: Tiles<'a, S, A>,
    c: &'a mut [A],
    a: &'a [A],
    panel: usize,
}

impl<const V: usize, S: Simd, A: Lanes> Row<'_, V, S, A> {
    #[inline(always)]
    fn call(self) {
        let Row { product: Tiles { start, b, simd }, c, a, panel } = self;
        let first = panel * A::lanes::<S>();
        let lanes = if V == 1 { A::lanes::<S>().min(c.len() - first) } else { A::lanes::<S>() };
        let mut sums = [[A::splat(simd, A::zero()); V]];
        for (v, sum) in sums[0].iter_mut().enumerate() {
            let c = match start {
                Start::Zero => continue,
                Start::Bias(bias) => &bias[first..][..V * lanes],
                Start::Accumulate => &c[first..][..V * lanes],
            };
            *sum = load(simd, &c[v * lanes..][..lanes]);
        }
        add_terms(simd, &mut sums, [a], panels(b, panel));
        let c = &mut c[first..][..V * lanes];
        for (v, sum) in sums[0].iter().enumerate() {
            store(simd, &mut c[v * lanes..][..lanes], *sum);
        }
    }
}

/// The body of [`Tiles::column`]: the micro-kernel.
struct Column<'a, const R: usize, const V: usize, S, A, T> {
    product: Tiles<'a, S, A>,
    c: &'a mut [A],
    a: T,
    panel: usize,
    tiles: usize,
}

impl<const R: usize, const V: usize, S: Simd, A: Lanes, T: TileRows<A, R>> NullaryFnOnce for Column<'_, R, V, S, A, T> {
    type Output = ();

    // Plain loops: the compiler does not always inline a closure over vectors. It then compiles the closure without vector
    // instructions.
    #[inline(always)]
    fn call(self) {
        let Column { product: Tiles { start, b, simd }, c, a, panel, tiles } = self;
        let n = b.n();
        let first = panel * A::lanes::<S>();
        let lanes = if V == 1 { A::lanes::<S>().min(n - first) } else { A::lanes::<S>() };
        let b = panels(b, panel);
        let shared = a.shared();
        for tile in 0..tiles {
            let c = &mut c[tile * R * n..][..R * n];

            let mut sums = [[A::splat(simd, A::zero()); V]; R];
            for (r, sums) in sums.iter_mut().enumerate() {
                let c = match start {
                    Start::Zero => continue,
                    Start::Bias(bias) => &bias[first..][..V * lanes],
                    Start::Accumulate => &c[r * n + first..][..V * lanes],
                };
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = load(simd, &c[v * lanes..][..lanes]);
                }
            }
            a.add_terms(simd, &mut sums, (tile, shared), b);
            for (r, sums) in sums.iter().enumerate() {
                let c = &mut c[r * n + first..][..V * lanes];
                for (v, sum) in sums.iter().enumerate() {
                    store(simd, &mut c[v * lanes..][..lanes], *sum);
                }
            }
        }
    }
}

/// `V` neighbouring panels of B.
#[inline(always)]
fn panels<'a, const V: usize, S: Simd, A: Lanes>(b: Terms<'a, A>, panel: usize) -> [&'a [A::Vector<S>]; V] {
    let mut panels: [&'a [A::Vector<S>]; V] = [&[]; V];
    for (v, vectors) in panels.iter_mut().enumerate() {
        *vectors = b.panel::<S>(panel + v);
    }
    panels
}

/// sums ← sums + A·B, for `R` rows of A and `V` panels of B.
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

/// sums ← sums + A·B, for `R` rows of A in `P` strips of `W` rows each: in a strip, the elements of one term are neighbours.
#[inline(always)]
pub(super) fn add_terms_of_strips<const P: usize, const W: usize, const R: usize, const V: usize, S: Simd, A: Lanes>(
    simd: S,
    sums: &mut [[A::Vector<S>; V]; R],
    a: [&[[A; W]]; P],
    b: [&[A::Vector<S>]; V],
) {
    let a4: [&[[[A; W]; UNROLL]]; P] = array::from_fn(|p| pulp::as_arrays(a[p]).0);
    let b4: [&[[A::Vector<S>; UNROLL]]; V] = array::from_fn(|v| pulp::as_arrays(b[v]).0);
    for k in 0..b4[0].len() {
        for u in 0..UNROLL {
            add_term(simd, sums, array::from_fn(|r| a4[r / W][k][u][r % W]), array::from_fn(|v| b4[v][k][u]));
        }
    }
    for k in b4[0].len() * UNROLL..b[0].len() {
        add_term(simd, sums, array::from_fn(|r| a[r / W][k][r % W]), array::from_fn(|v| b[v][k]));
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
