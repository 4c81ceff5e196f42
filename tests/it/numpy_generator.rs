//! Compares the tests' copy of NumPy's generator with NumPy itself.

use approx::assert_abs_diff_eq;
use ndarray::Array1;

use crate::support::{fixture::Fixture, numpy::Numpy};

/// A normal number uses the logarithm of the C library, whose last bit differs between machines. Everything after it is
/// rounded the same way on every machine.
const LOGARITHM: f64 = 4.0 * f64::EPSILON;

fn uniforms(rng: &mut Numpy, n: usize) -> Array1<f64> {
    Array1::from_shape_simple_fn(n, || rng.uniform())
}

/// The well-known numbers of these seeds, which any copy of NumPy gives. They show that the fixture is right.
#[test]
#[allow(
    clippy::float_cmp,
    clippy::unreadable_literal,
    reason = "uniforms are exact, and the digits stand as they are printed"
)]
fn well_known_first_draws_are_reproduced() {
    assert_eq!(Numpy::seed(0).uniform(), 0.5488135039273248);
    assert_eq!(Numpy::seed(42).uniform(), 0.3745401188473625);
    for (seed, first, second) in [
        (0, 1.764052345967664, 0.4001572083672233),
        (1, 1.6243453636632417, -0.6117564136500754),
        (42, 0.4967141530112327, -0.13826430117118466),
    ] {
        let mut rng = Numpy::seed(seed);
        for known in [first, second] {
            assert_abs_diff_eq!(rng.normal(), known, epsilon = LOGARITHM);
        }
    }
}

#[test]
fn every_draw_agrees_with_numpy() {
    let fixture = Fixture::read("numpy_generator.json");
    let draws: Vec<serde_json::Value> = fixture.get("/draws");
    assert_eq!(draws.len(), 6);
    let skipped: usize = fixture.get("/skipped_normals");
    for i in 0..draws.len() {
        let at = |name| format!("/draws/{i}/{name}");
        let exact = |name| -> Array1<f64> { fixture.array(&at(name)) };
        let mut rng = Numpy::seed(fixture.get(&at("seed")));
        assert_eq!(uniforms(&mut rng, 3), exact("uniforms"));
        fixture.assert_close(&at("normals"), &rng.array1(5), LOGARITHM);
        assert_eq!(uniforms(&mut rng, 2), exact("uniforms_between"), "with a normal number pending");
        fixture.assert_close(&at("matrix"), &rng.array2((2, 3)), LOGARITHM);
        fixture.assert_close(&at("cube"), &rng.array3((3, 1, 3)), LOGARITHM);
        rng.array1(skipped);
        fixture.assert_close(&at("after_many"), &rng.array1(7), LOGARITHM);
        assert_eq!(uniforms(&mut rng, 3), exact("uniforms_last"));
    }
}
