use std::fmt::Display;
use std::io;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use elman::Scalar;
use elman::shards::{Part, Shards, Sum, Worker};
use mpi::Threading;
use mpi::datatype::Equivalence;
use mpi::environment::Universe;
use mpi::point_to_point::Status;
use mpi::request::{LocalScope, Request, scope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, Destination, Source};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::exchange::Messages;

/// The rank that joins the last node of the tree, reads and writes files, and prints.
const ROOT: usize = 0;

/// A waiting rank polls without a pause for this long, and sleeps between polls after it.
const POLLING: Duration = Duration::from_millis(1);
const PAUSE: Duration = Duration::from_micros(50);

/// The exit status of a rank that fails, as of a program that returns an error.
const FAILED: i32 = 1;

/// The reason why MPI did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// MPI was already started in this process.
    #[error("MPI was already started in this process")]
    Started,
    /// The MPI library cannot be used by one thread of a process with several threads.
    #[error("the MPI library does not support processes of several threads")]
    Threads,
    /// The signal handler was not installed.
    #[error("cannot listen for SIGTERM: {0}")]
    Signal(#[from] io::Error),
}

/// The processes that `mpirun` has started, seen from one of them.
pub struct Ranks {
    world: SimpleCommunicator,
    worker: Worker,
    limit: Duration,
    /// MPI ends when this is dropped.
    _universe: Universe,
}

impl Ranks {
    /// Starts MPI. Without `mpirun`, there is one rank. Only the calling thread may use the result.
    ///
    /// - `limit`: how long a rank waits for another one before it ends the run. It must be longer than a rank computes its
    ///   shards of a batch, measures the network or writes a checkpoint.
    ///
    /// When `mpirun` stops this process, because another rank has failed or the user has cancelled the run, the process
    /// prints so and exits.
    ///
    /// # Errors
    /// Where MPI was already started, supports no threads beside it, or SIGTERM cannot be listened for.
    pub fn start(limit: Duration) -> Result<Self, Error> {
        let (universe, threading) = mpi::initialize_with_threading(Threading::Funneled).ok_or(Error::Started)?;
        if threading < Threading::Funneled {
            return Err(Error::Threads);
        }
        let world = universe.world();
        let [index, count] = [world.rank(), world.size()].map(|number| usize::try_from(number).unwrap_or(0));
        let mut signals = Signals::new([SIGTERM])?;
        thread::spawn(move || {
            if signals.forever().next().is_some() {
                eprintln!(
                    "error: rank {index} of {count}: the run was stopped, because another rank has failed or the user has cancelled it"
                );
                low_level::exit(FAILED);
            }
        });
        Ok(Ranks { world, worker: Worker { index, count }, limit, _universe: universe })
    }

    /// The number of this rank, and how many there are.
    #[must_use]
    pub fn worker(&self) -> Worker {
        self.worker
    }

    /// Whether this rank is the one that reads and writes files, and prints.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.worker.index == ROOT
    }

    /// The shards of this rank.
    #[must_use]
    pub fn shards(&self, shards: Shards) -> Range<usize> {
        shards.of_worker(self.worker.index, self.worker.count)
    }

    /// Computes the sum over all shards, together with the other ranks: [`Sum::run_worker`]. Every rank calls it, with the same
    /// number of shards, and gets the same total. Where it fails on one rank, the run ends on all: [`Ranks::fail`].
    ///
    /// - `states`: one for each of this rank's [`shards`](Self::shards)
    /// - `compute`: as for [`Sum::run`]
    pub fn sum<'s, A: Scalar + Equivalence, W: Default + Send, S: Send>(
        &self,
        sum: &'s mut Sum<A, W>,
        shards: Shards,
        states: &mut [S],
        compute: impl Fn(usize, &mut S, &mut W, &mut Part<A>) -> Result<(), elman::Error> + Sync,
    ) -> &'s mut Part<A> {
        let mut outbox = Messages::outbox(shards, self.worker);
        let outbox = &mut outbox[..];
        scope(move |scope| {
            let mut messages = Messages::new(self, scope, outbox);
            let result = sum.run_worker(shards, self.worker, states, &mut messages, compute);
            let total = result.unwrap_or_else(|error| self.fail(&error));
            messages.finish();
            total
        })
    }

    /// Collects the values of all ranks on the root, rank by rank. The other ranks get `None`.
    ///
    /// - `own`: any number of values
    #[must_use]
    pub fn gather<A: Equivalence + Clone + Default>(&self, own: &[A]) -> Option<Vec<Vec<A>>> {
        if !self.is_root() {
            self.send_and_wait(ROOT, own);
            return None;
        }
        let mut all = vec![Vec::new(); self.worker.count];
        for (rank, values) in all.iter_mut().enumerate() {
            if rank == ROOT { values.extend_from_slice(own) } else { self.receive(rank, values) }
        }
        Some(all)
    }

    /// Gives the root's values to every rank.
    ///
    /// - `values`: overwritten on every rank but the root
    pub fn broadcast<A: Equivalence + Clone + Default>(&self, values: &mut Vec<A>) {
        if self.is_root() {
            (0..self.worker.count).filter(|&rank| rank != ROOT).for_each(|rank| self.send_and_wait(rank, values));
        } else {
            self.receive(ROOT, values);
        }
    }

    /// Ends the run on every rank, because of an error on this one.
    pub fn fail(&self, error: &dyn Display) -> ! {
        let Worker { index, count } = self.worker;
        eprintln!("error: rank {index} of {count}: {error}");
        self.world.abort(FAILED)
    }

    fn send_and_wait<A: Equivalence>(&self, to: usize, values: &[A]) {
        scope(|scope| self.wait(to, self.send(scope, to, values)));
    }

    /// Starts to send. The call does not wait.
    pub(crate) fn send<'s, 'a, A: Equivalence>(
        &self,
        scope: &'s LocalScope<'a>,
        to: usize,
        values: &'a [A],
    ) -> Request<'a, [A], &'s LocalScope<'a>> {
        self.process(to).immediate_send(scope, values)
    }

    /// Waits for the next message of a rank.
    pub(crate) fn receive<A: Equivalence + Clone + Default>(&self, from: usize, values: &mut Vec<A>) {
        let process = self.process(from);
        let status: Status = self.poll(from, || process.immediate_probe());
        let length = usize::try_from(status.count(A::equivalent_datatype())).unwrap_or(0);
        values.resize(length, A::default());
        let values = &mut values[..];
        scope(move |scope| self.wait(from, process.immediate_receive_into(scope, values)));
    }

    /// Waits until a message to or from a rank is complete.
    pub(crate) fn wait<'a, A>(&self, rank: usize, request: Request<'a, [A], &LocalScope<'a>>) {
        let mut request = Some(request);
        self.poll(rank, || match request.take()?.test() {
            Ok(status) => Some(status),
            Err(pending) => {
                request = Some(pending);
                None
            }
        });
    }

    /// Calls `ready` until it returns a value. Ends the run after the limit.
    fn poll<R>(&self, rank: usize, mut ready: impl FnMut() -> Option<R>) -> R {
        let start = Instant::now();
        loop {
            if let Some(result) = ready() {
                return result;
            }
            let waited = start.elapsed();
            if waited > self.limit {
                let seconds = self.limit.as_secs_f64();
                self.fail(&format_args!("waited for rank {rank} for longer than the limit of {seconds} s"));
            }
            if waited < POLLING { thread::yield_now() } else { thread::sleep(PAUSE) }
        }
    }

    fn process(&self, rank: usize) -> mpi::topology::Process<'_> {
        self.world.process_at_rank(mpi::Rank::try_from(rank).unwrap_or(mpi::Rank::MAX))
    }
}
