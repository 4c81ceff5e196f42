use ndarray::{ArrayRef2, ArrayView3, ArrayViewMut3, Axis};

use super::schedule::{Run, Schedule};
use super::{Cache, Input, block_steps, threads_for};
use crate::error::check_shape;
use crate::kernel::{Epilogue, Start, product, softmax, threads};
use crate::layout::{copy_time_major, fit, time_major, time_major_mut};
use crate::weights::Weights;
use crate::{Dims, Error, Parameters, Scalar};

/// What a forward pass is computed with.
#[derive(Debug, Clone)]
pub(super) struct Workspace<A> {
    weights: Weights<A>,
    /// Where a thread's columns begin, and where the last one's end.
    bounds: Vec<usize>,
    /// One for each thread.
    packed: Vec<Packed<A>>,
}

impl<A> Default for Workspace<A> {
    fn default() -> Self {
        Workspace { weights: Weights::default(), bounds: Vec::new(), packed: Vec::new() }
    }
}

/// Some columns of a block of steps, without the steps that are not theirs.
#[derive(Debug, Clone, Default)]
struct Packed<A> {
    cuts: Vec<usize>,
    runs: Vec<Run>,
    x: Vec<A>,
    tokens: Vec<usize>,
    /// The state before a run, of the columns that are active in it.
    a_prev: Vec<A>,
    a: Vec<A>,
    logits: Vec<A>,
    output: Vec<A>,
}

/// Runs a sequence from the hidden state `a0`.
///
/// - `x`: (`n_x`, m, `T_x`), any array or view; or an [`Input`] of tokens, of columns of different lengths, or reversed
/// - `a0`: (`n_a`, m)
/// - result: hidden (`n_a`, m, `T_x`), logits and output (`n_y`, m, `T_x`)
///
/// # Errors
/// [`Error::Shape`] where `x.dim().0 != n_x`, `a0.dim() != (n_a, m)` or `lengths.len() != m`; [`Error::Token`] where a token
/// is not below `n_x`; [`Error::Length`] where a length is above `T_x`.
///
/// ```
/// use elman::{sequence, Dims, Parameters};
/// use ndarray::{Array2, Array3};
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let cache = sequence::forward(&p, &Array3::ones((3, 10, 4)), &Array2::zeros((5, 10)))?;
/// assert_eq!(cache.hidden().dim(), (5, 10, 4));
/// assert_eq!(cache.output()[[1, 9, 3]], 0.5);
/// # Ok::<(), elman::Error>(())
/// ```
pub fn forward<'a, A: Scalar>(
    parameters: &Parameters<A>,
    x: impl Into<Input<'a, A>>,
    a0: &ArrayRef2<A>,
) -> Result<Cache<A>, Error> {
    let mut cache = Cache::default();
    forward_into(parameters, x, a0, &mut cache)?;
    cache.workspace = Workspace::default();
    Ok(cache)
}

/// [`forward`] into a cache, whose memory is reused and whose contents are overwritten.
///
/// # Errors
/// As [`forward`]; the cache stays as it was.
pub fn forward_into<'a, A: Scalar>(
    parameters: &Parameters<A>,
    x: impl Into<Input<'a, A>>,
    a0: &ArrayRef2<A>,
    cache: &mut Cache<A>,
) -> Result<(), Error> {
    A::forward(parameters, x.into(), a0, cache)
}

/// What [`forward_into`] runs.
pub(super) fn pass<A: Scalar>(
    parameters: &Parameters<A>,
    input: Input<A>,
    a0: &ArrayRef2<A>,
    cache: &mut Cache<A>,
) -> Result<(), Error> {
    let dims = parameters.dims();
    let Dims { n_x, n_a, n_y } = dims;
    let (m, t_x) = input.check(dims)?;
    check_shape("a0", a0, [n_a, m])?;

    cache.take(dims, m, t_x, input);
    copy_time_major(&mut cache.states[..n_a * m], a0);
    cache.workspace.weights.pack_forward(parameters, cache.tokens.is_some());
    let schedule = Schedule { t_x, lengths: &cache.lengths, reversed: cache.reversed };
    let threads = threads_for(schedule.steps() * n_a * (n_x + n_a + n_y), m);
    if threads == 1 && schedule.is_plain() {
        in_place(parameters, cache);
        return Ok(());
    }

    let Workspace { weights, bounds, packed } = &mut cache.workspace;
    schedule.share(threads, bounds);
    packed.resize_with(threads.max(packed.len()), Packed::default);
    fit(&mut cache.last, n_a * m);
    cache.last.copy_from_slice(&cache.states[..n_a * m]);
    let (_, hidden) = cache.states.split_at_mut(n_a * m);
    let columns = Columns {
        schedule,
        x: match &cache.tokens {
            Some(tokens) => X::Tokens(time_major(1, m, t_x, tokens)),
            None => X::Vectors(time_major(n_x, m, t_x, &cache.x)),
        },
        hidden: time_major_mut(n_a, m, t_x, hidden),
        logits: time_major_mut(n_y, m, t_x, &mut cache.logits),
        output: time_major_mut(n_y, m, t_x, &mut cache.output),
        last: &mut cache.last,
    };
    threads::enter(threads, || columns.split(bounds, packed, parameters, weights));
    Ok(())
}

/// The whole batch through all of time, where it lies.
fn in_place<A: Scalar>(p: &Parameters<A>, cache: &mut Cache<A>) {
    let Cache { m, t_x, .. } = *cache;
    let Dims { n_x, n_a, n_y } = p.dims();
    let weights = &cache.workspace.weights;
    let steps = block_steps(m);
    for first in (0..t_x).step_by(steps) {
        let block = first..t_x.min(first + steps);
        let of = |n: usize| block.start * m * n..block.end * m * n;
        let (before, a) = cache.states.split_at_mut((first + 1) * m * n_a);
        let a = &mut a[..block.len() * m * n_a];
        match &cache.tokens {
            Some(tokens) => weights.look_up(a, p.ba_slice(), &tokens[of(1)]),
            None => product(a, Start::Bias(p.ba_slice()), &cache.x[of(n_x)], &weights.wax, Epilogue::Store),
        }
        recur(a, &before[first * m * n_a..], weights);
        head(&mut cache.logits[of(n_y)], &mut cache.output[of(n_y)], a, p, weights);
    }
}

/// a ← tanh(a + Waa·`a_prev`), step by step; what comes in holds ba + Wax·x.
fn recur<'a, A: Scalar>(a: &'a mut [A], mut a_prev: &'a [A], weights: &Weights<A>) {
    for a_next in a.chunks_exact_mut(a_prev.len().max(1)) {
        product(a_next, Start::Present, a_prev, &weights.waa, Epilogue::Tanh);
        a_prev = a_next;
    }
}

/// logits ← by + Wya·a, output ← softmax(logits)
fn head<A: Scalar>(logits: &mut [A], output: &mut [A], a: &[A], p: &Parameters<A>, weights: &Weights<A>) {
    product(logits, Start::Bias(p.by_slice()), a, &weights.wya, Epilogue::Store);
    softmax(output, logits, p.dims().n_y);
}

/// Some of the batch's columns, through all of time: (`T_x`, columns, n) each.
struct Columns<'a, A> {
    schedule: Schedule<'a>,
    x: X<'a, A>,
    hidden: ArrayViewMut3<'a, A>,
    logits: ArrayViewMut3<'a, A>,
    output: ArrayViewMut3<'a, A>,
    /// The latest state of every column, (columns, `n_a`): before its first step `a0`.
    last: &'a mut [A],
}

enum X<'a, A> {
    Vectors(ArrayView3<'a, A>),
    Tokens(ArrayView3<'a, usize>),
}

impl<A: Scalar> Columns<'_, A> {
    /// Columns do not know of each other, so every thread takes some through all of time.
    fn split(self, bounds: &[usize], packed: &mut [Packed<A>], p: &Parameters<A>, weights: &Weights<A>) {
        let threads = bounds.len() - 1;
        if threads == 1 {
            return self.run(&mut packed[0], p, weights);
        }
        let few = threads / 2;
        let column = bounds[few] - bounds[0];
        let (x0, x1) = match self.x {
            X::Vectors(x) => {
                let (x0, x1) = x.split_at(Axis(1), column);
                (X::Vectors(x0), X::Vectors(x1))
            }
            X::Tokens(ids) => {
                let (ids0, ids1) = ids.split_at(Axis(1), column);
                (X::Tokens(ids0), X::Tokens(ids1))
            }
        };
        let (hidden0, hidden1) = self.hidden.split_at(Axis(1), column);
        let (logits0, logits1) = self.logits.split_at(Axis(1), column);
        let (output0, output1) = self.output.split_at(Axis(1), column);
        let (last0, last1) = self.last.split_at_mut(column * p.dims().n_a);
        let (schedule0, schedule1) = (self.schedule.part(..column), self.schedule.part(column..));
        let (packed0, packed1) = packed.split_at_mut(few);
        let first =
            Columns { schedule: schedule0, x: x0, hidden: hidden0, logits: logits0, output: output0, last: last0 };
        let rest =
            Columns { schedule: schedule1, x: x1, hidden: hidden1, logits: logits1, output: output1, last: last1 };
        threads::join(
            || first.split(&bounds[..=few], packed0, p, weights),
            || rest.split(&bounds[few..], packed1, p, weights),
        );
    }

    /// Block by block: packed, computed, and put where it belongs.
    fn run(mut self, packed: &mut Packed<A>, p: &Parameters<A>, weights: &Weights<A>) {
        let Dims { n_x, n_a, n_y } = p.dims();
        let schedule = self.schedule;
        let Packed { cuts, runs, x, tokens, a_prev, a, logits, output } = packed;
        for sequence in [&mut self.hidden, &mut self.logits, &mut self.output] {
            schedule.fill_padding(sequence, A::zero());
        }
        schedule.cut(cuts);
        for block in cuts.windows(2) {
            runs.clear();
            runs.extend(schedule.runs(block[0]..block[1]));
            let rows = runs.iter().map(Run::rows).sum::<usize>();
            fit(a, rows * n_a);
            match &self.x {
                X::Vectors(sequence) => {
                    fit(x, rows * n_x);
                    schedule.gather(runs, sequence, x);
                    product(a, Start::Bias(p.ba_slice()), x, &weights.wax, Epilogue::Store);
                }
                X::Tokens(sequence) => {
                    fit(tokens, rows);
                    schedule.gather(runs, sequence, tokens);
                    weights.look_up(a, p.ba_slice(), &*tokens);
                }
            }

            let mut rest = &mut a[..];
            for run in &*runs {
                let (a, later) = rest.split_at_mut(run.rows() * n_a);
                rest = later;
                fit(a_prev, run.width * n_a);
                schedule.gather_step(run, self.last, a_prev);
                recur(a, a_prev, weights);
                schedule.scatter_step(run, &a[a.len() - a_prev.len()..], self.last);
            }

            fit(logits, rows * n_y);
            fit(output, rows * n_y);
            head(logits, output, a, p, weights);
            schedule.scatter(runs, a, &mut self.hidden);
            schedule.scatter(runs, logits, &mut self.logits);
            schedule.scatter(runs, output, &mut self.output);
        }
    }
}
