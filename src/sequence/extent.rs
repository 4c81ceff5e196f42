use super::schedule::Run;
use super::{BLOCK_ROWS, block_steps, threads_for};
use crate::Dims;
use crate::layout::{Bytes, product};

/// How large a pass can be: what the memory of its workspaces depends on.
///
/// Each workspace states its own size for an extent, as an upper bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) dims: Dims,
    pub(super) m: usize,
    /// The most steps that a column has.
    pub(super) steps: usize,
    pub(super) tokens: bool,
    /// Every column has all steps, and time runs forward.
    pub(super) plain: bool,
    /// The columns have all steps.
    pub(super) rectangular: bool,
    /// The most threads that take part.
    pub(super) threads: usize,
}

impl Extent {
    /// A pass that is as large as this one, but for the steps.
    pub(super) fn with_steps(self, steps: usize) -> Self {
        let threads = threads_for(self.dims, product([self.m, steps]), self.m);
        Extent { steps, threads, ..self }
    }

    /// Whether the batch is computed where it lies, without a copy of its rows.
    pub(super) fn is_in_place(self) -> bool {
        self.plain && self.threads == 1
    }

    /// The most rows that are worked on together, of all threads.
    pub(super) fn rows_of_a_block(self) -> usize {
        let block = if self.is_in_place() { block_steps(self.m) * self.m } else { BLOCK_ROWS.max(self.m) };
        product([self.m, self.steps]).min(block)
    }

    /// The most columns that a thread has. How ragged columns are shared depends on their lengths.
    pub(super) fn columns_of_a_thread(self) -> usize {
        if self.rectangular { self.m.div_ceil(self.threads) } else { self.m }
    }

    /// The most rows that a thread works on together where every thread has blocks of its own: going forward.
    pub(super) fn rows_of_a_thread(self) -> usize {
        let columns = self.columns_of_a_thread();
        product([columns, self.steps]).min(BLOCK_ROWS.max(columns))
    }

    /// The most rows of a block that one thread works on where the threads share blocks: going backward.
    pub(super) fn rows_of_a_block_and_thread(self) -> usize {
        product([self.columns_of_a_thread(), self.steps]).min(self.rows_of_a_block())
    }

    /// The list of block boundaries. A block ends where no further position fits: it is more than half full, or has a
    /// single position. The list doubles when it grows.
    pub(super) fn cuts(self) -> Bytes {
        let blocks = self.steps.min(product([self.m, self.steps]) / (BLOCK_ROWS / 2) + 1);
        Bytes::of_list::<usize>(blocks + 1) * 3
    }

    /// The list of runs in a block: where every column has all steps, there is one. The list doubles when it grows.
    pub(super) fn runs(self) -> Bytes {
        let runs = if self.rectangular { 1 } else { self.steps.min(self.m + 1).min(BLOCK_ROWS) };
        Bytes::of_list::<Run>(runs) * 3
    }
}
