use std::ops::Range;

use ndarray::{ArrayRef2, ArrayView2, NdFloat};
use pulp::{Simd, WithSimd};

use super::{ForwardWeights, Weights};
use crate::dropout::MaskRows;
use crate::error::{HIDDEN, X, check_first_axis, check_shape};
use crate::kernel::{Epilogue, Inside, Kernel, Lanes, PickedRows, Product, Recurrence, Run, Softmax, Start, kernel};
use crate::layout::{copy_time_major, product, step_view};
use crate::{Activation, Dims, Error, Parameters, Scalar};

/// The result of one step: its outputs, and all data that the backward pass reads.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cache<A> {
    pub(crate) dims: Dims,
    pub(crate) activation: Activation,
    pub(crate) m: usize,
    pub(crate) xt: Vec<A>,
    /// `a_prev`, then `a_next`.
    pub(crate) states: Vec<A>,
    pub(crate) logits: Vec<A>,
    pub(crate) y: Vec<A>,
}

impl<A> Cache<A> {
    /// The dimensions of the network that made this cache.
    #[must_use]
    pub fn dims(&self) -> Dims {
        self.dims
    }
    /// The number of columns, m.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.m
    }
    /// The input, (`n_x`, m).
    #[must_use]
    pub fn xt(&self) -> ArrayView2<'_, A> {
        step_view(self.dims.n_x, self.m, &self.xt)
    }
    /// The hidden state before the step, (`n_a`, m).
    #[must_use]
    pub fn a_prev(&self) -> ArrayView2<'_, A> {
        step_view(self.dims.n_a, self.m, &self.states[..self.dims.n_a * self.m])
    }
    /// The hidden state after the step, (`n_a`, m): `a_next` in the equation.
    #[must_use]
    pub fn hidden(&self) -> ArrayView2<'_, A> {
        self.a_next()
    }
    /// [`hidden`](Self::hidden), by its symbol in the equation.
    #[must_use]
    pub fn a_next(&self) -> ArrayView2<'_, A> {
        step_view(self.dims.n_a, self.m, &self.states[self.dims.n_a * self.m..])
    }
    /// The logits, Wya·`a_next` + by, (`n_y`, m).
    #[must_use]
    pub fn logits(&self) -> ArrayView2<'_, A> {
        step_view(self.dims.n_y, self.m, &self.logits)
    }
    /// The probabilities, softmax(logits), (`n_y`, m): y in the equation.
    #[must_use]
    pub fn output(&self) -> ArrayView2<'_, A> {
        self.y()
    }
    /// [`output`](Self::output), by its symbol in the equation.
    #[must_use]
    pub fn y(&self) -> ArrayView2<'_, A> {
        step_view(self.dims.n_y, self.m, &self.y)
    }
}

/// Runs one step: `a_next` = φ(Wax·`xt` + Waa·`a_prev` + ba), y = softmax(Wya·`a_next` + by).
///
/// - `xt`: (`n_x`, m)
/// - `a_prev`: (`n_a`, m)
///
/// A column is bit-identical whatever the other columns are. For many steps, use [`Stepper`](crate::cell::Stepper): it packs
/// the weights once.
///
/// # Examples
///
/// ```
/// use elman::{cell, Dims, Parameters};
/// use ndarray::Array2;
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let step = cell::forward(&p, &Array2::ones((3, 10)), &Array2::zeros((5, 10)))?;
/// assert_eq!(step.y()[[1, 9]], 0.5);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] where `xt.nrows() != n_x` or `a_prev.dim() != (n_a, m)`.
pub fn forward<A: Scalar>(
    parameters: &Parameters<A>,
    xt: &ArrayRef2<A>,
    a_prev: &ArrayRef2<A>,
) -> Result<Cache<A>, Error> {
    let dims = parameters.dims();
    let m = xt.ncols();
    check_first_axis("xt", xt, &X[..2], dims.n_x)?;
    check_shape("a_prev", a_prev, &HIDDEN[..2], [dims.n_a, m])?;
    let mut weights = Weights::default();
    let weights = weights.forward(parameters.view(), [m, 1]);
    let mut cache = Cache {
        dims,
        activation: parameters.activation(),
        m,
        xt: vec![A::zero(); dims.n_x * m],
        states: vec![A::zero(); 2 * dims.n_a * m],
        logits: vec![A::zero(); product([dims.n_y, m])],
        y: vec![A::zero(); product([dims.n_y, m])],
    };
    let Cache { xt: own_xt, states, logits, y, .. } = &mut cache;
    let (own_a_prev, a_next) = states.split_at_mut(dims.n_a * m);
    copy_time_major(own_xt, xt);
    copy_time_major(own_a_prev, a_prev);
    let head = Some(Head { logits, y: Some(y) });
    Step { a: a_next, x: Read::Vectors(own_xt), a_prev: own_a_prev, head, weights: &weights }.dispatch();
    Ok(cache)
}

/// The input of rows: a vector of `n_x` values for each row, or a token id for each row.
#[derive(Debug)]
pub(crate) enum Read<'a, A> {
    Vectors(&'a [A]),
    Tokens(&'a [usize]),
    /// Token ids, and the value of each one-hot vector at its token. Dropout makes it another one than 1.
    Scaled(&'a [usize], &'a [A]),
}

impl<A> Clone for Read<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Read<'_, A> {}

impl<A> Read<'_, A> {
    pub(crate) fn is_tokens(self) -> bool {
        !matches!(self, Read::Vectors(_))
    }

    /// Some rows. A vector has `n_x` values.
    pub(crate) fn rows(self, rows: &Range<usize>, n_x: usize) -> Self {
        match self {
            Read::Vectors(x) => Read::Vectors(&x[rows.start * n_x..rows.end * n_x]),
            Read::Tokens(tokens) => Read::Tokens(&tokens[rows.clone()]),
            Read::Scaled(tokens, values) => Read::Scaled(&tokens[rows.clone()], &values[rows.clone()]),
        }
    }
}

/// z ← ba + Wax·x
#[inline(always)]
pub(crate) fn input_projection<A>(run: impl Run<A>, z: &mut [A], x: Read<A>, weights: &ForwardWeights<A>) {
    let &ForwardWeights { wax: b, ba: start, .. } = weights;
    match x {
        Read::Vectors(a) => run.run(Product { c: z, start: Start::Bias(start), a, b, epilogue: Epilogue::Store }),
        // Wax times a one-hot vector is a column of Wax.
        Read::Tokens(rows) => run.run(PickedRows { z, start, b, rows, values: None }),
        Read::Scaled(rows, values) => run.run(PickedRows { z, start, b, rows, values: Some(values) }),
    }
}

/// a ← φ(z + Waa·`a_prev`), where `a` holds z. In a pass of several steps, the state after a step is the next `a_prev`.
///
/// With dropout, Waa reads ma ⊙ `a_prev` instead.
#[inline(always)]
pub(crate) fn recurrence<'a, A: NdFloat>(
    run: impl Run<A>,
    a: &'a mut [A],
    mut a_prev: &'a [A],
    dropout: Option<Dropped<A>>,
    weights: &ForwardWeights<A>,
) {
    let &ForwardWeights { waa: b, activation, .. } = weights;
    let Some(mut dropout) = dropout else {
        return run.run(Recurrence { a, a_prev, b, activation });
    };
    for (step, a_next) in a.chunks_exact_mut(a_prev.len().max(1)).enumerate() {
        run.run(Recurrence { a: a_next, a_prev: dropout.step(step, a_prev), b, activation });
        a_prev = a_next;
    }
}

/// The dropout of a recurrence.
pub(crate) struct Dropped<'a, A> {
    /// ma, one row for each column.
    pub(crate) mask: MaskRows<'a, A>,
    /// ma ⊙ `a_prev` of each step, which [`recurrence`] computes.
    pub(crate) a_prev: &'a mut [A],
}

impl<A: NdFloat> Dropped<'_, A> {
    /// ma ⊙ `a_prev` of one step, which it keeps.
    fn step(&mut self, step: usize, a_prev: &[A]) -> &[A] {
        let size = a_prev.len();
        let dropped = &mut self.a_prev[step * size..][..size];
        self.mask.write(dropped, a_prev);
        dropped
    }

    /// The same for some of the steps.
    pub(crate) fn steps(&mut self, values: Range<usize>) -> Dropped<'_, A> {
        Dropped { mask: self.mask, a_prev: &mut self.a_prev[values] }
    }
}

/// logits ← by + Wya·a
///
/// The second direction of a layer has no `by`: it adds Wya·a to the first direction's logits.
#[inline(always)]
fn logits<A>(run: impl Run<A>, logits: &mut [A], a: &[A], weights: &ForwardWeights<A>) {
    let start = if weights.by.len() == weights.dims.n_y { Start::Bias(weights.by) } else { Start::Accumulate };
    run.run(Product { c: logits, start, a, b: weights.wya, epilogue: Epilogue::Store });
}

/// The results of the head.
pub(crate) struct Head<'a, A> {
    pub(crate) logits: &'a mut [A],
    /// `None` where the probabilities are not computed.
    pub(crate) y: Option<&'a mut [A]>,
}

/// [`logits()`], then y ← softmax(logits)
#[inline(always)]
pub(crate) fn head<A>(run: impl Run<A>, Head { logits: z, y }: Head<A>, a: &[A], weights: &ForwardWeights<A>) {
    logits(run, z, a, weights);
    if let Some(y) = y {
        run.run(Softmax { y, z, n: weights.dims.n_y });
    }
}

/// One step of a layer, in one call into the code of the instruction set.
pub(crate) struct Step<'a, A> {
    /// The result, `a_next`.
    pub(crate) a: &'a mut [A],
    pub(crate) x: Read<'a, A>,
    pub(crate) a_prev: &'a [A],
    /// `None` for a layer below another one.
    pub(crate) head: Option<Head<'a, A>>,
    pub(crate) weights: &'a ForwardWeights<'a, A>,
}

kernel!(Step: CompiledStep);

impl<A: Lanes> WithSimd for Step<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (Step { a, x, a_prev, head: results, weights }, run) = (self, Inside(simd));
        input_projection(run, a, x, weights);
        recurrence(run, a, a_prev, None, weights);
        if let Some(results) = results {
            head(run, results, a, weights);
        }
    }
}
