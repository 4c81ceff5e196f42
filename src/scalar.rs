//! The element types, and how generic code reaches the functions that are compiled for each of them.

use ndarray::NdFloat;

pub(crate) use sealed::Compiled;
use sealed::Sealed;

/// An element type of a network: `f32` or `f64`.
///
/// This is the one bound of the crate's generic code. It brings the arithmetic of [`NdFloat`], and nothing else that a
/// caller sees. It is sealed, because the crate promises the same bits for exactly these two types.
pub trait Scalar: NdFloat + Default + Sealed + crate::io::Element {
    /// x
    #[must_use]
    fn narrow(value: f64) -> Self {
        narrow(value)
    }
    /// x
    fn widen(self) -> f64 {
        widen(self)
    }
}

impl Scalar for f32 {}
impl Scalar for f64 {}

/// Calls the function that was compiled for the element type.
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

enum Narrow {}

impl Compiled for Narrow {
    type Input<'a, A: 'a> = f64;
    type Output<A> = A;

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest is what this does")]
    fn f32(value: f64) -> f32 {
        value as f32
    }
    #[inline]
    fn f64(value: f64) -> f64 {
        value
    }
}

enum Widen {}

impl Compiled for Widen {
    type Input<'a, A: 'a> = A;
    type Output<A> = f64;

    #[inline]
    fn f32(value: f32) -> f64 {
        f64::from(value)
    }
    #[inline]
    fn f64(value: f64) -> f64 {
        value
    }
}

mod sealed {
    /// A function that is compiled for `f32` and for `f64` with this crate, and not again in every crate that uses it.
    ///
    /// The kernels and the passes are generic and large: this is what keeps the compile times of users short.
    /// [`compiled!`](crate::scalar::compiled) implements it.
    pub trait Compiled {
        type Input<'a, A: 'a>;
        type Output<A>;
        fn f32(input: Self::Input<'_, f32>) -> Self::Output<f32>;
        fn f64(input: Self::Input<'_, f64>) -> Self::Output<f64>;
    }

    /// Users can neither name a [`Compiled`] function nor this trait, so they cannot call its method. The method's name is
    /// one that no trait of theirs has, so it is not ambiguous either.
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

/// `compiled!(Name: Input => Output, function)` compiles a generic function for both element types, to be reached by
/// [`call`]. `Input` and `Output` may name the lifetime `'a` and the element type `A`.
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
