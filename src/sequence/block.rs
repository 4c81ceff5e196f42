//! A block of steps: the unit of work of both backward passes, in place and over gathered rows.

use super::Extent;
use crate::Scalar;
use crate::cell::WeightGradient;
use crate::layout::Bytes;
use crate::parameters::ViewMut;

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
        let consecutive = (extent.is_in_place() && !extent.drops.states).then_some(m);
        WeightGradient::<A>::bytes(dims, rows, tokens, consecutive)
            + Bytes::of::<A>([rows, dims.n_a])
            + Bytes::of::<A>([rows, dims.n_y])
    }
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
