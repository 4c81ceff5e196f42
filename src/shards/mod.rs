//! Data-parallel training: the gradient of a batch in V shards, with the same bits for any number of workers.
//!
//! A global batch of m columns is cut into V shards of consecutive columns. The gradient of each shard is computed on its
//! own, and the V gradients are added on one fixed binary tree:
//!
//! ```text
//! sum(v … v)   = gradient of shard v
//! sum(v … w−1) = sum(v … u−1) + sum(u … w−1)        u = v + the largest power of two below w − v
//! ```
//!
//! For V = 6 this is ((0 + 1) + (2 + 3)) + (4 + 5). The loss, its count and the number of correct labels are added on the same
//! tree. V is part of a run, as the seed is: another V gives other bits. The number of threads, processes or machines is not:
//! any number gives the same bits, also where it does not divide V, and also after a restart with another number. With V = 1
//! the result is that of the plain pass.
//!
//! - [`Shards`] is the rule: V, the columns of each shard, and the shards of each worker.
//! - [`Sum`] computes: it runs the shards on the threads of the rayon pool, and adds their [`Part`]s.
//! - [`Exchange`] carries parts between workers, for example processes on several machines. The package `mpi` in this
//!   crate's repository implements it on MPI.
//!
//! # The mean over the batch
//!
//! A shard does not know how many elements of the other shards count, so [`Reduction::Mean`](crate::loss::Reduction::Mean) in
//! a shard is the mean over that shard. The mean over the batch is
//!
//! - [`Reduction::Scaled`](crate::loss::Reduction::Scaled)(1/N) in each shard, where the number N of the batch's elements is
//!   known before: it is a fact of the data, such as the sum of all lengths. With V = 1 this is bit-identical to `Mean`;
//! - else `Sum` in each shard, and [`Part::scale`] of the total by 1/[`count`](Part::count).
//!
//! # What a shard must not depend on
//!
//! The gradient of a shard may depend only on the parameters, on its own columns and on the batch as a whole, and not on the
//! worker. Three things follow:
//!
//! - Random numbers: give each column its own. For [`Dropout`](crate::Dropout), number the columns as in the global batch:
//!   `dropout.columns(&shards.column_numbers(shard, m))`.
//! - Data: read the columns `shards.columns(shard, m)` of the global batch.
//!   [`Stream::columns`](crate::batches::Stream::columns) reads some columns of a stream. [`buckets`](crate::batches::buckets)
//!   with the same seed gives every worker the same batches.
//! - State that is carried from batch to batch, such as the hidden state, belongs to a shard, not to a worker.
//!
//! # Cost
//!
//! One copy and one addition for each parameter and shard. A worker with one thread holds at most ⌈log₂ V⌉ + 1 gradients at a
//! time besides the one that is being computed; t threads hold at most t times as many. A shard of few columns is computed
//! less efficiently than a large batch: `cargo bench --bench shards` measures it.

mod exchange;
mod part;
mod sum;

pub use exchange::{Alone, Exchange, Worker};
pub use part::Part;
pub use sum::Sum;

use std::ops::Range;

use crate::Error;
use crate::error::check_count;
use crate::layout::share;

/// The number of shards, V, and what follows from it.
///
/// # Examples
///
/// ```
/// use elman::shards::Shards;
///
/// let shards = Shards::new(6)?;
/// assert_eq!(shards.columns(0, 32), 0..6, "32 columns are 6 + 6 + 5 + 5 + 5 + 5");
/// assert_eq!(shards.columns(5, 32), 27..32);
/// assert_eq!(shards.of_worker(0, 4), 0..2, "6 shards on 4 workers are 2 + 2 + 1 + 1");
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shards {
    count: usize,
}

impl Shards {
    /// Makes the rule for V shards.
    ///
    /// - `count`: V, at least 1
    ///
    /// # Errors
    /// [`Error::Range`] where `count == 0`.
    pub fn new(count: usize) -> Result<Self, Error> {
        check_count("count", count, "at least 1", count > 0)?;
        Ok(Shards { count })
    }

    /// The number of shards, V.
    #[must_use]
    pub fn count(self) -> usize {
        self.count
    }

    /// The columns of a shard in a global batch of m columns. The numbers of columns of two shards differ by one at most, and
    /// larger shards come first. Where m is below V, the last shards have no columns.
    ///
    /// - `shard`: below V; a larger one has no columns
    #[must_use]
    pub fn columns(self, shard: usize, m: usize) -> Range<usize> {
        share(m, self.count, shard)
    }

    /// The numbers of a shard's columns, for [`Dropout::columns`](crate::Dropout::columns).
    #[must_use]
    pub fn column_numbers(self, shard: usize, m: usize) -> Vec<u64> {
        self.columns(shard, m).map(|column| column as u64).collect()
    }

    /// The shards of a worker: consecutive ones. The numbers of shards of two workers differ by one at most. Workers beyond
    /// V have none.
    ///
    /// - `worker`: below `workers`; a larger one has no shards
    #[must_use]
    pub fn of_worker(self, worker: usize, workers: usize) -> Range<usize> {
        share(self.count, workers, worker)
    }

    /// All shards: the root of the tree.
    fn all(self) -> Range<usize> {
        0..self.count
    }
}

/// Returns where a node of the tree splits into two: after the largest power of two below its length, which is at least 2.
///
/// This is the whole definition of the tree. Every node that begins at a multiple of 2ᵏ and has 2ᵏ shards has the same inner
/// tree, whatever V is.
fn middle(node: &Range<usize>) -> usize {
    node.start + (1 << (node.len() - 1).ilog2())
}
