//! Two halves of the same work, on two threads where there are two.

use std::ops::Range;

/// Threads that may take part: those of the pool that this call runs in.
pub(crate) fn available() -> usize {
    #[cfg(feature = "rayon")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "rayon"))]
    return 1;
}

/// Runs work that will join more than once on a thread of the pool. From outside, every join would be handed over, and
/// waited for, on its own.
///
/// On a thread of the pool this allocates nothing. From outside, rayon's queue takes a block of memory now and then.
pub(crate) fn enter(threads: usize, work: impl FnOnce() + Send) {
    #[cfg(feature = "rayon")]
    if threads > 1 {
        return rayon::scope(|_| work());
    }
    let _ = threads;
    work();
}

/// Runs both, side by side if a thread is free.
pub(crate) fn join(left: impl FnOnce() + Send, right: impl FnOnce() + Send) {
    #[cfg(feature = "rayon")]
    rayon::join(left, right);
    #[cfg(not(feature = "rayon"))]
    {
        left();
        right();
    }
}

/// Cuts work into one piece for each of `parts`, and runs the pieces side by side where threads are free.
///
/// - `split`: cuts the work for some parts in two, before part `middle`
/// - `run`: runs the work of one part
pub(crate) fn run_parts<W: Send>(
    work: W,
    parts: Range<usize>,
    split: &(impl Fn(W, Range<usize>, usize) -> (W, W) + Sync),
    run: &(impl Fn(W) + Sync),
) {
    if parts.len() <= 1 {
        return run(work);
    }
    let middle = parts.start.midpoint(parts.end);
    let (left, right) = split(work, parts.clone(), middle);
    join(|| run_parts(left, parts.start..middle, split, run), || run_parts(right, middle..parts.end, split, run));
}
