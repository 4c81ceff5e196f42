//! How kernels run: each by a call into the code of the instruction set, or several inside of one such call.

use pulp::Simd;

use super::Lanes;
use crate::Scalar;

/// A kernel with its arguments.
pub(crate) trait Kernel<A>: Sized {
    /// Calls the code of this process's instruction set.
    fn dispatch(self)
    where
        A: Scalar;

    /// Runs inside of such a call.
    fn inside<S: Simd>(self, simd: S)
    where
        A: Lanes;
}

/// A way to run kernels.
pub(crate) trait Run<A>: Copy {
    fn run(self, kernel: impl Kernel<A>);
}

/// Runs each kernel by a call of its own.
#[derive(Clone, Copy)]
pub(crate) struct Dispatch;

impl<A: Scalar> Run<A> for Dispatch {
    #[inline(always)]
    fn run(self, kernel: impl Kernel<A>) {
        kernel.dispatch();
    }
}

/// Runs kernels inside of a call. For a single step of a small network, a call costs as much as a kernel.
#[derive(Clone, Copy)]
pub(crate) struct Inside<S>(pub(crate) S);

impl<A: Lanes, S: Simd> Run<A> for Inside<S> {
    #[inline(always)]
    fn run(self, kernel: impl Kernel<A>) {
        kernel.inside(self.0);
    }
}

/// `kernel!(Name: CompiledName)` implements [`Kernel`] and [`pulp::WithSimd`] for a struct that has the function `inside`.
macro_rules! kernel {
    ($name:ident: $compiled:ident) => {
        impl<A> $crate::kernel::Kernel<A> for $name<'_, A> {
            #[inline]
            fn dispatch(self)
            where
                A: $crate::Scalar,
            {
                $crate::scalar::call::<A, $compiled>(self);
            }

            #[inline(always)]
            fn inside<S: pulp::Simd>(self, simd: S)
            where
                A: $crate::kernel::Lanes,
            {
                pulp::WithSimd::with_simd(self, simd);
            }
        }

        $crate::scalar::compiled!($compiled: $name<'a, A> => (), |call| $crate::kernel::Isa::current().run(call));
    };
}
pub(crate) use kernel;
