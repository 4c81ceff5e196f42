use ndarray::{ArrayRef2, ArrayView3, ArrayViewMut3, Axis};

use super::{Cache, Input, block_steps, threads_for};
use crate::error::check_shape;
use crate::kernel::{Epilogue, Start, product, softmax, threads};
use crate::layout::{copy_time_major, time_major, time_major_mut};
use crate::weights::Weights;
use crate::{Dims, Error, Parameters, Scalar};

/// Runs a sequence from the hidden state `a0`.
///
/// - `x`: (`n_x`, m, `T_x`), any array or view
/// - `a0`: (`n_a`, m)
/// - result: hidden (`n_a`, m, `T_x`), logits and output (`n_y`, m, `T_x`)
///
/// # Errors
/// [`Error::Shape`] where `x.dim().0 != n_x` or `a0.dim() != (n_a, m)`.
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
    cache.weights = Weights::default();
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
    let Input { x } = x.into();
    let dims = parameters.dims();
    let Dims { n_x, n_a, n_y } = dims;
    let (_, m, t_x) = x.dim();
    check_shape("x", x, [n_x, m, t_x])?;
    check_shape("a0", a0, [n_a, m])?;

    cache.reshape(dims, m, t_x);
    copy_time_major(&mut cache.x, x);
    copy_time_major(&mut cache.states[..n_a * m], a0);
    cache.weights.pack_forward(parameters);
    let columns = Columns {
        x: time_major(n_x, m, t_x, &cache.x),
        states: time_major_mut(n_a, m, t_x + 1, &mut cache.states),
        logits: time_major_mut(n_y, m, t_x, &mut cache.logits),
        output: time_major_mut(n_y, m, t_x, &mut cache.output),
        whole: true,
    };
    let threads = threads_for(m * t_x * n_a * (n_x + n_a + n_y), m);
    columns.split(threads, parameters, &cache.weights);
    Ok(())
}

/// Some of the batch's columns, through the whole sequence: (`T_x`, columns, n) each, `states` with `a0` in front.
struct Columns<'a, A> {
    x: ArrayView3<'a, A>,
    states: ArrayViewMut3<'a, A>,
    logits: ArrayViewMut3<'a, A>,
    output: ArrayViewMut3<'a, A>,
    /// Whether these are all columns, so that one step follows another without a gap.
    whole: bool,
}

impl<A: Scalar> Columns<'_, A> {
    /// Columns do not know of each other, so every thread takes some through all of time.
    fn split(self, threads: usize, p: &Parameters<A>, weights: &Weights<A>) {
        if threads <= 1 {
            return self.run(p, weights);
        }
        let few = threads / 2;
        let column = self.x.len_of(Axis(1)) * few / threads;
        let (x0, x1) = self.x.split_at(Axis(1), column);
        let (states0, states1) = self.states.split_at(Axis(1), column);
        let (logits0, logits1) = self.logits.split_at(Axis(1), column);
        let (output0, output1) = self.output.split_at(Axis(1), column);
        let first = Columns { x: x0, states: states0, logits: logits0, output: output0, whole: false };
        let last = Columns { x: x1, states: states1, logits: logits1, output: output1, whole: false };
        threads::join(|| first.split(few, p, weights), || last.split(threads - few, p, weights));
    }

    fn run(mut self, p: &Parameters<A>, weights: &Weights<A>) {
        let (t_x, m, _) = self.x.dim();
        let steps = block_steps(m);
        let run = if self.whole { steps } else { 1 };
        for first in (0..t_x).step_by(steps) {
            let block = first..t_x.min(first + steps);
            let after = block.start + 1..block.end + 1;

            let x = self.x.slice_axis(Axis(0), block.clone().into());
            let mut z = self.states.slice_axis_mut(Axis(0), after.clone().into());
            for (mut z, x) in z.axis_chunks_iter_mut(Axis(0), run).zip(x.axis_chunks_iter(Axis(0), run)) {
                product(slice_mut(&mut z), Start::Bias(p.ba_slice()), slice(&x), &weights.wax, Epilogue::Store);
            }

            let mut states = self.states.slice_axis_mut(Axis(0), (block.start..after.end).into());
            let mut states = states.outer_iter_mut().map(|state| state.into_slice().expect(CONTIGUOUS));
            let mut a_prev = states.next().expect("the state before the block") as &[A];
            for a_next in states {
                product(a_next, Start::Present, a_prev, &weights.waa, Epilogue::Tanh);
                a_prev = a_next;
            }

            let a = self.states.slice_axis(Axis(0), after.into());
            let mut logits = self.logits.slice_axis_mut(Axis(0), block.clone().into());
            let mut output = self.output.slice_axis_mut(Axis(0), block.into());
            let heads = logits.axis_chunks_iter_mut(Axis(0), run).zip(output.axis_chunks_iter_mut(Axis(0), run));
            for ((mut logits, mut output), a) in heads.zip(a.axis_chunks_iter(Axis(0), run)) {
                let logits = slice_mut(&mut logits);
                product(logits, Start::Bias(p.by_slice()), slice(&a), &weights.wya, Epilogue::Store);
                softmax(slice_mut(&mut output), logits, p.dims().n_y);
            }
        }
    }
}

pub(super) const CONTIGUOUS: &str = "the columns of a step are neighbours, and so are the steps of all columns";

pub(super) fn slice<'v, A>(view: &'v ArrayView3<'_, A>) -> &'v [A] {
    view.as_slice().expect(CONTIGUOUS)
}

pub(super) fn slice_mut<'v, A>(view: &'v mut ArrayViewMut3<'_, A>) -> &'v mut [A] {
    view.as_slice_mut().expect(CONTIGUOUS)
}
