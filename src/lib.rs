#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod kernel;
mod layout;
mod parameters;
mod scalar;
#[cfg(feature = "serde")]
mod serde;
mod upstream;

pub mod batches;
pub mod cell;
#[doc = include_str!("../docs/coming-from.md")]
pub mod coming_from {}
pub mod diagnostics;
pub mod gradcheck;
pub mod init;
pub mod io;
pub mod loss;
pub mod optim;
pub mod sampling;
pub mod sequence;

pub use error::{Error, Shape};
pub use kernel::instruction_set;
pub use parameters::{Dims, Gradients, Parameters};
pub use scalar::Scalar;
pub use upstream::Upstream;
