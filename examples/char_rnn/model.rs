//! A network with a vocabulary, and its loss.

use std::f64::consts::LN_2;

use elman::batches::{Batch, Stream};
use elman::loss::Reduction;
use elman::{Dims, Parameters, init};
use ndarray::Array2;
use rand::Rng;

use crate::Result;
use crate::reading::Reader;
use crate::text::Vocabulary;

/// Number of symbols that are measured at a time.
const MEASURED_TOGETHER: usize = 512;

/// A character model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Model {
    pub(crate) vocabulary: Vocabulary,
    pub(crate) parameters: Parameters<f32>,
}

impl Model {
    pub(crate) fn new(vocabulary: Vocabulary, hidden: usize, rng: &mut impl Rng) -> Self {
        let dims = Dims { n_x: vocabulary.len(), n_a: hidden, n_y: vocabulary.len() };
        Model { vocabulary, parameters: init::torch(dims, rng) }
    }

    /// The loss in bits per character, from the zero state, with every symbol predicted from all symbols before it.
    /// Reads one column in chunks; the result is bit-identical to reading it whole.
    #[expect(clippy::cast_precision_loss, reason = "a count of characters is far below 2⁵³")]
    pub(crate) fn bits_per_character(&self, symbols: &[usize]) -> Result<f64> {
        let mut chunks = Stream::new(symbols, 1, MEASURED_TOGETHER)?.epoch();
        let mut hidden = Array2::zeros((self.parameters.dims().n_a, 1));
        let (mut chunk, mut reader) = (Batch::default(), Reader::default());
        let (mut nats, mut count) = (0.0, 0);
        while chunks.next_into(&mut chunk) {
            reader.read(&self.parameters, &chunk, &mut hidden, Reduction::Sum)?;
            nats += f64::from(reader.loss.value);
            count += reader.loss.count;
        }
        Ok(nats / LN_2 / count as f64)
    }
}
