//! The element types.

use crate::io::Element;
use crate::kernel::Kernel;
use crate::sequence::passes::Passes;

/// An element type of a network: `f32` or `f64`.
///
/// The one bound of this crate's generic code. It brings the arithmetic of [`ndarray::NdFloat`]; it is sealed, because
/// the kernels' bit-for-bit promise is kept for exactly these two types.
pub trait Scalar: Kernel + Passes + Element + Default {
    /// The nearest value of this type.
    fn narrow(value: f64) -> Self;
    /// The same value in double precision.
    fn widen(self) -> f64;
}

impl Scalar for f32 {
    #[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest is what this does")]
    fn narrow(value: f64) -> Self {
        value as f32
    }
    fn widen(self) -> f64 {
        f64::from(self)
    }
}

impl Scalar for f64 {
    fn narrow(value: f64) -> Self {
        value
    }
    fn widen(self) -> f64 {
        self
    }
}
