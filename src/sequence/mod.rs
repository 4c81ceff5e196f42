//! The cell unrolled over time, and back-propagation through time.
//!
//! ```text
//! forward, t = 0 … T_x−1                         backward, t = T_x−1 … 0
//! z_t      = ba + Wax·x_t + Waa·a_{t−1}          dlogits_t = dlogits_t + y_t·(dy_t − Σ dy_t·y_t)
//! a_t      = φ(z_t)                              da        = Waaᵀ·dz_{t+1}      (last_hidden at T_x−1)
//! logits_t = by + Wya·a_t                        dz_t      = (da + da_t + Wyaᵀ·dlogits_t) · φ′(a_t)
//! y_t      = softmax(logits_t)                   dx_t      = Waxᵀ·dz_t          da0 = Waaᵀ·dz_0
//!                                                dWax     += dz_t·x_tᵀ          dba += Σ dz_t
//!                                                dWaa     += dz_t·a_{t−1}ᵀ
//!                                                dWya     += dlogits_t·a_tᵀ     dby += Σ dlogits_t
//! ```
//!
//! You can split a sequence into chunks. The forward pass takes `last_hidden` of the previous chunk as `a0`. The backward
//! pass takes `da0` of the next chunk as `last_hidden`. The result is bit-identical to that of the whole sequence.
//!
//! [`Input`] says how to read a sequence: as vectors or token ids, with columns of different lengths, forward or backward in
//! time. A sum over steps and columns always runs from the last computed step to the first, columns ascending. This also
//! holds where columns have ended or time is reversed.
//!
//! With [`Dropout`](crate::Dropout), Wax reads mx ⊙ x\_t and Waa reads ma ⊙ a\_{t−1}. Their gradients pass through the same
//! masks.
//!
//! For a long sequence, [`Truncated`] truncates gradients. [`Checkpointed`] computes exact gradients. For a live stream,
//! [`Sliding`] truncates gradients at each step.
//!
//! # Memory
//!
//! The table counts elements. pad(n) is n rounded up to a multiple of 16. b is the number of rows in a block: all m·`T_x` rows,
//! or whole steps up to 512 rows and at least one step.
//!
//! | | |
//! |---|---|
//! | [`Cache`] | `n_x`·m·`T_x` + `n_a`·m·(`T_x` + 1) + 2·`n_y`·m·`T_x`, and m lengths |
//! | [`Backward`] | one for each parameter, `n_x`·m·`T_x` for `dx`, `n_a`·m for `da0` |
//! | packed weights | `n_a` + `n_y`, and forward pad(`n_a`)·(`n_x` + `n_a`) + pad(`n_y`)·`n_a`, backward pad(`n_x`)·`n_a` + pad(`n_a`)·(`n_a` + `n_y`) |
//! | one block | 2·`n_a`·b + `n_y`·b + pad(`n_x`)·b + pad(`n_a`)·(b + m) |
//!
//! - [`forward`] and [`backward`] free the packed weights and the block when they return, so there is one packed copy at a
//!   time. [`forward_into`] and [`backward_into`] keep theirs, one each, for the next call. They pack again only where the
//!   parameters have changed. A backward pass over up to four rows packs nothing. A forward pass of one step and up to four
//!   columns packs only where it reads the same parameters again.
//! - Upstream gradients that are not time-major, or that are gradients of the probabilities, take up to 2·`n_y`·b more.
//! - Token ids take one `usize` instead of `n_x` elements of x, and have no `dx`.
//! - [`Dropout`](crate::Dropout) of the inputs takes `n_x`·m·`T_x` more (for token ids m·`T_x`), and of the states
//!   `n_a`·m·`T_x` and pad(`n_a`)·b. Its masks take one byte for each column and unit.
//! - Ragged batches, reversed batches and passes on several threads copy a block's rows together. Forward, this takes
//!   (`n_x` + `n_a` + 2·`n_y`)·b for each thread and 2·`n_a`·m. Backward, it takes
//!   (`n_x` + `n_a` + 3·`n_y` + pad(`n_a`))·b + `n_a`·m and three indices for each row.
//!
//! Sources: J. L. Elman, *Finding Structure in Time*, Cognitive Science 14 (1990) 179–211;
//! P. J. Werbos, *Backpropagation through time*, Proceedings of the IEEE 78 (1990) 1550–1560.

mod backward;
mod block;
mod cache;
mod checkpointed;
mod columns;
mod extent;
mod footprint;
mod forward;
mod initial_state;
mod input;
mod masks;
mod recurrent;
mod schedule;
mod sliding;
mod truncated;

pub use backward::{Backward, backward, backward_into};
pub use cache::Cache;
pub use checkpointed::{Checkpointed, CheckpointedOf, Segment};
pub use forward::{forward, forward_into};
pub use initial_state::InitialState;
pub use input::Input;
pub use sliding::{Sliding, SlidingOf};
pub use truncated::{Truncated, TruncatedOf, Window};

pub(crate) use backward::{Workspace as BackwardWorkspace, run as run_backward};
pub(crate) use block::Results;
pub(crate) use cache::{Sources, last_steps};
pub(crate) use footprint::Footprint;
pub(crate) use forward::run as run_forward;
pub(crate) use recurrent::Recurrent;

use crate::Dims;
use crate::kernel::threads;
use crate::layout::product;
use extent::Extent;

/// The number of rows (steps · columns) in a block. It is large enough that each read of the weights serves many rows, and
/// small enough that the rows stay in the CPU cache from one product to the next.
const BLOCK_ROWS: usize = 512;

/// The number of multiply-adds that justify a thread. To wake sleeping threads for the two passes of a training step takes up
/// to 250 µs in a virtual machine (docs/kernel.md). Debug builds need less work, so that tests with small sizes reach several
/// threads. The bits do not depend on it.
const MIN_WORK_PER_THREAD: usize = if cfg!(debug_assertions) { 1 << 20 } else { 1 << 22 };

/// The number of columns that justify a thread: a single column reads all the weights for one row.
const MIN_COLUMNS_PER_THREAD: usize = 2;

/// Returns the number of steps of m columns in a block.
fn block_steps(m: usize) -> usize {
    (BLOCK_ROWS / m.max(1)).max(1)
}

/// Returns the number of threads for a pass. `steps` is the total over all m columns.
fn threads_for(Dims { n_x, n_a, n_y }: Dims, steps: usize, m: usize) -> usize {
    let work = product([steps, n_a, n_x.saturating_add(n_a).saturating_add(n_y)]);
    let useful = (work / MIN_WORK_PER_THREAD).min(m / MIN_COLUMNS_PER_THREAD);
    if useful <= 1 { 1 } else { useful.min(threads::available()) }
}
