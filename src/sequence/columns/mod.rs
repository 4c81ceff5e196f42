//! The passes over gathered rows: for ragged and reversed batches, and for several threads.
//!
//! Columns are independent, so each thread computes some of them. For each block of positions, a thread copies the rows of
//! its columns into contiguous memory, without padding (*gather*). It computes on these gathered rows and copies the
//! results back (*scatter*). [`Schedule`](super::schedule::Schedule) lists the rows.

mod backward;
mod forward;

pub(super) use backward::{Workspace as BackwardWorkspace, backward};
pub(super) use forward::{Workspace as ForwardWorkspace, forward};

use super::schedule::{Run, Schedule};
use crate::layout::{fit, time_major};

/// The total number of rows in these runs.
fn rows(runs: &[Run]) -> usize {
    runs.iter().map(Run::rows).sum()
}

/// packed ← the rows of these runs, from a sequence (`T_x`, m, n)
fn gather<'p, T: Copy + Default>(
    schedule: Schedule,
    runs: &[Run],
    [m, n]: [usize; 2],
    sequence: &[T],
    packed: &'p mut Vec<T>,
) -> &'p [T] {
    fit(packed, rows(runs) * n);
    schedule.gather(runs, &time_major(n, m, schedule.t_x, sequence), packed);
    packed
}
