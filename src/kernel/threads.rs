//! Two halves of the same work, on two threads where there are two.

/// Threads that may take part: those of the pool that this call runs in.
pub(crate) fn available() -> usize {
    #[cfg(feature = "rayon")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "rayon"))]
    return 1;
}

/// Runs work that will join more than once on a thread of the pool: from outside, every join would be handed over, and
/// waited for, on its own.
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
