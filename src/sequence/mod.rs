//! The cell unrolled over time, and back-propagation through time.
//!
//! ```text
//! forward, t = 0 … T_x−1                         backward, t = T_x−1 … 0
//! z_t      = ba + Wax·x_t + Waa·a_{t−1}          dlogits_t = dlogits_t + y_t·(dy_t − Σ dy_t·y_t)
//! a_t      = tanh(z_t)                           da        = Waaᵀ·dz_{t+1}      (last_hidden at T_x−1)
//! logits_t = by + Wya·a_t                        dz_t      = (da + da_t + Wyaᵀ·dlogits_t) · (1 − a_t²)
//! y_t      = softmax(logits_t)                   dx_t      = Waxᵀ·dz_t          da0 = Waaᵀ·dz_0
//!                                                dWax     += dz_t·x_tᵀ          dba += Σ dz_t
//!                                                dWaa     += dz_t·a_{t−1}ᵀ
//!                                                dWya     += dlogits_t·a_tᵀ     dby += Σ dlogits_t
//! ```
//!
//! A sequence may be cut in chunks, forward by handing on `last_hidden`, backward by handing `da0` back; the bits are
//! those of the whole.
//!
//! [`Input`] says how a sequence is read: as vectors or tokens, with columns of different lengths, forward or backward in
//! time. Where columns have ended, or time is reversed, a sum over steps and columns still runs from the step that is
//! computed last to the first, columns ascending.
//!
//! [`Truncated`] cuts gradients of a long sequence off, [`Checkpointed`] does not.
//!
//! # Memory
//!
//! In elements, with ⌈n⌉ for n rounded up to a multiple of 16; b rows are worked on together: all m·`T_x`, or whole steps
//! up to 512 rows and at least one.
//!
//! | | |
//! |---|---|
//! | [`Cache`] | `n_x`·m·`T_x` + `n_a`·m·(`T_x` + 1) + 2·`n_y`·m·`T_x`, and m lengths |
//! | [`Backward`] | one for each parameter, `n_x`·m·`T_x` for `dx`, `n_a`·m for `da0` |
//! | weights, packed | forward ⌈`n_a`⌉·(`n_x` + `n_a`) + ⌈`n_y`⌉·`n_a`, backward ⌈`n_x`⌉·`n_a` + ⌈`n_a`⌉·(`n_a` + `n_y`) |
//! | one block | 2·`n_a`·b + `n_y`·b + ⌈`n_x`⌉·b + ⌈`n_a`⌉·(b + m) |
//!
//! [`forward`] and [`backward`] free packed weights and block when they return, so there is one packed copy at a
//! time. [`forward_into`] and [`backward_into`] keep theirs, one each, for the next call. Gradients that come in in another
//! order than time-major, or at the probabilities, take up to 2·`n_y`·b more. Of tokens, there is one `usize` in the place of
//! `n_x` elements of x, and none of `dx`. Ragged or reversed batches, and all that run on several threads, copy a block's
//! rows together: (`n_x` + `n_a` + 2·`n_y`)·b for each thread and 2·`n_a`·m forward, (`n_x` + `n_a` + 3·`n_y` + ⌈`n_a`⌉)·b + `n_a`·m and three
//! indices for each row backward.
//!
//! Sources: J. L. Elman, *Finding Structure in Time*, Cognitive Science 14 (1990) 179–211;
//! P. J. Werbos, *Backpropagation through time*, Proceedings of the IEEE 78 (1990) 1550–1560.

mod backward;
mod block;
mod cache;
mod checkpointed;
mod columns;
mod extent;
mod forward;
mod initial_state;
mod input;
mod schedule;
mod truncated;

pub use backward::{Backward, backward, backward_into};
pub use cache::Cache;
pub use checkpointed::{Checkpointed, Segment};
pub use forward::{forward, forward_into};
pub use initial_state::InitialState;
pub use input::Input;
pub use truncated::{Truncated, Window};

use crate::Dims;
use crate::kernel::threads;
use crate::layout::product;
use extent::Extent;

/// Rows (steps · columns) that are worked on together: large enough that weights are read for many rows at a time, small
/// enough that the rows stay in cache from one product to the next.
const BLOCK_ROWS: usize = 512;

/// Multiply-adds that are worth a thread: tens of microseconds, as long as a sleeping one takes to wake up
/// (`cargo bench --bench threads`).
const MIN_WORK_PER_THREAD: usize = 1 << 20;

/// Columns that are worth a thread: one column alone reads all the weights for a single row.
const MIN_COLUMNS_PER_THREAD: usize = 2;

/// Steps of m columns that are worked on together.
fn block_steps(m: usize) -> usize {
    (BLOCK_ROWS / m.max(1)).max(1)
}

/// Threads for so many steps, those of all m columns together.
fn threads_for(Dims { n_x, n_a, n_y }: Dims, steps: usize, m: usize) -> usize {
    let work = product([steps, n_a, n_x.saturating_add(n_a).saturating_add(n_y)]);
    let useful = (work / MIN_WORK_PER_THREAD).min(m / MIN_COLUMNS_PER_THREAD);
    if useful <= 1 { 1 } else { useful.min(threads::available()) }
}
