//! Reads batches of text and carries the hidden states from one to the next.

use elman::batches::Batch;
use elman::loss::{self, Loss, Reduction};
use elman::sequence::Input;
use elman::stack::{self, Cache, Parameters, States};
use elman::{Dropout, Error};

/// The forward pass over a batch and its loss, in reused memory.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) cache: Cache<f32>,
    pub(crate) loss: Loss<f32>,
}

impl Reader {
    /// Reads a batch and writes the last hidden states to `states`. Starts from `states` if the batch continues the
    /// previous one, else from zero.
    pub(crate) fn read(
        &mut self,
        parameters: &Parameters<f32>,
        batch: &Batch,
        states: &mut States<f32>,
        reduction: Reduction,
        dropout: Option<Dropout>,
    ) -> Result<(), Error> {
        let mut input = Input::tokens(&batch.inputs).lengths(&batch.lengths);
        if let Some(dropout) = dropout {
            input = input.dropout(dropout);
        }
        let start = if batch.first { None } else { Some(&*states) };
        stack::forward_into(parameters, input, start, &mut self.cache)?;
        *states = States::last(&self.cache);
        loss::cross_entropy_into(&self.cache, &batch.targets, reduction, &mut self.loss)
    }
}
