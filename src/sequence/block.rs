//! A block of steps: the unit of work of both backward passes, in place and over gathered rows.

use std::ops::Range;

use super::{Cache, Extent};
use crate::cell::{Inputs, Read, States, WeightGradient};
use crate::kernel::Rows;
use crate::layout::Bytes;
use crate::parameters::ViewMut;
use crate::{Dims, Scalar};

/// The memory for a block of steps.
#[derive(Debug, Clone)]
pub(super) struct Block<A> {
    pub(super) weight_gradient: WeightGradient<A>,
    /// The gradients before the nonlinearity and at the logits.
    pub(super) dz: Vec<A>,
    pub(super) dlogits: Vec<A>,
}

impl<A> Default for Block<A> {
    fn default() -> Self {
        Block { weight_gradient: WeightGradient::default(), dz: Vec::new(), dlogits: Vec::new() }
    }
}

impl<A: Scalar> Block<A> {
    pub(super) fn bytes(extent: Extent) -> Bytes {
        let (Extent { dims, m, .. }, tokens) = (extent, extent.tokens());
        let rows = extent.rows_of_a_block();
        let consecutive = (extent.plain && !extent.drops.states).then_some(m);
        WeightGradient::<A>::bytes(dims, rows, tokens, consecutive)
            + Bytes::of::<A>([rows, dims.n_a])
            + Bytes::of::<A>([rows, dims.n_y])
    }
}

/// The inputs and the hidden states of some steps, where all columns have all steps and time runs forward.
pub(super) fn consecutive_rows<'a, A: Scalar>(
    cache: &'a Cache<A>,
    x: Read<'a, A>,
    steps: &Range<usize>,
) -> (Inputs<'a, A>, States<'a, A>) {
    let Cache { dims: Dims { n_x, n_a, .. }, m, .. } = *cache;
    let of = |n: usize| steps.start * m * n..steps.end * m * n;
    let x = match x.rows(&of(1), n_x) {
        Read::Vectors(x) => Inputs::Vectors(Rows::descending(x, m, n_x)),
        Read::Tokens(tokens) => Inputs::Tokens(Rows::descending(tokens, m, 1)),
        Read::Scaled(tokens, values) => Inputs::Scaled(Rows::descending(tokens, m, 1), Rows::descending(values, m, 1)),
    };
    // The state before the first step comes first.
    let states = &cache.states[steps.start * m * n_a..][..(steps.len() + 1) * m * n_a];
    let states = match cache.masks.recurrent() {
        None => States::Consecutive { rows: Rows::descending(states, m, n_a), m },
        Some(_) => States::Apart {
            a_next: Rows::descending(&states[m * n_a..], m, n_a),
            a_prev: Rows::descending(&cache.masks.a_prev[of(n_a)], m, n_a),
        },
    };
    (x, states)
}

/// The destinations of the gradients.
pub(crate) struct Results<'a, A> {
    pub(crate) gradients: ViewMut<'a, A>,
    /// Whether the pass overwrites the gradients instead of adding to them.
    pub(crate) overwrite: bool,
    /// (`T_x`, m, `n_x`); empty where the gradient of the input is not computed.
    pub(crate) dx: &'a mut [A],
    /// (m, `n_a`): on entry, the gradient from beyond the last step.
    pub(crate) da0: &'a mut [A],
}

impl<A> Results<'_, A> {
    pub(super) fn reborrow(&mut self) -> Results<'_, A> {
        let Results { gradients: ViewMut { dims, flat }, overwrite, dx, da0 } = self;
        Results { gradients: ViewMut { dims: *dims, flat }, overwrite: *overwrite, dx, da0 }
    }
}
