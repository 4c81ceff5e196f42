use super::masks::Drops;
use super::schedule::Run;
use super::{BLOCK_ROWS, block_steps, threads_for};
use crate::Dims;
use crate::layout::{Bytes, product};

/// The size of a pass: it determines the memory of the workspaces.
///
/// Each workspace computes an upper bound of its own size from an extent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(super) dims: Dims,
    pub(super) m: usize,
    /// The maximum number of steps of a column.
    pub(super) steps: usize,
    pub(super) reads: Reads,
    /// Whether the gradient of the input is computed.
    pub(super) dx: bool,
    pub(super) drops: Drops,
    /// All columns have all steps, and time runs forward.
    pub(super) plain: bool,
    /// All columns have all steps.
    pub(super) rectangular: bool,
    /// The maximum number of threads.
    pub(super) threads: usize,
}

/// What a pass reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// A copy of the caller's vectors.
    Vectors,
    /// A copy of the caller's token ids.
    Tokens,
    /// The vectors of another pass.
    Others,
}

impl Extent {
    /// The same for a pass that reads another one's hidden states.
    pub(crate) fn above(self) -> Self {
        Extent { reads: Reads::Others, dx: true, ..self }
    }

    pub(super) fn tokens(self) -> bool {
        self.reads == Reads::Tokens
    }

    /// The same pass with another number of steps.
    pub(super) fn with_steps(self, steps: usize) -> Self {
        let threads = threads_for(self.dims, product([self.m, steps]), self.m);
        Extent { steps, threads, ..self }
    }

    /// Whether the pass runs on the batch in place, without gathering rows.
    pub(super) fn is_in_place(self) -> bool {
        self.plain && self.threads == 1
    }

    /// The maximum number of rows in a block, over all threads.
    pub(super) fn rows_of_a_block(self) -> usize {
        let block = if self.is_in_place() { block_steps(self.m) * self.m } else { BLOCK_ROWS.max(self.m) };
        product([self.m, self.steps]).min(block)
    }

    /// The maximum number of columns of a thread. For ragged batches the shares depend on the lengths.
    pub(super) fn columns_of_a_thread(self) -> usize {
        if self.rectangular { self.m.div_ceil(self.threads) } else { self.m }
    }

    /// The maximum number of rows in a thread's block in the forward pass, where each thread has its own blocks.
    pub(super) fn rows_of_a_thread(self) -> usize {
        let columns = self.columns_of_a_thread();
        product([columns, self.steps]).min(BLOCK_ROWS.max(columns))
    }

    /// The maximum number of rows in a thread's share of a block in the backward pass, where threads share blocks.
    pub(super) fn rows_of_a_block_and_thread(self) -> usize {
        product([self.columns_of_a_thread(), self.steps]).min(self.rows_of_a_block())
    }

    /// The memory of the list of block boundaries. A block ends where the next position does not fit. It is then more than
    /// half full, or has a single position. The list doubles when it grows.
    pub(super) fn cuts(self) -> Bytes {
        let blocks = self.steps.min(product([self.m, self.steps]) / (BLOCK_ROWS / 2) + 1);
        Bytes::of_list::<usize>(blocks + 1) * 3
    }

    /// The memory of the list of runs in a block: one run if all columns have all steps. The list doubles when it grows.
    pub(super) fn runs(self) -> Bytes {
        let runs = if self.rectangular { 1 } else { self.steps.min(self.m + 1).min(BLOCK_ROWS) };
        Bytes::of_list::<Run>(runs) * 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_above_token_ids_reads_vectors_and_computes_their_gradient() {
        let drops = Drops { inputs: false, states: false };
        let dims = Dims { n_x: 3, n_a: 5, n_y: 2 };
        let reads = Reads::Tokens;
        let tokens =
            Extent { dims, m: 7, steps: 11, reads, dx: false, drops, plain: true, rectangular: true, threads: 1 };
        assert!(tokens.above().dx && !tokens.above().tokens());
    }
}
