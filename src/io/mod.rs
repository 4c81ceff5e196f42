//! Weights in and out: this crate's own files, and the weights of other frameworks.
//!
//! [`Tensors`], named arrays, are what everything meets in. A format turns a file into them, a framework's module knows
//! what its layers call their weights and how they lie, and each works with each:
//!
//! ```text
//! file  ⇄  format  ⇄  Tensors  ⇄  framework's names, transposes and biases  ⇄  Parameters
//! ```
//!
//! - Formats: `safetensors` and `npz`, each behind the feature of its name.
//! - Frameworks: [`torch`], [`keras`], [`flax`] and [`onnx`]; [`coming_from`](crate::coming_from) has them side by side. This
//!   crate's own names, `wax`, `waa`, `wya`, `ba` and `by`, need no module: `Tensors::from(&p)` and
//!   `Parameters::try_from(&tensors)`.
//! - [`Checkpoint`]: parameters together with the optimiser and its state, as `Tensors`.
//! - [`read`] and [`replace`]: whole files, the second atomically.
//!
//! Elements are never converted, and keep every bit. A file may come from anyone: what is wrong with it is an [`Error`] that
//! names the tensor, and no more memory is taken than the file's size allows. With `n_a = 0`, though, a small file can name any
//! `n_x`: what is then allocated for inputs is the caller's to bound.

mod checkpoint;
mod element;
mod error;
mod file;
mod layers;
mod notes;
mod optimizer;
mod tensors;

pub mod flax;
pub mod keras;
#[cfg(feature = "npz")]
pub mod npz;
pub mod onnx;
#[cfg(feature = "safetensors")]
pub mod safetensors;
pub mod torch;

pub use checkpoint::Checkpoint;
pub(crate) use element::Element;
pub use error::Error;
pub use file::{read, replace};
pub use tensors::Tensors;
#[cfg(feature = "serde")]
pub(crate) use tensors::abridged;
