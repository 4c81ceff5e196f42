//! Chunks of a text, as a sequence network takes them.

use ndarray::{Array2, Array3, ArrayViewMut2, Axis, ShapeBuilder};
use rand::{Rng, RngExt};

use crate::Result;

/// Reads a text at `batch` places side by side, a chunk at a time.
///
/// Place j reads the j-th of `batch` equal parts. What the network sees is one-hot; what it has to say is the symbol
/// that comes next.
#[derive(Debug)]
pub(crate) struct Reader<'t> {
    symbols: &'t [usize],
    /// The symbols in a part.
    part: usize,
    /// The first symbol of the next chunk, in every part.
    at: usize,
    /// (classes, batch, length)
    pub(crate) x: Array3<f32>,
    /// (batch, length)
    pub(crate) targets: Array2<usize>,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(symbols: &'t [usize], classes: usize, batch: usize, length: usize) -> Result<Self> {
        let part = symbols.len().saturating_sub(1) / batch;
        if part < length {
            let found = symbols.len();
            return Err(format!(
                "--batch {batch} times --length {length} needs a training text of {} characters, and there are {found}",
                batch * length + 1
            )
            .into());
        }
        let x = Array3::zeros((classes, batch, length).f());
        // At the end of the text, so that the first chunk starts it.
        Ok(Reader { symbols, part, at: part, x, targets: Array2::zeros((batch, length).f()) })
    }

    /// Fills `x` and `targets`. Returns whether the text starts anew, so that what came before is of no use.
    ///
    /// A new reading starts a few symbols in, so that the chunks are not those of the last one.
    pub(crate) fn next_chunk(&mut self, rng: &mut impl Rng) -> bool {
        let (_, batch, length) = self.x.dim();
        let anew = self.at + length > self.part;
        if anew {
            self.at = rng.random_range(0..=(self.part - length).min(length));
        }
        self.x.fill(0.0);
        for column in 0..batch {
            let from = column * self.part + self.at;
            write_one_hot(self.x.index_axis_mut(Axis(1), column), &self.symbols[from..from + length]);
            self.targets.row_mut(column).iter_mut().zip(&self.symbols[from + 1..]).for_each(|(to, from)| *to = *from);
        }
        self.at += length;
        anew
    }
}

/// x[c, t] ← 1 where c is symbol t. `x` is (classes, length), and zero.
pub(crate) fn write_one_hot(mut x: ArrayViewMut2<'_, f32>, symbols: &[usize]) {
    for (t, &symbol) in symbols.iter().enumerate() {
        x[[symbol, t]] = 1.0;
    }
}
