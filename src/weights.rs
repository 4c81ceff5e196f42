//! The parameters as the passes of one direction read them.

use crate::kernel::{Packed, Rows, transpose};
use crate::layout::fit;
use crate::{Dims, Parameters, Scalar};

/// `wax`, `waa` and `wya`, packed for the forward or for the backward pass.
#[derive(Debug, Clone)]
pub(crate) struct Weights<A> {
    pub(crate) wax: Packed<A>,
    pub(crate) waa: Packed<A>,
    pub(crate) wya: Packed<A>,
    /// waxᵀ, row-major, where tokens look their rows up in it.
    pub(crate) embedding: Vec<A>,
}

impl<A> Default for Weights<A> {
    fn default() -> Self {
        let [wax, waa, wya] = [(); 3].map(|()| Packed::default());
        Weights { wax, waa, wya, embedding: Vec::new() }
    }
}

impl<A: Scalar> Weights<A> {
    /// Columns are outputs: z = Wax·x + Waa·a, logits = Wya·a.
    pub(crate) fn pack_forward(&mut self, p: &Parameters<A>, tokens: bool) {
        let Dims { n_x, n_a, n_y } = p.dims();
        if tokens {
            self.embed(p);
        } else {
            self.wax.pack_transposed(n_x, n_a, p.wax_slice());
        }
        self.waa.pack_transposed(n_a, n_a, p.waa_slice());
        self.wya.pack_transposed(n_a, n_y, p.wya_slice());
    }

    /// Columns are inputs: dx = Waxᵀ·dz where it is wanted, `da_prev` = Waaᵀ·dz, da = Wyaᵀ·dlogits.
    pub(crate) fn pack_backward(&mut self, p: &Parameters<A>, dx: bool) {
        let Dims { n_x, n_a, n_y } = p.dims();
        if dx {
            self.wax.pack_rows(n_a, n_x, Rows::ascending(p.wax_slice(), n_x));
        }
        self.waa.pack_rows(n_a, n_a, Rows::ascending(p.waa_slice(), n_a));
        self.wya.pack_rows(n_y, n_a, Rows::ascending(p.wya_slice(), n_a));
    }

    pub(crate) fn embed(&mut self, p: &Parameters<A>) {
        let Dims { n_x, n_a, .. } = p.dims();
        fit(&mut self.embedding, n_x * n_a);
        transpose(&mut self.embedding, n_a, Rows::ascending(p.wax_slice(), n_x));
    }

    /// z ← ba + the column of wax, for each token.
    pub(crate) fn look_up<'t>(&self, z: &mut [A], ba: &[A], tokens: impl IntoIterator<Item = &'t usize>) {
        let n_a = ba.len();
        for (z, &token) in z.chunks_exact_mut(n_a.max(1)).zip(tokens) {
            for ((z, &b), &w) in z.iter_mut().zip(ba).zip(&self.embedding[token * n_a..][..n_a]) {
                *z = b + w;
            }
        }
    }
}
