//! Every gradient is tested in three ways: by central differences, by the complex-step derivative, and by the adjoint
//! identity with dual numbers. Central differences use the crate itself. The other two differentiate an oracle that
//! shares no code with the crate.
//!
//! All three check the gradient of every element of wax, waa, wya, ba, by, x and a0.

use elman::loss::{Reduction, cross_entropy};
use elman::{Activation, Upstream, sequence};
use ndarray::{Array2, Axis};
use num_complex::Complex64;
use num_dual::Dual64;

use crate::support::naive::{self, Inputs, Number, Outputs, Shape};
use crate::support::numpy::Numpy;
use crate::support::problem::{Linear, below, inputs, uniform};

/// The error of central differences with step h is h²/6 times the third derivative plus 2⁻⁵²·|L|/h of rounding. Both
/// are about 1e-9 for losses of a few units; the rest is margin for losses with more curvature.
const STEP: f64 = 1e-5;
const CENTRAL: f64 = 1e-7;

/// The complex step has no cancellation: f(x + ih).im / h is f′(x) up to h², which is negligible in double precision
/// for this h. The rest is the rounding of two chains of a few hundred terms.
const COMPLEX_STEP: f64 = 1e-60;
const COMPLEX: f64 = 1e-12;

/// Both sides of the adjoint identity are sums over all outputs and all inputs. Their only error is rounding, measured
/// relative to the sum of the magnitudes of their terms.
const ADJOINT: f64 = 1e-13;

/// Single precision is 2²⁹ times coarser; a chain of up to a hundred terms rounds a hundred times.
const SINGLE: f64 = 2e-5;

const RANDOM_SHAPES: u32 = 210;

/// Mostly unequal primes; some shapes with all dimensions equal, for which a transposed matrix has the right shape;
/// some with one dimension 1; and a few around the vector lengths.
fn shapes() -> Vec<Shape> {
    let mut rng = Numpy::seed(3);
    let mut shapes: Vec<Shape> = (0..RANDOM_SHAPES)
        .map(|i| {
            let mut primes = vec![2, 3, 5, 7, 2, 3, 5, 7, 11];
            let mut size = || primes.swap_remove(below(&mut rng, primes.len()));
            let (n_x, n_a, n_y, m, t_x) = (size(), size(), size(), size().min(5), size().min(5));
            match i % 10 {
                0 => Shape::new(n_a, n_a, n_a, n_a.min(4), n_a.min(4)),
                1 => Shape::new(n_a, n_a, n_a, m, t_x),
                2 => Shape::new(1, n_a, n_y, m, t_x),
                3 => Shape::new(n_x, 1, n_y, m, t_x),
                4 => Shape::new(n_x, n_a, 1, m, t_x),
                5 => Shape::new(n_x, n_a, n_y, 1, t_x),
                6 => Shape::new(n_x, n_a, n_y, m, 1),
                _ => Shape::new(n_x, n_a, n_y, m, t_x),
            }
        })
        .collect();
    for (n_x, n_a, n_y) in [(15, 16, 17), (17, 15, 16), (16, 16, 16), (3, 33, 5), (31, 5, 3), (2, 9, 33), (8, 8, 8)] {
        shapes.push(Shape::new(n_x, n_a, n_y, 2, 3));
    }
    shapes.push(Shape::new(1, 1, 1, 1, 1));
    shapes
}

/// The losses to test with every shape. All their elements are random.
fn losses(rng: &mut Numpy, shape: Shape) -> Vec<(&'static str, Linear<f64>)> {
    let mixed = Linear::draw(rng, shape);
    let Linear { hidden, logits, output, last_hidden } = mixed.clone();
    let last_only = |array: &Option<ndarray::Array3<f64>>| {
        array.clone().map(|mut array| {
            for mut step in array.axis_iter_mut(Axis(2)).rev().skip(1) {
                step.fill(0.0);
            }
            array
        })
    };
    let none = Linear::default;
    vec![
        ("hidden, last step only", Linear { hidden: last_only(&hidden), ..none() }),
        ("logits, last step only", Linear { logits: last_only(&logits), ..none() }),
        ("output, last step only", Linear { output: last_only(&output), ..none() }),
        ("hidden", Linear { hidden: hidden.clone(), ..none() }),
        ("logits", Linear { logits: logits.clone(), ..none() }),
        ("output", Linear { output: output.clone(), ..none() }),
        ("last_hidden", Linear { last_hidden: last_hidden.clone(), ..none() }),
        ("hidden and output", Linear { hidden: hidden.clone(), output: output.clone(), ..none() }),
        ("logits and output", Linear { logits, output, ..none() }),
        ("hidden and last_hidden", Linear { hidden, last_hidden, ..none() }),
        ("everything", mixed),
    ]
}

struct Case {
    shape: Shape,
    inputs: Inputs<f64>,
    losses: Vec<(&'static str, Linear<f64>)>,
}

fn case(seed: u32, shape: Shape) -> Case {
    let mut rng = Numpy::seed(seed);
    let mut inputs = inputs(&mut rng, shape);
    inputs.activation = Activation::ALL[seed as usize % Activation::ALL.len()];
    let losses = losses(&mut rng, shape);
    Case { shape, inputs, losses }
}

fn cases() -> impl Iterator<Item = Case> {
    (1..).zip(shapes()).map(|(seed, shape)| case(seed, shape))
}

/// `inputs` with the element at `index` moved by `by`, as the number type `N`.
fn moved<N: Number>(inputs: &Inputs<f64>, shape: Shape, index: usize, by: N) -> Inputs<N> {
    let mut flat = inputs.flat().into_iter().enumerate();
    let moved = Inputs::from_fn(shape, || {
        let (at, value) = flat.next().expect("one number for each input");
        if at == index { N::from(value) + by } else { N::from(value) }
    });
    Inputs { activation: inputs.activation, ..moved }
}

/// Asserts that each gradient agrees with `derivatives`, both in the order of the inputs. The largest error allowed is
/// `tolerance` times the scale. The scale is the largest element of the same array, or a hundredth of the largest
/// element of all arrays, if that is more. It is not the element's own magnitude: an element near zero is a sum of
/// large terms that cancel, and keeps their rounding. An array of one element may be such a sum.
#[track_caller]
fn assert_close(shape: Shape, loss: &str, found: &[f64], derivatives: &[f64], tolerance: f64) {
    assert_eq!((found.len(), derivatives.len()), (shape.len(), shape.len()));
    let largest = |values: &[f64]| values.iter().fold(f64::MIN_POSITIVE, |largest, v| largest.max(v.abs()));
    for range in shape.arrays() {
        let scale = largest(&derivatives[range.clone()]).max(0.01 * largest(derivatives));
        for index in range {
            let (found, expected) = (found[index], derivatives[index]);
            assert!(
                (found - expected).abs() <= tolerance * scale,
                "{shape:?}, loss on {loss}: d{} is {found}, expected {expected}",
                shape.name_of(index)
            );
        }
    }
}

#[test]
fn at_least_two_hundred_shapes_are_tested_with_square_ones_and_single_hidden_units() {
    let shapes = shapes();
    assert!(shapes.len() >= 200);
    let square = |s: &&Shape| s.n_x == s.n_a && s.n_a == s.n_y && s.n_a > 1;
    assert!(shapes.iter().filter(square).count() >= 20);
    assert!(shapes.iter().filter(|s| s.n_a == 1).count() >= 10);
    let unequal = |s: &&Shape| s.n_x != s.n_a && s.n_a != s.n_y && s.n_x != s.n_y;
    assert!(shapes.iter().filter(unequal).count() >= 80);
}

#[test]
fn every_gradient_is_the_complex_step_derivative() {
    for Case { shape, inputs, losses } in cases() {
        let step = Complex64::new(0.0, COMPLEX_STEP);
        let outputs: Vec<_> =
            (0..shape.len()).map(|index| naive::forward(&moved(&inputs, shape, index, step))).collect();
        for (name, loss) in &losses {
            let derivatives: Vec<f64> = outputs.iter().map(|outputs| loss.of(outputs).im / COMPLEX_STEP).collect();
            assert_close(shape, name, &loss.gradient(&inputs), &derivatives, COMPLEX);
        }
    }
}

#[test]
fn every_gradient_is_the_central_difference() {
    for Case { shape, inputs, losses } in cases() {
        let mut cache = sequence::Cache::default();
        let mut outputs = |index, by: f64| {
            let inputs = moved(&inputs, shape, index, by);
            sequence::forward_into(&inputs.parameters(), &inputs.x, &inputs.a0, &mut cache).unwrap();
            Outputs::from(&cache)
        };
        let outputs: Vec<_> = (0..shape.len()).map(|index| (outputs(index, STEP), outputs(index, -STEP))).collect();
        for (name, loss) in &losses {
            let difference = |(up, down)| (loss.of(up) - loss.of(down)) / (2.0 * STEP);
            let derivatives: Vec<f64> = outputs.iter().map(|(up, down)| difference((up, down))).collect();
            assert_close(shape, name, &loss.gradient(&inputs), &derivatives, CENTRAL);
        }
    }
}

#[test]
fn every_gradient_of_a_cell_is_the_complex_step_derivative() {
    for (seed, shape) in (1..).zip(shapes()) {
        let Case { shape, inputs, losses } = case(seed, Shape { t_x: 1, ..shape });
        let step = Complex64::new(0.0, COMPLEX_STEP);
        let outputs: Vec<_> =
            (0..shape.len()).map(|index| naive::forward(&moved(&inputs, shape, index, step))).collect();
        for (name, loss) in losses.iter().filter(|(_, loss)| loss.last_hidden.is_none()) {
            let derivatives: Vec<f64> = outputs.iter().map(|outputs| loss.of(outputs).im / COMPLEX_STEP).collect();
            assert_close(shape, name, &loss.gradient_of_cell(&inputs), &derivatives, COMPLEX);
        }
    }
}

/// −Σ ln y[label] and its gradient for every input.
#[test]
fn every_gradient_of_cross_entropy_is_the_complex_step_derivative() {
    for Case { shape, inputs, .. } in cases() {
        let targets = Array2::from_shape_fn((shape.m, shape.t_x), |(j, t)| (7 * j + 3 * t + j * t) % shape.n_y);
        let value = |inputs: &Inputs<Complex64>| -> Complex64 {
            let output = naive::forward(inputs).output;
            targets.indexed_iter().map(|((j, t), &label)| -Number::ln(output[[label, j, t]])).sum()
        };
        let derivatives: Vec<f64> = (0..shape.len())
            .map(|index| value(&moved(&inputs, shape, index, Complex64::new(0.0, COMPLEX_STEP))).im / COMPLEX_STEP)
            .collect();
        let labels = f64::from(u32::try_from(targets.len()).unwrap());
        for (reduction, share) in [(Reduction::Sum, 1.0), (Reduction::Mean, labels.recip())] {
            let cache = inputs.forward();
            let loss = cross_entropy(&cache, &targets, reduction).unwrap();
            let expected = value(&inputs.map(Complex64::from)).re * share;
            assert!((loss.value - expected).abs() <= COMPLEX * (share + expected), "{shape:?}, {reduction:?}");
            let upstream = Linear { logits: Some(loss.dlogits), ..Linear::default() };
            let derivatives: Vec<f64> = derivatives.iter().map(|d| d * share).collect();
            assert_close(shape, "cross-entropy", &upstream.gradient(&inputs), &derivatives, COMPLEX);
        }
    }
}

/// ⟨upstream, J·v⟩ = ⟨Jᵀ·upstream, v⟩ for random directions v in all inputs at once. This needs one dual forward pass
/// per direction, so sequences longer than every block and batches larger than every tile can be tested.
#[test]
fn backward_is_the_adjoint_of_the_derivative() {
    let large = [
        Shape::new(65, 63, 64, 17, 5),
        Shape::new(31, 65, 33, 13, 41),
        Shape::new(3, 5, 2, 2, 700),
        Shape::new(5, 3, 7, 1100, 3),
        Shape::new(2, 17, 3, 1, 1300),
        Shape::new(33, 129, 17, 7, 30),
        Shape::new(7, 300, 5, 3, 4),
        Shape::new(290, 11, 270, 3, 4),
    ];
    for (seed, shape) in (1..).zip(shapes().into_iter().chain(large)) {
        let Case { shape, inputs, losses } = case(seed, shape);
        let mut rng = Numpy::seed(1000 + seed);
        for _ in 0..2 {
            let direction: Vec<f64> = uniform(&mut rng, shape.len()).to_vec();
            let mut pairs = inputs.flat().into_iter().zip(&direction);
            let mut dual = Inputs::from_fn(shape, || {
                let (value, &direction) = pairs.next().expect("one number for each input");
                Dual64::new(value, direction)
            });
            dual.activation = inputs.activation;
            let derivative = naive::forward(&dual);
            for (name, loss) in &losses {
                let gradient = loss.gradient(&inputs);
                let forward = loss.of(&derivative).eps;
                let backward: f64 = gradient.iter().zip(&direction).map(|(g, v)| g * v).sum();
                let scale: f64 = gradient.iter().zip(&direction).map(|(g, v)| (g * v).abs()).sum();
                assert!(
                    (forward - backward).abs() <= ADJOINT * scale,
                    "{shape:?}, loss on {name}: ⟨u, Jv⟩ is {forward}, ⟨Jᵀu, v⟩ is {backward}"
                );
            }
        }
    }
}

#[test]
fn single_precision_gradients_agree_with_double_precision() {
    #[expect(clippy::cast_possible_truncation, reason = "rounding to single precision is what this does")]
    let narrow = |value: f64| value as f32;
    for Case { shape, inputs, losses } in cases() {
        // Both use the same rounded inputs, so that only the arithmetic differs.
        let single = inputs.map(narrow);
        let double = inputs.map(|value| f64::from(narrow(value)));
        for (name, loss) in &losses {
            let found: Vec<f64> = loss.map(narrow).gradient(&single).into_iter().map(f64::from).collect();
            let expected = loss.map(|value| f64::from(narrow(value))).gradient(&double);
            assert_close(shape, name, &found, &expected, SINGLE);
        }
    }
}

#[test]
fn without_an_upstream_gradient_all_gradients_are_zero() {
    for Case { shape, inputs, .. } in cases().take(20) {
        let back = sequence::backward(&inputs.parameters(), &inputs.forward(), Upstream::default()).unwrap();
        assert!(back.gradients.as_slice().iter().chain(&back.dx).chain(&back.da0).all(|g| *g == 0.0), "{shape:?}");
    }
}
