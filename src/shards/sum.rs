use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::{Alone, Exchange, Part, Shards, Worker, middle};
use crate::error::{check_count, check_len};
use crate::kernel::threads;
use crate::{Error, Scalar};

/// Computes the gradient of a batch: runs its shards, and adds their parts on the tree of the [module](super).
///
/// It owns memory that the next batch reuses: gradients, and a `W` for each thread, the memory of one shard's passes.
///
/// # Examples
///
/// Eight shards of 32 columns. The result does not depend on the number of threads:
///
/// ```
/// use elman::loss::{self, Loss, Reduction};
/// use elman::optim::{Adam, Optimizer, clip_norm};
/// use elman::shards::{Shards, Sum};
/// use elman::{Dims, Parameters, Upstream, sequence};
/// use ndarray::{Array2, Array3, s};
///
/// let mut p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let (x, targets) = (Array3::ones((3, 32, 10)), Array2::<usize>::zeros((32, 10)));
/// let (shards, mut adam) = (Shards::new(8)?, Adam::new(0.02));
///
/// type Memory = (sequence::Cache<f64>, Loss<f64>, sequence::Backward<f64>);
/// let mut sum = Sum::<f64, Memory>::default();
/// for _ in 0..3 {
///     let total = sum.run(shards, &mut [(); 8], |shard, (), (cache, loss, back), part| {
///         let columns = shards.columns(shard, 32);
///         sequence::forward_into(&p, &x.slice(s![.., columns.clone(), ..]), None, cache)?;
///         let mean = Reduction::Scaled(1.0 / 320.0); // over all shards
///         loss::cross_entropy_into(&*cache, &targets.slice(s![columns, ..]), mean, loss)?;
///         back.discard_gradients();
///         sequence::backward_into(&p, cache, Upstream::logits(&loss.dlogits), back)?;
///         part.set(back.gradients.as_slice(), loss);
///         Ok::<(), elman::Error>(())
///     })?;
///     clip_norm(&mut total.gradients, 1.0)?;
///     adam.step(p.as_mut_slice(), &total.gradients)?;
///     assert_eq!(total.count, 320);
/// }
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug)]
pub struct Sum<A, W> {
    total: Part<A>,
    free: Memory<A, W>,
}

/// Memory that no thread uses at the moment.
#[derive(Debug)]
struct Memory<A, W> {
    parts: Mutex<Vec<Part<A>>>,
    workspaces: Mutex<Vec<W>>,
}

impl<A: Scalar, W> Default for Sum<A, W> {
    fn default() -> Self {
        Sum { total: Part::default(), free: Memory { parts: Mutex::default(), workspaces: Mutex::default() } }
    }
}

impl<A: Scalar, W: Default + Send> Sum<A, W> {
    /// Computes the sum over all shards in this process, on the threads of the current rayon pool.
    ///
    /// - `states`: V elements, one for each shard: whatever a shard keeps from batch to batch, such as its hidden state
    /// - `compute`: computes one shard. It gets the shard's number, its state, the memory `W` of its thread, and the [`Part`]
    ///   to [`set`](Part::set). `W` has unspecified contents.
    /// - result: the total, which may be changed, for example clipped
    ///
    /// Where there are at least as many shards as threads, each shard runs on one thread. Otherwise, its passes use all
    /// threads.
    ///
    /// # Errors
    /// [`Error::Shape`] where `states.len() != V`, or where two shards have gradients of different lengths; else the error of
    /// the first shard that `compute` failed for.
    pub fn run<S: Send, E: From<Error> + Send>(
        &mut self,
        shards: Shards,
        states: &mut [S],
        compute: impl Fn(usize, &mut S, &mut W, &mut Part<A>) -> Result<(), E> + Sync,
    ) -> Result<&mut Part<A>, E> {
        self.run_worker(shards, Worker { index: 0, count: 1 }, states, &mut Alone, compute)
    }

    /// Computes the sum over all shards together with other workers. Each worker calls it with its own number. Each computes
    /// its own shards, adds what the tree allows, and sends the rest. In the end each has the same total.
    ///
    /// - `worker`: this worker, and how many there are
    /// - `states`: one for each of the worker's shards, [`Shards::of_worker`]
    /// - `exchange`: carries parts between the workers; [`Alone`] for a single one
    /// - `compute`, result: as for [`run`](Self::run)
    ///
    /// An error of one worker is not sent to the others, which wait for its part until `exchange` returns an error. End the
    /// whole run then.
    ///
    /// # Errors
    /// As [`run`](Self::run), with `states.len()` the number of the worker's shards; [`Error::Range`] where
    /// `worker.index >= worker.count`; and the errors of `exchange`.
    pub fn run_worker<S: Send, X: Exchange<A>, E: From<Error> + From<X::Error> + Send>(
        &mut self,
        shards: Shards,
        worker: Worker,
        states: &mut [S],
        exchange: &mut X,
        compute: impl Fn(usize, &mut S, &mut W, &mut Part<A>) -> Result<(), E> + Sync,
    ) -> Result<&mut Part<A>, E> {
        check_count("worker.index", worker.index, "below worker.count", worker.index < worker.count)?;
        let own = shards.of_worker(worker.index, worker.count);
        check_len("states", states, &["shards"], own.len())?;
        let threads = threads::available();
        let Sum { total, free } = self;
        let alone = threads > 1 && own.len() >= threads;
        let run = Run { shards, worker, own, compute: &compute, free, threads, alone };
        run.gather(shards.all(), states, total, exchange)?;
        run.spread(0..worker.count, total, exchange)?;
        Ok(total)
    }
}

/// One batch on one worker.
struct Run<'a, A, W, F> {
    shards: Shards,
    worker: Worker,
    /// The worker's shards.
    own: Range<usize>,
    compute: &'a F,
    free: &'a Memory<A, W>,
    threads: usize,
    /// Whether each shard runs on a single thread.
    alone: bool,
}

impl<A: Scalar, W: Default + Send, F> Run<'_, A, W, F> {
    /// Computes the sum of a node together with the other workers. The worker that has the node's first shard gets it, in
    /// `part`.
    ///
    /// A worker's own shards come before everything that it waits for, and whatever it sends goes to a worker before it. So no
    /// two workers wait for each other.
    ///
    /// - `states`: of the worker's shards in this node
    fn gather<S: Send, X: Exchange<A>, E: From<Error> + From<X::Error> + Send>(
        &self,
        node: Range<usize>,
        states: &mut [S],
        part: &mut Part<A>,
        exchange: &mut X,
    ) -> Result<(), E>
    where
        F: Fn(usize, &mut S, &mut W, &mut Part<A>) -> Result<(), E> + Sync,
    {
        if states.is_empty() {
            return Ok(());
        }
        if states.len() == node.len() {
            let mut result = Ok(());
            threads::enter(self.threads, || result = self.subtree(node, states, part));
            return result;
        }
        let middle = middle(&node);
        let (left, right) =
            states.split_at_mut(middle.clamp(self.own.start, self.own.end) - self.own.start.max(node.start));
        self.gather(node.start..middle, left, part, exchange)?;
        let mut later = self.free.part();
        self.gather(middle..node.end, right, &mut later, exchange)?;
        let [has_left, has_right] = [node.start, middle].map(|shard| self.own.contains(&shard));
        if has_left {
            if !has_right {
                exchange.receive(self.owner(middle), &mut later)?;
            }
            part.add(&later)?;
        } else if has_right {
            exchange.send(self.owner(node.start), &later)?;
        }
        self.free.put(later);
        Ok(())
    }

    /// Computes the sum of a node whose shards are all this worker's.
    fn subtree<S: Send, E: From<Error> + Send>(
        &self,
        node: Range<usize>,
        states: &mut [S],
        part: &mut Part<A>,
    ) -> Result<(), E>
    where
        F: Fn(usize, &mut S, &mut W, &mut Part<A>) -> Result<(), E> + Sync,
    {
        if let [state] = states {
            return self.leaf(node.start, state, part);
        }
        let middle = middle(&node);
        let (left, right) = states.split_at_mut(middle - node.start);
        let (mut later, mut results) = (self.free.part(), (Ok(()), Ok(())));
        threads::join(
            || results.0 = self.subtree(node.start..middle, left, part),
            || results.1 = self.subtree(middle..node.end, right, &mut later),
        );
        results.0?;
        results.1?;
        part.add(&later)?;
        self.free.put(later);
        Ok(())
    }

    fn leaf<S, E>(&self, shard: usize, state: &mut S, part: &mut Part<A>) -> Result<(), E>
    where
        F: Fn(usize, &mut S, &mut W, &mut Part<A>) -> Result<(), E>,
    {
        let mut workspace = take(&self.free.workspaces);
        part.clear();
        let mut compute = || (self.compute)(shard, state, &mut workspace, part);
        let result = if self.alone { threads::alone(compute) } else { compute() };
        put(&self.free.workspaces, workspace);
        result
    }

    /// Sends the total from the first of these workers to all others, on the same kind of tree.
    fn spread<X: Exchange<A>>(
        &self,
        workers: Range<usize>,
        total: &mut Part<A>,
        exchange: &mut X,
    ) -> Result<(), X::Error> {
        let own = self.worker.index;
        if workers.len() < 2 {
            return Ok(());
        }
        let middle = middle(&workers);
        if own == workers.start {
            exchange.send(middle, total)?;
        } else if own == middle {
            exchange.receive(workers.start, total)?;
        }
        let half = if own < middle { workers.start..middle } else { middle..workers.end };
        self.spread(half, total, exchange)
    }

    /// The worker that has a shard.
    fn owner(&self, shard: usize) -> usize {
        let mut workers = 0..self.worker.count;
        workers.find(|&worker| self.shards.of_worker(worker, self.worker.count).contains(&shard)).unwrap_or(0)
    }
}

impl<A: Scalar, W> Memory<A, W> {
    fn part(&self) -> Part<A> {
        take(&self.parts)
    }

    fn put(&self, part: Part<A>) {
        put(&self.parts, part);
    }
}

/// Takes free memory, or makes new memory.
fn take<T: Default>(free: &Mutex<Vec<T>>) -> T {
    free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
}

fn put<T>(free: &Mutex<Vec<T>>, memory: T) {
    free.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
}
