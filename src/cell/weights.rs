//! One network, packed for the products of one pass.

use crate::kernel::{Activation, Packed, Rows, transpose};
use crate::layout::{Bytes, fit};
use crate::parameters::View;
use crate::{Dims, Scalar};

/// `wax`, `waa` and `wya`, packed for the forward pass or for the backward pass, and copies of the biases.
#[derive(Debug, Clone)]
pub(crate) struct Weights<A> {
    pub(crate) dims: Dims,
    pub(super) activation: Activation,
    pub(super) wax: Packed<A>,
    pub(super) waa: Packed<A>,
    pub(super) wya: Packed<A>,
    pub(super) ba: Vec<A>,
    pub(super) by: Vec<A>,
    /// Waxᵀ, row-major: the column of `wax` for a token is one row.
    pub(super) embedding: Vec<A>,
}

impl<A> Default for Weights<A> {
    fn default() -> Self {
        let [wax, waa, wya] = [(); 3].map(|()| Packed::default());
        let [ba, by, embedding] = [(); 3].map(|()| Vec::new());
        Weights { dims: Dims::default(), activation: Activation::default(), wax, waa, wya, ba, by, embedding }
    }
}

impl<A: Scalar> Weights<A> {
    /// Packs for the products of the forward pass: Wax·x, Waa·a and Wya·a. Token inputs use rows of Waxᵀ instead of Wax·x.
    pub(crate) fn pack_forward(&mut self, p: View<A>, tokens: bool) {
        let Dims { n_x, n_a, n_y } = self.copy_unpacked(p);
        if tokens {
            self.embed(p);
        } else {
            self.wax.pack_transposed(n_x, n_a, p.wax());
        }
        self.waa.pack_transposed(n_a, n_a, p.waa());
        self.wya.pack_transposed(n_a, n_y, p.wya());
    }

    /// Packs for the products of the backward pass: Waaᵀ·dz, Wyaᵀ·dlogits and, if `dx` is computed, Waxᵀ·dz.
    pub(crate) fn pack_backward(&mut self, p: View<A>, dx: bool) {
        let Dims { n_x, n_a, n_y } = self.copy_unpacked(p);
        if dx {
            self.wax.pack_rows(n_a, n_x, Rows::ascending(p.wax(), n_x));
        }
        self.waa.pack_rows(n_a, n_a, Rows::ascending(p.waa(), n_a));
        self.wya.pack_rows(n_y, n_a, Rows::ascending(p.wya(), n_a));
    }

    pub(super) fn embed(&mut self, p: View<A>) {
        let Dims { n_x, n_a, .. } = p.dims;
        fit(&mut self.embedding, n_x * n_a);
        transpose(&mut self.embedding, n_a, Rows::ascending(p.wax(), n_x));
    }

    /// Copies all but the matrices. Returns the dimensions.
    fn copy_unpacked(&mut self, p: View<A>) -> Dims {
        (self.dims, self.activation) = (p.dims, p.activation);
        self.ba.clear();
        self.ba.extend_from_slice(p.ba());
        self.by.clear();
        self.by.extend_from_slice(p.by());
        p.dims
    }

    /// The memory for [`pack_forward`](Self::pack_forward).
    pub(crate) fn forward_bytes(Dims { n_x, n_a, n_y }: Dims, tokens: bool) -> Bytes {
        let input = if tokens { Bytes::of::<A>([n_x, n_a]) } else { Packed::<A>::bytes(n_x, n_a) };
        input + Packed::<A>::bytes(n_a, n_a) + Packed::<A>::bytes(n_a, n_y) + Self::biases(n_a, n_y)
    }

    /// The memory for [`pack_backward`](Self::pack_backward).
    pub(crate) fn backward_bytes(Dims { n_x, n_a, n_y }: Dims, dx: bool) -> Bytes {
        let input = if dx { Packed::<A>::bytes(n_a, n_x) } else { Bytes::default() };
        input + Packed::<A>::bytes(n_a, n_a) + Packed::<A>::bytes(n_y, n_a) + Self::biases(n_a, n_y)
    }

    fn biases(n_a: usize, n_y: usize) -> Bytes {
        Bytes::of_list::<A>(n_a) + Bytes::of_list::<A>(n_y)
    }
}
