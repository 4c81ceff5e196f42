//! Weights in and out: this crate's own files, and the weights of other frameworks.
//!
//! [`Tensors`] are named arrays. A format converts a file into them, and a framework's module converts them into
//! [`Parameters`](crate::Parameters): it knows the framework's names, transposes and biases. Every format works with every
//! framework, in both directions:
//!
//! ```text
//! file  ⇄  format  ⇄  Tensors  ⇄  framework's names, transposes and biases  ⇄  Parameters
//! ```
//!
//! - Formats: `safetensors` (feature `safetensors`), `npz` and `npy` (feature `npz`).
//! - Frameworks: [`torch`], [`keras`], [`flax`] and [`onnx`]; [`coming_from`](crate::coming_from) has them side by side. This
//!   crate's own names, `wax`, `waa`, `wya`, `ba` and `by`, need no module: `Tensors::from(&p)` and
//!   `Parameters::try_from(&tensors)`.
//! - [`Checkpoint`]: parameters together with the optimiser and its state, as `Tensors`.
//! - [`read`] and [`write_atomic`]: whole files.
//!
//! A framework's tensors do not show a layer's nonlinearity, and a lost bias looks like one that was never there. The caller
//! therefore says what to expect: an [`Activation`](crate::Activation), and `without_bias()` or `without_head_bias()` where there is none.
//! Anything else is refused.
//!
//! Elements are never converted, and keep every bit.
//!
//! A file may come from anyone. Every mistake in it is an [`Error`] that names the tensor. Nothing panics, and no more memory
//! is taken than the file's size allows. The matrices of a network without hidden units have no elements, whatever their
//! shapes declare. A file with `n_a = 0` is therefore refused where `n_x` is larger than 256, or where `n_y` is and no bias
//! confirms it.

mod checkpoint;
#[cfg(any(feature = "safetensors", feature = "npz"))]
mod element;
mod error;
mod file;
#[cfg(any(feature = "safetensors", feature = "npz"))]
mod foreign;
mod layers;
mod notes;
mod optimizer;
mod tensors;

pub mod flax;
pub mod keras;
#[cfg(feature = "npz")]
pub mod npy;
#[cfg(feature = "npz")]
pub mod npz;
pub mod onnx;
#[cfg(feature = "safetensors")]
pub mod safetensors;
pub mod torch;

pub use checkpoint::Checkpoint;
pub use error::Error;
pub use file::{read, write_atomic};
pub use tensors::Tensors;
#[cfg(feature = "serde")]
pub(crate) use tensors::abridged;
