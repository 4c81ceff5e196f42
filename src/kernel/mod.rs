//! Numeric kernels. Nothing here depends on the network types.
//!
//! - [`product`]: C ← epilogue(C₀ + A·B). Every element is one chain of fused multiply-adds.
//! - [`Recurrence`], [`recur_gradient`]: the products of consecutive steps, each of which reads the result of the step before.
//! - [`transposed_product`], [`outer_products`]: C ← C₀ + Aᵀ·B, for many rows and for few.
//! - [`Activation`], [`Softmax`], [`add_rows`], [`add_scaled`]: the operations around the products.
//! - [`Packed`], [`PackedStrips`], [`PickedRows`], [`transpose`]: matrices in the order in which the products read them.
//! - [`Kernel`], [`Run`]: a kernel with its arguments, and how it is called.
//! - [`Isa`], [`Lanes`]: the instruction sets, and one vector on any of them.
//! - [`threads`]: splits work.
//!
//! All results are bit-identical on every instruction set.

mod activation;
mod elementwise;
mod isa;
mod lanes;
mod math;
mod outer;
mod packed;
mod picked;
mod product;
mod recurrence;
mod rows;
mod run;
#[cfg(test)]
mod samples;
mod softmax;
mod strips;
pub(crate) mod threads;
mod tiles;
mod transpose;
mod unpacked;

pub use activation::Activation;
pub(crate) use elementwise::{add_rows, add_scaled};
pub(crate) use isa::Isa;
pub use isa::instruction_set;
pub(crate) use lanes::Lanes;
pub(crate) use outer::outer_products;
pub(crate) use packed::{Packed, Terms};
pub(crate) use picked::PickedRows;
pub(crate) use product::{Epilogue, Factor, Product, Start, product};
pub(crate) use recurrence::{Recurrence, recur_gradient};
pub(crate) use rows::Rows;
pub(crate) use run::{Dispatch, Inside, Kernel, Run, kernel};
pub(crate) use softmax::{Softmax, add_softmax_gradient};
pub(crate) use strips::{PackedStrips, Strips, transposed_product};
pub(crate) use transpose::transpose;
