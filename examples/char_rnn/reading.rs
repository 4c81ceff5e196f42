//! Reading batches of text, the hidden state carried from one to the next.

use elman::batches::Batch;
use elman::loss::{self, Loss, Reduction};
use elman::sequence::{self, Cache, Input};
use elman::{Error, Parameters};
use ndarray::Array2;

/// The forward pass over a batch and its loss, in memory that is reused.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) cache: Cache<f32>,
    pub(crate) loss: Loss<f32>,
}

impl Reader {
    /// Reads a batch, from `hidden` where it continues the batch before, and leaves the state behind it there.
    ///
    /// - `hidden`: (`n_a`, m)
    pub(crate) fn read(
        &mut self,
        parameters: &Parameters<f32>,
        batch: &Batch,
        hidden: &mut Array2<f32>,
        reduction: Reduction,
    ) -> Result<(), Error> {
        if batch.first {
            hidden.fill(0.0);
        }
        let input = Input::tokens(&batch.inputs).lengths(&batch.lengths);
        sequence::forward_into(parameters, input, &*hidden, &mut self.cache)?;
        hidden.assign(&self.cache.last_hidden());
        loss::cross_entropy_into(&self.cache, &batch.targets, reduction, &mut self.loss)
    }
}
