use ndarray::{ArrayViewMut3, Axis};

use super::{gather, rows};
use crate::cell::{Dropped, ForwardWeights, Head, Read, head, input_projection, recurrence};
use crate::dropout::{Mask, MaskRows};
use crate::kernel::{Dispatch, threads};
use crate::layout::{Bytes, fit, time_major, time_major_mut};
use crate::parameters::View;
use crate::sequence::cache::{Sources, input};
use crate::sequence::schedule::{Run, Schedule};
use crate::sequence::{Cache, Extent};
use crate::{Dims, Scalar};

/// The workspace of a forward pass.
#[derive(Debug, Clone)]
pub(in crate::sequence) struct Workspace<A> {
    /// The first column of each thread, then the end of the last thread's columns.
    bounds: Vec<usize>,
    /// One per thread.
    packed: Vec<Packed<A>>,
}

impl<A> Default for Workspace<A> {
    fn default() -> Self {
        Workspace { bounds: Vec::new(), packed: Vec::new() }
    }
}

impl<A: Scalar> Workspace<A> {
    /// An upper bound for the memory of a pass of this extent.
    pub(in crate::sequence) fn bytes(extent: Extent) -> Bytes {
        if extent.is_in_place() {
            return Bytes::default();
        }
        let words = Bytes::of_list::<usize>(2 * extent.threads) + Bytes::of_list::<Packed<A>>(extent.threads);
        words + Packed::<A>::bytes(extent) * extent.threads
    }
}

/// The gathered rows of some columns in a block of positions, without padding.
#[derive(Debug, Clone, Default)]
struct Packed<A> {
    cuts: Vec<usize>,
    runs: Vec<Run>,
    x: Vec<A>,
    tokens: Vec<usize>,
    /// The hidden state before a run, for the columns that are active in it.
    a_prev: Vec<A>,
    a: Vec<A>,
    logits: Vec<A>,
    output: Vec<A>,
    /// Whether dropout keeps a unit of a run's columns.
    kept: Vec<bool>,
    /// ma ⊙ `a_prev`; empty without dropout.
    dropped: Vec<A>,
}

impl<A: Scalar> Packed<A> {
    fn bytes(extent: Extent) -> Bytes {
        let Dims { n_x, n_a, n_y } = extent.dims;
        let (m, rows) = (extent.columns_of_a_thread(), extent.rows_of_a_thread());
        let x = if extent.tokens() { Bytes::of::<usize>([rows]) } else { Bytes::of::<A>([rows, n_x]) };
        let rows = x + Bytes::of::<A>([rows, n_a]) + Bytes::of::<A>([rows, n_y]) * 2;
        let dropped = Bytes::of::<A>([extent.rows_of_a_thread(), n_a]) + Mask::bytes(m, n_a);
        let dropped = dropped * usize::from(extent.drops.states);
        // A token's one-hot vector has one value.
        let values = Bytes::of::<A>([extent.rows_of_a_thread()]) * usize::from(extent.drops.inputs);
        let dropped = dropped + values;
        extent.cuts() + extent.runs() + rows + Bytes::of::<A>([m, n_a]) + dropped
    }
}

/// Runs the sequence in `cache`, starting from the states before the first step.
pub(in crate::sequence) fn forward<A: Scalar>(p: View<A>, cache: &mut Cache<A>, sources: Sources<A>, threads: usize) {
    let Cache { dims: Dims { n_a, n_y, .. }, m, t_x, .. } = *cache;
    let schedule = Schedule { t_x, lengths: &cache.lengths, first: 0, reversed: cache.reversed };
    let Workspace { bounds, packed } = &mut cache.workspace;
    let weights = &cache.weights.forward(p, [m, t_x]);
    schedule.share(threads, bounds);
    packed.resize_with(threads.max(packed.len()), Packed::default);
    let (a0, hidden) = cache.states.split_at_mut(n_a * m);
    fit(&mut cache.last, n_a * m);
    cache.last.copy_from_slice(a0);
    let (x, dropout) = cache.masks.forward(input(sources, cache.tokens.as_deref(), &cache.x));
    let (mask, a_prev) = dropout.map(|Dropped { mask, a_prev }| (mask, a_prev)).unzip();
    let a_prev = a_prev.map_or((0, Default::default()), |a_prev| (n_a, a_prev));
    let sequences = [(n_a, hidden), (n_y, &mut cache.logits), (n_y, &mut cache.output), a_prev]
        .map(|(n, flat)| time_major_mut(n, m, t_x, flat));
    let columns = Columns { schedule, sequences, last: &mut cache.last, packed };
    let pass = Pass { weights, x, partial: sources.logits, mask, m };
    threads::run_parts(
        columns,
        0..threads,
        &|columns: Columns<A>, parts, middle| {
            columns.split_at(bounds[middle] - bounds[parts.start], middle - parts.start)
        },
        &|columns: Columns<A>| pass.run(columns),
    );
}

/// The input of all threads.
struct Pass<'a, A> {
    weights: &'a ForwardWeights<'a, A>,
    /// The input of the whole batch, (`T_x`, m, `n_x`).
    x: Read<'a, A>,
    /// The other direction's share of the logits of the whole batch, (`T_x`, m, `n_y`).
    partial: Option<&'a [A]>,
    /// ma of the whole batch.
    mask: Option<MaskRows<'a, A>>,
    m: usize,
}

/// Some columns of the batch through all of time, and the memory for their results.
struct Columns<'a, A> {
    schedule: Schedule<'a>,
    /// Hidden states, logits, output and, with dropout, ma ⊙ `a_prev`: (`T_x`, columns, n).
    sequences: [ArrayViewMut3<'a, A>; 4],
    /// The latest state of each column, (columns, `n_a`); `a0` before its first step.
    last: &'a mut [A],
    /// One per thread.
    packed: &'a mut [Packed<A>],
}

impl<A> Columns<'_, A> {
    /// Splits off the first `column` columns for the first `thread` threads.
    fn split_at(self, column: usize, thread: usize) -> (Self, Self) {
        let n_a = self.sequences[0].len_of(Axis(2));
        let [hidden, logits, output, a_prev] = self.sequences.map(|sequence| sequence.split_at(Axis(1), column));
        let sequences0 = [hidden.0, logits.0, output.0, a_prev.0];
        let sequences1 = [hidden.1, logits.1, output.1, a_prev.1];
        let (last0, last1) = self.last.split_at_mut(column * n_a);
        let (packed0, packed1) = self.packed.split_at_mut(thread);
        let [schedule0, schedule1] = self.schedule.split_at(column);
        (
            Columns { schedule: schedule0, sequences: sequences0, last: last0, packed: packed0 },
            Columns { schedule: schedule1, sequences: sequences1, last: last1, packed: packed1 },
        )
    }
}

impl<A: Scalar> Pass<'_, A> {
    /// Runs block by block: gather, compute, scatter.
    fn run(&self, columns: Columns<A>) {
        let Columns { schedule, mut sequences, last, packed } = columns;
        let Packed { cuts, runs, x, tokens, a_prev, a, logits, output, kept, dropped } = &mut packed[0];
        let &Pass { weights, mask, m, .. } = self;
        let Dims { n_x, n_a, n_y } = weights.dims;
        for sequence in &mut sequences {
            schedule.fill_padding(sequence, A::zero());
        }
        schedule.cut(cuts);
        for block in cuts.windows(2) {
            schedule.list_runs(block[0]..block[1], runs);
            let rows = rows(runs);
            let x = match self.x {
                Read::Vectors(flat) => Read::Vectors(gather(schedule, runs, [m, n_x], flat, x)),
                Read::Tokens(flat) => Read::Tokens(gather(schedule, runs, [m, 1], flat, tokens)),
                Read::Scaled(flat, values) => {
                    let tokens = gather(schedule, runs, [m, 1], flat, tokens);
                    Read::Scaled(tokens, gather(schedule, runs, [m, 1], values, x))
                }
            };
            fit(a, rows * n_a);
            input_projection(Dispatch, a, x, weights);

            fit(dropped, if mask.is_some() { rows * n_a } else { 0 });
            let mut end = 0;
            for run in &*runs {
                let part = end..end + run.rows() * n_a;
                end = part.end;
                let a = &mut a[part.clone()];
                fit(a_prev, run.width * n_a);
                schedule.gather_step(run, last, a_prev);
                let dropout = mask.map(|mask| {
                    let mask = schedule.gather_mask(run, mask, kept);
                    Dropped { mask, a_prev: &mut dropped[part] }
                });
                recurrence(Dispatch, a, a_prev, dropout, weights);
                schedule.scatter_step(run, &a[a.len() - a_prev.len()..], last);
            }

            fit(logits, rows * n_y);
            fit(output, rows * n_y);
            if let Some(partial) = self.partial {
                schedule.gather(runs, &time_major(n_y, m, schedule.t_x, partial), logits);
            }
            head(Dispatch, Head { logits, y: Some(output) }, a, weights);
            let results = [&*a, &*logits, &*output, &*dropped].into_iter().take(3 + usize::from(mask.is_some()));
            for (sequence, packed) in sequences.iter_mut().zip(results) {
                schedule.scatter(runs, packed, sequence);
            }
        }
    }
}
