//! The forward pass against the naive oracle, in both precisions, for x and a0 of every layout, around the vector
//! lengths.

use elman::{Activation, Scalar, cell, sequence};
use ndarray::{Array2, Array3, ArrayView, ArrayView2, ArrayView3, Axis, Dimension, ShapeBuilder, Slice};

use crate::support::Convert;
use crate::support::naive::{self, Outputs, Shape};
use crate::support::numpy::Numpy;
use crate::support::problem::inputs;

/// A chain of n terms rounds n times, and each step passes its error on through weights of about one. 128 units in the
/// last place of the largest value cover chains of up to 300 terms and six steps.
const UNITS: f64 = 128.0;

fn tolerance<A: Scalar>(scale: f64) -> f64 {
    UNITS * A::epsilon().widen() * scale.max(1.0)
}

/// Sizes around vectors of 4, 8 and 16 lanes and pairs of them, and around blocks of 256 terms.
const SIZES: [usize; 14] = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65];

fn shapes() -> impl Iterator<Item = Shape> {
    let around = (0..3 * SIZES.len()).map(|i| {
        let size = |i: usize| SIZES[i % SIZES.len()];
        Shape::new(size(i), size(5 * i + 3), size(3 * i + 1), size(i / 3 + 2).min(17), 1 + i % 6)
    });
    let long = [Shape::new(255, 9, 3, 2, 2), Shape::new(3, 257, 5, 3, 2), Shape::new(9, 4, 300, 2, 2)];
    around.chain(long)
}

#[track_caller]
fn assert_close<A: Scalar, D: Dimension>(
    found: &ArrayView<'_, A, D>,
    expected: &ArrayView<'_, f64, D>,
    what: &dyn std::fmt::Debug,
) {
    assert_eq!(found.shape(), expected.shape(), "{what:?}");
    let scale = expected.iter().fold(0.0, |scale: f64, e| scale.max(e.abs()));
    for ((index, e), f) in expected.indexed_iter().zip(found) {
        let f = f.widen();
        assert!((f - e).abs() <= tolerance::<A>(scale), "{what:?} at {index:?}: {f}, expected {e}");
    }
}

fn assert_outputs<A: Scalar>(found: &sequence::Cache<A>, expected: &Outputs<f64>, what: &dyn std::fmt::Debug) {
    assert_close(&found.hidden(), &expected.hidden.view(), &(what, "hidden"));
    assert_close(&found.logits(), &expected.logits.view(), &(what, "logits"));
    assert_close(&found.output(), &expected.output.view(), &(what, "output"));
    assert_close(&found.last_hidden(), &expected.last_hidden.view(), &(what, "last_hidden"));
}

/// The oracle gets the numbers rounded to `A`, so that only the arithmetic differs.
fn agrees_with_the_oracle<A: Scalar>() {
    for (seed, shape) in (1..).zip(shapes()) {
        let mut inputs = inputs(&mut Numpy::seed(seed), shape).map(A::narrow);
        inputs.activation = Activation::ALL[seed as usize % Activation::ALL.len()];
        let expected = naive::forward(&inputs.map(A::widen));
        assert_outputs(&inputs.forward(), &expected, &shape);

        let step = cell::forward(&inputs.parameters(), &inputs.x.index_axis(Axis(2), 0), &inputs.a0).unwrap();
        assert_close(&step.a_next(), &expected.hidden.index_axis(Axis(2), 0), &(shape, "a_next"));
        assert_close(&step.logits(), &expected.logits.index_axis(Axis(2), 0), &(shape, "logits"));
        assert_close(&step.y(), &expected.output.index_axis(Axis(2), 0), &(shape, "y"));
    }
}

#[test]
fn the_forward_pass_agrees_with_the_oracle_in_both_precisions() {
    agrees_with_the_oracle::<f32>();
    agrees_with_the_oracle::<f64>();
}

#[test]
fn the_cache_of_a_step_has_the_input_and_the_state_before_the_step() {
    for (seed, shape) in (1..).zip(shapes()) {
        let inputs = inputs(&mut Numpy::seed(seed), shape);
        let xt = inputs.x.index_axis(Axis(2), 0);
        let step = cell::forward(&inputs.parameters(), &xt, &inputs.a0).unwrap();
        assert_eq!((step.dims(), step.columns()), (shape.dims(), shape.m));
        assert_eq!((step.xt(), step.a_prev()), (xt, inputs.a0.view()));
        assert_eq!((step.hidden(), step.output()), (step.a_next(), step.y()));
    }
}

/// Calls `check` with views of the same numbers in different memory layouts.
fn every_layout3<A: Scalar>(x: &Array3<A>, mut check: impl FnMut(&str, ArrayView3<'_, A>)) {
    let (n, m, t) = x.dim();
    check("C order", x.view());

    // Time-major: one step after another, the crate's own layout.
    let mut fortran = Array3::from_elem((n, m, t).f(), A::nan());
    fortran.assign(x);
    check("Fortran order", fortran.view());

    for order in [[1, 0, 2], [2, 0, 1], [0, 2, 1], [1, 2, 0]] {
        let permuted = x.view().permuted_axes(order).as_standard_layout().into_owned();
        let mut back = [0; 3];
        for (to, from) in order.into_iter().enumerate() {
            back[from] = to;
        }
        check("axes permuted", permuted.view().permuted_axes(back));
    }

    let mut larger = Array3::from_elem((2 * n + 1, 3 * m, t + 2), A::nan());
    let mut slice = larger.view_mut();
    slice.slice_axis_inplace(Axis(0), Slice::new(1, None, 2));
    slice.slice_axis_inplace(Axis(1), Slice::new(0, None, 3));
    slice.slice_axis_inplace(Axis(2), Slice::from(1..=t));
    slice.assign(x);
    check("strided slice", slice.view());

    for axes in [vec![0], vec![1], vec![2], vec![0, 1, 2]] {
        for source in [x, &fortran] {
            let mut reversed = source.clone();
            for &axis in &axes {
                reversed.invert_axis(Axis(axis));
            }
            reversed.assign(x);
            check("negative strides", reversed.view());
        }
    }
}

fn every_layout2<A: Scalar>(a0: &Array2<A>, mut check: impl FnMut(&str, ArrayView2<'_, A>)) {
    every_layout3(&a0.clone().insert_axis(Axis(2)), |layout, a0| check(layout, a0.index_axis_move(Axis(2), 0)));
}

fn layout_does_not_matter<A: Scalar>() {
    for (seed, shape) in (1..).zip(shapes().step_by(4)) {
        let inputs = inputs(&mut Numpy::seed(seed), shape).map(A::narrow);
        let parameters = inputs.parameters();
        let expected = inputs.forward();
        every_layout3(&inputs.x, |layout, x| {
            assert_eq!(x, inputs.x, "the test's copy in {layout}");
            let found = sequence::forward(&parameters, x, &inputs.a0).unwrap();
            assert_eq!(found, expected, "{shape:?}: x in {layout}");
            let (xt, a0) = (x.index_axis(Axis(2), 0), &inputs.a0);
            let step = cell::forward(&parameters, &xt, a0).unwrap();
            assert_eq!(Some(&step), expected.step(0).as_ref(), "{shape:?}: xt in {layout}");
            let mut stepper = cell::Stepper::new(&parameters, shape.m);
            stepper.set_hidden(a0).unwrap();
            stepper.step(&xt).unwrap();
            assert_eq!(stepper.hidden(), step.a_next(), "{shape:?}: xt in {layout}");
        });
        every_layout2(&inputs.a0, |layout, a0| {
            let found = sequence::forward(&parameters, &inputs.x, a0).unwrap();
            assert_eq!(found, expected, "{shape:?}: a0 in {layout}");
            let xt = inputs.x.index_axis(Axis(2), 0);
            let step = cell::forward(&parameters, &xt, &a0).unwrap();
            assert_eq!(Some(step), expected.step(0), "{shape:?}: a_prev in {layout}");
            let mut stepper = cell::Stepper::new(&parameters, shape.m);
            stepper.set_hidden(&a0).unwrap();
            assert_eq!(stepper.hidden(), inputs.a0, "{shape:?}: hidden in {layout}");
        });
    }
}

#[test]
fn x_and_a0_of_any_layout_give_the_same_numbers() {
    layout_does_not_matter::<f32>();
    layout_does_not_matter::<f64>();
}

#[test]
fn gradients_of_any_layout_give_the_same_numbers() {
    for (seed, shape) in (1..).zip(shapes().step_by(4)) {
        let mut rng = Numpy::seed(seed);
        let inputs = inputs(&mut rng, shape);
        let upstream = crate::support::problem::Linear::draw(&mut rng, shape);
        let (parameters, cache) = (inputs.parameters(), inputs.forward());
        let all = upstream.upstream();
        let expected = sequence::backward(&parameters, &cache, all).unwrap();
        every_layout3(upstream.hidden.as_ref().unwrap(), |layout, array| {
            let found = sequence::backward(&parameters, &cache, all.with_hidden(&array)).unwrap();
            assert_eq!(found, expected, "{shape:?}: hidden in {layout}");
        });
        every_layout3(upstream.logits.as_ref().unwrap(), |layout, array| {
            let found = sequence::backward(&parameters, &cache, all.with_logits(&array)).unwrap();
            assert_eq!(found, expected, "{shape:?}: logits in {layout}");
        });
        every_layout3(upstream.output.as_ref().unwrap(), |layout, array| {
            let found = sequence::backward(&parameters, &cache, all.with_output(&array)).unwrap();
            assert_eq!(found, expected, "{shape:?}: output in {layout}");
        });
        every_layout2(upstream.last_hidden.as_ref().unwrap(), |layout, array| {
            let found = sequence::backward(&parameters, &cache, all.with_last_hidden(&array)).unwrap();
            assert_eq!(found, expected, "{shape:?}: last_hidden in {layout}");
        });
    }
}

#[test]
fn parameters_are_copied_from_arrays_of_any_layout() {
    let shape = Shape::new(7, 5, 3, 1, 1);
    let inputs = inputs(&mut Numpy::seed(1), shape);
    let expected = inputs.parameters();
    every_layout2(&inputs.wax, |layout, wax| {
        every_layout2(&inputs.waa, |_, waa| {
            every_layout2(&inputs.wya, |_, wya| {
                let found = elman::Parameters::from_arrays(&wax, &waa, &wya, &inputs.ba, &inputs.by).unwrap();
                assert_eq!(found, expected, "wax in {layout}");
            });
        });
    });
    assert_eq!(expected.wax(), inputs.wax);
    assert_eq!(expected.waa(), inputs.waa);
    assert_eq!(expected.wya(), inputs.wya);
    assert_eq!(expected.ba(), inputs.ba);
    assert_eq!(expected.by(), inputs.by);
}
