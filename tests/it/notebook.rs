//! Replays the reference notebook, the well-known NumPy RNN exercise, from its seeds. First against the numbers that it
//! prints, then against all digits, with the gradients that it omits, from `fixtures/notebook.py`.

use approx::assert_relative_eq;
use elman::{Parameters, Upstream, loss, sequence};
use ndarray::{Array2, Array3, Axis};

use crate::support::{fixture::Fixture, numpy::Numpy};

/// A plain port that sums in a different order than NumPy stays within 3e-15 of it. The rest of 1e-13 is margin for a
/// `tanh` and an `exp` with errors of a few units in the last place, multiplied by four steps through weights of about
/// one.
const TOLERANCE: f64 = 1e-13;

/// Half a unit of the eighth decimal, the last that NumPy prints, plus a millionth of it for the rounding of the
/// comparison itself.
const HALF_A_UNIT: f64 = 0.500_000_5e-8;

const A_OUT_4: &str = "
 [[-0.99935897 -0.57882882  0.99953622  0.99692362]
 [-0.99999375  0.77911235 -0.99861469 -0.99833267]
 [ 0.98895163  0.9905525   0.87805502  0.99623046]
 [ 0.9999802   0.99693738  0.99745184  0.97406138]
 [-0.9912801   0.98087418  0.76076959  0.54482277]
 [ 0.74865774 -0.59005528 -0.97721203  0.92063859]
 [-0.96279238 -0.99825059  0.95668547 -0.76146336]
 [-0.99251598 -0.95934467 -0.97402324  0.99861032]
 [ 0.93272501  0.81262652  0.65510908  0.69252916]
 [-0.1343305  -0.99995298 -0.9994704  -0.98612292]]";

/// The record of the notebook stops in the eighth row.
const Y_PRED_OUT_1: &str = "
 [[8.70631878e-04 1.09227408e-01 2.95793685e-01 8.02699998e-02]
 [6.05834882e-04 6.73052187e-01 1.21038427e-03 1.17806974e-02]
 [5.72253732e-03 4.00062909e-03 2.06047094e-03 7.23375910e-01]
 [7.95603732e-01 8.62248606e-01 1.11182569e-01 8.15159466e-01]
 [2.57915964e-01 5.83969344e-01 9.40379273e-01 4.35479788e-02]
 [6.56311720e-01 1.13248528e-03 1.02336394e-02 1.00862411e-01]
 [6.07472236e-02 2.92414498e-01 1.14848948e-01 6.65231284e-01]
 [6.44953539e-02";

const DWAX: &str = "
 [[-3.30479652 -0.5889298   2.67389609]
 [-1.90854233  0.65640142 -1.14827789]
 [-2.0974342   4.76115666 -0.44652908]
 [-3.01352381  4.25404723 -1.20572801]
 [ 0.50119786 -3.11451526 -0.39116022]]";

const DWAA: &str = "
 [[-2.13574198e+00  6.80711347e-01 -1.44129083e+00  2.45147206e+00
   1.08426242e-03]
 [ 3.59828711e+00  1.90362485e+00  5.50531297e+00 -2.46100000e+00
   2.41395762e+00]
 [ 4.84818068e+00  3.71006436e+00  2.16039211e+00  1.97751724e+00
   4.78034097e+00]
 [ 1.00859633e+01  7.14294000e+00  2.59060550e+00  4.46558687e+00
   8.66822485e-01]
 [ 1.73852065e+00  1.31795266e-02  1.15182331e+00 -1.55384609e+00
  -9.78216278e-01]]";

const DBA: &str = "
 [[-2.46456133]
 [10.68553905]
 [ 6.82076449]
 [ 8.92964609]
 [ 2.76198809]]";

/// The notebook's parameters, `x` and `a0`, drawn in the same order.
fn network() -> (Parameters<f64>, Array3<f64>, Array2<f64>) {
    let (n_x, m, t_x, n_a, n_y) = (3, 10, 4, 5, 2);
    let mut rng = Numpy::seed(1);
    let x = rng.array3((n_x, m, t_x));
    let a0 = rng.array2((n_a, m));
    let waa = rng.array2((n_a, n_a));
    let wax = rng.array2((n_a, n_x));
    let wya = rng.array2((n_y, n_a));
    let (ba, by) = (rng.array1(n_a), rng.array1(n_y));
    (Parameters::from_arrays(&wax, &waa, &wya, &ba, &by).unwrap(), x, a0)
}

fn forward() -> (Parameters<f64>, sequence::Cache<f64>) {
    let (parameters, x, a0) = network();
    let cache = sequence::forward(&parameters, &x, &a0).unwrap();
    (parameters, cache)
}

/// The backward pass of the notebook: a gradient of the hidden states, drawn from seed 2.
fn backward_by_hidden() -> sequence::Backward<f64> {
    let (parameters, cache) = forward();
    let da = Numpy::seed(2).array3(cache.hidden().dim());
    sequence::backward(&parameters, &cache, Upstream::hidden(&da)).unwrap()
}

/// Asserts that `found`, row by row, rounds to the numbers in `print`.
#[track_caller]
fn assert_prints<'a>(print: &str, found: impl IntoIterator<Item = &'a f64>) {
    let words = print.split(|c: char| c.is_whitespace() || "[]".contains(c));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let found: Vec<&f64> = found.into_iter().collect();
    assert_eq!(words.len(), found.len(), "the number of values");
    for (word, found) in words.into_iter().zip(found) {
        let printed: f64 = word.parse().unwrap();
        let exponent = word.split_once('e').map_or(0, |(_, e)| e.parse().unwrap());
        let half_a_unit = HALF_A_UNIT * 10_f64.powi(exponent);
        assert!((found - printed).abs() <= half_a_unit, "{found}, expected {word}");
    }
}

#[test]
fn the_forward_pass_prints_as_in_the_notebook() {
    let (_, cache) = forward();
    assert_eq!(cache.hidden().dim(), (5, 10, 4));
    assert_eq!(cache.output().dim(), (2, 10, 4));
    assert_prints(A_OUT_4, cache.hidden().index_axis(Axis(0), 4));
    assert_prints(Y_PRED_OUT_1, cache.output().index_axis(Axis(0), 1).iter().take(7 * 4 + 1));
}

#[test]
fn the_backward_pass_prints_as_in_the_notebook() {
    let gradients = backward_by_hidden().gradients;
    assert_prints(DWAX, gradients.wax());
    assert_prints(DWAA, gradients.waa());
    assert_prints(DBA, gradients.ba());
}

#[test]
fn the_forward_pass_agrees_with_numpy_to_the_last_digits() {
    let fixture = Fixture::read("notebook.json");
    let (_, cache) = forward();
    fixture.assert_close("/hidden", &cache.hidden(), TOLERANCE);
    fixture.assert_close("/logits", &cache.logits(), TOLERANCE);
    fixture.assert_close("/output", &cache.output(), TOLERANCE);
}

#[test]
fn a_gradient_of_the_hidden_states_reaches_everything_except_the_output_layer() {
    let fixture = Fixture::read("notebook.json");
    let back = backward_by_hidden();
    fixture.assert_gradients("/by_hidden", &back, TOLERANCE);
    assert!(back.gradients.wya().iter().chain(back.gradients.by()).all(|d| *d == 0.0));
}

#[test]
fn cross_entropy_and_all_its_gradients_agree_with_numpy() {
    let fixture = Fixture::read("notebook.json");
    let (parameters, cache) = forward();
    let labels = Array2::from_shape_fn((10, 4), |(j, t)| (j + t) % 2);
    let loss = loss::cross_entropy(&cache, &labels, loss::Reduction::Sum).unwrap();
    assert_relative_eq!(loss.value, fixture.get("/by_loss/loss"), max_relative = TOLERANCE);
    let upstream = Upstream::logits(&loss.dlogits);
    let back = sequence::backward(&parameters, &cache, upstream).unwrap();
    fixture.assert_gradients("/by_loss", &back, TOLERANCE);
}
