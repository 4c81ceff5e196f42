//! Outer products of few rows, read where they are stored.

use std::array;

use pulp::{Simd, WithSimd};

use super::elementwise::{load, store};
use super::run::{Kernel, kernel};
use super::{Lanes, Rows, Start};
use crate::Scalar;

/// Rows whose outer products are added together. More would not fit in registers.
const GROUP: usize = 4;

/// C ← C₀ + Σ a·bᵀ, one term for each row of a and b, in their order.
///
/// It computes the chains of [`product`](super::product()), with the rows as terms. For few rows it is faster, because nothing
/// is packed.
///
/// - `c`: one row of n elements for each output
/// - `start`: C₀
/// - `a`: rows of one element for each output
/// - `b`: rows of n elements
pub(crate) fn outer_products<A: Scalar>(c: &mut [A], start: Start<A>, a: Rows<A>, b: Rows<A>) {
    if !c.is_empty() {
        OuterProducts { c, start, a, b }.dispatch();
    }
}

kernel!(OuterProducts: CompiledOuterProducts);

/// The body of [`outer_products`].
struct OuterProducts<'a, A> {
    c: &'a mut [A],
    start: Start<'a, A>,
    a: Rows<'a, A>,
    b: Rows<'a, A>,
}

impl<A: Lanes> WithSimd for OuterProducts<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let OuterProducts { c, mut start, a, b } = self;
        let mut rows = a.zip(b);
        loop {
            let mut group: [(&[A], &[A]); GROUP] = [(&[], &[]); GROUP];
            let mut count = 0;
            for (slot, (a, b)) in group.iter_mut().zip(rows.by_ref()) {
                *slot = (a, b);
                count += 1;
            }
            match count {
                0 => return,
                1 => add::<1, S, A>(simd, c, start, group),
                2 => add::<2, S, A>(simd, c, start, group),
                3 => add::<3, S, A>(simd, c, start, group),
                _ => add::<GROUP, S, A>(simd, c, start, group),
            }
            start = Start::Accumulate;
        }
    }
}

/// Adds the first `R` rows of a group.
#[inline(always)]
fn add<const R: usize, S: Simd, A: Lanes>(simd: S, c: &mut [A], start: Start<A>, group: [(&[A], &[A]); GROUP]) {
    match start {
        Start::Zero => add_to::<R, true, S, A>(simd, c, group),
        Start::Accumulate => add_to::<R, false, S, A>(simd, c, group),
        Start::Bias(bias) => {
            c.chunks_exact_mut(bias.len()).for_each(|c| c.copy_from_slice(bias));
            add_to::<R, false, S, A>(simd, c, group);
        }
    }
}

/// [`add`] to zero, or to the values in C.
#[inline(always)]
fn add_to<const R: usize, const ZERO: bool, S: Simd, A: Lanes>(simd: S, c: &mut [A], group: [(&[A], &[A]); GROUP]) {
    let n = group[0].1.len();
    let b: [_; R] = array::from_fn(|r| A::vectors::<S>(&group[r].1[..n]));
    for (i, c) in c.chunks_exact_mut(n).enumerate() {
        let mut a = [A::splat(simd, A::zero()); R];
        for r in 0..R {
            a[r] = A::splat(simd, group[r].0[i]);
        }
        let (vectors, rest) = A::vectors_mut::<S>(c);
        for (j, c) in vectors.iter_mut().enumerate() {
            let mut sum = if ZERO { A::splat(simd, A::zero()) } else { *c };
            for r in 0..R {
                sum = A::vfma(simd, a[r], b[r].0[j], sum);
            }
            *c = sum;
        }
        if !rest.is_empty() {
            let mut sum = if ZERO { A::splat(simd, A::zero()) } else { load(simd, rest) };
            for r in 0..R {
                sum = A::vfma(simd, a[r], load(simd, b[r].1), sum);
            }
            store(simd, rest, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Isa;
    use super::super::samples::values;
    use super::*;

    #[test]
    fn every_element_is_one_chain_over_the_rows_in_their_order() {
        for rows in [1, 2, 3, 4, 5, 7, 8, 9] {
            for n in [1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65] {
                let outputs = 5;
                let (a, b) = (values(1, rows * outputs), values(2, rows * n));
                let (c, bias) = (values(3, outputs * n), values(4, n));
                for start in [Start::Zero, Start::Accumulate, Start::Bias(&bias)] {
                    let chain = |i: usize, j: usize| {
                        let first = match start {
                            Start::Zero => 0.0,
                            Start::Accumulate => c[i * n + j],
                            Start::Bias(bias) => bias[j],
                        };
                        (0..rows).fold(first, |sum, r| libm::fmaf(a[r * outputs + i], b[r * n + j], sum))
                    };
                    let expected: Vec<f32> = (0..outputs * n).map(|at| chain(at / n, at % n)).collect();
                    for isa in Isa::all() {
                        let mut found = c.clone();
                        let [a, b] = [(&a, outputs), (&b, n)].map(|(rows, n)| Rows::ascending(rows, n));
                        isa.run(OuterProducts { c: &mut found, start, a, b });
                        assert_eq!(found, expected, "{isa:?}: {rows} rows, n = {n}");
                    }
                }
            }
        }
    }
}
