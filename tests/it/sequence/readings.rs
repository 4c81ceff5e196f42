//! Token ids, columns of different lengths, and reversed time: each compared with an equivalent plain sequence.

use elman::loss::{IGNORE, Reduction, cross_entropy};
use elman::sequence::{self, Input};
use elman::{Error, Scalar};
use ndarray::{Array2, Array3, ArrayRef2, ArrayRef3, Axis, concatenate, s};

use crate::support::Convert;
use crate::support::naive::{Inputs, Shape};
use crate::support::problem::Linear;
use crate::support::results::{Problem, Reading, Results};

const SHAPES: [(usize, usize, usize, usize, usize); 6] =
    [(3, 5, 2, 7, 11), (17, 15, 16, 5, 13), (5, 33, 4, 1, 9), (7, 65, 9, 13, 3), (2, 8, 3, 200, 5), (4, 7, 3, 12, 67)];

fn problems<A: Scalar>() -> impl Iterator<Item = Problem<A>> {
    (1..).zip(SHAPES.map(Shape::from)).map(|(seed, shape)| Problem::draw(seed, shape))
}

/// The one-hot vectors of the token ids.
fn one_hot<A: Scalar>(n_x: usize, tokens: &ArrayRef2<usize>) -> Array3<A> {
    let (m, t_x) = tokens.dim();
    Array3::from_shape_fn((n_x, m, t_x), |(i, j, t)| if tokens[[j, t]] == i { A::one() } else { A::zero() })
}

fn tokens_have_the_bits_of_one_hot_vectors<A: Scalar>() {
    for problem in problems::<A>().flat_map(|problem| problem.readings()) {
        let Some(tokens) = &problem.reading.tokens else { continue };
        let inputs = Inputs { x: one_hot(problem.shape.n_x, tokens), ..problem.inputs.clone() };
        let reading = Reading { tokens: None, ..problem.reading.clone() };
        let vectors = Problem { inputs, reading, ..problem.clone() };
        let (mut found, mut expected) = (problem.run(), vectors.run());
        for results in [&mut found, &mut expected] {
            results.arrays.retain(|(name, _)| *name != "dx");
        }
        found.assert_same(&expected, &(problem.shape, &problem.reading));
        let steps =
            |problem: &Problem<A>| (0..problem.shape.t_x).map(|t| problem.forward().step(t)).collect::<Vec<_>>();
        assert_eq!(steps(&problem), steps(&vectors), "{:?}: as cells", problem.reading);
    }
}

#[test]
fn token_ids_are_bit_identical_to_one_hot_vectors() {
    tokens_have_the_bits_of_one_hot_vectors::<f32>();
    tokens_have_the_bits_of_one_hot_vectors::<f64>();
}

fn an_input_without_dx_changes_no_other_gradient<A: Scalar>() {
    for problem in problems::<A>() {
        for problem in problem.readings().into_iter().chain([problem]).filter(|p| p.reading.tokens.is_none()) {
            let Problem { parameters, inputs, upstream, shape, .. } = &problem;
            let expected = sequence::backward(parameters, &problem.forward(), upstream.upstream()).unwrap();
            let cache = sequence::forward(parameters, problem.input().without_dx(), &inputs.a0).unwrap();
            let mut found = sequence::backward(parameters, &cache, upstream.upstream()).unwrap();
            assert_eq!(found.dx.dim(), (0, shape.m, shape.t_x));
            found.dx.clone_from(&expected.dx);
            assert_eq!(found, expected, "{shape:?}, {:?}", problem.reading);
            // A cache that is used again computes it again.
            let mut cache = cache;
            sequence::forward_into(parameters, problem.input(), &inputs.a0, &mut cache).unwrap();
            assert_eq!(sequence::backward(parameters, &cache, upstream.upstream()).unwrap(), expected);
        }
    }
}

#[test]
fn an_input_without_dx_has_the_other_gradients() {
    an_input_without_dx_changes_no_other_gradient::<f32>();
    an_input_without_dx_changes_no_other_gradient::<f64>();
}

/// Every column on its own, cut to its length and reversed by hand.
fn columns_by_hand<A: Scalar>(problem: &Problem<A>) -> Vec<Problem<A>> {
    let Shape { n_x, .. } = problem.shape;
    let x = problem.reading.tokens.as_ref().map_or(problem.inputs.x.clone(), |tokens| one_hot(n_x, tokens));
    let column = |(j, length): (usize, usize)| {
        let cut = |array: &ArrayRef3<A>| {
            let mut part = array.slice(s![.., j..=j, ..length]).to_owned();
            if problem.reading.reversed {
                part.invert_axis(Axis(2));
            }
            part
        };
        let Linear { hidden, logits, output, last_hidden } = &problem.upstream;
        let cut_all = |array: &Option<Array3<A>>| array.as_ref().map(|array| cut(array));
        Problem {
            shape: Shape { m: 1, t_x: length, ..problem.shape },
            parameters: problem.parameters.clone(),
            inputs: Inputs {
                x: cut(&x),
                a0: problem.inputs.a0.slice(s![.., j..=j]).to_owned(),
                ..problem.inputs.clone()
            },
            upstream: Linear {
                hidden: cut_all(hidden),
                logits: cut_all(logits),
                output: cut_all(output),
                last_hidden: last_hidden.as_ref().map(|last| last.slice(s![.., j..=j]).to_owned()),
            },
            targets: Array2::zeros((1, length)),
            reading: Reading {
                dropout: problem.reading.dropout.as_ref().map(|columns| vec![columns[j]]),
                ..Reading::default()
            },
        }
    };
    problem.lengths().into_iter().enumerate().map(column).collect()
}

fn a_column_runs_as_if_cut_and_turned_by_hand<A: Scalar>() {
    for problem in problems::<A>().flat_map(|problem| problem.readings()) {
        let cache = problem.forward();
        let back = sequence::backward(&problem.parameters, &cache, problem.upstream.upstream()).unwrap();
        let tokens = problem.reading.tokens.is_some();
        let mut sum = vec![0.0; problem.parameters.as_slice().len()];
        for (j, alone) in columns_by_hand(&problem).into_iter().enumerate() {
            let length = alone.shape.t_x;
            let cache_alone = alone.forward();
            let back_alone = sequence::backward(&alone.parameters, &cache_alone, alone.upstream.upstream()).unwrap();
            let cut = |array: &ArrayRef3<A>| {
                assert!(array.slice(s![.., j, length..]).iter().all(|v| v.widen().to_bits() == 0), "nonzero padding");
                let mut part = array.slice(s![.., j..=j, ..length]).to_owned();
                if problem.reading.reversed {
                    part.invert_axis(Axis(2));
                }
                part
            };
            let (mut found, mut expected) = (Results::default(), Results::forward(&cache_alone));
            found.add("hidden", &cut(&cache.hidden()));
            found.add("logits", &cut(&cache.logits()));
            found.add("output", &cut(&cache.output()));
            found.add("last_hidden", cache.last_hidden().column(j));
            found.add("da0", back.da0.column(j));
            expected.add("da0", &back_alone.da0);
            if !tokens {
                found.add("dx", &cut(&back.dx));
                expected.add("dx", &back_alone.dx);
            }
            found.assert_same(&expected, &(problem.shape, &problem.reading, j));
            sum.iter_mut().zip(back_alone.gradients.as_slice()).for_each(|(sum, g)| *sum += g.widen());
        }
        let tolerance = 1e4 * A::epsilon().widen();
        for (index, (found, expected)) in back.gradients.as_slice().iter().zip(&sum).enumerate() {
            let found = found.widen();
            assert!(
                (found - expected).abs() <= tolerance * (1.0 + expected.abs()),
                "element {index}: {found} {expected}"
            );
        }
        assert_eq!(back.dx.dim(), (if tokens { 0 } else { problem.shape.n_x }, problem.shape.m, problem.shape.t_x));
    }
}

#[test]
fn a_column_is_bit_identical_to_itself_cut_and_reversed_by_hand() {
    a_column_runs_as_if_cut_and_turned_by_hand::<f32>();
    a_column_runs_as_if_cut_and_turned_by_hand::<f64>();
}

/// Equal lengths are equal to a plain batch. A plain batch reversed by hand is equal to a reversed one, also in the
/// parameters' gradients.
#[test]
fn gradients_of_full_columns_are_bit_identical_to_the_plain_sequence() {
    for problem in problems::<f64>() {
        let t_x = problem.shape.t_x;
        // The same columns, and one without steps in front.
        let more = |array: &Array3<f64>| concatenate![Axis(1), array.slice(s![.., ..1, ..]), *array];
        let one_more = |array: &Array2<f64>| concatenate![Axis(1), array.slice(s![.., ..1]), *array];
        let more_all = |array: &Option<Array3<f64>>| array.as_ref().map(more);
        let Linear { hidden, logits, output, last_hidden } = problem.upstream.clone();
        let ragged = Problem {
            inputs: Inputs { x: more(&problem.inputs.x), a0: one_more(&problem.inputs.a0), ..problem.inputs.clone() },
            upstream: Linear {
                hidden: more_all(&hidden),
                logits: more_all(&logits),
                output: more_all(&output),
                last_hidden: last_hidden.as_ref().map(one_more),
            },
            reading: Reading { lengths: Some([vec![0], problem.lengths()].concat()), ..Reading::default() },
            ..problem.clone()
        };
        let gradients = |problem: &Problem<f64>| {
            sequence::backward(&problem.parameters, &problem.forward(), problem.upstream.upstream()).unwrap().gradients
        };
        assert_eq!(gradients(&ragged), gradients(&problem));

        let turn = |array: &Array3<f64>| array.slice(s![.., .., ..;-1]).to_owned();
        let turn_all = |array: &Option<Array3<f64>>| array.as_ref().map(turn);
        let Linear { hidden, logits, output, last_hidden } = problem.upstream.clone();
        let turned = Problem {
            inputs: Inputs { x: turn(&problem.inputs.x), ..problem.inputs.clone() },
            upstream: Linear {
                hidden: turn_all(&hidden),
                logits: turn_all(&logits),
                output: turn_all(&output),
                last_hidden,
            },
            reading: Reading { reversed: true, ..Reading::default() },
            ..problem.clone()
        };
        let (cache, turned_cache) = (problem.forward(), turned.forward());
        let back = sequence::backward(&problem.parameters, &cache, problem.upstream.upstream()).unwrap();
        let turned_back = sequence::backward(&turned.parameters, &turned_cache, turned.upstream.upstream()).unwrap();
        assert_eq!(turned_back.gradients, back.gradients);
        assert_eq!(turn(&turned_back.dx), back.dx);
        assert_eq!(turned_back.da0, back.da0);
        assert_eq!(turned_cache.step(t_x - 1), cache.step(0), "the first step as a cell");
    }
}

#[test]
fn padding_is_never_read() {
    for problem in problems::<f32>().flat_map(|problem| problem.readings()) {
        let lengths = problem.lengths();
        let n_y = problem.shape.n_y;
        let spoil = |array: &mut Array3<f32>| {
            for (j, &length) in lengths.iter().enumerate() {
                array.slice_mut(s![.., j, length..]).fill(f32::NAN);
            }
        };
        let mut spoiled = problem.clone();
        spoil(&mut spoiled.inputs.x);
        let Linear { hidden, logits, output, .. } = &mut spoiled.upstream;
        [hidden, logits, output].into_iter().flatten().for_each(spoil);
        for (j, &length) in lengths.iter().enumerate() {
            spoiled.targets.slice_mut(s![j, length..]).fill(n_y + 3);
            if let Some(tokens) = &mut spoiled.reading.tokens {
                tokens.slice_mut(s![j, length..]).fill(usize::MAX);
            }
        }
        spoiled.run().assert_same(&problem.run(), &problem.reading);
        assert_eq!(spoiled.forward(), problem.forward());
    }
}

#[test]
fn a_loss_counts_the_steps_of_each_column_and_ignores_padding() {
    for problem in problems::<f64>().flat_map(|problem| problem.readings()) {
        let (cache, lengths) = (problem.forward(), problem.lengths());
        let mut masked = problem.targets.clone();
        for (j, &length) in lengths.iter().enumerate() {
            masked.slice_mut(s![j, length..]).fill(IGNORE);
        }
        let counted = masked.iter().filter(|label| **label != IGNORE).count();
        let loss = cross_entropy(&cache, &problem.targets, Reduction::Mean).unwrap();
        assert_eq!(loss.count, counted);
        assert_eq!(loss, cross_entropy(&cache, &masked, Reduction::Mean).unwrap());
    }
}

#[test]
fn gradients_of_every_reading_agree_with_differences() {
    let shape = Shape { n_x: 3, n_a: 5, n_y: 2, m: 4, t_x: 5 };
    for problem in (1..=4).flat_map(|seed| Problem::<f64>::draw(seed, shape).readings()) {
        let back = sequence::backward(&problem.parameters, &problem.forward(), problem.upstream.upstream()).unwrap();
        let value = |inputs: &Inputs<f64>| {
            let problem = Problem { parameters: inputs.parameters(), inputs: inputs.clone(), ..problem.clone() };
            problem.upstream.of(&(&problem.forward()).into())
        };
        let flat = problem.inputs.flat();
        let dx = if problem.reading.tokens.is_some() { Array3::zeros(problem.inputs.x.dim()) } else { back.dx };
        let gradient: Vec<f64> = back.gradients.as_slice().iter().chain(&dx).chain(&back.da0).copied().collect();
        for (index, &found) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut values = flat.clone();
                values[index] += by;
                let mut values = values.into_iter();
                let moved = Inputs::from_fn(shape, || values.next().unwrap());
                value(&Inputs { activation: problem.inputs.activation, ..moved })
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            // Second differences of a smooth loss of this size, and the rounding of its value.
            let error = (found - difference).abs();
            // The factors of dropout make second differences larger.
            let tolerance = if problem.reading.dropout.is_some() { 2e-8 } else { 1e-8 };
            assert!(
                error < tolerance,
                "{}: {found}, expected {difference}, {:?}",
                shape.name_of(index),
                problem.reading
            );
        }
    }
}

#[test]
fn invalid_input_is_refused_by_name() {
    let shape = Shape { n_x: 3, n_a: 5, n_y: 2, m: 2, t_x: 4 };
    let Problem { parameters, inputs, .. } = Problem::<f64>::draw(1, shape);
    let refused = |input: Input<'_, f64>| sequence::forward(&parameters, input, &inputs.a0).unwrap_err();

    let mut tokens = Array2::from_elem((2, 4), 2);
    tokens[[1, 3]] = 3;
    let error = refused(Input::tokens(&tokens));
    assert_eq!(error, Error::Token { argument: "tokens", column: 1, step: 3, expected: 3, found: 3 });
    assert_eq!(error.to_string(), "`tokens` holds token 3 at column 1, step 3, expected one below 3");
    sequence::forward(&parameters, Input::tokens(&tokens).lengths(&[4, 3]), &inputs.a0).unwrap();

    let error = refused(Input::from(&inputs.x).lengths(&[4, 5]));
    assert_eq!(error, Error::Length { argument: "lengths", column: 1, expected: 4, found: 5 });
    assert_eq!(error.to_string(), "`lengths` holds 5 for column 1, expected at most 4");
    let error = refused(Input::from(&inputs.x).lengths(&[4]));
    assert_eq!(error.to_string(), "`lengths` has shape (1,), expected (m,) = (2,)");
    let wrong = Array2::zeros((3, 4));
    let error = refused(Input::tokens(&wrong));
    assert!(matches!(error, Error::Columns { input: "tokens", expected: 3, found: 2, .. }), "{error}");
}

#[test]
fn columns_without_steps_keep_their_state_and_its_gradient() {
    let shape = Shape { n_x: 3, n_a: 5, n_y: 2, m: 3, t_x: 4 };
    for mut problem in Problem::<f64>::draw(1, shape).readings() {
        problem.reading.lengths = Some(vec![0; 3]);
        let cache = problem.forward();
        assert_eq!(cache.last_hidden(), problem.inputs.a0);
        assert!(cache.hidden().iter().chain(&cache.output()).all(|v| *v == 0.0));
        let back = sequence::backward(&problem.parameters, &cache, problem.upstream.upstream()).unwrap();
        assert_eq!(Some(&back.da0), problem.upstream.last_hidden.as_ref());
        assert!(back.gradients.as_slice().iter().all(|g| *g == 0.0));
    }
}

#[test]
fn every_dimension_may_be_zero_in_every_reading() {
    let full = Shape { n_x: 3, n_a: 5, n_y: 2, m: 4, t_x: 6 };
    for shape in full.with_zeros() {
        let mut problem = Problem::<f64>::draw(1, Shape { n_y: 1, ..shape });
        problem.shape.n_y = shape.n_y;
        let mut rng = crate::support::numpy::Numpy::seed(2);
        problem.inputs = crate::support::problem::inputs(&mut rng, shape);
        problem.parameters = problem.inputs.parameters();
        problem.upstream = Linear::draw(&mut rng, shape);
        let (m, t_x) = (shape.m, shape.t_x);
        let lengths = Some((0..m).map(|j| j * t_x / 3).collect());
        let tokens = (shape.n_x > 0).then(|| Array2::zeros((m, t_x)));
        for reversed in [false, true] {
            for lengths in [None, lengths.clone(), Some(vec![0; m])] {
                for tokens in [None, tokens.clone()] {
                    problem.reading = Reading { tokens, lengths: lengths.clone(), reversed, dropout: None };
                    let cache = problem.forward();
                    assert_eq!(cache.hidden().dim(), (shape.n_a, m, t_x));
                    let upstream = problem.upstream.upstream();
                    let back = sequence::backward(&problem.parameters, &cache, upstream).unwrap();
                    assert_eq!(back.da0.dim(), (shape.n_a, m));
                }
            }
        }
    }
    // Without inputs there is no valid token id. If no column has a step, no token id is read.
    let problem = Problem::<f64>::draw(1, Shape { n_x: 0, ..full });
    let tokens = Array2::zeros((4, 6));
    let none = Input::tokens(&tokens).lengths(&[0; 4]);
    let cache = sequence::forward(&problem.parameters, none, &problem.inputs.a0).unwrap();
    sequence::backward(&problem.parameters, &cache, problem.upstream.upstream()).unwrap();
    let error = sequence::forward(&problem.parameters, Input::tokens(&tokens), &problem.inputs.a0).unwrap_err();
    assert_eq!(error, Error::Token { argument: "tokens", column: 0, step: 0, expected: 0, found: 0 });
}
