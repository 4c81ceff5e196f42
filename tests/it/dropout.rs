//! Dropout: its masks are the documented words, its passes are those of plain loops with these masks, and nothing but the
//! documented numbers shows in a mask. `Problem::readings` covers the dropout of one layer in the other tests.

use allocation_counter::measure;
use elman::sequence::{Checkpointed, Input};
use elman::stack::{self, Architecture, Direction, Layer, States};
use elman::{Activation, Dropout, Error, Scalar, gradcheck, sequence};
use ndarray::{Array2, Array3, ArrayView1, Axis, s};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::support::numpy::Numpy;
use crate::support::problem::uniform;
use crate::support::results::Results;
use crate::support::stacks::{architectures, parameters};
use crate::support::{Convert, in_pool};

use Direction::{Forward, Reverse};

const M: usize = 5;
const T_X: usize = 7;
const N_X: usize = 3;
const N_Y: usize = 2;
const LENGTHS: [usize; M] = [7, 0, 3, 5, 2];
/// Numbers of columns, not ascending.
const COLUMNS: [u64; M] = [40, 3, u64::MAX, 0, 1 << 40];
const RATES: [f64; 3] = [0.3, 0.25, 0.2];

fn dropout<'a>() -> Dropout<'a> {
    let [between, inputs, recurrent] = RATES;
    Dropout::new(11).between_layers(between).inputs(inputs).recurrent(recurrent).columns(&COLUMNS).first_step(1 << 33)
}

/// The words of `ChaCha8` from `tests/fixtures/dropout.py`: seed 5, layer 0, 7 units, steps 3 and 4 of column 2⁴⁰ + 1.
const WORDS: [[u32; 14]; 2] = [
    [
        0x5fb5_6490,
        0x2e83_79eb,
        0x7bfd_12fe,
        0x4a19_f2c2,
        0x3203_3059,
        0x2056_d678,
        0x8fef_18f8,
        0x9433_fbc9,
        0x729b_8d6e,
        0x010e_d1e1,
        0x7eb5_2605,
        0x34e9_4028,
        0x02db_eee9,
        0x0658_19ee,
    ],
    [
        0xba52_6652,
        0xba8a_8dbe,
        0x7dad_d62f,
        0x0695_627d,
        0x9bd7_3eaf,
        0xa431_e666,
        0x75e5_e457,
        0xa93a_b03e,
        0x8dda_4e01,
        0x8e6c_8b73,
        0x46f9_f9dd,
        0x1c9d_684f,
        0x29b4_091c,
        0x070d_34cd,
    ],
];

/// Two layers of identity units: the upper one shows the outputs of the lower one, which are all 1.
fn mirror(n_a: usize, bidirectional: bool) -> stack::Parameters<f64> {
    let layer = |n_a| Layer::new(n_a).with_activation(Activation::Identity);
    let lower = if bidirectional { layer(n_a).bidirectional() } else { layer(n_a) };
    let mut p = stack::Parameters::zeros(Architecture::new(1, [lower, layer(lower.width())], 0));
    for direction in [Forward, Reverse] {
        p.ba_mut(0, direction).into_iter().for_each(|mut ba| ba.fill(1.0));
    }
    p.wax_mut(1, Forward).unwrap().diag_mut().fill(1.0);
    p
}

#[test]
fn a_mask_is_the_documented_words() {
    let p = mirror(7, true);
    let x = Array3::zeros((1, 2, 2));
    let dropout = Dropout::new(5).between_layers(0.3).columns(&[0, (1 << 40) + 1]).first_step(3);
    let cache = stack::forward(&p, Input::vectors(&x).dropout(dropout), None).unwrap();
    let found = cache.hidden(1, Forward).unwrap();
    for (direction, words) in WORDS.iter().enumerate() {
        for (index, &word) in words.iter().enumerate() {
            let (t, unit) = (index / 7, index % 7);
            let expected: f64 = if f64::from(word) >= (0.3 * 2f64.powi(32)).round() { 1.0 / 0.7 } else { 0.0 };
            assert_eq!(found[[7 * direction + unit, 1, t]].to_bits(), expected.to_bits(), "{direction}, {t}, {unit}");
        }
    }
}

#[test]
fn the_mean_of_a_value_is_kept() {
    let p = mirror(101, false);
    let x = Array3::zeros((1, 31, 37));
    for rate in [0.01, 0.2, 0.5, 0.9] {
        let dropout = Dropout::new(1).between_layers(rate);
        let cache = stack::forward(&p, Input::vectors(&x).dropout(dropout), None).unwrap();
        let hidden = cache.hidden(1, Forward).unwrap();
        let mean = hidden.mean().unwrap();
        let deviation = (rate / (1.0 - rate) / f64::from(u32::try_from(hidden.len()).unwrap())).sqrt();
        assert!((mean - 1.0).abs() < 4.0 * deviation, "{rate}: {mean}");
        if rate > 0.5 {
            continue;
        }
        // Neither the units of a step nor the steps of a unit share a mask.
        let dropped = |values: ArrayView1<'_, f64>| values.iter().filter(|value| **value == 0.0).count();
        assert!(hidden.lanes(Axis(0)).into_iter().chain(hidden.lanes(Axis(2))).all(|lane| dropped(lane) < lane.len()));
    }
}

/// m of one value, from a generator of its own.
fn factor(site: usize, layer: usize, direction: Direction, column: usize, index: u128) -> f64 {
    let mut key = [0; 32];
    let words = [11, layer as u64, u64::from(direction == Reverse), site as u64];
    key.chunks_exact_mut(8).zip(words).for_each(|(key, word): (_, u64)| key.copy_from_slice(&word.to_le_bytes()));
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(COLUMNS[column]);
    generator.set_word_pos(index);
    let kept = f64::from(generator.next_u32()) >= (RATES[site] * 2f64.powi(32)).round();
    if kept { 1.0 / (1.0 - RATES[site]) } else { 0.0 }
}

/// The logits of a stack with dropout, by plain loops, (`n_y`, m, `T_x`); and the highest layer's output.
fn by_loops(p: &stack::Parameters<f64>, x: &Array3<f64>, lengths: &[usize], reversed: bool) -> [Array3<f64>; 2] {
    let mut input = x.clone();
    let layers = p.architecture().layers();
    for (layer, shape) in layers.iter().enumerate() {
        let n = shape.n_a;
        let mut output = Array3::zeros((shape.width(), M, T_X));
        for direction in [Forward, Reverse].into_iter().take(1 + usize::from(shape.bidirectional)) {
            let [wax, waa] = [p.wax(layer, direction), p.waa(layer, direction)].map(Option::unwrap);
            let ba = p.ba(layer, direction).unwrap();
            let first = if direction == Reverse { n } else { 0 };
            for j in 0..M {
                let mut a = vec![0.0; n];
                for index in 0..lengths[j] {
                    let t = if reversed == (direction == Reverse) { index } else { lengths[j] - 1 - index };
                    let z = |i: usize| {
                        let from_input = (0..wax.ncols())
                            .map(|k| wax[[i, k]] * factor(1, layer, direction, j, k as u128) * input[[k, j, t]]);
                        let from_state = (0..n).map(|k| waa[[i, k]] * factor(2, layer, direction, j, k as u128) * a[k]);
                        ba[i] + from_input.sum::<f64>() + from_state.sum::<f64>()
                    };
                    let z: Vec<f64> = (0..n).map(z).collect();
                    a = z.into_iter().map(|z| phi(shape.activation, z)).collect();
                    for i in 0..n {
                        let step = (1 << 33) + t as u128;
                        let is_top = layer + 1 == layers.len();
                        let factor =
                            if is_top { 1.0 } else { factor(0, layer, direction, j, step * n as u128 + i as u128) };
                        output[[first + i, j, t]] = factor * a[i];
                    }
                }
            }
        }
        input = output;
    }
    let top = layers.len() - 1;
    let mut logits = Array3::zeros((N_Y, M, T_X));
    for ((c, j, t), value) in logits.indexed_iter_mut().filter(|((_, j, t), _)| *t < lengths[*j]) {
        *value = p.by()[c];
        for (direction, first) in [(Forward, 0), (Reverse, layers[top].n_a)] {
            let Some(wya) = p.wya(top, direction) else { continue };
            *value += (0..wya.ncols()).map(|k| wya[[c, k]] * input[[first + k, j, t]]).sum::<f64>();
        }
    }
    [logits, input]
}

fn phi(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Tanh => z.tanh(),
        Activation::Relu => z.max(0.0),
        Activation::Sigmoid => 1.0 / (1.0 + (-z).exp()),
        _ => z,
    }
}

fn vectors<A: Scalar>() -> Array3<A> {
    uniform(&mut Numpy::seed(7), (N_X, M, T_X)).mapv(A::narrow)
}

fn ids() -> Array2<usize> {
    Array2::from_shape_fn((M, T_X), |(j, t)| (3 * j + 5 * t + j * t) % N_X)
}

fn one_hot<A: Scalar>(ids: &Array2<usize>) -> Array3<A> {
    let value = |(i, j, t)| if ids[[j, t]] == i { A::one() } else { A::zero() };
    Array3::from_shape_fn((N_X, M, T_X), value)
}

/// Whole and ragged, in both directions of time.
fn readings<A>(input: Input<'_, A>) -> [(Input<'_, A>, [usize; M], bool); 4] {
    let ragged = input.lengths(&LENGTHS);
    [
        (input, [T_X; M], false),
        (input.reversed(), [T_X; M], true),
        (ragged, LENGTHS, false),
        (ragged.reversed(), LENGTHS, true),
    ]
}

#[test]
fn a_stack_with_dropout_is_that_of_plain_loops() {
    let (x, ids) = (vectors::<f64>(), ids());
    let one_hot = one_hot(&ids);
    for (seed, architecture) in (1..).zip(architectures()) {
        let p = parameters::<f64>(&architecture, seed);
        for (input, values) in [(Input::vectors(&x), &x), (Input::tokens(&ids), &one_hot)] {
            for (input, lengths, reversed) in readings(input) {
                let cache = stack::forward(&p, input.dropout(dropout()), None).unwrap();
                let [logits, top] = by_loops(&p, values, &lengths, reversed);
                let close = |found: f64, expected: f64| (found - expected).abs() < 1e-12 * (1.0 + expected.abs());
                assert!(cache.logits().iter().zip(&logits).all(|(&found, &expected)| close(found, expected)));
                let n_a = architecture.layers().last().unwrap().n_a;
                let hidden = cache.hidden(architecture.layers().len() - 1, Forward).unwrap();
                let expected = top.slice(s![..n_a, .., ..]);
                assert!(hidden.iter().zip(&expected).all(|(&found, &expected)| close(found, expected)));
            }
        }
    }
}

/// Differences are taken across a kink, so relu is left to the comparison with loops and its own tests.
#[test]
fn gradients_agree_with_differences_while_the_masks_stay() {
    let (x, ids) = (vectors::<f64>(), ids());
    let logits = uniform(&mut Numpy::seed(3), (N_Y, M, T_X));
    for (seed, architecture) in (1..).zip(architectures()) {
        let smooth = |layer: &Layer| match layer.activation {
            Activation::Relu => layer.with_activation(Activation::Tanh),
            _ => *layer,
        };
        let layers: Vec<Layer> = architecture.layers().iter().map(smooth).collect();
        let p = parameters::<f64>(&Architecture::new(N_X, layers, N_Y), seed);
        let mut states = States::zeros(p.architecture(), M);
        let n_a = p.architecture().layers()[0].n_a;
        states.get_mut(0, Forward).unwrap().assign(&uniform(&mut Numpy::seed(5), (n_a, M)));
        let value = |p: &stack::Parameters<f64>, input: Input<'_, f64>, states: &States<f64>| -> Result<f64, Error> {
            Ok((&stack::forward(p, input, states)?.logits() * &logits).sum())
        };
        for (input, ..) in [Input::vectors(&x), Input::tokens(&ids)].into_iter().flat_map(readings) {
            let input = input.dropout(dropout());
            let cache = stack::forward(&p, input, &states).unwrap();
            let mut back = stack::Backward::with_dx();
            stack::backward_into(&p, &cache, stack::Upstream::logits(&logits), &mut back).unwrap();
            let report = gradcheck::stack_parameters(&p, &back.gradients, |p| value(p, input, &states)).unwrap();
            assert!(report.is_within(1e-7), "{architecture}: {report}");
            let first = states.get(0, Forward).unwrap().to_owned();
            let report = gradcheck::array("a0", &first, &back.d_states.get(0, Forward).unwrap(), |a0| {
                let mut states = states.clone();
                states.get_mut(0, Forward).unwrap().assign(a0);
                value(&p, input, &states)
            });
            assert!(report.as_ref().unwrap().is_within(1e-7), "{architecture}: {}", report.unwrap());
        }
        for reversed in [false, true] {
            fn read(x: &Array3<f64>, reversed: bool) -> Input<'_, f64> {
                let input = Input::vectors(x).dropout(dropout()).lengths(&LENGTHS);
                if reversed { input.reversed() } else { input }
            }
            let cache = stack::forward(&p, read(&x, reversed), &states).unwrap();
            let mut back = stack::Backward::with_dx();
            stack::backward_into(&p, &cache, stack::Upstream::logits(&logits), &mut back).unwrap();
            let report =
                gradcheck::array("x", &x, back.dx.as_ref().unwrap(), |x| value(&p, read(x, reversed), &states));
            assert!(report.as_ref().unwrap().is_within(1e-7), "{architecture}: {}", report.unwrap());
        }
    }
}

/// Everything that a pass computes.
fn results<A: Scalar>(p: &stack::Parameters<A>, input: Input<'_, A>, dlogits: &Array3<A>) -> Results {
    let cache = stack::forward(p, input, None).unwrap();
    let mut back = stack::Backward::with_dx();
    stack::backward_into(p, &cache, stack::Upstream::logits(dlogits), &mut back).unwrap();
    let mut results = Results::default();
    results.add("logits", cache.logits());
    results.add("output", cache.output());
    results.add("gradients", back.gradients.as_slice());
    results.add("dx", &back.dx.unwrap());
    results
}

fn tokens_and_zero_rates<A: Scalar>() {
    let (x, ids) = (vectors::<A>(), ids());
    let one_hot = one_hot(&ids);
    let dlogits = uniform(&mut Numpy::seed(9), (N_Y, M, T_X)).mapv(A::narrow);
    let none = Dropout::new(11).between_layers(0.0).inputs(0.0).recurrent(0.0);
    for (seed, architecture) in (1..).zip(architectures()) {
        let p = parameters::<A>(&architecture, seed);
        for (input, ..) in [Input::vectors(&x), Input::tokens(&ids)].into_iter().flat_map(readings) {
            results(&p, input.dropout(none), &dlogits).assert_same(&results(&p, input, &dlogits), &architecture);
        }
        for ((tokens, ..), (vectors, ..)) in
            readings(Input::tokens(&ids)).into_iter().zip(readings(Input::vectors(&one_hot)))
        {
            let [mut found, mut expected] =
                [tokens, vectors].map(|input| results(&p, input.dropout(dropout()), &dlogits));
            for results in [&mut found, &mut expected] {
                results.arrays.retain(|(name, _)| *name != "dx");
            }
            found.assert_same(&expected, &architecture);
        }
    }
}

#[test]
fn tokens_have_the_bits_of_one_hot_vectors_and_a_rate_of_zero_those_of_no_dropout() {
    tokens_and_zero_rates::<f32>();
    tokens_and_zero_rates::<f64>();
}

#[test]
fn masks_do_not_depend_on_threads_chunks_or_the_batch() {
    let architecture =
        Architecture::new(33, [Layer::new(128), Layer::new(96).with_activation(Activation::Sigmoid)], 17);
    let p = parameters::<f32>(&architecture, 1);
    // The mask between layers is large enough for four threads.
    let (m, t_x) = (53, 41);
    let x = uniform(&mut Numpy::seed(1), (33, m, t_x)).mapv(f32::narrow);
    let dlogits = uniform(&mut Numpy::seed(2), (17, m, t_x)).mapv(f32::narrow);
    let columns: Vec<u64> = (0..53).map(|column| 7 * column + 1).collect();
    let dropout = Dropout::new(3).between_layers(0.3).inputs(0.2).recurrent(0.1).columns(&columns);
    let run = |threads| {
        in_pool(threads, || {
            let cache = stack::forward(&p, Input::vectors(&x).dropout(dropout), None).unwrap();
            let back = stack::backward(&p, &cache, stack::Upstream::logits(&dlogits)).unwrap();
            (cache, back)
        })
    };
    let (whole, expected) = run(1);
    for threads in [2, 3, 4] {
        assert!(run(threads) == (whole.clone(), expected.clone()), "{threads} threads");
    }

    let (x1, x2) = x.view().split_at(Axis(2), 23);
    let early = stack::forward(&p, Input::from(x1).dropout(dropout), None).unwrap();
    let late = Input::from(x2).dropout(dropout.first_step(23));
    let late = stack::forward(&p, late, &States::last(&early)).unwrap();
    assert_eq!(late.output(), whole.output().slice(s![.., .., 23..]));
    let mut back = stack::Backward::default();
    let part = dlogits.slice(s![.., .., 23..]);
    stack::backward_into(&p, &late, stack::Upstream::logits(&part), &mut back).unwrap();
    let (last, part) = (back.d_states.clone(), dlogits.slice(s![.., .., ..23]));
    stack::backward_into(&p, &early, stack::Upstream::logits(&part).with_last_states(&last), &mut back).unwrap();
    assert_eq!((&back.gradients, &back.d_states), (&expected.gradients, &expected.d_states));

    let mut windows = stack::Truncated::new(Input::vectors(&x).dropout(dropout), None, 5, 9).unwrap();
    while let Some(window) = windows.next_window(&p).unwrap() {
        assert_eq!(windows.cache().output(), whole.output().slice(s![.., .., window.steps]));
    }

    let alone = Input::from(x.slice(s![.., 11..12, ..])).dropout(dropout.columns(&columns[11..12]));
    let column = stack::forward(&p, alone, None).unwrap();
    assert_eq!(column.output(), whole.output().slice(s![.., 11..12, ..]));
    let another = Input::vectors(&x).dropout(Dropout::new(4).between_layers(0.3));
    assert_ne!(stack::forward(&p, another, None).unwrap().output(), whole.output());
}

#[test]
fn checkpoints_see_the_masks_of_the_whole_sequence() {
    let p = elman::init::torch::<f64>(elman::Dims { n_x: 3, n_a: 17, n_y: 2 }, &mut crate::support::seeded(1));
    let x = uniform(&mut Numpy::seed(1), (3, 4, 200));
    let dlogits = uniform(&mut Numpy::seed(2), (2, 4, 200));
    let input = Input::vectors(&x).dropout(Dropout::new(1).inputs(0.3).recurrent(0.2));
    let cache = sequence::forward(&p, input, None).unwrap();
    let expected = sequence::backward(&p, &cache, elman::Upstream::logits(&dlogits)).unwrap();
    let mut run = Checkpointed::forward(&p, input, None).unwrap();
    let mut segments = 0;
    while let Some(segment) = run.next_segment().unwrap() {
        let part = dlogits.slice(s![.., .., segment.steps()]);
        segment.backward(elman::Upstream::logits(&part)).unwrap();
        segments += 1;
    }
    assert!(segments > 1, "{segments}");
    assert_eq!(run.into_gradients(), (expected.gradients, expected.da0));
}

#[test]
fn a_step_of_a_pass_with_dropout_is_no_cell() {
    let p = elman::Parameters::<f64>::zeros(elman::Dims { n_x: 3, n_a: 5, n_y: 2 });
    let x = Array3::ones((3, 4, 2));
    let step = |dropout| sequence::forward(&p, Input::vectors(&x).dropout(dropout), None).unwrap().step(0);
    assert!(step(Dropout::new(1)).is_some());
    for dropout in [Dropout::new(1).inputs(0.3), Dropout::new(1).recurrent(0.2)] {
        assert_eq!(step(dropout), None);
    }
}

#[test]
fn a_warm_stack_with_dropout_allocates_nothing_and_forgets_its_masks() {
    let architecture = Architecture::new(3, [Layer::new(5).bidirectional(), Layer::new(7)], 2);
    let p = parameters::<f64>(&architecture, 1);
    let (x, ids) = (uniform(&mut Numpy::seed(1), (3, 5, 6)), ids().slice_move(s![.., ..6]));
    let dlogits = Array3::ones((2, 5, 6));
    for input in [Input::vectors(&x), Input::tokens(&ids)] {
        let (mut cache, mut back) = (stack::Cache::default(), stack::Backward::default());
        let mut run = || {
            stack::forward_into(&p, input.dropout(dropout()), None, &mut cache).unwrap();
            back.discard_gradients();
            stack::backward_into(&p, &cache, stack::Upstream::logits(&dlogits), &mut back).unwrap();
        };
        run();
        assert_eq!(measure(run).count_total, 0);
        stack::forward_into(&p, input, None, &mut cache).unwrap();
        back.discard_gradients();
        stack::backward_into(&p, &cache, stack::Upstream::logits(&dlogits), &mut back).unwrap();
        let expected = stack::forward(&p, input, None).unwrap();
        assert!(cache == expected);
        assert!(back == stack::backward(&p, &expected, stack::Upstream::logits(&dlogits)).unwrap());
    }
}

#[test]
fn a_wrong_dropout_is_named() {
    let p = parameters::<f64>(&Architecture::new(3, [Layer::new(5), Layer::new(7)], 2), 1);
    let x = Array3::zeros((3, 4, 6));
    let error = |dropout| stack::forward(&p, Input::vectors(&x).dropout(dropout), None).unwrap_err().to_string();
    for rate in [1.0, 1.5, -0.1, f64::NAN, f64::INFINITY] {
        let expected = |name| format!("`dropout.{name}` is {rate}, expected from 0 to below 1");
        assert_eq!(error(Dropout::new(1).between_layers(rate)), expected("between_layers"));
        assert_eq!(error(Dropout::new(1).inputs(rate)), expected("inputs"));
        assert_eq!(error(Dropout::new(1).recurrent(rate)), expected("recurrent"));
    }
    assert_eq!(error(Dropout::new(1).columns(&[1, 2])), "`dropout.columns` has shape (2,), expected (m,) = (4,)");
    let almost_all = Dropout::new(1).between_layers(1.0 - f64::EPSILON);
    assert!(stack::forward(&p, Input::vectors(&x).dropout(almost_all), None).is_ok());
}

#[test]
fn every_dimension_may_be_zero_with_dropout() {
    for (n_x, n_a, m, t_x) in [(0, 5, 5, 4), (3, 0, 5, 4), (3, 5, 0, 4), (3, 5, 5, 0)] {
        for layers in [vec![Layer::new(n_a); 2], vec![Layer::new(n_a).bidirectional(); 2]] {
            let p = parameters::<f32>(&Architecture::new(n_x, layers, 2), 1);
            let x = Array3::zeros((n_x, m, t_x));
            for input in [Input::vectors(&x), Input::vectors(&x).reversed()] {
                let input = input.dropout(dropout().columns(&COLUMNS[..m]));
                let cache = stack::forward(&p, input, None).unwrap();
                let mut back = stack::Backward::with_dx();
                let dlogits = Array3::ones((2, m, t_x));
                stack::backward_into(&p, &cache, stack::Upstream::logits(&dlogits), &mut back).unwrap();
                assert_eq!(back.dx.unwrap().dim(), (n_x, m, t_x));
            }
        }
    }
}
