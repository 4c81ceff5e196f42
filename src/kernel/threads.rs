//! Splits work over the threads of the current pool.

#[cfg(feature = "rayon")]
use std::cell::Cell;
use std::ops::Range;

#[cfg(feature = "rayon")]
thread_local! {
    /// Whether work on this thread does not use other threads.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// The number of threads in the pool of this call; 1 in [`alone`].
pub(crate) fn available() -> usize {
    #[cfg(feature = "rayon")]
    return if ALONE.get() { 1 } else { rayon::current_num_threads() };
    #[cfg(not(feature = "rayon"))]
    return 1;
}

/// Runs work that joins several times on a thread of the pool. From outside the pool, each join would be a separate
/// hand-over with a wait.
///
/// On a thread of the pool this allocates nothing. From outside, rayon's queue allocates a block of memory now and then.
pub(crate) fn enter(threads: usize, work: impl FnOnce() + Send) {
    #[cfg(feature = "rayon")]
    if threads > 1 {
        return rayon::scope(|_| work());
    }
    let _ = threads;
    work();
}

/// Runs work that uses no other threads, because they have work of their own.
pub(crate) fn alone<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(feature = "rayon")]
    let _restored = {
        struct Restore(bool);
        impl Drop for Restore {
            fn drop(&mut self) {
                ALONE.set(self.0);
            }
        }
        Restore(ALONE.replace(true))
    };
    work()
}

/// Runs both, in parallel if a thread is free.
pub(crate) fn join(left: impl FnOnce() + Send, right: impl FnOnce() + Send) {
    #[cfg(feature = "rayon")]
    rayon::join(left, right);
    #[cfg(not(feature = "rayon"))]
    {
        left();
        right();
    }
}

/// Splits work into one segment for each of `parts`, and runs the segments in parallel where threads are free.
///
/// - `split`: splits the work for a range of segments before segment `middle`
/// - `run`: runs the work of one segment
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
