use std::ops::Range;

use ndarray::{ArrayView3, ArrayViewMut3, Axis, Ix3};

use super::rows;
use crate::cell::{BackwardWeights, Inputs, Read, States, Steps, head_gradient, input_gradient, recurrence_gradient};
use crate::dropout::{Mask, MaskRows};
use crate::kernel::{Rows, Start, add_softmax_gradient, threads};
use crate::layout::{Bytes, fit, time_major, time_major_mut};
use crate::sequence::block::{Block, Results, consecutive_rows};
use crate::sequence::schedule::{Run, Schedule};
use crate::sequence::{Cache, Extent};
use crate::{Dims, Scalar, Upstream};

/// The additional memory of a backward pass over gathered rows.
#[derive(Debug, Clone)]
pub(in crate::sequence) struct Workspace<A> {
    /// The first position of each block, then the end of the last block.
    cuts: Vec<usize>,
    /// The first column of each thread, then the end of the last thread's columns.
    bounds: Vec<usize>,
    /// One per thread.
    packed: Vec<Packed<A>>,
    order: Order,
}

impl<A> Default for Workspace<A> {
    fn default() -> Self {
        Workspace { cuts: Vec::new(), bounds: Vec::new(), packed: Vec::new(), order: Order::default() }
    }
}

impl<A: Scalar> Workspace<A> {
    pub(in crate::sequence) fn bytes(extent: Extent) -> Bytes {
        let words = Bytes::of_list::<usize>(2 * extent.threads) * 2 + Bytes::of_list::<Packed<A>>(extent.threads);
        let order = Bytes::of::<usize>([3, extent.rows_of_a_block()]);
        extent.cuts() + words + order + Packed::<A>::bytes(extent) * extent.threads
    }
}

/// The gathered rows of some columns in a block of positions, without padding.
#[derive(Debug, Clone, Default)]
struct Packed<A> {
    runs: Vec<Run>,
    /// The gradient from the steps after a run, for the run's columns.
    da: Vec<A>,
    a: Vec<A>,
    dy: Vec<A>,
    y: Vec<A>,
    dx: Vec<A>,
    /// Whether dropout keeps a unit of a run's columns.
    kept: Vec<bool>,
}

impl<A: Scalar> Packed<A> {
    fn bytes(extent: Extent) -> Bytes {
        let Dims { n_x, n_a, n_y } = extent.dims;
        let (m, rows) = (extent.columns_of_a_thread(), extent.rows_of_a_block_and_thread());
        let dx = if extent.dx { n_x } else { 0 };
        let rows = Bytes::of::<A>([rows, n_a]) + Bytes::of::<A>([rows, n_y]) * 2 + Bytes::of::<A>([rows, dx]);
        let kept = Mask::bytes(m, n_a) * usize::from(extent.drops.states);
        extent.runs() + rows + Bytes::of::<A>([m, n_a]) + kept
    }
}

/// Runs block by block: each thread computes the gradients of its columns, then all threads share the weight gradient.
pub(in crate::sequence) fn backward<A: Scalar>(
    threads: usize,
    (cache, x, y): (&Cache<A>, Read<A>, &[A]),
    upstream: Upstream<'_, A, Ix3>,
    Results { mut gradients, dx, da0, .. }: Results<A>,
    weights: &BackwardWeights<A>,
    Block { weight_gradient, dz, dlogits }: &mut Block<A>,
    Workspace { cuts, bounds, packed, order }: &mut Workspace<A>,
) {
    let Cache { dims: Dims { n_x, n_a, n_y }, m, t_x, .. } = *cache;
    let schedule = cache.schedule();
    schedule.cut(cuts);
    schedule.share(threads, bounds);
    packed.resize_with(threads.max(packed.len()), Packed::default);
    let n_dx = if dx.is_empty() { 0 } else { n_x };
    let mut dx = time_major_mut(n_dx, m, t_x, dx);
    schedule.fill_padding(&mut dx, A::zero());
    let [hidden, logits, output] = [upstream.hidden, upstream.logits, upstream.output]
        .map(|array| array.map(|array| array.view().reversed_axes()));
    let pass = Pass {
        weights,
        hidden,
        logits,
        output,
        a: time_major(n_a, m, t_x, &cache.states[m * n_a..]),
        y: time_major(n_y, m, t_x, y),
        mask: cache.masks.recurrent(),
    };
    for block in cuts.windows(2).rev().map(|cut| cut[0]..cut[1]) {
        let rows = schedule.rows(&block);
        fit(dz, rows * n_a);
        fit(dlogits, rows * n_y);
        let columns = Columns { schedule, dx: dx.view_mut(), dz, dlogits, da: da0, packed };
        threads::run_parts(
            columns,
            0..threads,
            &|columns: Columns<A>, parts, middle| {
                let few = middle - parts.start;
                columns.split_at(bounds[middle] - bounds[parts.start], few, &block, [n_a, n_y])
            },
            &|columns: Columns<A>| pass.run(columns, block.clone()),
        );

        order.list_gathered(schedule, &block, bounds);
        let (x, states) = if schedule.is_plain() {
            consecutive_rows(cache, x, &block)
        } else {
            order.list_steps(cache, &block);
            order.rows(cache, x)
        };
        let dz = Rows::picked(dz, n_a, &order.packed);
        let dlogits = Rows::picked(dlogits, n_y, &order.packed);
        let steps = Steps { rows, dz, dlogits, x, states };
        weight_gradient.add(&mut gradients, steps, threads);
    }
}

/// The input of all threads, for the whole batch: (`T_x`, m, n) each. The caller's arrays may have any strides.
struct Pass<'a, A> {
    weights: &'a BackwardWeights<'a, A>,
    hidden: Option<ArrayView3<'a, A>>,
    logits: Option<ArrayView3<'a, A>>,
    output: Option<ArrayView3<'a, A>>,
    a: ArrayView3<'a, A>,
    y: ArrayView3<'a, A>,
    /// ma of the whole batch.
    mask: Option<MaskRows<'a, A>>,
}

/// Some columns of the batch, and the memory for their results.
struct Columns<'a, A> {
    schedule: Schedule<'a>,
    /// (`T_x`, columns, `n_x`)
    dx: ArrayViewMut3<'a, A>,
    /// The gradients before the nonlinearity and at the logits: gathered rows of the block.
    dz: &'a mut [A],
    dlogits: &'a mut [A],
    /// The gradient from the following steps, (columns, `n_a`).
    da: &'a mut [A],
    /// One per thread.
    packed: &'a mut [Packed<A>],
}

impl<A> Columns<'_, A> {
    /// Splits off the first `column` columns for the first `thread` threads.
    fn split_at(self, column: usize, thread: usize, block: &Range<usize>, [n_a, n_y]: [usize; 2]) -> (Self, Self) {
        let [schedule0, schedule1] = self.schedule.split_at(column);
        let rows = schedule0.rows(block);
        let (dx0, dx1) = self.dx.split_at(Axis(1), column);
        let (dz0, dz1) = self.dz.split_at_mut(rows * n_a);
        let (dlogits0, dlogits1) = self.dlogits.split_at_mut(rows * n_y);
        let (da0, da1) = self.da.split_at_mut(column * n_a);
        let (packed0, packed1) = self.packed.split_at_mut(thread);
        (
            Columns { schedule: schedule0, dx: dx0, dz: dz0, dlogits: dlogits0, da: da0, packed: packed0 },
            Columns { schedule: schedule1, dx: dx1, dz: dz1, dlogits: dlogits1, da: da1, packed: packed1 },
        )
    }
}

impl<A: Scalar> Pass<'_, A> {
    /// Processes a block: gather, compute, scatter.
    fn run(&self, columns: Columns<A>, block: Range<usize>) {
        let Columns { schedule, mut dx, dz, dlogits, da, packed } = columns;
        let Packed { runs, da: run_da, a: packed_a, dy: packed_dy, y: packed_y, dx: packed_dx, kept } = &mut packed[0];
        let Pass { weights, hidden, logits, output, a, y, mask } = self;
        let (n_x, n_a, n_y) = (dx.len_of(Axis(2)), a.len_of(Axis(2)), y.len_of(Axis(2)));
        schedule.list_runs(block, runs);
        let rows = rows(runs);

        match logits {
            Some(logits) => schedule.gather(runs, logits, dlogits),
            None => dlogits.fill(A::zero()),
        }
        if let Some(output) = output {
            fit(packed_dy, rows * n_y);
            fit(packed_y, rows * n_y);
            schedule.gather(runs, output, packed_dy);
            schedule.gather(runs, y, packed_y);
            add_softmax_gradient(dlogits, packed_dy, packed_y, n_y);
        }
        let mut start = Start::Accumulate;
        match hidden {
            Some(hidden) => schedule.gather(runs, hidden, dz),
            None => start = Start::Zero,
        }
        head_gradient(dz, start, dlogits, weights);

        fit(packed_a, rows * n_a);
        schedule.gather(runs, a, packed_a);
        let mut end = rows * n_a;
        for run in runs.iter().rev() {
            let part = end - run.rows() * n_a..end;
            end = part.start;
            fit(run_da, run.width * n_a);
            schedule.gather_step(run, da, run_da);
            let mask = mask.map(|mask| schedule.gather_mask(run, mask, kept));
            recurrence_gradient(&mut dz[part.clone()], run_da, &packed_a[part], mask, weights);
            schedule.scatter_step(run, run_da, da);
        }

        if n_x > 0 {
            fit(packed_dx, rows * n_x);
            input_gradient(packed_dx, dz, weights);
            schedule.scatter(runs, packed_dx, &mut dx);
        }
    }
}

/// The rows of a block in the order in which their outer products are accumulated: last position first, columns ascending.
///
/// Example: two steps of three columns; the last column is one step long. One thread has the first column, another has the
/// other two. The gathered rows, by (step, column), are
///
/// ```text
/// gathered row  0       1      │  2       3       4
///            (0, 0)  (1, 0)    │ (0, 1)  (0, 2)  (1, 1)
/// ```
///
/// The order (1, 0), (1, 1), (0, 0), (0, 1), (0, 2) is then 1, 4, 0, 2, 3. In a sequence, where the row is step·3 + column,
/// it is 3, 4, 0, 1, 2.
#[derive(Debug, Clone, Default)]
struct Order {
    /// Indices of gathered rows of the block.
    packed: Vec<usize>,
    /// Indices of rows in a sequence, (`T_x`, m).
    steps: Vec<usize>,
    /// Indices of rows in a cache's `states`: the states before the steps.
    before: Vec<usize>,
    /// For each thread, the end of its gathered rows that are not listed yet.
    ends: Vec<usize>,
}

impl Order {
    /// Lists the rows of a block in the sequence and in the states.
    fn list_steps<A>(&mut self, cache: &Cache<A>, block: &Range<usize>) {
        let schedule = cache.schedule();
        for list in [&mut self.steps, &mut self.before] {
            clear(list, schedule.rows(block));
        }
        for position in block.clone().rev() {
            let step = schedule.step(position);
            for column in schedule.active_at(position) {
                self.steps.push(step * cache.m + column);
                self.before.push(cache.row_before(step, column));
            }
        }
    }

    /// Lists the gathered rows of a block. They are stored thread by thread; `bounds` are the threads' columns.
    fn list_gathered(&mut self, schedule: Schedule, block: &Range<usize>, bounds: &[usize]) {
        clear(&mut self.packed, schedule.rows(block));
        let threads = || bounds.windows(2).map(|part| schedule.part(part[0]..part[1]));
        self.ends.clear();
        let mut end = 0;
        self.ends.extend(threads().map(|columns| {
            end += columns.rows(block);
            end
        }));
        for position in block.clone().rev() {
            for (columns, end) in threads().zip(&mut self.ends) {
                let start = *end - columns.active_at(position).count();
                self.packed.extend(start..*end);
                *end = start;
            }
        }
    }

    /// The inputs and hidden states of the listed steps.
    fn rows<'a, A: Scalar>(&'a self, cache: &'a Cache<A>, x: Read<'a, A>) -> (Inputs<'a, A>, States<'a, A>) {
        let Cache { dims: Dims { n_x, n_a, .. }, m, .. } = *cache;
        let x = match x {
            Read::Vectors(x) => Inputs::Vectors(Rows::picked(x, n_x, &self.steps)),
            Read::Tokens(tokens) => Inputs::Tokens(Rows::picked(tokens, 1, &self.steps)),
            Read::Scaled(tokens, values) => {
                Inputs::Scaled(Rows::picked(tokens, 1, &self.steps), Rows::picked(values, 1, &self.steps))
            }
        };
        let a_prev = match cache.masks.recurrent() {
            None => Rows::picked(&cache.states, n_a, &self.before),
            Some(_) => Rows::picked(&cache.masks.a_prev, n_a, &self.steps),
        };
        (x, States::Apart { a_next: Rows::picked(&cache.states[m * n_a..], n_a, &self.steps), a_prev })
    }
}

/// Empties a list and reserves room for `length` elements. Frees a list that is too small first.
fn clear(list: &mut Vec<usize>, length: usize) {
    list.clear();
    if list.capacity() < length {
        *list = Vec::new();
        list.reserve_exact(length);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3};

    use super::*;
    use crate::Parameters;
    use crate::sequence::{self, Input};

    #[test]
    fn the_order_of_the_example_is_as_documented() {
        let p = Parameters::<f64>::zeros(Dims { n_x: 1, n_a: 1, n_y: 1 });
        let (x, a0) = (Array3::zeros((1, 3, 2)), Array2::zeros((1, 3)));
        let ragged = |input: Input<'_, f64>| sequence::forward(&p, input, &a0).expect("the shapes agree");
        let mut order = Order::default();
        let list = |order: &mut Order, cache: &Cache<f64>| {
            order.list_gathered(cache.schedule(), &(0..2), &[0, 1, 3]);
            order.list_steps(cache, &(0..2));
        };
        let cache = ragged(Input::from(&x).lengths(&[2, 2, 1]));
        list(&mut order, &cache);
        assert_eq!(order.packed, [1, 4, 0, 2, 3]);
        assert_eq!(order.steps, [3, 4, 0, 1, 2]);
        // `states` begins with the rows of `a0`, so the state before a step has the row index of the step.
        assert_eq!(order.before, [3, 4, 0, 1, 2]);

        let cache = ragged(Input::from(&x).lengths(&[2, 2, 1]).reversed());
        list(&mut order, &cache);
        // Steps (0, 0), (0, 1), (0, 2), (1, 0), (1, 1): the last computed step comes first.
        assert_eq!(order.packed, [1, 3, 4, 0, 2]);
        assert_eq!(order.steps, [0, 1, 2, 3, 4]);
        // The states after step 1 for the first two columns; `a0` for the others.
        assert_eq!(order.before, [6, 7, 2, 0, 1]);
    }
}
