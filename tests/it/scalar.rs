//! `Scalar` in generic code of another crate: its methods do not conflict with a user's own trait.

use elman::{Dims, Parameters, Scalar, cell};
use ndarray::Array2;

/// Names that the crate uses for its element types, vectors and passes.
trait Mine: Sized {
    fn narrow(self) -> &'static str {
        "narrow"
    }
    fn widen(self) -> &'static str {
        "widen"
    }
    fn splat(self) -> &'static str {
        "splat"
    }
    fn select(self) -> &'static str {
        "select"
    }
    fn forward(self) -> &'static str {
        "forward"
    }
    fn backward(self) -> &'static str {
        "backward"
    }
    fn product(self) -> &'static str {
        "product"
    }
    fn load(self) -> &'static str {
        "load"
    }
    fn bits(self) -> &'static str {
        "bits"
    }
    fn lanes() -> usize {
        7
    }
    const ELEMENT_TYPE: &'static str = "mine";
}

impl Mine for f32 {}
impl Mine for f64 {}

fn generic<A: Scalar + Mine>(a: A) -> Vec<&'static str> {
    assert_eq!((A::lanes(), A::ELEMENT_TYPE), (7, "mine"));
    vec![a.narrow(), a.widen(), a.splat(), a.select(), a.forward(), a.backward(), a.product(), a.load(), a.bits()]
}

#[test]
fn a_users_trait_is_not_ambiguous_with_scalar() {
    let names = ["narrow", "widen", "splat", "select", "forward", "backward", "product", "load", "bits"];
    assert_eq!(generic(1.0f32), names);
    assert_eq!(generic(1.0f64), names);
}

fn one_step<A: Scalar>() -> A {
    let p = Parameters::<A>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    cell::forward(&p, &Array2::ones((3, 1)), &Array2::zeros((5, 1))).unwrap().y()[[0, 0]]
}

#[test]
fn scalar_is_the_only_bound_that_generic_code_needs() {
    assert_eq!((one_step::<f32>(), one_step::<f64>()), (0.5, 0.5));
}
