//! Approximate comparison of the parameters of a layer and of a stack.

use approx::{AbsDiffEq, RelativeEq, UlpsEq};

use crate::{Parameters, Scalar, stack};

/// Compares parameters element by element, where they are of the same network.
macro_rules! approximate {
    ($parameters:ty, |$p:ident, $q:ident| $same:expr, $doc:literal) => {
        #[doc = concat!("Equal where ", $doc, " and each element is within `epsilon`.")]
        impl<A: Scalar + AbsDiffEq<Epsilon: Copy>> AbsDiffEq for $parameters {
            type Epsilon = A::Epsilon;

            fn default_epsilon() -> A::Epsilon {
                A::default_epsilon()
            }
            fn abs_diff_eq(&self, other: &Self, epsilon: A::Epsilon) -> bool {
                let ($p, $q) = (self, other);
                $same && <[A]>::abs_diff_eq($p.as_slice(), $q.as_slice(), epsilon)
            }
        }

        #[doc = concat!("Equal where ", $doc, " and each element is within `epsilon`, or within `max_relative` times the larger magnitude.")]
        impl<A: Scalar + RelativeEq<Epsilon: Copy>> RelativeEq for $parameters {
            fn default_max_relative() -> A::Epsilon {
                A::default_max_relative()
            }
            fn relative_eq(&self, other: &Self, epsilon: A::Epsilon, max_relative: A::Epsilon) -> bool {
                let ($p, $q) = (self, other);
                $same && <[A]>::relative_eq($p.as_slice(), $q.as_slice(), epsilon, max_relative)
            }
        }

        #[doc = concat!("Equal where ", $doc, " and each element is within `epsilon`, or within `max_ulps` representable numbers.")]
        impl<A: Scalar + UlpsEq<Epsilon: Copy>> UlpsEq for $parameters {
            fn default_max_ulps() -> u32 {
                A::default_max_ulps()
            }
            fn ulps_eq(&self, other: &Self, epsilon: A::Epsilon, max_ulps: u32) -> bool {
                let ($p, $q) = (self, other);
                $same && <[A]>::ulps_eq($p.as_slice(), $q.as_slice(), epsilon, max_ulps)
            }
        }
    };
}

approximate!(
    Parameters<A>,
    |p, q| (p.dims(), p.activation()) == (q.dims(), q.activation()),
    "dimensions and nonlinearities are equal"
);
approximate!(stack::Parameters<A>, |p, q| p.architecture() == q.architecture(), "the architectures are equal");
