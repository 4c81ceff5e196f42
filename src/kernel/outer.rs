//! Outer products of few rows, read where they are stored.

use std::array;

use pulp::{Simd, WithSimd};

use super::elementwise::{load, store};
use super::run::{Kernel, kernel};
use super::{Lanes, Rows};
use crate::Scalar;

/// Rows whose outer products are added together. More would not fit in registers.
const GROUP: usize = 4;

/// C ← C + Σ a·bᵀ, one term for each row of a and b, in their order.
///
/// It computes the chains of [`product`](super::product()), with the rows as terms. For few rows it is faster, because nothing
/// is transposed or packed.
///
/// - `c`: one row of n elements for each output
/// - `a`: rows of all outputs, of which those from `first` on are read
/// - `b`: rows of n elements
pub(crate) fn add_outer_products<A: Scalar>(c: &mut [A], first: usize, a: Rows<A>, b: Rows<A>) {
    if !c.is_empty() {
        AddOuterProducts { c, first, a, b }.dispatch();
    }
}

kernel!(AddOuterProducts: CompiledAddOuterProducts);

/// The body of [`add_outer_products`].
struct AddOuterProducts<'a, A> {
    c: &'a mut [A],
    first: usize,
    a: Rows<'a, A>,
    b: Rows<'a, A>,
}

impl<A: Lanes> WithSimd for AddOuterProducts<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let AddOuterProducts { c, first, a, b } = self;
        let mut rows = a.zip(b);
        loop {
            let mut group: [(&[A], &[A]); GROUP] = [(&[], &[]); GROUP];
            let mut count = 0;
            for (slot, (a, b)) in group.iter_mut().zip(rows.by_ref()) {
                *slot = (&a[first..], b);
                count += 1;
            }
            match count {
                0 => return,
                1 => add::<1, S, A>(simd, c, group),
                2 => add::<2, S, A>(simd, c, group),
                3 => add::<3, S, A>(simd, c, group),
                _ => add::<GROUP, S, A>(simd, c, group),
            }
        }
    }
}

/// Adds the first `R` rows of a group.
#[inline(always)]
fn add<const R: usize, S: Simd, A: Lanes>(simd: S, c: &mut [A], group: [(&[A], &[A]); GROUP]) {
    let n = group[0].1.len();
    let b: [_; R] = array::from_fn(|r| A::vectors::<S>(&group[r].1[..n]));
    for (i, c) in c.chunks_exact_mut(n).enumerate() {
        let mut a = [A::splat(simd, A::zero()); R];
        for r in 0..R {
            a[r] = A::splat(simd, group[r].0[i]);
        }
        let (vectors, rest) = A::vectors_mut::<S>(c);
        for (j, sum) in vectors.iter_mut().enumerate() {
            for r in 0..R {
                *sum = A::vfma(simd, a[r], b[r].0[j], *sum);
            }
        }
        if !rest.is_empty() {
            let mut sum = load(simd, rest);
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
    use super::*;

    fn values(seed: u32, length: usize) -> Vec<f32> {
        let value =
            |i: u32| f32::from_bits((i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 9) | 0x3f80_0000) - 1.5;
        (0..).map(value).take(length).collect()
    }

    #[test]
    fn every_element_is_one_chain_over_the_rows_in_their_order() {
        for rows in [0, 1, 2, 3, 4, 5, 7, 8, 9] {
            for n in [1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65] {
                let (outputs, first) = (5, 2);
                let (a, b) = (values(1, rows * (outputs + first)), values(2, rows * n));
                let c = values(3, outputs * n);
                let chain = |i: usize, j: usize| {
                    let term = |sum, r: usize| a[r * (outputs + first) + first + i].mul_add(b[r * n + j], sum);
                    (0..rows).fold(c[i * n + j], term)
                };
                let expected: Vec<f32> = (0..outputs * n).map(|at| chain(at / n, at % n)).collect();
                for isa in Isa::all() {
                    let mut found = c.clone();
                    let [a, b] = [(&a, outputs + first), (&b, n)].map(|(rows, n)| Rows::ascending(rows, n));
                    isa.run(AddOuterProducts { c: &mut found, first, a, b });
                    assert_eq!(found, expected, "{isa:?}: {rows} rows, n = {n}");
                }
            }
        }
    }
}
