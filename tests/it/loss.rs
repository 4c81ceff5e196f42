//! Losses: against torch's, by finite differences, and what counts.

use std::f64::consts::LN_2;

use approx::assert_relative_eq;
use elman::loss::{
    self, Label, Loss, Predictions, Reduction, Targets, cross_entropy, elementwise, huber, huber_into, squared_error,
    squared_error_into,
};
use elman::sequence::{self, Input};
use elman::stack::{self, Architecture, Layer};
use elman::{Dims, Error, Parameters, Scalar};
use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView3, Axis, Ix1, Ix2, Ix3, ShapeBuilder, array, s};

use crate::support::Convert;
use crate::support::fixture::Fixture;
use crate::support::naive::Shape;
use crate::support::numpy::Numpy;
use crate::support::problem::{below, uniform};
use crate::support::results::Problem;

/// Both sides round each element once or twice.
const TOLERANCE: f64 = 1e-14;
/// The losses of windows and segments are added in another order.
const SUM: f64 = 1e-12;
/// Gradients of smooth losses agree with differences far better than this.
const DIFFERENCES: f64 = 1e-7;
/// A cross-entropy of moderate logits rounds a few times.
const DOUBLE: f64 = 4e-15;
const SINGLE: f64 = 1e-6;

const SHAPE: Shape = Shape { n_x: 3, n_a: 5, n_y: 2, m: 7, t_x: 11 };

fn torch() -> (Fixture, Array3<f64>, Array3<f64>, Array3<f64>) {
    let fixture = Fixture::read("torch_losses.json");
    let [predictions, targets, weights] =
        ["/predictions", "/targets", "/weights"].map(|pointer| fixture.array::<f64, Ix3>(pointer));
    (fixture, predictions, targets, weights)
}

#[track_caller]
fn assert_torch(fixture: &Fixture, name: &str, loss: &Loss<f64>) {
    let expected = fixture.get(&format!("/{name}/loss"));
    assert_relative_eq!(loss.value, expected, max_relative = TOLERANCE);
    fixture.assert_close(&format!("/{name}/gradient"), &loss.dlogits, TOLERANCE);
}

#[test]
fn squared_error_and_huber_agree_with_torch() {
    let (fixture, predictions, targets, weights) = torch();
    let delta = fixture.get("/delta");
    for (name, reduction) in [("sum", Reduction::Sum), ("mean", Reduction::Mean)] {
        let loss = squared_error(&predictions, &targets, reduction).unwrap();
        assert_eq!((loss.count, loss.correct), (5 * 3 * 7, 0));
        assert_torch(&fixture, &format!("squared_{name}"), &loss);
        assert_torch(&fixture, &format!("huber_{name}"), &huber(&predictions, &targets, delta, reduction).unwrap());
    }
    let weighted = || Targets::new(&targets).weights(&weights);
    assert_torch(&fixture, "squared_weighted", &squared_error(&predictions, weighted(), Reduction::Mean).unwrap());
    let loss = huber(&predictions, weighted(), delta, Reduction::Mean).unwrap();
    assert_torch(&fixture, "huber_weighted", &loss);
    assert_eq!(loss.count, weights.iter().filter(|weight| **weight != 0.0).count());
}

/// The labels as another type; the ignored one is that type's own.
fn labels<L: Label>(labels: &Array2<i64>, convert: impl Fn(i64) -> L) -> Array2<L> {
    labels.mapv(|label| if label == -100 { L::IGNORE } else { convert(label) })
}

#[test]
fn cross_entropy_of_logits_agrees_with_torch_for_labels_of_every_type() {
    fn check<L: Label>(targets: &Array2<L>) {
        let (fixture, predictions, ..) = torch();
        let loss = cross_entropy(&predictions, targets, Reduction::Mean).unwrap();
        assert_torch(&fixture, "cross_entropy_mean", &loss);
        assert_eq!((loss.count, loss.correct), (fixture.get("/count"), fixture.get("/correct")));
        let class_weights = fixture.array::<f64, Ix1>("/class_weights");
        let raw = fixture.array::<i64, Ix2>("/labels");
        let weights = raw.mapv(|label| usize::try_from(label).map_or(1.0, |label| class_weights[label]));
        let loss = cross_entropy(&predictions, Targets::new(targets).weights(&weights), Reduction::Mean).unwrap();
        assert_torch(&fixture, "cross_entropy_weighted", &loss);
    }
    let raw = Fixture::read("torch_losses.json").array::<i64, Ix2>("/labels");
    assert!(raw.iter().any(|label| *label == i64::IGNORE) && raw.iter().any(|label| *label == 0));
    check(&raw);
    check(&labels(&raw, |label| i32::try_from(label).unwrap()));
    check(&labels(&raw, |label| u32::try_from(label).unwrap()));
    check(&labels(&raw, |label| usize::try_from(label).unwrap()));
}

/// The bits of a loss.
fn bits<A: Scalar>(loss: &Loss<A>) -> (u64, Vec<u64>, usize, usize) {
    let gradient = loss.dlogits.t().iter().map(|value| value.widen().to_bits()).collect();
    (loss.value.widen().to_bits(), gradient, loss.count, loss.correct)
}

fn arrays_have_the_bits_of_caches<A: Scalar>() {
    for problem in Problem::<A>::draw(1, SHAPE).readings() {
        let (cache, lengths) = (problem.forward(), problem.lengths());
        let logits = cache.logits();
        // Row-major, Fortran order, and with gaps.
        let wide = Array3::from_shape_fn((2 * SHAPE.n_y, SHAPE.m, SHAPE.t_x), |(i, j, t)| logits[[i / 2, j, t]]);
        let [mut row_major, mut fortran] = [Array3::zeros(logits.dim()), Array3::zeros(logits.dim().f())];
        row_major.assign(&logits);
        fortran.assign(&logits);
        let numbers = uniform(&mut Numpy::seed(3), logits.dim()).mapv(A::narrow);
        let expected = cross_entropy(&cache, &problem.targets, Reduction::Mean).unwrap();
        let number = squared_error(&cache, &numbers, Reduction::Mean).unwrap();
        for array in [logits, row_major.view(), fortran.view(), wide.slice(s![..;2, .., ..])] {
            let predictions = || Predictions::new(&array).lengths(&lengths);
            let found = cross_entropy(predictions(), &problem.targets, Reduction::Mean).unwrap();
            assert_eq!(bits(&found), bits(&expected));
            assert_eq!(bits(&squared_error(predictions(), &numbers, Reduction::Mean).unwrap()), bits(&number));
        }
    }
}

#[test]
fn a_loss_of_an_array_has_the_bits_of_that_of_a_cache() {
    arrays_have_the_bits_of_caches::<f32>();
    arrays_have_the_bits_of_caches::<f64>();
}

/// −ln softmax(z)[label], by definition.
fn naive(z: &[f64], label: usize) -> f64 {
    z.iter().map(|z| z.exp()).sum::<f64>().ln() - z[label]
}

#[test]
fn a_cross_entropy_is_exact_for_large_and_equal_logits() {
    let loss = |z: &[f64], label: usize| {
        let logits = ArrayView3::from_shape((z.len(), 1, 1), z).unwrap();
        let loss = cross_entropy(logits, &Array2::from_elem((1, 1), label), Reduction::Sum).unwrap();
        (loss.value, loss.correct)
    };
    assert_eq!(loss(&[1e6, 0.0], 1), (1e6, 0), "the probability of the label is zero");
    assert_eq!(loss(&[-1e6, 1e6, 0.0], 0), (2e6, 0));
    assert_eq!(loss(&[1e6, 0.0], 0), (0.0, 1));
    assert_eq!(loss(&[5.0, 5.0], 0), (LN_2, 1), "the first of two largest");
    assert_eq!(loss(&[5.0, 5.0], 1), (LN_2, 0), "the second of two largest");
    assert_relative_eq!(loss(&[-1e6; 3], 2).0, 3f64.ln(), max_relative = 1e-15);
    // ln(1 + e⁻⁴⁰), which a logarithm of the probability rounds to zero.
    assert_relative_eq!(loss(&[40.0, 0.0], 0).0, (-40f64).exp(), max_relative = 1e-15);
    assert_eq!(loss(&[f64::NEG_INFINITY, 1.0], 0), (f64::INFINITY, 0));
    assert_eq!(loss(&[f64::NEG_INFINITY, 1.0], 1), (0.0, 1));
    assert!(loss(&[f64::NAN, 1.0], 0).0.is_nan() && loss(&[f64::NAN, 1.0], 0).1 == 0);
    let mut rng = Numpy::seed(1);
    for n in CLASSES {
        for label in 0..n {
            let z: Vec<f64> = (0..n).map(|_| 8.0 * rng.uniform() - 4.0).collect();
            let (value, correct) = loss(&z, label);
            assert!((value - naive(&z, label)).abs() < TOLERANCE, "{n} classes, label {label}");
            assert_eq!(correct == 1, z.iter().all(|other| *other <= z[label]), "{n} classes, label {label}");
        }
    }
    let single = ArrayView3::from_shape((2, 1, 1), &[1e6_f32, -1e6]).unwrap();
    let loss = cross_entropy(single, &Array2::from_elem((1, 1), 1_u32), Reduction::Sum).unwrap();
    assert_eq!(loss.value.to_bits(), 2e6_f32.to_bits());
}

/// ln Σ exp(z − `z[label]`), with the largest logit taken out of the sum first. Exact to a few roundings for any logits.
fn stable(z: &[f64], label: usize) -> f64 {
    let top = (0..z.len()).fold(label, |top, c| if z[c] > z[top] { c } else { top });
    let others: f64 = (0..z.len()).filter(|c| *c != top).map(|c| (z[c] - z[top]).exp()).sum();
    (z[top] - z[label]) + others.ln_1p()
}

/// Checks every label of these logits: the loss, whether it is correct, and the gradient.
#[track_caller]
fn assert_cross_entropy<A: Scalar>(z: &[f64], tolerance: f64) {
    let n = z.len();
    let logits = Array3::from_shape_fn((n, 1, 1), |(c, ..)| A::narrow(z[c]));
    let first = (0..n).fold(0, |first, c| if z[c] > z[first] { c } else { first });
    for label in 0..n {
        let found = cross_entropy(&logits, &Array2::from_elem((1, 1), label), Reduction::Sum).unwrap();
        let expected = stable(z, label);
        assert!(
            (found.value.widen() - expected).abs() <= tolerance * expected + A::min_positive_value().widen(),
            "{} is not {expected}: label {label} of {z:?}",
            found.value
        );
        assert_eq!(found.correct, usize::from(label == first), "label {label} of {z:?}");
        for (c, d) in found.dlogits.iter().enumerate() {
            let expected = (-stable(z, c)).exp() - f64::from(u8::from(c == label));
            assert!((d.widen() - expected).abs() <= tolerance, "class {c}, label {label} of {z:?}");
        }
    }
}

/// Class counts around the four partial sums and the vectors.
const CLASSES: [usize; 12] = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33];

/// The logarithm of the probability is −∞ or wrong by 10 % here; the loss is a difference of logits.
#[test]
fn a_cross_entropy_is_exact_for_logits_of_a_million() {
    let mut rng = Numpy::seed(1);
    for n in CLASSES {
        let signs: Vec<f64> = (0..n).map(|_| if below(&mut rng, 2) == 0 { -1e6 } else { 1e6 }).collect();
        // Quarters are exact in single precision up to 2²².
        let near: Vec<f64> =
            signs.iter().map(|z| z + f64::from(u8::try_from(below(&mut rng, 9)).unwrap()) / 4.0).collect();
        for z in [&signs, &near] {
            assert_cross_entropy::<f64>(z, DOUBLE);
            assert_cross_entropy::<f32>(z, SINGLE);
        }
    }
}

/// Two equal largest logits: in the same partial maximum, in different ones, and after the last four.
#[test]
fn the_first_of_equal_largest_logits_is_the_prediction() {
    for n in CLASSES {
        for first in 0..n {
            for second in [1, 3, 4, 5, 8].map(|distance| (first + distance) % n) {
                let z: Vec<f64> = (0..n).map(|c| if c == first || c == second { 2.0 } else { -0.5 }).collect();
                assert_cross_entropy::<f64>(&z, DOUBLE);
            }
        }
        assert_cross_entropy::<f32>(&vec![-7.0; n], SINGLE);
    }
}

/// The other classes' probabilities are far below the precision of a number near one, and at last subnormal and zero.
#[test]
fn a_cross_entropy_keeps_the_probabilities_that_underflow() {
    for n in CLASSES {
        for top in 0..n {
            for depth in [20.0, 40.0, 80.0, 87.0, 200.0, 700.0, 800.0, 1e5] {
                let z: Vec<f64> =
                    (0..n)
                        .map(|c| {
                            if c == top {
                                3.0
                            } else {
                                3.0 - depth - f64::from(u8::try_from((5 * c) % 7).unwrap()) / 4.0
                            }
                        })
                        .collect();
                // exp rounds its argument's last bits: they are worth 700·2⁻⁵³ of its value.
                assert_cross_entropy::<f64>(&z, 2e-13);
                // Probabilities below 2⁻¹²⁶ lose digits in single precision.
                if !(86.0..88.0).contains(&depth) {
                    assert_cross_entropy::<f32>(&z, 2e-5);
                }
            }
        }
    }
}

#[track_caller]
fn assert_close(found: &ArrayView1<'_, f64>, expected: &Array1<f64>) {
    assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < TOLERANCE), "{found}");
}

/// A target for each column at its last step is the same as one in an array whose other steps do not count.
#[test]
fn targets_of_last_steps_are_those_at_the_end_of_each_column() {
    let mut rng = Numpy::seed(1);
    for problem in Problem::<f64>::draw(1, SHAPE).readings() {
        let (cache, lengths) = (problem.forward(), problem.lengths());
        let labels: Vec<usize> = (0..SHAPE.m).map(|_| below(&mut rng, SHAPE.n_y)).collect();
        let numbers = uniform(&mut rng, (SHAPE.n_y, SHAPE.m));
        let mut targets = Array2::from_elem((SHAPE.m, SHAPE.t_x), loss::IGNORE);
        let [mut values, mut weights] = [Array3::zeros(cache.logits().dim()), Array3::zeros(cache.logits().dim())];
        let mut last = Array2::zeros((SHAPE.n_y, SHAPE.m));
        for (j, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let t = if problem.reading.reversed { 0 } else { length - 1 };
            targets[[j, t]] = labels[j];
            values.slice_mut(s![.., j, t]).assign(&numbers.column(j));
            weights.slice_mut(s![.., j, t]).fill(1.0);
            last.column_mut(j).assign(&cache.logits().slice(s![.., j, t]));
        }
        assert_eq!(cache.last_logits(), last);
        let softmax = |j: usize| last.column(j).mapv(f64::exp) / last.column(j).mapv(f64::exp).sum();
        for j in (0..SHAPE.m).filter(|j| lengths[*j] > 0) {
            assert_close(&cache.last_output().column(j), &softmax(j));
        }
        for reduction in [Reduction::Sum, Reduction::Mean, Reduction::Scaled(-0.3)] {
            let found = cross_entropy(&cache, Targets::last_labels(&labels), reduction).unwrap();
            assert_eq!(bits(&found), bits(&cross_entropy(&cache, &targets, reduction).unwrap()));
            let found = squared_error(&cache, Targets::last_values(&numbers), reduction).unwrap();
            let expected = squared_error(&cache, Targets::new(&values).weights(&weights), reduction).unwrap();
            assert_eq!(bits(&found), bits(&expected));
        }
    }
}

#[test]
fn the_last_step_of_an_array_of_reversed_time_is_step_zero() {
    let logits = uniform(&mut Numpy::seed(1), (2, 3, 5));
    let predictions = Predictions::new(&logits).reversed();
    let loss = cross_entropy(predictions, Targets::last_labels(&[0_u32, 1, 1]), Reduction::Sum).unwrap();
    assert_eq!(loss.count, 3);
    for ((class, column, t), d) in loss.dlogits.indexed_iter() {
        assert_eq!(d.abs() > 0.0, t == 0, "class {class}, column {column}, step {t}");
    }
}

#[test]
fn weights_of_last_steps_weigh_columns() {
    let cache = Problem::<f64>::draw(1, SHAPE).forward();
    let labels = [0_i64, 1, 1, 0, -100, 1, 0];
    let mut weights = Array2::from_shape_fn((SHAPE.m, 1), |(j, _)| f64::from(u8::try_from(j).unwrap()));
    let weighted = |weights: &Array2<f64>| {
        cross_entropy(&cache, Targets::last_labels(&labels).weights(weights), Reduction::Mean).unwrap()
    };
    let loss = weighted(&weights);
    assert_eq!(loss.count, 5, "column 0 has weight 0, and column 4 is ignored");
    let plain = cross_entropy(&cache, Targets::last_labels(&labels), Reduction::Sum).unwrap();
    let at = |loss: &Loss<f64>, j: usize| -> Array1<f64> { loss.dlogits.slice(s![.., j, -1]).to_owned() };
    for j in 0..SHAPE.m {
        let expected = at(&plain, j) * (weights[[j, 0]] / 17.0);
        assert_close(&at(&loss, j).view(), &expected);
    }
    weights *= 3.0;
    assert_relative_eq!(weighted(&weights).value, loss.value, max_relative = TOLERANCE);
}

#[test]
fn an_element_of_weight_zero_counts_for_nothing_whatever_it_is() {
    let mut predictions = uniform(&mut Numpy::seed(1), (2, 3, 5));
    let targets = uniform(&mut Numpy::seed(2), (2, 3, 5));
    let mut weights = Array3::ones((2, 3, 5));
    let places = [[0, 1, 2], [1, 2, 4]];
    for (place, value) in places.into_iter().zip([f64::NAN, f64::INFINITY]) {
        predictions[place] = value;
        weights[place] = 0.0;
    }
    for reduction in [Reduction::Sum, Reduction::Mean] {
        let loss = huber(&predictions, Targets::new(&targets).weights(&weights), 0.3, reduction).unwrap();
        assert!(loss.value.is_finite() && loss.count == 28);
        assert!(loss.dlogits.iter().all(|d| d.is_finite()) && places.iter().all(|place| loss.dlogits[*place] == 0.0));
    }
    let none = squared_error(&predictions, Targets::new(&targets).weights(&Array3::zeros((2, 3, 5))), Reduction::Mean);
    assert_eq!(none.unwrap(), Loss { dlogits: Array3::zeros((2, 3, 5)), ..Loss::default() });
    let logits = predictions.mapv(|z| if z.is_nan() { 1.0 } else { z });
    let labels = Array2::<usize>::zeros((3, 5));
    let none = cross_entropy(&logits, Targets::new(&labels).weights(&Array2::zeros((3, 5))), Reduction::Mean).unwrap();
    assert_eq!((none.value, none.count, none.correct), (0.0, 0, 0));
    assert!(none.accuracy().is_nan());
}

#[test]
fn accuracy_is_the_share_of_labels_that_count_and_are_correct() {
    let logits = Array3::from_shape_fn((3, 1, 6), |(k, _, t)| if k == t % 3 { 1.0 } else { 0.0 });
    let targets = array![[0, 1, 0, 0, elman::loss::IGNORE, elman::loss::IGNORE]];
    let loss = cross_entropy(&logits, &targets, Reduction::Mean).unwrap();
    assert_eq!((loss.correct, loss.count, loss.accuracy()), (3, 4, 0.75));
}

#[test]
fn a_nan_prediction_reaches_the_loss_and_its_gradient() {
    let predictions = Array3::from_elem((1, 1, 1), f64::NAN);
    let targets = Array3::zeros((1, 1, 1));
    for loss in [
        squared_error(&predictions, &targets, Reduction::Mean).unwrap(),
        huber(&predictions, &targets, 1.0, Reduction::Mean).unwrap(),
    ] {
        assert!(loss.value.is_nan() && loss.dlogits[[0, 0, 0]].is_nan());
    }
    let far = huber(&targets, &Array3::from_elem((1, 1, 1), f64::INFINITY), 2.0, Reduction::Sum).unwrap();
    assert_eq!((far.value, far.dlogits[[0, 0, 0]]), (f64::INFINITY, -2.0));
}

#[test]
fn the_losses_of_parts_of_the_steps_add_up() {
    let problem = Problem::<f64>::draw(1, SHAPE);
    let (cache, numbers) = (problem.forward(), uniform(&mut Numpy::seed(3), (SHAPE.n_y, SHAPE.m, SHAPE.t_x)));
    let whole = squared_error(&cache, &numbers, Reduction::Sum).unwrap();
    let labels = cross_entropy(&cache, &problem.targets, Reduction::Sum).unwrap();
    let (mut value, mut nats, mut gradient) = (0.0, 0.0, Array3::zeros(whole.dlogits.dim()));
    for steps in [0..1, 1..4, 4..4, 4..11, 11..11] {
        let part = squared_error(&cache, Targets::new(&numbers).steps(steps.clone()), Reduction::Sum).unwrap();
        assert_eq!(part.count, SHAPE.n_y * SHAPE.m * (0..SHAPE.t_x).filter(|t| steps.contains(t)).count());
        value += part.value;
        gradient += &part.dlogits;
        nats += cross_entropy(&cache, Targets::new(&problem.targets).steps(steps), Reduction::Sum).unwrap().value;
    }
    assert_eq!(gradient, whole.dlogits);
    assert_relative_eq!(value, whole.value, max_relative = TOLERANCE);
    assert_relative_eq!(nats, labels.value, max_relative = TOLERANCE);
}

#[test]
fn an_array_of_one_step_needs_no_axis_of_time() {
    let logits = uniform(&mut Numpy::seed(1), (5, 7));
    let labels = [0_u32, 4, 1, 2, 3, u32::MAX, 2];
    let step = logits.clone().insert_axis(Axis(2));
    let expected = cross_entropy(&step, Targets::last_labels(&labels), Reduction::Mean).unwrap();
    assert_eq!(cross_entropy(&logits, Targets::last_labels(&labels), Reduction::Mean).unwrap(), expected);
    assert_eq!(cross_entropy(logits.view(), Targets::last_labels(&labels), Reduction::Mean).unwrap(), expected);
    assert_eq!((expected.dlogits.dim(), expected.count), ((5, 7, 1), 6));
}

/// A label for each column counts once, in the part in which the column ends.
#[test]
fn labels_of_last_steps_count_once_over_the_parts_of_a_sequence() {
    let labels = [0_u32, 1, 1, 0, 1, 1, 0];
    for problem in Problem::<f64>::draw(1, SHAPE).readings() {
        let whole = cross_entropy(&problem.forward(), Targets::last_labels(&labels), Reduction::Sum).unwrap();
        for (k1, k2) in [(4, 4), (3, 7), (5, 2), (1, 11)] {
            let mut windows = sequence::Truncated::new(problem.input(), &problem.inputs.a0, k1, k2).unwrap();
            let (mut value, mut count) = (0.0, 0);
            while let Some(window) = windows.next_window(&problem.parameters).unwrap() {
                let targets = window.targets(Targets::last_labels(&labels));
                let loss = cross_entropy(windows.cache(), targets, Reduction::Sum).unwrap();
                (value, count) = (value + loss.value, count + loss.count);
            }
            // Where k1 > k2, some steps are in no window.
            assert!(count <= whole.count && (k1 > k2 || count == whole.count), "{:?}, {k1}, {k2}", problem.reading);
            assert!(k1 > k2 || (value - whole.value).abs() < SUM, "{:?}, {k1}, {k2}", problem.reading);
        }
        let Problem { parameters, inputs, .. } = &problem;
        let mut run = sequence::Checkpointed::forward(parameters, problem.input(), &inputs.a0).unwrap();
        let mut count = 0;
        while let Some(segment) = run.next_segment().unwrap() {
            let loss = cross_entropy(segment.cache(), Targets::last_labels(&labels), Reduction::Sum).unwrap();
            count += loss.count;
            segment.backward(elman::Upstream::logits(&loss.dlogits)).unwrap();
        }
        assert_eq!(count, whole.count);
        let upstream = elman::Upstream::logits(&whole.dlogits);
        let expected = sequence::backward(parameters, &problem.forward(), upstream).unwrap();
        assert_eq!(run.into_gradients(), (expected.gradients, expected.da0), "{:?}", problem.reading);
    }
}

/// The same in the segments of a stack.
#[test]
fn labels_of_last_steps_count_once_over_the_segments_of_a_stack() {
    let labels = [0_u32, 1, 1, 0, 1, 1, 0];
    let mut most = 0;
    for problem in Problem::<f64>::draw(1, SHAPE).readings() {
        let p = stack::Parameters::from(&problem.parameters);
        let cache = stack::forward(&p, problem.input(), None).unwrap();
        let whole = cross_entropy(&cache, Targets::last_labels(&labels), Reduction::Sum).unwrap();
        let mut run = stack::Checkpointed::forward(&p, problem.input(), None).unwrap();
        let (mut value, mut count, mut segments) = (0.0, 0, 0);
        while let Some(segment) = run.next_segment().unwrap() {
            let loss = cross_entropy(segment.cache(), Targets::last_labels(&labels), Reduction::Sum).unwrap();
            (value, count, segments) = (value + loss.value, count + loss.count, segments + 1);
            segment.backward(stack::Upstream::logits(&loss.dlogits)).unwrap();
        }
        assert_eq!(count, whole.count, "{:?}", problem.reading);
        assert!((value - whole.value).abs() < SUM, "{:?}", problem.reading);
        most = most.max(segments);
    }
    assert!(most > 1, "the largest number of segments is {most}");
}

#[test]
fn targets_of_some_steps_keep_them_and_their_weights_in_windows() {
    let problem = Problem::<f64>::draw(1, SHAPE);
    let numbers = uniform(&mut Numpy::seed(3), (SHAPE.n_y, SHAPE.m, SHAPE.t_x));
    let weights = uniform(&mut Numpy::seed(4), (SHAPE.n_y, SHAPE.m, SHAPE.t_x)).mapv(f64::abs);
    let targets = || Targets::new(&numbers).weights(&weights).steps(2..9);
    let whole = squared_error(&problem.forward(), targets(), Reduction::Sum).unwrap();
    let mut windows = sequence::Truncated::new(&problem.inputs.x, &problem.inputs.a0, 3, 5).unwrap();
    let (mut value, mut count) = (0.0, 0);
    while let Some(window) = windows.next_window(&problem.parameters).unwrap() {
        let loss = squared_error(windows.cache(), window.targets(targets()).steps(..), Reduction::Sum).unwrap();
        (value, count) = (value + loss.value, count + loss.count);
    }
    assert_eq!(count, whole.count);
    assert_relative_eq!(value, whole.value, max_relative = SUM);
}

#[test]
fn a_reused_loss_keeps_nothing_where_nothing_counts() {
    let numbers = Array3::<f64>::ones((2, 3, 5));
    let dirty = || Loss { dlogits: Array3::from_elem((2, 3, 5), f64::NAN), ..Loss::default() };
    for targets in [Targets::new(&numbers).steps(1..2), Targets::new(&numbers).weights(&Array3::zeros((2, 3, 5)))] {
        let mut loss = dirty();
        squared_error_into(&numbers, targets, Reduction::Mean, &mut loss).unwrap();
        assert!(loss.dlogits.iter().all(|d| *d == 0.0));
    }
}

#[test]
fn a_loss_of_the_hidden_states_reaches_every_parameter() {
    let problem = Problem::<f64>::draw(1, SHAPE);
    let targets = uniform(&mut Numpy::seed(3), (SHAPE.n_a, SHAPE.m, SHAPE.t_x));
    let loss = |p: &Parameters<f64>| {
        let cache = sequence::forward(p, &problem.inputs.x, &problem.inputs.a0)?;
        squared_error(cache.hidden(), &targets, Reduction::Mean)
    };
    let (p, cache) = (&problem.parameters, problem.forward());
    let found = loss(p).unwrap();
    let back = sequence::backward(p, &cache, elman::Upstream::hidden(&found.dlogits)).unwrap();
    let report = elman::gradcheck::parameters(p, &back.gradients, |p| Ok(loss(p)?.value)).unwrap();
    assert!(report.is_within(DIFFERENCES), "{report:?}");
}

#[test]
fn a_loss_of_ones_own_is_a_value_and_a_gradient() {
    let predictions = uniform(&mut Numpy::seed(1), (2, 3, 5));
    let targets = uniform(&mut Numpy::seed(2), (2, 3, 5));
    let square = |prediction: f64, target: f64| ((prediction - target).powi(2), 2.0 * (prediction - target));
    let own = elementwise(&predictions, &targets, Reduction::Mean, square).unwrap();
    assert_eq!(own, squared_error(&predictions, &targets, Reduction::Mean).unwrap());
    let built = Loss { value: own.value, dlogits: own.dlogits.clone(), count: 30, ..Loss::default() };
    assert_eq!(built, own);
}

#[test]
fn a_reused_loss_is_overwritten() {
    let problem = Problem::<f32>::draw(1, SHAPE);
    let (cache, numbers) = (problem.forward(), Array3::ones((SHAPE.n_y, SHAPE.m, SHAPE.t_x)));
    let mut loss = cross_entropy(&cache, &problem.targets, Reduction::Mean).unwrap();
    squared_error_into(&cache, &numbers, Reduction::Mean, &mut loss).unwrap();
    assert_eq!(loss, squared_error(&cache, &numbers, Reduction::Mean).unwrap());
    huber_into(&cache, &numbers, 0.5, Reduction::Sum, &mut loss).unwrap();
    assert_eq!(loss, huber(&cache, &numbers, 0.5, Reduction::Sum).unwrap());
    loss::cross_entropy_into(&cache, &problem.targets, Reduction::Mean, &mut loss).unwrap();
    assert_eq!(loss, cross_entropy(&cache, &problem.targets, Reduction::Mean).unwrap());
}

#[test]
fn a_stack_that_is_reversed_ends_at_step_zero() {
    let p = stack::Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(5).bidirectional()], 2));
    let x = Array3::ones((3, 2, 4));
    let cache = stack::forward(&p, Input::vectors(&x).lengths(&[3, 0]), None).unwrap();
    assert!(!cache.is_reversed(), "the second direction runs backward, and the input does not");
    let loss = cross_entropy(&cache, Targets::last_labels(&[1_u32, 1]), Reduction::Sum).unwrap();
    assert_eq!((loss.dlogits[[1, 0, 2]], loss.count), (-0.5, 1));
    let cache = stack::forward(&p, Input::vectors(&x).lengths(&[3, 0]).reversed(), None).unwrap();
    let loss = cross_entropy(&cache, Targets::last_labels(&[1_u32, 1]), Reduction::Sum).unwrap();
    assert_eq!((loss.dlogits[[1, 0, 0]], loss.count), (-0.5, 1));
    assert_eq!(cache.last_output(), ndarray::array![[0.5, 0.0], [0.5, 0.0]]);
}

#[test]
fn a_wrong_argument_of_a_loss_is_named() {
    let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    let cache = sequence::forward(&p, &Array3::zeros((3, 7, 11)), None).unwrap();
    let numbers = Array3::zeros((2, 7, 11));
    let message = |result: Result<Loss<f64>, Error>| result.unwrap_err().to_string();
    let sum = Reduction::Sum;
    for (found, expected) in [
        (
            message(squared_error(&cache, &Array3::zeros((2, 11, 7)), sum)),
            "`targets` has shape (2, 11, 7), expected (n, m, T_x) = (2, 7, 11)",
        ),
        (
            message(squared_error(&cache, Targets::last_values(&Array2::zeros((2, 6))), sum)),
            "`targets` has shape (2, 6), expected (n, m) = (2, 7)",
        ),
        (
            message(cross_entropy(&cache, Targets::last_labels(&[0_u32; 6]), sum)),
            "`targets` has shape (6,), expected (m,) = (7,)",
        ),
        (
            message(huber(&cache, Targets::new(&numbers).weights(&Array3::zeros((2, 7, 1))), 1.0, sum)),
            "`weights` has shape (2, 7, 1), expected (n, m, T_x) = (2, 7, 11)",
        ),
        (
            message(squared_error(Predictions::new(&numbers).lengths(&[1; 6]), &numbers, sum)),
            "`lengths` has shape (6,), expected (m,) = (7,)",
        ),
        (
            message(squared_error(Predictions::new(&numbers).lengths(&[12; 7]), &numbers, sum)),
            "`lengths` holds 12 for column 0, expected at most 11",
        ),
        (
            message(squared_error(&cache, Targets::new(&numbers).steps(3..12), sum)),
            "`steps.end` is 12, expected at most T_x",
        ),
        (
            message(cross_entropy(&cache, Targets::last_labels(&[0_u32; 7]).weights(&Array2::ones((7, 0))), sum)),
            "`weights` has shape (7, 0), expected (7, 1)",
        ),
        (message(huber(&cache, &numbers, 0.0, sum)), "`delta` is 0, expected positive and finite"),
        (message(huber(&cache, &numbers, f64::NAN, sum)), "`delta` is NaN, expected positive and finite"),
        (
            message(squared_error(&cache, &numbers, Reduction::Scaled(f64::INFINITY))),
            "`reduction` is inf, expected finite",
        ),
        (
            message(cross_entropy(&cache, &Array2::from_elem((7, 11), -1_i64), sum)),
            "`targets` holds label -1 at column 0, step 0, expected one below 2",
        ),
        (
            message(cross_entropy(&cache, &Array2::from_elem((7, 11), u32::MAX - 1), sum)),
            "`targets` holds label 4294967294 at column 0, step 0, expected one below 2",
        ),
    ] {
        assert_eq!(found, expected);
    }
    let mut loss = squared_error(&cache, &numbers, sum).unwrap();
    let before = loss.clone();
    squared_error_into(&cache, &Array3::zeros((2, 7, 12)), sum, &mut loss).unwrap_err();
    huber_into(&cache, &numbers, -1.0, sum, &mut loss).unwrap_err();
    assert_eq!(loss, before);
}

#[test]
fn empty_predictions_have_no_loss() {
    for shape in [(0, 3, 5), (2, 0, 5), (2, 3, 0), (0, 0, 0)] {
        let array = Array3::<f32>::zeros(shape);
        let loss = squared_error(&array, &array, Reduction::Mean).unwrap();
        assert_eq!((loss.value, loss.count, loss.dlogits.dim()), (0.0, 0, shape));
        let last = Array2::zeros((shape.0, shape.1));
        let loss = squared_error(&array, Targets::last_values(&last), Reduction::Mean).unwrap();
        assert_eq!((loss.value, loss.dlogits.dim()), (0.0, shape));
        let labels = vec![u32::IGNORE; shape.1];
        assert_eq!(cross_entropy(&array, Targets::last_labels(&labels), Reduction::Mean).unwrap().count, 0);
    }
}
