//! Matrix transpose.

use std::array;

use pulp::{Simd, WithSimd};

use super::{Isa, Lanes, Rows};
use crate::scalar::{Scalar, call, compiled};

/// The side of a square that is transposed at once, in registers.
pub(super) const SIDE: usize = 4;
/// The side of a block that is read and written together: whole cache lines.
const BLOCK: usize = 16;

/// target ← rowsᵀ, for `k` rows of `n` elements; the target is (n, k) in row-major order.
pub(crate) fn transpose<A: Scalar>(target: &mut [A], k: usize, rows: Rows<A>) {
    if !target.is_empty() {
        call::<A, CompiledTranspose>(Transpose { target, k, rows });
    }
}

compiled!(CompiledTranspose: Transpose<'a, A> => (), |call| Isa::current().run(call));

/// The body of [`transpose`].
struct Transpose<'a, A> {
    target: &'a mut [A],
    k: usize,
    rows: Rows<'a, A>,
}

impl<A: Lanes> WithSimd for Transpose<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Transpose { target, k, mut rows } = self;
        for at in (0..k).step_by(BLOCK) {
            let height = BLOCK.min(k - at);
            let mut block: [&[A]; BLOCK] = [&[]; BLOCK];
            for (slot, row) in block.iter_mut().zip(rows.by_ref().take(height)) {
                *slot = row;
            }
            for (target, column) in target.chunks_mut(BLOCK * k).zip((0..).step_by(BLOCK)) {
                if height == BLOCK && target.len() == BLOCK * k {
                    for (quarter, rows) in pulp::as_arrays::<SIDE, _>(&block).0.iter().enumerate() {
                        for side in (0..BLOCK).step_by(SIDE) {
                            for (i, line) in turn(rows, column + side).iter().enumerate() {
                                target[(side + i) * k + at + quarter * SIDE..][..SIDE].copy_from_slice(line);
                            }
                        }
                    }
                } else {
                    for (target, column) in target.chunks_exact_mut(k).zip(column..) {
                        for (slot, row) in target[at..][..height].iter_mut().zip(&block) {
                            *slot = row[column];
                        }
                    }
                }
            }
        }
    }
}

/// Transposes the square of `rows` that starts at `column`.
#[inline(always)]
pub(super) fn turn<A: Lanes>(rows: &[&[A]; SIDE], column: usize) -> [[A; SIDE]; SIDE] {
    A::turn(rows.map(|row| *row[column..].first_chunk().expect("the square lies inside the rows")))
}

/// Transposes a square element by element.
#[inline(always)]
fn plain<A: Copy>(square: [[A; SIDE]; SIDE]) -> [[A; SIDE]; SIDE] {
    array::from_fn(|column| square.map(|row| row[column]))
}

/// Transposes a square, with shuffles on x86-64.
#[inline(always)]
pub(super) fn turn_f32(square: [[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    #[cfg(target_arch = "x86_64")]
    if let Some(sse) = pulp::core_arch::x86::Sse::try_new() {
        let [a, b, c, d] = square.map(pulp::cast::<_, std::arch::x86_64::__m128>);
        let (ab, cd) = (sse._mm_unpacklo_ps(a, b), sse._mm_unpacklo_ps(c, d));
        let low = [sse._mm_movelh_ps(ab, cd), sse._mm_movehl_ps(cd, ab)];
        let (ab, cd) = (sse._mm_unpackhi_ps(a, b), sse._mm_unpackhi_ps(c, d));
        let high = [sse._mm_movelh_ps(ab, cd), sse._mm_movehl_ps(cd, ab)];
        return [low[0], low[1], high[0], high[1]].map(pulp::cast);
    }
    plain(square)
}

/// Transposes a square, with shuffles on x86-64.
#[inline(always)]
pub(super) fn turn_f64(square: [[f64; SIDE]; SIDE]) -> [[f64; SIDE]; SIDE] {
    #[cfg(target_arch = "x86_64")]
    if let Some(sse) = pulp::core_arch::x86::Sse2::try_new() {
        let [a, b, c, d] = square.map(pulp::cast::<_, [std::arch::x86_64::__m128d; 2]>);
        let low = |i: usize| [sse._mm_unpacklo_pd(a[i], b[i]), sse._mm_unpacklo_pd(c[i], d[i])];
        let high = |i: usize| [sse._mm_unpackhi_pd(a[i], b[i]), sse._mm_unpackhi_pd(c[i], d[i])];
        return [low(0), high(0), low(1), high(1)].map(pulp::cast);
    }
    plain(square)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_lands_in_its_place() {
        for k in [0, 1, 7, 8, 15, 16, 33] {
            for n in [0, 1, 7, 16, 17, 31, 49] {
                let rows: Vec<f64> = (0u16..).map(f64::from).take(k * n).collect();
                for isa in Isa::all().filter(|_| k * n > 0) {
                    let mut target = vec![f64::NAN; k * n];
                    isa.run(Transpose { target: &mut target, k, rows: Rows::ascending(&rows, n) });
                    for (i, value) in target.iter().enumerate() {
                        assert_eq!(value.to_bits(), rows[i % k * n + i / k].to_bits(), "{isa:?}: {k} rows of {n}");
                    }
                }
            }
        }
    }
}
