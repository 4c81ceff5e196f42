//! Shared code of the benchmarks: the sizes, seeded inputs and passes.

#![allow(dead_code, reason = "each benchmark is its own program and uses only a part of this module")]

pub(crate) mod passes;

use std::fmt;

use elman::{Dims, Parameters, Scalar};
use ndarray::{Array, Array2, Array3, Dimension, ShapeBuilder};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The size of a job: `T_x` steps of m columns through a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) t_x: usize,
    pub(crate) m: usize,
    pub(crate) dims: Dims,
}

/// `T·m·n_x·n_a·n_y`, from the smallest published network to one that fills the caches of a core; then one column at
/// one step, and one column for many steps.
pub(crate) const SIZES: [Size; 7] = [
    size("seed", 4, 10, [3, 5, 2]),
    size("small", 32, 16, [16, 64, 16]),
    size("charlm", 64, 32, [64, 256, 64]),
    size("medium", 100, 64, [128, 512, 128]),
    size("large", 64, 128, [512, 1024, 512]),
    size("stream", 1, 1, [64, 256, 64]),
    size("long", 2000, 1, [8, 64, 8]),
];

pub(crate) const fn size(name: &'static str, t_x: usize, m: usize, [n_x, n_a, n_y]: [usize; 3]) -> Size {
    Size { name, t_x, m, dims: Dims { n_x, n_a, n_y } }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Dims { n_x, n_a, n_y } = self.dims;
        write!(f, "{} {}·{}·{n_x}·{n_a}·{n_y}", self.name, self.t_x, self.m)
    }
}

impl Size {
    /// The same network and batch for one step.
    pub(crate) fn one_step(self) -> Size {
        self.steps(1)
    }

    /// The same network and batch for another number of steps.
    pub(crate) const fn steps(self, t_x: usize) -> Size {
        Size { t_x, ..self }
    }

    /// The multiply-adds of one forward pass. Only matrix products count.
    pub(crate) fn multiply_adds(self) -> usize {
        let Dims { n_x, n_a, n_y } = self.dims;
        self.t_x * self.m * n_a * (n_x + n_a + n_y)
    }

    /// Weights of ±1/√`n_a`, for which hidden states neither vanish nor saturate.
    pub(crate) fn parameters<A: Scalar>(self) -> Parameters<A> {
        let mut parameters = Parameters::zeros(self.dims);
        #[expect(clippy::cast_precision_loss, reason = "a dimension is far below 2⁵³")]
        let bound = 1.0 / (self.dims.n_a as f64).sqrt();
        fill(parameters.as_mut_slice(), 1, bound);
        parameters
    }

    /// (`n_x`, m, `T_x`), time-major.
    pub(crate) fn x<A: Scalar>(self) -> Array3<A> {
        random((self.dims.n_x, self.m, self.t_x), 2)
    }

    /// (`n_x`, m)
    pub(crate) fn xt<A: Scalar>(self) -> Array2<A> {
        random((self.dims.n_x, self.m), 2)
    }

    /// (m, `T_x`), each below `n_x`.
    pub(crate) fn tokens(self) -> Array2<usize> {
        Array2::from_shape_fn((self.m, self.t_x).f(), |(j, t)| (7 * j + 5 * t + j * t) % self.dims.n_x)
    }

    /// (`n_a`, m)
    pub(crate) fn a0<A: Scalar>(self) -> Array2<A> {
        random((self.dims.n_a, self.m), 3)
    }

    /// (`n_y`, m)
    pub(crate) fn dlogits<A: Scalar>(self) -> Array2<A> {
        random((self.dims.n_y, self.m), 4)
    }

    /// (m, `T_x`), each class in turn.
    pub(crate) fn targets(self) -> Array2<usize> {
        Array2::from_shape_fn((self.m, self.t_x).f(), |(j, t)| (j + t) % self.dims.n_y)
    }
}

fn random<A: Scalar, D: Dimension>(shape: impl ShapeBuilder<Dim = D>, seed: u64) -> Array<A, D> {
    let mut array = Array::from_elem(shape.f(), A::zero());
    fill(array.as_slice_memory_order_mut().expect("a new array has no gaps"), seed, 1.0);
    array
}

/// Uniform in ±`bound`.
fn fill<A: Scalar>(values: &mut [A], seed: u64, bound: f64) {
    let mut rng = StdRng::seed_from_u64(seed);
    values.fill_with(|| A::from(rng.random_range(-bound..=bound)).expect("a float holds every number"));
}
