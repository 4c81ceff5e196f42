//! Products for few rows of A, with B where it is stored. They read B once, which costs less than packing it.
//!
//! The chains are those of [`product`](super::product()).

use std::array;
use std::ops::Range;

use pulp::{NullaryFnOnce, Simd};

use super::Lanes;
use super::elementwise::{load, store};
use super::product::Start;
use super::tiles::add_terms;

/// The lanes of the widest vector: the side of the largest square that is transposed at once.
const WIDEST: usize = 16;
/// Panels of C at once. With two, there are enough chains to hide the latency of a multiply-add where there is one row.
const PANELS: usize = 2;

/// The first value of the chains of a part of a row of C.
#[inline(always)]
fn first_values<'c, A: Lanes>(start: Start<'c, A>, c: &'c [A], first: usize, length: usize) -> Option<&'c [A]> {
    match start {
        Start::Zero => None,
        Start::Bias(bias) => Some(&bias[first..][..length]),
        Start::Accumulate => Some(&c[first..][..length]),
    }
}

/// C ← C₀ + A·B row by row. B has rows of n elements.
#[inline(always)]
pub(super) fn plain<S: Simd, A: Lanes>(simd: S, c: &mut [A], start: Start<A>, a: &[A], b: &[A], n: usize) {
    let (lanes, k) = (A::lanes::<S>(), b.len() / n);
    for (row, c) in c.chunks_exact_mut(n).enumerate() {
        let a = &a[row * k..][..k];
        let mut first = 0;
        while first + 8 * lanes <= n {
            plain_columns::<8, S, A>(simd, c, start, a, b, first);
            first += 8 * lanes;
        }
        while first + 4 * lanes <= n {
            plain_columns::<4, S, A>(simd, c, start, a, b, first);
            first += 4 * lanes;
        }
        while first + lanes <= n {
            plain_columns::<1, S, A>(simd, c, start, a, b, first);
            first += lanes;
        }
        if first < n {
            let mut sum = match first_values(start, c, first, n - first) {
                None => A::splat(simd, A::zero()),
                Some(values) => A::load(simd, values),
            };
            for (a, b) in a.iter().zip(b.chunks_exact(n)) {
                sum = A::vfma(simd, A::splat(simd, *a), A::load(simd, &b[first..]), sum);
            }
            A::store(simd, &mut c[first..], sum);
        }
    }
}

/// `V` neighbouring vectors of one row of C.
#[inline(always)]
fn plain_columns<const V: usize, S: Simd, A: Lanes>(
    simd: S,
    c: &mut [A],
    start: Start<A>,
    a: &[A],
    b: &[A],
    first: usize,
) {
    let (lanes, n) = (A::lanes::<S>(), c.len());
    let mut sums = [A::splat(simd, A::zero()); V];
    if let Some(values) = first_values(start, c, first, V * lanes) {
        sums.copy_from_slice(&A::vectors::<S>(values).0[..V]);
    }
    for (a, b) in a.iter().zip(b.chunks_exact(n)) {
        let a = A::splat(simd, *a);
        let b = &A::vectors::<S>(&b[first..][..V * lanes]).0[..V];
        for v in 0..V {
            sums[v] = A::vfma(simd, a, b[v], sums[v]);
        }
    }
    A::vectors_mut::<S>(&mut c[first..][..V * lanes]).0[..V].copy_from_slice(&sums);
}

/// C ← C₀ + A·Wᵀ. W has rows of k elements, one for each column of C. Squares of W are transposed on the way.
#[inline(always)]
pub(super) fn transposed<S: Simd, A: Lanes>(
    simd: S,
    c: &mut [A],
    start: Start<A>,
    a: &[A],
    w: &[A],
    k: usize,
    n: usize,
) {
    for (group, c) in c.chunks_mut(4 * n).enumerate() {
        let a = &a[group * 4 * k..][..c.len() / n * k];
        let product = Transposed { simd, start, w, k, n };
        match c.len() / n {
            1 => product.rows::<1>(c, a),
            2 => product.rows::<2>(c, a),
            3 => product.rows::<3>(c, a),
            _ => product.rows::<4>(c, a),
        }
    }
}

/// The operands of [`transposed`] that all its tiles share.
#[derive(Clone, Copy)]
struct Transposed<'a, S, A> {
    simd: S,
    start: Start<'a, A>,
    w: &'a [A],
    k: usize,
    n: usize,
}

impl<S: Simd, A: Lanes> Transposed<'_, S, A> {
    /// `R` rows of C. Never inlined, so that each number of rows has all registers.
    #[inline(never)]
    fn rows<const R: usize>(self, c: &mut [A], a: &[A]) {
        self.simd.vectorize(TransposedRows::<R, S, A> { product: self, c, a });
    }
}

/// The body of [`Transposed::rows`].
struct TransposedRows<'a, const R: usize, S, A> {
    product: Transposed<'a, S, A>,
    c: &'a mut [A],
    a: &'a [A],
}

impl<const R: usize, S: Simd, A: Lanes> NullaryFnOnce for TransposedRows<'_, R, S, A> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let TransposedRows { product: Transposed { simd, start, w, k, n }, c, a } = self;
        let lanes = A::lanes::<S>();
        let mut squares = [[[A::zero(); WIDEST * WIDEST]; PANELS]; 2];
        let a: [&[A]; R] = array::from_fn(|r| &a[r * k..][..k]);
        for first in (0..n).step_by(PANELS * lanes) {
            let width = (n - first).min(PANELS * lanes);
            let rows = &w[first * k..][..width * k];
            let mut sums = [[A::splat(simd, A::zero()); PANELS]; R];
            for (r, sums) in sums.iter_mut().enumerate() {
                if let Some(values) = first_values(start, &c[r * n..][..n], first, width) {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = load(simd, &values[width.min(v * lanes)..]);
                    }
                }
            }
            let whole = k / lanes * lanes;
            let [now, next] = &mut squares;
            let (mut now, mut next) = (now, next);
            if whole > 0 {
                transpose_panels(simd, rows, k, 0..lanes, now);
            }
            for column in (0..whole).step_by(lanes) {
                if column + lanes < whole {
                    transpose_panels(simd, rows, k, column + lanes..column + 2 * lanes, next);
                }
                // A constant number of terms: the loop over them is unrolled.
                let b = array::from_fn(|v| A::vectors::<S>(&now[v][..lanes * lanes]).0);
                add_terms(simd, &mut sums, array::from_fn(|r| &a[r][column..][..lanes]), b);
                std::mem::swap(&mut now, &mut next);
            }
            if whole < k {
                let terms = k - whole;
                transpose_panels(simd, rows, k, whole..k, now);
                let b = array::from_fn(|v| A::vectors::<S>(&now[v][..lanes * terms]).0);
                add_terms(simd, &mut sums, array::from_fn(|r| &a[r][whole..][..terms]), b);
            }
            for (r, sums) in sums.iter().enumerate() {
                let c = &mut c[r * n..][..n][first..first + width];
                for (v, sum) in sums.iter().enumerate() {
                    store(simd, &mut c[width.min(v * lanes)..], *sum);
                }
            }
        }
    }
}

/// squares ← the transposes of these columns of `PANELS` panels. The rows have k elements, and the last panel may have fewer
/// of them. A square has lines of one vector.
#[inline(always)]
fn transpose_panels<S: Simd, A: Lanes>(
    simd: S,
    rows: &[A],
    k: usize,
    columns: Range<usize>,
    squares: &mut [[A; WIDEST * WIDEST]; PANELS],
) {
    let lanes = A::lanes::<S>();
    for (v, square) in squares.iter_mut().enumerate() {
        let first = rows.len().min(v * lanes * k);
        let panel = &rows[first..rows.len().min(first + lanes * k)];
        let square = &mut square[..lanes * lanes];
        if columns.len() == lanes
            && panel.len() == lanes * k
            && A::transpose_wide(simd, panel, k, columns.start, square)
        {
            continue;
        }
        for (i, row) in panel.chunks_exact(k).enumerate() {
            for (value, line) in row[columns.clone()].iter().zip(square.chunks_exact_mut(lanes)) {
                line[i] = *value;
            }
        }
    }
}
