use std::ops::Range;

use ndarray::{Array, Array2, Array3, ArrayRef3, ArrayView3, ArrayViewMut2, ArrayViewMut3, Axis, Ix3};

use super::forward::{CONTIGUOUS, slice, slice_mut};
use super::{Cache, block_steps, threads_for};
use crate::cell::{Chain, Scratch, accumulate, logits_gradient};
use crate::error::{check_network, check_shape};
use crate::kernel::{Epilogue, Rows, Start, product, tanh_gradient, threads};
use crate::layout::{copy_time_major, reshape_time_major, time_major, time_major_mut};
use crate::weights::Weights;
use crate::{Dims, Error, Gradients, Parameters, Scalar, Upstream};

/// The gradients of a sequence, and the memory that they are computed in.
///
/// `Backward::default()` is the empty start for [`backward_into`].
#[derive(Debug, Clone)]
pub struct Backward<A> {
    /// ∂L/∂(wax, waa, wya, ba, by). [`backward_into`] adds to it.
    pub gradients: Gradients<A>,
    /// ∂L/∂x, (`n_x`, m, `T_x`). [`backward_into`] overwrites it.
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
}

impl<A> Default for Workspace<A> {
    fn default() -> Self {
        Workspace {
            weights: Weights::default(),
            dz: Vec::new(),
            dlogits: Vec::new(),
            dy: Vec::new(),
            scratch: Scratch::default(),
        }
    }
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
    let Workspace { weights, dz, dlogits, dy, scratch } = workspace;
    weights.pack_backward(parameters);
    let dx = reshape_time_major(dx, (n_x, m, t_x));
    let da0 = reshape_time_major(da0, (n_a, m));
    match upstream.last_hidden {
        Some(last_hidden) => copy_time_major(da0, last_hidden),
        None => da0.fill(A::zero()),
    }

    let threads = threads_for(m * t_x * n_a * (n_x + n_a + n_y), m);
    let steps = block_steps(m);
    threads::enter(threads, || {
        // Whole blocks first: memory does not grow after the first of them.
        for last in (1..=t_x).rev().step_by(steps) {
            let block = last.saturating_sub(steps)..last;
            let count = block.len();
            let of = |n: usize| block.start * m * n..block.end * m * n;

            let [logits, output] = [upstream.logits, upstream.output].map(|array| part(array, &block));
            let y = &cache.output[of(n_y)];
            let dlogits = logits_gradient(dlogits, dy, logits.as_deref(), output.as_deref(), y, n_y);
            dz.resize(n_a * m * count, A::zero());
            let mut start = Start::Present;
            match part(upstream.hidden, &block) {
                Some(hidden) => copy_time_major(dz, &hidden),
                None => start = Start::Zero,
            }

            let states = &cache.states[block.start * m * n_a..][..(count + 1) * m * n_a];
            let columns = Columns {
                a: time_major(n_a, m, count, &states[m * n_a..]),
                dlogits: time_major(n_y, m, count, dlogits),
                dz: time_major_mut(n_a, m, count, dz),
                dx: time_major_mut(n_x, m, count, &mut dx[of(n_x)]),
                start,
                da: ArrayViewMut2::from_shape((m, n_a), da0).expect("da0 has m rows of n_a values"),
                whole: true,
            };
            columns.split(threads, weights);

            let chain = Chain {
                m,
                length: m * count,
                dz: Rows::descending(dz, m, n_a),
                dlogits: Rows::descending(dlogits, m, n_y),
                x: Rows::descending(&cache.x[of(n_x)], m, n_x),
                states: Rows::descending(states, m, n_a),
            };
            accumulate(gradients, chain, scratch, threads);
        }
    });
    Ok(())
}

/// Some steps of an upstream gradient.
fn part<'a, A>(array: Option<&'a ArrayRef3<A>>, steps: &Range<usize>) -> Option<ArrayView3<'a, A>> {
    array.map(|array| array.slice_axis(Axis(2), steps.clone().into()))
}

/// Some of the batch's columns, through a block of steps: (steps, columns, n) each.
struct Columns<'a, A> {
    a: ArrayView3<'a, A>,
    dlogits: ArrayView3<'a, A>,
    /// What the head's gradient is added to.
    start: Start<'a, A>,
    /// What arrives at the hidden states, and becomes the gradient before the nonlinearity.
    dz: ArrayViewMut3<'a, A>,
    dx: ArrayViewMut3<'a, A>,
    /// What the future sends back, (columns, `n_a`).
    da: ArrayViewMut2<'a, A>,
    /// Whether these are all columns, so that one step follows another without a gap.
    whole: bool,
}

impl<A: Scalar> Columns<'_, A> {
    /// Columns do not know of each other, so every thread takes some through the block.
    fn split(self, threads: usize, weights: &Weights<A>) {
        if threads <= 1 {
            return self.run(weights);
        }
        let few = threads / 2;
        let column = self.a.len_of(Axis(1)) * few / threads;
        let start = self.start;
        let (a0, a1) = self.a.split_at(Axis(1), column);
        let (dlogits0, dlogits1) = self.dlogits.split_at(Axis(1), column);
        let (dz0, dz1) = self.dz.split_at(Axis(1), column);
        let (dx0, dx1) = self.dx.split_at(Axis(1), column);
        let (da0, da1) = self.da.split_at(Axis(0), column);
        let first = Columns { a: a0, dlogits: dlogits0, start, dz: dz0, dx: dx0, da: da0, whole: false };
        let last = Columns { a: a1, dlogits: dlogits1, start, dz: dz1, dx: dx1, da: da1, whole: false };
        threads::join(|| first.split(few, weights), || last.split(threads - few, weights));
    }

    fn run(mut self, weights: &Weights<A>) {
        let run = if self.whole { self.a.len_of(Axis(0)).max(1) } else { 1 };
        let heads = self.dz.axis_chunks_iter_mut(Axis(0), run).zip(self.dlogits.axis_chunks_iter(Axis(0), run));
        for (mut dz, dlogits) in heads {
            product(slice_mut(&mut dz), self.start, slice(&dlogits), &weights.wya, Epilogue::Store);
        }

        let da = self.da.as_slice_mut().expect(CONTIGUOUS);
        for (dz, a) in self.dz.outer_iter_mut().zip(self.a.outer_iter()).rev() {
            let dz = dz.into_slice().expect(CONTIGUOUS);
            tanh_gradient(dz, da, a.to_slice().expect(CONTIGUOUS));
            product(da, Start::Zero, dz, &weights.waa, Epilogue::Store);
        }

        for (mut dx, dz) in self.dx.axis_chunks_iter_mut(Axis(0), run).zip(self.dz.axis_chunks_iter(Axis(0), run)) {
            product(slice_mut(&mut dx), Start::Zero, slice(&dz), &weights.wax, Epilogue::Store);
        }
    }
}
