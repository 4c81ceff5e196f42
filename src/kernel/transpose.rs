//! Matrix transpose.

#[cfg(target_arch = "x86_64")]
use std::any::Any;
use std::array;

#[cfg(target_arch = "x86_64")]
use pulp::core_arch::x86::Avx;
#[cfg(all(target_arch = "x86_64", feature = "avx512"))]
use pulp::core_arch::x86::Avx512f;
#[cfg(target_arch = "x86_64")]
use pulp::x86::V3;
#[cfg(all(target_arch = "x86_64", feature = "avx512"))]
use pulp::x86::V4;
use pulp::{Simd, WithSimd};

use super::rows::PACK_ROWS;
use super::run::{Kernel, kernel};
use super::{Lanes, Rows};
use crate::Scalar;

/// The side of a square that is transposed at once, in registers.
pub(super) const SIDE: usize = 4;

/// target ← rowsᵀ, for `k` rows of `n` elements; the target is (n, k) in row-major order.
pub(crate) fn transpose<A: Scalar>(target: &mut [A], k: usize, rows: Rows<A>) {
    if !target.is_empty() {
        Transpose { target, k, rows }.dispatch();
    }
}

kernel!(Transpose: CompiledTranspose);

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
        for at in (0..k).step_by(PACK_ROWS) {
            let (block, height) = rows.next_block();
            for (target, column) in target.chunks_mut(PACK_ROWS * k).zip((0..).step_by(PACK_ROWS)) {
                if height == PACK_ROWS && target.len() == PACK_ROWS * k {
                    for (quarter, rows) in pulp::as_arrays::<SIDE, _>(&block).0.iter().enumerate() {
                        for side in (0..PACK_ROWS).step_by(SIDE) {
                            for (i, line) in transpose_square(rows, column + side).iter().enumerate() {
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
pub(super) fn transpose_square<A: Lanes>(rows: &[&[A]; SIDE], column: usize) -> [[A; SIDE]; SIDE] {
    A::transpose_square(rows.map(|row| *row[column..].first_chunk().expect("the square lies inside the rows")))
}

/// Transposes a square element by element.
#[inline(always)]
fn plain<A: Copy>(square: [[A; SIDE]; SIDE]) -> [[A; SIDE]; SIDE] {
    array::from_fn(|column| square.map(|row| row[column]))
}

/// Transposes a square, with shuffles on x86-64.
#[inline(always)]
pub(super) fn transpose_f32(square: [[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
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
pub(super) fn transpose_f64(square: [[f64; SIDE]; SIDE]) -> [[f64; SIDE]; SIDE] {
    #[cfg(target_arch = "x86_64")]
    if let Some(sse) = pulp::core_arch::x86::Sse2::try_new() {
        let [a, b, c, d] = square.map(pulp::cast::<_, [std::arch::x86_64::__m128d; 2]>);
        let low = |i: usize| [sse._mm_unpacklo_pd(a[i], b[i]), sse._mm_unpacklo_pd(c[i], d[i])];
        let high = |i: usize| [sse._mm_unpackhi_pd(a[i], b[i]), sse._mm_unpackhi_pd(c[i], d[i])];
        return [low(0), high(0), low(1), high(1)].map(pulp::cast);
    }
    plain(square)
}

// Plain loops, and functions that are always inlined: a closure over vectors may be compiled without vector instructions.

/// Eight rows of eight columns, with AVX.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn eight_f32(avx: Avx, rows: [&[f32; 8]; 8], target: &mut [[f32; 8]]) {
    // Columns c and c + 4 of four rows, in the two halves of a vector: first of the upper rows, then of the lower ones.
    let mut halves = [[avx._mm256_setzero_ps(); 4]; 2];
    for (half, columns) in halves.iter_mut().enumerate() {
        let mut r = [avx._mm256_setzero_ps(); 4];
        for (row, r) in r.iter_mut().enumerate() {
            *r = pulp::cast(*rows[4 * half + row]);
        }
        let (low0, low1) = (avx._mm256_unpacklo_ps(r[0], r[1]), avx._mm256_unpacklo_ps(r[2], r[3]));
        let (high0, high1) = (avx._mm256_unpackhi_ps(r[0], r[1]), avx._mm256_unpackhi_ps(r[2], r[3]));
        *columns = [
            avx._mm256_shuffle_ps::<0x44>(low0, low1),
            avx._mm256_shuffle_ps::<0xee>(low0, low1),
            avx._mm256_shuffle_ps::<0x44>(high0, high1),
            avx._mm256_shuffle_ps::<0xee>(high0, high1),
        ];
    }
    for c in 0..4 {
        target[c] = pulp::cast(avx._mm256_permute2f128_ps::<0x20>(halves[0][c], halves[1][c]));
        target[c + 4] = pulp::cast(avx._mm256_permute2f128_ps::<0x31>(halves[0][c], halves[1][c]));
    }
}

/// Four rows of four columns, with AVX.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn four_f64(avx: Avx, rows: [&[f64; 4]; 4], target: &mut [[f64; 4]]) {
    let mut r = [avx._mm256_setzero_pd(); 4];
    for (row, r) in r.iter_mut().enumerate() {
        *r = pulp::cast(*rows[row]);
    }
    // Columns c and c + 2 of two rows, in the two halves of a vector.
    let upper = [avx._mm256_unpacklo_pd(r[0], r[1]), avx._mm256_unpackhi_pd(r[0], r[1])];
    let lower = [avx._mm256_unpacklo_pd(r[2], r[3]), avx._mm256_unpackhi_pd(r[2], r[3])];
    for c in 0..2 {
        target[c] = pulp::cast(avx._mm256_permute2f128_pd::<0x20>(upper[c], lower[c]));
        target[c + 2] = pulp::cast(avx._mm256_permute2f128_pd::<0x31>(upper[c], lower[c]));
    }
}

/// Sixteen rows of sixteen columns, with AVX-512.
#[cfg(all(target_arch = "x86_64", feature = "avx512"))]
#[inline(always)]
fn sixteen_f32(avx: Avx512f, rows: [&[f32; 16]; 16], target: &mut [[f32; 16]]) {
    // Columns c, c + 4, c + 8 and c + 12 of four rows, in the quarters of a vector.
    let mut fours = [[avx._mm512_setzero_ps(); 4]; 4];
    for (four, columns) in fours.iter_mut().enumerate() {
        let mut r = [avx._mm512_setzero_ps(); 4];
        for (row, r) in r.iter_mut().enumerate() {
            *r = pulp::cast(*rows[4 * four + row]);
        }
        let (low0, low1) = (avx._mm512_unpacklo_ps(r[0], r[1]), avx._mm512_unpacklo_ps(r[2], r[3]));
        let (high0, high1) = (avx._mm512_unpackhi_ps(r[0], r[1]), avx._mm512_unpackhi_ps(r[2], r[3]));
        *columns = [
            avx._mm512_shuffle_ps::<0x44>(low0, low1),
            avx._mm512_shuffle_ps::<0xee>(low0, low1),
            avx._mm512_shuffle_ps::<0x44>(high0, high1),
            avx._mm512_shuffle_ps::<0xee>(high0, high1),
        ];
    }
    for c in 0..4 {
        // Quarters 0 and 2, then 1 and 3, of the upper and of the lower eight rows.
        let upper_even = avx._mm512_shuffle_f32x4::<0x88>(fours[0][c], fours[1][c]);
        let lower_even = avx._mm512_shuffle_f32x4::<0x88>(fours[2][c], fours[3][c]);
        let upper_odd = avx._mm512_shuffle_f32x4::<0xdd>(fours[0][c], fours[1][c]);
        let lower_odd = avx._mm512_shuffle_f32x4::<0xdd>(fours[2][c], fours[3][c]);
        target[c] = pulp::cast(avx._mm512_shuffle_f32x4::<0x88>(upper_even, lower_even));
        target[c + 4] = pulp::cast(avx._mm512_shuffle_f32x4::<0x88>(upper_odd, lower_odd));
        target[c + 8] = pulp::cast(avx._mm512_shuffle_f32x4::<0xdd>(upper_even, lower_even));
        target[c + 12] = pulp::cast(avx._mm512_shuffle_f32x4::<0xdd>(upper_odd, lower_odd));
    }
}

/// Eight rows of eight columns, with AVX-512.
#[cfg(all(target_arch = "x86_64", feature = "avx512"))]
#[inline(always)]
fn eight_f64(avx: Avx512f, rows: [&[f64; 8]; 8], target: &mut [[f64; 8]]) {
    // Columns c, c + 2, c + 4 and c + 6 of two rows, in the quarters of a vector.
    let mut twos = [[avx._mm512_setzero_pd(); 2]; 4];
    for (two, columns) in twos.iter_mut().enumerate() {
        let (r0, r1) = (pulp::cast(*rows[2 * two]), pulp::cast(*rows[2 * two + 1]));
        *columns = [avx._mm512_unpacklo_pd(r0, r1), avx._mm512_unpackhi_pd(r0, r1)];
    }
    for c in 0..2 {
        let upper_even = avx._mm512_shuffle_f64x2::<0x88>(twos[0][c], twos[1][c]);
        let lower_even = avx._mm512_shuffle_f64x2::<0x88>(twos[2][c], twos[3][c]);
        let upper_odd = avx._mm512_shuffle_f64x2::<0xdd>(twos[0][c], twos[1][c]);
        let lower_odd = avx._mm512_shuffle_f64x2::<0xdd>(twos[2][c], twos[3][c]);
        target[c] = pulp::cast(avx._mm512_shuffle_f64x2::<0x88>(upper_even, lower_even));
        target[c + 2] = pulp::cast(avx._mm512_shuffle_f64x2::<0x88>(upper_odd, lower_odd));
        target[c + 4] = pulp::cast(avx._mm512_shuffle_f64x2::<0xdd>(upper_even, lower_even));
        target[c + 6] = pulp::cast(avx._mm512_shuffle_f64x2::<0xdd>(upper_odd, lower_odd));
    }
}

/// The square of a panel that starts at `column`, row by row. The panel has N rows of k elements.
///
/// A row is split off before its part is taken. All rows then have the same length, and one check of it serves them all.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn square<A, const N: usize>(panel: &[A], k: usize, column: usize) -> [&[A; N]; N] {
    const INSIDE: &str = "the square lies inside the panel";
    let mut rest = &panel[column..];
    let mut rows = [rest.first_chunk().expect(INSIDE); N];
    for i in 1..N {
        let (row, later) = rest.split_at(k);
        rows[i - 1] = row.first_chunk().expect(INSIDE);
        rest = later;
    }
    rows[N - 1] = rest.first_chunk().expect(INSIDE);
    rows
}

/// target ← the transpose of the square of a panel that starts at `column`. The panel has as many rows as a vector has lanes,
/// of k elements each. Returns false, and does nothing, where the instruction set has no shuffles for it.
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "only x86-64 has these shuffles"))]
#[inline(always)]
pub(super) fn transpose_wide_f32<S: Simd>(simd: S, panel: &[f32], k: usize, column: usize, target: &mut [f32]) -> bool {
    #[cfg(all(target_arch = "x86_64", feature = "avx512"))]
    if let Some(simd) = as_set::<V4>(&simd) {
        sixteen_f32(simd.avx512f, square(panel, k, column), pulp::as_arrays_mut(target).0);
        return true;
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = as_set::<V3>(&simd) {
        eight_f32(simd.avx, square(panel, k, column), pulp::as_arrays_mut(target).0);
        return true;
    }
    false
}

/// [`transpose_wide_f32`] in double precision.
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "only x86-64 has these shuffles"))]
#[inline(always)]
pub(super) fn transpose_wide_f64<S: Simd>(simd: S, panel: &[f64], k: usize, column: usize, target: &mut [f64]) -> bool {
    #[cfg(all(target_arch = "x86_64", feature = "avx512"))]
    if let Some(simd) = as_set::<V4>(&simd) {
        eight_f64(simd.avx512f, square(panel, k, column), pulp::as_arrays_mut(target).0);
        return true;
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = as_set::<V3>(&simd) {
        four_f64(simd.avx, square(panel, k, column), pulp::as_arrays_mut(target).0);
        return true;
    }
    false
}

/// The instruction set, if it is this one. The compiler knows which one it compiles for, so nothing is left of this test.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn as_set<I: Simd>(simd: &dyn Any) -> Option<&I> {
    simd.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::super::Isa;
    use super::*;

    #[test]
    fn every_element_lands_in_its_place() {
        for k in [0, 1, 7, 8, 15, 16, 33] {
            for n in [0, 1, 7, 16, 17, 18, 31, 49] {
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
