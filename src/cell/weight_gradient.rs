//! The gradient of the weights: outer products, accumulated over steps and columns.
//!
//! ```text
//! dWax += Σ dz·xtᵀ        dWaa += Σ dz·a_prevᵀ        dWya += Σ dlogits·a_nextᵀ
//! dba  += Σ dz                                        dby  += Σ dlogits
//! ```
//!
//! Every element is one chain of additions that starts at the gradient's value before the call, or at zero where gradients
//! are overwritten. The chain takes the last step first; within a step the columns ascend. Threads divide the elements among
//! themselves and never share a chain.

use std::mem;

use super::weights::FEW_ROWS;
use crate::kernel::{
    Packed, PackedStrips, Rows, Start, Strips, Terms, add_rows, add_scaled, outer_products, threads, transpose,
    transposed_product,
};
use crate::layout::{Bytes, fit};
use crate::parameters::ViewMut;
use crate::{Dims, Scalar};

/// Rows of steps, in the order in which their outer products are accumulated.
pub(crate) struct Steps<'a, A> {
    /// The number of rows.
    pub(crate) rows: usize,
    pub(crate) dz: Rows<'a, A>,
    pub(crate) dlogits: Rows<'a, A>,
    pub(crate) x: Inputs<'a, A>,
    pub(crate) states: States<'a, A>,
}

/// The inputs of the steps: rows of x, or rows of one token id.
pub(crate) enum Inputs<'a, A> {
    Vectors(Rows<'a, A>),
    Tokens(Rows<'a, usize>),
    /// Token ids, and the value of each one-hot vector at its token.
    Scaled(Rows<'a, usize>, Rows<'a, A>),
}

/// The hidden states after the steps and before them.
pub(crate) enum States<'a, A> {
    /// Consecutive steps of `m` columns: from the states after the last step to those before the first. The `a_prev` of a
    /// step is the `a_next` of the previous step, `m` rows later.
    Consecutive {
        rows: Rows<'a, A>,
        m: usize,
    },
    Apart {
        a_next: Rows<'a, A>,
        a_prev: Rows<'a, A>,
    },
}

/// The workspace of the weight gradients.
#[derive(Debug, Clone)]
pub(crate) struct WeightGradient<A> {
    dz: PackedStrips<A>,
    dlogits: PackedStrips<A>,
    x: Packed<A>,
    a_next: Packed<A>,
    a_prev: Packed<A>,
    /// dWaxᵀ for token inputs: a token adds to one row.
    dembedding: Vec<A>,
    /// Whether the next rows overwrite the gradients instead of adding to them.
    overwrite: bool,
}

impl<A> Default for WeightGradient<A> {
    fn default() -> Self {
        let [dz, dlogits] = [(); 2].map(|()| PackedStrips::default());
        let [x, a_next, a_prev] = [(); 3].map(|()| Packed::default());
        WeightGradient { dz, dlogits, x, a_next, a_prev, dembedding: Vec::new(), overwrite: false }
    }
}

impl<A: Scalar> WeightGradient<A> {
    /// The memory for this many rows of m columns at a time. `apart`: some rows are not those of consecutive steps.
    pub(crate) fn bytes(Dims { n_x, n_a, n_y }: Dims, [rows, m]: [usize; 2], tokens: bool, apart: bool) -> Bytes {
        let embedding = if tokens { Bytes::of::<A>([n_x, n_a]) } else { Bytes::default() };
        if rows <= FEW_ROWS {
            return embedding;
        }
        let input = embedding + Packed::<A>::bytes(rows, if tokens { 0 } else { n_x });
        // Consecutive steps share the states of the columns before the first one.
        let states = Packed::<A>::bytes(rows.saturating_add(m), n_a);
        let before = if apart { Packed::<A>::bytes(rows, n_a) } else { Bytes::default() };
        PackedStrips::<A>::bytes(rows, n_a) + PackedStrips::<A>::bytes(rows, n_y) + input + states + before
    }

    /// Call before the first [`add`](Self::add), which overwrites the gradients where `overwrite` is true.
    pub(crate) fn begin(&mut self, gradients: &ViewMut<A>, tokens: bool, overwrite: bool) {
        let Dims { n_x, n_a, .. } = gradients.dims;
        self.overwrite = overwrite;
        if tokens {
            fit(&mut self.dembedding, n_x * n_a);
            if overwrite {
                self.dembedding.fill(A::zero());
            } else {
                transpose(&mut self.dembedding, n_a, Rows::ascending(gradients.wax(), n_x));
            }
        }
    }

    /// Call after the last [`add`](Self::add).
    pub(crate) fn end(&mut self, gradients: &mut ViewMut<A>, tokens: bool) {
        let Dims { n_x, n_a, .. } = gradients.dims;
        // There were no rows.
        if mem::take(&mut self.overwrite) {
            gradients.flat.fill(A::zero());
        }
        if tokens {
            let [wax, ..] = gradients.split();
            transpose(wax, n_x, Rows::ascending(&self.dembedding, n_a));
        }
    }

    /// Accumulates the outer products of few steps, without packing.
    fn add_few(&mut self, gradients: &mut ViewMut<A>, start: Start<A>, steps: Steps<A>) {
        let Steps { dz, dlogits, x, states, .. } = steps;
        let [dwax, dwaa, dwya, dba, dby] = gradients.split();
        match x {
            Inputs::Vectors(x) => outer_products(dwax, start, dz.clone(), x),
            Inputs::Tokens(tokens) => add_tokens(&mut self.dembedding, dz.clone(), tokens, None),
            Inputs::Scaled(tokens, values) => add_tokens(&mut self.dembedding, dz.clone(), tokens, Some(values)),
        }
        let (a_next, a_prev) = match states {
            States::Apart { a_next, a_prev } => (a_next, a_prev),
            States::Consecutive { rows, m } => {
                let mut a_prev = rows.clone();
                a_prev.by_ref().take(m).for_each(drop);
                (rows, a_prev)
            }
        };
        outer_products(dwaa, start, dz.clone(), a_prev);
        outer_products(dwya, start, dlogits.clone(), a_next);
        add_rows(dba, 0, dz);
        add_rows(dby, 0, dlogits);
    }

    /// Accumulates the outer products of these steps, on up to `threads` threads.
    pub(crate) fn add(&mut self, gradients: &mut ViewMut<A>, steps: Steps<A>, threads: usize) {
        if steps.rows == 0 {
            return;
        }
        let mut start = Start::Accumulate;
        if mem::take(&mut self.overwrite) {
            start = Start::Zero;
            let [.., dba, dby] = gradients.split();
            dba.fill(A::zero());
            dby.fill(A::zero());
        }
        if steps.rows <= FEW_ROWS {
            return self.add_few(gradients, start, steps);
        }
        let Dims { n_x, n_a, n_y } = gradients.dims;
        let Steps { rows, dz, dlogits, x, states } = steps;
        let WeightGradient { dz: dz_strips, dlogits: dlogits_strips, x: packed_x, a_next, a_prev, dembedding, .. } =
            self;
        let mut pack_gradients = || {
            dz_strips.pack(rows, n_a, dz.clone());
            dlogits_strips.pack(rows, n_y, dlogits.clone());
        };
        let vectors = matches!(x, Inputs::Vectors(_));
        let consecutive = if let States::Consecutive { m, .. } = states { Some(m) } else { None };
        let dz_rows = dz.clone();
        let pack_inputs = || {
            match x {
                Inputs::Vectors(x) => packed_x.pack_rows(rows, n_x, x),
                Inputs::Tokens(tokens) => add_tokens(dembedding, dz_rows, tokens, None),
                Inputs::Scaled(tokens, values) => add_tokens(dembedding, dz_rows, tokens, Some(values)),
            }
            match states {
                States::Consecutive { rows: states, m } => a_next.pack_rows(rows + m, n_a, states),
                States::Apart { a_next: next, a_prev: prev } => {
                    a_next.pack_rows(rows, n_a, next);
                    a_prev.pack_rows(rows, n_a, prev);
                }
            }
        };
        if threads > 1 {
            threads::join(pack_gradients, pack_inputs);
        } else {
            pack_gradients();
            pack_inputs();
        }

        let [dwax, dwaa, dwya, dba, dby] = gradients.split();
        let (a_next, a_prev) = match consecutive {
            Some(m) => (a_next.terms(0..rows), a_next.terms(m..m + rows)),
            None => ((&*a_next).into(), (&*a_prev).into()),
        };
        let dwax = if vectors { dwax } else { &mut [] };
        if !vectors {
            // Its product only accumulates the bias.
            packed_x.pack_rows(rows, 0, Rows::ascending(&[], 0));
        }
        let (dz_strips, dlogits_strips) = (dz_strips.strips(), dlogits_strips.strips());
        let outer = |dw, dz, x, db, rows| MatrixGradient { dw, start, dz, x, db, first: 0, rows };
        let matrices = [
            outer(dwax, dz_strips, (&*packed_x).into(), dba, dz.clone()),
            outer(dwaa, dz_strips, a_prev, &mut [], dz),
            outer(dwya, dlogits_strips, a_next, dby, dlogits),
        ];
        threads::run_parts(
            matrices,
            0..threads,
            &|matrices: [MatrixGradient<A>; 3], parts, middle| {
                let [a, b, c] = matrices.map(|matrix| matrix.split_at(middle - parts.start, parts.len()));
                ([a.0, b.0, c.0], [a.1, b.1, c.1])
            },
            &|matrices: [MatrixGradient<A>; 3]| matrices.into_iter().for_each(MatrixGradient::run),
        );
    }
}

/// dWaxᵀ += x·dzᵀ of one-hot vectors x: each step adds its dz, times the value of the vector, to the row of its token.
fn add_tokens<A: Scalar>(dembedding: &mut [A], dz: Rows<A>, tokens: Rows<usize>, mut values: Option<Rows<A>>) {
    for (dz, token) in dz.zip(tokens) {
        let sum = &mut dembedding[token[0] * dz.len()..][..dz.len()];
        match values.as_mut().and_then(Rows::next) {
            Some(value) => add_scaled(sum, value[0], dz),
            None => {
                for (sum, &value) in sum.iter_mut().zip(dz) {
                    *sum += value;
                }
            }
        }
    }
}

/// dW ← start + dzᵀ·x and db += Σ dz for some outputs of a layer. Each output is a row of W and an element of b.
struct MatrixGradient<'a, A> {
    dw: &'a mut [A],
    start: Start<'a, A>,
    /// dz of these outputs.
    dz: Strips<'a, A>,
    x: Terms<'a, A>,
    /// Empty if another matrix of the same outputs accumulates the bias.
    db: &'a mut [A],
    /// The number of outputs before these.
    first: usize,
    /// dz, one column for each output of the layer.
    rows: Rows<'a, A>,
}

impl<A: Scalar> MatrixGradient<'_, A> {
    /// Splits after the first `part` of `parts` nearly equal shares of the outputs.
    fn split_at(self, part: usize, parts: usize) -> (Self, Self) {
        let MatrixGradient { dw, start, dz, x, db, first, rows } = self;
        let (middle, dz0, dz1) = dz.split_at(dz.columns() * part / parts);
        let (dw0, dw1) = dw.split_at_mut(middle * x.n());
        let (db0, db1) = db.split_at_mut(middle.min(db.len()));
        (
            MatrixGradient { dw: dw0, start, dz: dz0, x, db: db0, first, rows: rows.clone() },
            MatrixGradient { dw: dw1, start, dz: dz1, x, db: db1, first: first + middle, rows },
        )
    }

    fn run(self) {
        transposed_product(self.dw, self.start, self.dz, self.x);
        add_rows(self.db, self.first, self.rows);
    }
}
