use ndarray::{ArrayRef2, Ix3};

use super::{Backward, Cache, Input, backward, forward};
use crate::{Error, Parameters, Upstream};

/// The passes of an element type.
///
/// They are generic and large. Behind these methods they are compiled once, with this crate, and not again in every crate
/// that uses it.
pub trait Passes: Sized {
    fn forward(
        parameters: &Parameters<Self>,
        input: Input<Self>,
        a0: &ArrayRef2<Self>,
        cache: &mut Cache<Self>,
    ) -> Result<(), Error>;

    fn backward(
        parameters: &Parameters<Self>,
        cache: &Cache<Self>,
        upstream: Upstream<'_, Self, Ix3>,
        back: &mut Backward<Self>,
    ) -> Result<(), Error>;
}

macro_rules! passes {
    ($element:ty) => {
        impl Passes for $element {
            fn forward(
                parameters: &Parameters<Self>,
                input: Input<Self>,
                a0: &ArrayRef2<Self>,
                cache: &mut Cache<Self>,
            ) -> Result<(), Error> {
                forward::pass(parameters, input, a0, cache)
            }

            fn backward(
                parameters: &Parameters<Self>,
                cache: &Cache<Self>,
                upstream: Upstream<'_, Self, Ix3>,
                back: &mut Backward<Self>,
            ) -> Result<(), Error> {
                backward::pass(parameters, cache, upstream, back)
            }
        }
    };
}

passes!(f32);
passes!(f64);
