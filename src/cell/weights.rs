//! One network, packed for the products of one pass.

use crate::kernel::{Activation, Factor, Packed, Rows};
use crate::layout::Bytes;
use crate::parameters::{Version, View};
use crate::{Dims, Scalar};

/// `wax`, `waa` and `wya`, packed for the forward pass or for the backward pass, and copies of the biases.
#[derive(Debug, Clone)]
pub struct Weights<A> {
    pub(crate) dims: Dims,
    pub(super) activation: Activation,
    pub(super) wax: Packed<A>,
    pub(super) waa: Packed<A>,
    pub(super) wya: Packed<A>,
    pub(super) ba: Vec<A>,
    pub(super) by: Vec<A>,
    /// What is packed; `None` before the first call.
    packed: Option<Packing>,
    /// The weights that the last forward pass read without packing them.
    unpacked: Option<Packing>,
}

/// The factors of the products of a forward pass, and the biases.
#[derive(Debug)]
pub(crate) struct ForwardWeights<'a, A> {
    pub(crate) dims: Dims,
    pub(super) activation: Activation,
    pub(super) wax: Factor<'a, A>,
    pub(super) waa: Factor<'a, A>,
    pub(super) wya: Factor<'a, A>,
    pub(super) ba: &'a [A],
    pub(super) by: &'a [A],
}

/// The factors of the products of a backward pass.
pub(crate) struct BackwardWeights<'a, A> {
    pub(super) activation: Activation,
    pub(super) wax: Factor<'a, A>,
    pub(super) waa: Factor<'a, A>,
    pub(super) wya: Factor<'a, A>,
}

/// Up to this number of rows, a pass is faster if it packs nothing: its products read the weights where they are stored, and
/// the weights' gradients are sums of outer products.
pub(super) const FEW_ROWS: usize = 4;

/// The source of packed weights, and the products that they are packed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Packing {
    source: (Version, usize),
    dims: Dims,
    forward: bool,
    dx: bool,
}

impl<A> Default for Weights<A> {
    fn default() -> Self {
        let [wax, waa, wya] = [(); 3].map(|()| Packed::default());
        let [ba, by] = [(); 2].map(|()| Vec::new());
        Weights {
            dims: Dims::default(),
            activation: Activation::default(),
            wax,
            waa,
            wya,
            ba,
            by,
            packed: None,
            unpacked: None,
        }
    }
}

impl<A: Scalar> Weights<A> {
    /// The weights of a network, packed for its forward passes.
    pub(crate) fn packed(p: View<A>) -> Self {
        let mut weights = Weights::default();
        weights.pack_forward(p);
        weights
    }

    /// The factors of [`packed`](Self::packed) weights.
    pub(crate) fn factors(&self) -> ForwardWeights<'_, A> {
        let [wax, waa, wya] = [&self.wax, &self.waa, &self.wya].map(Factor::from);
        ForwardWeights { dims: self.dims, activation: self.activation, wax, waa, wya, ba: &self.ba, by: &self.by }
    }

    /// The factors of the products of a forward pass of m columns: Wax·x, Waa·a and Wya·a.
    ///
    /// A single step of few columns reads weights that have changed where they are stored. If it reads the same ones again,
    /// they are packed.
    pub(crate) fn forward<'a>(&'a mut self, p: View<'a, A>, [m, t_x]: [usize; 2]) -> ForwardWeights<'a, A> {
        let this = Some(Packing { source: p.source, dims: p.dims, forward: true, dx: false });
        if t_x == 1 && m <= FEW_ROWS && self.packed != this && self.unpacked != this {
            self.unpacked = this;
            let Dims { n_x, n_a, n_y } = p.dims;
            let [wax, waa, wya] = [(p.wax(), n_x, n_a), (p.waa(), n_a, n_a), (p.wya(), n_a, n_y)]
                .map(|(w, k, n)| Factor::Transposed { w, k, n });
            return ForwardWeights { dims: p.dims, activation: p.activation, wax, waa, wya, ba: p.ba(), by: p.by() };
        }
        self.pack_forward(p);
        self.factors()
    }

    /// Packs for the products of the forward pass. Does nothing where these parameters are packed for it already.
    fn pack_forward(&mut self, p: View<A>) {
        if !self.begin(p, true, false) {
            return;
        }
        let Dims { n_x, n_a, n_y } = self.copy_unpacked(p);
        self.wax.pack_transposed(n_x, n_a, p.wax());
        self.waa.pack_transposed(n_a, n_a, p.waa());
        self.wya.pack_transposed(n_a, n_y, p.wya());
    }

    /// The factors of the products of a backward pass over `rows` rows: Waaᵀ·dz, Wyaᵀ·dlogits and, if `dx` is computed,
    /// Waxᵀ·dz.
    pub(crate) fn backward<'a>(&'a mut self, p: View<'a, A>, dx: bool, rows: usize) -> BackwardWeights<'a, A> {
        let Dims { n_x, n_a, .. } = p.dims;
        if rows <= FEW_ROWS {
            let [wax, waa, wya] = [(p.wax(), n_x), (p.waa(), n_a), (p.wya(), n_a)].map(|(b, n)| Factor::Plain { b, n });
            return BackwardWeights { activation: p.activation, wax, waa, wya };
        }
        self.pack_backward(p, dx);
        let [wax, waa, wya] = [&self.wax, &self.waa, &self.wya].map(Factor::from);
        BackwardWeights { activation: p.activation, wax, waa, wya }
    }

    /// Packs for the products of the backward pass. Does nothing where these parameters are packed for it already.
    fn pack_backward(&mut self, p: View<A>, dx: bool) {
        if !self.begin(p, false, dx) {
            return;
        }
        let Dims { n_x, n_a, n_y } = self.copy_unpacked(p);
        if dx {
            self.wax.pack_rows(n_a, n_x, Rows::ascending(p.wax(), n_x));
        }
        self.waa.pack_rows(n_a, n_a, Rows::ascending(p.waa(), n_a));
        self.wya.pack_rows(n_y, n_a, Rows::ascending(p.wya(), n_a));
    }

    /// Whether these parameters are packed.
    #[cfg(test)]
    pub(crate) fn are_packed(&self, p: View<A>) -> bool {
        self.packed.is_some_and(|packed| packed.source == p.source)
    }

    /// Begins to pack these parameters for these products. Returns false where they are packed for them already.
    fn begin(&mut self, p: View<A>, forward: bool, dx: bool) -> bool {
        self.activation = p.activation;
        let packing = Packing { source: p.source, dims: p.dims, forward, dx };
        self.packed.replace(packing) != Some(packing)
    }

    /// Copies all but the matrices. Returns the dimensions.
    fn copy_unpacked(&mut self, p: View<A>) -> Dims {
        self.dims = p.dims;
        self.ba.clear();
        self.ba.extend_from_slice(p.ba());
        self.by.clear();
        self.by.extend_from_slice(p.by());
        p.dims
    }

    /// The memory for [`forward`](Self::forward).
    pub(crate) fn forward_bytes(Dims { n_x, n_a, n_y }: Dims) -> Bytes {
        Packed::<A>::bytes(n_x, n_a)
            + Packed::<A>::bytes(n_a, n_a)
            + Packed::<A>::bytes(n_a, n_y)
            + Self::biases(n_a, n_y)
    }

    /// The memory for [`backward`](Self::backward).
    pub(crate) fn backward_bytes(Dims { n_x, n_a, n_y }: Dims, dx: bool, rows: usize) -> Bytes {
        if rows <= FEW_ROWS {
            return Bytes::default();
        }
        let input = if dx { Packed::<A>::bytes(n_a, n_x) } else { Bytes::default() };
        input + Packed::<A>::bytes(n_a, n_a) + Packed::<A>::bytes(n_y, n_a) + Self::biases(n_a, n_y)
    }

    fn biases(n_a: usize, n_y: usize) -> Bytes {
        Bytes::of_list::<A>(n_a) + Bytes::of_list::<A>(n_y)
    }
}
