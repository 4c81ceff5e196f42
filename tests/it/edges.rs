//! Dimensions of zero, NaN and infinities, and caches that differ in one part only.

use elman::loss::{Reduction, cross_entropy};
use elman::sequence::Input;
use elman::{Activation, Dims, Dropout, Gradients, Parameters, Upstream, cell, sequence};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};

use crate::support::naive::{self, Inputs, Shape};
use crate::support::numpy::Numpy;
use crate::support::problem::{Linear, inputs};

/// Sums of at most ten terms, in a different order.
const ROUNDING: f64 = 1e-14;

/// Every way to make some of the five dimensions zero.
fn zero_sized() -> impl Iterator<Item = (Shape, Inputs<f64>)> {
    (1..32).map(|zero: u32| {
        let size = |bit: u32, n: usize| if zero >> bit & 1 == 1 { 0 } else { n };
        let shape = Shape::new(size(0, 3), size(1, 5), size(2, 2), size(3, 4), size(4, 3));
        (shape, inputs(&mut Numpy::seed(zero), shape))
    })
}

#[track_caller]
fn assert_same<'a>(found: impl IntoIterator<Item = &'a f64>, expected: impl IntoIterator<Item = &'a f64>) {
    let bits = |values: Vec<&f64>| values.into_iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(found.into_iter().collect()), bits(expected.into_iter().collect()));
}

#[test]
fn zero_dimensions_give_the_arrays_of_the_equations() {
    for (shape, inputs) in zero_sized() {
        let Shape { n_x, n_a, n_y, m, t_x } = shape;
        let cache = inputs.forward();
        let expected = naive::forward(&inputs);
        assert_eq!((cache.dims(), cache.columns(), cache.len()), (shape.dims(), m, t_x));
        assert_eq!(cache.is_empty(), t_x == 0);
        assert_eq!(cache.x(), inputs.x);
        assert_eq!(cache.a0(), inputs.a0);
        assert_eq!(cache.hidden().dim(), (n_a, m, t_x), "{shape:?}");
        assert_eq!(cache.output().dim(), (n_y, m, t_x), "{shape:?}");
        assert_eq!(cache.logits().dim(), (n_y, m, t_x), "{shape:?}");
        assert_eq!(cache.last_hidden().dim(), (n_a, m), "{shape:?}");
        let close = |found: ArrayView3<'_, f64>, expected: ArrayView3<'_, f64>| {
            found.iter().zip(expected).all(|(f, e)| (f - e).abs() <= ROUNDING)
        };
        assert!(close(cache.hidden(), expected.hidden.view()), "{shape:?}");
        assert!(close(cache.logits(), expected.logits.view()), "{shape:?}");
        assert!(close(cache.output(), expected.output.view()), "{shape:?}");

        let upstream = Linear::draw(&mut Numpy::seed(9), shape);
        let back = sequence::backward(&inputs.parameters(), &cache, upstream.upstream()).unwrap();
        assert_eq!(back.gradients.dims(), shape.dims());
        assert_eq!(back.dx.dim(), (n_x, m, t_x), "{shape:?}");
        assert_eq!(back.da0.dim(), (n_a, m), "{shape:?}");
    }
}

#[test]
fn a_sequence_without_steps_keeps_the_hidden_state_and_its_gradient() {
    for (shape, inputs) in zero_sized().filter(|(shape, _)| shape.t_x == 0) {
        let cache = inputs.forward();
        assert!(cache.is_empty());
        assert_same(cache.last_hidden(), &inputs.a0);
        let upstream = Linear::draw(&mut Numpy::seed(9), shape);
        let back = sequence::backward(&inputs.parameters(), &cache, upstream.upstream()).unwrap();
        assert_same(&back.da0, upstream.last_hidden.as_ref().unwrap());
        assert!(back.gradients.as_slice().iter().all(|g| *g == 0.0), "{shape:?}");
    }
}

#[test]
fn a_batch_without_columns_adds_zero_to_the_gradients() {
    for (shape, inputs) in zero_sized().filter(|(shape, _)| shape.m == 0) {
        let (parameters, cache) = (inputs.parameters(), inputs.forward());
        let upstream = Linear::draw(&mut Numpy::seed(9), shape);
        let mut back = sequence::backward(&parameters, &cache, upstream.upstream()).unwrap();
        assert!(back.gradients.as_slice().iter().all(|g| *g == 0.0), "{shape:?}");
        back.gradients.fill(0.75);
        sequence::backward_into(&parameters, &cache, upstream.upstream(), &mut back).unwrap();
        assert!(back.gradients.as_slice().iter().all(|g| g.to_bits() == 0.75f64.to_bits()), "{shape:?}");
    }
}

#[test]
fn without_hidden_units_the_output_is_the_softmax_of_the_bias() {
    let shape = Shape::new(3, 0, 2, 4, 3);
    let inputs = inputs(&mut Numpy::seed(1), shape);
    let cache = inputs.forward();
    for logits in cache.logits().lanes(Axis(0)) {
        assert_same(logits, &inputs.by);
    }
    let upstream = Linear::draw(&mut Numpy::seed(2), shape);
    let upstream = Linear { logits: upstream.logits, ..Linear::default() };
    let back = sequence::backward(&inputs.parameters(), &cache, upstream.upstream()).unwrap();
    let sum = upstream.logits.unwrap().sum_axis(Axis(2)).sum_axis(Axis(1));
    assert!((&back.gradients.by() - &sum).iter().all(|d| d.abs() <= ROUNDING));
    assert!(back.dx.iter().all(|d| *d == 0.0));
}

#[test]
fn a_network_without_an_output_layer_has_the_same_hidden_states_and_gradients() {
    let shape = Shape::new(3, 5, 2, 4, 3);
    let with = inputs(&mut Numpy::seed(1), shape);
    let without = Inputs { wya: Array2::zeros((0, 5)), by: ndarray::Array1::zeros(0), ..with.clone() };
    assert_same(without.forward().hidden(), with.forward().hidden());
    let Linear { hidden, .. } = Linear::draw(&mut Numpy::seed(2), shape);
    let upstream = Linear { hidden, ..Linear::default() };
    let back = |inputs: &Inputs<f64>| {
        sequence::backward(&inputs.parameters(), &inputs.forward(), upstream.upstream()).unwrap()
    };
    let (with, without) = (back(&with), back(&without));
    assert_same(without.gradients.wax(), with.gradients.wax());
    assert_same(without.gradients.waa(), with.gradients.waa());
    assert_same(without.gradients.ba(), with.gradients.ba());
    assert_same(&without.dx, &with.dx);
    assert_same(&without.da0, &with.da0);
}

#[test]
fn a_cell_and_a_stepper_accept_zero_dimensions() {
    for (shape, inputs) in zero_sized() {
        let xt = Array2::<f64>::ones((shape.n_x, shape.m));
        let parameters = inputs.parameters();
        let step = cell::forward(&parameters, &xt, &inputs.a0).unwrap();
        let mut stepper = cell::Stepper::new(&parameters, shape.m);
        stepper.set_hidden(&inputs.a0).unwrap();
        stepper.step(&xt).unwrap();
        assert_same(stepper.hidden(), step.a_next());
        assert_same(stepper.output(), step.y());
        let (hidden, head) = (Array2::ones((shape.n_a, shape.m)), Array2::ones((shape.n_y, shape.m)));
        let upstream = Upstream::hidden(&hidden).with_logits(&head).with_output(&head);
        let back = cell::backward(&parameters, &step, upstream).unwrap();
        assert_eq!(back.gradients.dims(), shape.dims());
        assert_eq!(back.dxt.dim(), (shape.n_x, shape.m));
        assert_eq!(back.da_prev.dim(), (shape.n_a, shape.m));
        assert!(shape.m > 0 || back.gradients.as_slice().iter().all(|g| *g == 0.0));
    }
}

#[test]
fn without_labels_the_loss_is_zero_and_without_classes_a_label_is_an_error() {
    for (shape, inputs) in zero_sized() {
        let cache = inputs.forward();
        let targets = Array2::<usize>::zeros((shape.m, shape.t_x));
        for reduction in [Reduction::Sum, Reduction::Mean] {
            let loss = cross_entropy(&cache, &targets, reduction);
            if targets.is_empty() {
                let loss = loss.unwrap();
                assert_eq!((loss.value, loss.dlogits.dim()), (0.0, (shape.n_y, shape.m, shape.t_x)));
            } else {
                assert_eq!(loss.is_err(), shape.n_y == 0, "{shape:?}");
            }
        }
    }
}

/// A column in the middle of a batch, at full and at partial vector widths.
const NETWORKS: [Shape; 3] = [
    Shape { n_x: 3, n_a: 5, n_y: 2, m: 7, t_x: 6 },
    Shape { n_x: 17, n_a: 33, n_y: 16, m: 13, t_x: 6 },
    Shape { n_x: 8, n_a: 16, n_y: 31, m: 3, t_x: 6 },
];
const COLUMN: usize = 1;
const STEP: usize = 2;

/// One column of an (n, m, T) array.
fn column<'a>(array: &ArrayView3<'a, f64>, index: usize) -> ArrayView2<'a, f64> {
    array.index_axis_move(Axis(1), index)
}

#[track_caller]
fn assert_other_columns(found: &ArrayView3<'_, f64>, expected: &ArrayView3<'_, f64>) {
    for index in (0..expected.len_of(Axis(1))).filter(|index| *index != COLUMN) {
        assert_same(column(found, index), column(expected, index));
    }
}

fn all_nan<'a>(values: impl IntoIterator<Item = &'a f64>) -> bool {
    values.into_iter().all(|v| v.is_nan())
}

#[test]
fn a_nan_in_x_reaches_its_column_from_its_step_on_and_no_other_column() {
    for shape in NETWORKS {
        let clean = inputs(&mut Numpy::seed(1), shape);
        let mut dirty = clean.clone();
        dirty.x[[0, COLUMN, STEP]] = f64::NAN;
        let (expected, found) = (clean.forward(), dirty.forward());
        for (found, expected) in [
            (found.hidden(), expected.hidden()),
            (found.logits(), expected.logits()),
            (found.output(), expected.output()),
        ] {
            assert_other_columns(&found, &expected);
            let (before, after) = column(&found, COLUMN).split_at(Axis(1), STEP);
            assert_same(before, column(&expected, COLUMN).split_at(Axis(1), STEP).0);
            assert!(all_nan(after), "{shape:?}");
        }

        let upstream = Linear::draw(&mut Numpy::seed(2), shape);
        let back = |inputs: &Inputs<f64>, cache| sequence::backward(&inputs.parameters(), cache, upstream.upstream());
        let (expected, found) = (back(&clean, &expected).unwrap(), back(&dirty, &found).unwrap());
        assert_other_columns(&found.dx.view(), &expected.dx.view());
        assert_other_columns(&found.da0.view().insert_axis(Axis(2)), &expected.da0.view().insert_axis(Axis(2)));
        assert!(all_nan(column(&found.dx.view(), COLUMN)), "{shape:?}");
        assert!(all_nan(found.da0.column(COLUMN)), "{shape:?}");
        assert!(all_nan(found.gradients.as_slice()), "{shape:?}");
    }
}

#[test]
fn a_nan_in_a0_reaches_its_whole_column_and_no_other_column() {
    for shape in NETWORKS {
        let clean = inputs(&mut Numpy::seed(1), shape);
        let mut dirty = clean.clone();
        dirty.a0[[shape.n_a - 1, COLUMN]] = f64::NAN;
        let (expected, found) = (clean.forward(), dirty.forward());
        assert_other_columns(&found.hidden(), &expected.hidden());
        assert_other_columns(&found.output(), &expected.output());
        assert!(all_nan(column(&found.hidden(), COLUMN)) && all_nan(column(&found.output(), COLUMN)));
    }
}

#[test]
fn a_nan_in_a_gradient_reaches_the_past_of_its_column_and_no_other_column() {
    for shape in NETWORKS {
        let inputs = inputs(&mut Numpy::seed(1), shape);
        let clean = Linear::draw(&mut Numpy::seed(2), shape);
        let back = |upstream: &Linear<f64>| {
            sequence::backward(&inputs.parameters(), &inputs.forward(), upstream.upstream()).unwrap()
        };
        let expected = back(&clean);
        let at = [0, COLUMN, STEP];
        let plant = |array: &Option<ndarray::Array3<f64>>| {
            let mut array = array.clone().unwrap();
            array[at] = f64::NAN;
            Some(array)
        };
        for dirty in [
            Linear { hidden: plant(&clean.hidden), ..clean.clone() },
            Linear { logits: plant(&clean.logits), ..clean.clone() },
            Linear { output: plant(&clean.output), ..clean.clone() },
        ] {
            let found = back(&dirty);
            assert_other_columns(&found.dx.view(), &expected.dx.view());
            let (before, after) = column(&found.dx.view(), COLUMN).split_at(Axis(1), STEP + 1);
            assert!(all_nan(before), "{shape:?}");
            assert_same(after, column(&expected.dx.view(), COLUMN).split_at(Axis(1), STEP + 1).1);
            assert!(all_nan(found.da0.column(COLUMN)), "{shape:?}");
            assert!(all_nan(found.gradients.wax()) && all_nan(found.gradients.waa()) && all_nan(found.gradients.ba()));
            assert_eq!(found.gradients.by()[0].is_nan(), dirty.hidden == clean.hidden, "gradient of the output layer");
        }
    }
}

#[test]
fn an_infinite_input_saturates_its_column_and_opposed_infinities_give_nan() {
    for shape in NETWORKS {
        let clean = inputs(&mut Numpy::seed(1), shape);
        let expected = clean.forward();
        for infinity in [f64::INFINITY, f64::NEG_INFINITY] {
            let mut dirty = clean.clone();
            dirty.x[[1, COLUMN, STEP]] = infinity;
            let found = dirty.forward();
            assert_other_columns(&found.hidden(), &expected.hidden());
            assert_other_columns(&found.output(), &expected.output());
            let saturated = dirty.wax.column(1).mapv(|w| (w * infinity).signum());
            assert_same(column(&found.hidden(), COLUMN).column(STEP), &saturated);
            assert!(found.output().iter().all(|y| y.is_finite()));

            // ∞ − ∞ if both weights have the same sign.
            dirty.x[[2, COLUMN, STEP]] = -infinity;
            let found = dirty.forward();
            for (unit, a) in column(&found.hidden(), COLUMN).column(STEP).iter().enumerate() {
                let opposed = dirty.wax[[unit, 1]].signum() == dirty.wax[[unit, 2]].signum();
                assert_eq!(a.is_nan(), opposed, "{shape:?}: unit {unit}");
            }
        }
    }
}

#[test]
fn zero_times_infinity_is_nan() {
    for shape in NETWORKS {
        let mut inputs = inputs(&mut Numpy::seed(1), shape);
        inputs.wax.fill(0.0);
        inputs.x[[0, COLUMN, STEP]] = f64::INFINITY;
        let found = inputs.forward();
        assert!(all_nan(column(&found.hidden(), COLUMN).split_at(Axis(1), STEP).1), "{shape:?}");
        assert!(column(&found.hidden(), 0).iter().all(|a| a.is_finite()), "{shape:?}");
    }
}

#[test]
fn a_logit_of_minus_infinity_has_probability_zero_and_infinity_gives_nan() {
    for shape in NETWORKS {
        let mut inputs = inputs(&mut Numpy::seed(1), shape);
        inputs.by[1] = f64::NEG_INFINITY;
        let found = inputs.forward();
        assert!(found.output().index_axis(Axis(0), 1).iter().all(|y| *y == 0.0), "{shape:?}");
        let sums = found.output().sum_axis(Axis(0));
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() <= ROUNDING), "{shape:?}");
        inputs.by[1] = f64::INFINITY;
        assert!(inputs.forward().output().index_axis(Axis(0), 1).iter().all(|y| y.is_nan()), "{shape:?}");
        inputs.by.fill(f64::NEG_INFINITY);
        assert!(all_nan(inputs.forward().output()), "{shape:?}");
    }
}

#[test]
fn a_nan_in_the_loss_stays_in_its_column() {
    for shape in NETWORKS {
        let clean = inputs(&mut Numpy::seed(1), shape);
        let mut dirty = clean.clone();
        dirty.x[[0, COLUMN, STEP]] = f64::NAN;
        let targets = Array2::from_shape_fn((shape.m, shape.t_x), |(j, t)| (j + t) % shape.n_y);
        let loss = |inputs: &Inputs<f64>| cross_entropy(&inputs.forward(), &targets, Reduction::Mean).unwrap();
        let (expected, found) = (loss(&clean), loss(&dirty));
        assert!(found.value.is_nan());
        assert_other_columns(&found.dlogits.view(), &expected.dlogits.view());
        assert!(all_nan(column(&found.dlogits.view(), COLUMN).split_at(Axis(1), STEP).1));
    }
}

#[test]
fn a_nan_parameter_reaches_every_column_through_its_unit() {
    let shape = NETWORKS[1];
    let clean = inputs(&mut Numpy::seed(1), shape);
    let mut dirty = clean.clone();
    dirty.ba[4] = f64::NAN;
    let found: Parameters<f64> = dirty.parameters();
    let step = cell::forward(&found, &dirty.x.index_axis(Axis(2), 0), &dirty.a0).unwrap();
    for (unit, states) in step.a_next().rows().into_iter().enumerate() {
        assert!(states.iter().all(|a| a.is_nan() == (unit == 4)), "unit {unit}");
    }
    assert!(all_nan(dirty.forward().hidden().split_at(Axis(2), 1).1));
}

#[test]
fn a_clone_of_an_upstream_gradient_has_the_same_arrays() {
    let shape = Shape::new(3, 5, 2, 4, 3);
    let (rng, inputs) = (&mut Numpy::seed(5), inputs(&mut Numpy::seed(4), shape));
    let upstream = Linear::draw(rng, shape);
    let back = |upstream| sequence::backward(&inputs.parameters(), &inputs.forward(), upstream).unwrap();
    #[expect(clippy::clone_on_copy, reason = "generic callers clone it")]
    let clone = upstream.upstream().clone();
    let (found, expected) = (back(clone), back(upstream.upstream()));
    assert_same(found.gradients.as_slice(), expected.gradients.as_slice());
    assert_ne!(expected.gradients.norm().to_bits(), 0);
}

#[test]
fn caches_are_equal_only_where_each_of_their_parts_is() {
    // With weights of zero, a part changes no other part.
    let network = |n_x, n_y| Parameters::<f64>::zeros(Dims { n_x, n_a: 3, n_y });
    let (p, classes) = (network(2, 0), network(2, 2));
    let mut shifted = classes.clone();
    shifted.by_mut().fill(1.0);
    let (x, ones, a0) = (Array3::zeros((2, 2, 5)), Array3::ones((2, 2, 5)), Array2::zeros((3, 2)));
    let [ids, others] = [0, 1].map(|id| Array2::from_elem((2, 5), id));
    let [none, longer] = [3, 4].map(|t_x| Array3::zeros((2, 0, t_x)));
    let plain = Input::vectors(&x);
    let run = |p: &Parameters<f64>, input: Input<'_, f64>| sequence::forward(p, input, &a0).unwrap();
    let without_columns = |p: &Parameters<f64>, x: &Array3<f64>| sequence::forward(p, x, None).unwrap();
    let masked = |seed| run(&p, plain.dropout(Dropout::new(seed).inputs(0.5).recurrent(0.5)));
    assert_eq!(run(&p, Input::tokens(&others)).tokens(), Some(others.view()));
    assert_eq!(run(&p, plain).tokens(), None);
    for (part, left, right) in [
        ("dims", without_columns(&p, &none), without_columns(&network(3, 0), &Array3::zeros((3, 0, 3)))),
        ("activation", run(&p, plain), run(&p.clone().with_activation(Activation::Identity), plain)),
        ("steps", without_columns(&p, &none), without_columns(&p, &longer)),
        ("reversed", run(&p, plain), run(&p, plain.reversed())),
        ("lengths", run(&p, plain.lengths(&[5, 3])), run(&p, plain.lengths(&[5, 4]))),
        ("tokens", run(&p, Input::tokens(&ids)), run(&p, Input::tokens(&others))),
        ("x", run(&p, plain), run(&p, Input::vectors(&ones))),
        ("states", run(&p, plain), sequence::forward(&p, plain, &Array2::ones((3, 2))).unwrap()),
        ("logits", run(&classes, plain), run(&shifted, plain)),
        ("masks", masked(1), masked(2)),
    ] {
        assert!(left == left.clone() && right == right.clone(), "{part}");
        assert_ne!(left, right, "{part}");
        assert_ne!(right, left, "{part}");
    }
}

#[test]
fn results_of_a_backward_pass_are_equal_only_where_each_of_them_is() {
    let mut back = sequence::Backward::default();
    back.gradients = Gradients::<f64>::zeros(Dims { n_x: 2, n_a: 3, n_y: 1 });
    (back.dx, back.da0) = (Array3::zeros((2, 4, 5)), Array2::zeros((3, 4)));
    assert_eq!(back, back.clone());
    let edits: [fn(&mut sequence::Backward<f64>); 3] =
        [|back| back.gradients.by_mut()[0] = 1.0, |back| back.dx[[1, 2, 3]] = 1.0, |back| back.da0[[2, 1]] = 1.0];
    for edit in edits {
        let mut changed = back.clone();
        edit(&mut changed);
        assert_ne!(changed, back);
        assert_ne!(back, changed);
    }
}
