//! Softmax over the classes of a column, and its derivative.
//!
//! ```text
//! y = exp(z − max z) / Σ exp(z − max z)        dz = y · (dy − Σ dy·y)
//! ```
//!
//! A sum over classes uses sixteen partial sums. Class `c` goes to sum `c mod 16`, and the sums are then added by halves.
//! This order does not depend on the vector width, so results are bit-identical.

use ndarray::NdFloat;
use pulp::{Simd, WithSimd};

use super::elementwise::{load, store};
use super::run::kernel;
use super::{Lanes, math};
use crate::Scalar;

/// The number of partial sums: a multiple of every vector's lanes.
const PARTS: usize = 16;

/// y ← softmax(z) for each row of `n` classes.
pub(crate) struct Softmax<'a, A> {
    pub(crate) y: &'a mut [A],
    pub(crate) z: &'a [A],
    pub(crate) n: usize,
}

kernel!(Softmax: CompiledSoftmax);

impl<A: Lanes> WithSimd for Softmax<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Softmax { y, z, n } = self;
        debug_assert_eq!(y.len(), z.len());
        // A single row needs no division.
        if n == z.len() && n > 0 {
            return row(simd, y, z);
        }
        for (y, z) in y.chunks_exact_mut(n.max(1)).zip(z.chunks_exact(n.max(1))) {
            row(simd, y, z);
        }
    }
}

#[inline(always)]
fn row<S: Simd, A: Lanes>(simd: S, y: &mut [A], z: &[A]) {
    if z.len() <= A::lanes::<S>() {
        return one_vector(simd, y, z);
    }
    let lanes = A::lanes::<S>();
    let largest = A::splat(simd, largest(simd, z));
    let mut parts = [A::zero(); PARTS];
    for (y, z) in y.chunks_mut(PARTS).zip(z.chunks(PARTS)) {
        let sums = A::vectors_mut::<S>(&mut parts).0;
        for ((y, z), sum) in y.chunks_mut(lanes).zip(z.chunks(lanes)).zip(sums) {
            let e = math::exp::<S, A>(simd, A::vsub(simd, load(simd, z), largest));
            store(simd, y, e);
            *sum = A::vadd(simd, *sum, first_lanes(simd, z.len(), e, A::zero()));
        }
    }
    let total = A::splat(simd, halves(parts, |a, b| a + b));
    for y in y.chunks_mut(lanes) {
        let quotient = A::vdiv(simd, load(simd, y), total);
        store(simd, y, quotient);
    }
}

/// [`row`] for classes that fit in one vector: nothing goes through memory. The partial sums after the last lane are zero, so
/// they change nothing.
#[inline(always)]
fn one_vector<S: Simd, A: Lanes>(simd: S, y: &mut [A], z: &[A]) {
    let loaded = load(simd, z);
    let largest = in_lanes(simd, A::neg_infinity(), first_lanes(simd, z.len(), loaded, A::neg_infinity()), larger);
    let e = math::exp::<S, A>(simd, A::vsub(simd, loaded, A::splat(simd, largest)));
    let total = in_lanes(simd, A::zero(), first_lanes(simd, z.len(), e, A::zero()), |a, b| a + b);
    store(simd, y, A::vdiv(simd, e, A::splat(simd, total)));
}

/// The first `n` lanes of a vector, and `other` in the lanes after them.
#[inline(always)]
fn first_lanes<S: Simd, A: Lanes>(simd: S, n: usize, vector: A::Vector<S>, other: A) -> A::Vector<S> {
    if n >= A::lanes::<S>() {
        return vector;
    }
    let numbers = load(simd, &A::LANE_NUMBERS[..A::lanes::<S>()]);
    let first = A::less_than(simd, numbers, A::splat(simd, A::LANE_NUMBERS[n]));
    A::select(simd, first, vector, A::splat(simd, other))
}

/// The largest element. A NaN is ignored here; it makes the whole column NaN through the sum.
#[inline(always)]
fn largest<S: Simd, A: Lanes>(simd: S, z: &[A]) -> A {
    let lowest = A::neg_infinity();
    let (vectors, rest) = A::vectors::<S>(z);
    let mut largest = first_lanes(simd, rest.len(), A::load(simd, rest), lowest);
    for &z in vectors {
        largest = A::select(simd, A::less_than(simd, largest, z), z, largest);
    }
    in_lanes(simd, lowest, largest, larger)
}

/// The larger of two. A NaN in `b` is ignored.
#[inline(always)]
fn larger<A: NdFloat>(a: A, b: A) -> A {
    if a < b { b } else { a }
}

/// [`halves`] of the lanes of a vector. `neutral` stands for the missing partial results.
#[inline(always)]
fn in_lanes<S: Simd, A: Lanes>(simd: S, neutral: A, vector: A::Vector<S>, join: impl Fn(A, A) -> A) -> A {
    let mut parts = [neutral; PARTS];
    store(simd, &mut parts[..A::lanes::<S>()], vector);
    halves(parts, join)
}

/// Joins partial results by halves: each of the first half with its counterpart in the second, and so on.
#[inline(always)]
fn halves<A: NdFloat>(mut parts: [A; PARTS], join: impl Fn(A, A) -> A) -> A {
    let mut half = PARTS / 2;
    while half > 0 {
        for i in 0..half {
            parts[i] = join(parts[i], parts[i + half]);
        }
        half /= 2;
    }
    parts[0]
}

/// dz ← dz + y · (dy − Σ dy·y) for each row of `n` classes.
pub(crate) fn add_softmax_gradient<A: Scalar>(dz: &mut [A], dy: &[A], y: &[A], n: usize) {
    debug_assert!(dz.len() == y.len() && dy.len() == y.len());
    if n == 0 {
        return;
    }
    for ((dz, dy), y) in dz.chunks_exact_mut(n).zip(dy.chunks_exact(n)).zip(y.chunks_exact(n)) {
        let mut parts = [A::zero(); PARTS];
        for (dy, y) in dy.chunks(PARTS).zip(y.chunks(PARTS)) {
            for ((part, &dy), &y) in parts.iter_mut().zip(dy).zip(y) {
                *part += dy * y;
            }
        }
        let mean = halves(parts, |a, b| a + b);
        for ((dz, &dy), &y) in dz.iter_mut().zip(dy).zip(y) {
            *dz += y * (dy - mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Isa;
    use super::*;

    /// exp(z) / Σ exp(z), by definition.
    fn naive(z: &[f64]) -> Vec<f64> {
        let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let e: Vec<f64> = z.iter().map(|z| (z - largest).exp()).collect();
        let total: f64 = e.iter().sum();
        e.iter().map(|e| e / total).collect()
    }

    /// From −4·scale to 4.2·scale.
    fn logits(n: usize, scale: f64) -> Vec<f64> {
        let logit = |i: u32| (f64::from(i.wrapping_mul(2_654_435_761) >> 20) / 500.0 - 4.0) * scale;
        (0..).map(logit).take(3 * n).collect()
    }

    #[test]
    fn every_instruction_set_computes_the_same_softmax() {
        let sizes = [1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65, 130];
        // With the larger scale, exp of a logit itself overflows.
        for (n, scale) in sizes.into_iter().flat_map(|n| [(n, 1.0), (n, 250.0)]) {
            let z = logits(n, scale);
            let mut expected = vec![f64::NAN; z.len()];
            Isa::Scalar.run(Softmax { y: &mut expected, z: &z, n });
            for (found, exact) in expected.iter().zip(z.chunks(n).flat_map(naive)) {
                // Below the normal numbers, the unit in the last place does not shrink.
                let unit = f64::EPSILON * exact.max(f64::MIN_POSITIVE);
                assert!((found - exact).abs() <= 4.0 * unit, "{found} and not {exact}, {n} classes");
            }
            for isa in Isa::all() {
                let mut found = vec![f64::NAN; z.len()];
                isa.run(Softmax { y: &mut found, z: &z, n });
                assert_eq!(found, expected, "{isa:?}, {n} classes");
            }
        }
    }

    #[test]
    fn infinite_and_missing_logits_are_the_same_on_every_instruction_set() {
        let (infinity, nan) = (f32::INFINITY, f32::NAN);
        let softmax = |isa: Isa, z: [f32; 3]| {
            let mut y = [7.0; 3];
            isa.run(Softmax { y: &mut y, z: &z, n: 3 });
            y
        };
        for isa in Isa::all() {
            let certain = softmax(isa, [-infinity, 0.0, -infinity]);
            assert_eq!(certain.map(f32::to_bits), [0.0f32, 1.0, 0.0].map(f32::to_bits), "{isa:?}");
            for z in [[-infinity; 3], [infinity, 0.0, 1.0], [nan, 0.0, 1.0]] {
                let y = softmax(isa, z);
                assert!(y[0].is_nan(), "{isa:?}: {z:?} gives {y:?}");
            }
        }
    }
}
