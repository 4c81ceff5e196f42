use std::mem;
use std::ops::Range;

use ndarray::{Array, Array2, Array3, ArrayRef3, ArrayView3, Axis, Ix3};

use super::block::{Block, Results, consecutive_rows};
use super::cache::{Sources, input};
use super::columns::{self, BackwardWorkspace};
use super::{Cache, Extent, block_steps, threads_for};
use crate::cell::{
    BackwardWeights, Read, Steps, Weights, head_gradient, input_gradient, logits_gradient, recurrence_gradient,
};
use crate::error::{check_activation, check_network};
use crate::kernel::{Rows, Start, threads};
use crate::layout::{Bytes, copy_time_major, fit, reshape_time_major};
use crate::parameters::View;
use crate::scalar::{call, compiled};
use crate::{Dims, Error, Gradients, Parameters, Scalar, Upstream};

/// The gradients of a sequence, and the workspace of the backward pass.
///
/// Start [`backward_into`] with `Backward::default()`.
#[derive(Debug, Clone)]
pub struct Backward<A> {
    /// ∂L/∂(wax, waa, wya, ba, by). [`backward_into`] adds to it, or overwrites it after
    /// [`discard_gradients`](Self::discard_gradients).
    pub gradients: Gradients<A>,
    /// ∂L/∂x, (`n_x`, m, `T_x`), zero in the padding; (0, m, `T_x`) where the input is token ids or has
    /// [no gradient](crate::sequence::Input::without_dx). [`backward_into`] overwrites it.
    pub dx: Array3<A>,
    /// ∂L/∂a0, (`n_a`, m). [`backward_into`] overwrites it.
    pub da0: Array2<A>,
    /// Whether the next pass overwrites `gradients`.
    discarded: bool,
    weights: Weights<A>,
    workspace: Workspace<A>,
}

impl<A: Scalar> Default for Backward<A> {
    fn default() -> Self {
        Backward {
            gradients: Gradients::default(),
            dx: Array::default([0; 3]),
            da0: Array::default([0; 2]),
            discarded: false,
            weights: Weights::default(),
            workspace: Workspace::default(),
        }
    }
}

impl<A: Scalar> Backward<A> {
    /// Starts from these gradients.
    pub(super) fn new(gradients: Gradients<A>, da0: Array2<A>) -> Self {
        Backward { gradients, da0, ..Backward::default() }
    }

    /// Discards `gradients`: the next [`backward_into`] overwrites them instead of adding to them. Call it once before the
    /// [`backward_into`] calls of every update.
    ///
    /// It writes nothing, so `gradients` have their old values until that pass: an optimiser must not read them before it. The
    /// result is bit-identical to a sum that starts from zero.
    ///
    /// # Examples
    ///
    /// A training loop that allocates nothing after its first step:
    ///
    /// ```
    /// use elman::optim::{Optimizer, Sgd};
    /// use elman::{Dims, Parameters, Upstream, loss, sequence};
    /// use ndarray::{Array2, Array3};
    ///
    /// let mut p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// let (x, targets) = (Array3::ones((3, 10, 4)), Array2::<usize>::zeros((10, 4)));
    /// let mut sgd = Sgd::new(0.1);
    ///
    /// let mut cache = sequence::Cache::default();
    /// let mut loss = loss::Loss::default();
    /// let mut back = sequence::Backward::default();
    /// for _ in 0..3 {
    ///     sequence::forward_into(&p, &x, None, &mut cache)?;
    ///     loss::cross_entropy_into(&cache, &targets, loss::Reduction::Mean, &mut loss)?;
    ///     back.discard_gradients();
    ///     sequence::backward_into(&p, &cache, Upstream::logits(&loss.dlogits), &mut back)?;
    ///     sgd.step(p.as_mut_slice(), back.gradients.as_slice())?;
    /// }
    /// assert!(loss.value < 2f64.ln());
    /// # Ok::<(), elman::Error>(())
    /// ```
    pub fn discard_gradients(&mut self) {
        self.discarded = true;
    }
}

impl<A: PartialEq> PartialEq for Backward<A> {
    fn eq(&self, other: &Self) -> bool {
        self.gradients == other.gradients && self.dx == other.dx && self.da0 == other.da0
    }
}

/// Computes the gradients of a sequence by back-propagation through time.
///
/// - `upstream.hidden`: (`n_a`, m, `T_x`)
/// - `upstream.logits`, `upstream.output`: (`n_y`, m, `T_x`)
/// - `upstream.last_hidden`: (`n_a`, m)
///
/// The equations are those of the [module](crate::sequence).
///
/// # Examples
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
///
/// # Errors
/// [`Error::Network`] where `cache.dims() != parameters.dims()`; [`Error::Activation`] where the cache belongs to a network
/// with another nonlinearity; [`Error::Shape`] where a gradient has another shape than its array.
pub fn backward<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    upstream: Upstream<'_, A, Ix3>,
) -> Result<Backward<A>, Error> {
    let mut back = Backward::default();
    backward_into(parameters, cache, upstream, &mut back)?;
    (back.weights, back.workspace) = Default::default();
    Ok(back)
}

/// Runs [`backward`], *adds* to `back.gradients`, and overwrites `back.dx` and `back.da0`. It reuses the memory of `back`.
/// After [`Backward::discard_gradients`] it overwrites `back.gradients`, too.
///
/// For a sequence in chunks, call it once for each chunk, the last chunk first. Pass the `da0` of the next chunk as
/// [`Upstream::last_hidden`]. The sum is bit-identical to the gradient of the whole sequence. A default `back` starts from
/// zero gradients.
///
/// # Examples
///
/// ```
/// use elman::{sequence, Dims, Parameters, Upstream};
/// use ndarray::Array3;
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let cache = sequence::forward(&p, &Array3::ones((3, 10, 4)), None)?;
/// let mut back = sequence::Backward::default();
/// for _ in 0..2 {
///     sequence::backward_into(&p, &cache, Upstream::hidden(&Array3::ones((5, 10, 4))), &mut back)?;
/// }
/// assert_eq!(back.gradients.ba()[0], 80.0, "the gradients of two calls, accumulated");
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// As [`backward`], and [`Error::Network`] where `back.gradients` belongs to a network of other dimensions. An error leaves
/// `back` unchanged.
pub fn backward_into<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    upstream: Upstream<'_, A, Ix3>,
    back: &mut Backward<A>,
) -> Result<(), Error> {
    call::<A, CompiledPass>(Call { parameters, cache, upstream, back })
}

/// The workspace of a backward pass, without its weights.
#[derive(Debug, Clone)]
pub(crate) struct Workspace<A> {
    block: Block<A>,
    dy: Vec<A>,
    columns: BackwardWorkspace<A>,
}

impl<A> Default for Workspace<A> {
    fn default() -> Self {
        Workspace { block: Block::default(), dy: Vec::new(), columns: BackwardWorkspace::default() }
    }
}

impl<A: Scalar> Workspace<A> {
    /// Returns the maximum memory of a pass of this extent, for any upstream gradients.
    pub(super) fn bytes(extent: Extent) -> Bytes {
        // A segment of a ragged batch may be plain, so on one thread it may run in place.
        let dy = if extent.threads == 1 { extent.rows_of_a_block() } else { 0 };
        let gathered = if extent.is_in_place() { Bytes::default() } else { BackwardWorkspace::<A>::bytes(extent) };
        let walk = Bytes::of::<A>([dy, extent.dims.n_y]) + gathered;
        Block::<A>::bytes(extent) + walk
    }
}

/// The arguments of [`backward_into`].
struct Call<'a, A> {
    parameters: &'a Parameters<A>,
    cache: &'a Cache<A>,
    upstream: Upstream<'a, A, Ix3>,
    back: &'a mut Backward<A>,
}

compiled!(CompiledPass: Call<'a, A> => Result<(), Error>, pass);

fn pass<A: Scalar>(Call { parameters, cache, upstream, back }: Call<A>) -> Result<(), Error> {
    let dims = parameters.dims();
    let Dims { n_x, n_a, n_y } = dims;
    let (m, t_x) = (cache.m, cache.t_x);
    check_network("cache", cache.dims.triple(), dims.triple())?;
    check_activation("cache", cache.activation.name(), parameters.activation().name())?;
    upstream.check([n_a, m, t_x], [n_y, m, t_x])?;
    if back.gradients.dims() == Dims::default() {
        back.gradients = Gradients::zeros(dims);
    }
    check_network("back.gradients", back.gradients.dims().triple(), dims.triple())?;

    let Backward { gradients, dx, da0, discarded, weights, workspace } = back;
    let n_dx = if cache.has_dx { n_x } else { 0 };
    let results = Results {
        gradients: gradients.view_mut(),
        overwrite: mem::take(discarded),
        dx: reshape_time_major(dx, (n_dx, m, t_x)),
        da0: reshape_time_major(da0, (n_a, m)),
    };
    run(parameters.view(), (cache, Sources::default()), upstream, results, weights, workspace);
    Ok(())
}

/// Computes the gradients of a pass whose arguments are checked. Where `results.dx` has no elements, there is no gradient of
/// the input.
pub(crate) fn run<A: Scalar>(
    p: View<A>,
    (cache, sources): (&Cache<A>, Sources<A>),
    upstream: Upstream<'_, A, Ix3>,
    mut results: Results<A>,
    weights: &mut Weights<A>,
    Workspace { block, dy, columns }: &mut Workspace<A>,
) {
    let x = cache.masks.read(input(sources, cache.tokens.as_deref(), &cache.x));
    let y = sources.output.unwrap_or(&cache.output);
    let tokens = x.is_tokens();
    let schedule = cache.schedule();
    let weights = &weights.backward(p, !results.dx.is_empty(), schedule.steps());
    block.weight_gradient.begin(&results.gradients, tokens, results.overwrite);
    match upstream.last_hidden {
        Some(last_hidden) => copy_time_major(results.da0, last_hidden),
        None => results.da0.fill(A::zero()),
    }

    let threads = threads_for(p.dims, schedule.steps(), cache.m);
    if threads == 1 && schedule.is_plain() {
        in_place((cache, x, y), upstream, results.reborrow(), weights, block, dy);
    } else {
        let results = results.reborrow();
        let pass = || columns::backward(threads, (cache, x, y), upstream, results, weights, block, columns);
        threads::enter(threads, pass);
    }
    block.weight_gradient.end(&mut results.gradients, tokens);
    if let Some(mask) = cache.masks.input() {
        mask.apply(results.dx);
    }
}

/// Runs the whole batch in place, without gathering rows.
fn in_place<A: Scalar>(
    (cache, x, y): (&Cache<A>, Read<A>, &[A]),
    upstream: Upstream<'_, A, Ix3>,
    Results { mut gradients, dx, da0, .. }: Results<A>,
    weights: &BackwardWeights<A>,
    Block { weight_gradient, dz, dlogits }: &mut Block<A>,
    dy: &mut Vec<A>,
) {
    let Cache { dims: Dims { n_x, n_a, n_y }, m, t_x, .. } = *cache;
    let steps = block_steps(m);
    // Whole blocks come first, so the memory does not grow after the first block.
    for last in (1..=t_x).rev().step_by(steps) {
        let block = last.saturating_sub(steps)..last;
        let rows = block.len() * m;
        let of = |n: usize| block.start * m * n..block.end * m * n;

        let [hidden, logits, output] =
            [upstream.hidden, upstream.logits, upstream.output].map(|array| some_steps(array, &block));
        let y = &y[of(n_y)];
        let dlogits = logits_gradient(dlogits, dy, logits.as_deref(), output.as_deref(), y, n_y);
        fit(dz, n_a * rows);
        let mut start = Start::Accumulate;
        match hidden {
            Some(hidden) => copy_time_major(dz, &hidden),
            None => start = Start::Zero,
        }
        head_gradient(dz, start, dlogits, weights);
        let states = &cache.states[block.start * m * n_a..][..rows * n_a + m * n_a];
        recurrence_gradient(dz, da0, &states[m * n_a..], cache.masks.recurrent(), weights);
        if !dx.is_empty() {
            input_gradient(&mut dx[of(n_x)], dz, weights);
        }
        let (x, states) = consecutive_rows(cache, x, &block);
        let steps =
            Steps { rows, dz: Rows::descending(dz, m, n_a), dlogits: Rows::descending(dlogits, m, n_y), x, states };
        weight_gradient.add(&mut gradients, steps, 1);
    }
}

/// Returns some steps of an upstream gradient.
fn some_steps<'a, A>(array: Option<&'a ArrayRef3<A>>, steps: &Range<usize>) -> Option<ArrayView3<'a, A>> {
    array.map(|array| array.slice_axis(Axis(2), steps.clone().into()))
}
