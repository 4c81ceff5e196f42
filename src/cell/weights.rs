//! The weights, packed for the products of one pass.

use crate::kernel::{Packed, Rows, transpose};
use crate::layout::{Bytes, fit};
use crate::{Dims, Parameters, Scalar};

/// `wax`, `waa` and `wya`, packed for the forward pass or for the backward pass.
#[derive(Debug, Clone)]
pub(crate) struct Weights<A> {
    pub(super) wax: Packed<A>,
    pub(super) waa: Packed<A>,
    pub(super) wya: Packed<A>,
    /// Waxᵀ, row-major: the column of `wax` for a token is one row.
    pub(super) embedding: Vec<A>,
}

impl<A> Default for Weights<A> {
    fn default() -> Self {
        let [wax, waa, wya] = [(); 3].map(|()| Packed::default());
        Weights { wax, waa, wya, embedding: Vec::new() }
    }
}

impl<A: Scalar> Weights<A> {
    /// Packs for the products of the forward pass: Wax·x, Waa·a and Wya·a. Token inputs use rows of Waxᵀ instead of Wax·x.
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

    /// Packs for the products of the backward pass: Waaᵀ·dz, Wyaᵀ·dlogits and, if `dx` is computed, Waxᵀ·dz.
    pub(crate) fn pack_backward(&mut self, p: &Parameters<A>, dx: bool) {
        let Dims { n_x, n_a, n_y } = p.dims();
        if dx {
            self.wax.pack_rows(n_a, n_x, Rows::ascending(p.wax_slice(), n_x));
        }
        self.waa.pack_rows(n_a, n_a, Rows::ascending(p.waa_slice(), n_a));
        self.wya.pack_rows(n_y, n_a, Rows::ascending(p.wya_slice(), n_a));
    }

    pub(super) fn embed(&mut self, p: &Parameters<A>) {
        let Dims { n_x, n_a, .. } = p.dims();
        fit(&mut self.embedding, n_x * n_a);
        transpose(&mut self.embedding, n_a, Rows::ascending(p.wax_slice(), n_x));
    }

    /// The memory for [`pack_forward`](Self::pack_forward).
    pub(crate) fn forward_bytes(Dims { n_x, n_a, n_y }: Dims, tokens: bool) -> Bytes {
        let input = if tokens { Bytes::of::<A>([n_x, n_a]) } else { Packed::<A>::bytes(n_x, n_a) };
        input + Packed::<A>::bytes(n_a, n_a) + Packed::<A>::bytes(n_a, n_y)
    }

    /// The memory for [`pack_backward`](Self::pack_backward).
    pub(crate) fn backward_bytes(Dims { n_x, n_a, n_y }: Dims, dx: bool) -> Bytes {
        let input = if dx { Packed::<A>::bytes(n_a, n_x) } else { Bytes::default() };
        input + Packed::<A>::bytes(n_a, n_a) + Packed::<A>::bytes(n_y, n_a)
    }
}
