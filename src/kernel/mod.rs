//! Numeric kernels. Nothing here depends on the network types.
//!
//! - [`product`]: C ← epilogue(C₀ + A·B). Every element is one chain of fused multiply-adds.
//! - [`recur`], [`recur_gradient`]: the products of consecutive steps, each of which reads the result of the step before.
//! - [`add_outer_products`]: the same chains for few rows.
//! - [`Activation`], [`softmax()`], [`add_rows`], [`add_scaled`]: the operations around the products.
//! - [`Packed`], [`pick_rows`], [`transpose`]: matrices in the order in which the products read them.
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
pub(crate) use outer::add_outer_products;
pub(crate) use packed::{Packed, Terms};
pub(crate) use picked::pick_rows;
pub(crate) use product::{Epilogue, Factor, Start, product};
pub(crate) use recurrence::{recur, recur_gradient};
pub(crate) use rows::Rows;
pub(crate) use softmax::{add_softmax_gradient, softmax};
pub(crate) use strips::{PackedStrips, Strips, add_products};
pub(crate) use transpose::transpose;
