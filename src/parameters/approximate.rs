//! Approximate comparison of [`Parameters`].

use approx::{AbsDiffEq, RelativeEq, UlpsEq};

use super::Parameters;

/// Equal where the dimensions are equal and each element is within `epsilon`.
impl<A: AbsDiffEq<Epsilon: Copy>> AbsDiffEq for Parameters<A> {
    type Epsilon = A::Epsilon;

    fn default_epsilon() -> A::Epsilon {
        A::default_epsilon()
    }
    fn abs_diff_eq(&self, other: &Self, epsilon: A::Epsilon) -> bool {
        self.dims == other.dims && <[A]>::abs_diff_eq(&self.flat, &other.flat, epsilon)
    }
}

/// Equal where the dimensions are equal and each element is within `max_relative` of the larger one.
impl<A: RelativeEq<Epsilon: Copy>> RelativeEq for Parameters<A> {
    fn default_max_relative() -> A::Epsilon {
        A::default_max_relative()
    }
    fn relative_eq(&self, other: &Self, epsilon: A::Epsilon, max_relative: A::Epsilon) -> bool {
        self.dims == other.dims && <[A]>::relative_eq(&self.flat, &other.flat, epsilon, max_relative)
    }
}

/// Equal where the dimensions are equal and each element is within `max_ulps` representable numbers.
impl<A: UlpsEq<Epsilon: Copy>> UlpsEq for Parameters<A> {
    fn default_max_ulps() -> u32 {
        A::default_max_ulps()
    }
    fn ulps_eq(&self, other: &Self, epsilon: A::Epsilon, max_ulps: u32) -> bool {
        self.dims == other.dims && <[A]>::ulps_eq(&self.flat, &other.flat, epsilon, max_ulps)
    }
}
