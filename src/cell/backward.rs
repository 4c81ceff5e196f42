use ndarray::{Array2, ArrayRef, Dimension, Ix2, ShapeBuilder};

use super::{BackwardWeights, Cache, Inputs, States, Steps, WeightGradient, Weights};
use crate::dropout::MaskRows;
use crate::error::{check_activation, check_network};
use crate::kernel::{Epilogue, Rows, Start, add_softmax_gradient, product, recur_gradient};
use crate::layout::{as_time_major, copy_time_major, fit};
use crate::{Dims, Error, Gradients, Parameters, Scalar, Upstream};

/// The gradients of one step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Backward<A> {
    /// ∂L/∂(wax, waa, wya, ba, by).
    pub gradients: Gradients<A>,
    /// ∂L/∂xt, (`n_x`, m).
    pub dxt: Array2<A>,
    /// ∂L/∂`a_prev`, (`n_a`, m).
    pub da_prev: Array2<A>,
}

/// Computes the gradients of one step, from any combination of ∂L/∂`a_next`, ∂L/∂logits and ∂L/∂y.
///
/// - `upstream.hidden`: (`n_a`, m)
/// - `upstream.logits`, `upstream.output`: (`n_y`, m)
///
/// The equations are those of the [module](crate::cell).
///
/// # Examples
///
/// ```
/// use elman::{cell, Dims, Parameters, Upstream};
/// use ndarray::Array2;
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let step = cell::forward(&p, &Array2::ones((3, 10)), &Array2::zeros((5, 10)))?;
/// let back = cell::backward(&p, &step, Upstream::hidden(&Array2::ones((5, 10))))?;
/// assert_eq!(back.gradients.ba()[0], 10.0);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Network`] where `cache.dims() != parameters.dims()`; [`Error::Activation`] where the cache belongs to a network
/// with another nonlinearity; [`Error::Shape`] where a gradient has another shape than its array.
pub fn backward<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    upstream: Upstream<'_, A, Ix2>,
) -> Result<Backward<A>, Error> {
    let dims = parameters.dims();
    let Dims { n_x, n_a, n_y } = dims;
    let m = cache.m;
    check_network("cache", cache.dims.triple(), dims.triple())?;
    check_activation("cache", cache.activation.name(), parameters.activation().name())?;
    upstream.check([n_a, m], [n_y, m])?;
    let mut weights = Weights::default();
    let weights = weights.backward(parameters.view(), true, m);

    let (mut dlogits, mut dy) = (Vec::new(), Vec::new());
    let dlogits = logits_gradient(&mut dlogits, &mut dy, upstream.logits, upstream.output, &cache.y, n_y);
    let mut dz = vec![A::zero(); n_a * m];
    if let Some(hidden) = upstream.hidden {
        copy_time_major(&mut dz, hidden);
    }
    // There is no gradient from a later step.
    let mut da_prev = vec![A::zero(); n_a * m];
    let mut dxt = vec![A::zero(); n_x * m];
    head_gradient(&mut dz, Start::Accumulate, dlogits, &weights);
    recurrence_gradient(&mut dz, &mut da_prev, &cache.states[n_a * m..], None, &weights);
    input_gradient(&mut dxt, &dz, &weights);

    let mut gradients = Gradients::zeros(dims);
    let steps = Steps {
        rows: m,
        dz: Rows::ascending(&dz, n_a),
        dlogits: Rows::ascending(dlogits, n_y),
        x: Inputs::Vectors(Rows::ascending(&cache.xt, n_x)),
        states: States::Consecutive { rows: Rows::descending(&cache.states, m, n_a), m },
    };
    WeightGradient::default().add(&mut gradients.view_mut(), steps, 1);
    let shaped = |n, flat| Array2::from_shape_vec((n, m).f(), flat).expect("m rows of n values");
    Ok(Backward { gradients, dxt: shaped(n_x, dxt), da_prev: shaped(n_a, da_prev) })
}

/// dlogits ← dlogits + y·(dy − Σ dy·y): the gradient of the logits, directly from the loss and through the probabilities y.
///
/// Where the loss gives a gradient of the logits only, and in time-major order, it is read in place. `dlogits` and `dy` are
/// scratch memory.
pub(crate) fn logits_gradient<'a, A: Scalar, D: Dimension>(
    dlogits: &'a mut Vec<A>,
    dy: &mut Vec<A>,
    logits: Option<&'a ArrayRef<A, D>>,
    output: Option<&ArrayRef<A, D>>,
    y: &[A],
    n_y: usize,
) -> &'a [A] {
    match (logits.and_then(as_time_major), output) {
        (Some(logits), None) => return logits,
        _ => fit(dlogits, y.len()),
    }
    match logits {
        Some(logits) => copy_time_major(dlogits, logits),
        None => dlogits.fill(A::zero()),
    }
    if let Some(output) = output {
        fit(dy, y.len());
        copy_time_major(dy, output);
        add_softmax_gradient(dlogits, dy, y, n_y);
    }
    dlogits
}

/// da ← da + Wyaᵀ·dlogits: the gradient of the hidden states, directly from the loss and through the head.
pub(crate) fn head_gradient<A: Scalar>(da: &mut [A], start: Start<A>, dlogits: &[A], weights: &BackwardWeights<A>) {
    product(da, start, dlogits, weights.wya, Epilogue::Store);
}

/// dz ← (`da_next` + da) · φ′(a), then `da_next` ← Waaᵀ·dz for the previous step. Several steps run from last to first.
///
/// - `dz`: holds da, the gradient of the state a from the loss
/// - `da_next`: the gradient of the state a from the next step
/// - `mask`: with dropout, ma of [`recurrence`](super::recurrence); then `da_next` ← ma ⊙ Waaᵀ·dz
pub(crate) fn recurrence_gradient<A: Scalar>(
    dz: &mut [A],
    da_next: &mut [A],
    a: &[A],
    mask: Option<MaskRows<A>>,
    weights: &BackwardWeights<A>,
) {
    let BackwardWeights { waa, activation, .. } = *weights;
    let Some(mask) = mask else {
        return recur_gradient(dz, da_next, a, waa, activation);
    };
    let step = da_next.len().max(1);
    for (dz, a) in dz.chunks_exact_mut(step).zip(a.chunks_exact(step)).rev() {
        recur_gradient(dz, da_next, a, waa, activation);
        mask.apply(da_next);
    }
}

/// dx ← Waxᵀ·dz
pub(crate) fn input_gradient<A: Scalar>(dx: &mut [A], dz: &[A], weights: &BackwardWeights<A>) {
    product(dx, Start::Zero, dz, weights.wax, Epilogue::Store);
}
