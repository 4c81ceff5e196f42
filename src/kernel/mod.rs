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

/// An element type with its kernels.
///
/// The kernels are generic over the element and the instruction set, and large. Behind these methods they are compiled
/// once, with this crate, and not again in every crate that uses it.
pub trait Kernel: Lanes {
    fn product(call: product::Product<Self>);
    fn tanh_gradient(call: elementwise::TanhGradient<Self>);
    fn add_rows(call: elementwise::AddRows<Self>);
    fn softmax(call: softmax::Softmax<Self>);
    fn pack_rows(call: packed::PackRows<Self>);
    fn pack_transposed(call: packed::PackTransposed<Self>);
    fn transpose(call: transpose::Transpose<Self>);
}

macro_rules! kernels {
    ($element:ty) => {
        impl Kernel for $element {
            fn product(call: product::Product<Self>) {
                Isa::current().run(call);
            }
            fn tanh_gradient(call: elementwise::TanhGradient<Self>) {
                Isa::current().run(call);
            }
            fn add_rows(call: elementwise::AddRows<Self>) {
                Isa::current().run(call);
            }
            fn softmax(call: softmax::Softmax<Self>) {
                Isa::current().run(call);
            }
            fn pack_rows(call: packed::PackRows<Self>) {
                Isa::current().run(call);
            }
            fn pack_transposed(call: packed::PackTransposed<Self>) {
                Isa::current().run(call);
            }
            fn transpose(call: transpose::Transpose<Self>) {
                Isa::current().run(call);
            }
        }
    };
}

kernels!(f32);
kernels!(f64);
