//! Long sequences: exact gradients from checkpoints, and truncated back-propagation.

use std::ops::Range;

use elman::loss::{Reduction, cross_entropy};
use elman::sequence::{self, Backward, Checkpointed, Input, Truncated};
use elman::{Error, Gradients, Scalar, Upstream};
use ndarray::{Array2, Array3, Axis, Slice, concatenate, s};

use crate::support::naive::Shape;
use crate::support::numpy::Numpy;
use crate::support::problem::{Linear, uniform};
use crate::support::results::{Problem, Results};

const SHAPES: [(usize, usize, usize, usize, usize); 6] =
    [(3, 5, 2, 7, 11), (17, 15, 16, 5, 31), (5, 33, 4, 1, 97), (7, 65, 9, 13, 3), (2, 8, 3, 600, 5), (4, 7, 3, 2, 1)];

fn problems<A: Scalar>() -> impl Iterator<Item = Problem<A>> {
    (1..)
        .zip(SHAPES.map(Shape::from))
        .map(|(seed, shape)| Problem::draw(seed, shape))
        .flat_map(|problem: Problem<A>| [vec![problem.clone()], problem.readings()].concat())
}

/// The gradients of the cross-entropy and of all other losses.
fn plain<A: Scalar>(problem: &Problem<A>) -> Results {
    let cache = problem.forward();
    let loss = cross_entropy(&cache, &problem.targets, Reduction::Sum).unwrap();
    let upstream = Linear { logits: Some(loss.dlogits), ..problem.upstream.clone() };
    let back = sequence::backward(&problem.parameters, &cache, upstream.upstream()).unwrap();
    let mut results = Results::forward(&cache);
    results.add("gradients", back.gradients.as_slice());
    results.add("dx", &back.dx);
    results.add("da0", &back.da0);
    results
}

fn checkpointed<'p, A: Scalar>(problem: &'p Problem<A>, mut run: Checkpointed<'p, A>) -> (Results, usize) {
    let t_x = problem.shape.t_x;
    let Linear { hidden, output, last_hidden, .. } = &problem.upstream;
    let mut parts: Vec<(usize, [Array3<A>; 4])> = Vec::new();
    let mut last = None;
    while let Some(segment) = run.next_segment().unwrap() {
        let steps = segment.steps();
        let cut = |array: &Option<Array3<A>>| {
            array.as_ref().map(|array| array.slice_axis(Axis(2), Slice::from(steps.clone())).to_owned())
        };
        let targets = problem.targets.slice(s![.., steps.clone()]).to_owned();
        let loss = cross_entropy(segment.cache(), &targets, Reduction::Sum).unwrap();
        let is_last = if problem.reading.reversed { steps.start == 0 } else { steps.end == t_x };
        let upstream = Linear {
            hidden: cut(hidden),
            logits: Some(loss.dlogits),
            output: cut(output),
            last_hidden: last_hidden.clone().filter(|_| is_last),
        };
        let cache = segment.cache();
        let outputs = [cache.hidden().to_owned(), cache.logits().to_owned(), cache.output().to_owned()];
        last = last.or_else(|| Some(cache.last_hidden().to_owned()));
        let dx = segment.backward(upstream.upstream()).unwrap().to_owned();
        let [hidden, logits, output] = outputs;
        parts.push((steps.start, [hidden, logits, output, dx]));
    }
    parts.sort_by_key(|(start, _)| *start);
    let join = |i: usize| {
        let views: Vec<_> = parts.iter().map(|(_, arrays)| arrays[i].view()).collect();
        concatenate(Axis(2), &views).unwrap()
    };
    let mut results = Results::default();
    results.add("hidden", &join(0));
    results.add("logits", &join(1));
    results.add("output", &join(2));
    results.add("last_hidden", &last.unwrap());
    let dx = join(3);
    let (gradients, da0) = run.into_gradients();
    results.add("gradients", gradients.as_slice());
    results.add("dx", &dx);
    results.add("da0", &da0);
    (results, parts.len())
}

fn checkpoints_give_the_bits_of_the_plain_gradient<A: Scalar>() {
    let mut most = 0;
    for problem in problems::<A>() {
        let expected = plain(&problem);
        let Problem { parameters, inputs, .. } = &problem;
        let run = Checkpointed::forward(parameters, problem.input(), &inputs.a0).unwrap();
        let (found, segments) = checkpointed(&problem, run);
        found.assert_same(&expected, &(problem.shape, &problem.reading));
        most = most.max(segments);
        let run = Checkpointed::forward_within(1 << 30, parameters, problem.input(), &inputs.a0).unwrap();
        let (found, segments) = checkpointed(&problem, run);
        found.assert_same(&expected, &(problem.shape, &problem.reading, "in much memory"));
        assert_eq!(segments, 1, "a sequence that fits is not cut");
    }
    assert!(most >= 8, "the largest number of segments is {most}");
}

#[test]
fn checkpoints_give_a_bit_identical_gradient_for_every_reading() {
    checkpoints_give_the_bits_of_the_plain_gradient::<f32>();
    checkpoints_give_the_bits_of_the_plain_gradient::<f64>();
}

#[test]
fn without_a_backward_pass_the_gradients_are_zero() {
    let problem = Problem::<f64>::draw(1, Shape { n_x: 3, n_a: 5, n_y: 2, m: 7, t_x: 31 });
    let run = Checkpointed::forward(&problem.parameters, &problem.inputs.x, None).unwrap();
    assert_eq!(run.into_gradients(), (Gradients::zeros(problem.shape.dims()), Array2::zeros((5, 7))));
}

#[test]
fn a_gradient_at_the_last_state_of_every_segment_is_added() {
    // The same terms in another order.
    const ROUNDING: f64 = 1e-12;
    let problem = Problem::<f64>::draw(1, Shape { n_x: 3, n_a: 5, n_y: 2, m: 7, t_x: 31 });
    let Problem { parameters, inputs, .. } = &problem;
    let (mut dhidden, mut rng) = (Array3::zeros((5, 7, 31)), Numpy::seed(1));
    let mut run = Checkpointed::forward(parameters, &inputs.x, &inputs.a0).unwrap();
    let mut segments = 0;
    while let Some(segment) = run.next_segment().unwrap() {
        let last = uniform(&mut rng, (5, 7));
        dhidden.index_axis_mut(Axis(2), segment.steps().end - 1).assign(&last);
        segment.backward(Upstream::default().with_last_hidden(&last)).unwrap();
        segments += 1;
    }
    assert!(segments > 2);
    let expected = sequence::backward(parameters, &problem.forward(), Upstream::hidden(&dhidden)).unwrap();
    let (gradients, da0) = run.into_gradients();
    let difference =
        |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(l, r)| (l - r).abs()).fold(0.0, f64::max);
    let found = difference(gradients.as_slice(), expected.gradients.as_slice());
    assert!(found < ROUNDING, "{found} between the gradients of the parameters");
    assert!((&da0 - &expected.da0).iter().all(|difference| difference.abs() < ROUNDING));
}

#[test]
fn a_dropped_segment_is_returned_again_and_an_error_changes_nothing() {
    let problem = Problem::<f64>::draw(1, Shape { n_x: 3, n_a: 5, n_y: 2, m: 7, t_x: 31 });
    let expected = plain(&problem);
    let mut run = Checkpointed::forward(&problem.parameters, &problem.inputs.x, &problem.inputs.a0).unwrap();
    let steps = run.next_segment().unwrap().unwrap().steps();
    let segment = run.next_segment().unwrap().unwrap();
    assert_eq!((segment.steps(), segment.steps().end), (steps, 31));
    let wrong = Array3::zeros((2, 7, 31));
    segment.backward(Upstream::logits(&wrong)).unwrap_err();
    let (found, segments) = checkpointed(&problem, run);
    assert!(segments > 1);
    found.assert_same(&expected, &"after an error");
}

#[test]
fn too_little_memory_is_refused_and_the_error_says_how_much_is_enough() {
    let problem = Problem::<f32>::draw(1, Shape { n_x: 3, n_a: 5, n_y: 2, m: 7, t_x: 3000 });
    let run = |memory| Checkpointed::forward_within(memory, &problem.parameters, problem.input(), &problem.inputs.a0);
    let error = run(100).unwrap_err();
    let Error::Memory { argument: "memory", expected, found: 100 } = error else { panic!("{error}") };
    assert_eq!(error.to_string(), format!("`memory` is 100 bytes, expected at least {expected}"));
    run(expected - 1).unwrap_err();
    let (found, segments) = checkpointed(&problem, run(expected).unwrap());
    found.assert_same(&plain(&problem), &expected);
    let (_, fewer) = checkpointed(&problem, run(2 * expected).unwrap());
    assert!(1 < fewer && fewer < segments, "{fewer} segments in twice the memory, {segments} before");
}

#[test]
fn a_scaled_sum_over_chunks_is_the_mean_over_the_whole() {
    let problem = Problem::<f64>::draw(1, Shape { n_x: 3, n_a: 5, n_y: 2, m: 7, t_x: 31 });
    let cache = problem.forward();
    let mean = cross_entropy(&cache, &problem.targets, Reduction::Mean).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    let share = 1.0 / mean.count as f64;
    let scaled = cross_entropy(&cache, &problem.targets, Reduction::Scaled(share)).unwrap();
    assert_eq!(mean, scaled);
    let error = cross_entropy(&cache, &problem.targets, Reduction::Scaled(f64::NAN)).unwrap_err();
    assert_eq!(error.to_string(), "`reduction` is NaN, expected finite");
}

/// Every window's steps and fresh steps, by the definition: an update after every k₁ steps, over the last k₂.
fn windows(t_x: usize, k1: usize, k2: usize) -> Vec<[Range<usize>; 2]> {
    let mut windows = Vec::new();
    let mut read = 0;
    while read < t_x {
        let end = (read + k1).min(t_x);
        let start = end - k2.min(end);
        windows.push([start..end, start.max(read)..end]);
        read = end;
    }
    windows
}

fn windows_have_the_bits_of_the_whole<A: Scalar>() {
    for problem in problems::<A>() {
        let t_x = problem.shape.t_x;
        let whole = problem.forward();
        for (k1, k2) in [(1, 1), (3, 3), (2, 5), (5, 2), (1, 100), (100, 1), (100, 100)] {
            let mut chunks = Truncated::new(problem.input(), &problem.inputs.a0, k1, k2).unwrap();
            let mut expected = windows(t_x, k1, k2).into_iter();
            while let Some(window) = chunks.next_window(&problem.parameters).unwrap() {
                let [mut steps, mut fresh] = expected.next().unwrap();
                if problem.reading.reversed {
                    [steps, fresh] = [steps, fresh].map(|range| t_x - range.end..t_x - range.start);
                }
                assert_eq!((&window.steps, &window.fresh), (&steps, &fresh), "TBPTT({k1}, {k2})");
                let (mut found, mut expected) = (Results::default(), Results::default());
                found.add("hidden", chunks.cache().hidden());
                expected.add("hidden", whole.hidden().slice(s![.., .., window.steps]));
                found.assert_same(&expected, &(problem.shape, &problem.reading, k1, k2));
            }
            assert_eq!(expected.next(), None);
            assert!(chunks.next_window(&problem.parameters).unwrap().is_none(), "no window follows the last one");
        }
    }
}

#[test]
fn windows_follow_the_definition_and_carry_the_state() {
    windows_have_the_bits_of_the_whole::<f32>();
    windows_have_the_bits_of_the_whole::<f64>();
}

#[test]
fn a_window_starts_from_the_state_that_was_computed_before_the_parameters_changed() {
    let mut problem = Problem::<f64>::draw(1, Shape { n_x: 3, n_a: 5, n_y: 2, m: 2, t_x: 9 });
    let mut chunks = Truncated::new(&problem.inputs.x, &problem.inputs.a0, 2, 3).unwrap();
    let mut before = None;
    while let Some(window) = chunks.next_window(&problem.parameters).unwrap() {
        if let Some((start, hidden)) = before.take() {
            let hidden: Array3<f64> = hidden;
            // The state after step t − 1, from the previous window.
            let expected = hidden.index_axis(Axis(2), window.steps.start - start - 1).to_owned();
            assert_eq!(chunks.cache().a0(), expected, "{window:?}");
        }
        before = Some((window.steps.start, chunks.cache().hidden().to_owned()));
        for value in problem.parameters.as_mut_slice() {
            *value *= 0.9;
        }
    }
}

#[test]
fn a_loss_over_the_windows_counts_every_label_once() {
    let problem = Problem::<f64>::draw(1, Shape { n_x: 3, n_a: 5, n_y: 2, m: 2, t_x: 23 });
    let whole = cross_entropy(&problem.forward(), &problem.targets, Reduction::Sum).unwrap();
    for (k1, k2) in [(1, 4), (3, 7), (5, 5)] {
        let mut chunks = Truncated::new(&problem.inputs.x, &problem.inputs.a0, k1, k2).unwrap();
        let (mut value, mut count) = (0.0, 0);
        while let Some(window) = chunks.next_window(&problem.parameters).unwrap() {
            let targets = window.targets(&problem.targets);
            let loss = cross_entropy(chunks.cache(), targets, Reduction::Sum).unwrap();
            let fresh = window.fresh_in_cache();
            let counted = |t: usize| loss.dlogits.index_axis(Axis(2), t).iter().any(|dlogit| *dlogit != 0.0);
            assert!((0..chunks.cache().len()).all(|t| counted(t) == fresh.contains(&t)));
            (value, count) = (value + loss.value, count + loss.count);
        }
        assert!((value - whole.value).abs() < 1e-12 * whole.value);
        assert_eq!(count, whole.count);
    }
}

#[test]
fn one_window_over_the_whole_sequence_gives_the_whole_gradient() {
    let problem = Problem::<f64>::draw(1, Shape { n_x: 3, n_a: 5, n_y: 2, m: 2, t_x: 23 });
    let mut chunks = Truncated::new(&problem.inputs.x, &problem.inputs.a0, 23, 23).unwrap();
    chunks.next_window(&problem.parameters).unwrap().unwrap();
    let mut back = Backward::default();
    sequence::backward_into(&problem.parameters, chunks.cache(), problem.upstream.upstream(), &mut back).unwrap();
    let whole = sequence::backward(&problem.parameters, &problem.forward(), problem.upstream.upstream()).unwrap();
    assert_eq!(back, whole);
}

#[test]
fn invalid_windows_are_refused_by_name() {
    let problem = Problem::<f64>::draw(1, Shape { n_x: 3, n_a: 5, n_y: 2, m: 2, t_x: 4 });
    let a0 = &problem.inputs.a0;
    let message =
        |input: Input<'_, f64>, a0: &Array2<f64>, k1, k2| Truncated::new(input, a0, k1, k2).unwrap_err().to_string();
    assert_eq!(message(problem.input(), a0, 0, 1), "`k1` is 0, expected at least 1");
    assert_eq!(message(problem.input(), a0, 1, 0), "`k2` is 0, expected at least 1");
    let expected = "`a0` has shape (5, 3), expected (n_a, m) = (5, 2)";
    assert!(message(problem.input(), &Array2::zeros((5, 3)), 1, 1).ends_with(expected));
    let input = problem.input().lengths(&[5, 4]);
    assert_eq!(message(input, a0, 1, 1), "`lengths` holds 5 for column 0, expected at most 4");
    let wrong = Array2::zeros((4, 2));
    let mut chunks = Truncated::new(problem.input(), &wrong, 1, 1).unwrap();
    let error = chunks.next_window(&problem.parameters).unwrap_err();
    assert_eq!(error.to_string(), "`a0` has shape (4, 2), expected (n_a, m) = (5, 2)");
}

#[test]
fn a_refused_token_is_named_by_its_step_and_the_windows_do_not_move() {
    let mut problem =
        Problem::<f64>::draw(1, Shape { n_x: 3, n_a: 5, n_y: 2, m: 1, t_x: 12 }).readings().swap_remove(0);
    let good = problem.reading.tokens.clone().unwrap();
    for reversed in [false, true] {
        problem.reading.reversed = reversed;
        let bad_step = if reversed { 3 } else { 8 };
        problem.reading.tokens.as_mut().unwrap()[[0, bad_step]] = 7;
        for (k1, k2) in [(5, 4), (4, 4), (4, 6)] {
            let mut chunks = Truncated::new(problem.input(), &problem.inputs.a0, k1, k2).unwrap();
            let mut windows = 0;
            let error = loop {
                match chunks.next_window(&problem.parameters) {
                    Ok(window) => windows += usize::from(window.is_some()),
                    Err(error) => break error,
                }
            };
            let expected = Error::Token { argument: "tokens", column: 0, step: bad_step, expected: 3, found: 7 };
            assert_eq!((error, windows), (expected.clone(), 8 / k1));
            let cache = chunks.cache().clone();
            assert_eq!(chunks.next_window(&problem.parameters), Err(expected), "and again");
            assert_eq!(*chunks.cache(), cache);
        }
        problem.reading.tokens = Some(good.clone());
    }
}
