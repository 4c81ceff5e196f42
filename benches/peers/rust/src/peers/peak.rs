//! The lower bound: the time of the case's multiply-adds, if nothing else cost anything.

use std::hint::black_box;

use pulp::{Arch, Simd, WithSimd};

use crate::Peer;
use crate::problem::{Pass, Problem, Real};

/// Independent chains, enough to fill every pipeline and few enough for 16 registers.
const CHAINS: usize = 12;
const STEPS: usize = 1 << 17;

pub struct Peak {
    double: bool,
    arch: Arch,
    /// Multiply-adds of the case and of one `run`.
    multiply_adds: (f64, f64),
}

impl Peak {
    pub fn new<A: Real>(problem: &Problem<A>) -> Self {
        let Problem { t_x, m, n_x, n_a, n_y, layers, directions, .. } = *problem;
        let above = (layers - 1) * directions * n_a;
        let steps = problem.lengths.as_ref().map_or(t_x * m, |lengths| lengths.iter().sum());
        let forward = (steps * directions * n_a * (n_x + above + layers * n_a + n_y)) as f64;
        // Each product of the forward pass has two in the backward pass, one for each factor's gradient.
        let case = if problem.pass == Pass::Train { 3.0 * forward } else { forward };
        let (double, arch) = (size_of::<A>() == 8, Arch::new());
        let lanes = arch.dispatch(Lanes { double });
        let threads = rayon::current_num_threads();
        Self { double, arch, multiply_adds: (case, (threads * lanes * CHAINS * STEPS) as f64) }
    }

    fn one_thread(&self) {
        black_box(if self.double { self.arch.dispatch(Double) } else { f64::from(self.arch.dispatch(Single)) });
    }
}

impl Peer for Peak {
    fn run(&mut self) {
        if rayon::current_num_threads() == 1 {
            self.one_thread();
        } else {
            rayon::broadcast(|_| self.one_thread());
        }
    }

    fn result(&self) -> Vec<f64> {
        Vec::new()
    }

    fn scale(&self) -> f64 {
        self.multiply_adds.0 / self.multiply_adds.1
    }
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
                let mut chains = [term; CHAINS];
                for (i, chain) in chains.iter_mut().enumerate() {
                    *chain = simd.$splat(black_box(i as $a));
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
