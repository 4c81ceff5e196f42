//! The passes over gathered rows: for ragged and reversed batches, and for several threads.
//!
//! Columns are independent, so each thread computes some of them. For each block of positions, a thread copies the rows of
//! its columns into contiguous memory, without padding (*gather*). It computes on these gathered rows and copies the
//! results back (*scatter*). [`Schedule`](super::schedule::Schedule) lists the rows.

mod backward;
mod forward;

pub(super) use backward::{Workspace as BackwardWorkspace, backward};
pub(super) use forward::{Workspace as ForwardWorkspace, forward};

use super::schedule::Run;

/// The total number of rows in these runs.
fn rows(runs: &[Run]) -> usize {
    runs.iter().map(Run::rows).sum()
}
