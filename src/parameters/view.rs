use super::{Dims, Version};
use crate::kernel::Activation;

/// The parameters of one layer where they are stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a, A> {
    pub(crate) dims: Dims,
    pub(crate) activation: Activation,
    /// In the order of [`Parameters::as_slice`], with `by` or without.
    pub(crate) flat: &'a [A],
    /// The version of the buffer, and the place of these parameters in it.
    pub(crate) source: (Version, usize),
}

impl<'a, A> View<'a, A> {
    pub(crate) fn wax(self) -> &'a [A] {
        &self.flat[self.dims.wax()]
    }
    pub(crate) fn waa(self) -> &'a [A] {
        &self.flat[self.dims.waa()]
    }
    pub(crate) fn wya(self) -> &'a [A] {
        &self.flat[self.dims.wya()]
    }
    pub(crate) fn ba(self) -> &'a [A] {
        &self.flat[self.dims.ba()]
    }
    /// Empty for the second direction of a layer: the first one has the bias.
    pub(crate) fn by(self) -> &'a [A] {
        &self.flat[self.dims.by().start..]
    }
}

/// The gradients of one layer where they are stored.
#[derive(Debug)]
pub(crate) struct ViewMut<'a, A> {
    pub(crate) dims: Dims,
    /// In the order of [`Parameters::as_slice`], with `by` or without.
    pub(crate) flat: &'a mut [A],
}

impl<A> ViewMut<'_, A> {
    pub(crate) fn wax(&self) -> &[A] {
        &self.flat[self.dims.wax()]
    }

    /// Five disjoint slices: `wax`, `waa`, `wya`, `ba`, `by`.
    pub(crate) fn split(&mut self) -> [&mut [A]; 5] {
        let (wax, rest) = self.flat.split_at_mut(self.dims.wax().len());
        let (waa, rest) = rest.split_at_mut(self.dims.waa().len());
        let (wya, rest) = rest.split_at_mut(self.dims.wya().len());
        let (ba, by) = rest.split_at_mut(self.dims.ba().len());
        [wax, waa, wya, ba, by]
    }
}
