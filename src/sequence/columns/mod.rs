//! The passes over packed rows: for ragged and reversed batches, and for several threads.
//!
//! Columns do not depend on each other, so every thread takes some of them. For a block of positions it copies the rows of
//! its columns together, without the steps that a column does not have (*gather*), computes on these packed rows, and
//! copies the results to their places (*scatter*). [`Schedule`](super::schedule::Schedule) says which rows there are.

mod backward;
mod forward;

pub(super) use backward::{Workspace as BackwardWorkspace, backward};
pub(super) use forward::{Workspace as ForwardWorkspace, forward};

use super::schedule::Run;

/// The rows of some runs together.
fn rows(runs: &[Run]) -> usize {
    runs.iter().map(Run::rows).sum()
}
