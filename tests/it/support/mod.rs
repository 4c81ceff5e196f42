//! Shared code of the tests: NumPy's random numbers, JSON fixtures, a naive oracle of the network, and random problems.

#![allow(unreachable_pub, reason = "a test program exports nothing; `pub` is what the other modules use")]

use elman::Scalar;
use rand::{SeedableRng, rngs::StdRng};

#[cfg(any(feature = "npz", feature = "safetensors", feature = "serde"))]
pub mod bits;
pub mod fixture;
pub mod interop;
pub mod naive;
pub mod numpy;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod problem;
pub mod results;
pub mod stacks;

/// Converts from double precision and back, with short names.
pub trait Convert: Scalar {
    fn narrow(value: f64) -> Self {
        Self::from(value).unwrap()
    }
    fn widen(self) -> f64 {
        self.to_f64().unwrap()
    }
}

impl<A: Scalar> Convert for A {}

/// The lengths of an error's shape, all of which are fixed.
pub fn lengths(shape: &elman::Shape) -> Vec<usize> {
    shape.lengths().map(Option::unwrap).collect()
}

pub fn seeded(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Runs on a pool with this many threads. Without the feature `rayon`, runs on the calling thread.
#[cfg(feature = "rayon")]
pub fn in_pool<R: Send>(threads: usize, run: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

#[cfg(not(feature = "rayon"))]
pub fn in_pool<R>(_threads: usize, run: impl FnOnce() -> R) -> R {
    run()
}
