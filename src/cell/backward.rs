use ndarray::{Array2, ArrayRef, Dimension, Ix2, ShapeBuilder};

use super::Cache;
use crate::error::{check_network, check_shape};
use crate::kernel::{
    Epilogue, Packed, Rows, Start, add_rows, add_softmax_gradient, product, product_split, tanh_gradient, transpose,
};
use crate::layout::copy_time_major;
use crate::weights::Weights;
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

/// The gradients of one step, from any mix of ∂L/∂`a_next`, ∂L/∂logits and ∂L/∂y.
///
/// - `upstream.hidden`: (`n_a`, m)
/// - `upstream.logits`, `upstream.output`: (`n_y`, m)
///
/// The equations are those of the [module](crate::cell).
///
/// # Errors
/// [`Error::Network`] where `cache.dims() != parameters.dims()`; [`Error::Shape`] where a gradient's shape is not that of
/// what it is the gradient of.
pub fn backward<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    upstream: Upstream<'_, A, Ix2>,
) -> Result<Backward<A>, Error> {
    let dims = parameters.dims();
    let Dims { n_x, n_a, n_y } = dims;
    let m = cache.m;
    check_network("cache", cache.dims.triple(), dims.triple())?;
    upstream.check([n_a, m], [n_y, m])?;
    let mut weights = Weights::default();
    weights.pack_backward(parameters);

    let (mut dlogits, mut dy) = (vec![A::zero(); n_y * m], Vec::new());
    add_logits_gradient(&mut dlogits, &mut dy, upstream.logits, upstream.output, &cache.y, n_y);
    let mut dz = vec![A::zero(); n_a * m];
    if let Some(hidden) = upstream.hidden {
        copy_time_major(&mut dz, hidden);
    }
    let mut da_prev = vec![A::zero(); n_a * m];
    let mut dxt = vec![A::zero(); n_x * m];
    product(&mut dz, Start::Present, &dlogits, &weights.wya, Epilogue::Store);
    tanh_gradient(&mut dz, &da_prev, &cache.a_next);
    product(&mut da_prev, Start::Zero, &dz, &weights.waa, Epilogue::Store);
    product(&mut dxt, Start::Zero, &dz, &weights.wax, Epilogue::Store);

    let mut gradients = Gradients::zeros(dims);
    let chain = Chain {
        length: m,
        dz: Rows::ascending(&dz, n_a),
        dlogits: Rows::ascending(&dlogits, n_y),
        xt: Rows::ascending(&cache.xt, n_x),
        a_prev: Rows::ascending(&cache.a_prev, n_a),
        a_next: Rows::ascending(&cache.a_next, n_a),
    };
    accumulate(&mut gradients, chain, &mut Scratch::default(), 1);
    let shaped = |n, flat| Array2::from_shape_vec((n, m).f(), flat).expect("m rows of n values");
    Ok(Backward { gradients, dxt: shaped(n_x, dxt), da_prev: shaped(n_a, da_prev) })
}

impl<A: Scalar, D: Dimension> Upstream<'_, A, D> {
    /// Whether every array has the shape of what it is the gradient of.
    pub(crate) fn check<const N: usize>(&self, hidden: [usize; N], output: [usize; N]) -> Result<(), Error> {
        let check =
            |name, array: Option<&ArrayRef<A, D>>, shape| array.map_or(Ok(()), |array| check_shape(name, array, shape));
        check("upstream.hidden", self.hidden, hidden)?;
        check("upstream.logits", self.logits, output)?;
        check("upstream.output", self.output, output)
    }
}

/// dlogits ← what arrives at the logits, from themselves and from the probabilities y. `dy` is scratch.
pub(crate) fn add_logits_gradient<A: Scalar, D: Dimension>(
    dlogits: &mut [A],
    dy: &mut Vec<A>,
    logits: Option<&ArrayRef<A, D>>,
    output: Option<&ArrayRef<A, D>>,
    y: &[A],
    n_y: usize,
) {
    match logits {
        Some(logits) => copy_time_major(dlogits, logits),
        None => dlogits.fill(A::zero()),
    }
    if let Some(output) = output {
        dy.resize(y.len(), A::zero());
        copy_time_major(dy, output);
        add_softmax_gradient(dlogits, dy, y, n_y);
    }
}

/// The rows whose outer products add up to the parameters' gradient, in the order in which they are added.
pub(crate) struct Chain<'a, A> {
    pub(crate) length: usize,
    pub(crate) dz: Rows<'a, A>,
    pub(crate) dlogits: Rows<'a, A>,
    pub(crate) xt: Rows<'a, A>,
    pub(crate) a_prev: Rows<'a, A>,
    pub(crate) a_next: Rows<'a, A>,
}

/// Memory that [`accumulate`] works in.
#[derive(Debug, Clone)]
pub(crate) struct Scratch<A> {
    left: Vec<A>,
    right: Packed<A>,
}

impl<A> Default for Scratch<A> {
    fn default() -> Self {
        Scratch { left: Vec::new(), right: Packed::default() }
    }
}

/// dWax += Σ dz·xtᵀ, dWaa += Σ dz·`a_prev`ᵀ, dWya += Σ dlogits·`a_next`ᵀ, dba += Σ dz, dby += Σ dlogits: every element one
/// chain that starts at its present value.
pub(crate) fn accumulate<A: Scalar>(
    gradients: &mut Gradients<A>,
    chain: Chain<A>,
    scratch: &mut Scratch<A>,
    parts: usize,
) {
    let Dims { n_x, n_a, n_y } = gradients.dims();
    let Chain { length, dz, dlogits, xt, a_prev, a_next } = chain;
    let [wax, waa, wya, ba, by] = gradients.split_mut();
    let Scratch { left, right } = scratch;

    add_rows(ba, dz.clone());
    left.resize(n_a * length, A::zero());
    transpose(left, length, n_a, dz);
    right.pack_rows(length, n_x, xt);
    product_split(parts, wax, Start::Present, left, right, Epilogue::Store);
    right.pack_rows(length, n_a, a_prev);
    product_split(parts, waa, Start::Present, left, right, Epilogue::Store);

    add_rows(by, dlogits.clone());
    left.resize(n_y * length, A::zero());
    transpose(left, length, n_y, dlogits);
    right.pack_rows(length, n_a, a_next);
    product_split(parts, wya, Start::Present, left, right, Epilogue::Store);
}
