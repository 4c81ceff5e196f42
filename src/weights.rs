//! The parameters as the products of one direction read them.

use crate::kernel::{Packed, Rows};
use crate::{Dims, Parameters, Scalar};

/// `wax`, `waa` and `wya`, packed for the forward or for the backward pass.
#[derive(Debug, Clone)]
pub(crate) struct Weights<A> {
    pub(crate) wax: Packed<A>,
    pub(crate) waa: Packed<A>,
    pub(crate) wya: Packed<A>,
}

impl<A> Default for Weights<A> {
    fn default() -> Self {
        Weights { wax: Packed::default(), waa: Packed::default(), wya: Packed::default() }
    }
}

impl<A: Scalar> Weights<A> {
    /// Columns are outputs: z = Wax·x + Waa·a, logits = Wya·a.
    pub(crate) fn pack_forward(&mut self, p: &Parameters<A>) {
        let Dims { n_x, n_a, n_y } = p.dims();
        self.wax.pack_transposed(n_x, n_a, p.wax_slice());
        self.waa.pack_transposed(n_a, n_a, p.waa_slice());
        self.wya.pack_transposed(n_a, n_y, p.wya_slice());
    }

    /// Columns are inputs: dx = Waxᵀ·dz, `da_prev` = Waaᵀ·dz, da = Wyaᵀ·dlogits.
    pub(crate) fn pack_backward(&mut self, p: &Parameters<A>) {
        let Dims { n_x, n_a, n_y } = p.dims();
        self.wax.pack_rows(n_a, n_x, Rows::ascending(p.wax_slice(), n_x));
        self.waa.pack_rows(n_a, n_a, Rows::ascending(p.waa_slice(), n_a));
        self.wya.pack_rows(n_y, n_a, Rows::ascending(p.wya_slice(), n_a));
    }
}
