//! The bit contract: results are bit-identical for a sequence whole, in chunks or step by step; for a column alone or
//! in any batch; for any number of threads; and with any earlier content of the memory. `digests` compares instruction sets.

use elman::loss::{IGNORE, Reduction, cross_entropy_into};
use elman::{Gradients, Scalar, Upstream, cell, sequence};
use ndarray::{Array2, Array3, Axis, Slice, concatenate};

use crate::support::in_pool;
use crate::support::naive::{Inputs, Shape};
use crate::support::problem::{Linear, Sizes};
use crate::support::results::{Problem, Reading, Results, Workspace};

/// Sizes around the vector lengths (4, 8, 16), the tile heights, and the blocks of rows and of chains.
const SHAPES: [Sizes; 17] = [
    (1, 1, 1, 1, 1),
    (3, 5, 2, 10, 4),
    (15, 16, 17, 4, 5),
    (17, 15, 16, 3, 6),
    (33, 31, 63, 5, 4),
    (7, 65, 9, 13, 3),
    (64, 63, 65, 2, 5),
    (8, 24, 40, 25, 3),
    (5, 33, 4, 1, 9),
    (9, 129, 130, 1, 4),
    (300, 9, 5, 6, 3),
    (4, 270, 3, 3, 3),
    (6, 5, 290, 4, 3),
    (3, 17, 5, 7, 90),
    (2, 8, 3, 600, 2),
    (5, 16, 6, 1, 530),
    (4, 7, 3, 12, 17),
];

/// Large enough to be split over threads, with many columns and with few.
const LARGE: [Sizes; 5] =
    [(33, 65, 17, 23, 53), (17, 130, 33, 9, 40), (31, 255, 63, 2, 67), (64, 256, 64, 1, 70), (7, 33, 9, 513, 10)];

fn problems<A: Scalar>(shapes: &[Sizes]) -> Vec<Problem<A>> {
    (1..).zip(shapes).map(|(seed, &sizes)| Problem::draw(seed, sizes.into())).collect()
}

/// Each of these problems, and each of its other readings.
fn with_readings<A: Scalar>(problems: Vec<Problem<A>>) -> impl Iterator<Item = Problem<A>> {
    problems.into_iter().flat_map(|problem| [vec![problem.clone()], problem.readings()].concat())
}

/// All small problems, and the large ones plainly and with all readings combined.
#[cfg(feature = "rayon")]
fn every_problem<A: Scalar>() -> impl Iterator<Item = Problem<A>> {
    let large = problems::<A>(&LARGE).into_iter().flat_map(|problem| {
        let everything = problem.readings().into_iter().next_back();
        [problem].into_iter().chain(everything)
    });
    with_readings(problems(&SHAPES)).chain(large)
}

fn chunks_have_the_bits_of_the_whole<A: Scalar>(shapes: &[Sizes]) {
    for problem in with_readings(problems::<A>(shapes)) {
        let t_x = problem.shape.t_x;
        let whole = problem.forward();
        let expected = sequence::backward(&problem.parameters, &whole, problem.upstream.upstream()).unwrap();
        for mut cuts in [vec![1], vec![t_x / 2], vec![1, 2, t_x - 1], vec![t_x / 3, t_x / 3, t_x / 3 + 1]] {
            cuts.retain(|cut| *cut <= t_x);
            cuts.sort_unstable();
            let ends: Vec<usize> = cuts.iter().copied().chain([t_x]).collect();
            let starts = [0].into_iter().chain(cuts.iter().copied());
            let mut chunks: Vec<_> = starts.zip(ends).map(|(from, to)| problem.steps(from, to)).collect();
            if problem.reading.reversed {
                chunks.reverse();
            }

            let mut a0 = problem.inputs.a0.clone();
            let mut caches = Vec::new();
            for chunk in &chunks {
                let cache = sequence::forward(&problem.parameters, chunk.input(), &a0).unwrap();
                a0 = cache.last_hidden().to_owned();
                caches.push(cache);
            }
            let mut back = sequence::Backward::default();
            let mut da = problem.upstream.last_hidden.clone().unwrap();
            let mut dx = Vec::new();
            for (cache, chunk) in caches.iter().zip(&chunks).rev() {
                let upstream = chunk.upstream.upstream().with_last_hidden(&da);
                sequence::backward_into(&problem.parameters, cache, upstream, &mut back).unwrap();
                da.assign(&back.da0);
                dx.push(back.dx.clone());
            }
            dx.reverse();
            if problem.reading.reversed {
                caches.reverse();
                dx.reverse();
            }

            let join = |arrays: Vec<ndarray::ArrayView3<'_, A>>| concatenate(Axis(2), &arrays).unwrap();
            let (mut found, mut whole) = (Results::default(), Results::forward(&whole));
            found.add("hidden", &join(caches.iter().map(|cache| cache.hidden()).collect()));
            found.add("logits", &join(caches.iter().map(|cache| cache.logits()).collect()));
            found.add("output", &join(caches.iter().map(|cache| cache.output()).collect()));
            found.add("last_hidden", &a0);
            found.add("gradients", back.gradients.as_slice());
            whole.add("gradients", expected.gradients.as_slice());
            found.add("dx", &join(dx.iter().map(|dx: &Array3<A>| dx.view()).collect()));
            whole.add("dx", &expected.dx);
            found.add("da0", &back.da0);
            whole.add("da0", &expected.da0);
            found.assert_same(&whole, &(problem.shape, &problem.reading, &cuts));
        }
    }
}

#[test]
fn a_sequence_in_chunks_is_bit_identical_to_the_whole_forward_and_backward() {
    chunks_have_the_bits_of_the_whole::<f32>(&SHAPES);
    chunks_have_the_bits_of_the_whole::<f64>(&SHAPES);
    in_pool(3, || chunks_have_the_bits_of_the_whole::<f32>(&LARGE));
}

fn steps_have_the_bits_of_the_sequence<A: Scalar>() {
    for Problem { shape, parameters, inputs, .. } in problems::<A>(&SHAPES) {
        let cache = inputs.forward();
        let mut stepper = cell::Stepper::new(&parameters, shape.m);
        stepper.set_hidden(&inputs.a0).unwrap();
        let mut a_prev = inputs.a0.clone();
        for t in 0..shape.t_x {
            let xt = inputs.x.index_axis(Axis(2), t);
            let step = cell::forward(&parameters, &xt, &a_prev).unwrap();
            stepper.step(&xt).unwrap();
            let [mut whole, mut cells, mut served] = [const { Results { arrays: Vec::new() } }; 3];
            for (name, sequence, cell, stepper) in [
                ("hidden", cache.hidden(), step.a_next(), stepper.hidden()),
                ("logits", cache.logits(), step.logits(), stepper.logits()),
                ("output", cache.output(), step.y(), stepper.output()),
            ] {
                whole.add(name, sequence.index_axis(Axis(2), t));
                cells.add(name, cell);
                served.add(name, stepper);
            }
            cells.assert_same(&whole, &(shape, "cell", t));
            served.assert_same(&whole, &(shape, "stepper", t));
            assert_eq!(cache.step(t).as_ref(), Some(&step), "{shape:?}: step {t} as a cell");
            a_prev = step.a_next().to_owned();
        }
    }
}

fn a_stepper_reads_tokens_with_the_bits_of_the_sequence<A: Scalar>() {
    for problem in problems::<A>(&SHAPES).into_iter().map(|problem| problem.readings().swap_remove(0)) {
        let (cache, tokens) = (problem.forward(), problem.reading.tokens.as_ref().unwrap());
        let mut stepper = cell::Stepper::new(&problem.parameters, problem.shape.m);
        stepper.set_hidden(&problem.inputs.a0).unwrap();
        for t in 0..problem.shape.t_x {
            stepper.step_tokens(&tokens.column(t).to_vec()).unwrap();
            let (mut found, mut expected) = (Results::default(), Results::default());
            found.add("hidden", stepper.hidden());
            expected.add("hidden", cache.hidden().index_axis(Axis(2), t));
            found.add("output", stepper.output());
            expected.add("output", cache.output().index_axis(Axis(2), t));
            found.assert_same(&expected, &(problem.shape, t));
        }
        let n_x = problem.shape.n_x;
        let hidden = stepper.hidden().to_owned();
        let mut wrong = vec![0; problem.shape.m];
        *wrong.last_mut().unwrap() = n_x;
        let (column, argument) = (wrong.len() - 1, "tokens");
        let expected = elman::Error::Token { argument, column, step: 0, expected: n_x, found: n_x };
        assert_eq!(stepper.step_tokens(&wrong), Err(expected));
        wrong.push(0);
        assert!(matches!(stepper.step_tokens(&wrong), Err(elman::Error::Shape { argument: "tokens", .. })));
        assert_eq!(stepper.hidden(), hidden, "an error leaves the hidden state unchanged");
    }
}

#[test]
fn steppers_on_token_ids_are_bit_identical_to_the_sequence() {
    a_stepper_reads_tokens_with_the_bits_of_the_sequence::<f32>();
    a_stepper_reads_tokens_with_the_bits_of_the_sequence::<f64>();
}

#[test]
fn cells_and_steppers_are_bit_identical_to_the_sequence() {
    steps_have_the_bits_of_the_sequence::<f32>();
    steps_have_the_bits_of_the_sequence::<f64>();
}

fn a_cell_goes_back_with_the_bits_of_a_sequence<A: Scalar>() {
    for Problem { shape, parameters, inputs, upstream, .. } in problems::<A>(&SHAPES) {
        let one = |array: &Option<Array3<A>>| array.as_ref().map(|array| array.index_axis(Axis(2), 0).to_owned());
        let [hidden, logits, output] =
            [&upstream.hidden, &upstream.logits, &upstream.output].map(|array| one(array).unwrap());
        let step = cell::forward(&parameters, &inputs.x.index_axis(Axis(2), 0), &inputs.a0).unwrap();
        let cell_upstream = Upstream::hidden(&hidden).with_logits(&logits).with_output(&output);
        let cell = cell::backward(&parameters, &step, cell_upstream).unwrap();

        let first = |array: &Array3<A>| array.slice_axis(Axis(2), Slice::from(..1)).to_owned();
        let cache = sequence::forward(&parameters, &first(&inputs.x), &inputs.a0).unwrap();
        let [hidden, logits, output] =
            [&upstream.hidden, &upstream.logits, &upstream.output].map(|array| array.as_ref().map(first));
        let upstream = Linear { hidden, logits, output, last_hidden: None };
        let sequence = sequence::backward(&parameters, &cache, upstream.upstream()).unwrap();

        let (mut found, mut expected) = (Results::default(), Results::default());
        found.add("gradients", cell.gradients.as_slice());
        expected.add("gradients", sequence.gradients.as_slice());
        found.add("dx", &cell.dxt);
        expected.add("dx", &sequence.dx);
        found.add("da0", &cell.da_prev);
        expected.add("da0", &sequence.da0);
        found.assert_same(&expected, &shape);
    }
}

#[test]
fn a_cell_backward_pass_is_bit_identical_to_a_sequence_of_one_step() {
    a_cell_goes_back_with_the_bits_of_a_sequence::<f32>();
    a_cell_goes_back_with_the_bits_of_a_sequence::<f64>();
}

/// Some columns of a problem, as a separate batch.
fn columns<A: Scalar>(problem: &Problem<A>, from: usize, to: usize) -> Problem<A> {
    let cut3 = |array: &Array3<A>| array.slice_axis(Axis(1), Slice::from(from..to)).to_owned();
    let cut2 = |array: &Array2<A>| array.slice_axis(Axis(1), Slice::from(from..to)).to_owned();
    let labels = |array: &Array2<usize>| array.slice_axis(Axis(0), Slice::from(from..to)).to_owned();
    let Linear { hidden, logits, output, last_hidden } = &problem.upstream;
    let inputs = &problem.inputs;
    Problem {
        shape: Shape { m: to - from, ..problem.shape },
        parameters: problem.parameters.clone(),
        inputs: Inputs { x: cut3(&inputs.x), a0: cut2(&inputs.a0), ..inputs.clone() },
        upstream: Linear {
            hidden: hidden.as_ref().map(cut3),
            logits: logits.as_ref().map(cut3),
            output: output.as_ref().map(cut3),
            last_hidden: last_hidden.as_ref().map(cut2),
        },
        targets: labels(&problem.targets),
        reading: Reading {
            tokens: problem.reading.tokens.as_ref().map(labels),
            lengths: problem.reading.lengths.as_ref().map(|lengths| lengths[from..to].to_vec()),
            reversed: problem.reading.reversed,
            dropout: problem.reading.dropout.as_ref().map(|columns| columns[from..to].to_vec()),
        },
    }
}

/// The results per column, for some columns: everything except the parameters' gradients and the loss.
fn of_columns<A: Scalar>(workspace: &Workspace<A>, from: usize, to: usize) -> Results {
    let Workspace { cache, back, .. } = workspace;
    let mut results = Results::default();
    for (name, array) in [
        ("hidden", cache.hidden()),
        ("logits", cache.logits()),
        ("output", cache.output()),
        ("last_hidden", cache.last_hidden().insert_axis(Axis(2))),
        ("dx", back.dx.view()),
        ("da0", back.da0.view().insert_axis(Axis(2))),
    ] {
        results.add(name, array.slice_axis(Axis(1), Slice::from(from..to)));
    }
    results
}

fn a_column_has_the_same_bits_in_any_batch<A: Scalar>(shapes: &[Sizes]) {
    for problem in with_readings(problems::<A>(shapes)) {
        let m = problem.shape.m;
        let [mut whole, mut part] = [(); 2].map(|()| Workspace::default());
        problem.run_in(&mut whole);
        let alone = (0..m).step_by(m.div_ceil(30)).map(|j| (j, j + 1));
        let uneven = [(0, m / 3), (m / 3, m), (0, m - 1), (m - 1, m), (m / 2, m / 2 + 3)];
        for (from, to) in alone.chain(uneven).filter(|(from, to)| from < to && *to <= m) {
            columns(&problem, from, to).run_in(&mut part);
            let found = of_columns(&part, 0, to - from);
            found.assert_same(&of_columns(&whole, from, to), &(problem.shape, &problem.reading, from, to));
        }
    }
}

#[test]
fn a_column_is_bit_identical_alone_and_in_any_batch() {
    a_column_has_the_same_bits_in_any_batch::<f32>(&SHAPES);
    a_column_has_the_same_bits_in_any_batch::<f64>(&SHAPES);
    a_column_has_the_same_bits_in_any_batch::<f32>(&LARGE[..2]);
}

#[cfg(feature = "rayon")]
fn threads_do_not_show<A: Scalar>() {
    for problem in every_problem::<A>() {
        let expected = in_pool(1, || problem.run());
        for threads in [2, 3, 8] {
            in_pool(threads, || problem.run()).assert_same(&expected, &(problem.shape, &problem.reading, threads));
        }
    }
}

#[cfg(feature = "rayon")]
#[test]
fn one_two_three_and_eight_threads_give_bit_identical_results() {
    threads_do_not_show::<f32>();
    threads_do_not_show::<f64>();
}

/// The problem with only one upstream gradient each: the others must count as zero, not as the old memory.
fn with_one_gradient_each<A: Scalar>(problem: &Problem<A>) -> [Problem<A>; 4] {
    let Linear { hidden, logits, output, last_hidden } = problem.upstream.clone();
    [
        Linear { hidden, ..Linear::default() },
        Linear { logits, ..Linear::default() },
        Linear { output, ..Linear::default() },
        Linear { last_hidden, ..Linear::default() },
    ]
    .map(|upstream| Problem { upstream, ..problem.clone() })
}

fn memory_used_before_does_not_show<A: Scalar>() {
    let mut workspace = Workspace::default();
    let problems: Vec<Problem<A>> = with_readings(problems(&SHAPES))
        .flat_map(|problem| [vec![problem.clone()], with_one_gradient_each(&problem).to_vec()].concat())
        .collect();
    // Each size after other sizes and readings: larger, smaller, and the same again.
    for problem in problems.iter().chain(problems.iter().rev()).chain(&problems) {
        problem.run_in(&mut workspace).assert_same(&problem.run(), &(problem.shape, &problem.reading));
    }
}

#[test]
fn a_reused_workspace_gives_results_bit_identical_to_a_new_one() {
    memory_used_before_does_not_show::<f32>();
    memory_used_before_does_not_show::<f64>();
}

/// Writes NaN to every number that a run of this size overwrites.
fn spoil<A: Scalar>(problem: &Problem<A>, workspace: &mut Workspace<A>) {
    let Workspace { cache, loss, back } = workspace;
    let mut parameters = problem.parameters.clone();
    parameters.fill(A::nan());
    let Problem { inputs, upstream, targets, .. } = problem;
    let targets = &targets.mapv(|label| if label == IGNORE { 0 } else { label });
    sequence::forward_into(&parameters, &inputs.x, &inputs.a0, cache).unwrap();
    cross_entropy_into(&*cache, targets, Reduction::Sum, loss).unwrap();
    back.gradients = Gradients::zeros(parameters.dims());
    sequence::backward_into(&parameters, cache, upstream.upstream(), back).unwrap();
    let written = cache.hidden().iter().chain(&cache.output()).chain(&loss.dlogits).copied().collect::<Vec<_>>();
    assert!(written.iter().chain(&back.dx).chain(&back.da0).all(|v| v.is_nan()));
}

fn nan_left_behind_does_not_show<A: Scalar>() {
    for problem in with_readings(problems::<A>(&SHAPES)) {
        let expected = problem.run();
        let larger = Shape { m: problem.shape.m + 3, t_x: problem.shape.t_x + 2, ..problem.shape };
        for spoiler in [problem.shape, larger] {
            let mut workspace = Workspace::default();
            spoil(&Problem::draw(77, spoiler), &mut workspace);
            problem.run_in(&mut workspace).assert_same(&expected, &problem.shape);
            for problem in with_one_gradient_each(&problem) {
                spoil(&Problem::draw(77, spoiler), &mut workspace);
                problem.run_in(&mut workspace).assert_same(&problem.run(), &problem.shape);
            }
        }
    }
}

#[test]
fn nan_in_reused_memory_does_not_affect_the_results() {
    nan_left_behind_does_not_show::<f32>();
    nan_left_behind_does_not_show::<f64>();
}

fn discarded_gradients_do_not_show<A: Scalar>(problems: impl IntoIterator<Item = Problem<A>>) {
    for problem in problems {
        let cache = problem.forward();
        let mut back = sequence::Backward::default();
        let run = |back: &mut sequence::Backward<A>| {
            sequence::backward_into(&problem.parameters, &cache, problem.upstream.upstream(), back).unwrap();
            let mut results = Results::default();
            results.add("gradients", back.gradients.as_slice());
            results
        };
        let (once, twice) = (run(&mut back), run(&mut back));
        back.gradients.fill(A::nan());
        back.discard_gradients();
        let what = (problem.shape, &problem.reading);
        run(&mut back).assert_same(&once, &what);
        run(&mut back).assert_same(&twice, &what);
    }
}

#[test]
fn after_discarding_a_pass_overwrites_gradients_bit_identically_to_a_sum_from_zero() {
    // From no step and no column on, up to the number of rows that are not packed.
    let few =
        [(3, 5, 2, 0, 4), (3, 5, 2, 4, 0), (17, 33, 3, 1, 1), (5, 16, 7, 2, 2), (3, 31, 5, 4, 1), (4, 7, 65, 1, 3)];
    discarded_gradients_do_not_show::<f32>(with_readings(problems(&SHAPES)));
    discarded_gradients_do_not_show::<f64>(with_readings(problems(&few)));
    in_pool(3, || discarded_gradients_do_not_show::<f32>(with_readings(problems(&LARGE))));
}

#[test]
fn a_refused_pass_keeps_discarded_gradients_discarded() {
    let [problem] = &problems::<f64>(&[(3, 5, 2, 4, 3)])[..] else { unreachable!() };
    let (cache, upstream) = (problem.forward(), problem.upstream.upstream());
    let mut back = sequence::backward(&problem.parameters, &cache, upstream).unwrap();
    let expected = back.clone();
    back.discard_gradients();
    let wrong = Array3::zeros((5, 4, 2));
    assert!(sequence::backward_into(&problem.parameters, &cache, Upstream::hidden(&wrong), &mut back).is_err());
    sequence::backward_into(&problem.parameters, &cache, upstream, &mut back).unwrap();
    assert_eq!(back, expected);
}
