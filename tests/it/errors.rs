//! A wrong argument is an error that names the argument, and states what was expected and found. Nothing is broadcast,
//! nothing panics, and the outputs stay unchanged.

use elman::loss::{Loss, Reduction, cross_entropy, cross_entropy_into};
use elman::{Activation, Dims, Error, Parameters, Upstream, cell, diagnostics, sequence};
use ndarray::{Array1, Array2, Array3, Axis, Ix2, Ix3, Slice};

use crate::support::lengths;
use crate::support::naive::{Inputs, Shape};
use crate::support::numpy::Numpy;
use crate::support::problem::{Linear, inputs};

const SHAPE: Shape = Shape { n_x: 3, n_a: 5, n_y: 2, m: 10, t_x: 4 };

fn problem() -> (Inputs<f64>, Parameters<f64>, sequence::Cache<f64>) {
    let inputs = inputs(&mut Numpy::seed(1), SHAPE);
    let (parameters, cache) = (inputs.parameters(), inputs.forward());
    (inputs, parameters, cache)
}

/// `shape` with each axis in turn one shorter and one longer, with each axis 1 (which could be broadcast), and with its
/// axes reversed.
fn wrong<const N: usize>(shape: [usize; N]) -> Vec<[usize; N]> {
    let mut all = vec![shape; 3 * N + 1];
    for axis in 0..N {
        all[3 * axis][axis] += 1;
        all[3 * axis + 1][axis] -= 1;
        all[3 * axis + 2][axis] = 1;
    }
    all[3 * N].reverse();
    all.retain(|other| *other != shape);
    all
}

/// A shape in Python syntax, as in messages.
fn tuple(axes: &[usize]) -> String {
    let list: Vec<String> = axes.iter().map(usize::to_string).collect();
    if let [one] = &list[..] { format!("({one},)") } else { format!("({})", list.join(", ")) }
}

#[track_caller]
fn assert_message(error: &Error, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "`{message}` does not contain {part}");
    }
}

#[track_caller]
fn assert_shape<T>(result: Result<T, Error>, name: &str, expect: &[usize], find: &[usize]) {
    let Err(error) = result else { panic!("`{name}` of shape {find:?} was accepted as {expect:?}") };
    let Error::Shape { argument, expected, found } = &error else { panic!("{error:?} is not a shape error") };
    let fits = |(length, n): (Option<usize>, &usize)| length.is_none_or(|length| length == *n);
    assert!(expected.lengths().count() == expect.len() && expected.lengths().zip(expect).all(fits), "{error}");
    assert_eq!((*argument, &*lengths(found)), (name, find));
    assert_message(&error, &[&format!("`{name}`"), &tuple(find)]);
}

#[track_caller]
fn assert_network<T>(result: Result<T, Error>, name: &str, expect: Dims, find: Dims) {
    let Err(error) = result else { panic!("`{name}` of {find:?} was accepted as {expect:?}") };
    let Error::Network { argument, expected, found } = &error else { panic!("{error:?} is not a network error") };
    let (expect, find) = ([expect.n_x, expect.n_a, expect.n_y], [find.n_x, find.n_a, find.n_y]);
    assert_eq!((*argument, &*lengths(expected), &*lengths(found)), (name, &expect[..], &find[..]));
    assert_message(&error, &[&format!("`{name}`"), &tuple(&expect), &tuple(&find)]);
}

/// Networks that differ from SHAPE's in one dimension, and one with the same number of parameters.
fn other_dims() -> Vec<Dims> {
    let mut all: Vec<Dims> =
        wrong([SHAPE.n_x, SHAPE.n_a, SHAPE.n_y]).into_iter().map(|[n_x, n_a, n_y]| Dims { n_x, n_a, n_y }).collect();
    let as_many = Dims { n_x: 3, n_a: 3, n_y: 9 };
    assert_eq!(as_many.len(), SHAPE.dims().len());
    all.push(as_many);
    all
}

#[test]
fn from_arrays_refuses_every_array_that_does_not_fit() {
    type Arrays = (Array2<f64>, Array2<f64>, Array2<f64>, Array1<f64>, Array1<f64>);
    let Shape { n_x, n_a, n_y, .. } = SHAPE;
    let fitting = || -> Arrays {
        let matrix = Array2::zeros;
        (matrix((n_a, n_x)), matrix((n_a, n_a)), matrix((n_y, n_a)), Array1::zeros(n_a), Array1::zeros(n_y))
    };
    let call = |change: &dyn Fn(&mut Arrays)| {
        let mut arrays = fitting();
        change(&mut arrays);
        let (wax, waa, wya, ba, by) = arrays;
        Parameters::from_arrays(&wax, &waa, &wya, &ba, &by)
    };
    call(&|_| ()).unwrap();
    for shape in wrong([n_a, n_a]) {
        assert_shape(call(&|arrays| arrays.1 = Array2::zeros(shape)), "waa", &[n_a, n_a], &shape);
    }
    for n in [n_a - 1, n_a + 1, 1] {
        // wax defines n_a, so a wrong height is reported for waa; likewise wya defines n_y, and by is reported.
        assert_shape(call(&|arrays| arrays.0 = Array2::zeros((n, n_x))), "waa", &[n, n], &[n_a, n_a]);
        assert_shape(call(&|arrays| arrays.2 = Array2::zeros((n_y, n))), "wya", &[n_y, n_a], &[n_y, n]);
        assert_shape(call(&|arrays| arrays.3 = Array1::zeros(n)), "ba", &[n_a], &[n]);
    }
    for n in [n_y - 1, n_y + 1] {
        assert_shape(call(&|arrays| arrays.2 = Array2::zeros((n, n_a))), "by", &[n], &[n_y]);
        assert_shape(call(&|arrays| arrays.4 = Array1::zeros(n)), "by", &[n_y], &[n]);
    }
}

#[test]
fn sums_and_products_refuse_parameters_of_another_network() {
    let (_, parameters, _) = problem();
    for dims in other_dims() {
        let other = Parameters::zeros(dims);
        let mut sum = parameters.clone();
        assert_network(sum.scaled_add(1.0, &other), "other", SHAPE.dims(), dims);
        assert_eq!(sum, parameters);
        assert_network(parameters.dot(&other), "other", SHAPE.dims(), dims);
    }
}

#[test]
fn a_forward_pass_refuses_every_x_and_a0_that_does_not_fit() {
    let Shape { n_x, n_a, m, t_x, .. } = SHAPE;
    let (inputs, parameters, cache) = problem();
    let mut reused = cache.clone();
    let mut call = |x: &Array3<f64>, a0: &Array2<f64>| {
        let result = sequence::forward_into(&parameters, x, a0, &mut reused);
        assert_eq!(sequence::forward(&parameters, x, a0).map(drop), result);
        assert_eq!(reused, cache, "the cache is unchanged");
        result
    };
    for shape in wrong([n_x, m, t_x]) {
        let [rows, columns, _] = shape;
        let result = || sequence::forward(&parameters, &Array3::zeros(shape), &inputs.a0);
        if rows != n_x {
            assert_shape(result(), "x", &[n_x, columns, shape[2]], &shape);
            assert_shape(call(&Array3::zeros(shape), &inputs.a0), "x", &[n_x, columns, shape[2]], &shape);
        } else if columns != m {
            let message = call(&Array3::zeros(shape), &inputs.a0).unwrap_err().to_string();
            let swapped = if shape[2] == m { "; the axes m and T_x of the input may be swapped" } else { "" };
            let shape = tuple(&shape);
            assert_eq!(
                message,
                format!(
                    "`x` and `a0` have different numbers of columns m: `x` has shape (n_x, m, T_x) = {shape}, \
                     `a0` has shape ({n_a}, {m}), expected (n_a, m) = ({n_a}, {columns}){swapped}"
                )
            );
        } else {
            result().expect("a sequence may have any length");
        }
    }
    for shape in wrong([n_a, m]) {
        let result = call(&inputs.x, &Array2::zeros(shape));
        if shape[0] == n_a {
            let Err(Error::Columns { input: "x", expected, found, .. }) = result else { panic!("{result:?}") };
            assert_eq!((expected, found), (m, shape[1]));
        } else {
            assert_shape(result, "a0", &[n_a, m], &shape);
        }
    }
}

#[test]
fn an_x_in_the_order_of_torch_is_told_the_order_of_its_axes() {
    let (inputs, parameters, _) = problem();
    let torch = inputs.x.view().permuted_axes([2, 1, 0]);
    let error = sequence::forward(&parameters, torch, None).unwrap_err().to_string();
    assert_eq!(
        error,
        "`x` has shape (4, 10, 3), expected (n_x, m, T_x) = (3, _, _); `x.permuted_axes([2, 1, 0])` if x is (T_x, m, n_x), \
         `x.permuted_axes([2, 0, 1])` if x is (m, T_x, n_x)"
    );
    let other = Array3::zeros((4, 10, 7));
    let error = sequence::forward(&parameters, &other, None).unwrap_err().to_string();
    assert_eq!(error, "`x` has shape (4, 10, 7), expected (n_x, m, T_x) = (3, _, _)");
}

#[test]
fn tokens_and_an_a0_of_other_columns_are_both_named() {
    let (inputs, parameters, _) = problem();
    let ids = Array2::zeros((4, 10));
    let error = sequence::forward(&parameters, sequence::Input::tokens(&ids), &inputs.a0).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "`tokens` and `a0` have different numbers of columns m: `tokens` has shape (m, T_x) = (4, 10)"
        )
    );
    assert!(error.ends_with("the axes m and T_x of the input may be swapped"), "{error}");
}

#[test]
fn an_a0_for_one_column_is_not_broadcast_over_ten() {
    let (inputs, parameters, _) = problem();
    let a0 = inputs.a0.slice_axis(Axis(1), Slice::from(..1));
    let error = sequence::forward(&parameters, &inputs.x, a0).unwrap_err();
    assert_message(&error, &["`a0` has shape (5, 1), expected (n_a, m) = (5, 10)"]);
    let xt = inputs.x.index_axis(Axis(2), 0);
    assert_shape(cell::forward(&parameters, &xt, &a0), "a_prev", &[5, 10], &[5, 1]);
    assert_shape(cell::Stepper::new(&parameters, 10).set_hidden(&a0), "hidden", &[5, 10], &[5, 1]);
}

#[test]
fn a_step_refuses_every_xt_and_a_prev_that_does_not_fit() {
    let Shape { n_x, n_a, m, .. } = SHAPE;
    let (_, parameters, _) = problem();
    let (xt, a_prev) = (Array2::zeros((n_x, m)), Array2::zeros((n_a, m)));
    for shape in wrong([n_x, m]) {
        let result = cell::forward(&parameters, &Array2::zeros(shape), &a_prev);
        if shape[0] == n_x {
            assert_shape(result, "a_prev", &[n_a, shape[1]], &[n_a, m]);
        } else {
            assert_shape(result, "xt", &[n_x, shape[1]], &shape);
        }
    }
    for shape in wrong([n_a, m]) {
        assert_shape(cell::forward(&parameters, &xt, &Array2::zeros(shape)), "a_prev", &[n_a, m], &shape);
    }
}

#[test]
fn a_stepper_refuses_every_xt_and_hidden_that_does_not_fit_and_keeps_its_state() {
    let Shape { n_x, n_a, m, .. } = SHAPE;
    let (inputs, parameters, _) = problem();
    let mut stepper = cell::Stepper::new(&parameters, m);
    stepper.set_hidden(&inputs.a0).unwrap();
    stepper.step(&inputs.x.index_axis(Axis(2), 0)).unwrap();
    let state = |stepper: &cell::Stepper<f64>| {
        [stepper.hidden(), stepper.logits(), stepper.output()].map(|array| array.to_owned())
    };
    let before = state(&stepper);
    for shape in wrong([n_x, m]) {
        assert_shape(stepper.step(&Array2::zeros(shape)), "xt", &[n_x, m], &shape);
        assert_eq!(state(&stepper), before);
    }
    for shape in wrong([n_a, m]) {
        assert_shape(stepper.set_hidden(&Array2::zeros(shape)), "hidden", &[n_a, m], &shape);
        assert_eq!(state(&stepper), before);
    }
}

#[test]
fn a_backward_pass_refuses_every_gradient_that_does_not_fit() {
    let Shape { n_a, n_y, m, t_x, .. } = SHAPE;
    let (_, parameters, cache) = problem();
    let fitting = Linear::draw(&mut Numpy::seed(2), SHAPE);
    let before = sequence::backward(&parameters, &cache, fitting.upstream()).unwrap();
    let mut back = before.clone();
    let mut refused = |upstream: Upstream<'_, f64, Ix3>, name: &str, expected: &[usize], found: &[usize]| {
        assert_shape(sequence::backward(&parameters, &cache, upstream), name, expected, found);
        assert_shape(sequence::backward_into(&parameters, &cache, upstream, &mut back), name, expected, found);
        assert_eq!(back, before, "the gradients are unchanged");
    };
    // The other gradients fit: one wrong array among right ones is found.
    for shape in wrong([n_a, m, t_x]) {
        let array = Array3::zeros(shape);
        refused(fitting.upstream().with_hidden(&array), "upstream.hidden", &[n_a, m, t_x], &shape);
    }
    for shape in wrong([n_y, m, t_x]) {
        let array = Array3::zeros(shape);
        refused(fitting.upstream().with_logits(&array), "upstream.logits", &[n_y, m, t_x], &shape);
        refused(fitting.upstream().with_output(&array), "upstream.output", &[n_y, m, t_x], &shape);
    }
    for shape in wrong([n_a, m]) {
        let array = Array2::zeros(shape);
        refused(fitting.upstream().with_last_hidden(&array), "upstream.last_hidden", &[n_a, m], &shape);
    }
}

#[test]
fn a_backward_step_refuses_every_gradient_that_does_not_fit() {
    let Shape { n_a, n_y, m, .. } = SHAPE;
    let (_, parameters, cache) = problem();
    let step = cache.step(0).unwrap();
    let (hidden, head) = (Array2::zeros((n_a, m)), Array2::zeros((n_y, m)));
    let fitting = Upstream::hidden(&hidden).with_logits(&head).with_output(&head);
    let refused = |upstream: Upstream<'_, f64, Ix2>, name: &str, expected: &[usize], found: &[usize]| {
        assert_shape(cell::backward(&parameters, &step, upstream), name, expected, found);
    };
    for shape in wrong([n_a, m]) {
        refused(fitting.with_hidden(&Array2::zeros(shape)), "upstream.hidden", &[n_a, m], &shape);
    }
    for shape in wrong([n_y, m]) {
        refused(fitting.with_logits(&Array2::zeros(shape)), "upstream.logits", &[n_y, m], &shape);
        refused(fitting.with_output(&Array2::zeros(shape)), "upstream.output", &[n_y, m], &shape);
    }
}

#[test]
fn a_backward_pass_refuses_parameters_of_another_network() {
    let (_, parameters, cache) = problem();
    let fitting = Linear::draw(&mut Numpy::seed(2), SHAPE);
    let upstream = fitting.upstream();
    let before = sequence::backward(&parameters, &cache, upstream).unwrap();
    let mut back = before.clone();
    for dims in other_dims() {
        let other = Parameters::zeros(dims);
        assert_network(sequence::backward(&other, &cache, upstream), "cache", dims, SHAPE.dims());
        assert_network(sequence::backward_into(&other, &cache, upstream, &mut back), "cache", dims, SHAPE.dims());
        assert_eq!(back, before, "the gradients are unchanged");
        let step = cache.step(0).unwrap();
        assert_network(cell::backward(&other, &step, Upstream::default()), "cache", dims, SHAPE.dims());
    }
}

#[test]
fn a_backward_pass_refuses_gradients_of_another_network() {
    let (_, parameters, cache) = problem();
    for dims in other_dims() {
        let mut back = sequence::Backward::default();
        back.gradients = Parameters::zeros(dims);
        back.gradients.fill(1.0);
        let before = back.clone();
        let result = sequence::backward_into(&parameters, &cache, Upstream::default(), &mut back);
        assert_network(result, "back.gradients", SHAPE.dims(), dims);
        assert_eq!(back, before, "the gradients are unchanged");
    }
}

#[test]
fn a_refused_call_leaves_an_empty_cache_and_empty_gradients_empty() {
    let (inputs, parameters, cache) = problem();
    let (mut empty, mut back) = (sequence::Cache::default(), sequence::Backward::default());
    sequence::forward_into(&parameters, &inputs.x, &Array2::zeros((5, 9)), &mut empty).unwrap_err();
    assert_eq!(empty, sequence::Cache::default());
    let wrong = Array3::zeros((5, 10, 3));
    sequence::backward_into(&parameters, &cache, Upstream::hidden(&wrong), &mut back).unwrap_err();
    assert_eq!(back, sequence::Backward::default());
}

#[test]
fn cross_entropy_refuses_targets_of_every_other_shape() {
    let (_, _, cache) = problem();
    let before = cross_entropy(&cache, &Array2::<usize>::ones((10, 4)), Reduction::Sum).unwrap();
    let mut loss = before.clone();
    for shape in wrong([10, 4]) {
        let targets = Array2::<usize>::zeros(shape);
        assert_shape(cross_entropy(&cache, &targets, Reduction::Mean), "targets", &[10, 4], &shape);
        let result = cross_entropy_into(&cache, &targets, Reduction::Mean, &mut loss);
        assert_shape(result, "targets", &[10, 4], &shape);
        assert_eq!(loss, before, "the loss is unchanged");
    }
}

#[test]
fn a_label_out_of_range_is_named_with_its_column_and_step() {
    let (_, _, cache) = problem();
    let before = cross_entropy(&cache, &Array2::<usize>::ones((10, 4)), Reduction::Sum).unwrap();
    for (j, t) in [(0, 0), (9, 0), (0, 3), (9, 3), (7, 2)] {
        for label in [2, 3, usize::MAX / 2] {
            let mut targets = Array2::zeros((10, 4));
            targets[[j, t]] = label;
            let mut loss: Loss<f64> = before.clone();
            let error = cross_entropy_into(&cache, &targets, Reduction::Sum, &mut loss).unwrap_err();
            let named =
                Error::Label { argument: "targets", column: j, step: t, expected: 2, found: label.to_string().into() };
            assert!(matches!(&error, Error::Label { .. }));
            assert_eq!(error, named);
            let (label, column, step) = (format!("label {label}"), format!("column {j}"), format!("step {t}"));
            assert_message(&error, &["`targets`", &label, &column, &step, "below 2"]);
            assert_eq!(loss, before, "the loss is unchanged");
            assert_eq!(cross_entropy(&cache, &targets, Reduction::Sum).unwrap_err(), error);
        }
    }
}

#[test]
fn the_first_of_several_labels_out_of_range_is_named() {
    let (_, _, cache) = problem();
    let mut targets = Array2::zeros((10, 4));
    for (column, step) in [(0, 3), (9, 1), (2, 2)] {
        targets[[column, step]] = 5;
    }
    let error = cross_entropy(&cache, &targets, Reduction::Sum).unwrap_err();
    assert_eq!(error, Error::Label { argument: "targets", column: 9, step: 1, expected: 2, found: "5".into() });
}

#[test]
fn a_step_past_the_end_of_a_cache_is_none() {
    let (_, _, cache) = problem();
    assert!(cache.step(3).is_some());
    for t in [4, 5, usize::MAX] {
        assert!(cache.step(t).is_none());
    }
}

#[test]
fn a_cache_of_another_nonlinearity_is_refused() {
    let (inputs, parameters, cache) = problem();
    let other = parameters.with_activation(Activation::Relu);
    let errors = [
        sequence::backward(&other, &cache, Upstream::default()).unwrap_err(),
        cell::backward(&other, &cache.step(0).unwrap(), Upstream::default()).unwrap_err(),
        diagnostics::gradient_norms(&other, &cache, Upstream::default()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.to_string(), "`cache` belongs to a network of tanh units, expected relu");
    }
    assert!(sequence::forward(&other, &inputs.x, None).unwrap().hidden().iter().all(|a| *a >= 0.0));
}
