//! Numbers only: what the network is made of, without knowing of networks.
//!
//! - [`product`]: C ← epilogue(C₀ + A·B), every element one chain of fused multiply-adds.
//! - [`tanh_gradient`], [`softmax()`], [`add_rows`]: what surrounds the products.
//! - [`Packed`], [`transpose`]: matrices in the order in which the products read them.
//! - [`Isa`], [`Lanes`]: the instruction sets, and one vector on any of them.
//! - [`threads`]: splitting work.
//!
//! Everything here gives the same bits on every instruction set.

mod elementwise;
mod isa;
mod lanes;
mod math;
mod packed;
mod product;
mod rows;
mod softmax;
pub(crate) mod threads;
mod transpose;

pub(crate) use elementwise::{add_rows, tanh_gradient};
pub(crate) use isa::Isa;
pub use isa::instruction_set;
pub(crate) use lanes::Lanes;
pub(crate) use packed::{Packed, Terms};
pub(crate) use product::{Epilogue, Start, product};
pub(crate) use rows::Rows;
pub(crate) use softmax::{add_softmax_gradient, softmax};
pub(crate) use transpose::transpose;
