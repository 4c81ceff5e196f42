use super::Part;
use crate::Error;

/// One of the workers that compute a sum together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worker {
    /// The number of this worker, below `count`.
    pub index: usize,
    /// The number of workers.
    pub count: usize,
}

/// Carries parts from worker to worker. Implement it on any transport that keeps the order of messages between two workers.
///
/// [`Sum::run_worker`](super::Sum::run_worker) decides who sends what to whom. An implementation only delivers, and never
/// computes. A part is a gradient, a loss and two counts; all must arrive with the same bits.
pub trait Exchange<A> {
    /// The reason why a part was not delivered.
    type Error;

    /// Starts to send a part. It should not wait for the receiver, so that the worker goes on computing. `part` may change
    /// when the call returns.
    ///
    /// - `to`: another worker
    ///
    /// # Errors
    /// Where the part cannot be sent.
    fn send(&mut self, to: usize, part: &Part<A>) -> Result<(), Self::Error>;

    /// Waits for the next part from a worker, and overwrites `part` with it.
    ///
    /// - `from`: another worker
    ///
    /// # Errors
    /// Where the part does not arrive, for example because that worker has failed. An implementation should return an error
    /// rather than wait forever.
    fn receive(&mut self, from: usize, part: &mut Part<A>) -> Result<(), Self::Error>;
}

/// The exchange of a single worker, which sends nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl<A> Exchange<A> for Alone {
    type Error = Error;

    fn send(&mut self, _: usize, _: &Part<A>) -> Result<(), Error> {
        Ok(())
    }

    fn receive(&mut self, _: usize, _: &mut Part<A>) -> Result<(), Error> {
        Ok(())
    }
}
