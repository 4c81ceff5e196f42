use std::ops::Range;

use ndarray::{Array, Array2, Array3, ArrayRef3, ArrayView3, ArrayViewMut3, Axis, Ix3};

use super::schedule::{Run, Schedule};
use super::{Cache, block_steps, threads_for};
use crate::cell::{Chain, Scratch, States, X, accumulate, logits_gradient};
use crate::error::{check_network, check_shape};
use crate::kernel::{Epilogue, Rows, Start, add_softmax_gradient, product, tanh_gradient, threads};
use crate::layout::{copy_time_major, fit, reshape_time_major, time_major, time_major_mut};
use crate::weights::Weights;
use crate::{Dims, Error, Gradients, Parameters, Scalar, Upstream};

/// The gradients of a sequence, and the memory that they are computed in.
///
/// `Backward::default()` is the empty start for [`backward_into`].
#[derive(Debug, Clone)]
pub struct Backward<A> {
    /// ∂L/∂(wax, waa, wya, ba, by). [`backward_into`] adds to it.
    pub gradients: Gradients<A>,
    /// ∂L/∂x, (`n_x`, m, `T_x`), zero past the end of a column; (0, m, `T_x`) where the input is tokens. [`backward_into`]
    /// overwrites it.
    pub dx: Array3<A>,
    /// ∂L/∂a0, (`n_a`, m). [`backward_into`] overwrites it.
    pub da0: Array2<A>,
    workspace: Workspace<A>,
}

/// Gradients of one block of steps, and what they are computed with.
#[derive(Debug, Clone)]
struct Workspace<A> {
    weights: Weights<A>,
    dz: Vec<A>,
    dlogits: Vec<A>,
    dy: Vec<A>,
    scratch: Scratch<A>,
    /// Where blocks begin, and where the last one ends.
    cuts: Vec<usize>,
    /// Where a thread's columns begin, and where the last one's end.
    bounds: Vec<usize>,
    /// One for each thread.
    packed: Vec<Packed<A>>,
    order: Order,
}

impl<A> Default for Workspace<A> {
    fn default() -> Self {
        Workspace {
            weights: Weights::default(),
            dz: Vec::new(),
            dlogits: Vec::new(),
            dy: Vec::new(),
            scratch: Scratch::default(),
            cuts: Vec::new(),
            bounds: Vec::new(),
            packed: Vec::new(),
            order: Order::default(),
        }
    }
}

/// Some columns of a block of steps, without the steps that are not theirs.
#[derive(Debug, Clone, Default)]
struct Packed<A> {
    runs: Vec<Run>,
    /// What the future sends to the columns of a run.
    da: Vec<A>,
    a: Vec<A>,
    dy: Vec<A>,
    y: Vec<A>,
    dx: Vec<A>,
}

impl<A: Scalar> Default for Backward<A> {
    fn default() -> Self {
        Backward {
            gradients: Gradients::default(),
            dx: Array::default([0; 3]),
            da0: Array::default([0; 2]),
            workspace: Workspace::default(),
        }
    }
}

impl<A: PartialEq> PartialEq for Backward<A> {
    fn eq(&self, other: &Self) -> bool {
        self.gradients == other.gradients && self.dx == other.dx && self.da0 == other.da0
    }
}

/// The gradients of a sequence, by back-propagation through time.
///
/// - `upstream.hidden`: (`n_a`, m, `T_x`)
/// - `upstream.logits`, `upstream.output`: (`n_y`, m, `T_x`)
/// - `upstream.last_hidden`: (`n_a`, m)
///
/// The equations are those of the [module](crate::sequence).
///
/// # Errors
/// [`Error::Network`] where `cache.dims() != parameters.dims()`; [`Error::Shape`] where a gradient's shape is not that of
/// what it is the gradient of.
///
/// ```
/// use elman::{sequence, Dims, Parameters, Upstream};
/// use ndarray::{Array2, Array3};
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let cache = sequence::forward(&p, &Array3::ones((3, 10, 4)), &Array2::zeros((5, 10)))?;
/// let back = sequence::backward(&p, &cache, Upstream::hidden(&Array3::ones((5, 10, 4))))?;
/// assert_eq!(back.gradients.ba()[0], 40.0);
/// # Ok::<(), elman::Error>(())
/// ```
pub fn backward<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    upstream: Upstream<'_, A, Ix3>,
) -> Result<Backward<A>, Error> {
    let mut back = Backward::default();
    backward_into(parameters, cache, upstream, &mut back)?;
    back.workspace = Workspace::default();
    Ok(back)
}

/// [`backward`] into memory that is reused: *adds* to `back.gradients`, overwrites `back.dx` and `back.da0`.
///
/// Chunks of a sequence go in one after the other, the last one first, each with the `da0` of the one after it as
/// [`Upstream::last_hidden`]; the sum has the bits of the whole. A default `back` starts from zero gradients.
///
/// # Errors
/// As [`backward`], and [`Error::Network`] where `back.gradients` belongs to a network of other dimensions; `back` stays
/// as it was.
pub fn backward_into<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    upstream: Upstream<'_, A, Ix3>,
    back: &mut Backward<A>,
) -> Result<(), Error> {
    A::backward(parameters, cache, upstream, back)
}

/// What [`backward_into`] runs.
pub(super) fn pass<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    upstream: Upstream<'_, A, Ix3>,
    back: &mut Backward<A>,
) -> Result<(), Error> {
    let dims = parameters.dims();
    let Dims { n_x, n_a, n_y } = dims;
    let (m, t_x) = (cache.m, cache.t_x);
    check_network("cache", cache.dims.triple(), dims.triple())?;
    upstream.check([n_a, m, t_x], [n_y, m, t_x])?;
    if let Some(last_hidden) = upstream.last_hidden {
        check_shape("upstream.last_hidden", last_hidden, [n_a, m])?;
    }
    if back.gradients.dims() == Dims::default() {
        back.gradients = Gradients::zeros(dims);
    }
    check_network("back.gradients", back.gradients.dims().triple(), dims.triple())?;

    let Backward { gradients, dx, da0, workspace } = back;
    let tokens = cache.tokens.is_some();
    // Tokens have no gradient.
    let n_dx = if tokens { 0 } else { n_x };
    workspace.weights.pack_backward(parameters, !tokens);
    workspace.scratch.begin(gradients, tokens);
    let dx = reshape_time_major(dx, (n_dx, m, t_x));
    let da0 = reshape_time_major(da0, (n_a, m));
    match upstream.last_hidden {
        Some(last_hidden) => copy_time_major(da0, last_hidden),
        None => da0.fill(A::zero()),
    }

    let schedule = cache.schedule();
    let threads = threads_for(schedule.steps() * n_a * (n_x + n_a + n_y), m);
    if threads == 1 && schedule.is_plain() {
        in_place(cache, upstream, gradients, dx, da0, workspace);
    } else {
        let mut dx = time_major_mut(n_dx, m, t_x, dx);
        threads::enter(threads, || in_parts(threads, cache, upstream, gradients, &mut dx, da0, workspace));
    }
    workspace.scratch.end(gradients, tokens);
    Ok(())
}

/// The whole batch, where it lies.
fn in_place<A: Scalar>(
    cache: &Cache<A>,
    upstream: Upstream<'_, A, Ix3>,
    gradients: &mut Gradients<A>,
    dx: &mut [A],
    da0: &mut [A],
    workspace: &mut Workspace<A>,
) {
    let Workspace { weights, dz, dlogits, dy, scratch, .. } = workspace;
    let Cache { dims: Dims { n_x, n_a, n_y }, m, t_x, .. } = *cache;
    let steps = block_steps(m);
    // Whole blocks first: memory does not grow after the first of them.
    for last in (1..=t_x).rev().step_by(steps) {
        let block = last.saturating_sub(steps)..last;
        let count = block.len();
        let of = |n: usize| block.start * m * n..block.end * m * n;

        let [hidden, logits, output] =
            [upstream.hidden, upstream.logits, upstream.output].map(|array| part(array, &block));
        let y = &cache.output[of(n_y)];
        let dlogits = logits_gradient(dlogits, dy, logits.as_deref(), output.as_deref(), y, n_y);
        fit(dz, n_a * m * count);
        let mut start = Start::Present;
        match hidden {
            Some(hidden) => copy_time_major(dz, &hidden),
            None => start = Start::Zero,
        }
        product(dz, start, dlogits, &weights.wya, Epilogue::Store);
        let states = &cache.states[block.start * m * n_a..][..(count + 1) * m * n_a];
        recur(dz, da0, &states[m * n_a..], weights);
        let x = if let Some(tokens) = &cache.tokens {
            X::Tokens(Rows::descending(&tokens[of(1)], m, 1))
        } else {
            product(&mut dx[of(n_x)], Start::Zero, dz, &weights.wax, Epilogue::Store);
            X::Vectors(Rows::descending(&cache.x[of(n_x)], m, n_x))
        };
        let chain = Chain {
            length: m * count,
            dz: Rows::descending(dz, m, n_a),
            dlogits: Rows::descending(dlogits, m, n_y),
            x,
            states: States::Shared { rows: Rows::descending(states, m, n_a), m },
        };
        accumulate(gradients, chain, scratch, 1);
    }
}

/// Some steps of an upstream gradient.
fn part<'a, A>(array: Option<&'a ArrayRef3<A>>, steps: &Range<usize>) -> Option<ArrayView3<'a, A>> {
    array.map(|array| array.slice_axis(Axis(2), steps.clone().into()))
}

/// dz ← (da + dz) · (1 − a²), da ← Waaᵀ·dz, the last step first; what comes in holds the gradients that arrive at `a`.
fn recur<A: Scalar>(dz: &mut [A], da: &mut [A], a: &[A], weights: &Weights<A>) {
    let step = da.len().max(1);
    for (dz, a) in dz.chunks_exact_mut(step).zip(a.chunks_exact(step)).rev() {
        tanh_gradient(dz, da, a);
        product(da, Start::Zero, dz, &weights.waa, Epilogue::Store);
    }
}

/// Block by block, every thread with some columns of it.
fn in_parts<A: Scalar>(
    threads: usize,
    cache: &Cache<A>,
    upstream: Upstream<'_, A, Ix3>,
    gradients: &mut Gradients<A>,
    dx: &mut ArrayViewMut3<A>,
    da0: &mut [A],
    workspace: &mut Workspace<A>,
) {
    let Workspace { weights, dz, dlogits, scratch, cuts, bounds, packed, order, .. } = workspace;
    let Cache { dims: Dims { n_x, n_a, n_y }, m, t_x, .. } = *cache;
    let schedule = cache.schedule();
    schedule.cut(cuts);
    schedule.share(threads, bounds);
    packed.resize_with(threads.max(packed.len()), Packed::default);
    schedule.fill_padding(dx, A::zero());
    for block in cuts.windows(2).rev().map(|cut| cut[0]..cut[1]) {
        let rows = schedule.rows(&block);
        fit(dz, rows * n_a);
        fit(dlogits, rows * n_y);
        let [hidden, logits, output] = [upstream.hidden, upstream.logits, upstream.output]
            .map(|array| array.map(|array| array.view().reversed_axes()));
        let columns = Columns {
            schedule,
            hidden,
            logits,
            output,
            a: time_major(n_a, m, t_x, &cache.states[m * n_a..]),
            y: time_major(n_y, m, t_x, &cache.output),
            dz,
            dlogits,
            dx: dx.view_mut(),
            da: da0,
        };
        columns.split(block.clone(), bounds, packed, weights);

        order.list(cache, block, bounds);
        let x = match &cache.tokens {
            Some(tokens) => X::Tokens(Rows::picked(tokens, 1, &order.steps)),
            None => X::Vectors(Rows::picked(&cache.x, n_x, &order.steps)),
        };
        let chain = Chain {
            length: rows,
            dz: Rows::picked(dz, n_a, &order.packed),
            dlogits: Rows::picked(dlogits, n_y, &order.packed),
            x,
            states: States::Apart {
                a_next: Rows::picked(&cache.states[m * n_a..], n_a, &order.steps),
                a_prev: Rows::picked(&cache.states, n_a, &order.before),
            },
        };
        accumulate(gradients, chain, scratch, threads);
    }
}

/// The rows of a block in the order in which they are added up: the last position first, columns ascending.
#[derive(Debug, Clone, Default)]
struct Order {
    /// Rows of the packed block.
    packed: Vec<usize>,
    /// Rows of a sequence, (`T_x`, m).
    steps: Vec<usize>,
    /// Rows of `states`, the states that the steps start from.
    before: Vec<usize>,
    /// Of every thread's packed rows, where those end that are not listed yet.
    ends: Vec<usize>,
}

impl Order {
    /// Every thread's columns are packed apart, one thread's behind the other's.
    fn list<A>(&mut self, cache: &Cache<A>, block: Range<usize>, bounds: &[usize]) {
        let schedule = cache.schedule();
        for list in [&mut self.packed, &mut self.steps, &mut self.before] {
            list.clear();
        }
        for position in block.clone().rev() {
            let step = schedule.step(position);
            for column in schedule.active_at(position) {
                self.steps.push(step * cache.m + column);
                self.before.push(cache.row_before(step, column));
            }
        }
        let parts = || bounds.windows(2).map(|part| schedule.part(part[0]..part[1]));
        self.ends.clear();
        let mut end = 0;
        self.ends.extend(parts().map(|columns| {
            end += columns.rows(&block);
            end
        }));
        for position in block.rev() {
            for (columns, end) in parts().zip(&mut self.ends) {
                let start = *end - columns.active_at(position).count();
                self.packed.extend(start..*end);
                *end = start;
            }
        }
    }
}

/// Some of the batch's columns: (`T_x`, columns, n) each, of any strides what comes in.
struct Columns<'a, A> {
    schedule: Schedule<'a>,
    hidden: Option<ArrayView3<'a, A>>,
    logits: Option<ArrayView3<'a, A>>,
    output: Option<ArrayView3<'a, A>>,
    a: ArrayView3<'a, A>,
    y: ArrayView3<'a, A>,
    dx: ArrayViewMut3<'a, A>,
    /// The gradients before the nonlinearity and at the logits, packed: the block's only.
    dz: &'a mut [A],
    dlogits: &'a mut [A],
    /// What the future sends back, (columns, `n_a`).
    da: &'a mut [A],
}

impl<'a, A: Scalar> Columns<'a, A> {
    /// Columns do not know of each other, so every thread takes some through the block.
    fn split(self, block: Range<usize>, bounds: &[usize], packed: &mut [Packed<A>], weights: &Weights<A>) {
        let threads = bounds.len() - 1;
        if threads == 1 {
            return self.run(block, &mut packed[0], weights);
        }
        let few = threads / 2;
        let (packed0, packed1) = packed.split_at_mut(few);
        let (first, rest) = self.split_at(bounds[few] - bounds[0], &block);
        threads::join(
            || first.split(block.clone(), &bounds[..=few], packed0, weights),
            || rest.split(block.clone(), &bounds[few..], packed1, weights),
        );
    }

    fn split_at(self, column: usize, block: &Range<usize>) -> (Self, Self) {
        let (n_a, n_y) = (self.a.len_of(Axis(2)), self.y.len_of(Axis(2)));
        let (schedule0, schedule1) = (self.schedule.part(..column), self.schedule.part(column..));
        let rows = schedule0.rows(block);
        let upstream = |array: Option<ArrayView3<'a, A>>| array.map(|array| array.split_at(Axis(1), column)).unzip();
        let (hidden0, hidden1) = upstream(self.hidden);
        let (logits0, logits1) = upstream(self.logits);
        let (output0, output1) = upstream(self.output);
        let (a0, a1) = self.a.split_at(Axis(1), column);
        let (y0, y1) = self.y.split_at(Axis(1), column);
        let (dx0, dx1) = self.dx.split_at(Axis(1), column);
        let (dz0, dz1) = self.dz.split_at_mut(rows * n_a);
        let (dlogits0, dlogits1) = self.dlogits.split_at_mut(rows * n_y);
        let (da0, da1) = self.da.split_at_mut(column * n_a);
        let first = Columns {
            schedule: schedule0,
            hidden: hidden0,
            logits: logits0,
            output: output0,
            a: a0,
            y: y0,
            dx: dx0,
            dz: dz0,
            dlogits: dlogits0,
            da: da0,
        };
        let rest = Columns {
            schedule: schedule1,
            hidden: hidden1,
            logits: logits1,
            output: output1,
            a: a1,
            y: y1,
            dx: dx1,
            dz: dz1,
            dlogits: dlogits1,
            da: da1,
        };
        (first, rest)
    }

    fn run(self, block: Range<usize>, packed: &mut Packed<A>, weights: &Weights<A>) {
        let Columns { schedule, hidden, logits, output, a, y, mut dx, dz, dlogits, da } = self;
        let (n_x, n_a, n_y) = (dx.len_of(Axis(2)), a.len_of(Axis(2)), y.len_of(Axis(2)));
        let Packed { runs, da: run_da, a: packed_a, dy: packed_dy, y: packed_y, dx: packed_dx } = packed;
        runs.clear();
        runs.extend(schedule.runs(block));
        let rows = runs.iter().map(Run::rows).sum::<usize>();

        match logits {
            Some(logits) => schedule.gather(runs, &logits, dlogits),
            None => dlogits.fill(A::zero()),
        }
        if let Some(output) = output {
            fit(packed_dy, rows * n_y);
            fit(packed_y, rows * n_y);
            schedule.gather(runs, &output, packed_dy);
            schedule.gather(runs, &y, packed_y);
            add_softmax_gradient(dlogits, packed_dy, packed_y, n_y);
        }
        let mut start = Start::Present;
        match hidden {
            Some(hidden) => schedule.gather(runs, &hidden, dz),
            None => start = Start::Zero,
        }
        product(dz, start, dlogits, &weights.wya, Epilogue::Store);

        fit(packed_a, rows * n_a);
        schedule.gather(runs, &a, packed_a);
        let mut end = rows * n_a;
        for run in runs.iter().rev() {
            let part = end - run.rows() * n_a..end;
            end = part.start;
            fit(run_da, run.width * n_a);
            schedule.gather_step(run, da, run_da);
            recur(&mut dz[part.clone()], run_da, &packed_a[part], weights);
            schedule.scatter_step(run, run_da, da);
        }

        if n_x > 0 {
            fit(packed_dx, rows * n_x);
            product(packed_dx, Start::Zero, dz, &weights.wax, Epilogue::Store);
            schedule.scatter(runs, packed_dx, &mut dx);
        }
    }
}
