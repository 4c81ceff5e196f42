//! The multiply-add peak of one core: a loop of independent multiply-adds in registers.
//!
//! `benches/peers/rust` includes this file, too.

use std::hint::black_box;

use pulp::{Arch, Simd, WithSimd};

/// Independent chains, enough to fill every pipeline and few enough for 16 registers.
const CHAINS: usize = 12;
const STEPS: usize = 1 << 17;

/// Runs the loop once, in f64 or f32.
pub(crate) fn run(double: bool) {
    let arch = Arch::new();
    black_box(if double { arch.dispatch(Double) } else { f64::from(arch.dispatch(Single)) });
}

/// The number of multiply-adds of one run.
pub(crate) fn multiply_adds(double: bool) -> usize {
    Arch::new().dispatch(Lanes { double }) * CHAINS * STEPS
}

struct Lanes {
    double: bool,
}

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        if self.double { S::F64_LANES } else { S::F32_LANES }
    }
}

macro_rules! chains {
    ($name:ident, $a:ty, $splat:ident, $mul_add:ident, $add:ident, $sum:ident) => {
        struct $name;

        impl WithSimd for $name {
            type Output = $a;

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) -> $a {
                let factor = simd.$splat(black_box(0.5));
                let term = simd.$splat(black_box(0.25));
                let (mut chains, mut start) = ([term; CHAINS], 0.0);
                for chain in &mut chains {
                    *chain = simd.$splat(black_box(start));
                    start += 1.0;
                }
                for _ in 0..STEPS {
                    for chain in &mut chains {
                        *chain = simd.$mul_add(*chain, factor, term);
                    }
                }
                let mut sum = term;
                for chain in chains {
                    sum = simd.$add(sum, chain);
                }
                simd.$sum(sum)
            }
        }
    };
}

chains!(Single, f32, splat_f32s, mul_add_e_f32s, add_f32s, reduce_sum_f32s);
chains!(Double, f64, splat_f64s, mul_add_e_f64s, add_f64s, reduce_sum_f64s);
