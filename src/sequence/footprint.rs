use std::marker::PhantomData;

use super::Extent;
use super::backward::Workspace;
use super::cache::Cache;
use super::columns::ForwardWorkspace;
use super::extent::Reads;
use crate::Scalar;
use crate::cell::Weights;
use crate::layout::{Aligned, Bytes, product};

/// What determines the memory of a [`CheckpointedOf`](super::CheckpointedOf): its passes over the whole sequence, and what
/// they share.
#[derive(Debug, Clone)]
pub struct Footprint {
    pub(crate) passes: Vec<Extent>,
    pub(crate) parameters: usize,
    /// For each column and step, beside the passes' own memory: bytes of masks, values of the layers' outputs, and values of
    /// the gradients at inputs.
    pub(crate) masks: usize,
    pub(crate) outputs: usize,
    pub(crate) gradients: usize,
    pub(crate) n_y: usize,
    /// The structures of all passes.
    pub(crate) structures: Bytes,
}

/// A footprint in bytes: the size of an element is known.
#[derive(Debug, Clone)]
pub(super) struct Size<A> {
    footprint: Footprint,
    element: PhantomData<A>,
}

impl<A: Scalar> Size<A> {
    pub(super) fn new(footprint: Footprint) -> Self {
        Size { footprint, element: PhantomData }
    }

    /// m and `T_x`
    fn columns_and_steps(&self) -> (usize, usize) {
        self.footprint.passes.first().map_or((0, 0), |pass| (pass.m, pass.steps))
    }

    /// Returns the segment length that takes the least memory.
    ///
    /// It is at most the length at which the states of all segments take as much memory as the steps of one. It is smaller
    /// where a shorter segment has smaller blocks.
    pub(super) fn least(&self) -> usize {
        let (_, t_x) = self.columns_and_steps();
        let step = self.steps(1).0.saturating_sub(self.steps(0).0);
        let balance = ((self.state() * t_x).0 / step.max(1)).isqrt().clamp(1, t_x.max(1));
        (1..=balance).min_by_key(|&length| self.bytes(length)).unwrap_or(1)
    }

    /// Returns the greatest length that fits in `memory`, which must be enough for the least memory.
    pub(super) fn longest(&self, memory: Bytes) -> usize {
        let (_, t_x) = self.columns_and_steps();
        let (mut fits, mut above) = (self.least(), t_x.max(1) + 1);
        while above - fits > 1 {
            let middle = fits.midpoint(above);
            if self.bytes(middle) <= memory {
                fits = middle;
            } else {
                above = middle;
            }
        }
        fits
    }

    /// Returns the maximum memory with segments of this length.
    pub(super) fn bytes(&self, length: usize) -> Bytes {
        let (m, t_x) = self.columns_and_steps();
        // The states before the segments; the one that a segment starts from; the one that it ends with, or the gradient
        // before it; and the gradient after it.
        let states = self.state() * t_x.div_ceil(length).saturating_add(3);
        let lengths = Bytes::of_list::<usize>(m) + Bytes::of_list::<bool>(m.max(8));
        self.footprint.structures
            + states
            + Aligned::<A>::bytes(self.footprint.parameters)
            + lengths
            + self.steps(length)
            + self.weights(length)
            + self.workspaces(length)
    }

    /// Returns the memory of the hidden states of all passes after one step.
    fn state(&self) -> Bytes {
        self.footprint.passes.iter().map(|pass| Bytes::of::<A>([pass.m, pass.dims.n_a])).sum()
    }

    /// Returns the memory that grows with the steps of a segment: the caches, the caller's gradient of the logits, and the
    /// gradients at the inputs.
    fn steps(&self, length: usize) -> Bytes {
        let Footprint { passes, masks, outputs, gradients, n_y, .. } = &self.footprint;
        let caches: Bytes = passes.iter().map(|pass| Cache::<A>::bytes(pass.with_steps(length))).sum();
        let (m, _) = self.columns_and_steps();
        let values = outputs.saturating_add(*gradients).saturating_add(*n_y);
        caches + Bytes::of::<A>([values, m, length]) + Bytes::of::<bool>([*masks, m, length])
    }

    /// Returns the memory of the packed weights of all passes, forward and backward.
    fn weights(&self, length: usize) -> Bytes {
        let of = |pass: &Extent| {
            let rows = product([pass.m, length]);
            Weights::<A>::forward_bytes(pass.dims) + Weights::<A>::backward_bytes(pass.dims, pass.dx, rows)
        };
        self.footprint.passes.iter().map(of).sum()
    }

    /// Returns the memory of the workspaces. All passes share one; passes that use it in different ways are added.
    fn workspaces(&self, length: usize) -> Bytes {
        let mut kinds: Vec<Extent> = Vec::new();
        for pass in self.footprint.passes.iter().map(|pass| pass.with_steps(length)) {
            let way = |extent: &Extent| (extent.threads, extent.reads == Reads::Tokens);
            match kinds.iter_mut().find(|kind| way(kind) == way(&pass)) {
                Some(kind) => kind.dims = kind.dims.max(pass.dims),
                None => kinds.push(pass),
            }
        }
        kinds.into_iter().map(|kind| ForwardWorkspace::<A>::bytes(kind) + Workspace::<A>::bytes(kind)).sum()
    }
}
