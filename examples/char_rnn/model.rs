//! A network with a vocabulary, and its loss.

use std::f64::consts::LN_2;

use elman::batches::{Batch, Stream};
use elman::init;
use elman::loss::Reduction;
use elman::stack::{Architecture, Layer, Parameters, States};
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
    /// - `hidden`: the units of each layer
    pub(crate) fn new(vocabulary: Vocabulary, hidden: &[usize], rng: &mut impl Rng) -> Result<Self> {
        let parameters = init::torch_stack(architecture(&vocabulary, hidden), rng)?;
        Ok(Model { vocabulary, parameters })
    }

    /// The loss in bits per character, from the zero state, with every symbol predicted from all symbols before it.
    /// Reads one column in chunks; the result is bit-identical to reading it whole.
    #[expect(clippy::cast_precision_loss, reason = "a count of characters is far below 2⁵³")]
    pub(crate) fn bits_per_character(&self, symbols: &[usize]) -> Result<f64> {
        let mut chunks = Stream::new(symbols, 1, MEASURED_TOGETHER)?.epoch();
        let mut states = States::zeros(self.parameters.architecture(), 1);
        let (mut chunk, mut reader) = (Batch::default(), Reader::default());
        let (mut nats, mut count) = (0.0, 0);
        while chunks.next_into(&mut chunk) {
            reader.read(&self.parameters, &chunk, &mut states, Reduction::Sum, None)?;
            nats += f64::from(reader.loss.value);
            count += reader.loss.count;
        }
        Ok(nats / LN_2 / count as f64)
    }
}

/// Characters in, probabilities of characters out.
pub(crate) fn architecture(vocabulary: &Vocabulary, hidden: &[usize]) -> Architecture {
    let layers: Vec<_> = hidden.iter().copied().map(Layer::new).collect();
    Architecture::new(vocabulary.len(), layers, vocabulary.len())
}
