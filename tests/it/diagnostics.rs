//! Diagnostics: gradients through time against chunks and unit vectors; saturation and norms against loops.

use elman::diagnostics::{
    Norms, gradient_norms, jacobian_norms, saturation, stack_gradient_norms, stack_jacobian_norms, stack_saturation,
    update_norms,
};
use elman::sequence::{self, Input};
use elman::stack::Direction::{Forward, Reverse};
use elman::stack::{self, Architecture, Layer};
use elman::{Dims, Dropout, Error, Parameters, Scalar, Upstream};
use ndarray::{Array2, Array3, Axis, Dimension, Slice, array, concatenate, s};

use crate::support::naive::{Inputs, Shape};
use crate::support::numpy::Numpy;
use crate::support::problem::{Linear, inputs, uniform};
use crate::support::{lengths, seeded};

/// Two chains of at most a few hundred terms, and their rounding.
const DOUBLE: f64 = 1e-13;
/// Single precision is 2²⁹ times coarser.
const SINGLE: f64 = 2e-5;

/// The relative deviation of the square is at most √(2/probes), that of the root half of it. One hundredth, times four.
const PROBES: usize = 5000;
const ESTIMATE: f64 = 0.04;

const SHAPES: [Shape; 5] = [
    Shape { n_x: 3, n_a: 5, n_y: 2, m: 4, t_x: 6 },
    Shape { n_x: 2, n_a: 17, n_y: 3, m: 1, t_x: 9 },
    Shape { n_x: 7, n_a: 3, n_y: 11, m: 5, t_x: 2 },
    Shape { n_x: 3, n_a: 3, n_y: 3, m: 3, t_x: 3 },
    Shape { n_x: 1, n_a: 1, n_y: 1, m: 1, t_x: 1 },
];

fn problem(seed: u32, shape: Shape) -> (Inputs<f64>, Linear<f64>) {
    let mut rng = Numpy::seed(seed);
    (inputs(&mut rng, shape), Linear::draw(&mut rng, shape))
}

fn problems() -> impl Iterator<Item = (Shape, Inputs<f64>, Linear<f64>)> {
    (1..).zip(SHAPES).map(|(seed, shape)| {
        let (inputs, loss) = problem(seed, shape);
        (shape, inputs, loss)
    })
}

/// Each part of a loss alone, and all together.
fn parts(loss: &Linear<f64>) -> [Linear<f64>; 5] {
    let Linear { hidden, logits, output, last_hidden } = loss.clone();
    [
        Linear { hidden, ..Linear::default() },
        Linear { logits, ..Linear::default() },
        Linear { output, ..Linear::default() },
        Linear { last_hidden, ..Linear::default() },
        loss.clone(),
    ]
}

/// The steps after `t`, as a separate sequence.
fn after<A: Scalar>(inputs: &Inputs<A>, cache: &sequence::Cache<A>, t: usize) -> sequence::Cache<A> {
    let x = inputs.x.slice_axis(Axis(2), Slice::from(t + 1..));
    sequence::forward(&inputs.parameters(), x, cache.hidden().index_axis(Axis(2), t)).unwrap()
}

/// ∂L/∂a of one step, (`n_a`, m): `da0` of the later steps, plus the gradient from the step itself.
fn gradient_at(inputs: &Inputs<f64>, loss: &Linear<f64>, t: usize) -> Array2<f64> {
    let cache = inputs.forward();
    let future = |array: &Option<Array3<f64>>| {
        array.as_ref().map(|array| array.slice_axis(Axis(2), Slice::from(t + 1..)).to_owned())
    };
    let own = |array: &Option<Array3<f64>>| array.as_ref().map(|array| array.index_axis(Axis(2), t).to_owned());
    let beyond = Linear {
        hidden: future(&loss.hidden),
        logits: future(&loss.logits),
        output: future(&loss.output),
        last_hidden: loss.last_hidden.clone(),
    };
    let chunk = after(inputs, &cache, t);
    let mut da = sequence::backward(&inputs.parameters(), &chunk, beyond.upstream()).unwrap().da0;
    if let Some(hidden) = own(&loss.hidden) {
        da += &hidden;
    }
    if let Some(logits) = own(&loss.logits) {
        da += &inputs.wya.t().dot(&logits);
    }
    if let Some(dy) = own(&loss.output) {
        let y = cache.output().index_axis_move(Axis(2), t);
        let dlogits = &y * &(&dy - &(&dy * &y).sum_axis(Axis(0)));
        da += &inputs.wya.t().dot(&dlogits);
    }
    da
}

fn norm<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().map(|v| v * v).sum::<f64>().sqrt()
}

#[track_caller]
fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance * expected, "{what}: {found}, expected {expected}");
}

#[test]
fn gradient_norms_agree_with_the_gradients_of_the_later_chunk_and_of_the_step() {
    for (shape, inputs, loss) in problems() {
        for (part, loss) in parts(&loss).iter().enumerate() {
            let norms = gradient_norms(&inputs.parameters(), &inputs.forward(), loss.upstream()).unwrap();
            assert_eq!(norms.dim(), (shape.m, shape.t_x));
            for t in 0..shape.t_x {
                let da = gradient_at(&inputs, loss, t);
                for (j, da) in da.columns().into_iter().enumerate() {
                    let what = format!("{shape:?}, part {part}, column {j}, step {t}");
                    assert_near(norms[[j, t]], norm(da), DOUBLE, &what);
                }
            }
        }
    }
}

#[test]
fn single_precision_norms_agree_with_double_precision() {
    #[expect(clippy::cast_possible_truncation, reason = "rounding to single precision is what this does")]
    let narrow = |value: f64| value as f32;
    for (shape, inputs, loss) in problems() {
        let (single, single_loss) = (inputs.map(narrow), loss.map(narrow));
        let found = gradient_norms(&single.parameters(), &single.forward(), single_loss.upstream()).unwrap();
        let expected = gradient_norms(&inputs.parameters(), &inputs.forward(), loss.upstream()).unwrap();
        for (&found, &expected) in found.iter().zip(&expected) {
            assert_near(found, expected, SINGLE, &format!("{shape:?}"));
        }
        let mut rng = seeded(1);
        let found = jacobian_norms(&single.parameters(), &single.forward(), 3, &mut rng).unwrap();
        let mut rng = seeded(1);
        let expected = jacobian_norms(&inputs.parameters(), &inputs.forward(), 3, &mut rng).unwrap();
        for (&found, &expected) in found.iter().zip(&expected) {
            assert_near(found, expected, SINGLE, &format!("{shape:?}"));
        }
    }
}

#[test]
fn upstream_gradients_may_have_any_layout() {
    let (inputs, loss) = problem(1, SHAPES[0]);
    let turned = |array: &Option<Array3<f64>>| {
        array.as_ref().map(|array| {
            let mut turned = array.clone();
            turned.invert_axis(Axis(1));
            let mut turned = turned.as_standard_layout().into_owned();
            turned.invert_axis(Axis(1));
            turned
        })
    };
    let other = Linear { hidden: turned(&loss.hidden), logits: turned(&loss.logits), ..loss.clone() };
    assert_eq!(other.hidden, loss.hidden);
    let (parameters, cache) = (inputs.parameters(), inputs.forward());
    assert_eq!(
        gradient_norms(&parameters, &cache, other.upstream()).unwrap(),
        gradient_norms(&parameters, &cache, loss.upstream()).unwrap()
    );
}

#[test]
fn jacobian_norms_estimate_the_norm_from_unit_vectors_and_are_exact_at_the_last_step() {
    for (shape, inputs, _) in problems() {
        let (parameters, cache) = (inputs.parameters(), inputs.forward());
        let norms = jacobian_norms(&parameters, &cache, PROBES, &mut seeded(1)).unwrap();
        assert_eq!(norms.dim(), (shape.m, shape.t_x));
        let n_a = f64::from(u32::try_from(shape.n_a).unwrap());
        for t in 0..shape.t_x {
            let chunk = after(&inputs, &cache, t);
            let mut squares = vec![0.0; shape.m];
            for unit in 0..shape.n_a {
                let mut last = Array2::zeros((shape.n_a, shape.m));
                last.row_mut(unit).fill(1.0);
                let back = sequence::backward(&parameters, &chunk, Upstream::last_hidden(&last)).unwrap();
                for (square, row) in squares.iter_mut().zip(back.da0.columns()) {
                    *square += row.dot(&row);
                }
            }
            for (j, square) in squares.into_iter().enumerate() {
                let what = format!("{shape:?}, column {j}, step {t}");
                assert_near(norms[[j, t]], square.sqrt(), ESTIMATE, &what);
                if t + 1 == shape.t_x {
                    assert_eq!(norms[[j, t]].to_bits(), n_a.sqrt().to_bits(), "{what}");
                }
            }
        }
    }
}

#[test]
fn the_norms_of_a_column_do_not_depend_on_the_batch() {
    let (inputs, loss) = problem(1, SHAPES[0]);
    let (parameters, cache) = (inputs.parameters(), inputs.forward());
    let (hidden, last) = (loss.hidden.unwrap(), loss.last_hidden.unwrap());
    let upstream = Upstream::hidden(&hidden).with_last_hidden(&last);
    let gradients = gradient_norms(&parameters, &cache, upstream).unwrap();
    let jacobians = jacobian_norms(&parameters, &cache, 2, &mut seeded(7)).unwrap();
    for j in 0..SHAPES[0].m {
        let column = Slice::from(j..=j);
        let (x, a0) = (inputs.x.slice_axis(Axis(1), column), inputs.a0.slice_axis(Axis(1), column));
        let cache = sequence::forward(&parameters, x, a0).unwrap();
        let (hidden, last) = (hidden.slice_axis(Axis(1), column), last.slice_axis(Axis(1), column));
        let upstream = Upstream::hidden(&hidden).with_last_hidden(&last);
        assert_eq!(gradient_norms(&parameters, &cache, upstream).unwrap().row(0), gradients.row(j));
        let alone = jacobian_norms(&parameters, &cache, 2, &mut seeded(7)).unwrap();
        assert_eq!(alone.row(0), jacobians.row(j));
    }
}

#[test]
fn saturation_is_the_share_of_values_above_the_threshold() {
    let mut p = Parameters::<f64>::zeros(Dims { n_x: 2, n_a: 2, n_y: 0 });
    p.wax_mut().diag_mut().fill(1.0);
    // Every value of `hidden` is the tanh of one value of x.
    let x = array![[[0.0, 0.5, -0.5], [1.0, -1.0, 2.0]], [[-2.0, 3.0, -3.0], [4.0, 5.0, 0.1]]];
    let cache = sequence::forward(&p, &x, &Array2::zeros((2, 2))).unwrap();
    assert_eq!(saturation(&cache, 0.0), Ok(11.0 / 12.0));
    assert_eq!(saturation(&cache, 0.5f64.tanh() - 1e-9), Ok(10.0 / 12.0));
    assert_eq!(saturation(&cache, 0.5f64.tanh() + 1e-9), Ok(8.0 / 12.0));
    assert_eq!(saturation(&cache, 0.99), Ok(4.0 / 12.0));
    assert_eq!(saturation(&cache, 1.0), Ok(0.0), "no hidden value is above one");
    let x = Array3::from_elem((2, 2, 3), f64::NAN);
    let cache = sequence::forward(&p, &x, &Array2::zeros((2, 2))).unwrap();
    assert_eq!(saturation(&cache, 0.5), Ok(0.0));
}

#[test]
fn norms_are_given_for_each_matrix_and_in_total() {
    for (shape, inputs, _) in problems() {
        let (before, after) = (inputs.parameters(), problem(99, shape).0.parameters());
        let difference = |a: &Parameters<f64>, b: &Parameters<f64>| {
            [
                norm(&(&a.wax() - &b.wax())),
                norm(&(&a.waa() - &b.waa())),
                norm(&(&a.wya() - &b.wya())),
                norm(&(&a.ba() - &b.ba())),
                norm(&(&a.by() - &b.by())),
            ]
        };
        let check = |found: Norms, parts: [f64; 5]| {
            let total = norm(&parts);
            let found = [found.wax, found.waa, found.wya, found.ba, found.by, found.total];
            for (index, (found, expected)) in found.into_iter().zip(parts.into_iter().chain([total])).enumerate() {
                assert_near(found, expected, DOUBLE, &format!("{shape:?}, norm {index}"));
            }
        };
        let norms = Norms::of(&before);
        let parts = difference(&before, &Parameters::zeros(before.dims()));
        check(norms, parts);
        let update = update_norms(&before, &after).unwrap();
        let update_parts = difference(&after, &before);
        check(update, update_parts);

        let relative = update.relative_to(&norms);
        let ratios: Vec<f64> = update_parts.iter().zip(parts).map(|(update, of)| update / of).collect();
        let found = [relative.wax, relative.waa, relative.wya, relative.ba, relative.by];
        for (found, expected) in found.into_iter().zip(ratios) {
            assert_near(found, expected, 3.0 * DOUBLE, &format!("{shape:?}"));
        }
        assert_near(relative.total, norm(&update_parts) / norm(&parts), 3.0 * DOUBLE, "total");
    }
}

#[test]
fn wrong_arguments_are_named() {
    let shape = SHAPES[0];
    let (inputs, loss) = problem(1, shape);
    let (parameters, cache) = (inputs.parameters(), inputs.forward());
    let rng = || seeded(1);

    let other = Parameters::zeros(Dims { n_x: 4, ..shape.dims() });
    let network = |result: Result<Array2<f64>, Error>| {
        let Err(Error::Network { argument, expected, found }) = result else { panic!("{result:?}") };
        assert_eq!((argument, lengths(&expected), lengths(&found)), ("cache", vec![4, 5, 2], vec![3, 5, 2]));
    };
    network(gradient_norms(&other, &cache, Upstream::default()));
    network(jacobian_norms(&other, &cache, 1, &mut rng()));
    let Err(Error::Network { argument, expected, found }) = update_norms(&other, &parameters) else { panic!() };
    assert_eq!((argument, lengths(&expected), lengths(&found)), ("after", vec![4, 5, 2], vec![3, 5, 2]));

    let wrong = |upstream, name, expect: &[usize], find: &[usize]| {
        let result = gradient_norms(&parameters, &cache, upstream);
        let Err(Error::Shape { argument, expected, found }) = result else { panic!("{name}: {result:?}") };
        assert_eq!((argument, &*lengths(&expected), &*lengths(&found)), (name, expect, find));
    };
    let [hidden, head] = [[5, 4, 6], [2, 4, 6]];
    let (short, flat) = (Array3::zeros((5, 4, 5)), Array3::zeros((5, 4, 6)));
    wrong(Upstream::hidden(&short), "upstream.hidden", &hidden, &[5, 4, 5]);
    wrong(Upstream::logits(&flat), "upstream.logits", &head, &hidden);
    wrong(Upstream::output(&flat), "upstream.output", &head, &hidden);
    let last = loss.last_hidden.unwrap().reversed_axes();
    wrong(Upstream::last_hidden(&last), "upstream.last_hidden", &[5, 4], &[4, 5]);

    let range = |error: Error, name| {
        let Error::Range { argument, found, .. } = error else { panic!("{error:?}") };
        assert_eq!(argument, name);
        found
    };
    let error = jacobian_norms(&parameters, &cache, 0, &mut rng()).unwrap_err();
    assert!(range(error, "probes").abs() < f64::MIN_POSITIVE);
    // Times n_a, this number wraps around to 4.
    let error = jacobian_norms(&parameters, &cache, usize::MAX / 5 + 1, &mut rng()).unwrap_err();
    assert!(range(error, "probes") > 1e8);
    for threshold in [-0.1, 1.1, f64::INFINITY, f64::NAN] {
        let found = range(saturation(&cache, threshold).unwrap_err(), "threshold");
        assert_eq!(found.to_bits(), threshold.to_bits());
    }
}

#[test]
fn every_dimension_may_be_zero() {
    fn ones<D: Dimension>(shape: impl ndarray::ShapeBuilder<Dim = D>) -> ndarray::Array<f64, D> {
        ndarray::Array::ones(shape)
    }
    let full = Shape { n_x: 3, n_a: 5, n_y: 2, m: 4, t_x: 6 };
    for shape in full.with_zeros() {
        let inputs = inputs(&mut Numpy::seed(1), shape);
        let (parameters, cache) = (inputs.parameters(), inputs.forward());
        let Shape { n_a, n_y, m, t_x, .. } = shape;
        let (hidden, head, last) = (ones((n_a, m, t_x)), ones((n_y, m, t_x)), ones((n_a, m)));
        let upstream = Upstream::hidden(&hidden).with_logits(&head).with_output(&head).with_last_hidden(&last);
        let gradients = gradient_norms(&parameters, &cache, upstream).unwrap();
        assert_eq!(gradients.dim(), (m, t_x));
        assert!(gradients.iter().all(|&norm| (norm > 0.0) == (n_a > 0)), "{shape:?}");
        let jacobians = jacobian_norms(&parameters, &cache, 2, &mut seeded(1)).unwrap();
        assert_eq!(jacobians.dim(), (m, t_x));
        assert!(jacobians.iter().all(|&norm| (norm > 0.0) == (n_a > 0)), "{shape:?}");
        let values = n_a * m * t_x;
        assert_eq!(saturation(&cache, 0.0), Ok(if values > 0 { 1.0 } else { 0.0 }), "{shape:?}");
        let norms = Norms::of(&parameters);
        let empty = [(norms.wax, n_a * shape.n_x), (norms.wya, n_a * n_y), (norms.by, n_y)];
        assert!(empty.iter().all(|&(norm, of)| of > 0 || norm.to_bits() == 0), "{shape:?}: {norms:?}");
    }
}

#[test]
fn a_column_of_a_ragged_or_reversed_batch_has_the_same_norms_alone() {
    let shape = Shape { n_x: 3, n_a: 5, n_y: 2, m: 4, t_x: 6 };
    let (inputs, loss) = problem(1, shape);
    let p = inputs.parameters();
    let lengths = [4, 0, 6, 1];
    for reversed in [false, true] {
        let input = Input::from(&inputs.x).lengths(&lengths);
        let input = if reversed { input.reversed() } else { input };
        let cache = sequence::forward(&p, input, &inputs.a0).unwrap();
        let gradients = gradient_norms(&p, &cache, loss.upstream()).unwrap();
        let jacobians = jacobian_norms(&p, &cache, 3, &mut seeded(1)).unwrap();
        let mut above = 0.0;
        for (j, length) in lengths.into_iter().enumerate() {
            let cut = |array: &Array3<f64>| {
                let mut part = array.slice(s![.., j..=j, ..length]).to_owned();
                if reversed {
                    part.invert_axis(Axis(2));
                }
                part
            };
            let cut_all = |array: &Option<Array3<f64>>| array.as_ref().map(cut);
            let alone = Linear {
                hidden: cut_all(&loss.hidden),
                logits: cut_all(&loss.logits),
                output: cut_all(&loss.output),
                last_hidden: loss.last_hidden.as_ref().map(|last| last.slice(s![.., j..=j]).to_owned()),
            };
            let a0 = inputs.a0.slice(s![.., j..=j]);
            let cache_alone = sequence::forward(&p, &cut(&inputs.x), a0).unwrap();
            above += saturation(&cache_alone, 0.5).unwrap() * f64::from(u32::try_from(length).unwrap());
            for (norms, alone) in [
                (&gradients, gradient_norms(&p, &cache_alone, alone.upstream()).unwrap()),
                (&jacobians, jacobian_norms(&p, &cache_alone, 3, &mut seeded(1)).unwrap()),
            ] {
                let mut found = norms.slice(s![j, ..length]).to_vec();
                if reversed {
                    found.reverse();
                }
                assert_eq!(found, alone.row(0).to_vec(), "column {j}");
                assert!(norms.slice(s![j, length..]).iter().all(|norm| *norm == 0.0), "norms are zero in the padding");
            }
        }
        assert!((saturation(&cache, 0.5).unwrap() - above / 11.0).abs() < 1e-12, "saturation counts valid steps only");
    }
}

/// A bidirectional layer below another one, by hand: the gradient at its states is the upper layer's gradient of the input.
#[test]
fn the_norms_of_a_stack_are_those_of_its_layers() {
    let architecture = Architecture::new(3, [Layer::new(5).bidirectional(), Layer::new(7)], 2);
    let p = elman::init::torch_stack::<f64>(architecture, &mut seeded(1)).unwrap();
    let mut rng = Numpy::seed(1);
    let x = uniform(&mut rng, (3, 4, 6));
    let dlogits = uniform(&mut rng, (2, 4, 6));
    let lengths = [6, 0, 3, 5];
    let input = Input::vectors(&x).lengths(&lengths);
    let cache = stack::forward(&p, input, None).unwrap();

    let networks = [(0, Forward), (0, Reverse), (1, Forward)].map(|(l, d)| ((l, d), p.network(l, d).unwrap()));
    let [(_, forward), (_, reverse), (_, upper)] = &networks;
    let lower =
        [(forward, input), (reverse, input.reversed())].map(|(p, input)| sequence::forward(p, input, None).unwrap());
    let joined = concatenate![Axis(0), lower[0].hidden(), lower[1].hidden()];
    let top = sequence::forward(upper, Input::vectors(&joined).lengths(&lengths), None).unwrap();
    let dx = sequence::backward(upper, &top, Upstream::logits(&dlogits)).unwrap().dx;
    let [forward_dx, reverse_dx] = [dx.slice(s![..5, .., ..]), dx.slice(s![5.., .., ..])];
    let caches = [&lower[0], &lower[1], &top];
    let upstreams = [Upstream::hidden(&forward_dx), Upstream::hidden(&reverse_dx), Upstream::logits(&dlogits)];

    let gradients = stack_gradient_norms(&p, &cache, stack::Upstream::logits(&dlogits)).unwrap();
    let mut generator = seeded(5);
    let jacobians = stack_jacobian_norms(&p, &cache, 3, &mut seeded(5)).unwrap();
    let saturated = stack_saturation(&cache, 0.3).unwrap();
    for (index, ((key, network), upstream)) in networks.iter().zip(upstreams).enumerate() {
        let cache = caches[index];
        assert_eq!(gradients[index], (*key, gradient_norms(network, cache, upstream).unwrap()));
        assert_eq!(jacobians[index], (*key, jacobian_norms(network, cache, 3, &mut generator).unwrap()));
        assert_eq!(saturated[index], (*key, saturation(cache, 0.3).unwrap()));
        assert!(saturated[index].1 > 0.0);
    }
    assert_eq!((gradients.len(), jacobians.len(), saturated.len()), (3, 3, 3));

    let other = stack::Parameters::zeros(Architecture::new(3, [Layer::new(5)], 2));
    assert!(matches!(stack_jacobian_norms(&other, &cache, 1, &mut generator), Err(Error::Architecture { .. })));
    for probes in [0, usize::MAX] {
        let error = stack_jacobian_norms(&p, &cache, probes, &mut generator);
        assert!(matches!(error, Err(Error::Range { argument: "probes", .. })));
    }
    assert!(matches!(stack_saturation(&cache, 1.5), Err(Error::Range { argument: "threshold", .. })));
    let wrong = stack::Upstream::logits(&x);
    assert!(matches!(stack_gradient_norms(&p, &cache, wrong), Err(Error::Shape { .. })));
}

/// With dropout of the states, the norms are those of the gradient of a chunk with the same masks.
#[test]
fn norms_see_the_mask_of_the_states() {
    let p = elman::init::torch::<f64>(Dims { n_x: 3, n_a: 5, n_y: 2 }, &mut seeded(1));
    let x = uniform(&mut Numpy::seed(1), (3, 2, 4));
    let input = Input::vectors(&x).dropout(Dropout::new(3).recurrent(0.4).inputs(0.2));
    let cache = sequence::forward(&p, input, None).unwrap();
    let mut last = Array2::zeros((5, 2));
    last[[3, 1]] = 1.0;
    let norms = gradient_norms(&p, &cache, Upstream::last_hidden(&last)).unwrap();
    // The steps after step 0 as a chunk: its `da0` is the gradient at the state after step 0.
    let late = Input::from(x.slice(s![.., .., 1..])).dropout(Dropout::new(3).recurrent(0.4).inputs(0.2));
    let late = sequence::forward(&p, late, cache.hidden().index_axis(Axis(2), 0)).unwrap();
    let da0 = sequence::backward(&p, &late, Upstream::last_hidden(&last)).unwrap().da0;
    assert_near(norms[[1, 0]], norm(da0.column(1)), DOUBLE, "the state after step 0");
    assert!(norms[[1, 0]] > 0.0);
}
