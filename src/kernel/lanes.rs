//! One vector of `f32` or `f64` on any instruction set: a thin layer over [`pulp`] that all kernels use.
//!
//! Every operation acts on each lane separately and rounds once, so results are bit-identical for every vector width.

use std::any::TypeId;
use std::array;

use ndarray::NdFloat;
use pulp::{Scalar128b, Simd};

use super::math::Constants;
use super::transpose::{SIDE, transpose_f32, transpose_f64, transpose_wide_f32, transpose_wide_f64};

/// An element type whose vectors exist on every instruction set.
pub(crate) trait Lanes: NdFloat + Constants {
    /// A vector of [`lanes`](Self::lanes) elements.
    type Vector<S: Simd>: Copy;
    /// One truth value per lane.
    type Mask<S: Simd>: Copy;
    /// 0, 1, 2 and so on: the numbers of the lanes of the widest vector.
    const LANE_NUMBERS: [Self; 16];

    /// The number of elements in one vector.
    fn lanes<S: Simd>() -> usize;
    /// Splits a slice into whole vectors and the remaining elements.
    fn vectors<S: Simd>(slice: &[Self]) -> (&[Self::Vector<S>], &[Self]);
    /// Splits a mutable slice into whole vectors and the remaining elements.
    fn vectors_mut<S: Simd>(slice: &mut [Self]) -> (&mut [Self::Vector<S>], &mut [Self]);
    /// Loads the slice into the first lanes; the others are zero.
    fn load<S: Simd>(simd: S, slice: &[Self]) -> Self::Vector<S>;
    /// Stores as many first lanes as the slice has elements.
    fn store<S: Simd>(simd: S, slice: &mut [Self], vector: Self::Vector<S>);

    /// `value` in every lane.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// `a + b`
    fn vadd<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a − b`
    fn vsub<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a · b`
    fn vmul<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a / b`
    fn vdiv<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a · b + c`, rounded once.
    fn vfma<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
    /// `c − a · b`, rounded once.
    fn vfnma<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;

    /// `a < b`; false if either is NaN.
    fn less_than<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S>;
    /// `yes` where the mask holds, `no` elsewhere.
    fn select<S: Simd>(simd: S, mask: Self::Mask<S>, yes: Self::Vector<S>, no: Self::Vector<S>) -> Self::Vector<S>;
    /// Bitwise and.
    fn and<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// Bitwise or.
    fn or<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// Transposes a square of elements.
    fn transpose_square(square: [[Self; SIDE]; SIDE]) -> [[Self; SIDE]; SIDE];
    /// Transposes a square of as many rows as a vector has lanes, if the instruction set has shuffles for it.
    fn transpose_wide<S: Simd>(simd: S, panel: &[Self], k: usize, column: usize, target: &mut [Self]) -> bool;
    /// Shifts each 32-bit word of the vector left.
    fn shift_words_left<S: Simd>(simd: S, a: Self::Vector<S>, bits: u32) -> Self::Vector<S>;
}

macro_rules! lanes {
    ($element:ty {
        Vector: $vector:ident,
        Mask: $mask:ident,
        LANES: $lanes:ident,
        vectors: $vectors:ident,
        vectors_mut: $vectors_mut:ident,
        load: $load:ident,
        store: $store:ident,
        splat: $splat:ident,
        vadd: $add:ident,
        vsub: $sub:ident,
        vmul: $mul:ident,
        vdiv: $div:ident,
        rounded_once: $rounded_once:path,
        vfma: $mul_add:ident,
        vfnma: $neg_mul_add:ident,
        less_than: $less_than:ident,
        select: $select:ident,
        and: $and:ident,
        or: $or:ident,
        transpose_square: $square:ident,
        transpose_wide: $wide:ident,
    }) => {
        impl Lanes for $element {
            type Vector<S: Simd> = S::$vector;
            type Mask<S: Simd> = S::$mask;
            const LANE_NUMBERS: [Self; 16] =
                [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];

            #[inline(always)]
            fn lanes<S: Simd>() -> usize {
                S::$lanes
            }
            #[inline(always)]
            fn vectors<S: Simd>(slice: &[Self]) -> (&[S::$vector], &[Self]) {
                S::$vectors(slice)
            }
            #[inline(always)]
            fn vectors_mut<S: Simd>(slice: &mut [Self]) -> (&mut [S::$vector], &mut [Self]) {
                S::$vectors_mut(slice)
            }
            #[inline(always)]
            fn load<S: Simd>(simd: S, slice: &[Self]) -> S::$vector {
                simd.$load(slice)
            }
            #[inline(always)]
            fn store<S: Simd>(simd: S, slice: &mut [Self], vector: S::$vector) {
                simd.$store(slice, vector);
            }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }
            #[inline(always)]
            fn vadd<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }
            #[inline(always)]
            fn vsub<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$sub(a, b)
            }
            #[inline(always)]
            fn vmul<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$mul(a, b)
            }
            #[inline(always)]
            fn vdiv<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$div(a, b)
            }
            #[inline(always)]
            fn vfma<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                if rounds_twice::<S>() {
                    return by_element(simd, [a, b, c], |[a, b, c]: [Self; 3]| $rounded_once(a, b, c));
                }
                simd.$mul_add(a, b, c)
            }
            #[inline(always)]
            fn vfnma<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                if rounds_twice::<S>() {
                    return by_element(simd, [a, b, c], |[a, b, c]: [Self; 3]| $rounded_once(-a, b, c));
                }
                simd.$neg_mul_add(a, b, c)
            }
            #[inline(always)]
            fn less_than<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$mask {
                simd.$less_than(a, b)
            }
            #[inline(always)]
            fn select<S: Simd>(simd: S, mask: S::$mask, yes: S::$vector, no: S::$vector) -> S::$vector {
                simd.$select(mask, yes, no)
            }
            #[inline(always)]
            fn and<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$and(a, b)
            }
            #[inline(always)]
            fn or<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$or(a, b)
            }
            #[inline(always)]
            fn transpose_square(square: [[Self; SIDE]; SIDE]) -> [[Self; SIDE]; SIDE] {
                $square(square)
            }
            #[inline(always)]
            fn transpose_wide<S: Simd>(simd: S, panel: &[Self], k: usize, column: usize, target: &mut [Self]) -> bool {
                $wide(simd, panel, k, column, target)
            }
            #[inline(always)]
            fn shift_words_left<S: Simd>(simd: S, a: S::$vector, bits: u32) -> S::$vector {
                let words = simd.wrapping_dyn_shl_u32s(pulp::cast(a), simd.splat_u32s(bits));
                pulp::cast(words)
            }
        }
    };
}

/// Whether a multiply-add of this instruction set may round twice. Emulated vectors call the C library, and that of Windows with
/// the GNU toolchain computes the product in another precision.
#[inline(always)]
fn rounds_twice<S: Simd>() -> bool {
    cfg!(windows) && TypeId::of::<S>() == TypeId::of::<Scalar128b>()
}

/// Applies a function to each lane of emulated vectors, which have at most four.
#[inline(always)]
fn by_element<A: Lanes, S: Simd>(simd: S, vectors: [A::Vector<S>; 3], apply: impl Fn([A; 3]) -> A) -> A::Vector<S> {
    let count = A::lanes::<S>().min(4);
    let [a, b, c] = vectors.map(|vector| {
        let mut lanes = [A::zero(); 4];
        A::store(simd, &mut lanes[..count], vector);
        lanes
    });
    let results: [A; 4] = array::from_fn(|lane| apply([a[lane], b[lane], c[lane]]));
    A::load(simd, &results[..count])
}

lanes!(f32 {
    Vector: f32s,
    Mask: m32s,
    LANES: F32_LANES,
    vectors: as_simd_f32s,
    vectors_mut: as_mut_simd_f32s,
    load: partial_load_f32s,
    store: partial_store_f32s,
    splat: splat_f32s,
    vadd: add_f32s,
    vsub: sub_f32s,
    vmul: mul_f32s,
    vdiv: div_f32s,
    rounded_once: libm::fmaf,
    vfma: mul_add_f32s,
    vfnma: negate_mul_add_f32s,
    less_than: less_than_f32s,
    select: select_f32s,
    and: and_f32s,
    or: or_f32s,
    transpose_square: transpose_f32,
    transpose_wide: transpose_wide_f32,
});
lanes!(f64 {
    Vector: f64s,
    Mask: m64s,
    LANES: F64_LANES,
    vectors: as_simd_f64s,
    vectors_mut: as_mut_simd_f64s,
    load: partial_load_f64s,
    store: partial_store_f64s,
    splat: splat_f64s,
    vadd: add_f64s,
    vsub: sub_f64s,
    vmul: mul_f64s,
    vdiv: div_f64s,
    rounded_once: libm::fma,
    vfma: mul_add_f64s,
    vfnma: negate_mul_add_f64s,
    less_than: less_than_f64s,
    select: select_f64s,
    and: and_f64s,
    or: or_f64s,
    transpose_square: transpose_f64,
    transpose_wide: transpose_wide_f64,
});
