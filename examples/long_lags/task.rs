//! Delayed recall: a network sees a symbol, then noise, and then must name the symbol.
//!
//! ```text
//! step        0           1 … lag−1      lag
//! x           one-hot     noise          noise
//! target      –           –              the symbol
//! ```
//!
//! The noise is one more input, uniform on ±1. A guess without step 0 is right once in [`SYMBOLS`] times.

use elman::loss::IGNORE;
use ndarray::{Array2, Array3, ShapeBuilder};
use rand::{Rng, RngExt};

/// Number of symbols, and of classes.
pub(crate) const SYMBOLS: usize = 4;

/// The accuracy of guessing.
#[expect(clippy::cast_precision_loss, reason = "a handful of symbols")]
pub(crate) const CHANCE: f64 = 1.0 / SYMBOLS as f64;

/// Number of inputs: the symbols and the noise.
pub(crate) const INPUTS: usize = SYMBOLS + 1;

/// A batch of sequences, which can be drawn again.
#[derive(Debug)]
pub(crate) struct Batch {
    /// (`INPUTS`, batch, lag + 1)
    pub(crate) x: Array3<f32>,
    /// (batch, lag + 1)
    pub(crate) targets: Array2<usize>,
}

impl Batch {
    pub(crate) fn new(batch: usize, lag: usize) -> Self {
        let steps = lag + 1;
        Batch { x: Array3::zeros((INPUTS, batch, steps).f()), targets: Array2::from_elem((batch, steps), IGNORE) }
    }

    pub(crate) fn draw(&mut self, rng: &mut impl Rng) {
        let (_, batch, steps) = self.x.dim();
        self.x.fill(0.0);
        for column in 0..batch {
            let symbol = rng.random_range(0..SYMBOLS);
            self.x[[symbol, column, 0]] = 1.0;
            for step in 1..steps {
                self.x[[SYMBOLS, column, step]] = rng.random_range(-1.0..1.0);
            }
            self.targets[[column, steps - 1]] = symbol;
        }
    }
}
