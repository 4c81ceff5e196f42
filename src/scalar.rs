//! The element types, and the dispatch from generic code to functions compiled for each of them.

use ndarray::NdFloat;

pub(crate) use sealed::Compiled;
use sealed::Sealed;

/// An element type of a network: `f32` or `f64`.
///
/// This is the only bound in the crate's generic code. It brings only the arithmetic of [`NdFloat`] and [`Default`].
/// It is sealed, because the crate promises bit-identical results for exactly these two types.
///
/// # Examples
///
/// ```
/// use elman::{Dims, Parameters, Scalar};
///
/// fn sum<A: Scalar>(p: &Parameters<A>) -> A {
///     p.as_slice().iter().fold(A::zero(), |sum, &value| sum + value)
/// }
/// let mut p = Parameters::<f32>::zeros(Dims { n_x: 1, n_a: 1, n_y: 1 });
/// p.fill(0.5);
/// assert_eq!(sum(&p), 2.5);
/// ```
pub trait Scalar: NdFloat + Default + Sealed {}

impl Scalar for f32 {}
impl Scalar for f64 {}

/// Calls the function compiled for the element type.
#[inline]
pub(crate) fn call<A: Scalar, F: Compiled>(input: F::Input<'_, A>) -> F::Output<A> {
    A::__call::<F>(input)
}

/// The nearest value of the element type.
#[inline]
pub(crate) fn narrow<A: Scalar>(value: f64) -> A {
    call::<A, Narrow>(value)
}

/// The same value in double precision.
#[inline]
pub(crate) fn widen<A: Scalar>(value: A) -> f64 {
    call::<A, Widen>(value)
}

/// The bits of a value, in the low bits of the result.
#[cfg_attr(
    not(any(feature = "safetensors", feature = "npz", feature = "onnx", feature = "serde")),
    expect(dead_code, reason = "files")
)]
#[inline]
pub(crate) fn to_bits<A: Scalar>(value: A) -> u64 {
    call::<A, ToBits>(value)
}

/// The value with these bits, or `None` if they do not fit in the element type.
#[cfg_attr(
    not(any(feature = "safetensors", feature = "npz", feature = "onnx", feature = "serde")),
    expect(dead_code, reason = "files")
)]
#[inline]
pub(crate) fn from_bits<A: Scalar>(bits: u64) -> Option<A> {
    call::<A, FromBits>(bits)
}

/// The name of the element type in messages and files: `f32` or `f64`.
pub(crate) fn type_name<A: Scalar>() -> &'static str {
    if size_of::<A>() == size_of::<f32>() { "f32" } else { "f64" }
}

/// Implements [`Compiled`] with one function per element type. Callers in other crates may inline them.
macro_rules! conversion {
    ($name:ident: $input:ty => $output:ty, $f32:expr, $f64:expr) => {
        enum $name {}

        impl Compiled for $name {
            type Input<'a, A: 'a> = $input;
            type Output<A> = $output;

            #[inline]
            fn f32(input: Self::Input<'_, f32>) -> Self::Output<f32> {
                $f32(input)
            }
            #[inline]
            fn f64(input: Self::Input<'_, f64>) -> Self::Output<f64> {
                $f64(input)
            }
        }
    };
}

conversion!(Narrow: f64 => A, nearest, identity);
conversion!(Widen: A => f64, f64::from, identity);
conversion!(ToBits: A => u64, |value: f32| value.to_bits().into(), f64::to_bits);
conversion!(FromBits: u64 => Option<A>, |bits: u64| bits.try_into().ok().map(f32::from_bits), |bits| Some(f64::from_bits(bits)));

#[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest is what this does")]
#[inline]
fn nearest(value: f64) -> f32 {
    value as f32
}

#[inline]
fn identity(value: f64) -> f64 {
    value
}

mod sealed {
    /// A function that this crate compiles for `f32` and for `f64`, so that dependent crates do not compile it again.
    ///
    /// The kernels and the passes are generic and large. This keeps the compile times of dependent crates short.
    /// [`compiled!`](crate::scalar::compiled) implements it.
    pub trait Compiled {
        type Input<'a, A: 'a>;
        type Output<A>;
        fn f32(input: Self::Input<'_, f32>) -> Self::Output<f32>;
        fn f64(input: Self::Input<'_, f64>) -> Self::Output<f64>;
    }

    /// Users can name neither a [`Compiled`] function nor this trait, so they cannot call its method. None of their traits
    /// has a method of this name, so it causes no ambiguity.
    pub trait Sealed: Sized + 'static {
        #[doc(hidden)]
        fn __call<F: Compiled>(input: F::Input<'_, Self>) -> F::Output<Self>;
    }

    impl Sealed for f32 {
        #[inline]
        fn __call<F: Compiled>(input: F::Input<'_, f32>) -> F::Output<f32> {
            F::f32(input)
        }
    }

    impl Sealed for f64 {
        #[inline]
        fn __call<F: Compiled>(input: F::Input<'_, f64>) -> F::Output<f64> {
            F::f64(input)
        }
    }
}

/// `compiled!(Name: Input => Output, function)` compiles a generic function for both element types; [`call`] calls it.
/// `Input` and `Output` may name the lifetime `'a` and the element type `A`.
macro_rules! compiled {
    ($name:ident: $input:ty => $output:ty, $function:expr) => {
        enum $name {}

        impl $crate::scalar::Compiled for $name {
            type Input<'a, A: 'a> = $input;
            type Output<A> = $output;

            fn f32(input: Self::Input<'_, f32>) -> Self::Output<f32> {
                $function(input)
            }
            fn f64(input: Self::Input<'_, f64>) -> Self::Output<f64> {
                $function(input)
            }
        }
    };
}
pub(crate) use compiled;
