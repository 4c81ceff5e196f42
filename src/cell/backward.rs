use ndarray::{Array2, ArrayRef, Dimension, Ix2, ShapeBuilder};

use super::Cache;
use crate::error::{check_network, check_shape};
use crate::kernel::{
    Epilogue, Packed, Rows, Start, Terms, add_rows, add_softmax_gradient, product, tanh_gradient, threads, transpose,
};
use crate::layout::{as_time_major, copy_time_major, fit};
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
    weights.pack_backward(parameters, true);

    let (mut dlogits, mut dy) = (Vec::new(), Vec::new());
    let dlogits = logits_gradient(&mut dlogits, &mut dy, upstream.logits, upstream.output, &cache.y, n_y);
    let mut dz = vec![A::zero(); n_a * m];
    if let Some(hidden) = upstream.hidden {
        copy_time_major(&mut dz, hidden);
    }
    let mut da_prev = vec![A::zero(); n_a * m];
    let mut dxt = vec![A::zero(); n_x * m];
    product(&mut dz, Start::Present, dlogits, &weights.wya, Epilogue::Store);
    tanh_gradient(&mut dz, &da_prev, &cache.states[n_a * m..]);
    product(&mut da_prev, Start::Zero, &dz, &weights.waa, Epilogue::Store);
    product(&mut dxt, Start::Zero, &dz, &weights.wax, Epilogue::Store);

    let mut gradients = Gradients::zeros(dims);
    let chain = Chain {
        length: m,
        dz: Rows::ascending(&dz, n_a),
        dlogits: Rows::ascending(dlogits, n_y),
        x: X::Vectors(Rows::ascending(&cache.xt, n_x)),
        states: States::Shared { rows: Rows::descending(&cache.states, m, n_a), m },
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

/// What arrives at the logits, from themselves and from the probabilities y: read in place, or put together in `dlogits`.
/// `dy` is scratch.
pub(crate) fn logits_gradient<'a, A: Scalar, D: Dimension>(
    dlogits: &'a mut Vec<A>,
    dy: &mut Vec<A>,
    logits: Option<&'a ArrayRef<A, D>>,
    output: Option<&ArrayRef<A, D>>,
    y: &[A],
    n_y: usize,
) -> &'a [A] {
    if output.is_none()
        && let Some(logits) = logits.and_then(as_time_major)
    {
        return logits;
    }
    fit(dlogits, y.len());
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

/// The rows whose outer products add up to the parameters' gradient, in the order in which they are added.
pub(crate) struct Chain<'a, A> {
    /// Rows of all steps.
    pub(crate) length: usize,
    pub(crate) dz: Rows<'a, A>,
    pub(crate) dlogits: Rows<'a, A>,
    pub(crate) x: X<'a, A>,
    pub(crate) states: States<'a, A>,
}

/// What was read: rows of x, or rows of one token.
pub(crate) enum X<'a, A> {
    Vectors(Rows<'a, A>),
    Tokens(Rows<'a, usize>),
}

/// The states after the steps, and before them.
pub(crate) enum States<'a, A> {
    /// From the states after the last step to those before the first: a step's `a_prev` is the `a_next` of `m` rows on.
    Shared {
        rows: Rows<'a, A>,
        m: usize,
    },
    Apart {
        a_next: Rows<'a, A>,
        a_prev: Rows<'a, A>,
    },
}

/// Memory that [`accumulate`] works in.
#[derive(Debug, Clone)]
pub(crate) struct Scratch<A> {
    dz: Vec<A>,
    dlogits: Vec<A>,
    x: Packed<A>,
    a_next: Packed<A>,
    a_prev: Packed<A>,
    /// dWaxᵀ, where the input is tokens: each adds to one row.
    dembedding: Vec<A>,
}

impl<A> Default for Scratch<A> {
    fn default() -> Self {
        let [x, a_next, a_prev] = [(); 3].map(|()| Packed::default());
        Scratch { dz: Vec::new(), dlogits: Vec::new(), x, a_next, a_prev, dembedding: Vec::new() }
    }
}

impl<A: Scalar> Scratch<A> {
    /// Before the first call of [`accumulate`].
    pub(crate) fn begin(&mut self, gradients: &Gradients<A>, tokens: bool) {
        let Dims { n_x, n_a, .. } = gradients.dims();
        if tokens {
            fit(&mut self.dembedding, n_x * n_a);
            transpose(&mut self.dembedding, n_a, Rows::ascending(gradients.wax_slice(), n_x));
        }
    }

    /// After the last call of [`accumulate`].
    pub(crate) fn end(&self, gradients: &mut Gradients<A>, tokens: bool) {
        let Dims { n_x, n_a, .. } = gradients.dims();
        if tokens {
            let [wax, ..] = gradients.split_mut();
            transpose(wax, n_x, Rows::ascending(&self.dembedding, n_a));
        }
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
    let Chain { length, dz, dlogits, x, states } = chain;
    let Scratch { dz: dz_rows, dlogits: dlogits_rows, x: packed_x, a_next, a_prev, dembedding } = scratch;
    let mut turn = || {
        fit(dz_rows, n_a * length);
        transpose(dz_rows, length, dz.clone());
        fit(dlogits_rows, n_y * length);
        transpose(dlogits_rows, length, dlogits.clone());
    };
    let vectors = matches!(x, X::Vectors(_));
    let shared = if let States::Shared { m, .. } = states { Some(m) } else { None };
    let rows = dz.clone();
    let pack = || {
        match x {
            X::Vectors(rows) => packed_x.pack_rows(length, n_x, rows),
            X::Tokens(tokens) => {
                packed_x.pack_rows(length, 0, Rows::ascending(&[], 0));
                for (dz, token) in rows.zip(tokens) {
                    add(&mut dembedding[token[0] * n_a..][..n_a], dz);
                }
            }
        }
        match states {
            States::Shared { rows, m } => a_next.pack_rows(length + m, n_a, rows),
            States::Apart { a_next: next, a_prev: prev } => {
                a_next.pack_rows(length, n_a, next);
                a_prev.pack_rows(length, n_a, prev);
            }
        }
    };
    if parts > 1 {
        threads::join(turn, pack);
    } else {
        turn();
        pack();
    }

    let [wax, waa, wya, ba, by] = gradients.split_mut();
    let (next, prev) = match shared {
        Some(m) => (a_next.terms(0..length), a_next.terms(m..m + length)),
        None => ((&*a_next).into(), (&*a_prev).into()),
    };
    let wax = if vectors { wax } else { &mut [] };
    let outer = |count, w, left, right, b, rows| Outer { count, w, left, right, b, first: 0, rows };
    split(
        parts,
        [
            outer(n_a, wax, dz_rows, (&*packed_x).into(), ba, dz.clone()),
            outer(n_a, waa, dz_rows, prev, &mut [], dz),
            outer(n_y, wya, dlogits_rows, next, by, dlogits),
        ],
    );
}

/// sum ← sum + row
fn add<A: Scalar>(sum: &mut [A], row: &[A]) {
    for (sum, &value) in sum.iter_mut().zip(row) {
        *sum += value;
    }
}

/// dW += left·right and db += Σ rows, for some of the outputs: each is a row of W and an element of b.
struct Outer<'a, A> {
    /// How many outputs.
    count: usize,
    w: &'a mut [A],
    /// The outputs' gradients, a row for each of them.
    left: &'a [A],
    /// What the outputs were computed from.
    right: Terms<'a, A>,
    /// Empty where b is left to others.
    b: &'a mut [A],
    /// Outputs before these.
    first: usize,
    /// All outputs' gradients, a column for each of them.
    rows: Rows<'a, A>,
}

/// Every thread takes some outputs of each.
fn split<A: Scalar>(parts: usize, outer: [Outer<A>; 3]) {
    if parts <= 1 {
        return outer.into_iter().for_each(Outer::run);
    }
    let left = parts / 2;
    let [a, b, c] = outer.map(|outer| outer.split_at(left, parts));
    threads::join(|| split(left, [a.0, b.0, c.0]), || split(parts - left, [a.1, b.1, c.1]));
}

impl<A: Scalar> Outer<'_, A> {
    /// The outputs of the first `part` of `parts`, and the others.
    fn split_at(self, part: usize, parts: usize) -> (Self, Self) {
        let Outer { count, w, left, right, b, first, rows } = self;
        let middle = count * part / parts;
        let (w0, w1) = w.split_at_mut(middle * right.n());
        let (left0, left1) = left.split_at(middle * right.k());
        let (b0, b1) = b.split_at_mut(middle.min(b.len()));
        let start = Outer { count: middle, w: w0, left: left0, right, b: b0, first, rows: rows.clone() };
        (start, Outer { count: count - middle, w: w1, left: left1, right, b: b1, first: first + middle, rows })
    }

    fn run(self) {
        product(self.w, Start::Present, self.left, self.right, Epilogue::Store);
        add_rows(self.b, self.first, self.rows);
    }
}
