//! Reads batches of text and carries the hidden state from one to the next.

use elman::batches::Batch;
use elman::loss::{self, Loss, Reduction};
use elman::sequence::{self, Cache, Input};
use elman::{Error, Parameters};
use ndarray::Array2;

/// The forward pass over a batch and its loss, in reused memory.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) cache: Cache<f32>,
    pub(crate) loss: Loss<f32>,
}

impl Reader {
    /// Reads a batch and writes the last hidden state to `hidden`. Starts from `hidden` if the batch continues the
    /// previous one, else from zero.
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
