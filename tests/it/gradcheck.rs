//! The gradient checker finds and names errors, and is as accurate as documented.

#![expect(clippy::float_cmp, reason = "the compared numbers are exact, or must be bit-identical")]

use elman::gradcheck::{self, Report};
use elman::{Dims, Error, Gradients, Parameters, Upstream, init, loss, sequence};
use ndarray::{Array, Array0, Array1, Array2, Array3, ArrayD, IxDyn, array};
use rand::RngExt;

use crate::support::seeded;

/// The accuracy that the module documents for a smooth loss, over the floor of 1/1000 in the denominator.
const TOLERANCE: f64 = 1e-9;

const DIMS: Dims = Dims { n_x: 3, n_a: 5, n_y: 4 };

struct Network {
    p: Parameters<f64>,
    x: Array3<f64>,
    a0: Array2<f64>,
    targets: Array2<usize>,
}

impl Network {
    fn draw(seed: u64, steps: usize) -> Self {
        let mut rng = seeded(seed);
        let p = init::torch(DIMS, &mut rng);
        let x = Array::from_shape_simple_fn((3, 2, steps), || rng.random_range(-2.0..2.0));
        let a0 = Array::from_shape_simple_fn((5, 2), || rng.random_range(-1.0..1.0));
        let targets = Array::from_shape_simple_fn((2, steps), || rng.random_range(0..4));
        Network { p, x, a0, targets }
    }

    fn loss(&self, p: &Parameters<f64>, x: &Array3<f64>, a0: &Array2<f64>) -> Result<f64, Error> {
        let cache = sequence::forward(p, x, a0)?;
        Ok(loss::cross_entropy(&cache, &self.targets, loss::Reduction::Mean)?.value)
    }

    fn backward(&self) -> sequence::Backward<f64> {
        let cache = sequence::forward(&self.p, &self.x, &self.a0).unwrap();
        let loss = loss::cross_entropy(&cache, &self.targets, loss::Reduction::Mean).unwrap();
        sequence::backward(&self.p, &cache, Upstream::logits(&loss.dlogits)).unwrap()
    }

    fn check(&self, gradients: &Gradients<f64>) -> Report {
        gradcheck::parameters(&self.p, gradients, |p| self.loss(p, &self.x, &self.a0)).unwrap()
    }
}

#[test]
fn a_network_passes_in_every_parameter_and_input() {
    for (seed, steps) in [(1, 1), (2, 4), (3, 12)] {
        let network = Network::draw(seed, steps);
        let back = network.backward();
        let report = network.check(&back.gradients);
        println!("{report}");
        assert_eq!(report.compared, DIMS.len());
        assert!(report.is_within(TOLERANCE), "{report}");
        let report = gradcheck::array("x", &network.x, &back.dx, |x| network.loss(&network.p, x, &network.a0)).unwrap();
        println!("{report}");
        assert!(report.is_within(TOLERANCE), "{report}");
        let report =
            gradcheck::array("a0", &network.a0, &back.da0, |a0| network.loss(&network.p, &network.x, a0)).unwrap();
        println!("{report}");
        assert!(report.is_within(TOLERANCE), "{report}");
    }
}

#[test]
fn any_single_wrong_element_is_found_and_named() {
    let network = Network::draw(4, 3);
    let right = network.backward().gradients;
    for i in (0..DIMS.len()).step_by(7) {
        let mut wrong = right.clone();
        wrong.as_mut_slice()[i] *= 1.0 + 1e-5;
        let report = network.check(&wrong);
        let worst = report.worst.as_ref().unwrap();
        assert_eq!(Some(&worst.name), network.p.name_of(i).as_ref());
        assert_eq!(worst.analytic, wrong.as_slice()[i]);
        assert!((worst.numeric - right.as_slice()[i]).abs() < 1e-11);
        assert!(!report.is_within(1e-7), "{report}");
    }
}

#[test]
fn a_transposed_matrix_and_a_wrong_sign_are_found() {
    let network = Network::draw(5, 3);
    let right = network.backward().gradients;
    let mut transposed = right.clone();
    transposed.waa_mut().assign(&right.waa().t());
    let mut negative = right.clone();
    negative.ba_mut().mapv_inplace(|v| -v);
    for (wrong, name) in [(transposed, "waa["), (negative, "ba[")] {
        let report = network.check(&wrong);
        assert!(report.error() > 0.1, "{report}");
        assert!(report.worst.unwrap().name.starts_with(name));
    }
}

#[test]
fn nan_is_the_worst_error_and_never_passes() {
    let x = array![[1.0, 2.0], [3.0, 4.0]];
    let check = |dx: &Array2<f64>| gradcheck::array("x", &x, dx, |x| x.sum()).unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        // There are errors of all sizes before and after the NaN.
        let report = check(&array![[1.0, -1e300], [value, 7.0]]);
        assert_eq!(report.worst.as_ref().unwrap().name, "x[1, 0]");
        assert!(report.error().is_nan() && !report.is_within(f64::INFINITY), "{report}");
    }
    assert_eq!(check(&array![[1.0, f64::NAN], [f64::NAN, 1.0]]).worst.unwrap().name, "x[0, 1]");

    let ones = Array2::ones((2, 2));
    let report =
        gradcheck::array("x", &x, &ones, |x| x.sum() + 0.0 * x[[1, 1]].sqrt().ln().mul_add(f64::NAN, 0.0)).unwrap();
    assert!(report.error().is_nan());
    // The loss is NaN only at the point itself, which no difference evaluates.
    let report = gradcheck::array("x", &x, &ones, |v| if v == x { f64::NAN } else { v.sum() }).unwrap();
    assert!(report.error().is_nan() && !report.is_within(1.0));
    // The loss is NaN only in one variable.
    let report = gradcheck::array("x", &x, &ones, |v| if v[[1, 0]] == 3.0 { v.sum() } else { f64::NAN }).unwrap();
    assert_eq!(report.worst.unwrap().name, "x[1, 0]");
}

#[test]
fn the_numeric_derivative_is_accurate_for_values_of_every_size() {
    let x = array![0.0, 1e-9, -0.3, 2.0, -50.0];
    let dx = x.mapv(|x: f64| x.cos() + 2.0 * x);
    let report = gradcheck::array("x", &x, &dx, |x| x.mapv(|x| x.sin() + x * x).sum()).unwrap();
    assert!(report.is_within(TOLERANCE), "{report}");

    // The step size follows the element.
    let x = array![1e8, -3e5];
    let report = gradcheck::array("x", &x, &x.mapv(|x| 2.0 * x), |x| x.mapv(|x| x * x).sum()).unwrap();
    assert!(report.is_within(TOLERANCE), "{report}");
}

#[test]
fn extrapolation_is_exact_for_a_polynomial() {
    // A central difference of x³ is 3x² + h². One extrapolation removes h².
    let x = array![0.7];
    let report = gradcheck::array("x", &x, &array![3.0 * 0.7 * 0.7], |x| x[0].powi(3)).unwrap();
    assert!(report.is_within(1e-13), "{report}");
}

#[test]
fn a_derivative_that_is_exact_is_not_refined_further() {
    let mut losses = 0;
    let constant = |_: &Array1<f64>| {
        losses += 1;
        0.0
    };
    gradcheck::array("x", &Array1::zeros(10), &Array1::zeros(10), constant).unwrap();
    // The loss itself, and for each element three rows of two: the second row is exact, and the third is no better.
    assert_eq!(losses, 1 + 10 * 6);
    // D(h) = 1 + h², without a rounding. The second row is exact, the third row confirms it, and the fourth is no better.
    let mut losses = 0;
    let cubic = |x: &Array1<f64>| {
        losses += 1;
        x[0] * x[0] * x[0] + x[0]
    };
    let report = gradcheck::array("x", &array![0.0], &array![1.0], cubic).unwrap();
    assert_eq!((report.error(), losses), (0.0, 1 + 8));
}

#[test]
fn the_first_of_equal_errors_is_named() {
    let report = gradcheck::array("x", &Array1::zeros(3), &array![0.0, 1.0, 1.0], |_| 0.0).unwrap();
    assert_eq!(report.worst.unwrap().name, "x[1]");
}

#[test]
fn a_zero_gradient_passes_within_the_resolution_of_differences() {
    // Σ softmax = 1 for any x; its differences are pure rounding.
    let x = array![0.3, -1.2, 2.0];
    let constant = |x: &Array1<f64>| {
        let sum = x.mapv(f64::exp).sum();
        x.mapv(|x| x.exp() / sum).sum()
    };
    let report = gradcheck::array("x", &x, &Array1::zeros(3), constant).unwrap();
    assert!(report.is_within(TOLERANCE), "{report}");
    // A loss that is constant.
    let report = gradcheck::array("x", &x, &Array1::zeros(3), |_| 0.0).unwrap();
    assert_eq!(report.error(), 0.0);
}

#[test]
fn an_error_of_the_closure_ends_the_check() {
    let network = Network::draw(6, 2);
    let narrow = Array2::zeros((4, 2));
    let result = gradcheck::parameters(&network.p, &network.p, |p| network.loss(p, &network.x, &narrow));
    assert!(matches!(result, Err(Error::Shape { argument: "a0", .. })), "{result:?}");
    // Also if the error occurs late.
    let mut calls = 0;
    let result = gradcheck::array("a0", &network.a0, &network.a0, |a0| {
        calls += 1;
        network.loss(&network.p, &network.x, if calls > 20 { &narrow } else { a0 })
    });
    assert!(matches!(result, Err(Error::Shape { argument: "a0", .. })), "{result:?}");
}

#[test]
fn a_gradient_of_another_shape_is_refused() {
    let p = Parameters::zeros(DIMS);
    let result = gradcheck::parameters(&p, &Gradients::zeros(Dims { n_y: 5, ..DIMS }), |_| 0.0);
    assert!(matches!(result, Err(Error::Network { argument: "gradients", .. })), "{result:?}");

    let shape = |result: Result<Report, Error>| match result {
        Err(Error::Shape { argument: "gradient", expected, found }) => (expected.to_string(), found.to_string()),
        other => panic!("{other:?}"),
    };
    let result = gradcheck::array("x", &Array1::zeros(3), &Array1::zeros(4), |_| 0.0);
    assert_eq!(shape(result), ("(3,)".into(), "(4,)".into()));
    let result = gradcheck::array("x", &Array3::zeros((3, 2, 1)), &Array3::zeros((3, 1, 2)), |_| 0.0);
    assert_eq!(shape(result), ("(3, 2, 1)".into(), "(3, 1, 2)".into()));
    let dynamic = |shape: &[usize]| ArrayD::<f64>::zeros(IxDyn(shape));
    for (values, gradient, expected, found) in [
        (&[6][..], &[2, 3][..], "(6,)", "(2, 3)"),
        (&[2, 3], &[6], "(2, 3)", "(6,)"),
        (&[], &[1], "()", "(1,)"),
        (&[3, 2, 1, 4], &[3, 2, 4, 1], "(3, 2, 1, 4)", "(3, 2, 4, 1)"),
    ] {
        let result = gradcheck::array("x", &dynamic(values), &dynamic(gradient), |_| 0.0);
        assert_eq!(shape(result), (expected.into(), found.into()));
    }
}

#[test]
fn elements_of_any_array_layout_are_named_in_logical_order() {
    let check = |x: &ArrayD<f64>, wrong: &[usize]| {
        let mut dx = x.mapv(|x| 3.0 * x * x);
        dx[wrong] += 1.0;
        let report = gradcheck::array("x", x, &dx, |x| x.mapv(|x| x * x * x).sum()).unwrap();
        assert_eq!(report.compared, x.len());
        report.worst.unwrap().name
    };
    let count = |shape: &[usize]| {
        let mut next = 0.0;
        ArrayD::from_shape_simple_fn(IxDyn(shape), || {
            next += 0.25;
            next
        })
    };
    assert_eq!(check(&count(&[]), &[]), "x");
    assert_eq!(check(&count(&[4]), &[2]), "x[2]");
    assert_eq!(check(&count(&[2, 3, 2]), &[1, 0, 1]), "x[1, 0, 1]");
    assert_eq!(check(&count(&[2, 3, 2]).reversed_axes(), &[1, 2, 0]), "x[1, 2, 0]");
    assert_eq!(check(&count(&[2, 1, 3, 2]), &[1, 0, 2, 1]), "x[1, 0, 2, 1]");
    let one =
        gradcheck::array("x", &Array0::from_elem((), 2.0), &Array0::from_elem((), 4.0), |x| x[()] * x[()]).unwrap();
    assert!(one.is_within(TOLERANCE), "{one}");
}

#[test]
fn the_array_is_restored_after_every_element() {
    let x = array![0.1, 0.2, 0.3];
    gradcheck::array("x", &x, &Array1::ones(3), |v| {
        assert!(v.iter().zip(&x).filter(|(v, x)| v != x).count() <= 1);
        v.sum()
    })
    .unwrap();
}

#[test]
fn an_empty_comparison_passes_and_says_so() {
    let report = gradcheck::array("x", &Array2::zeros((0, 3)), &Array2::zeros((0, 3)), |_| 1.0).unwrap();
    assert_eq!((report.compared, report.error(), &report.worst), (0, 0.0, &None));
    assert!(report.is_within(0.0));
    assert_eq!(report.to_string(), "no element to compare");
    let p = Parameters::zeros(Dims::default());
    assert!(gradcheck::parameters(&p, &p, |_| 1.0).unwrap().is_within(0.0));
}

#[test]
fn a_report_reads_as_a_sentence() {
    let x = array![[1.0, 2.0]];
    let report = gradcheck::array("x", &x, &array![[1.0, 0.5]], |x| x.sum()).unwrap();
    assert_eq!(report.to_string(), "x[0, 1]: analytic 5e-1, numeric 1e0, relative error 5.0e-1, the worst of 2");
}
