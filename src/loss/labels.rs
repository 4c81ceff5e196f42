use std::fmt::{Debug, Display};

/// A label to ignore: it adds nothing to the loss, to its gradient or to the count of the mean.
pub const IGNORE: usize = <usize as Label>::IGNORE;

/// The type of a label: `usize`, `u32`, `i32` or `i64`.
///
/// A label is a class, counted from 0, or it is ignored. Signed types ignore −100, as PyTorch does.
pub trait Label: Copy + PartialEq + Debug + Display + sealed::Sealed {
    /// The label that is ignored: the largest number of an unsigned type, −100 of a signed one.
    const IGNORE: Self;
}

/// Implements [`Label`] with the label to ignore.
macro_rules! label {
    ($($label:ty: $ignore:expr;)+) => {$(
        impl Label for $label {
            const IGNORE: Self = $ignore;
        }

        impl sealed::Sealed for $label {
            fn class(self) -> Option<usize> {
                usize::try_from(self).ok()
            }
        }
    )+};
}

label! {
    usize: usize::MAX;
    u32: u32::MAX;
    i32: -100;
    i64: -100;
}

pub(super) mod sealed {
    pub trait Sealed {
        /// The class; `None` for a label that is negative or too large for an array.
        fn class(self) -> Option<usize>;
    }
}
