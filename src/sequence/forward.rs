use super::cache::{Sources, input};
use super::columns;
use super::{Cache, InitialState, Input, block_steps, threads_for};
use crate::cell::{Head, head, input_projection, recurrence};
use crate::dropout::Place;
use crate::kernel::{Dispatch, threads};
use crate::parameters::View;
use crate::scalar::{call, compiled};
use crate::{Dims, Dropout, Error, Parameters, Scalar};

/// Runs a sequence from the hidden state `a0`.
///
/// - `x`: (`n_x`, m, `T_x`), any array or view; or an [`Input`] of token ids, of columns of different lengths, or reversed
/// - `a0`: (`n_a`, m), or `None` for zero
/// - result: hidden (`n_a`, m, `T_x`), logits and output (`n_y`, m, `T_x`)
///
/// # Examples
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
///
/// # Errors
/// [`Error::Shape`] where `x.dim().0 != n_x`, `a0.nrows() != n_a`, `lengths.len() != m` or `dropout.columns.len() != m`;
/// [`Error::Columns`] where `a0.ncols() != m`; [`Error::Token`] where a token is not below `n_x`; [`Error::Length`] where a
/// length is above `T_x`; [`Error::Range`] where a rate of dropout is not from 0 to below 1.
pub fn forward<'a, 's, A: Scalar>(
    parameters: &Parameters<A>,
    x: impl Into<Input<'a, A>>,
    a0: impl Into<InitialState<'s, A>>,
) -> Result<Cache<A>, Error> {
    let mut cache = Cache::default();
    forward_into(parameters, x, a0, &mut cache)?;
    cache.free_workspace();
    Ok(cache)
}

/// Runs [`forward`] and writes the result to `cache`. It reuses the memory of `cache` and overwrites its contents.
///
/// # Examples
///
/// ```
/// use elman::{sequence, Dims, Parameters};
/// use ndarray::Array3;
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let x = Array3::ones((3, 10, 4));
/// let mut cache = sequence::Cache::default();
/// for _ in 0..2 {
///     sequence::forward_into(&p, &x, None, &mut cache)?;
/// }
/// assert_eq!(cache, sequence::forward(&p, &x, None)?);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// As [`forward`]; an error leaves `cache` unchanged.
pub fn forward_into<'a, 's, A: Scalar>(
    parameters: &Parameters<A>,
    x: impl Into<Input<'a, A>>,
    a0: impl Into<InitialState<'s, A>>,
    cache: &mut Cache<A>,
) -> Result<(), Error> {
    let (x, a0) = (x.into(), a0.into());
    call::<A, CompiledPass>(Call { parameters, input: x.view(), a0: a0.view(), cache })
}

/// The arguments of [`forward_into`].
struct Call<'a, A> {
    parameters: &'a Parameters<A>,
    input: Input<'a, A>,
    a0: InitialState<'a, A>,
    cache: &'a mut Cache<A>,
}

compiled!(CompiledPass: Call<'a, A> => Result<(), Error>, pass);

fn pass<A: Scalar>(Call { parameters, input, a0, cache }: Call<A>) -> Result<(), Error> {
    let dims = parameters.dims();
    let (m, t_x) = input.check(dims)?;
    a0.check(dims.n_a, &input)?;

    cache.take(dims, m, t_x, input);
    let dropout = input.dropout.map(|dropout| (dropout, Place::default()));
    run(parameters.view(), Sources::default(), a0, dropout, cache);
    Ok(())
}

/// Runs the sequence that `cache` was prepared for.
pub(crate) fn run<A: Scalar>(
    p: View<A>,
    sources: Sources<A>,
    a0: InitialState<A>,
    dropout: Option<(Dropout, Place)>,
    cache: &mut Cache<A>,
) {
    cache.activation = p.activation;
    a0.write_to(&mut cache.states[..p.dims.n_a * cache.m]);
    let x = input(sources, cache.tokens.as_deref(), &cache.x);
    cache.masks.begin(dropout, p.dims, [cache.m, cache.t_x], x);
    let schedule = cache.schedule();
    let threads = threads_for(p.dims, schedule.steps(), cache.m);
    if threads == 1 && schedule.is_plain() {
        in_place(p, cache, sources);
    } else {
        threads::enter(threads, || columns::forward(p, cache, sources, threads));
    }
}

/// Runs the whole batch through all steps in place, without gathering rows.
fn in_place<A: Scalar>(p: View<A>, cache: &mut Cache<A>, sources: Sources<A>) {
    let Cache { m, t_x, .. } = *cache;
    let Dims { n_x, n_a, n_y } = cache.dims;
    let weights = &cache.weights.forward(p, [m, t_x]);
    let (x, mut dropout) = cache.masks.forward(input(sources, cache.tokens.as_deref(), &cache.x));
    let steps = block_steps(m);
    for first in (0..t_x).step_by(steps) {
        let block = first..t_x.min(first + steps);
        let of = |n: usize| block.start * m * n..block.end * m * n;
        let (before, a) = cache.states.split_at_mut((first + 1) * m * n_a);
        let a = &mut a[..block.len() * m * n_a];
        input_projection(Dispatch, a, x.rows(&of(1), n_x), weights);
        let dropout = dropout.as_mut().map(|dropout| dropout.steps(of(n_a)));
        recurrence(Dispatch, a, &before[first * m * n_a..], dropout, weights);
        let logits = &mut cache.logits[of(n_y)];
        if let Some(partial) = sources.logits {
            logits.copy_from_slice(&partial[of(n_y)]);
        }
        head(Dispatch, Head { logits, y: Some(&mut cache.output[of(n_y)]) }, a, weights);
    }
}
