use ndarray::{ArrayRef2, ArrayView2};

use crate::error::check_shape;
use crate::kernel::{Epilogue, Start, product, softmax};
use crate::layout::{copy_time_major, step_view};
use crate::weights::Weights;
use crate::{Dims, Error, Parameters, Scalar};

/// What one step leaves behind: all that its gradient reads, and the outputs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cache<A> {
    pub(crate) dims: Dims,
    pub(crate) m: usize,
    pub(crate) xt: Vec<A>,
    /// `a_prev`, and behind it `a_next`.
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
    pub fn batch(&self) -> usize {
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
    /// The hidden state after the step, (`n_a`, m).
    #[must_use]
    pub fn a_next(&self) -> ArrayView2<'_, A> {
        step_view(self.dims.n_a, self.m, &self.states[self.dims.n_a * self.m..])
    }
    /// Wya·`a_next` + by, (`n_y`, m).
    #[must_use]
    pub fn logits(&self) -> ArrayView2<'_, A> {
        step_view(self.dims.n_y, self.m, &self.logits)
    }
    /// The probabilities, softmax(logits), (`n_y`, m).
    #[must_use]
    pub fn y(&self) -> ArrayView2<'_, A> {
        step_view(self.dims.n_y, self.m, &self.y)
    }
}

/// One step: `a_next` = tanh(Wax·`xt` + Waa·`a_prev` + ba), y = softmax(Wya·`a_next` + by).
///
/// - `xt`: (`n_x`, m)
/// - `a_prev`: (`n_a`, m)
///
/// A column's bits do not depend on the other columns. To serve many steps, [`Stepper`](crate::cell::Stepper) packs the
/// weights once.
///
/// # Errors
/// [`Error::Shape`] where `xt.nrows() != n_x` or `a_prev.dim() != (n_a, m)`.
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
pub fn forward<A: Scalar>(
    parameters: &Parameters<A>,
    xt: &ArrayRef2<A>,
    a_prev: &ArrayRef2<A>,
) -> Result<Cache<A>, Error> {
    let dims = parameters.dims();
    let m = xt.ncols();
    check_shape("xt", xt, [dims.n_x, m])?;
    check_shape("a_prev", a_prev, [dims.n_a, m])?;
    let mut weights = Weights::default();
    weights.pack_forward(parameters, false);
    let mut cache = Cache {
        dims,
        m,
        xt: vec![A::zero(); dims.n_x * m],
        states: vec![A::zero(); 2 * dims.n_a * m],
        logits: vec![A::zero(); dims.n_y * m],
        y: vec![A::zero(); dims.n_y * m],
    };
    let Cache { xt: own_xt, states, logits, y, .. } = &mut cache;
    let (own_a_prev, a_next) = states.split_at_mut(dims.n_a * m);
    copy_time_major(own_xt, xt);
    copy_time_major(own_a_prev, a_prev);
    product(a_next, Start::Bias(parameters.ba_slice()), own_xt, &weights.wax, Epilogue::Store);
    finish_step(parameters, &weights, own_a_prev, a_next, logits, y);
    Ok(cache)
}

/// The step from ba + Wax·xt, which `a_next` holds, over m rows.
pub(super) fn finish_step<A: Scalar>(
    p: &Parameters<A>,
    weights: &Weights<A>,
    a_prev: &[A],
    a_next: &mut [A],
    logits: &mut [A],
    y: &mut [A],
) {
    product(a_next, Start::Present, a_prev, &weights.waa, Epilogue::Tanh);
    product(logits, Start::Bias(p.by_slice()), a_next, &weights.wya, Epilogue::Store);
    softmax(y, logits, p.dims().n_y);
}
