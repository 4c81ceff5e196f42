//! Reads and writes weights: this crate's own files, and the weights of other frameworks.
//!
//! [`Tensors`] are named arrays. A format module converts a file into `Tensors`. A framework module converts `Tensors` into
//! [`Parameters`](crate::Parameters). It knows the framework's names, transposes and biases. Every format works with every
//! framework, in both directions:
//!
//! ```text
//! file  ⇄  format  ⇄  Tensors  ⇄  framework's names, transposes and biases  ⇄  Parameters
//! ```
//!
//! - Formats: `safetensors` (feature `safetensors`), `npz` and `npy` (feature `npz`). `onnx::load` and `onnx::save` (feature
//!   `onnx`) convert a whole ONNX model to a [`stack`](crate::stack), and back.
//! - Frameworks: [`torch`], [`keras`], [`flax`] and [`onnx`]. [`coming_from`](crate::coming_from) compares them. This
//!   crate's own names, `wax`, `waa`, `wya`, `ba` and `by`, need no module: use `Tensors::from(&p)` and
//!   `Parameters::try_from(&tensors)`.
//! - [`Stack`]: the layers of a stack, each with names of its own.
//! - [`Checkpoint`]: parameters together with the optimiser and its state, as `Tensors`.
//! - [`read`] and [`write_atomic`]: whole files.
//!
//! A framework's tensors do not show a layer's nonlinearity. They also do not show whether a layer has no bias or its bias
//! was lost. The caller therefore says what to expect: an [`Activation`](crate::Activation), and `without_bias()` or
//! `without_head_bias()` where a layer has no bias. Anything else is refused.
//!
//! Elements are never converted, and stay bit-identical.
//!
//! A file may come from anyone. Every mistake in it is an [`Error`], which names the tensor where there is one. Nothing
//! panics, and the file's size limits the memory that a call takes. The matrices of a network without hidden units have
//! no elements, whatever their shapes declare. A file with `n_a = 0` is therefore refused where `n_x` is larger than
//! 256, or where `n_y` is larger than 256 and no bias confirms it. In a stack, the layer below confirms `n_x`.

mod checkpoint;
#[cfg(any(feature = "safetensors", feature = "npz", feature = "onnx"))]
mod element;
mod error;
mod file;
#[cfg(any(feature = "safetensors", feature = "npz", feature = "onnx"))]
mod foreign;
mod layers;
mod networks;
mod notes;
mod optimizer;
mod stack;
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

pub use checkpoint::{Checkpoint, CheckpointOf, StackCheckpoint};
pub use error::Error;
#[cfg(feature = "serde")]
pub(crate) use error::abridged;
pub use file::{read, write_atomic};
pub use stack::{FrameworkLayer, Stack};
pub use tensors::Tensors;
